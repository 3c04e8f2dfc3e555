"""Slices: a region cut by a tree, its cells, their numbers, names and limits."""

import io
import itertools
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices_drawn import owners, sliced, telling

from secateur.engine.errors import FormatError, RegionError
from secateur.engine.region import Region
from secateur.slicing.slices import LEAF, MOST_CELLS, Slices, identity
from secateur.slicing.split import grid

THIRDS = Region((Fraction(-1, 3), Fraction(0)), (Fraction(1, 3), Fraction(1)), "thirds")


def both(axis, cut, whole=THIRDS):
    return Slices(whole, np.array(axis), np.array(cut, dtype=np.float64))


@given(sliced(size=2, cells=10))
@settings(max_examples=60)
def test_every_point_has_exactly_one_owner_in_exact_arithmetic(slices):
    cells = [slices.region(number) for number in range(slices.count)]
    for point in itertools.product(*telling(cells)):
        assert len(owners(slices.whole, cells, point)) == 1


@given(sliced())
@settings(max_examples=60)
def test_limits_of_cells_are_the_regions_or_cuts_and_rounded_outward(slices):
    low, high = slices.lower, slices.upper
    for number in range(slices.count):
        cell = slices.region(number)
        assert (cell.lower == low[number]).all()
        assert (cell.upper == high[number]).all()
        for at in range(cell.size):
            cuts = {Fraction(c) for c in slices.cut[slices.axis == at].tolist()}
            assert cell.exact_lower[at] in cuts | {slices.whole.exact_lower[at]}
            assert cell.exact_upper[at] in cuts | {slices.whole.exact_upper[at]}


@given(sliced())
@settings(max_examples=60)
def test_cells_below_a_node_have_consecutive_numbers_inside_its_box(slices):
    low, high = slices.node_boxes(np.arange(slices.axis.size))
    for node in range(slices.axis.size):
        first, count = slices.first[node], slices.under[node]
        inside = slice(first, first + count)
        assert (slices.lower[inside].min(axis=0) == low[node]).all()
        assert (slices.upper[inside].max(axis=0) == high[node]).all()
        if slices.axis[node] == LEAF:
            assert (count, slices.node[first]) == (1, node)
    assert sorted(slices.first[slices.axis == LEAF]) == list(range(len(slices)))


@given(sliced())
@settings(max_examples=40)
def test_children_of_the_nth_split_node_are_where_the_trees_of_proofs_have_them(slices):
    low, high = slices.node_boxes(np.arange(slices.axis.size))
    for n, node in enumerate(np.flatnonzero(slices.axis != LEAF)):
        at, first = slices.axis[node], 1 + 2 * n
        assert slices.child[node] == first
        assert high[first, at] == low[first + 1, at] == slices.cut[node]
        assert (low[first] == low[node]).all()
        assert (high[first + 1] == high[node]).all()


@given(sliced(), st.data())
@settings(max_examples=40)
def test_what_is_saved_comes_back_and_has_the_same_digest(slices, data):
    file = io.BytesIO()
    np.savez(file, **slices.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = Slices.of_arrays(arrays)
    assert (again.digest, again.whole.name) == (slices.digest, slices.whole.name)
    assert again.whole.exact_lower == slices.whole.exact_lower
    assert again.whole.exact_upper == slices.whole.exact_upper
    number = data.draw(st.integers(0, slices.count - 1))
    assert again.identity(number) == slices.identity(number)


@given(sliced())
@settings(max_examples=40)
def test_no_two_cells_have_one_identity_and_it_states_the_limits(slices):
    texts = [slices.identity(number) for number in range(slices.count)]
    assert len(set(texts)) == slices.count
    assert list(slices.identities()) == texts
    for number, text in enumerate(texts):
        cell = slices.region(number)
        ends = [pair.split(":") for pair in text.split(",")]
        read = [[Fraction(t) if "/" in t else Fraction(float.fromhex(t)) for t in e] for e in ends]
        assert read == [list(e) for e in zip(cell.exact_lower, cell.exact_upper, strict=True)]


def test_one_cell_is_the_region():
    slices = both([LEAF], [0])
    assert (slices.count, slices.depth, slices.inputs.size) == (1, 0, 0)
    assert slices.region(0).exact_lower == THIRDS.exact_lower
    assert slices.identity(0) == identity(THIRDS)


def test_a_boundary_is_owned_by_the_upper_half_and_the_top_by_the_last():
    slices = both([1, LEAF, 0, LEAF, LEAF], [0.5, 0, 0.25, 0, 0])
    assert slices.depth == 2
    cells = [slices.region(number) for number in range(3)]
    assert [cell.name for cell in cells] == [f"thirds, cell {n}" for n in range(3)]
    third, quarter, half = Fraction(1, 3), Fraction(1, 4), Fraction(1, 2)
    assert owners(THIRDS, cells, (Fraction(0), half)) == [1]
    assert owners(THIRDS, cells, (quarter, half)) == [2]
    assert owners(THIRDS, cells, (third, Fraction(1))) == [2]
    assert owners(THIRDS, cells, (third, Fraction(0))) == [0]


def test_the_digest_tells_trees_and_regions_apart_but_not_names():
    slices = both([0, LEAF, LEAF], [0.25, 0, 0])
    renamed = Region(THIRDS.exact_lower, THIRDS.exact_upper, "another")
    wider = Region(THIRDS.exact_lower, (Fraction(1, 3), Fraction(2)))
    assert both([0, LEAF, LEAF], [0.25, 0, 0], renamed).digest == slices.digest
    others = [
        both([0, LEAF, LEAF], [np.nextafter(0.25, 1), 0, 0]),
        both([1, LEAF, LEAF], [0.25, 0, 0]),
        both([0, LEAF, LEAF], [0.25, 0, 0], wider),
        both([LEAF], [0]),
    ]
    assert len({slices.digest, *(other.digest for other in others)}) == 5


def test_minus_zero_is_zero():
    assert both([0, LEAF, LEAF], [-0.0, 0, 0]).digest == both([0, LEAF, LEAF], [0.0, 0, 0]).digest
    assert both([0, LEAF, LEAF], [-0.0, 0, 0]).identity(1).startswith("0x0.0p+0:")


def test_arrays_are_frozen():
    slices = both([0, LEAF, LEAF], [0.25, 0, 0])
    for array in (slices.axis, slices.cut):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("axis", "cut", "said"),
    [
        ([0], [0.1], "without a parent or a child"),
        ([0, LEAF], [0.1, 0], "without a parent or a child"),
        ([LEAF, LEAF, LEAF], [0, 0, 0], "without a parent or a child"),
        ([LEAF, 0, LEAF], [0, 0.1, 0], "do not come after their parents"),
        ([2, LEAF, LEAF], [0.1, 0, 0], "none of 2"),
        ([-2, LEAF, LEAF], [0.1, 0, 0], "none of 2"),
        ([0, LEAF, LEAF], [np.nan, 0, 0], "no finite number"),
        ([0, LEAF, LEAF], [0.1, 0, 7], "given for a cell"),
        ([1, LEAF, LEAF], [0.0, 0, 0], "not inside its box"),
        ([1, LEAF, LEAF], [1.0, 0, 0], "not inside its box"),
        ([0, LEAF, LEAF], [np.nextafter(1 / 3, 1), 0, 0], "not inside its box"),
        ([1, 1, LEAF, LEAF, LEAF], [0.5, 0.5, 0, 0, 0], "node 1 cuts input 1 at 0.5"),
        ([1, LEAF, 1, LEAF, LEAF], [0.5, 0, 0.25, 0, 0], "node 2 cuts input 1 at 0.25"),
        ([], [], "at least one node"),
        ([0, LEAF, LEAF], [0.1, 0], "shapes"),
    ],
)
def test_what_is_no_tree_over_the_region_is_refused(axis, cut, said):
    with pytest.raises(RegionError, match=said):
        both(axis, cut)


def test_a_float_just_inside_a_rational_limit_may_be_a_cut():
    just = float(np.nextafter(THIRDS.upper[0], 0))  # the largest float64 at most a third
    slices = both([0, LEAF, LEAF], [just, 0, 0])
    assert slices.region(1).exact_lower[0] == Fraction(just) < Fraction(1, 3)
    assert slices.region(1).exact_upper[0] == Fraction(1, 3)


def test_limits_beyond_float64_and_cells_that_are_not_there_are_refused():
    huge = Region((Fraction(0),), (Fraction(10) ** 400,), "huge")
    with pytest.raises(RegionError, match=re.escape("beyond float64")):
        Slices(huge, np.array([LEAF]), np.zeros(1))
    for number in (-1, 1):
        with pytest.raises(RegionError, match="give a number from 0 to 0"):
            both([LEAF], [0]).region(number)


def test_arrays_of_something_else_are_refused():
    arrays = grid(THIRDS, [2, 2]).arrays()
    with pytest.raises(FormatError, match="'cut' is missing"):
        Slices.of_arrays({name: a for name, a in arrays.items() if name != "cut"})
    for name, other in (
        ("limits", np.array([["x", "y"], ["z", "w"]])),
        ("limits", np.array([["1/0", "0x0p+0"], ["0x1p+0", "0x1p+0"]])),
        ("limits", np.array([["nan", "0x0p+0"], ["0x1p+0", "0x1p+0"]])),
        ("limits", np.array(["0x0p+0"] * 4)),
        ("limits", np.array("0x0p+0")),
        ("axis", arrays["axis"].astype(np.float64)),
        ("cut", arrays["cut"].astype(np.float32)),
    ):
        with pytest.raises(FormatError):
            Slices.of_arrays({**arrays, name: other})
    with pytest.raises(RegionError):
        Slices.of_arrays({**arrays, "axis": arrays["axis"][:-1]})


def test_too_many_cells_are_refused():
    nodes = 2 * MOST_CELLS + 1
    axis = np.full(nodes, LEAF, np.int8)
    axis[: nodes // 2] = 0
    with pytest.raises(RegionError, match="4,194,304"):
        both(axis, np.zeros(nodes))


@given(sliced())
@settings(max_examples=20)
def test_some_cells_have_the_boxes_they_have_among_all(slices):
    some = np.arange(slices.count)[::-2]
    low, high = slices.boxes(some)
    assert (low == slices.lower[some]).all()
    assert (high == slices.upper[some]).all()
