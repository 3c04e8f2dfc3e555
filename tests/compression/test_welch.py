"""Welch's test and Holm's correction: scipy's numbers, cases by hand, and what does not vary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from secateur.compression.welch import holm, interval, welch
from secateur.engine.errors import InputError


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(2, 12), st.integers(1, 5))
def test_the_test_is_scipys(seed, first, second, quantities):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-3, 3, quantities)
    one = rng.normal(size=(first, quantities)) * scale
    two = rng.normal(0.5, 2.0, size=(second, quantities)) * scale
    found = welch(one, two)
    told = stats.ttest_ind(two, one, equal_var=False)
    ends = told.confidence_interval(0.95)
    assert np.allclose(found.p, told.pvalue, rtol=1e-9)
    assert np.allclose(found.freedom, told.df, rtol=1e-9)
    assert np.allclose([found.low, found.high], [ends.low, ends.high], rtol=1e-9, atol=1e-12)


def test_a_case_by_hand():
    """Means 2 and 4, squared errors 1/3 and 4/3: t = 2 / sqrt(5/3), freedom 50 / 17."""
    found = welch(np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [4.0], [6.0]]))
    assert found.change == pytest.approx(2.0)
    assert found.freedom == pytest.approx(50 / 17)
    assert found.p == pytest.approx(2 * stats.t.sf(2 / (5 / 3) ** 0.5, 50 / 17))


def test_groups_that_do_not_vary():
    one = np.full((3, 3), 0.1)
    two = np.array([[0.1, 0.3 - 0.2, 0.4]] * 5)  # 0.3 - 0.2 is not 0.1 in binary
    found = welch(one, two)
    assert found.p.tolist() == [1.0, 1.0, 0.0]
    assert np.isnan(found.freedom).all()
    assert found.low.tolist() == found.change.tolist() == found.high.tolist()


def test_holm_by_hand():
    """Sorted: 4 * 0.005, 3 * 0.01, 2 * 0.03, 1 * 0.04, the last raised to the one before it."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_values_and_bonferroni(values):
    p = np.array(values)
    found = holm(p)
    assert (found >= p).all()
    assert (found <= np.minimum(p * len(p), 1.0)).all()
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= 0).all()


def test_an_interval_of_a_mean_is_students():
    values = np.array([0.1, 0.4, 0.2, 0.7])
    mean, low, high = interval(values)
    ends = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert (mean, low, high) == pytest.approx((values.mean(), *ends))
    assert np.isnan(interval(values[:1])[1])


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (np.zeros((1, 2)), np.zeros((3, 2)), "two or more"),
        (np.zeros((3, 2)), np.zeros((3, 1)), "a row a member"),
        (np.full((3, 1), np.nan), np.zeros((3, 1)), "not finite"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(first, second, said):
    with pytest.raises(InputError, match=said):
        welch(first, second)
