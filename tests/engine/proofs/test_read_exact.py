"""Arithmetic that tells whether it rounded, against fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.proofs.read_exact import exact_product, exact_reciprocal, exact_sum

NUMBERS = st.one_of(
    st.floats(allow_nan=False),
    st.floats(width=32, allow_nan=False),
    st.integers(-(2**53), 2**53).map(float),
    st.sampled_from([0.0, -0.0, 5e-324, 2.0**-1022, 1.7e308, np.inf, 1.0, -1.0, 2.0**600]),
)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=3)


def exactly(pairs, do):
    """Return the exact results, None for one that is infinite."""
    if not np.isfinite(pairs).all():
        return None
    return [do(Fraction(a), Fraction(b)) for a, b in pairs]


def columns(pairs):
    return np.array(pairs).T.copy()


@given(PAIRS)
def test_a_sum_that_is_given_is_exact_and_one_that_is_exact_is_given(pairs):
    expected = exactly(pairs, lambda a, b: a + b)
    found = exact_sum(*columns(pairs))
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.sum(columns(pairs), axis=0)
    holds = expected is not None and all(
        np.isfinite(near) and Fraction(near) == each
        for near, each in zip(rounded.tolist(), expected, strict=True)
    )
    assert (found is not None) == holds
    assert found is None or [Fraction(each) for each in found.tolist()] == expected


@given(PAIRS)
def test_a_product_that_is_given_is_exact(pairs):
    expected = exactly(pairs, lambda a, b: a * b)
    found = exact_product(*columns(pairs))
    assert found is None or [Fraction(each) for each in found.tolist()] == expected


@given(st.lists(st.tuples(*[st.floats(-100, 100, width=32)] * 2), min_size=1, max_size=3))
def test_products_of_binary32_numbers_are_given(pairs):
    assert exact_product(*columns(pairs)) is not None


@given(st.floats(-1e100, 1e100), st.integers(-300, 300))
def test_products_by_powers_of_two_are_given(number, power):
    wide = abs(number) * 2.0**power
    found = exact_product(np.array([number]), np.array([2.0**power]))
    assert (found is not None) == (number == 0 or wide >= 2.0**-1022 or power == 0)


def test_rows_of_a_matrix_are_scaled_in_blocks():
    matrix = np.arange(2.0**20).reshape(1024, 1024)
    factors = np.arange(1024.0)[:, None]
    found = exact_product(matrix, factors)
    assert found is not None
    assert (found == matrix * factors).all()
    factors[-1] = 0.1
    assert exact_product(matrix, factors) is None


@given(NUMBERS)
def test_a_reciprocal_that_is_given_is_exact(number):
    found = exact_reciprocal(np.array([number]))
    if found is None:
        assert abs(number) < 2.0**-1022 or np.frexp(number)[0] not in (0.5, -0.5)
    else:
        assert Fraction(found.tolist()[0]) * Fraction(number) == 1
