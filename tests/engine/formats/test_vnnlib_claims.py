"""Claims from VNN-LIB files: what a formula means, what is declared, and what errors say."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.engine.claim import MOST_CASES, Atom, Claim, Declared, Part, Polynomial, Tensor
from secateur.engine.errors import FormatError, InputError, RegionError, UnsupportedError
from secateur.engine.formats.sexpr import parse
from secateur.engine.formats.vnnlib_claims import claim_of, read_claim
from secateur.engine.formats.vnnlib_write import claim_script, write_claim

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


# --- writing --------------------------------------------------------------------------------------

NUMBERS = st.fractions(-(10**6), 10**6) | st.floats(-1e9, 1e9).map(Fraction)
DECIMALS = st.decimals(-(10**6), 10**6, places=6).map(Fraction) | st.floats(-1e9, 1e9).map(Fraction)


@st.composite
def claims(draw, numbers=DECIMALS):
    """A claim as a file gives it: nothing constant, nothing twice."""
    networks, tensors, first = [], [], 0
    for network in range(draw(st.integers(1, 3))):
        copy = network and draw(st.booleans())
        networks.append(Declared(f"n{network}", *(("isomorphic-to", 0) if copy else ())))
        parts = [Part.INPUT, Part.HIDDEN, Part.OUTPUT]
        for part in parts[:: 2 if draw(st.booleans()) else 1]:
            shape = draw(st.sampled_from([(), (1,), (2,), (1, 2)])) if not copy else (2,)
            element = draw(st.sampled_from(["real", "float32", "int64"]))
            shape = (2,) if part is not Part.HIDDEN else shape
            node = "node" if part is Part.HIDDEN else None
            name = f"{part.name[0]}{network}"
            tensors.append(Tensor(name, network, part, element, shape, first, node))
            first += tensors[-1].size
    variables = st.integers(0, first - 1)
    monomials = st.lists(variables, min_size=1, max_size=3).map(lambda v: tuple(sorted(v)))
    forms = st.builds(
        lambda terms, offset: Polynomial(terms | {(): offset}),
        st.dictionaries(monomials, numbers.filter(bool), min_size=1, max_size=3),
        numbers,
    )
    atoms = st.builds(Atom, forms, st.booleans())
    cases = draw(st.lists(st.lists(atoms, max_size=4).map(unique), max_size=4))
    return Claim(tuple(networks), tuple(tensors), unique(cases, frozenset_of), "file")


def unique(items, key=lambda item: (tuple(item.form.terms.items()), item.strict)):
    return tuple({key(item): item for item in items}.values())


def frozenset_of(case):
    return frozenset((tuple(atom.form.terms.items()), atom.strict) for atom in case)


@settings(max_examples=60)
@given(claims())
def test_a_written_claim_comes_back_as_itself(tmp_path_factory, wanted):
    path = tmp_path_factory.mktemp("claims") / "claim.vnnlib"
    write_claim(wanted, path)
    assert replace(read_claim(path), name=wanted.name) == wanted


@settings(max_examples=30)
@given(claims(NUMBERS), st.data())
def test_rationals_that_are_no_decimals_are_written_as_multiples(wanted, data):
    found = claim(claim_script(wanted))
    point = data.draw(st.lists(HALVES, min_size=wanted.size, max_size=wanted.size))
    assert found.holds(point) == wanted.holds(point)


@settings(max_examples=30)
@given(claims())
def test_the_reference_parser_reads_what_is_written(wanted):
    vnnlib = pytest.importorskip("vnnlib", reason="the reference parser is not installed")
    alike = tuple(replace(tensor, element="float32") for tensor in wanted.tensors)
    script = claim_script(replace(wanted, tensors=alike))
    query = vnnlib.parse_query_string(script)
    assert [network.name for network in query.networks] == [n.name for n in wanted.networks]
    cases = 1
    for assertion in query.assertions:
        cases *= len(assertion.expr.to_dnf())
    assert cases == max(1, len(wanted.cases))


def test_names_and_orders_that_the_format_lacks_are_refused():
    plain = claim(ONE + "(assert (<= X_0 Y_0))")
    with pytest.raises(UnsupportedError, match="no name in VNN-LIB"):
        claim_script(replace(plain, networks=(Declared("a b"),)))
    x, y = plain.tensors
    turned = (replace(y, first=0), replace(x, first=1))
    with pytest.raises(UnsupportedError, match="do not stand as the format asks"):
        claim_script(replace(plain, tensors=turned))
    quoted = (x, replace(y, node='a"b'))
    with pytest.raises(UnsupportedError, match="cannot stand in quotes"):
        claim_script(replace(plain, tensors=quoted))


# --- the real properties --------------------------------------------------------------------------


def test_the_real_properties_have_their_cases(data):
    counts = {1: 1, 2: 1, 3: 1, 4: 1, 5: 4, 6: 8, 7: 2, 8: 3, 9: 4, 10: 4}
    for number, count in counts.items():
        found = read_claim(data / "acasxu" / f"prop_{number}.vnnlib")
        assert len(found.cases) == count
        assert found.size == 10
        if number not in (7, 8):
            assert {len(case) for case in found.cases} <= {11, 14}


# --- what is refused ------------------------------------------------------------------------------

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
