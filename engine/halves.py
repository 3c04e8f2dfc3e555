"""Half-spaces over boxes: what they leave of a box, and whether several leave anything together.

A row that is to stay below a limit lies above a plane, so it limits the inputs by a half-space, a
different one on each box. All roundings here are outward: what is cut off holds no point of any
half-space's box that satisfies it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rounding import SLACK, UNDERFLOW, UNIT, gamma

Array = NDArray[np.float64]
Edges = tuple[Array, Array]

ROUNDS = 2
"""How often half-spaces that hold together are applied one after the other."""

STEPS = 12
"""Steps on the weights of half-spaces that may exclude each other."""


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """Half-spaces, one a box: ``base + sum |slope| * distance from the least corner <= limit``.

    Attributes:
        base: ``(boxes,)``; -inf where there is none.
        slopes: ``(boxes, inputs)``.
        limit: rounded up; one for all, or ``(boxes,)``.
    """

    base: Array
    slopes: Array
    limit: float | Array


def contracted(lower: Array, upper: Array, halves: list[Half]) -> Edges:
    """Return the parts of boxes that half-spaces leave, box by box.

    A half-space limits each input by what the others leave at least; what one cuts off is cut off
    for the next.

    Args:
        lower: ``(boxes, inputs)``; least corners are taken on this box.
        upper: ``(boxes, inputs)``.
        halves: all of which hold where something is looked for.

    Returns:
        lower and upper ``(boxes, inputs)``, rounded outward; lower above upper where nothing stays.
    """
    low, high = lower.copy(), upper.copy()
    for _ in range(ROUNDS if len(halves) > 1 else 1):
        for half in halves:
            steep = np.abs(half.slopes)
            # How far the box so far is from the least corner of the whole box, rounded down.
            gone = np.where(half.slopes > 0.0, low - lower, upper - high) * (1.0 - 4.0 * UNIT)
            with np.errstate(invalid="ignore"):  # a box of which nothing is left, infinity times 0
                spent = (steep * np.maximum(gone, 0.0)).sum(axis=1)
            spent *= 1.0 - gamma(4 * steep.shape[1] + 4)
            room = np.nextafter(half.limit - half.base, np.inf)
            spent = np.where(np.isfinite(spent), spent, 0.0)
            room = np.nextafter(room - spent, np.inf)[:, None]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                reach = np.where(steep > 0.0, room / steep * (1.0 + 4.0 * UNIT), np.inf)
                reach = np.where(np.isnan(reach), np.inf, np.nextafter(reach, np.inf))
                up = np.where(half.slopes > 0.0, np.nextafter(low + reach, np.inf), np.inf)
                down = np.where(half.slopes < 0.0, np.nextafter(high - reach, -np.inf), -np.inf)
            empty = room < 0.0
            low = np.where(empty, np.inf, np.maximum(low, down))
            high = np.where(empty, -np.inf, np.minimum(high, up))
            nothing = np.asarray((low > high).any(axis=1))
            low[nothing], high[nothing] = np.inf, -np.inf
    return low, high


def exclusive(lower: Array, upper: Array, halves: list[Half], edges: Edges) -> NDArray[np.bool_]:
    """Return for each box whether its half-spaces have no point of a smaller box in common.

    Looked for are weights so that the weighted sum of ``plane - limit`` is positive on the whole
    smaller box; then one of the planes passes its limit at every point.

    Args:
        lower: ``(boxes, inputs)`` the boxes whose least corners the half-spaces speak of.
        upper: ``(boxes, inputs)``.
        halves: at least one.
        edges: the smaller boxes, lower and upper ``(boxes, inputs)``.
    """
    low, high = edges
    base = np.stack([half.base - half.limit for half in halves], axis=1)
    slopes = np.stack([half.slopes for half in halves], axis=1)
    corner = np.where(slopes > 0.0, lower[:, None], upper[:, None])
    usable = np.asarray(np.isfinite(base).all(axis=1) & (low <= high).all(axis=1))
    low, high = np.where(usable[:, None], low, 0.0), np.where(usable[:, None], high, 0.0)
    size = np.abs(base) + np.stack(
        [np.abs(half.base) + np.abs(half.limit) for half in halves], axis=1
    )
    largest = np.maximum(np.maximum(np.abs(lower), np.abs(upper)), np.maximum(abs(low), abs(high)))
    size = size + 2.0 * (np.abs(slopes) * largest[:, None]).sum(axis=2)
    base, size = np.where(usable[:, None], base, -1.0), np.where(usable[:, None], size, 0.0)
    constant = base - (slopes * corner).sum(axis=2)
    charge = gamma(8 * slopes.shape[2] + 8 * len(halves) + 16) * SLACK
    weight = np.full(base.shape, 1.0 / len(halves))
    found = np.zeros(len(base), np.bool_)
    scale = np.abs(slopes).max(axis=(1, 2)) * (high - low).max(axis=1) + 1e-300
    for step in range(STEPS):
        slope = (weight[:, :, None] * slopes).sum(axis=1)
        place = np.where(slope > 0.0, low, high)
        value = (weight * constant).sum(axis=1) + (slope * place).sum(axis=1)
        spare = charge * (weight * (size + np.abs(constant))).sum(axis=1) + UNDERFLOW
        found |= value > spare
        if step == STEPS - 1 or found.all():
            break
        heights = constant + (slopes * place[:, None]).sum(axis=2)
        with np.errstate(over="ignore", invalid="ignore"):  # planes that are all but flat
            push = heights / scale[:, None] * (4.0 / (1.0 + 0.3 * step))
            push = np.nan_to_num(push - push.max(axis=1, keepdims=True))
        weight = weight * np.exp(np.clip(push, -30.0, 0.0))
        weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(found & usable)
