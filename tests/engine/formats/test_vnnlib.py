"""Regions from VNN-LIB files: exact decimals, the ten real properties, and what errors say."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.errors import FileError, FormatError, InputError, RegionError, UnsupportedError
from secateur.engine.formats.decimals import exact, written
from secateur.engine.formats.regions import write_region
from secateur.engine.formats.sexpr import Atom, Form, parse
from secateur.engine.formats.vnnlib import read_region
from secateur.engine.region import Region

DECLARED = """\
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
"""
TWO = """\
(vnnlib-version <2.0>)
(declare-network f
    (declare-input X Real [1,2])
    (declare-output Y float32 [1,3] "logits")
)
"""
BOX = "(assert (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1)))\n"
FRACTIONS = st.fractions(-(10**6), 10**6) | st.floats(-1e9, 1e9).map(Fraction)


def region(tmp_path, text, inputs=2):
    path = tmp_path / "query.vnnlib"
    path.write_text(text)
    return read_region(path, inputs)


def corners(found):
    return [
        [str(value) for value in pair]
        for pair in zip(found.exact_lower, found.exact_upper, strict=True)
    ]


PROPERTIES = {
    1: ["3/5 679857769/1000000000", "-1/2 1/2", "-1/2 1/2", "9/20 1/2", "-1/2 -9/20"],
    4: [
        "-75882789/250000000 -298552812/1000000000",
        "-9549297/1000000000 9549297/1000000000",
        "0 0",
        "318181818/1000000000 1/2",
        "83333333/1000000000 166666667/1000000000",
    ],
}


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 8, 9, 10])
def test_the_real_properties_are_read(data, number):
    found = read_region(data / "acasxu" / f"prop_{number}.vnnlib", 5)
    assert found.size == 5
    assert (found.upper - found.lower).max() <= 1.01
    if number in PROPERTIES:
        wanted = [[str(Fraction(v)) for v in pair.split()] for pair in PROPERTIES[number]]
        assert corners(found) == wanted


def test_the_sixth_real_property_has_two_regions_and_says_where(data):
    path = data / "acasxu" / "prop_6.vnnlib"
    with pytest.raises(UnsupportedError) as caught:
        read_region(path, 5)
    assert str(caught.value) == (
        f"{path}:28:9: 'or' joins 2 alternatives that limit inputs, these are several regions: "
        "write one file for each"
    )


def test_a_decimal_means_exactly_what_it_says(tmp_path):
    text = DECLARED + "(assert (<= X_0 0.1)) (assert (>= X_0 -1e-3)) (assert (= X_1 .25))"
    assert corners(region(tmp_path, text)) == [["-1/1000", "1/10"], ["1/4", "1/4"]]


@pytest.mark.parametrize(
    "text",
    [
        "(assert (<= X_0 1)) (assert (>= X_0 0)) (assert (<= X_1 1)) (assert (>= X_1 0))",
        "(assert (>= 1 X_0)) (assert (<= 0 X_0)) (assert (and (<= X_1 1) (and (>= X_1 0))))",
        "(assert (<= 0 X_0 1)) (assert (>= 1 X_1 0))",
        "(assert (and (<= (- X_0 1) 0) (<= (* -2.0 X_0) 0) (<= 0 X_1) (<= (/ X_1 2) 0.5)))",
        "(assert (<= 0 X_0)) (assert (<= (+ X_0 X_0 1) 3)) (assert (or (and (<= 0 X_1 1))))",
        "(assert (<= -5 X_0 5)) (assert (<= 0 X_0 1)) (assert (<= 0 X_1 1)) (assert (<= X_1 7))",
        "(assert (<= (- 3 3) X_0 (- (- 1)))) (assert (<= 0 (- (+ X_1 X_0) X_0) 1))",
        "(assert (<= 0 X_0 1)) (assert (<= 0 X_1 1)) (assert (or (<= Y_0 X_0) (not (< Y_0 1))))",
        "(set-logic QF_LRA) (assert (and (<= 0 X_0 1) (<= 0 X_1 1) (>= (* Y_0 Y_0) 1)))",
        "(assert (<= 1 2)) (assert (<= 0 X_0 1)) (assert (<= 0 X_1 1)) (check-sat) (exit)",
    ],
)
def test_spellings_of_the_unit_box_give_the_unit_box(tmp_path, text):
    assert corners(region(tmp_path, DECLARED + text)) == [["0", "1"], ["0", "1"]]


@pytest.mark.parametrize(
    "text",
    [
        "(assert (<= 0 X[0,0] 1)) (assert (<= 0 X[0,1] 1)) (assert (>= Y[0,2] X[0,0]))",
        "(assert (<= 0 X [0, 0] 1)) (assert (and (<= 0 X[0 ,1]) (<= X[0,1] 1)))",
        "(assert (<= (* -1.0 X[0,0]) 0.0)) (assert (<= X[0,0] 1.0)) (assert (<= 0 X[0,1] 1))",
    ],
)
def test_version_two_is_read(tmp_path, text):
    assert corners(region(tmp_path, TWO + text)) == [["0", "1"], ["0", "1"]]


def test_version_two_flattens_in_c_order(tmp_path):
    text = "(declare-network f (declare-input image float32 [2,3]) (declare-output y Real []))"
    text += "".join(
        f"(assert (= image[{row},{column}] {3 * row + column}))"
        for row in range(2)
        for column in range(3)
    )
    found = region(tmp_path, text + "(assert (<= y 0))", 6)
    assert found.exact_lower == tuple(Fraction(n) for n in range(6))


def test_a_variable_may_be_declared_as_a_function_of_nothing(tmp_path):
    text = DECLARED.replace("(declare-const X_1 Real)", "(declare-fun X_1 () Real)")
    assert corners(region(tmp_path, text + BOX)) == [["0", "1"], ["0", "1"]]


def test_windows_line_ends_and_comments_change_nothing(tmp_path):
    text = (DECLARED + "; (assert (<= X_0 -9))\n" + BOX).replace("\n", "\r\n")
    assert corners(region(tmp_path, text)) == [["0", "1"], ["0", "1"]]


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS), min_size=1, max_size=4))
def test_a_written_region_comes_back_as_the_same_rationals(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("vnnlib") / "box.vnnlib"
    pairs = [sorted(pair) for pair in pairs]
    wanted = Region.box([low for low, _ in pairs], [high for _, high in pairs])
    write_region(wanted, path)
    found = read_region(path, len(pairs))
    assert found.exact_lower == wanted.exact_lower
    assert found.exact_upper == wanted.exact_upper


@given(st.fractions() | st.floats(allow_nan=False, allow_infinity=False, width=32).map(Fraction))
def test_a_written_number_is_read_as_itself(value):
    assert exact(written(value), "here") == value


def test_the_smallest_float64_is_written_in_full_and_read_back():
    assert exact(written(Fraction(5e-324)), "here") == Fraction(5e-324)


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("", FormatError, "{}: no variable is declared: this is no VNN-LIB file"),
        ("hello", FormatError, "{}:1:1: 'hello' stands outside parentheses"),
        (DECLARED + BOX + ")", FormatError, "{}:5:1: this ')' closes nothing"),
        (DECLARED + BOX[:-3], FormatError, "{}:4:9: this '(' is never closed"),
        (DECLARED + '(assert "a)', FormatError, "{}:4:9: this '\"' has no partner"),
        (DECLARED + "(assert X[0)", FormatError, "{}:4:10: this '[' has no partner"),
        ("(" * 201, FormatError, "{}:1:201: parentheses nest deeper than 200"),
        (DECLARED + "(define-fun f () Real 1)", FormatError, "{}:4:1: 'define-fun' is no command"),
        (DECLARED + "()", FormatError, "{}:4:1: '' is no command"),
        ("(declare-const X_0 Int)", FormatError, "{}:1:1: this declares no real number"),
        ("(declare-const)", FormatError, "{}:1:1: this declares no real number"),
        ("(declare-fun X_0 Real)", FormatError, "{}:1:1: this declares no real number"),
        ("(declare-const Z Real)", UnsupportedError, "{}:1:16: 'Z' is neither an input"),
        (DECLARED + "(declare-const X_0 Real)", FormatError, "{}:4:16: 'X_0' is declared twice"),
        ("(declare-const X_1 Real)", FormatError, "{}: X_1 is declared and X_0 is not"),
        ("(declare-const X_0 Real)", RegionError, "{} declares 1 inputs, the network has 2"),
        (DECLARED, RegionError, "{}: input 0 has no lower limit"),
        (DECLARED + "(assert (<= 0 X_0 1))", RegionError, "{}: input 1 has no lower limit"),
        (
            DECLARED + "(assert (and (<= 0 X_0 1) (<= 0 X_1)))",
            RegionError,
            "{}: input 1 has no upper limit",
        ),
        (
            DECLARED + BOX + "(assert (<= 2 X_1))",
            RegionError,
            "{}: input 1 has lower limit 2 above",
        ),
        (DECLARED + BOX + "(assert (<= 2 1))", RegionError, "{}:5:9: this holds for no input"),
        (DECLARED + "(assert)", FormatError, "{}:4:1: assert takes one formula and has 0"),
        (DECLARED + "(assert (<= X_0 1) ())", FormatError, "{}:4:1: assert takes one formula"),
        (DECLARED + "(assert X_0)", FormatError, "{}:4:9: this is no formula"),
        (DECLARED + "(assert (and))", FormatError, "{}:4:9: this is no formula"),
        (DECLARED + "(assert (=> (<= X_0 1)))", FormatError, "{}:4:9: this is no formula"),
        (DECLARED + "(assert (<= X_0))", FormatError, "{}:4:9: <= has 1 sides"),
        (DECLARED + "(assert (<= X_0 X_7))", FormatError, "{}:4:17: 'X_7' is not declared"),
        (DECLARED + "(assert (<= X_0 1x))", FormatError, "{}:4:17: '1x' is no number"),
        (DECLARED + "(assert (<= X_0 nan))", FormatError, "{}:4:17: 'nan' is no number"),
        (DECLARED + "(assert (<= X_0 inf))", RegionError, "{}:4:17: inf is no limit"),
        (DECLARED + "(assert (<= X_0 1e999))", RegionError, "{}:4:17: '1e999' is beyond"),
        (DECLARED + "(assert (<= X_0 1e99999))", RegionError, "{}:4:17: '1e99999' has an exponent"),
        (DECLARED + "(assert (<= X_0 1e9999))", RegionError, "{}:4:17: '1e9999' has an exponent"),
        (
            DECLARED + "(assert (<= (* X_0 1e-99) 1e99))",
            RegionError,
            "{}:4:9: this limit is beyond",
        ),
        (DECLARED + "(assert (<= (sin X_0) 1))", FormatError, "{}:4:13: this is no number"),
        (DECLARED + "(assert (<= X_0 X_1))", UnsupportedError, "{}:4:9: this ties 2 inputs"),
        (DECLARED + "(assert (<= (* X_0 X_0) 1))", UnsupportedError, "{}:4:13: this is not linear"),
        (DECLARED + "(assert (<= (/ X_0 0) 1))", UnsupportedError, "{}:4:13: this is not linear"),
        (DECLARED + "(assert (< X_0 1))", UnsupportedError, "{}:4:9: '<' on inputs is not handled"),
        (DECLARED + "(assert (!= X_0 1))", UnsupportedError, "{}:4:9: '!=' on inputs"),
        (DECLARED + "(assert (not (<= X_0 1)))", UnsupportedError, "{}:4:9: 'not' on inputs"),
        (
            DECLARED + "(assert\n (or (<= X_0 1) (<= Y_0 1)))",
            UnsupportedError,
            "{}:5:2: 'or' joins 2 alternatives that limit inputs, these are several regions",
        ),
        ("(vnnlib-version <3.0>)", UnsupportedError, "{}:1:17: this version is not handled"),
        (TWO + TWO, UnsupportedError, "{}:7:1: several networks or inputs are declared"),
        (
            "(declare-network g (isomorphic-to f) (declare-input X Real [2]))",
            UnsupportedError,
            "{}:1:20: several networks are declared",
        ),
        (
            "(declare-network f (declare-input X int8 [2]))",
            UnsupportedError,
            "{}:1:20: inputs of type 'int8' are not handled",
        ),
        (
            "(declare-network f (declare-input X Real [a]))",
            FormatError,
            "{}:1:42: '[a]' is no shape",
        ),
        ("(declare-network f (declare X))", FormatError, "{}:1:20: this declares no tensor"),
        (TWO + "(assert (<= X[0] 1))", FormatError, "{}:6:14: X[0] is no entry of a tensor"),
        (TWO + "(assert (<= X[0,2] 1))", FormatError, "{}:6:14: X[0,2] is no entry of a tensor"),
        (TWO + "(assert (<= X 1))", FormatError, "{}:6:13: X is no entry of a tensor"),
        (TWO + "(assert (<= [0,1] 1))", FormatError, "{}:6:13: the index '[0,1]' follows no name"),
        (TWO + "(assert (<= Z[0,1] 1))", FormatError, "{}:6:13: 'Z' is not declared"),
    ],
)
def test_a_bad_file_gets_one_line_with_its_place(tmp_path, text, kind, what):
    with pytest.raises(InputError) as caught:
        region(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(what.format(tmp_path / "query.vnnlib"))
    assert type(caught.value) is kind
    assert "\n" not in message
    assert ": " in message.removeprefix(str(tmp_path))


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FileError, match="there is no such file"):
        read_region(tmp_path / "none.vnnlib", 2)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    text = (DECLARED + BOX).rstrip()
    for end in range(len(text)):
        with pytest.raises(InputError):
            region(tmp_path, text[:end])


@given(st.data())
def test_a_damaged_file_ends_in_a_region_or_in_one_line(tmp_path_factory, data):
    text = DECLARED + BOX
    at = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from(list('()[];"X_019.-e \n\0é<=')))
    message = ""
    try:
        region(tmp_path_factory.mktemp("damaged"), text[:at] + wrong + text[at + 1 :])
    except InputError as error:
        message = str(error)
    assert "\n" not in message


def test_atoms_and_forms_know_their_places():
    script = parse('(a\n  (b "c d" [1, 2]))', "file")
    (form,) = script.forms
    inner = form.items[1]
    assert isinstance(inner, Form)
    assert [item.text for item in inner.items if isinstance(item, Atom)] == ["b", '"c d"', "[1,2]"]
    assert [script.place(item) for item in inner.items] == ["file:2:4", "file:2:6", "file:2:12"]
    assert form.head == "a"
    assert script.place(form) == "file:1:1"


def test_deep_nesting_does_not_exhaust_the_stack():
    with pytest.raises(FormatError, match=re.escape("file:1:201: parentheses nest")):
        parse("(" * 100_000, "file")
    assert parse("(" * 200 + ")" * 200, "file").forms
