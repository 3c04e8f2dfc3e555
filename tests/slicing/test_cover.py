"""The proof of a cover: it holds for cells of any tree, and no planted fault passes it."""

import itertools
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices_drawn import owners, sliced, telling

from secateur.engine.errors import RegionError
from secateur.engine.region import Region
from secateur.slicing import cover as module
from secateur.slicing.cover import cover, cover_of
from secateur.slicing.slices import LEAF, Slices
from secateur.slicing.split import grid

SQUARE = Region.box([0, 0], [1, 1], "square")


def cells_of(slices):
    return [slices.region(number) for number in range(slices.count)]


def truth(whole, cells):
    """Return whether each point that tells cells apart has one owner, by looking at all of them."""
    points = itertools.product(*telling([*cells, whole]))
    return all(len(owners(whole, cells, point)) == 1 for point in points)


def moved(cell, at, side, where):
    """Return a cell with another limit."""
    ends = [list(cell.exact_lower), list(cell.exact_upper)]
    ends[side][at] = where
    return Region(tuple(ends[0]), tuple(ends[1]), cell.name)


def box(lower, upper):
    return Region.box([Fraction(v) for v in lower], [Fraction(v) for v in upper])


@given(sliced())
@settings(max_examples=60)
def test_cells_of_a_tree_cover_it(slices):
    assert cover(slices).cells == slices.count
    assert cover_of(slices.whole, cells_of(slices)) == cover(slices)


@given(sliced(size=2, cells=9), st.data())
@settings(max_examples=150)
def test_a_fault_is_found_and_the_point_that_is_named_shows_it(slices, data):
    whole, cells = slices.whole, cells_of(slices)
    number = data.draw(st.integers(0, len(cells) - 1))
    fault = data.draw(st.sampled_from(["gone", "twice", "ulp", "limit", "order"]))
    at, side = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))
    ends = cells[number].exact_lower, cells[number].exact_upper
    match fault:
        case "gone":
            cells.pop(number)
        case "twice":
            cells.append(cells[number])
        case "ulp":
            goal = data.draw(st.sampled_from([-np.inf, np.inf]))
            where = Fraction(float(np.nextafter(float(ends[side][at]), goal)))
            if (side == 0 and where > ends[1][at]) or (side == 1 and where < ends[0][at]):
                return
            cells[number] = moved(cells[number], at, side, where)
        case "limit":
            other = cells[data.draw(st.integers(0, len(cells) - 1))]
            where = (other.exact_lower, other.exact_upper)[data.draw(st.integers(0, 1))][at]
            if (side == 0 and where > ends[1][at]) or (side == 1 and where < ends[0][at]):
                return
            cells[number] = moved(cells[number], at, side, where)
        case "order":
            cells = data.draw(st.permutations(cells))
    limits = [
        zip(c.exact_lower, c.exact_upper, whole.exact_lower, whole.exact_upper, strict=True)
        for c in cells
    ]
    wrong = any(
        low < bottom or high > top or (low == high and bottom < top)
        for cell in limits
        for low, high, bottom, top in cell
    )
    if cells and not wrong and truth(whole, cells):
        assert fault != "gone"
        assert cover_of(whole, cells).cells == len(cells)
        return
    with pytest.raises(RegionError) as error:
        cover_of(whole, cells)
    said = str(error.value)
    if "overlap" in said or "gap" in said:
        place = re.search(r"the point ([^,]+), (\S+)", said)
        point = tuple(float(text) for text in place.groups())
        exact = [Fraction(v) for v in point]
        if all(Fraction(float(v)) == v for c in cells for v in (*c.exact_lower, *c.exact_upper)):
            found = owners(whole, cells, exact)
            assert (len(found) == 0) if "gap" in said else (len(found) > 1)


def test_a_missing_cell_is_a_gap():
    cells = cells_of(grid(SQUARE, [3, 3]))
    with pytest.raises(RegionError, match=r"gap: no cell holds the point 0\.3{10,}\d*, 0\.3{10,}"):
        cover_of(SQUARE, cells[:4] + cells[5:])


def test_a_cell_twice_is_an_overlap():
    cells = cells_of(grid(SQUARE, [2, 2]))
    with pytest.raises(RegionError, match=r"point 0\.5, 0 is owned by cells 2, 4"):
        cover_of(SQUARE, [*cells, cells[2]])


def test_a_gap_that_an_overlap_makes_up_for_in_volume_is_found():
    cells = [box([0, 0], ["1/2", 1]), box([0, 0], ["1/2", 1])]
    with pytest.raises(RegionError, match="overlap: the point 0, 0 is owned by cells 0, 1"):
        cover_of(SQUARE, cells)


@pytest.mark.parametrize("goal", [-1, 2])
@pytest.mark.parametrize("side", [0, 1])
def test_a_boundary_that_is_moved_by_one_float_is_found_among_many(goal, side):
    whole = Region.box([0] * 5, [1] * 5, "cube")
    slices = grid(whole, [4, 4, 4, 4, 4])
    low, high = slices.lower.copy(), slices.upper.copy()
    number = 4 * 4 * 4 * 4 + 4 * 4 * 2 + 5
    ends = (low, high)[side]
    ends[number, 0] = np.nextafter(ends[number, 0], goal)
    ranks, values = module._ranks(whole.lower, whole.upper, low, high)
    with pytest.raises(RegionError, match="gap" if (goal > 0) != bool(side) else "overlap"):
        module._Proof("cube", values).prove(ranks)


def test_cells_that_no_line_parts_are_proved_all_the_same():
    third, two = Fraction(1, 3), Fraction(2, 3)
    wheel = [
        box([0, 0], [two, third]),
        box([two, 0], [1, two]),
        box([third, two], [1, 1]),
        box([0, third], [third, 1]),
        box([third, third], [two, two]),
    ]
    assert cover_of(SQUARE, wheel).cells == 5
    with pytest.raises(RegionError, match="gap"):
        cover_of(SQUARE, wheel[:4])
    with pytest.raises(RegionError, match="overlap"):
        cover_of(SQUARE, [*wheel, wheel[4]])


def test_many_cells_of_five_inputs():
    whole = box(["-0.328422877", *["-1/2"] * 4], ["0.679857769", *["1/2"] * 4])
    slices = grid(whole, [8] * 5)
    assert cover(slices).cells == 32_768
    low = slices.lower.copy()
    low[12_345, 3] = np.nextafter(low[12_345, 3], 1)
    ranks, values = module._ranks(whole.lower, whole.upper, low, slices.upper)
    with pytest.raises(RegionError, match="gap"):
        module._Proof("region", values).prove(ranks)


def comb(inputs, cells):
    """Return slices of a box that are cut along one input after the other, off the middle."""
    whole = Region.box([0] * inputs, [1] * inputs, "comb")
    axis, cut = [], []
    for number in range(cells - 1):
        axis += [number % inputs] + ([LEAF] if number else [])
        cut += [0.5 ** (number // inputs + 1)] + ([0.0] if number else [])
    # Each level is the half that is cut again and the other one.
    return Slices(whole, np.array([*axis, LEAF, LEAF]), np.array([*cut, 0.0, 0.0]))


def test_many_inputs_are_parted_first():
    slices = comb(40, 120)
    proof = cover(slices)
    assert proof.cells == 120
    assert proof.parts > 1
    cells = cells_of(slices)
    with pytest.raises(RegionError, match="gap"):
        cover_of(slices.whole, cells[:70] + cells[71:])
    with pytest.raises(RegionError, match="overlap"):
        cover_of(slices.whole, [*cells, cells[33]])
    where = Fraction(float(np.nextafter(float(cells[50].exact_upper[10]), 0)))
    with pytest.raises(RegionError, match="gap"):
        cover_of(slices.whole, [*cells[:50], moved(cells[50], 10, 1, where), *cells[51:]])


@given(sliced(), st.integers(0, 6), st.integers(0, 12))
@settings(max_examples=60)
def test_parting_first_changes_nothing(slices, few, corners):
    kept = module.FEW, module.CORNERS
    try:
        module.FEW, module.CORNERS = few, max(2**corners, 64)
        assert cover(slices).cells == slices.count
    finally:
        module.FEW, module.CORNERS = kept


def test_too_much_to_add_up_is_no_proof(monkeypatch):
    monkeypatch.setattr(module, "CORNERS", 8)
    third, two = Fraction(1, 3), Fraction(2, 3)
    wheel = [
        box([0, 0], [two, third]),
        box([two, 0], [1, two]),
        box([third, two], [1, 1]),
        box([0, third], [third, 1]),
        box([third, third], [two, two]),
    ]
    with pytest.raises(RegionError, match="too many corners"):
        cover_of(SQUARE, wheel)


def test_cells_that_cannot_be_are_refused():
    half = Fraction(1, 2)
    with pytest.raises(RegionError, match="no cells"):
        cover_of(SQUARE, [])
    with pytest.raises(RegionError, match="limits 1 inputs"):
        cover_of(SQUARE, [box([0], [1])])
    with pytest.raises(RegionError, match="cell 1 owns no point: look at its input 0"):
        cover_of(SQUARE, [SQUARE, box([half, 0], [half, 1])])
    with pytest.raises(RegionError, match="cell 0 reaches outside the region: look at its input 1"):
        cover_of(SQUARE, [box([0, 0], [1, 2])])
    flat = box([0, half], [1, half])
    assert cover_of(flat, [flat]).cells == 1
    with pytest.raises(RegionError, match="reaches outside"):
        cover_of(flat, [box([0, half], [1, 1])])
