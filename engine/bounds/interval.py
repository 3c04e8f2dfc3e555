"""Interval arithmetic over a network, many boxes at once, rounded outward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..network import Affine, Concat, Input, Network, Piecewise, Quantize, Select, State, Sum
from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT, down, gamma, up
from .grid import rounded

Array = NDArray[np.float64]
Interval = tuple[Array, Array]
Bounds = Mapping[str, Interval]
"""For each node of a network the lower and upper bounds of its value, ``(boxes, size)`` each."""


def interval(
    network: Network, lower: Array, upper: Array, known: Bounds | None = None
) -> dict[str, Interval]:
    """Return bounds of every node's value.

    Args:
        network: the network.
        lower: ``(boxes, inputs)`` float64, closed.
        upper: ``(boxes, inputs)`` float64, closed.
        known: bounds of some nodes that are known to hold; intersected on the way.

    Returns:
        Bounds by node name; infinite where magnitudes pass `LARGEST`.

    Source: midpoint-radius arithmetic (Rump 1999), rounding charged as gamma times magnitudes.
    """
    out: dict[str, Interval] = {}
    for node in network.nodes:
        reads = [out[name] for name in node.sources]
        low: Array
        high: Array
        match node.layer:
            case Input():
                low, high = lower, upper
            case Affine() as layer:
                low, high = _affine(layer, *reads[0])
            case Piecewise() as layer:
                low, high = activate(layer, *reads[0])
            case Quantize() as grid:
                low, high = rounded(grid, *reads[0])
            case Sum():
                low, high = reads[0]
                for more in reads[1:]:
                    low, high = down(low + more[0]), up(high + more[1])
            case Concat():
                low = np.concatenate([read[0] for read in reads], axis=-1)
                high = np.concatenate([read[1] for read in reads], axis=-1)
            case Select(indices=indices):
                low, high = reads[0][0][..., indices], reads[0][1][..., indices]
            case _ as never:
                assert_never(never)
        if known is not None and node.name in known:
            low = np.maximum(low, known[node.name][0])
            high = np.minimum(high, known[node.name][1])
        out[node.name] = low, high
    return out


def magnitude(bounds: Interval) -> Array:
    """Return the largest magnitude inside the bounds, entry by entry."""
    return np.maximum(np.abs(bounds[0]), np.abs(bounds[1]))


def scale(layer: Affine, source: Interval) -> Array:
    """Return a bound on |b| + |W| |x| for all x in the bounds, ``(boxes, size)``."""
    weight = np.abs(layer.operator.weight)
    return (layer.operator.push(magnitude(source), weight) + np.abs(layer.bias)) * SLACK + UNDERFLOW


def _affine(layer: Affine, low: Array, high: Array) -> Interval:
    with np.errstate(over="ignore", invalid="ignore"):
        middle = 0.5 * low + 0.5 * high
        radius = np.maximum(high - middle, middle - low) * (1 + 4 * UNIT)
        total = scale(layer, (low, high))
        reach = layer.operator.push(radius, np.abs(layer.operator.weight))
        reach = (reach + gamma(layer.operator.terms + 4) * total) * SLACK + UNDERFLOW
        centre = layer.operator.push(middle) + layer.bias
    sound = total < LARGEST
    return np.where(sound, down(centre - reach), -np.inf), np.where(
        sound, up(centre + reach), np.inf
    )


def activate(layer: Piecewise, low: Array, high: Array) -> Interval:
    """Return the bounds of activations from those of pre-activations ``(..., size)``."""
    state = layer.state
    bottom = np.where(state == State.RELU, np.maximum(low, 0.0), low)
    top = np.where(state == State.RELU, np.maximum(high, 0.0), high)
    if (state == State.LINEAR).any():
        with np.errstate(invalid="ignore"):
            ends = np.nan_to_num(layer.slope * low), np.nan_to_num(layer.slope * high)
        spare = (np.abs(ends[0]) + np.abs(ends[1]) + np.abs(layer.intercept)) * (
            4 * UNIT
        ) + UNDERFLOW
        linear = state == State.LINEAR
        flat = layer.slope == 0
        wild = ~flat & ~(np.isfinite(low) & np.isfinite(high))
        least = np.where(wild, -np.inf, np.minimum(*ends) + layer.intercept - spare)
        most = np.where(wild, np.inf, np.maximum(*ends) + layer.intercept + spare)
        bottom, top = np.where(linear, least, bottom), np.where(linear, most, top)
    zero = state == State.ZERO
    return np.where(zero, 0.0, bottom), np.where(zero, 0.0, top)
