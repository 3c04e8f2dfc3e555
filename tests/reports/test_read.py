"""Records from anybody: read as they are meant, or refused in a line that names the place."""

import copy
import json
import math
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur.engine.errors import FormatError
from secateur.report import Form, build, read_runs, rendered
from secateur.reports.read import DEEPEST, LARGEST, Part, parsed, read_run, run_of

TEXTS = (Form.HTML, Form.MARKDOWN, Form.JSON)
SLOW = settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["proved", "sat", "outputs", "1/3", 2**63, -1, 10**400, 1e308, "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def one_line(error):
    assert "\n" not in str(error)
    assert len(str(error)) < 600
    return str(error)


def refusal(work):
    """Do a piece of work; return the line that refuses it, or None."""
    try:
        work()
    except FormatError as error:
        return one_line(error)
    return None


def shown(record):
    """Write the report of a record in every format that needs nothing beside."""
    report = build([run_of(record, "r.json", "0" * 64)])
    for form in TEXTS:
        rendered(report, form).decode()


def places(value, path=()):
    """Yield the place of every value in a record."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, one in items:
        yield from places(one, (*path, key))


def changed(record, path, value, gone):
    """Return a record with a value changed or gone."""
    record = copy.deepcopy(record)
    holder = record
    for key in path[:-1]:
        holder = holder[key]
    if gone:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return record


@SLOW
@given(data=st.data())
def test_a_record_with_anything_in_it_is_reported_or_refused(made, data):
    record = made[data.draw(st.sampled_from(sorted(made)))]
    for _ in range(data.draw(st.integers(1, 3))):
        spots = list(places(record))
        spot = data.draw(st.sampled_from(spots))
        record = changed(record, spot, data.draw(values), data.draw(st.booleans()))
        if not record:
            break
    said = refusal(lambda: shown(record))
    assert said is None or said.startswith("r.json: ")


@settings(max_examples=200)
@given(st.binary(max_size=200) | values.map(lambda v: json.dumps(v).encode()))
def test_bytes_are_json_or_refused_in_one_line(data):
    said = refusal(lambda: run_of(parsed(data, "r.json"), "r.json"))
    assert said is None or said.startswith("r.json: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e999}', "1e999 is no finite number"),
        ('{"a": %s}' % ("9" * 5000), "too many digits"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("{", "line 1, column 2: this is no JSON"),
        ("[" * 100_000, "without end"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "lists in one another"),
        ("", "this is no JSON"),
    ],
)
def test_what_json_is_not(text, said):
    with pytest.raises(FormatError, match=r"r\.json") as caught:
        parsed(text.encode(), "r.json")
    assert said in one_line(caught.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "no record but a single value or a list"),
        ({}, "it has no schema"),
        ({"schema": 3}, "schema is no text"),
        ({"schema": "other.verify/1"}, "none of secateur's"),
        ({"schema": "secateur.verify/1\n"}, "none of secateur's"),
    ],
)
def test_what_a_record_is_not(value, said):
    with pytest.raises(FormatError, match=r"r\.json") as caught:
        run_of(value, "r.json")
    assert said in one_line(caught.value)


def test_other_verbs_and_editions_are_named(tmp_path):
    for schema, said in (
        ("secateur.serve/1", "no report is made of secateur.serve/1"),
        ("secateur.simplify/1", "make the record again"),
        ("secateur.simplify/3", "take a newer secateur"),
        ("secateur.report/1", "no report is made"),
    ):
        (tmp_path / "r.json").write_text(json.dumps({"schema": schema}))
        with pytest.raises(FormatError) as caught:
            read_runs([tmp_path / "r.json"])
        assert said in one_line(caught.value)


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(b"{}")
    os.truncate(path, 100_000_000)
    with pytest.raises(FormatError, match="larger than 64 MiB"):
        read_run(path)
    with pytest.raises(FormatError, match="more than 4,000,000 values"):
        parsed(b"[" + b"0," * 4_000_001 + b"0]", "r.json")
    assert LARGEST < 100_000_000


def test_a_key_that_is_wrong_is_named_with_its_place():
    part = Part("r.json", "cuts[0]", {"a": None, "n": math.inf, "b": True, "t": "x\n\u202ey"})
    for read, said in (
        (lambda: part.words("missing"), "cuts[0].missing is missing"),
        (lambda: part.words("a"), "cuts[0].a is null"),
        (lambda: part.number("n"), "cuts[0].n is no finite number"),
        (lambda: part.number("b"), "cuts[0].b is no number"),
        (lambda: part.count("b"), "cuts[0].b is no count"),
        (lambda: part.part("t"), "cuts[0].t is no object"),
        (lambda: part.parts("t"), "cuts[0].t is no list"),
        (lambda: part.one_of("t", ("x",)), "cuts[0].t is none of x"),
    ):
        with pytest.raises(FormatError) as caught:
            read()
        assert one_line(caught.value).startswith(f"r.json: {said}")
    assert part.words("t") == "x \ufffdy"
    assert part.maybe("a", part.number) is None
