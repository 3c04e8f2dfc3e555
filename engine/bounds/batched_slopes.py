"""Slopes of lower lines, optimised row by row over a batch of boxes, in torch.

Any slope in [0, 1] of an unstable ReLU's lower line is sound, and every row may have its own. The
derivative of a row's bound with respect to a slope is the negative part of the row's coefficient
times the pre-activation at the optimum of the row's relaxation, so one pass forward through the
lines that the row chose gives all derivatives; steps are taken as Adam takes them. The bound that
is kept is the best of all steps, each rounded outward, so more steps never loosen it.

Source: Xu et al. 2021 (optimised slopes); Kingma and Ba 2015 (Adam). See `linear.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..rounding import UNDERFLOW
from .batched import Pass, Rows, concluded, spread, started

RATE, DECAY = 0.3, 0.9
"""Size of the first step, and by what steps shrink; slopes go from 0 to 1."""

FIRST, SECOND = 0.9, 0.99
"""Adam's memory of derivatives and of their squares."""


def optimised(done: Pass, k: int, index: Tensor, real: Tensor, steps: int) -> Rows:
    """Bound rows of stage k from above, over this many sets of slopes beside the fixed ones.

    Args:
        done: a pass that has enclosed stage k and relaxed those before it.
        k: the stage.
        index: ``(boxes, rows)`` as `Rows` has it.
        real: ``(boxes, rows)`` bool, which rows count.
        steps: gradient steps.
    """
    slopes = {
        s: line.down_slope.expand(-1, index.shape[1], -1).clone()
        for s, line in done.lines.items()
        if s < k
    }
    bound, plane, coefficients = _substituted(done, k, index, slopes)
    best, chosen = bound, plane
    first = {s: torch.zeros_like(slope) for s, slope in slopes.items()}
    second = {s: torch.zeros_like(slope) for s, slope in slopes.items()}
    for step in range(1, steps + 1):
        values = _optimum(done, plane, coefficients, slopes)
        for s, at in values.items():
            push = coefficients[s].clamp(max=0.0) * at
            first[s].mul_(FIRST).add_(push, alpha=1.0 - FIRST)
            second[s].mul_(SECOND).addcmul_(push, push, value=1.0 - SECOND)
            size = (second[s] / (1.0 - SECOND**step)).sqrt_() + 1e-30
            rate = RATE * DECAY**step / (1.0 - FIRST**step)
            moved = torch.addcdiv(slopes[s], first[s], size, value=-rate).clamp_(0.0, 1.0)
            slopes[s] = torch.where(_free(done, s)[:, None], moved, slopes[s])
        bound, plane, coefficients = _substituted(done, k, index, slopes)
        better = bound < best
        best = torch.where(better, bound, best)
        chosen = torch.where(better[:, :, None], plane, chosen)
    return Rows(k, index, torch.where(real, best, math.inf), chosen, None)


def _free(done: Pass, s: int) -> Tensor:
    """Return ``(boxes, size)`` where any lower slope in [0, 1] is sound."""
    layer, low, high = done.net.layers[s], done.low[s], done.high[s]
    free = layer.relu & (low < 0.0) & (high > 0.0)
    return free if layer.grid is None else torch.zeros_like(free)


def _substituted(
    done: Pass, k: int, index: Tensor, slopes: dict[int, Tensor]
) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
    """Return bounds, planes, and the coefficients of each stage's activations on the way.

    A slope that a row chose is at most 1, so its error is at most that of a slope of 1.
    """
    net = done.net
    work, sums = started(net, k, index, done.scale[k])
    coefficients: dict[int, Tensor] = {}
    for s in range(k - 1, 0, -1):
        here = work.pop(s, None)
        if here is None:
            continue
        coefficients[s] = here
        line, layer = done.lines[s], net.layers[s]
        plus, minus = here.clamp(min=0.0), here.clamp(max=0.0)
        steepest = 2.0 * done.scale[s] + torch.maximum(-done.low[s], done.high[s]) + UNDERFLOW
        error = torch.where(_free(done, s), -steepest, line.down[:, :, 1])
        down = torch.stack([line.down_shift, error], dim=2)
        sums = torch.baddbmm(torch.baddbmm(sums, plus, line.up), minus, down)
        low = minus * slopes[s]
        sums[:, :, 0] += low @ layer.bias
        spread(work, layer, torch.addcmul(low, plus, line.up_slope))
    plane = work.get(0)
    if plane is None:
        plane = torch.zeros((*index.shape, net.inputs), dtype=sums.dtype, device=sums.device)
    return concluded(net, plane, sums, done.lower, done.upper), plane, coefficients


def _optimum(
    done: Pass, plane: Tensor, coefficients: dict[int, Tensor], slopes: dict[int, Tensor]
) -> dict[int, Tensor]:
    """Return each stage's pre-activations at the optimum of each row's relaxation.

    A stage that no row reads has no coefficients, and no stage that has some reads it.
    """
    values = {0: torch.where(plane >= 0.0, done.upper[:, None], done.lower[:, None])}
    before: dict[int, Tensor] = {}
    for s in sorted(coefficients):
        layer, line, here = done.net.layers[s], done.lines[s], coefficients[s]
        z = layer.bias.expand_as(here)
        for source, weight in zip(layer.sources, layer.weights, strict=True):
            z = z + values[source] @ weight.T
        before[s] = z
        values[s] = torch.where(
            here >= 0.0,
            torch.addcmul(line.up_shift[:, None], line.up_slope, z),
            torch.addcmul(line.down_shift[:, None], slopes[s], z),
        )
    return before
