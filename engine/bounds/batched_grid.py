"""Lines of activations that are rounded to grids, for all neurons of many boxes at once, in torch.

The rules are those of `grid_lines.py`, neuron by neuron the same numbers up to rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..rounding import INSIDE, UNDERFLOW, UNIT
from .device import Grid, Layer

Pair = tuple[Tensor, Tensor]


def ends(layer: Layer, low: Tensor, high: Tensor) -> Pair:
    """Return the bounds of activations over [low, high], before they are rounded to grids."""
    one, two = layer.slope * low, layer.slope * high
    spare = (one.abs() + two.abs() + layer.intercept.abs()) * (4.0 * UNIT) + UNDERFLOW
    out = []
    for end, line in (
        (low, torch.minimum(one, two) + layer.intercept - spare),
        (high, torch.maximum(one, two) + layer.intercept + spare),
    ):
        kept = torch.where(layer.relu, end.clamp(min=0.0), end)
        out.append(torch.where(layer.zero, 0.0, torch.where(layer.linear, line, kept)))
    return out[0], out[1]


def on_grid(grid: Grid, low: Tensor, high: Tensor) -> Pair:
    """Return the bounds, exact multiples of the steps, of values in [low, high] on grids."""
    out = []
    for end, way in ((low, -math.inf), (high, math.inf)):
        quotient = end / grid.step
        moved = torch.nextafter(quotient, torch.full_like(quotient, way))
        whole = torch.where(grid.exact, quotient, moved).round()
        out.append(grid.step * torch.minimum(torch.maximum(whole, grid.least), grid.most) + 0.0)
    return out[0], out[1]


def _inside(grid: Grid, below: Tensor, above: Tensor) -> Tensor:
    """Return where no value counts as cut off."""
    return (below >= (grid.least - INSIDE) * grid.step) & (
        above <= (grid.most + INSIDE) * grid.step
    )


def cut_off(layer: Layer, low: Tensor, high: Tensor) -> Tensor:
    """Return ``(boxes, size)`` whether a grid may cut activations off."""
    assert layer.grid is not None
    return ~_inside(layer.grid, *ends(layer, low, high))


def rounded_lines(layer: Layer, low: Tensor, high: Tensor) -> tuple[Pair, Pair, Pair, Pair]:
    """Return slopes, shifts and gaps of the upper and the lower lines, and the values' bounds.

    Args:
        layer: a stage with grids.
        low: ``(boxes, size)`` proved lower bounds of the pre-activations, finite.
        high: the same, upper bounds.
    """
    grid = layer.grid
    assert grid is not None
    below, above = ends(layer, low, high)
    bottom, top = on_grid(grid, below, above)
    slope, shift, half = _parallel(layer, grid, (low, high), (below, above), (bottom, top))
    crest = shift + 2.0 * half
    wide = half > 0.0
    up_shift = torch.where(wide, torch.nextafter(crest, torch.full_like(crest, math.inf)), shift)
    gap = 2.0 * half
    # A ReLU has two more lower lines: 0, and z moved down by what rounding takes at most.
    kink = wide & layer.relu & (low < 0.0) & (high > 0.0)
    down, up = _moved(grid, (below, above), (bottom, top))
    passed = torch.maximum(-low, up) - down
    cut = torch.where(slope == 0.0, crest, high + up)
    through = kink & (passed < cut)
    down_slope = torch.where(kink, through.to(low.dtype), slope)
    down_shift = torch.where(through, down, torch.where(kink, 0.0, shift))
    down_gap = torch.where(kink, torch.minimum(passed, cut), gap)
    return (slope, down_slope), (up_shift, down_shift), (gap, down_gap), (bottom, top)


def _moved(grid: Grid, values: Pair, rounded: Pair) -> Pair:
    """Return the bounds of what grids add to values."""
    (low, high), (bottom, top) = values, rounded
    down = 0.5 * grid.step + (high - grid.step * grid.most).clamp(min=0.0)
    up = 0.5 * grid.step + (grid.step * grid.least - low).clamp(min=0.0)
    down, up = down * (1.0 + 8.0 * UNIT), up * (1.0 + 8.0 * UNIT)
    least, most = bottom - high, top - low
    return (
        torch.maximum(-down, torch.nextafter(least, torch.full_like(least, -math.inf))),
        torch.minimum(up, torch.nextafter(most, torch.full_like(most, math.inf))),
    )


def _parallel(
    layer: Layer, grid: Grid, z: Pair, values: Pair, rounded: Pair
) -> tuple[Tensor, Tensor, Tensor]:
    """Return slope, shift and half of ``slope z + shift + half (1 + symbol)`` around the values."""
    (low, high), (bottom, top) = z, rounded
    flat, zero = 0.5 * (top - bottom), torch.zeros_like(low)
    inside = _inside(grid, *values)
    steep, shift, half = _line(layer, low, high)
    other = _chord(layer, grid, low, high)
    can = layer.relu | layer.identity
    steep, shift, half = (
        torch.where(inside, one, two) for one, two in zip((steep, shift, half), other, strict=True)
    )
    spare = (shift.abs() + half + grid.step) * (8.0 * UNIT)
    shift, half = shift - 0.5 * grid.step - spare, half + 0.5 * grid.step + 2.0 * spare
    slanted = (bottom != top) & (inside | can) & (half < flat)  # NaN is not below: flat
    return (
        torch.where(slanted, steep, zero),
        torch.where(slanted, shift, bottom),
        torch.where(slanted, half, flat),
    )


def _line(layer: Layer, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same of activations that are not rounded."""
    on = layer.identity | (layer.relu & (low >= 0.0))
    free = layer.relu & (low < 0.0) & (high > 0.0)
    exact = torch.where(on, 1.0, layer.slope)
    steep = torch.where(free, high / torch.where(free, high - low, 1.0), exact)
    height = torch.maximum(-steep * low, (1.0 - steep) * high) * (1.0 + 8.0 * UNIT) + UNDERFLOW
    return steep, layer.intercept.expand_as(low), torch.where(free, 0.5 * height, 0.0)


def _chord(layer: Layer, grid: Grid, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same of identities and ReLUs that are cut to the ends of grids, by their chord.

    Between its corners the function is linear, so it is farthest from the chord's slope at one.
    """
    bottom, top = grid.step * grid.least, grid.step * grid.most
    corner = torch.where(layer.relu, 0.0, bottom).expand_as(low)
    inner = (torch.minimum(torch.maximum(one, low), high) for one in (corner, top.expand_as(low)))
    at = torch.stack([low, high, *inner])
    values = torch.where(layer.relu, at.clamp(min=0.0), at)
    values = torch.minimum(torch.maximum(values, bottom), top)
    slope = (values[1] - values[0]) / torch.where(high > low, high - low, 1.0)
    away = values - slope * at
    size = (values.abs() + (slope * at).abs()).amax(dim=0)
    spare = 8.0 * UNIT * size + UNDERFLOW
    least, most = away.amin(dim=0), away.amax(dim=0)
    half = (0.5 * (most - least) + spare) * (1.0 + 8.0 * UNIT) + UNDERFLOW
    return slope, least - spare, half
