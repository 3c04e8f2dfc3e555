"""Entries that say two networks are one function on a box: shown, or refused."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from truth import true

from secateur.engine.proofs.evidence import EMPTY, EQUAL, LEAF, Tree
from secateur.engine.proofs.form import Lemma, Limits, Line, SameBest, Subject, Value, Within
from secateur.engine.proofs.judge import ProofError, judge
from secateur.engine.proofs.model import Affine, Input, Model, Relu
from secateur.engine.proofs.record import record

eighths = st.integers(-8, 8).map(lambda n: n / 8)
SAID = Tree(np.array([LEAF]), np.zeros(1), np.array([0]), np.array([EQUAL]))


def net(w1, b1, w2, b2, w3, b3):
    """Return a network of two hidden layers."""
    parts = [(w1, b1), (w2, b2), (w3, b3)]
    nodes, sizes = [Input(2)], [2]
    for at, (weight, bias) in enumerate(parts):
        nodes.append(Affine(len(nodes) - 1, np.array(weight, float), np.array(bias, float)))
        sizes.append(len(bias))
        if at < 2:
            nodes.append(Relu(len(nodes) - 1))
            sizes.append(len(bias))
    return Model(tuple(nodes), tuple(sizes), 5, ("x", "z1", "h1", "z2", "h2", "y"))


@st.composite
def nets(draw):
    def matrix(rows, columns):
        return [[draw(eighths) for _ in range(columns)] for _ in range(rows)]

    def row(count):
        return [draw(eighths) for _ in range(count)]

    return net(matrix(3, 2), row(3), matrix(2, 3), row(2), matrix(2, 2), row(2))


NEURONS = [("h1", 0), ("h1", 1), ("h1", 2), ("h2", 0), ("h2", 1)]
lines = st.lists(
    st.tuples(
        st.sampled_from([("h1", 0), ("h1", 1), ("h1", 2), ("h2", 0), ("h2", 1)]), st.booleans()
    ),
    unique_by=lambda one: one[0],
    max_size=3,
).map(lambda some: tuple(Line(*place, float(up), 0.0) for place, up in some))
claims = st.sampled_from(
    [
        Within(Fraction(0), (0, 1)),
        Within(Fraction(1, 4), (0, 1)),
        SameBest(1, Fraction(0), 2),
        SameBest(-1, Fraction(1, 8), 2),
    ]
)


def asked(claim, after, before=(), low=(0, 0), high=(1, 1)):
    subjects = Subject(0, (0, 1), tuple(before)), Subject(0, (0, 1), tuple(after))
    sides = tuple(map(Fraction, low)), tuple(map(Fraction, high))
    return Lemma(subjects, *sides, claim, (), (), EMPTY)


@given(nets(), lines, claims)
def test_what_is_said_to_be_one_function_is_true_or_refused(model, after, claim):
    lemma = replace(asked(claim, after), tree=SAID)
    try:
        judge(lemma, [model])
    except ProofError:
        return
    assert true(lemma, [model])
    judge(lemma, [model], exact=True)


@given(nets(), lines, claims)
def test_what_is_recorded_holds(model, after, claim):
    made, _ = record(asked(claim, after), [model], 0.5, most=200)
    if made is not None:
        judge(made, [model])
        assert true(made, [model])


STABLE = net(
    [[1, 0], [0, 1], [-1, -1]],
    [0.125, 0.125, -0.125],
    [[1, 1, 1], [1, -1, 1]],
    [0, 0],
    np.eye(2),
    [0, 0],
)
LINES = (Line("h1", 0, 1.0, 0.0), Line("h1", 1, 1.0, 0.0), Line("h1", 2, 0.0, 0.0))


@pytest.mark.parametrize("claim", [Within(Fraction(0), (0, 1)), SameBest(1, Fraction(0), 2)])
def test_neurons_that_keep_their_sign_are_lines_at_once(claim):
    made, spent = record(asked(claim, LINES), [STABLE], 5.0)
    assert made is not None
    assert spent.nodes == 1
    assert made.tree.form.tolist() == [EQUAL]
    judge(made, [STABLE])
    judge(made, [STABLE], exact=True)


@pytest.mark.parametrize(
    "lemma",
    [
        asked(Within(Fraction(0), (0,)), LINES, low=(-1, 0)),
        asked(Within(Fraction(0), (0,)), (Line("h1", 0, 0.5, 0.0),)),
        asked(Within(Fraction(0), (0,)), (Line("h1", 0, 1.0, 0.25),)),
        asked(Within(Fraction(0), (0,)), (Line("h1", 2, 1.0, 0.0),)),
        asked(Within(Fraction(0), (0,)), LINES[:1], (Line("h1", 0, 0.0, 0.0),)),
        asked(SameBest(1, Fraction(0), 2, Fraction(1, 8)), LINES),
        asked(Within(Fraction(-1), (0,)), LINES),
        replace(
            asked(Within(Fraction(0), (0,)), ()),
            claim=Limits(((Value(0, None, 0), None, Fraction(9)),)),
        ),
    ],
)
def test_what_does_not_make_one_function_is_refused(lemma):
    with pytest.raises(ProofError, match=r"one function|are one where"):
        judge(replace(lemma, tree=SAID), [STABLE])


def test_networks_of_two_files_are_not_one_by_word_alone():
    lemma = asked(Within(Fraction(0), (0,)), ())
    other = replace(lemma, subjects=(lemma.subjects[0], Subject(1, (0, 1))), tree=SAID)
    for at, node in enumerate(STABLE.nodes):
        if isinstance(node, Affine):
            for part in ("weight", "bias"):
                moved = getattr(node, part).copy()
                moved.flat[0] += 2.0**-40
                nodes = list(STABLE.nodes)
                nodes[at] = replace(node, **{part: moved})
                with pytest.raises(ProofError, match="are one where"):
                    judge(other, [STABLE, replace(STABLE, nodes=tuple(nodes))])


def test_two_files_of_one_network_are_one_function():
    lemma = asked(SameBest(1, Fraction(0), 2), LINES)
    both = replace(lemma, subjects=(lemma.subjects[0], replace(lemma.subjects[1], file=1)))
    twin = replace(STABLE, names=("a", "b", "h1", "c", "h2", "d"))
    made, _ = record(both, [STABLE, twin], 5.0)
    assert made is not None
    judge(made, [STABLE, twin])
    turned = replace(both, subjects=(lemma.subjects[0], replace(both.subjects[1], inputs=(1, 0))))
    with pytest.raises(ProofError, match="are one where"):
        judge(replace(turned, tree=SAID), [STABLE, twin])
