from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from secateur.encodings.affine import affine
from secateur.encodings.program import Index

WEIGHT = np.array([[1.0, 0.0, -2.0], [0.0, 3.0, 0.5]])
INPUTS: Index = np.array([0, 1, 2], np.int32)
OUTPUTS: Index = np.array([3, 4], np.int32)


def test_outputs_are_tied_to_the_map():
    bias = np.array([0.25, -1.0])
    rows = affine(WEIGHT, INPUTS, bias, OUTPUTS)
    point = np.array([1.0, 2.0, 3.0, 0.0, 0.0])
    point[3:] = WEIGHT @ point[:3] + bias
    assert (rows.lower == rows.upper).all()
    assert (rows.activity(point) == rows.lower).all()
    assert rows.values.size == np.count_nonzero(WEIGHT) + 2


def test_an_output_may_be_a_difference_of_two_columns():
    rows = affine(WEIGHT, INPUTS, np.zeros(2), OUTPUTS, np.array([5, 6], np.int32))
    point = np.array([1.0, 2.0, 3.0, 0.0, 7.5, 5.0, 0.0])
    assert rows.activity(point).tolist() == [0.0, 0.0]


@given(
    arrays(np.float64, 2, elements=st.floats(-1e6, 1e6)),
    arrays(np.float64, 2, elements=st.one_of(st.just(0.0), st.floats(1e-18, 1.0))),
)
def test_the_band_holds_the_whole_error(bias, error):
    rows = affine(WEIGHT, INPUTS, bias, OUTPUTS, error=error)
    for at in range(2):
        exact, wide = Fraction(float(bias[at])), Fraction(float(error[at]))
        assert Fraction(float(rows.lower[at])) <= exact - wide
        assert Fraction(float(rows.upper[at])) >= exact + wide
        if not error[at]:
            assert rows.lower[at] == rows.upper[at] == bias[at]
