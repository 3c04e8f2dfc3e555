from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracle import fractions
from strategies import Array, numbers

from secateur.engine.expression import (
    Expression,
    composed,
    loosened,
    scaled,
    summed,
    trimmed,
)
from secateur.engine.operators import Dense, Diagonal

SIZE = st.integers(1, 4)


@st.composite
def expressions(draw, size, columns=6):
    """Draw an expression of some of the columns x0 to x5, all of them in [-2, 3]."""
    some = draw(numbers())
    used = np.array(sorted(draw(st.sets(st.integers(0, columns - 1), min_size=1))), np.int32)
    matrix = some(size, used.size)
    if draw(st.booleans()):
        matrix = np.where(draw(numbers())(size, used.size) > 0, 1.0, 0.0)
    limit = np.ones(used.size)
    error = np.abs(some(size)) * 1e-9
    return Expression(used, -2 * limit, 3 * limit, matrix, some(size), error)


def exact(expression, point):
    """The values of an expression in rationals, without the error."""
    return [
        sum(
            (Fraction(float(w)) * point[c] for w, c in zip(row, expression.columns, strict=True)),
            Fraction(float(constant)),
        )
        for row, constant in zip(expression.matrix, expression.constant, strict=True)
    ]


def true_values(expression, point, share):
    """Values that the expression stands for: off by a share of its error."""
    pairs = zip(exact(expression, point), fractions(expression.error), strict=True)
    return [value + share * error for value, error in pairs]


def draw_point(data):
    share = st.fractions(-2, 3, max_denominator=16)
    return [data.draw(share) for _ in range(6)], data.draw(st.sampled_from([-1, 0, 1]))


def check(expression, point, truth):
    for value, error, wanted in zip(exact(expression, point), expression.error, truth, strict=True):
        assert abs(value - wanted) <= Fraction(float(error))


@given(st.data(), SIZE, SIZE)
def test_a_composed_expression_holds_the_exact_values(data, size, outputs):
    value = data.draw(expressions(size))
    some = data.draw(numbers())
    weight: Array = some(outputs, size)
    bias: Array = some(outputs)
    point, share = draw_point(data)
    before = true_values(value, point, share)
    truth = [
        sum((w * v for w, v in zip(fractions(row), before, strict=True)), Fraction(float(b)))
        for row, b in zip(weight, bias, strict=True)
    ]
    check(composed(Dense(weight), bias, value), point, truth)


@given(st.data(), SIZE)
def test_a_scaled_expression_holds_the_exact_values(data, size):
    value = data.draw(expressions(size))
    some = data.draw(numbers())
    slope, shift = some(size), some(size)
    point, share = draw_point(data)
    before = true_values(value, point, share)
    triples = zip(fractions(slope), before, fractions(shift), strict=True)
    truth = [a * v + b for a, v, b in triples]
    check(scaled(value, slope, shift), point, truth)
    check(composed(Diagonal(slope), shift, value), point, truth)


@given(st.data(), SIZE, st.integers(1, 4))
def test_a_summed_expression_holds_the_exact_values(data, size, count):
    values = [data.draw(expressions(size)) for _ in range(count)]
    point, share = draw_point(data)
    parts = [true_values(value, point, share) for value in values]
    check(summed(values), point, [sum(part, Fraction(0)) for part in zip(*parts, strict=True)])


@given(st.data(), SIZE, st.sampled_from([1e-9, 0.3]))
def test_a_trimmed_or_loosened_expression_holds_the_exact_values(data, size, least):
    value = data.draw(expressions(size))
    point, share = draw_point(data)
    truth = true_values(value, point, share)
    found = trimmed(value, least)
    check(found, point, truth)
    assert not ((np.abs(found.matrix) <= least) & (found.matrix != 0.0)).any()
    slack = np.abs(data.draw(numbers())(size))
    sign = data.draw(st.sampled_from([-1, 1]))
    moved = [v + sign * s for v, s in zip(truth, fractions(slack), strict=True)]
    check(loosened(found, slack), point, moved)


def test_what_need_not_be_rounded_is_not():
    columns = np.arange(3, dtype=np.int32)
    value = Expression(columns, -np.ones(3), np.ones(3), np.eye(3), np.zeros(3), np.zeros(3))
    weight = np.random.default_rng(0).normal(size=(4, 3))
    made = composed(Dense(weight), np.full(4, 0.1), value)
    assert (made.matrix == weight).all()
    assert not made.error.any()
    assert not scaled(value, np.array([1.0, -1.0, 1.0]), np.array([0.1, 0.0, 0.3])).error.any()
    assert not summed([value, value.take(np.array([], int)).put(np.array([], int), 3)]).error.any()


def test_taking_and_putting_move_rows():
    value = Expression(
        np.array([4], np.int32),
        np.zeros(1),
        np.ones(1),
        np.array([[1.0], [2.0]]),
        np.array([3.0, 4.0]),
        np.array([0.0, 0.5]),
    )
    moved = value.take(np.array([1])).put(np.array([2]), 3)
    assert moved.matrix.tolist() == [[0.0], [0.0], [2.0]]
    assert moved.constant.tolist() == [0.0, 0.0, 4.0]
    assert moved.error.tolist() == [0.0, 0.0, 0.5]
