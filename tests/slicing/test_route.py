"""The router: the owner of every input, exact on boundaries, and what is outside is named."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices_drawn import near, owners, sliced

from secateur.engine.errors import RegionError
from secateur.engine.region import Region
from secateur.slicing.route import Router
from secateur.slicing.slices import LEAF, Slices
from secateur.slicing.split import grid

WIDE = Region.box([Fraction(-1, 3), 0], [Fraction(1, 3), 1], "wide")


def brute(slices, points):
    """Return the owner of each point, looked for among all cells; -1 for none."""
    cells = [slices.region(number) for number in range(slices.count)]
    found = [owners(slices.whole, cells, [Fraction(float(x)) for x in p]) for p in points]
    assert all(len(numbers) <= 1 for numbers in found)
    return [numbers[0] if numbers else -1 for numbers in found]


@given(sliced(cells=12), st.integers(0, 2**32 - 1))
@settings(max_examples=80)
def test_points_on_below_and_above_every_limit_go_to_their_owner(slices, seed):
    rng = np.random.default_rng(seed)
    marks = near(slices)
    points = np.stack([rng.choice(values, 60) for values in marks], axis=1)
    assert Router(slices).locate(points).tolist() == brute(slices, points)


@given(sliced(cells=12))
@settings(max_examples=50)
def test_a_corner_goes_to_the_cell_that_starts_there(slices):
    router = Router(slices)
    exact = (slices.lower >= router.least).all(axis=1)  # a rational limit may be no float64
    numbers = np.flatnonzero(exact)
    assert (router.locate(slices.lower[numbers]) == numbers).all()


@given(sliced(cells=12), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_float32_and_float16_are_widened_exactly(slices, seed):
    rng = np.random.default_rng(seed)
    marks = near(slices)
    points = np.stack([rng.choice(values, 40) for values in marks], axis=1)
    router = Router(slices)
    for kind in (np.float32, np.float16):
        small = points.astype(kind)
        assert (router.locate(small) == router.locate(small.astype(np.float64))).all()


def test_routes_keep_the_shape_and_take_any_layout():
    slices = grid(WIDE, [3, 2])
    points = np.random.default_rng(0).uniform([-0.3, 0], [0.3, 1], (4, 5, 2))
    cells = Router(slices).route(points)
    assert cells.shape == (4, 5)
    assert Router(slices).route(points[2, 3]) == cells[2, 3]
    assert Router(slices).route(points[2, 3]).shape == ()
    assert (Router(slices).route(np.asfortranarray(points)[::-1, ::2]) == cells[::-1, ::2]).all()
    assert Router(slices).route(np.zeros((0, 2))).shape == (0,)
    assert Router(slices).route([[0, 1], [0, 0]]).tolist() == [3, 2]
    assert Router(Slices(WIDE, np.array([LEAF]), np.zeros(1))).route([0.25, 1.0]) == 0


def test_zeros_of_both_signs_are_one_number():
    slices = Slices(Region.box([-1], [1]), np.array([0, LEAF, LEAF]), np.zeros(3))
    tiny = np.nextafter(0, -1)
    assert Router(slices).route([[0.0], [-0.0], [tiny], [-tiny]]).tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ([np.nan, 0.5], r"point 2: input 0 is nan: give a finite number"),
        ([0.0, np.inf], r"point 2: input 1 is inf: give a finite number"),
        ([0.0, -np.inf], r"point 2: input 1 is -inf"),
        ([1 / 3, 0.5], None),
        ([np.nextafter(1 / 3, 1), 0.5], r"input 0 is 0\.33333333333333337, above its limit"),
        ([-0.4, 2.0], r"point 2: input 0 is -0\.4.*, below its limit -0\.33"),
        ([0.0, 1.0], None),
        ([0.0, np.nextafter(1.0, 2)], r"input 1 is 1\.0000000000000002, above its limit 1"),
        ([0.0, -5e-324], r"below its limit 0"),
    ],
)
def test_the_first_point_outside_is_named(point, said):
    router = Router(grid(WIDE, [2, 2]))
    points = np.array([[0.0, 0.5], [0.1, 0.1], point, [9.0, 9.0]])
    if said is None:
        assert router.route(points[:3]).size == 3
        said = r"point 3: input 0 is 9"
    with pytest.raises(RegionError, match=f"wide: .*{said}" if "point" not in said else said):
        router.route(points)
    assert (router.locate(points) < 0).tolist() == [False, False, "point 3" not in said, True]


def test_a_single_point_and_a_grid_of_points_are_named_too():
    router = Router(grid(WIDE, [2, 2]))
    with pytest.raises(RegionError, match="wide: the point: input 1 is 3, above"):
        router.route([0, 3])
    with pytest.raises(RegionError, match=r"point \(1, 0\): input 1 is 3"):
        router.route([[[0, 0.5], [0, 0]], [[0, 3], [0, 4]]])


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (np.zeros(3), r"shape \(3,\): the last axis must be the 2 inputs"),
        (np.zeros((2, 1)), "last axis"),
        (0.5, "last axis"),
        (np.zeros(2, dtype=np.longdouble), "points of type longdouble|points of type float128"),
        (np.array([Fraction(1, 3), 0]), "points of type object"),
        (np.zeros(2, dtype=complex), "complex128"),
        (np.array([2**53 + 1, 0]), "taken exactly"),
        (np.array([True, False]), "bool"),
    ],
)
def test_what_is_no_point_is_refused(points, said):
    with pytest.raises(RegionError, match=said):
        Router(grid(WIDE, [2, 2])).route(points)
