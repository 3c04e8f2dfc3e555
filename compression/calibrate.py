"""How far activations range, and the steps of the grids that hold them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.linear import linear
from ..engine.errors import InputError
from ..engine.network import Network
from .method import Fit, ProvedRanges, SeenRanges

Array = NDArray[np.float64]

STEPS = 255
"""Steps from the lowest to the highest number that eight bits tell apart."""

FINER = 4
"""How often a step is halved in search of the least error: clipping then outweighs rounding."""

SLOPES = 20
"""Gradient steps on the slopes of the bounds that prove ranges."""

POWERS = 60
"""Largest exponent of a step, and the least is its negative: products of two are float32 numbers.
Values below the least step are zero there."""

IDLE = 2.0**-7
"""Step of the grid of values that are always zero; any would do."""


@dataclass(frozen=True, slots=True)
class Activation:
    """The grid of a tensor of activations: ``scale k``, with k from `low` to `low` + `STEPS`.

    Attributes:
        scale: a power of two.
        low: at least -`STEPS`, at most 0.
    """

    scale: float
    low: int

    @property
    def high(self) -> int:
        """The greatest k."""
        return self.low + STEPS

    def rounded(self, values: Array) -> Array:
        """Return the nearest numbers of the grid, ties to even."""
        return self.scale * np.clip(np.rint(values / self.scale), self.low, self.high)


def activations(
    network: Network, ranges: ProvedRanges | SeenRanges, fit: Fit, names: Collection[str]
) -> dict[str, Activation]:
    """Return the grids of some nodes' values, one for each node.

    Args:
        network: the network before it is quantized.
        ranges: where values are looked at.
        fit: how steps are chosen; proved ranges are always covered.
        names: of the nodes.

    Raises:
        RegionError: a region of another number of inputs.
        InputError: points of another number of inputs; a node without finite bounds.
    """
    match ranges:
        case ProvedRanges(region=region):
            region.fit(network)
            bounds = linear(network, region.lower[None], region.upper[None], steps=SLOPES)
            limits = {name: (bounds[name][0].min(), bounds[name][1].max()) for name in names}
            return {name: cover(low, high, name) for name, (low, high) in limits.items()}
        case SeenRanges(points=points):
            if points.shape[1] != network.size_in:
                raise InputError(
                    f"calibration points have {points.shape[1]} numbers, {network.origin.path} "
                    f"has {network.size_in} inputs"
                )
            values = network.trace(points)
            return {name: _fitted(values[name], fit, name) for name in names}
        case _ as never:
            assert_never(never)


def cover(low: float, high: float, name: str) -> Activation:
    """Return the finest grid that reaches from `low` to `high`, and 0.

    Args:
        low: finite.
        high: at least `low`.
        name: of the node, for the error.

    Raises:
        InputError: limits that are not finite, or beyond all grids of float32.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(
            f"the values of {name} are not bounded there: take a smaller region, or points"
        )
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    if high == low:
        return Activation(IDLE, 0)
    power = max(-POWERS, int(np.floor(np.log2((high - low) / (STEPS + 1)))))
    while np.rint(high / 2.0**power) - np.rint(low / 2.0**power) > STEPS:
        power += 1
    if power > POWERS:
        raise InputError(
            f"the values of {name} range from {low:g} to {high:g}: no fixed-point grid fits them"
        )
    return Activation(2.0**power, int(np.rint(low / 2.0**power)))


def _fitted(values: Array, fit: Fit, name: str) -> Activation:
    widest = cover(values.min(), values.max(), name)
    match fit:
        case Fit.COVER:
            return widest
        case Fit.SQUARES:
            tried = [widest, *(_finer(widest, values, power) for power in range(1, FINER + 1))]
            return min(tried, key=lambda one: float(np.square(one.rounded(values) - values).sum()))
        case _ as never:
            assert_never(never)


def _finer(widest: Activation, values: Array, power: int) -> Activation:
    """Return a grid of a finer step that clips both ends in the same share."""
    scale = widest.scale * 0.5**power
    low, high = min(values.min() / scale, 0.0), max(values.max() / scale, 0.0)
    part = min(1.0, STEPS / (high - low)) if high > low else 0.0
    return Activation(scale, max(-STEPS, int(np.rint(low * part))))
