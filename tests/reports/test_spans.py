"""Spans and bars: what is drawn is where it is said to be, whatever the numbers are."""

import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from secateur.reports.figures import BAR, Bar, Pair, bar, bars, pairs
from secateur.reports.spans import SPAN, Axis, Span, spans

numbers = st.floats(allow_nan=False, allow_infinity=False)
ends = st.none() | numbers
names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=30)


@st.composite
def some_spans(draw):
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        known = sorted(draw(st.tuples(numbers, numbers)))
        low = draw(st.sampled_from([known[0], None]))
        high = draw(st.sampled_from([known[1], None]))
        base = draw(st.sampled_from([None, 0.0]))
        rows.append(Span(draw(names), low, high, draw(names), base))
    return rows


@given(some_spans(), st.none() | numbers)
def test_an_axis_shows_everything_in_its_order(rows, mark):
    axis = Axis.of(rows, mark)
    shown = sorted({end for row in rows for end in row.ends} | ({mark} - {None}))
    at = [axis.place(value) for value in shown]
    assert all(0.0 <= place <= SPAN for place in at)
    assert at == sorted(at)
    if len(shown) > 1 and shown[-1] - shown[0] > 1e-6 * max(map(abs, shown)):
        assert at[-1] - at[0] > 0.7 * SPAN
    assert axis.zero is None or 0.0 <= axis.zero <= SPAN


@given(some_spans(), st.none() | st.tuples(numbers, names))
def test_any_spans_are_a_picture(rows, mark):
    figure = spans("c", "t", rows, mark)
    drawn_well(figure.svg)
    for row in rows:
        assert f"{row.name}: {row.told}." in figure.description


@given(
    st.lists(
        st.tuples(
            names,
            st.dictionaries(st.sampled_from(["zero", "active", "open"]), st.integers(0, 2**63)),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_bars_are_a_picture(rows):
    drawn_well(bars("c", "t", [Bar(name, counts) for name, counts in rows]).svg)


@given(numbers, numbers)
def test_any_pair_is_a_picture(before, after):
    drawn_well(pairs("c", "t", [Pair("n", before, after)]).svg)
    assert 0.0 <= bar(after, before) <= 1.25 * BAR


def drawn_well(svg):
    """Assert that a picture is XML with a title, and that no length in it is negative or odd."""
    root = ET.fromstring(svg.strip())
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert [child.tag for child in root][:2] == [f"{space}title", f"{space}desc"]
    for rect in root.iter(f"{space}rect"):
        for key in ("x", "y", "width", "height"):
            assert float(rect.get(key)) >= 0.0
    assert not re.search(
        r"\b(nan|inf)\b", re.sub(r"<(text|title|desc).*?</\1>", "", svg, flags=re.S)
    )


def test_a_span_from_a_point_to_a_proof_has_a_dark_and_a_light_part():
    figure = spans("c", "t", [Span("a", 1.0, 4.0, "1 to 4", 0.0)], (2.0, "asked"))
    lengths = re.findall(r'<rect x="([\d.]+)" y="\d+" width="([\d.]+)"', figure.svg)
    (light, dark) = [(float(x), float(width)) for x, width in lengths]
    assert dark == (130.0, SPAN / 4)
    assert light == (130.0 + SPAN / 4, SPAN * 3 / 4)
    assert "The line marks asked." in figure.description
