"""Regions: exact corners, outward floats for proofs, inner lattice points for witnesses."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.errors import RegionError
from secateur.engine.network import Network, Normalisation
from secateur.engine.region import Region

decimals = st.decimals(-100, 100, allow_nan=False, places=6).map(Fraction)


@given(decimals, decimals)
def test_floats_enclose_the_exact_box_as_tightly_as_floats_can(a, b):
    region = Region.box([min(a, b)], [max(a, b)])
    assert Fraction(region.lower[0]) <= min(a, b) < Fraction(np.nextafter(region.lower[0], np.inf))
    assert Fraction(np.nextafter(region.upper[0], -np.inf)) < max(a, b) <= Fraction(region.upper[0])


@given(decimals, decimals, st.sampled_from(["float16", "float32", "float64"]), st.integers(0, 99))
def test_lattice_points_lie_in_the_region_and_in_the_type(a, b, dtype, seed):
    region = Region.box([min(a, b), 0], [max(a, b), 1])
    lattice = region.lattice(dtype)
    points = lattice.snap(np.random.default_rng(seed).uniform(-100, 100, size=(20, 2)))
    for point in lattice.exact(points):
        assert region.contains(point)
    if not lattice.pins:
        assert np.array_equal(points, points.astype(dtype).astype(np.float64))


def test_an_input_fixed_between_two_floats_is_pinned_to_its_rational():
    region = Region.box([Fraction(1, 10), 0], [Fraction(1, 10), 1])
    lattice = region.lattice("float32")
    assert lattice.pins == {0: Fraction(1, 10)}
    exact = lattice.exact(lattice.snap(np.array([[5.0, 0.5]])))
    assert exact.tolist() == [[Fraction(1, 10), Fraction(1, 2)]]
    assert region.contains(exact[0])


@pytest.mark.parametrize(
    ("lower", "upper", "says"),
    [
        ([0, 2], [1, 1], "input 1 has lower limit 2 above its upper limit 1"),
        ([0, float("nan")], [1, 1], "input 1 has the limit nan"),
        ([-float("inf"), 0], [1, 1], "must be bounded"),
        ([0], [1, 1], "1 lower and 2 upper limits"),
        ([], [], "0 lower"),
    ],
)
def test_a_region_that_is_none_is_refused(lower, upper, says):
    with pytest.raises(RegionError, match=says):
        Region.box(lower, upper, "R")


def test_a_region_must_fit_its_network():
    network = Network.dense([np.ones((1, 3))], [np.zeros(1)])
    with pytest.raises(RegionError, match="limits 2 inputs, the network built has 3"):
        Region.box([0, 0], [1, 1]).fit(network)


def test_raw_units_become_network_units_exactly():
    normal = Normalisation(np.zeros(1), np.array([10.0]), np.array([5.0]), np.array([3.0]))
    region = Region.box([2], [8]).to_network(normal)
    assert (region.exact_lower, region.exact_upper) == ((Fraction(-1),), (Fraction(1),))
    with pytest.raises(RegionError, match="keep inside it"):
        Region.box([-1], [8]).to_network(normal)


def test_a_point_is_told_apart():
    assert Region.box([1, 2], [1, 2]).is_point
    assert not Region.box([1, 2], [1, 3]).is_point
