"""Signs of pre-activations at points of many cells at once, in torch, with rounding's doubt.

A sign counts as seen where the computed value is farther from zero than rounding can have moved
it, for any order of sums; so a point that shows a sign shows it in real arithmetic. See
`points.py`, which does the same cell by cell.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..rounding import SLACK, UNDERFLOW, UNIT, gamma
from .device import Layer, Placed
from .packed import LOWER, UPPER


def doubts(net: Placed, low: Tensor, high: Tensor) -> Tensor:
    """Return how far computed pre-activations can be from their real values.

    Args:
        net: the network; its activations are not rounded.
        low: ``(cells, neurons)`` bounds of the pre-activations, flat over all stages, the inputs
            first.
        high: the same, upper bounds; infinite ones leave infinite doubt, or NaN, behind them.

    Returns:
        ``(cells, neurons)``; infinite for the outputs, which are not asked about.

    Source: Higham 2002, chapter 3; the error of a stage's activations is carried into the next.
    """
    largest = torch.maximum(low.abs(), high.abs())
    doubt = torch.full_like(low, torch.inf)
    doubt[:, net.flat(0)] = 0.0
    sizes = {0: largest[:, net.flat(0)]}
    moved = {0: torch.zeros_like(sizes[0])}
    for k in range(1, len(net.layers) - 1):
        layer, here = net.layers[k], net.flat(k)
        total = layer.bias.abs().expand_as(largest[:, here])
        wobble = torch.zeros_like(total)
        for source, weight in zip(layer.sources, layer.sizes, strict=True):
            total = total + sizes[source] @ weight.T
            wobble = wobble + moved[source] @ weight.T
        error = (wobble + gamma(layer.terms + 2) * (total + wobble)) * SLACK + UNDERFLOW
        doubt[:, here] = error
        sizes[k], moved[k] = _after(layer, largest[:, here], high[:, here], error)
    return doubt


def _after(layer: Layer, largest: Tensor, high: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
    """Return the magnitudes and the errors of a stage's activations."""
    slope, shift = layer.slope.abs(), layer.intercept.abs()
    size = torch.where(layer.linear, (slope * largest + shift) * SLACK, largest)
    size = torch.where(layer.relu, high.clamp(min=0.0), size)
    spare = 4.0 * UNIT * (slope * (largest + error) + shift)
    moved = torch.where(layer.linear, (slope * error + spare) * SLACK + UNDERFLOW, error)
    return torch.where(layer.zero, 0.0, size), torch.where(layer.zero, 0.0, moved)


def look(net: Placed, points: Tensor, doubt: Tensor) -> Tensor:
    """Return the signs that points show.

    Args:
        net: the network.
        points: ``(cells, points, inputs)``, each in its cell.
        doubt: ``(cells, neurons)`` as `doubts` gives it.

    Returns:
        ``(cells, neurons)`` uint8, bit UPPER where z > 0 was seen, which refutes z <= 0, bit LOWER
        where z < 0 was seen.
    """
    values = {0: points}
    seen = torch.zeros(doubt.shape, dtype=torch.uint8, device=doubt.device)
    for k in range(1, len(net.layers) - 1):
        layer, here = net.layers[k], net.flat(k)
        z = layer.bias.expand(*points.shape[:2], -1)
        for source, weight in zip(layer.sources, layer.weights, strict=True):
            z = z + values[source] @ weight.T
        most, least = z.amax(dim=1), z.amin(dim=1)
        up, down = most > doubt[:, here], least < -doubt[:, here]
        seen[:, here] = up.to(torch.uint8) * UPPER + down.to(torch.uint8) * LOWER
        values[k] = _activated(layer, z)
    return seen


def _activated(layer: Layer, z: Tensor) -> Tensor:
    out = torch.where(layer.relu, z.clamp(min=0.0), z)
    out = torch.where(layer.linear, layer.slope * z + layer.intercept, out)
    return torch.where(layer.zero, 0.0, out)


def within(lower: Tensor, upper: Tensor, unit: Tensor) -> Tensor:
    """Return points ``(cells, points, inputs)`` of cells, given as shares of a cell."""
    at = lower[:, None] + unit * (upper - lower)[:, None]
    return torch.minimum(upper[:, None], torch.maximum(lower[:, None], at))
