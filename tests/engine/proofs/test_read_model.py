"""The checker's model: exact evaluation, and nodes that do not fit together."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.proofs.model import (
    Affine,
    Concat,
    FormatError,
    Input,
    Model,
    Relu,
    Select,
    Sum,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def affine(source, weight, bias):
    return Affine(source, np.array(weight, dtype=np.float64), np.array(bias, dtype=np.float64))


def model(*nodes, sizes, output=None):
    names = tuple(f"n{at}" for at in range(len(nodes)))
    return Model(nodes, tuple(sizes), len(nodes) - 1 if output is None else output, names)


def every_kind():
    return model(
        Input(2),
        affine(0, [[1, -2], [0.5, 0], [0, 0]], [0.25, 0, -1]),
        Relu(1),
        Sum((1, 2, 2)),
        Concat((3, 0)),
        Select(4, np.array([4, 0, 0, 2])),
        sizes=[2, 3, 3, 3, 5, 4],
    )


def test_every_node_has_its_values():
    values = every_kind().evaluate([Fraction(1, 3), Fraction(-1, 7)])
    first = Fraction(1, 3) + Fraction(2, 7) + Fraction(1, 4)
    assert values[1] == [first, Fraction(1, 6), -1]
    assert values[2] == [first, Fraction(1, 6), 0]
    assert values[3] == [3 * first, Fraction(1, 2), -1]
    assert values[4] == [*values[3], Fraction(1, 3), Fraction(-1, 7)]
    assert values[5] == [Fraction(-1, 7), 3 * first, 3 * first, -1]
    points = np.array([[0.5, -0.25], [1.0, 1.0]])
    found = every_kind().floats(points)
    for row, point in enumerate(points.tolist()):
        exact = every_kind().evaluate([Fraction(x) for x in point])
        for ours, theirs in zip(found, exact, strict=True):
            assert ours[row].tolist() == [float(value) for value in theirs]


@given(st.lists(NUMBERS, min_size=3, max_size=3), st.lists(st.fractions(), min_size=2, max_size=2))
def test_an_affine_node_is_exact_for_any_numbers(numbers, point):
    *row, bias = numbers
    found = model(Input(2), affine(0, [row], [bias]), sizes=[2, 1]).evaluate(point)[1]
    expected = sum(Fraction(w) * x for w, x in zip(row, point, strict=True)) + Fraction(bias)
    assert found == [expected]


def test_arrays_are_copied_and_cannot_be_written_to():
    weight = np.ones((1, 1))
    node = Affine(0, weight, np.zeros(1))
    weight[0, 0] = 2
    assert node.weight.tolist() == [[1.0]]
    for array in (node.weight, node.bias, Select(0, np.array([0])).indices):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (lambda: affine(0, [[np.inf]], [0]), "the weight holds a number that is not finite"),
        (lambda: affine(0, [[1]], [np.nan]), "the bias holds a number that is not finite"),
        (lambda: affine(0, [1], [1]), "the weight has 1 axes of float64, not 2"),
        (
            lambda: Affine(0, np.ones((1, 1), np.float32), np.ones(1)),
            "the weight has 2 axes of float32",
        ),
        (lambda: affine(0, [[1]], [1, 2]), "2 biases stand beside 1 rows"),
        (lambda: Select(0, np.array([0.0])), "the list of indices has 1 axes of float64"),
        (lambda: model(sizes=[]), "a network of 0 nodes"),
        (lambda: model(Input(1), sizes=[]), "has 0 sizes"),
        (lambda: model(Input(1), sizes=[2]), "node 0 has 1 values where 2 are stated"),
        (lambda: model(Input(0), sizes=[0]), "node 0 has 0 values"),
        (lambda: model(Relu(0), sizes=[1]), "node 0: the first node, and no other, is the input"),
        (lambda: model(Input(1), Input(1), sizes=[1, 1]), "node 1: the first node, and no other"),
        (
            lambda: model(Input(1), Relu(1), sizes=[1, 1]),
            "node 1 reads node 1, which is not before",
        ),
        (lambda: model(Input(1), Relu(-1), sizes=[1, 1]), "node 1 reads node -1"),
        (
            lambda: model(Input(2), affine(0, [[1]], [1]), sizes=[2, 1]),
            "a matrix for 1 values reads 2",
        ),
        (lambda: model(Input(2), Select(0, np.array([2])), sizes=[2, 1]), "reads beyond its 2"),
        (lambda: model(Input(2), Select(0, np.array([-1])), sizes=[2, 1]), "reads beyond its 2"),
        (
            lambda: model(Input(2), Select(0, np.array([0])), Sum((0, 1)), sizes=[2, 1, 2]),
            r"a sum of nodes of the sizes \[1, 2\]",
        ),
        (lambda: model(Input(1), Sum(()), sizes=[1, 1]), r"a sum of nodes of the sizes \[\]"),
        (lambda: model(Input(1), Concat(()), sizes=[1, 0]), "node 1 has 0 values"),
        (lambda: model(Input(1), sizes=[1], output=1), "the output is node 1 of 1"),
        (lambda: Model((Input(1), Relu(0)), (1, 1), 1, ("a", "a")), "two nodes .* have one name"),
        (lambda: every_kind().evaluate([Fraction(0)]), "a point of 1 numbers for 2 inputs"),
        (lambda: every_kind().floats(np.zeros((2, 3))), "for 2 inputs"),
    ],
)
def test_what_does_not_fit_is_refused(build, what):
    with pytest.raises(FormatError, match=what):
        build()
