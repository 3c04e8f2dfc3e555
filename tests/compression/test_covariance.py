"""Covariances against the dense matrices that they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.compression.covariance import Covariance, from_fisher, from_samples
from secateur.engine.errors import InputError


def drawn(seed, size, rank):
    rng = np.random.default_rng(seed)
    diagonal = 10.0 ** rng.uniform(-2, 2, size)
    return Covariance(diagonal, rng.normal(size=(size, rank)) * 10.0 ** rng.uniform(-2, 1))


def dense(covariance):
    return np.diag(covariance.diagonal) + covariance.factor @ covariance.factor.T


some = {"seed": st.integers(0, 10**6), "size": st.integers(1, 9), "rank": st.integers(0, 4)}


@given(**some)
def test_products_solutions_and_determinant_are_the_dense_ones(seed, size, rank):
    one = drawn(seed, size, rank)
    matrix, values = dense(one), np.random.default_rng(seed + 1).normal(size=size)
    np.testing.assert_allclose(one.times(values), matrix @ values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(matrix @ one.solve(values), values, rtol=1e-6, atol=1e-8)
    wanted = values @ np.linalg.solve(matrix, values)
    assert one.quadratic(values) == pytest.approx(wanted, rel=1e-6)
    assert one.log_determinant() == pytest.approx(np.linalg.slogdet(matrix)[1], abs=1e-8)


@given(**some, other=st.integers(0, 4))
def test_the_trace_under_another_is_the_dense_one(seed, size, rank, other):
    one, two = drawn(seed, size, rank), drawn(seed + 1, size, other)
    wanted = np.trace(np.linalg.solve(dense(two), dense(one)))
    assert one.trace_under(two) == pytest.approx(wanted, rel=1e-6)


@given(**some)
def test_the_largest_eigenvalue_is_never_less_and_hardly_more(seed, size, rank):
    one = drawn(seed, size, rank)
    true = np.linalg.eigvalsh(dense(one))[-1]
    assert true * (1 - 1e-12) <= one.largest() <= true * (1 + 1e-7)


@given(seed=st.integers(0, 10**6), samples=st.integers(3, 8), size=st.integers(2, 9))
def test_the_variance_of_each_weight_does_not_depend_on_the_rank(seed, samples, size):
    points = np.random.default_rng(seed).normal(size=(samples, size)) * np.arange(1, size + 1)
    flat = from_samples(points, 0, 0.1)
    own = 0.9 * points.var(axis=0, ddof=1)
    np.testing.assert_allclose(flat.diagonal - own, 0.1 * points.var(axis=0, ddof=1).mean())
    for rank in range(1, samples):
        np.testing.assert_allclose(
            np.diag(dense(from_samples(points, rank, 0.1))), flat.diagonal, rtol=1e-9
        )


@given(seed=st.integers(0, 10**6), samples=st.integers(3, 6), size=st.integers(2, 9))
def test_all_directions_of_samples_are_their_covariance(seed, samples, size):
    points = np.random.default_rng(seed).normal(size=(samples, size))
    whole = dense(from_samples(points, samples - 1, 1e-9))
    np.testing.assert_allclose(whole, np.cov(points.T), atol=1e-6)


def test_fisher_lets_weights_vary_that_the_loss_does_not_see():
    one = from_fisher(np.array([0.0, 1.0, 3.0]), 10, 0.5)
    mean = 4 / 3
    np.testing.assert_allclose(one.diagonal, [1 / (10 * (f + 0.5 * mean)) for f in (0.0, 1.0, 3.0)])


def test_a_multiple_of_the_identity_is_known_as_one():
    assert Covariance.of_variances(np.full(3, 2.0)).is_isotropic
    assert not Covariance.of_variances(np.full(1, 2.0)).is_isotropic
    assert not Covariance.of_variances(np.array([1.0, 2.0])).is_isotropic
    assert not Covariance(np.ones(2), np.ones((2, 1))).is_isotropic


def test_what_is_no_covariance_is_refused():
    for diagonal, factor in (
        (np.zeros(2), np.zeros((2, 0))),
        (np.array([1.0, np.nan]), np.zeros((2, 0))),
        (np.ones(2), np.zeros((3, 1))),
        (np.ones(2), np.zeros(2)),
        (np.ones(2), np.array([[np.inf], [1.0]])),
        (np.ones(0), np.zeros((0, 0))),
    ):
        with pytest.raises(InputError):
            Covariance(diagonal, factor)
    points = np.random.default_rng(0).normal(size=(3, 4))
    for samples, rank, shrink in (
        (points[:1], 0, 0.1),
        (points, 3, 0.1),
        (points, 0, 0.0),
        (points, 0, 1.0),
        (np.ones((3, 4)), 0, 0.1),
    ):
        with pytest.raises(InputError):
            from_samples(samples, rank, shrink)
    for information, count, damping in (
        (np.zeros(2), 1, 1.0),
        (-np.ones(2), 1, 1.0),
        (np.ones(2), 0, 1.0),
        (np.ones(2), 1, 0.0),
    ):
        with pytest.raises(InputError):
            from_fisher(information, count, damping)
