"""The proof that cells cover a region, each point owned once, from the cells alone.

A cell owns ``lower <= x < upper``, and also ``x = upper`` where that is the region's upper limit.
What is shown is that the number of cells that own a point is 1 at every point of the region.

Let f be the sum of the cells' indicators on the half-open boxes ``[lower, upper)``, minus that of
the region. Such a function is given by its corners: adding, for every box, plus or minus 1 at each
of its ``2^inputs`` corners (minus where an odd number of upper limits is taken), f(x) is the sum
over all corners p <= x. So f is zero everywhere if and only if at every corner the numbers add up
to 0; and where they do not, the lexicographically least such corner is a point at which f is not
zero, for no other lies below it. A point on an upper face of the region is owned by the same cells
as the points just below it.

Limits are only compared, never computed with, and the sums are of integers: nothing is rounded.

Boxes that are cut along many inputs have too many corners. They are first parted where no box lies
astride a limit, part by part, until few inputs are left: a box is covered if both its halves are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import RegionError
from ..engine.region import Region
from .slices import Slices

Array = NDArray[np.float64]
Index = NDArray[np.int64]

CORNERS: Final = 2**22
"""Corners that are added up at once at most; they take some 200 MB."""

FEW: Final = 6
"""Up to this many cut inputs, adding up corners is quicker than parting the cells."""


@dataclass(frozen=True, slots=True)
class Cover:
    """A proof that was checked: every point of a region is owned by exactly one of its cells.

    Attributes:
        cells: how many.
        parts: into how many boxes the region was parted before corners were added up; 1 for none.
        corners: how many were added up.
    """

    cells: int
    parts: int
    corners: int


def cover(slices: Slices) -> Cover:
    """Return the proof that the cells cover their region; the tree is not looked at.

    Raises:
        RegionError: they do not, or it is not found; it names a point.
    """
    # A limit of the region that is no float64 stands here as the nearest one outside, which keeps
    # the order: no float64 lies between both.
    whole = slices.whole
    ranks, values = _ranks(whole.lower, whole.upper, slices.lower, slices.upper)
    return _Proof(whole.name, values).prove(ranks)


def cover_of(whole: Region, cells: Iterable[Region]) -> Cover:
    """Return the proof that boxes with exact limits cover a region.

    Args:
        whole: the region.
        cells: boxes of the same inputs, in any order.

    Raises:
        RegionError: they do not, or it is not found; it names a point.
    """
    found = list(cells)
    for cell in found:
        if cell.size != whole.size:
            raise RegionError(
                f"{cell.name} limits {cell.size} inputs, {whole.name} {whole.size}: give cells of "
                "the region's inputs"
            )
    columns = []
    for at in range(whole.size):
        limits = [(box.exact_lower[at], box.exact_upper[at]) for box in (whole, *found)]
        order = {value: rank for rank, value in enumerate(sorted({v for p in limits for v in p}))}
        columns.append((np.array([[order[a], order[b]] for a, b in limits]), list(order)))
    stacked = np.stack([column for column, _ in columns], axis=2)
    ranks = stacked[:, 0].astype(np.int64), stacked[:, 1].astype(np.int64)
    return _Proof(whole.name, [values for _, values in columns]).prove(ranks)


Ranks = tuple[Index, Index]
"""Lower and upper limits ``(boxes, inputs)``, each as its place among all limits of the input; the
first box is the one to be covered."""


def _ranks(low: Array, high: Array, lower: Array, upper: Array) -> tuple[Ranks, list[list[float]]]:
    first, last = np.vstack([low, lower]), np.vstack([high, upper])
    values = []
    ranks = np.empty((2, *first.shape), dtype=np.int64)
    for at in range(low.size):
        both, place = np.unique(np.stack([first[:, at], last[:, at]]), return_inverse=True)
        ranks[:, :, at] = place.reshape(2, -1)
        values.append(both.tolist())
    return (ranks[0], ranks[1]), values


class _Proof:
    """Adds up corners; limits are ranks, and `values` says which number each rank is."""

    def __init__(self, name: str, values: Sequence[Sequence[float | Fraction]]) -> None:
        self.name, self.values = name, values
        self.parts = self.corners = 0

    def prove(self, ranks: Ranks) -> Cover:
        """Return the proof for the first box and all others."""
        low, high = ranks
        if len(low) == 1:
            raise RegionError(f"{self.name}: no cells: give at least one")
        flat = low[0] == high[0]
        empty = (low > high) | ((low == high) & ~flat)
        wrong = empty | (low < low[0]) | (high > high[0])
        if wrong.any():
            box, at = np.argwhere(wrong)[0]
            what = "owns no point" if empty[box, at] else "reaches outside the region"
            raise RegionError(f"{self.name}: cell {box - 1} {what}: look at its input {at}")
        waiting = [(low[0], high[0], np.arange(1, len(low)))]
        while waiting:
            bottom, top, some = waiting.pop()
            cut = np.flatnonzero(((low[some] != bottom) | (high[some] != top)).any(axis=0))
            few = len(some) + 1 <= CORNERS >> min(cut.size, 62)
            parts = [] if few and cut.size <= FEW else _parted(low, high, bottom, top, some, cut)
            if not (parts or few):
                raise RegionError(
                    f"{self.name}: {len(some)} cells cut along {cut.size} inputs, and no limit "
                    "parts them: too many corners to add up; give cells of a tree of cuts"
                )
            if parts:
                waiting += parts
            else:
                self._add_up(low, high, bottom, top, some, cut)
        return Cover(len(low) - 1, self.parts, self.corners)

    def _add_up(
        self, low: Index, high: Index, bottom: Index, top: Index, some: Index, cut: Index
    ) -> None:
        """Raise RegionError unless the boxes' corners cancel those of the box to be covered."""
        boxes = len(some) + 1
        ends = np.stack([np.vstack([bottom, low[some]]), np.vstack([top, high[some]])])
        key = np.zeros((1, boxes), dtype=np.int64)
        sign = np.ones((1, boxes), dtype=np.int64)
        sign[0, 0] = -1
        keys = 1
        for at in cut:
            size = int(ends[1, :, at].max()) + 1
            if keys * size >= 2**62:
                _, place = np.unique(key, return_inverse=True)
                key, keys = place.reshape(key.shape).astype(np.int64), key.size
            key = (key[:, None] * size + ends[None, :, :, at]).reshape(-1, boxes)
            sign = np.stack([sign, -sign], axis=1).reshape(-1, boxes)
            keys *= size
        _, start, place = np.unique(key, return_index=True, return_inverse=True)
        total = np.bincount(place.ravel(), weights=sign.ravel(), minlength=start.size)
        self.parts += 1
        self.corners += key.size
        wrong = np.flatnonzero(total)
        if wrong.size:  # keys are in lexicographic order of the corners, so the first is the least
            corner, box = divmod(int(start[wrong[0]]), boxes)
            point = bottom.copy()
            for step, at in enumerate(cut):
                point[at] = ends[(corner >> (cut.size - 1 - step)) & 1, box, at]
            self._refuse(low, high, point)

    def _refuse(self, low: Index, high: Index, point: Index) -> None:
        """Raise RegionError with a point that is owned by no cell or by several."""
        top = high[0]
        inside = (low[1:] <= point) & ((point < high[1:]) | ((point == top) & (high[1:] == top)))
        owners = np.flatnonzero(inside.all(axis=1))
        place = ", ".join(
            f"{float(value[rank]):.17g}" for value, rank in zip(self.values, point, strict=True)
        )
        if not owners.size:
            raise RegionError(f"{self.name}: a gap: no cell holds the point {place}")
        several = ", ".join(map(str, owners[:4])) + (" and more" if owners.size > 4 else "")
        raise RegionError(f"{self.name}: an overlap: the point {place} is owned by cells {several}")


def _parted(
    low: Index, high: Index, bottom: Index, top: Index, some: Index, cut: Index
) -> list[tuple[Index, Index, Index]]:
    """Return boxes that make up a box and the cells in each, parted along one input; or nothing."""
    for at in cut:
        order = some[np.argsort(low[some, at], kind="stable")]
        reach = np.maximum.accumulate(high[order, at])
        starts = 1 + np.flatnonzero(low[order[1:], at] >= reach[:-1])
        if not starts.size:
            continue
        walls = [bottom[at], *low[order[starts], at], top[at]]
        found = []
        for group, (first, last) in zip(np.split(order, starts), pairwise(walls), strict=True):
            under, over = bottom.copy(), top.copy()
            under[at], over[at] = first, last
            found.append((under, over, group))
        return found
    return []
