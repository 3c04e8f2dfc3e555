"""The grid: a region cut into equal parts along every input. See also `adaptive.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import RegionError
from ..engine.region import Region
from .slices import LEAF, MOST_CELLS, Slices

Array = NDArray[np.float64]


def grid(whole: Region, parts: Sequence[int]) -> Slices:
    """Return the cells of a grid; the cell of index i_k in input k has its number in C order.

    Each cut is the float64 number nearest to where equal parts meet.

    Args:
        whole: the region.
        parts: for each input into how many equal parts it is cut; inputs without a number, and
            those whose limits are equal, are not cut.

    Raises:
        RegionError: a number below 1, more numbers than inputs, more than `MOST_CELLS` cells, or
            parts so narrow that there is no float64 number inside.
    """
    name = whole.name
    if len(parts) > whole.size:
        raise RegionError(
            f"{name}: a grid of {len(parts)} numbers for {whole.size} inputs: give one for each"
        )
    for count in parts:
        if not count >= 1 or count % 1:
            raise RegionError(f"{name}: a grid of {count} parts: give whole numbers of at least 1")
    counts = [
        int(count) if low < high else 1
        for count, low, high in zip(parts, whole.exact_lower, whole.exact_upper, strict=False)
    ]
    if math.prod(counts) > MOST_CELLS:
        raise RegionError(
            f"{name}: the grid {','.join(map(str, parts))} has more than {MOST_CELLS:,} cells: "
            "give fewer parts, or slice parts of the region one after the other"
        )
    cuts = [(at, _equal_parts(whole, at, count)) for at, count in enumerate(counts) if count > 1]
    return _product(whole, cuts)


def _equal_parts(whole: Region, at: int, count: int) -> Array:
    """Return the cuts ``(count - 1,)`` of an input into equal parts.

    Raises:
        RegionError: two of them are one number, or one is a limit.
    """
    low, high = whole.exact_lower[at], whole.exact_upper[at]
    cuts = np.array([float(low + (high - low) * part / count) for part in range(1, count)])
    walls = np.concatenate([whole.lower[[at]], cuts, whole.upper[[at]]])
    if not (walls[1:] > walls[:-1]).all():
        raise RegionError(
            f"{whole.name}: input {at} from {float(low):.17g} to {float(high):.17g} has too few "
            f"float64 numbers for {count} parts: give fewer"
        )
    return cuts


def _product(whole: Region, cuts: Sequence[tuple[int, Array]]) -> Slices:
    """Return the tree that cuts one input after the other, each halved as evenly as can be."""
    ends = np.array([len(values) + 1 for _, values in cuts] + [1], dtype=np.int64)
    axes = np.array([at for at, _ in cuts] + [LEAF], dtype=np.int64)
    flat = np.concatenate([values for _, values in cuts] + [np.zeros(1)])
    starts = np.cumsum([0] + [len(values) for _, values in cuts])
    # A node is a range of parts of one input; all inputs before are down to one part there.
    place, first, last = np.zeros(1, np.int64), np.zeros(1, np.int64), ends[:1]
    axis, cut = [], []
    while place.size:
        split = place < len(cuts)
        middle = (first + last) // 2
        axis.append(axes[place])
        cut.append(np.where(split, flat[starts[place] + np.where(split, middle - 1, 0)], 0.0))
        place = np.repeat(place[split], 2)
        first = np.stack([first[split], middle[split]], axis=1).ravel()
        last = np.stack([middle[split], last[split]], axis=1).ravel()
        done = last - first == 1
        place = place + done
        first, last = np.where(done, 0, first), np.where(done, ends[place], last)
    return Slices(whole, np.concatenate(axis), np.concatenate(cut))
