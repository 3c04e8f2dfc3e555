"""The phase of every ReLU on many cells at once: zero, the identity, refuted by points, or open.

The steps go from cheap to dear, each over all cells before the next begins, and each looks only at
what the earlier ones left open: interval bounds; backward linear bounds; points, chosen at random
with half of their coordinates at the ends of the cell; then rounds of bisection, each with more
sub-boxes a cell than the one before. The open neurons of a cell share one tree of sub-boxes; the
points where its planes say that a sign may change are looked at, too. In a round the easiest
neurons of a cell come first (see `trees.py`), and a neuron that is proved makes the next round's
bounds of all layers above it tighter. Cells where the last round proved most for its boxes come
first, so that a time limit cuts off where the least is lost.

Proved: every bound is float64, rounded outward. Refuted: two points of the cell, numbers of
float64, show both signs by more than rounding can make. A neuron whose least or greatest value on
the cell is exactly zero stays open as a rule, for outward rounding leaves no bound at zero. What is
found on a cell depends on the cell, the network and the effort, not on the other cells nor on the
number of workers; a time limit decides only which rounds a cell takes part in. The loops are
compiled once for a machine, and another build may add in another order: bounds then differ in their
last places, and now and then a neuron at the end of its budget.

Bounding boxes of several cells first, down the tree of the grid, gains little here: linear bounds
of a cell are about a hundredth of the work of its sub-boxes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.abreast import abreast
from ..engine.bounds.interval import interval
from ..engine.bounds.levels import PATIENCE, room_of
from ..engine.bounds.packed import LOWER, UPPER, pack
from ..engine.bounds.points import BLOCK, look_at_cells
from ..engine.bounds.shrink import copied, shrunk
from ..engine.bounds.trees import search_cells, slot
from ..engine.errors import RegionError
from ..engine.network import Network, Piecewise, State
from ..engine.stages import stages
from ..engine.verdict import Method
from .phases_found import METHODS, CellPhases, Flags, Index, Step

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

_INTERVAL, _LINEAR, _SPLIT = (
    METHODS.index(method) for method in (Method.INTERVAL, Method.LINEAR, Method.SPLIT)
)

_TOGETHER = 64
"""Cells bounded in one call, at most; what a call has begun it ends, whatever the clock says."""

_BOXES = 4096
"""Sub-boxes that one call may bound, at most, unless it is for a single cell."""

_ALL_CORNERS = 6
"""Up to this many inputs, all corners of a cell are among its points: one block at most."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work to spend on the phases of many cells.

    Attributes:
        seconds: wall time; what is open when it ends stays open.
        points: points looked at in every cell.
        most_points: points looked at in a cell where they go on refuting neurons.
        boxes: sub-boxes a cell in the first round; 0 not to split.
        growth: by what the number of sub-boxes grows from round to round.
        most_boxes: sub-boxes a cell in the last round.
        workers: threads.
        seed: of the points.
    """

    seconds: float = float("inf")
    points: int = 1024
    most_points: int = 8192
    boxes: int = 64
    growth: int = 8
    most_boxes: int = 4096
    workers: int = 2
    seed: int = 0

    @property
    def rounds(self) -> tuple[int, ...]:
        """Sub-boxes a cell in each round; fewer than a search needs to begin are none.

        Rounds before the last are for a time limit: without one the last settles as much alone.
        """
        out: list[int] = []
        size = max(self.boxes, PATIENCE) if self.boxes else 0
        while 0 < size <= self.most_boxes:
            out.append(size)
            size *= max(2, self.growth)
        return tuple(out if self.seconds < float("inf") else out[-1:])


def decide_cells(
    network: Network,
    lower: Array,
    upper: Array,
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> CellPhases:
    """Return the phase of every ReLU on every cell.

    Args:
        network: the network; its layers become matrices, so up to some thousands of neurons.
        lower: ``(cells, inputs)`` float64, closed, network units.
        upper: the same.
        effort: how much work to spend.
        progress: is told the step, how many cells it has done, and how many it has to do.

    Raises:
        RegionError: corners of another shape, infinite, or a lower one above an upper one.
    """
    lower, upper = np.array(lower, dtype=np.float64), np.array(upper, dtype=np.float64)
    check_cells(network, lower, upper)
    return _Work(network, lower, upper, effort or Effort(), progress).run()


def check_cells(network: Network, lower: Array, upper: Array) -> None:
    """Raise RegionError unless corners ``(cells, inputs)`` are those of finite cells."""
    if lower.ndim != 2 or lower.shape != upper.shape or lower.shape[1] != network.size_in:
        raise RegionError(
            f"cells have corners of shapes {lower.shape} and {upper.shape}: give "
            f"(cells, {network.size_in}) for both"
        )
    wrong = ~(np.isfinite(lower) & np.isfinite(upper) & (lower <= upper))
    if wrong.any():
        cell, at = (int(value) for value in np.argwhere(wrong)[0])
        raise RegionError(
            f"cell {cell}: input {at} goes from {lower[cell, at]:.9g} to {upper[cell, at]:.9g}: "
            "give finite limits, the lower one first"
        )


def shares(size: int, effort: Effort) -> Array:
    """Return the points to look at, as shares of a cell of `size` inputs: ``(points, inputs)``."""
    count = max(effort.points, effort.most_points)
    rng = np.random.default_rng(effort.seed)
    kind = rng.integers(0, 4, (-(-count // BLOCK) * BLOCK, size))
    unit = np.where(kind < 2, kind, rng.random(kind.shape))
    if size <= _ALL_CORNERS:
        corners = np.indices((2,) * size).reshape(size, -1).T[: len(unit)]
        unit[: len(corners)] = corners
    return unit


class _Work:
    def __init__(
        self,
        network: Network,
        lower: Array,
        upper: Array,
        effort: Effort,
        progress: Progress | None,
    ) -> None:
        self.network, self.lower, self.upper = network, lower, upper
        self.effort, self.progress = effort, progress
        self.deadline = time.monotonic() + effort.seconds
        staged = stages(network)
        self.net = pack(staged)
        layers = [node.layer for node in network.piecewise if isinstance(node.layer, Piecewise)]
        self.own = np.concatenate([np.zeros(0, np.int8), *(layer.state for layer in layers)])
        self.asked = self.own == State.RELU
        starts = [int(self.net.offset[staged.of[node.name]]) for node in network.piecewise]
        self.flat = np.concatenate(
            [
                np.zeros(0, np.int64),
                *(
                    start + np.arange(layer.size)
                    for start, layer in zip(starts, layers, strict=True)
                ),
            ]
        )
        cells, total = len(lower), int(self.net.offset[-1])
        self.all = np.arange(cells)
        self.known, self.seen = np.zeros((2, cells, total), np.uint8)
        self.how = np.full((cells, self.flat.size), -1, np.int8)
        self.boxes, self.points = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
        self.steps: list[Step] = []

    def late(self) -> bool:
        """Return whether the time is spent."""
        return time.monotonic() > self.deadline

    def run(self) -> CellPhases:
        """Go through the steps and return what was found."""
        cells = self.all
        with ThreadPoolExecutor(self.effort.workers) as pool:
            self._step(pool, Method.INTERVAL.value, cells, _TOGETHER, self._enclose)
            unit = shares(self.network.size_in, self.effort)
            first = min(self.effort.points, len(unit))
            self._step(
                pool,
                Method.LINEAR.value,
                cells,
                _TOGETHER,
                lambda some: self._look(some, unit, first),
            )
            gain = np.zeros(len(cells))
            for budget in self.effort.rounds:
                cells = cells[self._questions(cells).any(axis=(1, 2))]
                cells = cells[np.argsort(-gain[cells], kind="stable")]
                before, spent = self._proved(cells), self.boxes[cells]
                together = max(1, min(_TOGETHER, _BOXES // budget))
                self._step(
                    pool,
                    f"{Method.SPLIT.value} {budget}",
                    cells,
                    together,
                    lambda some, budget=budget: self._search(some, budget),  # type: ignore[misc]
                )
                more = self._proved(cells) - before
                gain[cells] = more / np.maximum(1, self.boxes[cells] - spent)
        return self._result()

    def _step(
        self,
        pool: ThreadPoolExecutor,
        name: str,
        cells: Index,
        together: int,
        work: Callable[[Index], None],
    ) -> None:
        """Do some work on cells, some together, until all is done or it is late."""
        start, cpu, done = time.monotonic(), time.process_time(), 0

        def one(some: Index) -> int:
            if self.late():
                return 0
            work(some)
            return len(some)

        parts = [cells[at : at + together] for at in range(0, len(cells), together)]
        running = [pool.submit(one, part) for part in parts]
        try:
            for one_done in running:
                done += one_done.result()
                if self.progress is not None:
                    self.progress(name, done, len(cells))
        finally:
            for one_done in running:  # after an error or an interrupt nothing new begins
                one_done.cancel()
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
        proved, refuted = int(self._proved(self.all).sum()), int(self._refuted().sum())
        self.steps.append(Step(name, seconds, cpu, done, proved, refuted))

    def _enclose(self, some: Index) -> None:
        """Settle what intervals can."""
        found = interval(self.network, self.lower[some], self.upper[some])
        ends = [found[node.sources[0]] for node in self.network.piecewise]
        if ends:
            low = np.concatenate([low for low, _ in ends], axis=1)
            high = np.concatenate([high for _, high in ends], axis=1)
            signs = ((high <= 0.0) * UPPER + (low >= 0.0) * LOWER).astype(np.uint8)
            self.known[some[:, None], self.flat] = signs
            self._note(some, _INTERVAL)

    def _look(self, some: Index, unit: Array, first: int) -> None:
        """Settle what linear bounds can, and look at points."""
        known, seen, points = self.known[some], self.seen[some], self.points[some]
        look_at_cells(
            self.net,
            copied(self.net),
            shrunk(self.net),
            self.lower[some],
            self.upper[some],
            unit,
            first,
            known,
            seen,
            points,
        )
        self.known[some], self.seen[some], self.points[some] = known, seen, points
        self._note(some, _LINEAR)

    def _questions(self, some: Index) -> Flags:
        """Return what is open: ``(cells, neurons, 2)``, whether z <= 0 and whether z >= 0."""
        known, seen = self.known[some][:, self.flat], self.seen[some][:, self.flat]
        open_ = np.asarray(self.asked & (known == 0) & (seen != UPPER | LOWER))
        return np.stack([open_ & (seen & side == 0) for side in (UPPER, LOWER)], axis=2)

    def _search(self, some: Index, budget: int) -> None:
        """Bisect cells for what is open on them."""
        cell, neuron, side = np.nonzero(self._questions(some))
        first = np.searchsorted(cell, np.arange(len(some) + 1))
        known, seen, boxes = self.known[some], self.seen[some], np.zeros(len(some), np.int64)
        most = int(np.diff(first).max(initial=0))
        search_cells(
            self.net,
            copied(self.net),
            abreast(self.net),
            slot(self.net),
            shrunk(self.net),
            room_of(self.net, budget, most),
            room_of(self.net, budget, most),
            self.lower[some],
            self.upper[some],
            first,
            self.flat[neuron],
            np.array([UPPER, LOWER], np.uint8)[side],
            budget,
            known,
            seen,
            boxes,
        )
        self.known[some], self.seen[some] = known, seen
        self.boxes[some] += boxes
        self._note(some, _SPLIT)

    def _note(self, some: Index, method: int) -> None:
        """Note by what newly proved neurons were proved."""
        new = self.asked & (self.known[some][:, self.flat] != 0) & (self.how[some] < 0)
        self.how[some] = np.where(new, np.int8(method), self.how[some])

    def _proved(self, some: Index) -> Index:
        return np.asarray((self.how[some] >= 0).sum(axis=1))

    def _refuted(self) -> Flags:
        return np.asarray(self.asked & (self.seen[:, self.flat] == UPPER | LOWER))

    def _result(self) -> CellPhases:
        zero = self.known[:, self.flat] & UPPER != 0
        state = np.where(zero, np.int8(State.ZERO), np.int8(State.IDENTITY))
        return CellPhases(
            tuple((node.name, node.size) for node in self.network.piecewise),
            self.asked,
            np.where(self.how >= 0, state, self.own).astype(np.int8),
            self.how,
            self._refuted(),
            self.boxes,
            self.points,
            tuple(self.steps),
        )
