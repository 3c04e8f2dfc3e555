"""Search over sub-boxes: which pre-activations keep their sign on a whole box.

All questions share one tree of boxes, so intermediate bounds are computed once a box. Boxes are
taken breadth first, which keeps one stubborn question from starving the others, and depth first
once the frontier passes its limit.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .bounds.kernels import bound_boxes
from .bounds.packed import LOWER, UPPER, Packed

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Limits:
    """How a search goes about its work.

    Attributes:
        frontier: number of open boxes above which the search goes depth first.
        batch: boxes bounded together.
        workers: threads.
    """

    frontier: int = 50_000
    batch: int = 512
    workers: int = 2


@dataclass(slots=True, eq=False)
class Boxes:
    """Open boxes, side by side.

    Attributes:
        lower, upper: ``(boxes, inputs)``.
        stable: ``(boxes, neurons)`` uint8, bits UPPER where the pre-activation is known to be <= 0
            on the box, LOWER where it is known to be >= 0.
        wish: ``(boxes, wishes)`` uint8, which wishes are open on the box, as bits.
        reach: ``(boxes, wishes)`` proved bound of the asked side, sign turned so that <= 0 settles.
    """

    lower: Array
    upper: Array
    stable: Flags
    wish: Flags
    reach: Array

    def __len__(self) -> int:
        return len(self.lower)

    def take(self, which: NDArray[np.bool_] | slice) -> Boxes:
        """Return some of the boxes."""
        return Boxes(
            self.lower[which],
            self.upper[which],
            self.stable[which],
            self.wish[which],
            self.reach[which],
        )

    @staticmethod
    def join(parts: list[Boxes]) -> Boxes:
        """Return all boxes of the parts."""
        return (
            parts[0]
            if len(parts) == 1
            else Boxes(
                *(
                    np.concatenate([getattr(part, name) for part in parts])
                    for name in ("lower", "upper", "stable", "wish", "reach")
                )
            )
        )


Refute = Callable[[Array, Boxes], NDArray[np.bool_]]


@dataclass(slots=True, eq=False)
class Search:
    """The state of a search, readable at any time.

    Attributes:
        net: the packed network.
        neurons: ``(wishes,)`` flat neuron of each wish.
        sides: ``(wishes,)`` UPPER: settle ``z <= 0``; LOWER: settle ``z >= 0``.
        seen: ``(wishes,)`` boxes on which each wish was bounded.
        dropped: ``(wishes,)`` wishes given up because a point refuted them.
        bounded: boxes bounded so far.
        stuck: boxes that cannot be halved, for their corners are neighbours in float64.
    """

    net: Packed
    neurons: NDArray[np.int64]
    sides: Flags
    limits: Limits
    seen: NDArray[np.int64] = field(init=False)
    dropped: NDArray[np.bool_] = field(init=False)
    bounded: int = 0
    stuck: list[Boxes] = field(init=False, default_factory=list)
    _frontier: list[list[Boxes]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.seen = np.zeros(len(self.neurons), dtype=np.int64)
        self.dropped = np.zeros(len(self.neurons), dtype=np.bool_)

    def start(self, lower: Array, upper: Array, stable: Flags | None = None) -> None:
        """Begin with one box.

        Args:
            lower: ``(inputs,)``, finite.
            upper: ``(inputs,)``, finite.
            stable: ``(neurons,)`` what is known already, as `Boxes.stable`.
        """
        total = int(self.net.offset[-1])
        known = np.zeros(total, dtype=np.uint8) if stable is None else stable
        root = Boxes(
            lower[None].copy(),
            upper[None].copy(),
            known[None].copy(),
            self.sides[None].copy(),
            np.full((1, len(self.neurons)), np.inf),
        )
        self._frontier = [[root]]

    @property
    def open_boxes(self) -> int:
        """Number of boxes waiting."""
        return sum(len(part) for part in self.waiting())

    def waiting(self) -> Iterator[Boxes]:
        """Yield the boxes waiting."""
        yield from self.stuck
        for level in self._frontier:
            yield from level

    def open(self) -> NDArray[np.bool_]:
        """Return for each wish whether it is unsettled on some waiting box, and not dropped."""
        out = np.zeros(len(self.neurons), dtype=np.bool_)
        for part in self.waiting():
            out |= part.wish.any(axis=0)
        return out & ~self.dropped

    def reach(self) -> Array:
        """Return for each wish the proved bound over the region; <= 0 where settled."""
        out = np.full(len(self.neurons), -np.inf)
        for part in self.waiting():
            out = np.maximum(
                out, np.where(part.wish > 0, part.reach, 0.0).max(axis=0, initial=-np.inf)
            )
        return np.asarray(np.maximum(out, 0.0))

    def run(self, refute: Refute, boxes: int, deadline: float = np.inf) -> None:
        """Bound and bisect until every wish is settled or dropped, or a limit is met.

        Args:
            refute: is given for each box that stays open where the bound of its worst wish is
                attained ``(boxes, inputs)``, and the boxes; gives back which wishes ``(wishes,)``
                are refuted.
            boxes: number of boxes to bound, those of earlier runs counted.
            deadline: on the clock of `time.monotonic`.
        """
        with ThreadPoolExecutor(self.limits.workers) as pool:
            while any(self._frontier) and self.bounded < boxes:
                if time.monotonic() > deadline:
                    return
                batch, level = self._next()
                if len(batch):
                    self._step(pool, batch, level, refute)

    def _next(self) -> tuple[Boxes, int]:
        """Take a batch: from the lowest level, or the highest when the frontier is full."""
        level = 0 if self.open_boxes <= self.limits.frontier else len(self._frontier) - 1
        while level and not self._frontier[level]:
            level -= 1
        while not self._frontier[level]:
            level += 1
        # Part by part, so that what is done is freed: a level may hold a million boxes.
        parts, taken, room = self._frontier[level], list[Boxes](), self.limits.batch
        while parts and room:
            first = parts.pop(0)
            if len(first) > room:
                parts.insert(0, first.take(slice(room, None)))
                first = first.take(slice(0, room))
            taken.append(first)
            room -= len(first)
        boxes = Boxes.join(taken)
        boxes.wish = np.where(self.dropped, 0, boxes.wish).astype(np.uint8)
        return boxes.take(np.asarray(boxes.wish.any(axis=1))), level

    def _step(
        self,
        pool: ThreadPoolExecutor,
        boxes: Boxes,
        level: int,
        refute: Refute,
    ) -> None:
        count, total = len(boxes), int(self.net.offset[-1])
        low = np.where(boxes.stable & LOWER, 0.0, -np.inf)
        high = np.where(boxes.stable & UPPER, 0.0, np.inf)
        wish = np.zeros((count, total), dtype=np.uint8)
        for column, neuron in enumerate(self.neurons):
            wish[:, neuron] |= boxes.wish[:, column]
        influence, corner = np.zeros_like(boxes.lower), np.zeros_like(boxes.lower)
        worst = np.zeros(count, dtype=np.int64)

        def bound(part: slice) -> None:
            bound_boxes(
                self.net,
                boxes.lower[part],
                boxes.upper[part],
                low[part],
                high[part],
                wish[part],
                influence[part],
                worst[part],
                corner[part],
            )

        workers = self.limits.workers
        cuts = np.linspace(0, count, min(workers, count) + 1).astype(int)
        for done in [pool.submit(bound, slice(a, b)) for a, b in itertools.pairwise(cuts)]:
            done.result()
        self.bounded += count
        self.seen += (boxes.wish > 0).sum(axis=0)
        reach = np.where(self.sides == UPPER, high[:, self.neurons], -low[:, self.neurons])
        reach = np.minimum(reach, boxes.reach)
        still = np.where(reach > 0.0, boxes.wish, 0).astype(np.uint8)
        stable = ((high <= 0.0) * UPPER + (low >= 0.0) * LOWER).astype(np.uint8)
        kept = Boxes(boxes.lower, boxes.upper, stable | boxes.stable, still, reach)
        rest = np.asarray(still.any(axis=1))
        if not rest.any():
            return
        kept, influence, corner = kept.take(rest), influence[rest], corner[rest]
        self.dropped |= refute(corner, kept)
        self._split(kept, influence, level)

    def _split(self, boxes: Boxes, influence: Array, level: int) -> None:
        """Bisect each box in the input that the open wishes depend on most."""
        middle = 0.5 * (boxes.lower + boxes.upper)
        apart = (boxes.lower < middle) & (middle < boxes.upper)
        score = np.where(apart, np.where(np.isfinite(influence), influence, 0.0), -1.0)
        keep = np.asarray(apart.any(axis=1))
        if not keep.all():
            self.stuck.append(boxes.take(~keep))
            boxes, middle, score = boxes.take(keep), middle[keep], score[keep]
        axis, rows = score.argmax(axis=1), np.arange(len(boxes))
        upper, lower = boxes.upper.copy(), boxes.lower.copy()
        upper[rows, axis] = middle[rows, axis]
        lower[rows, axis] = middle[rows, axis]
        while len(self._frontier) <= level + 1:
            self._frontier.append([])
        first = Boxes(boxes.lower, upper, boxes.stable, boxes.wish, boxes.reach)
        second = Boxes(lower, boxes.upper, boxes.stable, boxes.wish, boxes.reach)
        self._frontier[level + 1].append(Boxes.join([first, second]))
