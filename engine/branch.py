"""Branch and bound over boxes of inputs, for any goal that can be judged by bounds of rows.

Best first: the box whose bounds are farthest from settled comes next, so bounds over the region
are good at any time; depth first once the frontier is full, so that memory is bounded. A box is
cut to where the planes below its open rows still allow what is looked for, then bisected in the
input that is to be blamed most.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .bounder import Bounder, Planes
from .boxes import Boxes, Waiting

__all__ = ["Boxes", "Goal", "Judged", "Limits", "Search"]

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Limits:
    """How a search goes about its work.

    Attributes:
        frontier: number of open boxes above which the search goes depth first.
        batch: boxes bounded together, at most.
        stride: seconds that bounding a batch should take; steers the batch's size.
        workers: threads.
    """

    frontier: int = 40_000
    batch: int = 1024
    stride: float = 0.25
    workers: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What bounds say of a goal on boxes.

    Attributes:
        open: ``(boxes, questions)`` 1 where a question stays open.
        reach: ``(boxes, questions)`` how far each may go.
        blame: ``(boxes, inputs)`` which input to bisect.
        lower, upper: ``(boxes, inputs)`` the part of the box outside of which every open question
            is settled; empty (lower above upper) where all of it is.
        corners: ``(boxes, inputs)`` where a violation is most likely.
    """

    open: Flags
    reach: Array
    blame: Array
    lower: Array
    upper: Array
    corners: Array


class Goal(Protocol):
    """What a search is to settle, box by box: some questions, each of which is open or settled."""

    @property
    def cut(self) -> Array:
        """``(rows,)`` bounds of rows that need not be bettered."""
        ...

    @property
    def scale(self) -> Array:
        """``(questions,)`` by what reaches are divided to compare questions."""
        ...

    def wanted(self, open_: Flags) -> Flags:
        """Return which rows ``(boxes, rows)`` the open questions ``(boxes, questions)`` need."""
        ...

    def judge(self, boxes: Boxes, planes: Planes) -> Judged:
        """Return what stays open on boxes whose rows were bounded."""
        ...

    def visit(self, points: Array, boxes: Boxes) -> bool:
        """Look at points ``(boxes, inputs)``, one in each box; return True to end the search.

        The boxes' `promise` may be set.
        """
        ...


@dataclass(slots=True, eq=False)
class Search:
    """The state of a search, readable at any time.

    Attributes:
        bounded: boxes bounded so far.
        closed: boxes on which nothing stayed open.
        deepest: largest depth of a box so far.
        ended: whether the goal ended the search.
        interrupted: whether it was broken off from the keyboard; what is known stays readable.
    """

    bounder: Bounder
    goal: Goal
    limits: Limits
    bounded: int = 0
    closed: int = 0
    deepest: int = 0
    ended: bool = False
    interrupted: bool = False
    _waiting: Waiting = field(init=False)
    _stuck: list[Boxes] = field(init=False, default_factory=list)
    # The batch that is being bounded. It counts as open until its children wait, so that a search
    # that is broken off at any moment has lost no box; some may be counted twice.
    _taken: list[Boxes] = field(init=False, default_factory=list)
    _batch: int = field(init=False, default=32)

    def __post_init__(self) -> None:
        self._waiting = Waiting(self.bounder.flags)

    def start(self, lower: Array, upper: Array, open_: Flags) -> None:
        """Add boxes to search.

        Args:
            lower: ``(boxes, inputs)`` finite.
            upper: ``(boxes, inputs)`` finite.
            open_: ``(boxes, questions)``.
        """
        count = len(lower)
        shape = (count, *self.bounder.flags)
        self._waiting.add(
            Boxes(
                np.array(lower, dtype=np.float64),
                np.array(upper, dtype=np.float64),
                np.zeros(shape, np.uint8),
                np.array(open_, dtype=np.uint8),
                np.full(open_.shape, np.inf),
                np.zeros(count, np.int32),
                np.full(count, -np.inf),
            )
        )

    @property
    def waiting(self) -> int:
        """Number of open boxes, those that cannot be bisected counted."""
        return len(self._waiting) + sum(len(part) for part in [*self._stuck, *self._taken])

    @property
    def stuck(self) -> int:
        """Number of open boxes that cannot be bisected: their corners are neighbours in float64."""
        return sum(len(part) for part in self._stuck)

    def open_boxes(self) -> Iterator[Boxes]:
        """Yield the boxes that are open."""
        yield from self._stuck
        yield from self._taken
        yield from self._waiting

    def reach(self, questions: int) -> Array:
        """Return how far each question may still go over all boxes; -inf where settled."""
        out = self._waiting.reach(questions)
        for boxes in [*self._stuck, *self._taken]:
            seen = np.where(boxes.open > 0, boxes.reach, -np.inf)
            out = np.maximum(out, seen.max(axis=0, initial=-np.inf))
        return out

    def run(self, boxes: float = np.inf, deadline: float = np.inf) -> None:
        """Bound and bisect until nothing is open, the goal ends it, or a limit is met.

        An interrupt from the keyboard ends it too.

        Args:
            boxes: number of boxes to bound, those of earlier runs counted.
            deadline: on the clock of `time.monotonic`.
        """
        try:
            self._run(boxes, deadline)
        except KeyboardInterrupt:
            self.interrupted = True

    def _run(self, boxes: float, deadline: float) -> None:
        with ThreadPoolExecutor(self.limits.workers) as pool:
            while len(self._waiting) and self.bounded < boxes and not self.ended:
                if self.interrupted or time.monotonic() > deadline:
                    return
                batch = self._pop()
                begun = time.monotonic()
                self._step(batch, pool)
                self._taken.clear()
                spent = max(time.monotonic() - begun, 1e-6)
                # A batch that doubles lets the measure settle; the first one compiles, maybe.
                most = max(2 * self._batch, 1)
                # Without a deadline nothing may hang on the clock: a seed gives one answer.
                timed = deadline < np.inf
                aim = int(len(batch) * self.limits.stride / spent) if timed else most
                self._batch = int(np.clip(aim, self.limits.workers, min(most, self.limits.batch)))

    def _step(self, batch: Boxes, pool: ThreadPoolExecutor) -> None:
        goal = self.goal
        planes = self.bounder.bound(
            batch.lower, batch.upper, batch.stable, goal.wanted(batch.open), goal.cut, pool
        )
        self.bounded += len(batch)
        judged = goal.judge(batch, planes)
        rest = np.flatnonzero(judged.open.any(axis=1) & (judged.lower <= judged.upper).all(axis=1))
        self.closed += len(batch) - rest.size
        if not rest.size:
            return
        kept = Boxes(
            judged.lower[rest],
            judged.upper[rest],
            batch.stable[rest],
            judged.open[rest],
            np.minimum(judged.reach[rest], batch.reach[rest]),
            batch.depth[rest],
            batch.promise[rest],
        )
        corners = np.clip(judged.corners[rest], kept.lower, kept.upper)
        if goal.visit(corners, kept):
            self.ended = True
            self._waiting.add(kept)
            return
        cut = (kept.lower > batch.lower[rest]) | (kept.upper < batch.upper[rest])
        self._split(kept, judged.blame[rest], np.asarray(cut.any(axis=1)))

    def _split(self, boxes: Boxes, blame: Array, smaller: NDArray[np.bool_]) -> None:
        """Bisect boxes; one too small for that is bounded again if it has shrunk since it was."""
        middle = 0.5 * boxes.lower + 0.5 * boxes.upper
        apart = (boxes.lower < middle) & (middle < boxes.upper)
        score = np.where(apart, np.where(np.isfinite(blame), blame, 0.0), -1.0)
        # Where nothing is to be blamed, the widest input.
        flat = ~(score > 0.0).any(axis=1)
        score[flat] = np.where(apart, boxes.upper - boxes.lower, -1.0)[flat]
        keep = apart.any(axis=1)
        if not keep.all():
            self._stuck.append(boxes.take(np.flatnonzero(~keep & ~smaller)))
            if (again := np.flatnonzero(~keep & smaller)).size:
                self._waiting.add(boxes.take(again))
            whole = np.flatnonzero(keep)
            boxes, middle, score = boxes.take(whole), middle[whole], score[whole]
        if not len(boxes):
            return
        axis, rows = score.argmax(axis=1), np.arange(len(boxes))
        upper, lower = boxes.upper.copy(), boxes.lower.copy()
        upper[rows, axis] = middle[rows, axis]
        lower[rows, axis] = middle[rows, axis]
        depth = boxes.depth + 1
        self.deepest = max(self.deepest, int(depth.max()))
        rest = (boxes.stable, boxes.open, boxes.reach, depth, boxes.promise)
        first = Boxes(boxes.lower, upper, *rest)
        second = Boxes(lower, boxes.upper, *rest)
        self._waiting.add(Boxes.join([first, second]))

    def _pop(self) -> Boxes:
        """Take a batch: half by what is most open, half by promise; the deepest of too many."""
        waiting, places = self._waiting, self._waiting.places()
        count = min(self._batch, places.size)
        if places.size > self.limits.frontier:
            best = places[_largest(waiting.depth(places).astype(np.float64), count)]
        else:
            far = _largest(waiting.farthest(places, self.goal.scale), count - count // 2)
            rest = np.delete(places, far)
            best = np.concatenate([places[far], rest[_largest(waiting.promise(rest), count // 2)]])
        best = np.sort(best)
        batch = waiting.take(best)
        self._taken.append(batch)
        waiting.drop(best)
        return batch


def _largest(key: Array, count: int) -> NDArray[np.int64]:
    """Return the places of the largest entries."""
    if count >= key.size:
        return np.arange(key.size)
    return np.argpartition(-key, count - 1)[:count] if count else np.zeros(0, np.int64)
