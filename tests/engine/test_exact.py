"""Arrays of floats as rationals."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from secateur.engine.exact import Exact, affine
from secateur.engine.operators import Dense

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(values=arrays(np.float64, st.integers(0, 6), elements=finite))
def test_floats_become_the_rationals_that_they_are(values):
    found = Exact.of(values)
    assert found.fractions().tolist() == [Fraction(float(v)) for v in values]
    assert found.denominator == max((Fraction(float(v)).denominator for v in values), default=1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises((OverflowError, ValueError)):
        Exact.of(np.array([1.0, bad]))


def test_remembered_weights_are_those_of_the_array_at_hand():
    """Arrays come and go, and a new one may stand where an old one stood."""
    for scale in range(1, 200):
        operator, bias = Dense(np.full((1, 1), float(scale))), np.array([0.25])
        bias.setflags(write=False)
        for _ in range(2):
            out = affine(operator, bias, Exact.of(np.array([0.5])))
            assert out.fractions().tolist() == [Fraction(scale, 2) + Fraction(1, 4)]
        del operator, bias


def test_an_array_that_may_be_written_to_is_not_remembered():
    bias = np.zeros(1)
    for value in (1.0, 2.0):
        bias[0] = value
        assert affine(Dense(np.eye(1)), bias, Exact.of(np.zeros(1))).fractions().tolist() == [value]
