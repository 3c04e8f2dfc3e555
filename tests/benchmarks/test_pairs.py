"""Published questions about pairs: asked as published, and compared with what is known."""

import sys
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.benchmarks import pair_files, pairs, scaling
from secateur.benchmarks.chart import HEIGHT, WIDTH, Chart, Line, sheet
from secateur.benchmarks.pair_instances import FAMILIES, Asks, Known, PairInstance, pair_instances
from secateur.engine.formats.onnx_runtime import Runtime
from secateur.engine.formats.vnnlib_claims import read_claim
from secateur.engine.formats.vnnlib_write import write_claim
from secateur.engine.verdict import Method, Proved, Refuted, Unknown

NUMBERS = st.fractions(-2, 2, max_denominator=8)


def question(asks=Asks.ALL, epsilon=Fraction(1, 2), target=None, size=2):
    lower, upper = (Fraction(-1),) * size, (Fraction(1),) * size
    files = Path("f.onnx"), Path("g.onnx")
    return PairInstance("one", "nnequiv", *files, lower, upper, asks, epsilon, target, Known.OPEN)


@given(
    st.lists(NUMBERS, min_size=2, max_size=2),
    st.lists(NUMBERS, min_size=3, max_size=3),
    st.lists(NUMBERS, min_size=3, max_size=3),
    st.booleans(),
)
def test_a_claim_is_refuted_exactly_where_the_networks_disagree(x, f, g, apart):
    other = [x[0] + 1, x[1]] if apart else x
    values = [*x, *f, *other, *g]
    inside = all(-1 <= value <= 1 for value in x) and not apart
    far = [abs(a - b) > Fraction(1, 2) for a, b in zip(f, g, strict=True)]
    best = [i for i in range(3) if all(f[i] > f[k] for k in range(3) if k != i)]
    loses = any(g[k] > g[i] for i in best for k in range(3))
    for asked, expected in (
        (question(), any(far)),
        (question(Asks.TARGET, target=1), far[1]),
        (question(Asks.TOP, epsilon=None), loses),
    ):
        assert asked.claim((3,)).holds(values) is (inside and expected)


def test_the_claim_survives_its_file(tmp_path):
    claim = question(Asks.TOP, epsilon=None).claim((3,))
    write_claim(claim, tmp_path / "q.vnnlib")
    again = read_claim(tmp_path / "q.vnnlib")
    assert [network.name for network in again.networks] == ["f", "g"]
    assert sorted(map(repr, again.cases)) == sorted(map(repr, claim.cases))


@given(
    st.lists(NUMBERS, min_size=2, max_size=2),
    st.lists(NUMBERS, min_size=3, max_size=3),
)
def test_the_merged_question_asks_the_same_but_for_equality(tmp_path_factory, x, difference):
    folder = tmp_path_factory.mktemp("merged")
    for asked in (question(), question(Asks.TARGET, target=1)):
        query = folder / "q.vnnlib"
        query.write_text(asked.merged_query(3))
        both = asked.claim((3,)).holds([*x, *difference, *x, 0, 0, 0])
        spoken = difference if asked.target is None else [difference[1]]
        if max(map(abs, spoken)) != asked.epsilon:
            assert read_claim(query).holds([*x, *difference]) is both
    assert question(Asks.TOP, epsilon=None).merged_query(3) is None


def test_files_of_a_pair_compute_the_difference(data, tmp_path):
    if not (data / "pairs").is_dir():
        pytest.skip(f"there is no folder {data / 'pairs'}: the pairs are not published")
    rng = np.random.default_rng(0)
    for family in ("vnncomp26-iso-june", "verydiff-acas", "reludiff-mnist16"):
        instance = next(one for one in pair_instances() if one.family == family)
        entry = pair_files.entry(instance, tmp_path)
        assert [one.name for one in read_claim(entry.query).networks] == ["f", "g"]
        low, high = [np.array(side, float) for side in (instance.lower, instance.upper)]
        points = rng.uniform(low, high, (4, low.size)).astype(np.float32).astype(np.float64)
        f, g = [Runtime(path).outputs(points) for path in (instance.first, instance.second)]
        merged = Runtime(entry.alone.networks["N"]).outputs(points)
        assert np.array_equal(merged, (f.astype(np.float32) - g.astype(np.float32)).astype(float))


def test_networks_that_do_not_fit_have_no_common_file(data):
    if not (data / "pairs").is_dir():
        pytest.skip(f"there is no folder {data / 'pairs'}: the pairs are not published")
    nets = data / "pairs" / "nets"
    assert pair_files.side_by_side(nets / "acas_1_1.onnx", nets / "mnist_relu_3_100.onnx") is None


@pytest.mark.parametrize("wrong", [{"epsilon": None}, {"target": 1}, {"asks": Asks.TARGET}])
def test_a_question_that_is_not_whole_is_refused(wrong):
    with pytest.raises(ValueError, match="one: "):
        question(**wrong)


@given(st.fractions(Fraction(1, 100), 1))
def test_a_smaller_box_lies_inside_around_the_same_centre(factor):
    small = question().scaled(factor)
    for low, high in zip(small.lower, small.upper, strict=True):
        assert low + high == 0
        assert high == factor


def test_verdicts_are_told_in_published_words():
    assert pairs.result(Proved(Method.SPLIT)) is Known.EQUIVALENT
    assert pairs.result(Refuted((), Method.ATTACK)) is Known.DIFFERENT
    assert pairs.result(Unknown("time")) is Known.OPEN


def test_the_list_is_read_whole(data):
    assert data.is_dir()
    if not (data / "pairs").is_dir():
        pytest.skip(f"there is no folder {data / 'pairs'}: the pairs are not published")
    found = pair_instances()
    counts = {family: sum(one.family == family for one in found) for family in FAMILIES}
    assert list(counts.values()) == [20, 100, 60, 6, 10]
    assert [one.known for one in found].count(Known.DIFFERENT) == 35
    assert [one.known for one in found].count(Known.OPEN) == 27
    assert sum(one.known_boxes is not None for one in found) == 100
    assert all(one.first.is_file() and one.second.is_file() for one in found)


def test_pairs_are_settled_and_rows_kept(data, tmp_path, monkeypatch, capsys):
    if not (data / "pairs").is_dir():
        pytest.skip(f"there is no folder {data / 'pairs'}: the pairs are not published")
    store = tmp_path / "rows.jsonl"
    words = ["pairs", "--families", "reludiff-mnist16", "--sample", "2", "--limit", "10"]
    monkeypatch.setattr(sys, "argv", [*words, "--json", str(store)])
    pairs.main()
    written = store.read_text()
    table = capsys.readouterr().out
    assert "| reludiff-mnist16 | 2 | 2 | 2 | 0 | 0 |" in table
    pairs.main()
    assert store.read_text() == written
    monkeypatch.setattr(sys, "argv", [*words, "--json", str(store), "--seed", "1"])
    with pytest.raises(SystemExit, match=r"rows\.jsonl:1: measured with another limit or seed"):
        pairs.main()


def row(result, known, boxes, published):
    return {
        "family": "verydiff-acas",
        "result": result,
        "known": known,
        "contradicts": "unknown" not in (result, known) and result != known,
        "seconds": 1.0,
        "boxes": boxes,
        "known_boxes": published,
    }


def test_totals_compare_boxes_only_where_both_proved():
    rows = [
        row("equivalent", "equivalent", 10, 40),
        row("unknown", "equivalent", 1000, 50),
        row("not_equivalent", "equivalent", 1, 7),
        row("equivalent", "unknown", 5, 9),
    ]
    (line,) = pairs.totals(rows)
    assert line["boxes, published"] == "40 on 1"
    assert line["boxes here"] == "10"
    assert line["contradictions"] == "1"
    assert line["settled here alone"] == "1"
    assert line["settled there alone"] == "1"


def test_a_family_that_is_not_there_is_named():
    with pytest.raises(SystemExit, match="no family 'mine'"):
        pairs.drawn([], ["mine"], None, 0)


def test_one_question_becomes_a_row_of_other_questions():
    found = list(scaling.variants(question()))
    assert len(found) == len(scaling.EPSILONS) + len(scaling.SIZES)
    assert len({one.name for _, _, one in found}) == len(found)
    with pytest.raises(SystemExit, match="has no epsilon"):
        list(scaling.variants(question(Asks.TOP, epsilon=None)))


@given(
    st.lists(
        st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_a_chart_holds_every_point_inside_its_frame(points):
    text = sheet("title & more", [Chart("x", "y", (Line("a < b", tuple(points)),))])
    root = ElementTree.fromstring(text)
    marks = root.findall(".//{*}g/{*}circle")
    assert len(marks) == len(points)
    for mark in marks:
        assert 0 <= float(mark.get("cx")) <= WIDTH
        assert 0 <= float(mark.get("cy")) <= HEIGHT
    hollow = [mark for mark in marks if mark.get("fill") == "white"]
    assert len(hollow) == sum(not reached for _, _, reached in points)


def test_the_legend_explains_hollow_marks_where_there_are_some():
    for reached in (True, False):
        chart = Chart("x", "y", (Line("a", ((1.0, 2000.0, reached),)),))
        text = sheet("title", [chart], hollow="not reached")
        assert ("not reached" in text) is not reached
    assert ">2,000<" in text


def test_a_chart_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match="no place for 0"):
        Line("a", ((0.0, 1.0, True),))
    with pytest.raises(ValueError, match="nothing to draw"):
        Chart("x", "y", (Line("a", ()),))


def test_the_charts_of_a_scaling_show_both_axes():
    rows = [
        {"pair": "p", "axis": axis, "value": value, "result": "equivalent", "boxes": 0}
        | {"seconds": 0.5}
        for axis in ("epsilon", "region")
        for value in (0.5, 1.0)
    ]
    text = scaling.drawn(rows, 6.0)
    assert text.count("<polyline") == 4
