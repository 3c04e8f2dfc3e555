"""The two lines that enclose each activation of a stage, over many boxes at once, in torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..rounding import UNDERFLOW, UNIT
from .batched_grid import rounded_lines
from .device import Layer


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Two lines that enclose each activation of a stage, and what following them costs.

    Attributes:
        up_slope, down_slope: ``(boxes, 1, size)``.
        up_shift, down_shift: ``(boxes, size)``.
        up, down: ``(boxes, size, 2)``: what a coefficient above 0, or below it, adds to a row's
            constant and to its error.
        up_gap, down_gap: ``(boxes, size)``: what the lines can be away from the activation.
    """

    up_slope: Tensor
    down_slope: Tensor
    up_shift: Tensor
    down_shift: Tensor
    up: Tensor
    down: Tensor
    up_gap: Tensor
    down_gap: Tensor


def above(values: Tensor) -> Tensor:
    """Return each value moved one step of binary64 towards plus infinity."""
    return torch.nextafter(values, torch.full_like(values, math.inf))


def below(values: Tensor) -> Tensor:
    """Return each value moved one step of binary64 towards minus infinity."""
    return torch.nextafter(values, torch.full_like(values, -math.inf))


def lines(layer: Layer, low: Tensor, high: Tensor, scale: Tensor) -> tuple[Lines, Tensor, Tensor]:
    """Return the enclosing lines of a stage's activations, and the activations' bounds.

    Args:
        layer: the stage.
        low: ``(boxes, size)`` proved lower bounds of the pre-activations, finite.
        high: the same, upper bounds.
        scale: ``(boxes, size)`` as `Pass` holds it.
    """
    size = 2.0 * scale + torch.maximum(-low, high)
    if layer.grid is not None:
        slopes, shifts, gaps, ends = rounded_lines(layer, low, high)
        return _lines(layer, slopes, shifts, gaps, size), *ends
    on = layer.identity | (layer.relu & (low >= 0.0))
    free = layer.relu & ~on & (high > 0.0)
    one, two = layer.slope * low, layer.slope * high
    spare = (one.abs() + two.abs() + layer.intercept.abs()) * (4.0 * UNIT) + UNDERFLOW
    least = torch.where(layer.linear, torch.minimum(one, two) + layer.intercept - spare, 0.0)
    most = torch.where(layer.linear, torch.maximum(one, two) + layer.intercept + spare, 0.0)
    exact = torch.where(on, 1.0, layer.slope)
    steep = torch.where(free, high / torch.where(free, high - low, 1.0), exact)
    height = torch.maximum(-steep * low, (1.0 - steep) * high) * (1.0 + 8.0 * UNIT) + UNDERFLOW
    gap = torch.where(free, height, 0.0)
    flat = torch.where(free, (high > -low).to(low.dtype), exact)
    shift = layer.intercept.expand_as(low)
    return (
        _lines(
            layer,
            (steep, flat),
            (shift + gap, shift),
            (gap, torch.where(free, torch.minimum(-low, high), 0.0)),
            size,
        ),
        torch.where(on, low, least),
        torch.where(on | free, high, most),
    )


def _lines(
    layer: Layer,
    slopes: tuple[Tensor, Tensor],
    shifts: tuple[Tensor, Tensor],
    gaps: tuple[Tensor, Tensor],
    size: Tensor,
) -> Lines:
    """Return lines from their slopes, shifts and gaps, the upper one first."""
    up, down = (
        torch.stack(
            [
                slope * layer.bias + shift,
                sign * (slope.abs() * size + 2.0 * shift.abs() + UNDERFLOW),
            ],
            dim=2,
        )
        for slope, shift, sign in zip(slopes, shifts, (1.0, -1.0), strict=True)
    )
    return Lines(slopes[0][:, None], slopes[1][:, None], *shifts, up, down, *gaps)
