"""What a prover chooses: weights of a case's inequalities, and where to cut a box.

All of it is found from planes below rows, ``constant + slopes x`` on a box, and nothing of it has
to be right: what is chosen is bounded afterwards.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

STEPS = 12
"""Steps on the weights of inequalities that may exclude each other."""

WEIGHTS = 12
"""Largest whole weight."""

HOPEFUL = 0.5
"""Part of a box that a plane must exclude for the box to be cut there, not in the middle."""

SHY = 1e-4
"""Part of a width by which a cut stays away from where a plane excludes just so."""


def mixed(constant: Array, slopes: Array, low: Array, high: Array) -> Array:
    """Return weights with which sums of planes are high everywhere on their boxes.

    Args:
        constant: ``(pairs, planes)``.
        slopes: ``(pairs, planes, inputs)``.
        low: ``(pairs, inputs)``.
        high: the same.

    Returns:
        ``(pairs, planes)``, not negative, of sum 1.
    """
    pairs, planes = constant.shape
    weight = np.full((pairs, planes), 1.0 / planes)
    best, least = weight.copy(), np.full(pairs, -np.inf)
    scale = (np.abs(slopes) * (high - low)[:, None]).sum(axis=2).max(axis=1) + 1e-300
    for step in range(STEPS):
        slope = np.einsum("pa,pai->pi", weight, slopes)
        place = np.where(slope > 0.0, low, high)
        heights = constant + np.einsum("pai,pi->pa", slopes, place)
        value = (weight * heights).sum(axis=1)
        better = value > least
        best[better], least[better] = weight[better], value[better]
        push = np.nan_to_num(heights / scale[:, None] * (6.0 / (1.0 + 0.3 * step)))
        push = push - push.max(axis=1, keepdims=True)
        weight = weight * np.exp(np.clip(push, -30.0, 0.0))
        weight /= weight.sum(axis=1, keepdims=True)
    return best


def whole(weights: Array) -> tuple[int, ...]:
    """Return weights ``(planes,)`` as small whole numbers without a common divisor."""
    most = float(weights.max())
    found = [round(float(one) / most * WEIGHTS) for one in weights]
    common = gcd(*found)
    return tuple(one // common for one in found)


def excluded(base: Array, slopes: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return which parts of boxes planes exclude, along each input.

    Args:
        base: ``(planes,)`` the least value of what has to be above 0 to exclude.
        slopes: ``(planes, inputs)``.
        low: ``(planes, inputs)``.
        high: the same.

    Returns:
        ``(planes, inputs)`` twice: the parts that are left, as shares of the width from below.
    """
    rise = np.abs(slopes) * (high - low)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(rise > 0.0, np.clip(-base[:, None] / rise, 0.0, 1.0), 1.0)
    left = np.where(np.isfinite(left), left, 1.0)
    left = np.minimum(left + SHY, 1.0)
    begin = np.where(slopes < 0.0, 1.0 - left, 0.0)
    end = np.where(slopes > 0.0, left, 1.0)
    return begin, end


def cuts(begin: Array, end: Array, blame: Array, low: Array, high: Array) -> tuple[Index, Array]:
    """Return at which input to cut boxes, and where.

    Args:
        begin: ``(boxes, inputs)`` the part of each box that is not excluded along an input.
        end: the same.
        blame: ``(boxes, inputs)`` how much is to be gained by halving an input.
        low: ``(boxes, inputs)``.
        high: the same.

    Returns:
        ``(boxes,)`` each; the axis is -1 where a box cannot be cut.
    """
    middle = 0.5 * low + 0.5 * high
    apart = (low < middle) & (middle < high)
    score = np.where(np.isfinite(blame), blame, 0.0) + 1e-9 * (high - low)
    axis = np.where(apart, score, -1.0).argmax(axis=1)
    rows = np.arange(len(low))
    at = middle[rows, axis]
    gone = np.where(apart, np.maximum(begin, 1.0 - end), -1.0)
    other = gone.argmax(axis=1)
    share = np.where(
        begin[rows, other] > 1.0 - end[rows, other], begin[rows, other], end[rows, other]
    )
    there = low[rows, other] + share * (high - low)[rows, other]
    take = (gone[rows, other] >= HOPEFUL) & (low[rows, other] < there) & (there < high[rows, other])
    axis, at = np.where(take, other, axis), np.where(take, there, at)
    return np.where(apart.any(axis=1), axis, -1), at
