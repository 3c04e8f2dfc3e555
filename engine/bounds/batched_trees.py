"""Which pre-activations keep their sign on cells: the trees of many cells, in torch.

All questions of a cell share one tree of sub-boxes, as in `trees.py`; here the boxes of one level
of all trees are bounded together, in batches as large as the device's memory allows. Where few of
a cell's boxes are left to be bounded, the questions that are open on the fewest of them are served
first and the others are given up.

A box that is open is narrowed to what the planes of its open questions leave, and bisected in the
input that is to be blamed most; see `batched_narrow.py`. Boxes of different cells know nothing of
each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .batched import bound_batch
from .batched_narrow import Split, halves
from .batched_points import look
from .device import MEMORY_SHARE, Placed, free_bytes
from .levels import PATIENCE
from .packed import LOWER, UPPER

COUNTED = 2**16
"""Boxes whose questions are counted in one step: bounds the memory that takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Boxes side by side, those of a cell one after the other.

    Attributes:
        cell: ``(boxes,)`` int64.
        lower, upper: ``(boxes, inputs)``.
        known: ``(boxes, neurons)`` uint8, signs known on the box, as bits.
        open: ``(boxes, neurons)`` uint8, the questions that are open on the box, as bits.
    """

    cell: Tensor
    lower: Tensor
    upper: Tensor
    known: Tensor
    open: Tensor

    def __len__(self) -> int:
        """Return how many boxes there are."""
        return len(self.cell)

    def part(self, some: Tensor | slice) -> Level:
        """Return some of the boxes."""
        return Level(
            self.cell[some], self.lower[some], self.upper[some], self.known[some], self.open[some]
        )

    @classmethod
    def joined(cls, parts: list[Level], like: Level) -> Level:
        """Return the boxes of several levels; of none, no boxes of the form of another level."""
        if not parts:
            return like.part(slice(0, 0))
        return cls(
            torch.cat([part.cell for part in parts]),
            torch.cat([part.lower for part in parts]),
            torch.cat([part.upper for part in parts]),
            torch.cat([part.known for part in parts]),
            torch.cat([part.open for part in parts]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells on a device, and what is known of them; the last three change.

    Attributes:
        lower, upper: ``(cells, inputs)``.
        doubt: ``(cells, neurons)`` as `batched_points.doubts` gives it.
        known: ``(cells, neurons)`` uint8, bits UPPER and LOWER of signs that hold on the cell.
        seen: ``(cells, neurons)`` uint8, bits of questions that a point refutes.
        boxes: ``(cells,)`` int64, boxes bounded so far.
    """

    lower: Tensor
    upper: Tensor
    doubt: Tensor
    known: Tensor
    seen: Tensor
    boxes: Tensor


def cells_together(net: Placed, budget: int) -> int:
    """Return how many cells may be searched at once so that their boxes fit the memory.

    Boxes wait in two levels at a time, each with at most a third of a cell's budget.
    """
    box = 2 * net.total + 16 * net.inputs + 8
    room = (1.0 - MEMORY_SHARE) * MEMORY_SHARE * free_bytes(net.device)
    return max(1, int(room / (2.0 * box * (budget / PATIENCE + 2.0))))


def search(
    net: Placed,
    cells: Cells,
    asked: Tensor,
    budget: int,
    late: Callable[[], bool] = lambda: False,
) -> None:
    """Settle questions about the signs of pre-activations on cells.

    Args:
        net: the network.
        cells: the cells; `known`, `seen` and `boxes` change.
        asked: ``(cells, neurons)`` uint8, bit UPPER: is z <= 0 on the cell? LOWER: is z >= 0?
        budget: boxes to bound on a cell, at most.
        late: asked before every batch; once it says so, what is open stays open.
    """
    active, used = asked.clone(), torch.zeros_like(cells.boxes)
    every = torch.arange(len(asked), device=asked.device)
    level = Level(every, cells.lower, cells.upper, cells.known, active)
    level = level.part((asked > 0).any(dim=1))
    size = net.together(2 * net.total * (2 * net.inputs + 2))
    while len(level):
        level = chosen(level, active, budget - used)
        born: list[Level] = []
        start = 0
        while start < len(level):
            if late():
                cells.boxes.add_(used)
                return
            part = level.part(slice(start, start + size))
            try:
                born += _bounded(net, cells, part, active)
            except torch.cuda.OutOfMemoryError:
                if size == 1:
                    raise
                size = max(1, size // 2)  # what the batch has noted so far holds all the same
                continue
            used.index_add_(0, part.cell, torch.ones_like(part.cell))
            start += len(part)
        active &= ~cells.seen
        level = Level.joined(born, level)
    cells.boxes.add_(used)
    cells.known.bitwise_or_(active)


def _bounded(net: Placed, cells: Cells, part: Level, active: Tensor) -> list[Level]:
    """Bound boxes; return the halves of those that stay open.

    Questions of a box without a number between its corners are given up.
    """
    found = bound_batch(net, part.lower, part.upper, known=part.known, asked=part.open)
    signs = (found.high <= 0.0).to(torch.uint8) * UPPER + (found.low >= 0.0).to(torch.uint8) * LOWER
    signs[:, net.flat(0)] = 0
    known, open_ = part.known | signs, part.open & ~signs
    left = (open_ > 0).any(dim=1)
    split = Split.of(net, found, part.lower, part.upper, open_)
    if split is None:
        return []
    shown = look(net, split.corner[:, None], cells.doubt[part.cell])
    marked(cells.seen, part.cell, torch.where(left[:, None], shown, 0))
    sides = halves(split, part.lower, part.upper, open_)
    stuck = left & (sides.axis < 0)
    given_up = torch.zeros_like(active)
    marked(given_up, part.cell, torch.where(stuck[:, None], open_, 0))
    active &= ~given_up
    pairs = Level(
        part.cell.repeat_interleave(2),
        sides.lower,
        sides.upper,
        known.repeat_interleave(2, dim=0),
        sides.open,
    )
    some = (left & ~stuck).repeat_interleave(2) & (sides.open > 0).any(dim=1)
    return [pairs.part(some)]


def marked(bits: Tensor, cell: Tensor, more: Tensor) -> None:
    """Set bits UPPER and LOWER of cells ``(cells, neurons)`` by those of boxes, in place.

    Args:
        bits: ``(cells, neurons)`` uint8.
        cell: ``(boxes,)`` int64, in ascending order.
        more: ``(boxes, neurons)`` uint8.
    """
    if not len(cell):
        return
    first, last = (int(end) for end in cell[[0, -1]].tolist())
    for bit in (UPPER, LOWER):
        tally = torch.zeros(
            (last - first + 1, bits.shape[1]), dtype=torch.int32, device=bits.device
        )
        tally.index_add_(0, cell - first, (more & bit > 0).to(torch.int32))
        bits[first : last + 1] |= (tally > 0).to(torch.uint8) * bit


def chosen(level: Level, active: Tensor, left: Tensor) -> Level:
    """Give up questions that need more boxes than are left; return the boxes that are still needed.

    Args:
        level: the boxes.
        active: ``(cells, neurons)`` uint8, bits; those given up are taken away.
        left: ``(cells,)`` int64, how many boxes of a cell may still be bounded.
    """
    boxes = torch.bincount(level.cell, minlength=len(active))
    if bool((boxes * PATIENCE > left).any()):
        _give_up(level, active, left)
    open_ = level.open & active[level.cell]
    level = Level(level.cell, level.lower, level.upper, level.known, open_)
    return level.part((open_ > 0).any(dim=1))


def _give_up(level: Level, active: Tensor, left: Tensor) -> None:
    """Take away questions that are open on most boxes, so that the boxes of the others can be paid.

    Of a cell's questions, in the order of how many boxes they are open on, as many stay as have
    boxes enough between them; then those, too, whose boxes are needed anyway.
    """
    cells, questions = len(active), 2 * active.shape[1]
    tally = _tallied(level, active, None)
    # A place for every question: those open on no box come last, and are not served but settled.
    order = torch.argsort(torch.where(tally > 0, tally, 2**30), dim=1, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(questions, device=order.device).expand(cells, -1)
    )
    first = torch.cat(
        [
            torch.where(some, rank[cell], questions).amin(dim=1)
            for cell, some in _counted(level, active, None)
        ]
    )
    place = level.cell * (questions + 1) + first
    needed = torch.bincount(place, minlength=cells * (questions + 1))
    needed = needed.reshape(cells, questions + 1)[:, :questions].cumsum(dim=1)
    paid = (needed * PATIENCE <= left[:, None]).sum(dim=1)  # questions served, by rank
    spare = first >= paid[level.cell]
    kept = (rank < paid[:, None]) | (_tallied(level, active, spare) == 0)
    upper, lower = (part.to(torch.uint8) for part in kept.chunk(2, dim=1))
    active &= upper * UPPER + lower * LOWER


def _tallied(level: Level, active: Tensor, only: Tensor | None) -> Tensor:
    """Return ``(cells, questions)`` on how many boxes each question is open; on `only` these."""
    shape = (len(active), 2 * active.shape[1])
    tally = torch.zeros(shape, dtype=torch.int32, device=active.device)
    for cell, some in _counted(level, active, only):
        tally.index_add_(0, cell, some.to(torch.int32))
    return tally


def _counted(level: Level, active: Tensor, only: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the open questions ``(boxes, questions)`` of boxes, part by part, with their cells."""
    for start in range(0, len(level), COUNTED):
        here = slice(start, start + COUNTED)
        cell = level.cell[here]
        bits = level.open[here] & active[cell]
        if only is not None:
            bits = torch.where(only[here, None], bits, 0)
        yield cell, torch.cat([bits & UPPER > 0, bits & LOWER > 0], dim=1)
