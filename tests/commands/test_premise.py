"""Whether any input satisfies what a query says of inputs alone, and that `verify` says so."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.commands import premise as command
from secateur.commands.premise import no_input, premise
from secateur.engine.claim import Atom, Claim, Declared, Part, Polynomial, Tensor
from secateur.engine.formats import save
from secateur.engine.network import Network
from secateur.engine.verdict import Method, Proved, Refuted, Unknown

ONE = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)"
BOX = ONE + "(assert (<= -1 X_0 2))(assert (<= 0 X_1 1))"
EMPTY = "No input satisfies what the query says of inputs alone"

Row = tuple[tuple[Fraction, ...], Fraction, bool]


@pytest.fixture
def total(tmp_path):
    """A file with the sum of its two inputs above zero."""
    save(Network.dense([[[1.0, 1.0]], [[1.0]]], [[0.0], [0.0]]), tmp_path / "sum.onnx")
    return tmp_path / "sum.onnx"


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "(assert (> X_0 2))",
        "(assert (> X_0 1))(assert (< X_0 1))",
        "(assert (== X_0 1))(assert (!= X_0 1))",
        "(assert (>= (+ X_0 X_1) 4))",
        "(assert (> (+ X_0 X_1) 3))",
        "(assert (<= (+ X_0 X_1) 0))(assert (>= X_0 0.5))(assert (>= Y_0 -1))",
        "(assert (or (and (>= X_0 3) (<= Y_0 0)) (and (<= X_0 -2) (>= Y_0 0))))",
        "(assert (> 0 1))",
    ],
)
def test_an_empty_input_set_is_reported_however_it_is_said(ask, total, tmp_path, said):
    record = tmp_path / "r.json"
    code, out, err = ask(BOX + said + "(assert (<= Y_0 9))", total, words=("--json", record))
    assert (code, out) == (0, ["unsat"])
    assert EMPTY in err
    assert json.loads(record.read_text())["vacuous"] is True


@pytest.mark.parametrize(
    "said",
    [
        "(assert (>= Y_0 3.5))",
        "(assert (>= (+ X_0 X_1) 2.5))(assert (>= Y_0 3.5))",
        "(assert (or (and (>= X_0 3) (<= Y_0 0)) (and (<= X_0 2) (>= Y_0 10))))",
        "(assert (>= Y_0 1))(assert (<= Y_0 0.5))",
    ],
)
def test_a_proof_about_some_input_is_no_empty_one(ask, total, tmp_path, said):
    record = tmp_path / "r.json"
    code, out, err = ask(BOX + said, total, words=("--json", record))
    assert (code, out) == (0, ["unsat"])
    assert "Proved: no input satisfies the query." in err
    found = json.loads(record.read_text())
    assert (found["vacuous"], found["note"]) == (False, None)


def test_inputs_of_several_networks_may_contradict_each_other(ask, total):
    net = "(declare-network {0} (declare-input X{0} real [1,2])(declare-output Y{0} real [1,1]))"
    text = net.format("f") + net.format("g")
    for name in ("Xf[0,0]", "Xf[0,1]", "Xg[0,0]", "Xg[0,1]"):
        text += f"(assert (<= -1 {name} 2))"
    text += "(assert (== Xf[0,0] Xg[0,0]))(assert (> Xf[0,0] (+ Xg[0,0] {})))(assert (> Yf[0,0] 9))"
    files = f"f={total}", f"g={total}"
    assert EMPTY in ask(text.format("0.0"), *files)[2]
    assert EMPTY not in ask(text.format("-1.0"), *files)[2]


def test_what_is_not_decided_is_said(ask, total, monkeypatch):
    monkeypatch.setattr(command, "LONGEST", 0.0)
    err = ask(BOX + "(assert (>= (+ X_0 X_1) 2.5))(assert (>= Y_0 3.5))", total)[2]
    assert "Proved: no input satisfies the query." in err
    assert "Whether any input satisfies what the query says of inputs alone was not decided" in err


# --- the claim ------------------------------------------------------------------------------------


def empty(rows: list[Row]) -> bool:
    """Return whether rows ``a x <= b`` (or ``<``) exclude every x, by Fourier and Motzkin."""
    while rows and rows[0][0]:
        above = [row for row in rows if row[0][-1] > 0]
        below = [row for row in rows if row[0][-1] < 0]
        rows = [(row[0][:-1], *row[1:]) for row in rows if row[0][-1] == 0]
        for a, b, one in above:
            for c, d, two in below:
                first, second = -c[-1], a[-1]
                slopes = zip(a[:-1], c[:-1], strict=True)
                both = tuple(first * p + second * q for p, q in slopes)
                rows.append((both, first * b + second * d, one or two))
    return any(b < 0 or (b == 0 and strict) for _, b, strict in rows)


@given(st.data(), st.integers(1, 3), st.integers(0, 4))
def test_the_verdict_is_that_of_exact_elimination(data, inputs, count):
    number = st.integers(-4, 4).map(Fraction)
    rows: list[Row] = []
    for index in range(inputs):
        low = data.draw(number)
        high = low + data.draw(st.integers(0, 4))
        unit = tuple(Fraction(int(at == index)) for at in range(inputs))
        rows.append((unit, high, data.draw(st.booleans())))
        rows.append((tuple(-value for value in unit), -low, data.draw(st.booleans())))
    for _ in range(count):
        slopes = tuple(data.draw(number) for _ in range(inputs))
        rows.append((slopes, data.draw(number), data.draw(st.booleans())))
    claim = claim_of(inputs, rows)
    match no_input(claim, 5.0):
        case Proved():
            assert empty(rows)
        case Refuted(witnesses=witnesses):
            assert not empty(rows)
            assert premise(claim).holds(witnesses[0].point)


def claim_of(inputs: int, rows: list[Row]) -> Claim:
    """Return the claim that rows hold of the inputs of a network, and that its output is large."""
    atoms = []
    for slopes, limit, strict in rows:
        terms = {(1 + at,): slope for at, slope in enumerate(slopes)} | {(): -limit}
        atoms.append(Atom(Polynomial(terms), strict))
    large = Atom(Polynomial({(0,): Fraction(-1), (1,): Fraction(1)}))
    tensors = (
        Tensor("Y", 0, Part.OUTPUT, "real", (1,), 0),
        Tensor("X", 0, Part.INPUT, "real", (inputs,), 1),
    )
    return Claim((Declared("f"),), tensors, ((*atoms, large),))


def test_inputs_are_numbered_anew_and_outputs_are_left_out():
    rows = [((Fraction(1), Fraction(2)), Fraction(3), False)]
    said = premise(claim_of(2, rows))
    assert [(tensor.name, tensor.first) for tensor in said.tensors] == [("X", 0)]
    assert said.cases == ((Atom(Polynomial({(0,): 1, (1,): 2, (): Fraction(-3)})),),)


def test_what_is_no_box_is_unknown():
    claim = claim_of(1, [((Fraction(1),), Fraction(0), False)])
    assert isinstance(no_input(claim, 1.0), Unknown)
    square = Atom(Polynomial({(1, 1): Fraction(1)}), strict=True)
    assert isinstance(no_input(replace(claim, cases=((square,),)), 1.0), Unknown)


def test_a_box_has_a_middle():
    rows: list[Row] = [((Fraction(1),), Fraction(2), True), ((Fraction(-1),), Fraction(0), True)]
    verdict = no_input(claim_of(1, rows), 1.0)
    assert isinstance(verdict, Refuted)
    assert (verdict.method, verdict.witnesses[0].point) == (Method.RATIONAL, (Fraction(1),))
