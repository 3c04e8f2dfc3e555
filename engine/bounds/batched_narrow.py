"""The halves of bounded boxes, narrowed to what the planes of their open questions leave, in torch.

A plane above z that falls below zero settles z <= 0 behind its zero line, so a half is narrowed to
the smallest box that holds what the planes of its open questions leave, and a question whose plane
is below zero on the half is settled there without being bounded again. The rules are those of
`trees.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..rounding import SLACK, UNDERFLOW
from .batched import Bounded, Rows, listed
from .batched_lines import above, below
from .device import Placed
from .packed import LOWER, UPPER


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What bounds say about where boxes are to be cut.

    Attributes:
        neuron: ``(boxes, rows)`` int64, flat, of each row that stays open.
        side: ``(boxes, rows)`` uint8, its question: UPPER or LOWER; 0 in rows that do not count.
        reach: ``(boxes, rows)`` what is asked of a row is at most reach less the sum of |plane|
            times the distance from the corner where it is largest.
        plane: ``(boxes, rows, inputs)``.
        bare: ``(boxes,)`` bool, whether a question of a box is open without a plane.
        blame: ``(boxes, inputs)`` how much each input is to be blamed for the open questions.
        corner: ``(boxes, inputs)`` where the question farthest from settled may be refuted.
    """

    neuron: Tensor
    side: Tensor
    reach: Tensor
    plane: Tensor
    bare: Tensor
    blame: Tensor
    corner: Tensor

    @classmethod
    def of(
        cls, net: Placed, found: Bounded, lower: Tensor, upper: Tensor, open_: Tensor
    ) -> Split | None:
        """Return it for bounded boxes; None if no question is open.

        Args:
            net: the network.
            found: the boxes' bounds.
            lower: ``(boxes, inputs)``.
            upper: the same.
            open_: ``(boxes, neurons)`` uint8, what is open on the boxes, as bits.
        """
        if not bool(open_.any()):
            return None
        width = upper - lower
        neuron, side = _questions(net, found.rows, open_)
        count = (open_ & UPPER > 0).sum(dim=1) + (open_ & LOWER > 0).sum(dim=1)
        some = listed(side > 0)
        boxes, inputs = lower.shape
        if some is None:
            none = torch.zeros((boxes, 1), dtype=torch.int64, device=lower.device)
            flat = torch.zeros((boxes, 1, inputs), dtype=lower.dtype, device=lower.device)
            reach = torch.full((boxes, 1), math.inf, dtype=lower.dtype, device=lower.device)
            side = none.to(torch.uint8)
            return cls(none, side, reach, flat, count > 0, width, upper)
        index, real = some
        wide = index[:, :, None].expand(-1, -1, inputs)
        neuron = neuron.gather(1, index)
        side = torch.where(real, side.gather(1, index), 0)
        reach = torch.cat([rows.bound for rows in found.rows], dim=1).gather(1, index)
        plane = torch.cat([rows.plane for rows in found.rows], dim=1).gather(1, wide)
        parts = [_blamed(rows, width) for rows in found.rows]
        part = torch.cat(parts, dim=1).gather(1, wide)
        size = torch.maximum(-found.low, found.high).gather(1, neuron)
        usable = real & (reach < math.inf)
        blame = torch.where(usable[:, :, None], part / size[:, :, None], 0.0).sum(dim=1)
        worst = torch.where(usable, reach / size, -1.0).argmax(dim=1)
        at = plane[torch.arange(boxes, device=plane.device), worst]
        corner = torch.where(at >= 0.0, upper, lower)
        return cls(neuron, side, reach, plane, usable.sum(dim=1) < count, blame, corner)


def _questions(net: Placed, found: tuple[Rows, ...], open_: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's neuron, and its question where that is open, else 0."""
    neurons, sides = [], []
    for rows in found:
        size = net.layers[rows.stage].size
        neuron = net.offset[rows.stage] + rows.index % size
        bit = torch.where(rows.index < size, UPPER, LOWER).to(torch.uint8)
        neurons.append(neuron)
        side = open_.gather(1, neuron) & bit
        sides.append(torch.where(rows.bound < math.inf, side, 0))
    if not found:
        none = torch.zeros((len(open_), 0), dtype=torch.int64, device=open_.device)
        return none, none.to(torch.uint8)
    return torch.cat(neurons, dim=1), torch.cat(sides, dim=1)


def _blamed(rows: Rows, width: Tensor) -> Tensor:
    if rows.blame is not None:
        return rows.blame
    return rows.plane.abs() * width[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """The halves of boxes, those of a box one after the other.

    Attributes:
        lower, upper: ``(2 boxes, inputs)``.
        open: ``(2 boxes, neurons)`` uint8, what stays open on them.
        axis: ``(boxes,)`` int64, the input that was cut; -1 where all corners are neighbours.
    """

    lower: Tensor
    upper: Tensor
    open: Tensor
    axis: Tensor


def halves(split: Split, lower: Tensor, upper: Tensor, open_: Tensor) -> Halves:
    """Return the narrowed halves of boxes.

    Args:
        split: as `Split.of` gives it.
        lower: ``(boxes, inputs)``.
        upper: the same.
        open_: ``(boxes, neurons)`` uint8, what is open on the boxes.
    """
    low, high, _ = narrowed(split, lower, upper, lower, upper, open_)
    middle = 0.5 * (low + high)
    can = (low < middle) & (middle < high)
    part = split.blame * ((high - low) / (upper - lower))
    part = torch.where(part >= 0.0, part, 0.0)  # NaN: blame that is no number
    axis = torch.where(can, part, -1.0).argmax(dim=1)
    at = torch.nn.functional.one_hot(axis, lower.shape[1]) > 0
    ends = [
        narrowed(split, lower, upper, *pair, open_)
        for pair in (
            (low, torch.where(at, middle, high)),
            (torch.where(at, middle, low), high),
        )
    ]
    corners = (torch.stack(pair, dim=1).flatten(0, 1) for pair in zip(*ends, strict=True))
    new_lower, new_upper, left = corners
    return Halves(new_lower, new_upper, left, torch.where(can.any(dim=1), axis, -1))


def narrowed(
    split: Split, box_lower: Tensor, box_upper: Tensor, lower: Tensor, upper: Tensor, open_: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return parts of boxes, narrowed to what the planes of open questions leave.

    Args:
        split: of the boxes.
        box_lower: ``(boxes, inputs)`` of the boxes.
        box_upper: the same.
        lower: ``(boxes, inputs)`` of the parts.
        upper: the same.
        open_: ``(boxes, neurons)`` uint8, what is open on the boxes.

    Returns:
        lower, upper and open of the parts; where nothing is open the corners mean nothing.
    """
    plane, size = split.plane, split.plane.abs()
    far = torch.where(plane > 0.0, (box_upper - upper)[:, None], (lower - box_lower)[:, None])
    # (2 - SLACK) is below 1 by far more than the roundings of a term can add to it.
    rest = split.reach - (size * far * (2.0 - SLACK)).sum(dim=2)
    rest = rest + (split.reach * (SLACK - 1.0) + UNDERFLOW)
    live = split.side > 0
    closed = live & (rest <= 0.0)
    left = (live & ~closed)[:, :, None]
    away = rest[:, :, None] / size * SLACK  # infinite, or NaN, where the plane is level
    start, end = lower[:, None], upper[:, None]
    near = torch.where(plane > 0.0, torch.maximum(start, below(end - away)), start)
    last = torch.where(plane < 0.0, torch.minimum(end, above(start + away)), end)
    bare = split.bare[:, None]
    # Each part is that of the boxes which are left, or the whole where a question has no plane.
    new_lower = torch.where(left, near, end).amin(dim=1)
    new_upper = torch.where(left, last, start).amax(dim=1)
    settled = torch.zeros_like(open_).scatter_add_(
        1, split.neuron, torch.where(closed, split.side, 0)
    )
    return (
        torch.where(bare, lower, new_lower),
        torch.where(bare, upper, new_upper),
        open_ & ~settled,
    )
