"""Claims from VNN-LIB files: what a formula means, what is declared, and what errors say."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.claim import Atom, Declared, Part, Polynomial, Tensor
from secateur.engine.formats.sexpr import parse
from secateur.engine.formats.vnnlib_claims import claim_of, read_claim

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
NAMES = ["X_0", "X_1", "Y_0"]
HALVES = st.integers(-4, 4).map(lambda n: Fraction(n, 2))


def claim(text, file="query.vnnlib"):
    return claim_of(parse(text, file))


# --- what a formula means -------------------------------------------------------------------------


def literal(value):
    return f"{float(value)}"


@st.composite
def terms(draw, depth=2):
    """A term and what it evaluates to."""
    kind = draw(st.sampled_from(["number", "variable", "variable", "+", "-", "*", "/", "negate"]))
    if kind == "number" or (depth == 0 and kind != "variable"):
        value = draw(HALVES)
        return literal(value), lambda point: value
    if kind == "variable":
        index = draw(st.integers(0, 2))
        return NAMES[index], lambda point: point[index]
    text, first = draw(terms(depth - 1))
    if kind == "negate":
        return f"(- {text})", lambda point: -first(point)
    if kind == "/":
        by = draw(HALVES.filter(bool))
        return f"(/ {text} {literal(by)})", lambda point: first(point) / by
    others = draw(st.lists(terms(depth - 1), min_size=1, max_size=2))

    def value(point):
        total = first(point)
        for _, other in others:
            more = other(point)
            total = total + more if kind == "+" else total - more if kind == "-" else total * more
        return total

    return f"({kind} {text} {' '.join(t for t, _ in others)})", value


RELATIONS = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


@st.composite
def formulas(draw, depth=3):
    """A formula and its truth."""
    kind = draw(st.sampled_from(["compare", "compare", "and", "or", "not", "=>"]))
    if kind == "compare" or depth == 0:
        head = draw(st.sampled_from(list(RELATIONS)))
        count = 2 if head == "!=" else draw(st.sampled_from([2, 2, 3]))
        sides = draw(st.lists(terms(), min_size=count, max_size=count))

        def compared(point):
            values = [value(point) for _, value in sides]
            return all(RELATIONS[head](a, b) for a, b in pairwise(values))

        return f"({head} {' '.join(text for text, _ in sides)})", compared
    if kind == "not":
        text, inner = draw(formulas(depth - 1))
        return f"(not {text})", lambda point: not inner(point)
    parts = draw(st.lists(formulas(depth - 1), min_size=2 if kind == "=>" else 1, max_size=3))

    def joined(point):
        values = [part(point) for _, part in parts]
        if kind == "and":
            return all(values)
        if kind == "or":
            return any(values)
        return not all(values[:-1]) or values[-1]

    return f"({kind} {' '.join(text for text, _ in parts)})", joined


@settings(max_examples=120)
@given(st.lists(formulas(), min_size=1, max_size=3), st.data())
def test_a_claim_holds_exactly_where_its_formulas_do(parts, data):
    found = claim(ONE + "".join(f"(assert {text})" for text, _ in parts))
    for point in data.draw(st.lists(st.tuples(HALVES, HALVES, HALVES), min_size=1, max_size=8)):
        assert found.holds(point) == all(truth(point) for _, truth in parts)


def test_strictness_and_equality_are_kept_apart():
    forms = ["(<= X_0 1.0)", "(< X_0 1.0)", "(= X_0 1.0)", "(!= X_0 1.0)", "(not (= X_0 1.0))"]
    cases = [claim(ONE + f"(assert {form})").cases for form in forms]
    one = Polynomial({(0,): Fraction(1), (): Fraction(-1)})
    other = Polynomial({(0,): Fraction(-1), (): Fraction(1)})
    unequal = ((Atom(one, True),), (Atom(other, True),))
    assert cases[:3] == [
        ((Atom(one),),),
        ((Atom(one, True),),),
        ((Atom(one), Atom(other)),),
    ]
    assert cases[3] == cases[4] == unequal


def test_constants_are_evaluated_and_what_is_said_twice_is_kept_once():
    text = ONE + "(assert (<= X_0 1))" * 3 + "(assert (or (< 2 1) (<= 1 X_0) (>= X_0 1)))"
    (case,) = claim(text + "(assert (<= 1 2))").cases
    assert len(case) == 2
    assert claim(ONE + "(assert (< 1 1)) (assert (<= X_0 1))").cases == ()
    assert claim(ONE + "(assert (<= 1 1))").cases == ((),)


def test_decimals_are_exact_and_products_are_monomials():
    found = claim(ONE + "(assert (<= (* 0.1 X_1 X_0 (- X_0 Y_0)) (/ 1.0 3.0)))")
    (case,) = found.cases
    assert dict(case[0].form.terms) == {
        (): Fraction(-1, 3),
        (0, 0, 1): Fraction(1, 10),
        (0, 1, 2): Fraction(-1, 10),
    }
    assert case[0].form.degree == 3


# --- what is declared -----------------------------------------------------------------------------


def test_version_one_declares_one_network_of_reals():
    found = claim(ONE + "(assert (<= X_0 Y_0))")
    assert found.networks == (Declared("N"),)
    assert found.version == 1
    assert found.tensors == (
        Tensor("X", 0, Part.INPUT, "real", (2,), 0),
        Tensor("Y", 0, Part.OUTPUT, "real", (1,), 2),
    )


def test_version_two_numbers_its_tensors_in_the_order_of_the_file():
    found = claim(TWO + "(assert (<= X[0,1] (+ H [ 1 ] Y)))")
    assert found.version == 2
    assert found.tensors == (
        Tensor("X", 0, Part.INPUT, "real", (1, 2), 0),
        Tensor("H", 0, Part.HIDDEN, "float32", (2,), 2, "inside"),
        Tensor("Y", 0, Part.OUTPUT, "float32", (), 4),
    )
    ((atom,),) = found.cases
    assert atom.form.slopes == {1: 1, 3: -1, 4: -1}


NETWORK = "(declare-network {0} {1} (declare-input {0}X Real [2]) (declare-output {0}Y Real [1]))"


def test_networks_relate_to_their_original():
    text = NETWORK.format("a", "") + NETWORK.format("b", "(equal-to a)")
    text += NETWORK.format("c", "(isomorphic-to b)") + NETWORK.format("d", "(equal-to c)")
    found = claim(text + "(assert (== aX[0] dX[0]))")
    assert [(n.relation, n.target) for n in found.networks] == [
        ("", None),
        ("equal-to", 0),
        ("isomorphic-to", 0),
        ("equal-to", 2),
    ]
    assert found.of(3, Part.OUTPUT)[0].first == 11


# --- the real properties --------------------------------------------------------------------------


def test_the_real_properties_have_their_cases(data):
    counts = {1: 1, 2: 1, 3: 1, 4: 1, 5: 4, 6: 8, 7: 2, 8: 3, 9: 4, 10: 4}
    for number, count in counts.items():
        found = read_claim(data / "acasxu" / f"prop_{number}.vnnlib")
        assert len(found.cases) == count
        assert found.size == 10
        if number not in (7, 8):
            assert {len(case) for case in found.cases} <= {11, 14}
