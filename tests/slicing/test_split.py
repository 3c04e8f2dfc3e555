"""The grid: equal parts, numbered in C order, cut at the nearest float64."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices_drawn import regions

from secateur.engine.errors import RegionError
from secateur.engine.region import Region
from secateur.slicing.cover import cover
from secateur.slicing.split import grid

CUBE = Region.box([Fraction(-1, 3), 0, 2], [Fraction(1, 7), 1, 2], "cube")


@given(regions(), st.data())
@settings(max_examples=80)
def test_cells_lie_where_equal_parts_do_and_are_numbered_in_c_order(whole, data):
    parts = [
        data.draw(st.integers(1, 5)) if low == high or high - low > 1e-6 else 1
        for low, high in zip(whole.exact_lower, whole.exact_upper, strict=True)
    ]
    wide = [
        count if low < high else 1
        for count, low, high in zip(parts, whole.exact_lower, whole.exact_upper, strict=True)
    ]
    slices = grid(whole, parts)
    assert cover(slices).cells == slices.count == np.prod(wide)
    assert slices.depth == sum(int(np.ceil(np.log2(count))) for count in wide)
    for number, index in enumerate(itertools.product(*map(range, wide))):
        cell = slices.region(number)
        for at, step in enumerate(index):
            low, high = whole.exact_lower[at], whole.exact_upper[at]
            walls = [low + (high - low) * Fraction(part, wide[at]) for part in (step, step + 1)]
            want = [Fraction(float(wall)) for wall in walls]
            if step == 0:
                want[0] = low
            if step + 1 == wide[at]:
                want[1] = high
            assert [cell.exact_lower[at], cell.exact_upper[at]] == want


def test_inputs_without_a_number_or_without_width_are_not_cut():
    assert grid(CUBE, [3]).count == 3
    assert grid(CUBE, []).count == 1
    assert grid(CUBE, [1, 1, 8]).count == 1
    assert grid(CUBE, [3, 1, 8]).inputs.tolist() == [0]
    assert grid(CUBE, [np.int64(3), 2.0, 5]).count == 6


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([2, 2, 2, 2], "4 numbers for 3 inputs"),
        ([2, 0, 1], "a grid of 0 parts"),
        ([2, -1, 1], "a grid of -1 parts"),
        ([2, 1.5, 1], "a grid of 1.5 parts"),
        ([2, float("nan"), 1], "a grid of nan parts"),
        ([2, float("inf"), 1], "a grid of inf parts"),
        ([4096, 4096, 1], "more than 4,194,304 cells"),
        ([10**12, 1, 1], "more than 4,194,304 cells"),
    ],
)
def test_grids_that_cannot_be_are_refused(parts, said):
    with pytest.raises(RegionError, match=said):
        grid(CUBE, parts)


def test_where_floats_run_out_the_grid_is_refused():
    three = Region.box([1.0], [1.0 + 3 * 2.0**-52], "narrow")
    assert grid(three, [3]).count == 3
    with pytest.raises(RegionError, match="too few float64 numbers for 4 parts: give fewer"):
        grid(three, [4])
    inside = Region((Fraction(1, 3),), (Fraction(float(np.nextafter(1 / 3, 1))),), "gap")
    with pytest.raises(RegionError, match="too few"):
        grid(inside, [2])
