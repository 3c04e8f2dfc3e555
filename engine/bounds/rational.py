"""Backward linear bounds of single rows in rationals: no rounding, so a bound of exactly 0 is seen.

The lines are those of `linear`: any slope is sound in exact arithmetic too, and the shifts are
recomputed from the bounds. Slower by orders of magnitude; meant for rows whose float64 bound misses
zero by no more than rounding.
"""

from __future__ import annotations

from fractions import Fraction
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..exact import Exact, total
from ..network import Affine, Concat, Input, Network, Piecewise, Quantize, Select, State, Sum
from ..region import Region
from .grid import band
from .interval import Bounds

Array = NDArray[np.float64]
Objects = NDArray[np.object_]


def rational_bound(
    network: Network, region: Region, node: str, row: Array, bounds: Bounds
) -> Fraction:
    """Return an upper bound of ``row . value of node`` over the region's exact box.

    Args:
        network: the network.
        region: closed box in network units.
        node: name of the node.
        row: ``(size of node,)`` float64.
        bounds: of every node above it, ``(1, size)`` each, as `interval` and `linear` give them;
            finite.
    """
    back: dict[str, Exact] = {node: Exact.of(row)}
    constant = Fraction(0)
    for at in reversed(network.nodes):
        here = back.pop(at.name, None)
        if here is None:
            continue
        parts: list[Exact]
        match at.layer:
            case Input():
                corners = zip(region.exact_lower, region.exact_upper, strict=True)
                for a, corner in zip(here.fractions(), corners, strict=True):
                    constant += a * corner[1 if a >= 0 else 0]
                continue
            case Affine(operator=operator, bias=bias):
                constant += _dot(here, Exact.of(bias))
                weight = Exact.of(operator.weight)
                pulled = operator.pull(here.numerators, weight.numerators)
                parts = [Exact(pulled, here.denominator * weight.denominator)]
            case Piecewise() as layer:
                low, high = bounds[at.sources[0]]
                part, shift = _relax(layer, here, low[0], high[0])
                constant += shift
                parts = [part]
            case Quantize() as grid:
                low, high = bounds[at.sources[0]]
                part, shift = _grid(grid, here, low[0], high[0])
                constant += shift
                parts = [part]
            case Sum():
                parts = [here] * len(at.sources)
            case Concat(sizes=sizes):
                cuts = np.cumsum(sizes)[:-1]
                parts = [Exact(some, here.denominator) for some in np.split(here.numerators, cuts)]
            case Select(indices=indices, size_in=size_in):
                spread = np.zeros(size_in, dtype=object)
                np.add.at(spread, indices, here.numerators)
                parts = [Exact(spread, here.denominator)]
            case _ as never:
                assert_never(never)
        for source, part in zip(at.sources, parts, strict=True):
            back[source] = total([back[source], part]) if source in back else part
    return constant


def _dot(left: Exact, right: Exact) -> Fraction:
    product = int((left.numerators * right.numerators).sum())
    return Fraction(product, left.denominator * right.denominator)


def _grid(grid: Quantize, rows: Exact, low: Array, high: Array) -> tuple[Exact, Fraction]:
    """Return the coefficients of what a grid reads, and what the lines' shifts add."""
    slope, below, above = band(grid, low, high)
    positive = (rows.numerators > 0).astype(bool)
    shift = _dot(rows, Exact.of(np.where(positive, above, below)))
    whole = rows.numerators * slope.astype(np.int64).astype(object)
    return Exact(np.asarray(whole, dtype=object), rows.denominator), shift


def _relax(layer: Piecewise, rows: Exact, low: Array, high: Array) -> tuple[Exact, Fraction]:
    """Return the coefficients of the pre-activations, and what the lines' shifts add."""
    free = (layer.state == State.RELU) & (low < 0) & (high > 0)
    on = (layer.state == State.IDENTITY) | ((layer.state == State.RELU) & (low >= 0))
    line = layer.state == State.LINEAR
    positive = (rows.numerators > 0).astype(bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        steep = np.where(free, high / (high - low), 0.0)
    flat = np.where(high > -low, 1.0, 0.0)
    slope = np.where(free, np.where(positive, steep, flat), np.where(on, 1.0, layer.slope))
    slope = np.where(free | on | line, slope, 0.0)
    slopes = Exact.of(slope)
    shift = Fraction(0)
    values = rows.fractions()
    for index in np.flatnonzero((free & positive) | line).tolist():
        if free[index]:
            a, s = Fraction(float(low[index])), Fraction(float(slope[index]))
            shift += values[index] * max(-s * a, (1 - s) * Fraction(float(high[index])))
        else:
            shift += values[index] * Fraction(float(layer.intercept[index]))
    product = np.asarray(rows.numerators * slopes.numerators, dtype=object)
    return Exact(product, rows.denominator * slopes.denominator), shift
