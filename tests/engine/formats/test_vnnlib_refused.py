"""VNN-LIB files that are refused: one line that names the place and the mend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.claim import MOST_CASES
from secateur.engine.errors import FormatError, InputError, RegionError, UnsupportedError
from secateur.engine.formats.sexpr import parse
from secateur.engine.formats.vnnlib_claims import claim_of

ONE = """\
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
"""
TWO = """\
(vnnlib-version <2.0>)
(declare-network f
    (declare-input X Real [1,2])
    (declare-hidden H float32 [2] "inside")
    (declare-output Y float32 [])
)
"""


def claim(text, file="query.vnnlib"):
    return claim_of(parse(text, file))


MANY = "".join(f"(assert (or (<= X_0 {i}) (>= X_1 {i})))" for i in range(1, 60))
NESTED = "(or " + " ".join(f"(and (<= X_0 {i}) (!= Y_0 {i}) (!= X_1 {i}))" for i in range(30)) + ")"
POWER = "(* " + " ".join(["(+ X_0 X_1 Y_0 1)"] * 150) + ")"
SECOND = "(declare-network g {} (declare-input A {} [{}]) (declare-output B float32 []))"
FIRST = "(declare-network f (declare-input X float32 [2]) (declare-output Y float32 []))"


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("", FormatError, "{}: no variable is declared"),
        (ONE, FormatError, "{}: nothing is asserted"),
        (ONE + "(assert)", FormatError, "{}:4:1: assert takes one formula and has 0"),
        (ONE + "(assert (<= X_0 1)", FormatError, "{}:4:1: this '(' is never closed"),
        (ONE + "(assert (<= X_0))", FormatError, "{}:4:9: <= has 1 sides"),
        (ONE + "(assert (!= X_0 1 2))", FormatError, "{}:4:9: != has 3 sides"),
        (ONE + "(assert (not (<= X_0 1) (<= X_1 1)))", FormatError, "{}:4:9: not has 2 arguments"),
        (ONE + "(assert (=> (<= X_0 1)))", FormatError, "{}:4:9: => has one argument"),
        (ONE + "(assert (xor (<= X_0 1)))", FormatError, "{}:4:9: this is no formula"),
        (ONE + "(assert X_0)", FormatError, "{}:4:9: this is no formula"),
        (
            ONE + "(assert (< 2 1))(assert (<= X_7 1))",
            FormatError,
            "{}:4:29: 'X_7' is not declared",
        ),
        (ONE + "(assert (<= X_0 1x))", FormatError, "{}:4:17: '1x' is no number"),
        (ONE + "(assert (<= X_0 inf))", RegionError, "{}:4:17: inf is no limit"),
        (ONE + "(assert (<= (sin X_0) 1))", UnsupportedError, "{}:4:13: 'sin' is no arithmetic"),
        (ONE + "(assert (<= (^ X_0) 1))", FormatError, "{}:4:13: '^' is no arithmetic"),
        (
            ONE + "(assert (<= (/ X_0 X_1) 1))",
            UnsupportedError,
            "{}:4:13: this divides by a variabl",
        ),
        (ONE + "(assert (<= (/ X_0 0.0) 1))", UnsupportedError, "{}:4:13: this divides by zero"),
        (ONE + "(assert (<= (/ X_0) 1))", FormatError, "{}:4:13: / has one side"),
        (
            ONE + f"(assert (<= {POWER} 1))",
            UnsupportedError,
            "{}:4:13: multiplied out, this has more",
        ),
        (ONE + MANY, InputError, "{}:4:9: multiplied out, this has 131072 cases, more than 100000"),
        (
            ONE + f"(assert {NESTED})(assert {NESTED})(assert {NESTED})(assert {NESTED})",
            InputError,
            "{}:4:9: multiplied out, this has",
        ),
        ("(declare-const X_0 Real)(assert (<= X_0 1))", FormatError, "{}: no output Y_0 is"),
        (
            ONE + "(declare-const Y_2 Real)(assert (<= X_0 1))",
            FormatError,
            "{}: Y_2 is declared and Y_1",
        ),
        (
            ONE + "(declare-const X_0 Real)(assert (<= X_0 1))",
            FormatError,
            "{}:4:16: 'X_0' is decl",
        ),
        (ONE + FIRST, FormatError, "{}:4:1: declare-network is of version 2"),
        ("(vnnlib-version <3.0>)", UnsupportedError, "{}:1:17: this version is not handled"),
        ("(declare-net f)", FormatError, "{}:1:1: 'declare-net' is no command"),
        ("(declare-network)", FormatError, "{}:1:1: this network has no name"),
        ("(declare-network f)", FormatError, "{}:1:1: network f declares no input"),
        ("(declare-network 1 (declare-input X Real [1]))", FormatError, "{}:1:18: '1' is no name"),
        (
            "(declare-network f (declare-input f Real [1]))",
            FormatError,
            "{}:1:35: 'f' is declared twi",
        ),
        (
            "(declare-network f (declare-input X Real [0]))",
            FormatError,
            "{}:1:20: X has no entries",
        ),
        (
            "(declare-network f (declare-input X Real [a]))",
            FormatError,
            "{}:1:42: '[a]' is no shape",
        ),
        (
            "(declare-network f (declare-input X str [1]))",
            UnsupportedError,
            "{}:1:37: element type 'st",
        ),
        (
            "(declare-network f (declare-hidden X Real [1]))",
            FormatError,
            "{}:1:20: hidden tensor X sta",
        ),
        ("(declare-network f (declare X))", FormatError, "{}:1:20: this declares no tensor"),
        (
            "(declare-network f (declare-input X Real [99999999]))",
            UnsupportedError,
            "{}:1:20: with X the file declares 99999999 numbers",
        ),
        (
            '(declare-network f (declare-input X Real [1] "x") (declare-output Y Real [1]))',
            FormatError,
            "{}:1:1: some inputs and outputs name their tensor in the model file and Y does not",
        ),
        (
            FIRST + SECOND.format("(equal-to h)", "float32", 2),
            FormatError,
            "{}:1:109: no network 'h'",
        ),
        (
            FIRST + SECOND.format("(equal-to f)", "float16", 2),
            FormatError,
            "{}:1:127: A is float16 [2], X of the network it is said to be equal-to is float32 [2]",
        ),
        (
            FIRST + SECOND.format("(isomorphic-to f)", "float32", 3),
            FormatError,
            "{}:1:132: A is float32 [3], X of the network it is said to be isomorphic-to",
        ),
        (
            FIRST + SECOND.format("(equal-to f) (equal-to f)", "float32", 2),
            FormatError,
            "{}:1:112: a network is equal or isomorphic to one other",
        ),
        (TWO + "(assert (<= X[0] 1))", FormatError, "{}:7:14: X[0] is no entry of a tensor"),
        (TWO + "(assert (<= Y[0] 1))", FormatError, "{}:7:14: Y[0] is no entry of a tensor"),
    ],
)
def test_a_bad_file_gets_one_line_with_its_place(text, kind, what):
    with pytest.raises(InputError) as caught:
        claim(text)
    assert type(caught.value) is kind, caught.value
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(what.format("query.vnnlib")), str(caught.value)


def test_isomorphic_networks_may_differ_in_element_type():
    text = FIRST + SECOND.format("(isomorphic-to f)", "float16", 2) + "(assert (<= B 1.0))"
    assert claim(text).tensors[2].element == "float16"


def test_the_limit_of_cases_is_reached_and_not_passed():
    tens = [[f"(<= X_0 {10 * row + column})" for column in range(10)] for row in range(5)]
    text = ONE + "".join(f"(assert (or {' '.join(ten)}))" for ten in tens)
    assert len(claim(text).cases) == MOST_CASES


@given(st.text(alphabet='()[]<>=+-*/!,.; \nXY_01"aorndst', max_size=60))
def test_any_text_gives_a_claim_or_one_line(text):
    for start in (ONE, TWO):
        try:
            claim(start + text)
        except InputError as error:
            line = str(error)
        else:
            continue
        assert line.startswith("query.vnnlib")
        assert "\n" not in line
