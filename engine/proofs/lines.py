"""Lines around ReLUs between bounds, and around the differences of twin ReLUs.

A line's slope may be any number: its intercept is computed for the slope as it is, rounded outward,
so that each line holds for real numbers.

Source: Singh, Gehr, Pueschel, Vechev, POPL 2019; Paulsen, Wang, Wang, ICSE 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .system import Activation

Array = NDArray[np.float64]
Index = NDArray[np.int64]

TINY = 1e-290
"""More than what underflow can take from any sum of products of a box's numbers, value units."""

MORE = 1.0 + 2.0**-50
"""Factor above what two roundings can take."""


def unit(count: int) -> float:
    """Return a bound on the relative error of a sum of products, doubled for good measure."""
    return (count + 8) * 2.0**-52


def length(values: Array) -> Array:
    """Return bounds from above on the Euclidean lengths of rows, ``(rows,)``."""
    squares = np.einsum("ij,ij->i", values, values)
    # What underflows in a square is below 1e-161 a term.
    return np.asarray(np.sqrt(squares) * (1.0 + unit(values.shape[1])) + 1e-150)


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines around the neurons of an activation on each box, ``(boxes, used)`` each.

    Neurons from `used` on are the identity on all boxes.

    Attributes:
        used: number of leading neurons that the arrays speak of.
        low: slope of the line below; its intercept is `low_at`, 0 for a ReLU.
        change: what is added to that to have the slope of the line above.
        high_at: intercept of the line above.
        low_at: of the line below; None where all are 0.
        reach: ``(boxes,)`` length of the vector of what each neuron's lines reach at most.
        steep: largest magnitude of a slope, at least 1.
        gap_low, gap_high: how far the lines are from the function at most; choose what to split.
    """

    used: int
    low: Array
    change: Array
    high_at: Array
    low_at: Array | None
    reach: Array
    steep: float
    gap_low: Array
    gap_high: Array


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """Lines around the differences of twin neurons, in those of their pre-activations.

    Attributes:
        low, low_at, high, high_at: ``(boxes, neurons)`` slopes and intercepts.
        reach: ``(boxes,)`` as of `Lines`.
        use_low, use_high: 1 where they are nearer than the neurons' own lines, 0 elsewhere.
    """

    low: Array
    low_at: Array
    high: Array
    high_at: Array
    reach: Array
    use_low: Array
    use_high: Array


def lines_around(layer: Activation, low: Array, high: Array) -> Lines:
    """Return lines around neurons whose pre-activations are between bounds."""
    free = layer.relu & (low >= 0.0)  # on these boxes the identity
    bent = np.flatnonzero(~free.all(axis=0))
    used = int(bent[-1]) + 1 if bent.size else 0
    if 5 * used > 3 * low.shape[1]:
        used = low.shape[1]  # whole arrays are faster than most of their columns
    most = np.maximum(np.abs(low), np.abs(high))
    low, high, relu = low[:, :used], high[:, :used], layer.relu[:used]
    active, crossing = low >= 0.0, relu & (low < 0.0) & (high > 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        steep = np.where(crossing, high / (high - low), 0.0)
        steep = np.where((steep >= 0.0) & (steep <= 1.0), steep, 0.0)
        above = np.maximum(-steep * low, (1.0 - steep) * high) * MORE + TINY
    above = np.where(crossing, above, 0.0)
    under = np.where(crossing, high > -low, active).astype(np.float64)
    gap_low = np.where(crossing, np.minimum(-low, high), 0.0)
    gap_high, low_at, largest = above, None, 1.0
    change = np.where(crossing, steep - under, 0.0)
    if not relu.all():
        slope, shift = layer.slope[:used], layer.intercept[:used]
        under, change = np.where(relu, under, slope), np.where(relu, change, 0.0)
        above = np.where(relu, above, shift)
        low_at = np.broadcast_to(np.where(relu, 0.0, shift), low.shape)
        largest = max(1.0, float(np.abs(slope).max()))
    reach = most * largest
    reach[:, :used] += above if low_at is None else np.maximum(above, np.abs(low_at))
    return Lines(used, under, change, above, low_at, length(reach), largest, gap_low, gap_high)


def lines_apart(
    low: Array, high: Array, open_: NDArray[np.bool_], first: Lines, second: Lines, order: Index
) -> Apart:
    """Return lines around differences of twin ReLUs.

    Args:
        low: ``(boxes, neurons)`` lower bounds of the differences of their pre-activations.
        high: upper bounds.
        open_: where both are ReLUs, not both of them decided.
        first: the neurons' own lines.
        second: those of their twins.
        order: for each neuron of the first its twin.
    """
    wide = high - low
    over, under = low >= 0.0, high <= 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        steep = np.where(wide > 0.0, high / wide, 0.0)
        flat = np.where(wide > 0.0, -low / wide, 0.0)
    steep = np.where((steep >= 0.0) & (steep <= 1.0), steep, 0.0)
    flat = np.where((flat >= 0.0) & (flat <= 1.0), flat, 0.0)
    steep = np.where(over, 1.0, np.where(under, 0.0, steep))
    flat = np.where(over, 0.0, np.where(under, 1.0, flat))
    above = np.maximum(-steep * low, (1.0 - steep) * high) * MORE + TINY
    below = np.minimum((1.0 - flat) * low, -flat * high) * MORE - TINY
    above, below = np.where(over | under, 0.0, above), np.where(over | under, 0.0, below)
    gap = np.where(over | under, np.minimum(np.abs(low), np.abs(high)), above)
    gap = np.where(open_, gap, np.inf)
    width = low.shape[1]
    first_low, first_high = _filled(first, width)
    second_low, second_high = (side[:, order] for side in _filled(second, width))
    return Apart(
        flat,
        below,
        steep,
        above,
        length(np.maximum(np.abs(low), np.abs(high)) + above - below),
        np.where(gap < first_low + second_high, 1.0, 0.0),
        np.where(gap < first_high + second_low, 1.0, 0.0),
    )


def _filled(lines: Lines, width: int) -> tuple[Array, Array]:
    """Return the gaps of all neurons."""
    out = np.zeros((2, len(lines.gap_low), width))
    out[0, :, : lines.used], out[1, :, : lines.used] = lines.gap_low, lines.gap_high
    return out[0], out[1]
