"""AP2 and AP3 against dense algebra, numerical integration and brute-force draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from secateur.compression.covariance import Covariance
from secateur.compression.divergence import (
    Projection,
    ap2,
    distance_limit,
    gaussian,
    input_directions,
    same_covariance,
    student,
    student_at,
)
from secateur.engine.errors import InputError


def drawn(seed, size, rank):
    rng = np.random.default_rng(seed)
    return Covariance(10.0 ** rng.uniform(-1, 1, size), rng.normal(size=(size, rank)))


def dense(covariance):
    return np.diag(covariance.diagonal) + covariance.factor @ covariance.factor.T


sizes = {"seed": st.integers(0, 10**6), "size": st.integers(2, 8), "rank": st.integers(0, 3)}


@given(**sizes, other=st.integers(0, 3))
def test_the_gaussian_divergence_is_the_dense_one(seed, size, rank, other):
    first, second = drawn(seed, size, rank), drawn(seed + 1, size, other)
    difference = np.random.default_rng(seed + 2).normal(size=size)
    one, two = dense(first), dense(second)
    solved = np.linalg.solve(two, difference)
    wanted = 0.5 * (
        np.trace(np.linalg.solve(two, one))
        + difference @ solved
        - size
        + np.linalg.slogdet(two)[1]
        - np.linalg.slogdet(one)[1]
    )
    found = gaussian(difference, first, second)
    assert found == pytest.approx(wanted, rel=1e-7, abs=1e-9)
    assert found >= -1e-9


@given(**sizes)
def test_equal_covariances_are_a_case_of_the_general_formula(seed, size, rank):
    covariance = drawn(seed, size, rank)
    difference = np.random.default_rng(seed + 2).normal(size=size)
    plain = same_covariance(difference, covariance)
    assert plain == pytest.approx(gaussian(difference, covariance, covariance), abs=1e-8, rel=1e-8)


@given(**sizes)
def test_a_divergence_limits_the_distance(seed, size, rank):
    covariance = drawn(seed, size, rank)
    difference = np.random.default_rng(seed + 2).normal(size=size)
    limit = distance_limit(same_covariance(difference, covariance), covariance)
    assert difference @ difference <= limit * (1 + 1e-9)
    strongest = np.linalg.eigh(dense(covariance))[1][:, -1]  # there the limit is reached
    limit = distance_limit(same_covariance(strongest, covariance), covariance)
    assert limit == pytest.approx(1.0, rel=1e-6)


def test_the_smallest_variance_would_not_limit_the_distance():
    covariance = Covariance.of_variances(np.array([0.01, 100.0]))
    difference = np.array([0.0, 10.0])
    divergence = same_covariance(difference, covariance)
    assert difference @ difference > 2 * divergence * 0.01
    assert difference @ difference <= distance_limit(divergence, covariance)


def test_one_dimension_agrees_with_integration_of_student_densities():
    for shift, scale, freedom in ((0.7, 1.0, 3.0), (2.5, 0.5, 4.0), (0.1, 2.0, 1.0)):
        first, second = stats.t(freedom, 0, scale), stats.t(freedom, -shift, scale)

        def integrand(x, first=first, second=second):
            return first.pdf(x) * (first.logpdf(x) - second.logpdf(x))

        wanted, _ = integrate.quad(integrand, -np.inf, np.inf, epsabs=1e-10, limit=400)
        covariance = Covariance.of_variances(np.array([scale**2]))
        found = student(np.array([shift]), covariance, freedom, 1, 200_000)
        assert found.low <= wanted <= found.high
        assert found.value == pytest.approx(wanted, rel=0.03)


def test_two_dimensions_agree_with_integration_of_student_densities():
    covariance = Covariance(np.array([1.0, 0.3]), np.array([[0.6], [-0.4]]))
    shift, freedom = np.array([0.8, 0.5]), 5.0
    first = stats.multivariate_t(np.zeros(2), dense(covariance), freedom)
    second = stats.multivariate_t(-shift, dense(covariance), freedom)
    # Both axes by the tangent, so that the whole plane lies in a square.
    nodes, weights = np.polynomial.legendre.leggauss(300)
    angle = nodes * np.pi / 2
    line, stretch = np.tan(angle), weights * (np.pi / 2) / np.cos(angle) ** 2
    points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
    values = np.exp(first.logpdf(points)) * (first.logpdf(points) - second.logpdf(points))
    wanted = float(stretch @ values @ stretch)
    found = student(shift, covariance, freedom, 2, 200_000)
    assert found.low <= wanted <= found.high
    assert found.value == pytest.approx(wanted, rel=0.02)


def test_three_numbers_of_a_draw_are_enough_in_many_dimensions():
    covariance = drawn(5, 12, 3)
    shift, freedom = np.random.default_rng(1).normal(size=12), 4.0
    first = stats.multivariate_t(np.zeros(12), dense(covariance), freedom, seed=7)
    second = stats.multivariate_t(-shift, dense(covariance), freedom)
    points = first.rvs(60_000)
    values = first.logpdf(points) - second.logpdf(points)
    room = 4 * values.std() / np.sqrt(len(values))
    assert student(shift, covariance, freedom, 3).value == pytest.approx(values.mean(), abs=room)


def test_the_interval_covers_as_often_as_it_says():
    wanted = student_at(1.3, 6, 4.0, 999, 2_000_000).value
    inside = [
        found.low <= wanted <= found.high
        for found in (student_at(1.3, 6, 4.0, seed, 400) for seed in range(400))
    ]
    assert 0.90 <= np.mean(inside) <= 0.99


def test_many_degrees_of_freedom_are_a_gaussian():
    covariance, shift = drawn(8, 5, 2), np.arange(5.0) / 5
    wanted = same_covariance(shift, covariance)
    found = student(shift, covariance, 1e7, 0, 50_000)
    assert found.value == pytest.approx(wanted, rel=0.02)


@given(
    square=st.floats(0, 100),
    size=st.integers(1, 10**6),
    freedom=st.floats(0.5, 50),
    seed=st.integers(0, 99),
)
def test_student_divergences_are_repeatable_and_grow_with_the_distance(square, size, freedom, seed):
    found = student_at(square, size, freedom, seed, 500)
    assert found == student_at(square, size, freedom, seed, 500)
    assert found.low <= found.value <= found.high
    # The same draws: a pair's mean of logarithms grows with the distance beyond a first dip.
    assert student_at(0.0, size, freedom, seed, 500).value == 0.0
    assert found.high >= 0.0 or square < 1


def test_no_difference_is_no_divergence():
    covariance = drawn(0, 4, 2)
    nothing = np.zeros(4)
    assert same_covariance(nothing, covariance) == 0.0
    assert student(nothing, covariance, 3.0, 0).value == 0.0
    assert gaussian(nothing, covariance, covariance) == pytest.approx(0.0, abs=1e-9)


def test_ap2_on_each_projection():
    one, two = np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([[3.0, 0.0], [0.0, 0.0]])
    assert ap2(one, two) == 16.0
    assert ap2(one, 2 * one, Projection.UNIT) == pytest.approx(0.0, abs=1e-30)
    assert ap2(one, two, Projection.UNIT) == pytest.approx((1 - 0.6) ** 2 + 0.8**2)
    assert ap2(one, np.zeros((2, 2)), Projection.UNIT) == pytest.approx(1.0)
    across, along = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    assert ap2(one, two, Projection.INPUTS, across) == 0.0
    assert ap2(one, two, Projection.INPUTS, along) == 16.0


@given(seed=st.integers(0, 999), samples=st.integers(1, 8), size=st.integers(1, 8))
def test_all_directions_of_the_inputs_lose_nothing_of_what_the_layer_computes(seed, samples, size):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(samples, size))
    basis = input_directions(inputs, most=size, share=1.0)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-9)
    weights = rng.normal(size=(3, size))
    np.testing.assert_allclose(weights @ basis @ basis.T @ inputs.T, weights @ inputs.T, atol=1e-8)


def test_inputs_that_are_zero_have_no_directions():
    assert input_directions(np.zeros((3, 2))).shape == (2, 0)


def test_what_says_nothing_is_refused():
    same = Covariance.of_variances(np.ones(3))
    for ask in (
        lambda: same_covariance(np.ones(3), same),
        lambda: gaussian(np.ones(3), same, drawn(0, 3, 1)),
        lambda: student(np.ones(3), same, 4.0, 0),
        lambda: same_covariance(np.ones(2), drawn(0, 3, 1)),
        lambda: student(np.ones(3), drawn(0, 3, 1), 0.0, 0),
        lambda: student(np.ones(3), drawn(0, 3, 1), 4.0, 0, 10),
        lambda: distance_limit(-1.0, drawn(0, 3, 1)),
        lambda: ap2(np.ones((2, 2)), np.ones((2, 3))),
        lambda: ap2(np.ones((2, 2)), np.ones((2, 2)), Projection.INPUTS),
    ):
        with pytest.raises(InputError):
            ask()
