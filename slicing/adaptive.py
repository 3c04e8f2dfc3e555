"""Cells made by bisecting where it saves most: the best first.

What a cell costs is said by a `Cost`, such as the number of neurons that are undecided on it. All
cuts of a cell through the middle of one input are tried, many cells together; the results do not
depend on how many.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import RegionError
from ..engine.region import Region
from .slices import LEAF, MOST_CELLS, Slices

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Flags = NDArray[np.uint8]

AHEAD: Final = 32
"""Cells whose halves are looked at together, the most promising ones; some may be in vain."""

NUMBERS: Final = 2**22
"""Numbers in the corners of all boxes that are looked at together at most: 64 MB."""

DIGITS: Final = 12
"""Decimal digits of a share of a side: halves are equal though their middle was rounded."""


class Cost(Protocol):
    """What a cell costs: the less, the better. See `undecided.Undecided`."""

    def __call__(
        self, lower: Array, upper: Array, known: Flags | None = None
    ) -> tuple[Array, Flags]:
        """Return the cost ``(boxes,)`` of each box, and what is known of it ``(boxes, any)``.

        The answer for a box must not depend on the boxes beside it.

        Args:
            lower: ``(boxes, inputs)`` float64, closed.
            upper: the same.
            known: what was returned for the box that each was halved from; None for the first.
        """
        ...


@dataclass(frozen=True, slots=True)
class Until:
    """When to stop bisecting.

    Attributes:
        cells: number of cells at most.
        depth: cuts on the way to a cell at most; None for any.
        narrowest: least width of a half, network units, for all inputs or ``(inputs,)``.
        seconds: wall time; None for any. With it a result may differ from run to run.
        mean: a mean cost that is good enough.
    """

    cells: int = 1024
    depth: int | None = None
    narrowest: float | Array = 0.0
    seconds: float | None = None
    mean: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """What bisecting gave.

    Attributes:
        slices: the cells.
        cost: ``(cells,)`` of each.
        mean: of the costs, weighted by the cells' shares of the region, or of the points.
        boxes: how many were looked at.
        reason: why it stopped: cells, time, mean, or size where no cell can or need be halved.
    """

    slices: Slices
    cost: Array
    mean: float
    boxes: int
    reason: str


def middles(lower: Array, upper: Array) -> Array:
    """Return where to cut each input of each box ``(boxes, inputs)``: in the middle."""
    return np.asarray(lower + 0.5 * (upper - lower))


def zeros(lower: Array, upper: Array) -> Array:
    """Return where to cut each input of each box: at 0 where that is inside, else in the middle."""
    return np.where((lower < 0.0) & (upper > 0.0), 0.0, middles(lower, upper))


def adaptive(
    whole: Region,
    cost: Cost,
    until: Until | None = None,
    *,
    inputs: Sequence[int] | None = None,
    points: Array | None = None,
    places: Callable[[Array, Array], Array] = middles,
) -> Grown:
    """Return cells made by bisecting, always the cell and the input that save most.

    What a cut saves is the cell's cost less the mean of its halves', times the cell's share of the
    region. Among equal savings the larger cell comes first, and its widest input in proportion to
    the region's; then the older cell. Without a time limit the result depends on nothing else.

    Args:
        whole: the region.
        cost: of a cell.
        until: when to stop.
        inputs: those that may be cut; None for all.
        points: ``(points, inputs)`` of the region: a cell's share is then that of the points
            that it owns, and without points it is the volume's.
        places: where to cut each input of each box.

    Raises:
        RegionError: limits that allow no cell, or an input that is not there.
    """
    until = until or Until()
    if not 1 <= until.cells <= MOST_CELLS:
        raise RegionError(
            f"{whole.name}: {until.cells} cells: give a number from 1 to {MOST_CELLS:,}"
        )
    asked = range(whole.size) if inputs is None else sorted(set(inputs))
    if any(not 0 <= at < whole.size for at in asked):
        raise RegionError(f"{whole.name}: inputs to cut are not all among its {whole.size} inputs")
    some = [at for at in asked if whole.exact_lower[at] < whole.exact_upper[at]]
    return _Growth(whole, cost, until, np.array(some, np.int64), points, places).run()


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """The best cut of a cell: its halves' costs, shares, and what is known of them."""

    axis: int
    at: float
    gain: float
    costs: Array
    shares: tuple[float, float]
    known: Flags


@dataclass(slots=True, eq=False)
class _Cell:
    """A cell as it grows: `points` are indices, `halves` are made when they are looked at."""

    lower: Array
    upper: Array
    depth: int
    share: float
    cost: float
    known: Flags
    points: Index
    best: _Cut | None = None
    halves: tuple[_Cell, _Cell] | None = field(default=None, repr=False)


class _Growth:
    def __init__(
        self,
        whole: Region,
        cost: Cost,
        until: Until,
        inputs: Index,
        points: Array | None,
        places: Callable[[Array, Array], Array],
    ) -> None:
        self.whole, self.cost, self.until, self.inputs = whole, cost, until, inputs
        self.points, self.places, self.boxes = points, places, 1
        self.narrowest = np.broadcast_to(until.narrowest, whole.lower.shape)[inputs]
        self.wide = (whole.upper - whole.lower)[inputs]
        self.axis, self.cut, self.child = [LEAF], [0.0], [0]
        self.late = np.inf if until.seconds is None else time.monotonic() + until.seconds
        self.heap: list[tuple[float, float, int]] = []

    def run(self) -> Grown:
        """Bisect until a limit is reached."""
        low, high = self.whole.lower, self.whole.upper
        cost, known = self.cost(low[None], high[None])
        everywhere = np.arange(0 if self.points is None else len(self.points))
        root = _Cell(low, high, 0, 1.0, float(cost[0]), known[0], everywhere)
        self.leaves, self.mean = {0: root}, root.cost
        self._try([root])
        self._offer(0)
        reason = self._reason()
        while not reason:
            if self.leaves[self.heap[0][2]].halves is None:
                self._prepare()
            self._bisect(heapq.heappop(self.heap)[2])
            reason = self._reason()
        axis, cut = np.array(self.axis, np.int64), np.array(self.cut)
        slices, order = Slices.of_nodes(self.whole, axis, cut, np.array(self.child, np.int64))
        costs = np.array([self.leaves[int(node)].cost for node in order])
        shares = np.array([self.leaves[int(node)].share for node in order])
        return Grown(slices, costs, float(costs @ shares), self.boxes, reason)

    def _reason(self) -> str:
        """Return why to stop now; empty to go on."""
        if len(self.leaves) >= self.until.cells:
            return "cells"
        if self.mean <= self.until.mean:
            return "mean"
        if not self.heap:
            return "size"
        return "time" if time.monotonic() >= self.late else ""

    def _offer(self, number: int) -> None:
        """Put a cell among those that may be halved, if it may."""
        cell = self.leaves[number]
        if cell.best is not None:
            heapq.heappush(self.heap, (-cell.best.gain, -cell.share, number))

    def _prepare(self) -> None:
        """Make the halves of the most promising cells, and try the cuts of these."""
        room = min(AHEAD, self.until.cells - len(self.leaves), len(self.heap))
        first = [heapq.heappop(self.heap) for _ in range(room)]
        new: list[_Cell] = []
        for entry in first:
            cell = self.leaves[entry[2]]
            if cell.halves is None:
                cell.halves = self._halves(cell)
                new += cell.halves
            heapq.heappush(self.heap, entry)
        self._try(new)

    def _halves(self, cell: _Cell) -> tuple[_Cell, _Cell]:
        """Return both halves of a cell at its best cut."""
        best = cell.best
        assert best is not None
        below = cell.points, cell.points
        if self.points is not None:
            under = self.points[cell.points, best.axis] < best.at
            below = cell.points[under], cell.points[~under]
        found = []
        for half in (0, 1):
            lower, upper = cell.lower.copy(), cell.upper.copy()
            (lower if half else upper)[best.axis] = best.at
            share, cost = best.shares[half], float(best.costs[half])
            depth, known = cell.depth + 1, best.known[half]
            found.append(_Cell(lower, upper, depth, share, cost, known, below[half]))
        return found[0], found[1]

    def _bisect(self, number: int) -> None:
        """Replace a cell by its halves."""
        cell = self.leaves.pop(number)
        assert cell.best is not None
        assert cell.halves is not None
        first = len(self.axis)
        self.axis[number], self.cut[number] = cell.best.axis, cell.best.at
        self.child[number] = first
        self.axis += [LEAF, LEAF]
        self.cut += [0.0, 0.0]
        self.child += [0, 0]
        self.mean -= cell.best.gain
        for half in (0, 1):
            self.leaves[first + half] = cell.halves[half]
            self._offer(first + half)

    def _try(self, cells: Sequence[_Cell]) -> None:
        """Find the best cut of each cell that costs something."""
        asked = [
            cell
            for cell in cells
            if cell.cost > 0.0 and (self.until.depth is None or cell.depth < self.until.depth)
        ]
        step = max(1, NUMBERS // max(1, 4 * self.inputs.size * self.whole.size))
        for at in range(0, len(asked), step):
            self._try_some(asked[at : at + step])

    def _try_some(self, cells: Sequence[_Cell]) -> None:
        low, high = np.stack([c.lower for c in cells]), np.stack([c.upper for c in cells])
        cuts = self.places(low, high)[:, self.inputs]
        under, over = cuts - low[:, self.inputs], high[:, self.inputs] - cuts
        allowed = (under > 0.0) & (over > 0.0) & (np.minimum(under, over) >= self.narrowest)
        cell, place = np.nonzero(allowed)
        if not cell.size:
            return
        at, axis = cuts[cell, place], self.inputs[place]
        lower = np.repeat(low[cell][:, None], 2, axis=1)
        upper = np.repeat(high[cell][:, None], 2, axis=1)
        pair = np.arange(cell.size)
        upper[pair, 0, axis] = at
        lower[pair, 1, axis] = at
        known = np.stack([c.known for c in cells])[np.repeat(cell, 2)]
        flat = -1, self.whole.size
        costs, found = self.cost(lower.reshape(flat), upper.reshape(flat), known)
        costs, found = costs.reshape(-1, 2), found.reshape(cell.size, 2, -1)
        self.boxes += 2 * cell.size
        width = (under + over)[cell, place] / self.wide[place]
        shares = self._shares(cells, cuts, (under / (under + over)).round(DIGITS))[cell, place]
        own, cost = np.array([c.share for c in cells]), np.array([c.cost for c in cells])
        part = np.stack([shares, 1.0 - shares], axis=1) * own[cell][:, None]
        gain = own[cell] * cost[cell] - (part * costs).sum(axis=1)
        order = np.lexsort((place, -width, -gain, cell))
        for best in order[np.unique(cell[order], return_index=True)[1]]:
            cells[cell[best]].best = _Cut(
                int(axis[best]),
                float(at[best]),
                float(gain[best]),
                costs[best],
                (float(part[best, 0]), float(part[best, 1])),
                found[best].copy(),
            )

    def _shares(self, cells: Sequence[_Cell], cuts: Array, volume: Array) -> Array:
        """Return the share of the lower half ``(cells, cut inputs)`` of each cell and input."""
        if self.points is None:
            return volume
        out = np.full_like(volume, 0.5)
        for row, cell in enumerate(cells):
            if cell.points.size:
                inside = self.points[np.ix_(cell.points, self.inputs)]
                out[row] = (inside < cuts[row]).mean(axis=0)
        return out
