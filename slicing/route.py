"""The router: which cell of the slices an input belongs to.

One comparison a cut, so a cell is found in O(depth). Comparisons are of float64 numbers and exact:
a float32 input is widened first, which changes nothing. An input on a cut belongs to the upper
half, as `slices.py` says, and one on the upper limit of the region to the cell below it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import RegionError
from ..engine.rounding import float_above, float_below
from .slices import Slices
from .walk import walk

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Router:
    """Finds the cells of inputs.

    Attributes:
        slices: the cells.
        least, most: ``(inputs,)`` float64, the region's limits rounded inward: a float64 number is
            inside the region if and only if it is between them.
    """

    slices: Slices
    least: Array = field(init=False)
    most: Array = field(init=False)

    def __post_init__(self) -> None:
        whole = self.slices.whole
        least = np.array([float_above(value) for value in whole.exact_lower])
        most = np.array([float_below(value) for value in whole.exact_upper])
        object.__setattr__(self, "least", least)
        object.__setattr__(self, "most", most)

    def route(self, points: Any) -> Index:
        """Return the cells ``(...,)`` of points.

        Args:
            points: ``(..., inputs)`` float64, float32 or float16, network units; whole numbers.

        Raises:
            RegionError: another number of inputs; an element type that is not widened exactly; a
                point that is not finite or outside the region: the first one is named.
        """
        given = self._taken(points)
        cells = self._walk(given)
        if (cells < 0).any():
            self._refuse(given, np.unravel_index(int(np.argmin(cells >= 0)), cells.shape))
        return cells

    def locate(self, points: Any) -> Index:
        """Return the cells ``(...,)`` of points, -1 for one that is not finite or outside.

        Args:
            points: as for `route`.

        Raises:
            RegionError: another number of inputs, or an element type that is not widened exactly.
        """
        return self._walk(self._taken(points))

    def _walk(self, given: NDArray[Any]) -> Index:
        tree, flat = self.slices, given.reshape(-1, given.shape[-1])
        cells = np.empty(len(flat), dtype=np.int64)
        walk(tree.axis, tree.cut, tree.child, tree.first, self.least, self.most, flat, cells)
        return cells.reshape(given.shape[:-1])

    def _taken(self, points: Any) -> NDArray[Any]:
        """Return points as a contiguous array of float32 or float64 that holds them exactly."""
        given, name, size = np.asarray(points), self.slices.whole.name, self.slices.whole.size
        if given.ndim == 0 or given.shape[-1] != size:
            raise RegionError(
                f"{name}: points of shape {given.shape}: the last axis must be the {size} inputs"
            )
        if given.dtype in (np.float32, np.float64):
            return np.ascontiguousarray(given)
        if given.dtype == np.float16:
            return given.astype(np.float32)
        whole = given.dtype.kind in "iu"
        if not whole or (given.size and max(abs(int(given.max())), abs(int(given.min()))) > 2**53):
            raise RegionError(
                f"{name}: points of type {given.dtype}: give float16, float32 or float64, or whole "
                "numbers up to 2**53, which are taken exactly"
            )
        return given.astype(np.float64)

    def _refuse(self, given: NDArray[Any], row: tuple[Any, ...]) -> None:
        point = given[row].astype(np.float64)
        inside = (self.least <= point) & (point <= self.most)
        at = int(np.argmin(inside))
        whole, value = self.slices.whole, float(point[at])
        where = f"point {row[0] if len(row) == 1 else tuple(map(int, row))}" if row else "the point"
        if not np.isfinite(value):
            raise RegionError(f"{whole.name}: {where}: input {at} is {value}: give a finite number")
        low, high = whole.exact_lower[at], whole.exact_upper[at]
        side, limit = ("below", low) if Fraction(value) < low else ("above", high)
        raise RegionError(
            f"{whole.name}: {where}: input {at} is {value:.17g}, {side} its limit "
            f"{float(limit):.17g}: give a point of the region"
        )
