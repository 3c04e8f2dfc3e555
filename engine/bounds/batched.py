"""Backward linear bounds of a staged network over many boxes at once, in torch, on any device.

The mathematics is that of `kernels.py`: intervals, and rows of unstable neurons substituted
backwards to the input. There one box at a time stays in cache; here every step is one product or
one pass over a whole batch, as accelerators want it. Rows are the unstable ones of each box, filled
up to the most of any box of the batch; columns are all neurons.

Soundness. Every row is carried as ``bound <= sum_j A_j v_j + constant + error`` in float64: each
rounding is charged to `error`, a coefficient's magnitude times the largest magnitude of what it
multiplies, which in the end is multiplied by gamma of the number of all operations. Sums may be
taken in any order, so the device may choose it; see `engine/rounding.py` and `device.probe`.

Source: Zhang et al. 2018 (CROWN).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT, gamma
from .batched_grid import cut_off
from .batched_lines import Lines, above, below, lines
from .device import Layer, Placed
from .packed import LOWER, UPPER


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of a stage that were substituted.

    Attributes:
        stage: the stage.
        index: ``(boxes, rows)`` int64: i for the upper side of neuron i of the stage, size + i for
            its lower side.
        bound: ``(boxes, rows)`` upper bounds of z or of -z, rounded outward; infinite in rows that
            only fill a box up.
        plane: ``(boxes, rows, inputs)`` the coefficients at the input.
        blame: ``(boxes, rows, inputs)`` how much of a row's looseness each input is to be blamed
            for; None where it was not asked for.
    """

    stage: int
    index: Tensor
    bound: Tensor
    plane: Tensor
    blame: Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class Bounded:
    """Bounds of boxes.

    Attributes:
        low, high: ``(boxes, neurons)`` of the pre-activations, flat over all stages; infinite
            behind the last stage asked for and where numbers are too large.
        rows: of each stage that had any, in order.
    """

    low: Tensor
    high: Tensor
    rows: tuple[Rows, ...]


@dataclass(slots=True, eq=False)
class Pass:
    """A pass over the stages of a batch, from the input up.

    Attributes:
        net: the network.
        lower, upper: ``(boxes, inputs)``.
        sound: ``(boxes,)`` whether all numbers so far were small enough to be computed with.
        low, high: bounds of the pre-activations by stage; 0 where a box is not sound.
        scale: by stage, a bound on |b| + sum |W| |a|, whatever the activations in their bounds.
        after: bounds of the activations by stage.
        lines: by stage.
        share: by stage ``(boxes, size, inputs)``, which inputs relaxations are loose by.
    """

    net: Placed
    lower: Tensor
    upper: Tensor
    sound: Tensor
    low: dict[int, Tensor]
    high: dict[int, Tensor]
    scale: dict[int, Tensor]
    after: dict[int, tuple[Tensor, Tensor]]
    lines: dict[int, Lines]
    share: dict[int, Tensor]

    @classmethod
    def over(cls, net: Placed, lower: Tensor, upper: Tensor) -> Pass:
        """Return a pass that stands at the input."""
        sound = torch.ones(len(lower), dtype=torch.bool, device=lower.device)
        return cls(net, lower, upper, sound, {}, {}, {}, {0: (lower, upper)}, {}, {})

    def enclose(self, k: int, known: Tensor | None) -> None:
        """Bound stage k's pre-activations by intervals and by signs that are known.

        Args:
            k: the stage; those before it are done.
            known: ``(boxes, neurons)`` uint8, bits UPPER and LOWER of signs that hold.
        """
        layer = self.net.layers[k]
        centre = layer.bias.expand(len(self.lower), -1)
        total, reach = layer.bias.abs().expand_as(centre), torch.zeros_like(centre)
        for source, weight, size in zip(layer.sources, layer.weights, layer.sizes, strict=True):
            low, high = self.after[source]
            middle = 0.5 * (low + high)
            radius = torch.maximum(high - middle, middle - low) * (1.0 + 4.0 * UNIT)
            largest = torch.maximum(low.abs(), high.abs())
            largest = torch.where(largest < LARGEST, largest, math.inf)
            centre = centre + middle @ weight.T
            reach = reach + radius @ size.T
            total = total + largest @ size.T
        scale = total * SLACK + UNDERFLOW
        self.sound = self.sound & (scale < LARGEST).all(dim=1)  # NaN is too large, too
        reach = (reach + gamma(layer.terms) * total) * SLACK + UNDERFLOW
        high, low = above(centre + reach), below(centre - reach)
        if known is not None:
            signs = known[:, self.net.flat(k)]
            high = torch.where(signs & UPPER > 0, high.clamp(max=0.0), high)
            low = torch.where(signs & LOWER > 0, low.clamp(min=0.0), low)
        self.scale[k] = self._sound(scale)
        self.high[k], self.low[k] = self._sound(high), self._sound(low)

    def relax(self, k: int) -> None:
        """Take stage k's bounds as they are now: fill its lines and its activations' bounds."""
        layer = self.net.layers[k]
        self.lines[k], low, high = lines(layer, self.low[k], self.high[k], self.scale[k])
        self.after[k] = low, high

    def take(self, rows: Rows) -> None:
        """Tighten the bounds of a stage by those of its rows."""
        size, full = self.net.layers[rows.stage].size, self.low[rows.stage]
        best = torch.full((len(full), 2 * size), math.inf, dtype=full.dtype, device=full.device)
        best.scatter_(1, rows.index, rows.bound)
        self.high[rows.stage] = torch.minimum(self.high[rows.stage], best[:, :size])
        self.low[rows.stage] = torch.maximum(self.low[rows.stage], -best[:, size:])

    def unstable(self, k: int) -> Tensor:
        """Return ``(boxes, size)`` which neurons of stage k have no line that is exact enough."""
        layer, low, high = self.net.layers[k], self.low[k], self.high[k]
        kink = layer.relu & (low < 0.0) & (high > 0.0)
        return kink if layer.grid is None else kink | cut_off(layer, low, high)

    def blame_inputs(self, rows: Rows) -> None:
        """Note which inputs the looseness of a stage's relaxations comes from."""
        layer, boxes = self.net.layers[rows.stage], len(self.lower)
        part = rows.plane.abs() * (self.upper - self.lower)[:, None]
        at = (rows.index % layer.size)[:, :, None].expand_as(part)
        sums = torch.zeros((boxes, layer.size, part.shape[2]), dtype=part.dtype, device=part.device)
        sums.scatter_add_(1, at, part)
        self.share[rows.stage] = sums / (sums.sum(dim=2, keepdim=True) + UNDERFLOW)

    def flat(self, last: int) -> tuple[Tensor, Tensor]:
        """Return the bounds of the stages up to the last one done side by side.

        Infinite behind it, and where numbers are too large; ``(boxes, neurons)`` each.
        """
        net, ends = self.net, []
        for sides, start, end in (
            (self.low, self.lower, -math.inf),
            (self.high, self.upper, math.inf),
        ):
            parts: Mapping[int, Tensor] = {0: start, **sides}
            rest = start.new_full((len(start), net.total - net.offset[last + 1]), end)
            ends.append(torch.cat([*(parts[k] for k in range(last + 1)), rest], dim=1))
        bad = ~self.sound[:, None]
        bad = bad & (torch.arange(net.total, device=bad.device) >= net.inputs)
        return torch.where(bad, -math.inf, ends[0]), torch.where(bad, math.inf, ends[1])

    def _sound(self, values: Tensor) -> Tensor:
        return torch.where(self.sound[:, None], values, 0.0)


def listed(mask: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the places of a mask ``(boxes, places)``, filled up to the most of any box.

    Finding out how many these are is the one wait for the device in each stage.

    Returns:
        ``(boxes, rows)`` int64, and bool: False for what only fills a box up, so that no box is
        bounded better in company than alone. None if no place is set.
    """
    most = int(mask.sum(dim=1).max()) if len(mask) else 0
    if not most:
        return None
    order = torch.argsort(mask.to(torch.uint8), dim=1, descending=True, stable=True)[:, :most]
    return order, mask.gather(1, order)


def substitute(done: Pass, k: int, index: Tensor, real: Tensor, *, blame: bool = False) -> Rows:
    """Bound rows of stage k from above by substituting backwards.

    Args:
        done: a pass that has enclosed stage k and relaxed those before it.
        k: the stage.
        index: ``(boxes, rows)`` as `Rows` has it.
        real: ``(boxes, rows)`` bool, which rows count.
        blame: whether to say which inputs are to be blamed.
    """
    net, inputs = done.net, done.net.inputs
    work, sums = started(net, k, index, done.scale[k])
    parts = torch.zeros((*index.shape, inputs), dtype=sums.dtype, device=sums.device)
    for s in range(k - 1, 0, -1):
        here = work.pop(s, None)
        if here is None:
            continue
        line, layer = done.lines[s], net.layers[s]
        plus, minus = here.clamp(min=0.0), here.clamp_(max=0.0)
        sums = torch.baddbmm(torch.baddbmm(sums, plus, line.up), minus, line.down)
        if blame and s in done.share:
            share = done.share[s]
            parts = torch.baddbmm(parts, plus, line.up_gap[:, :, None] * share)
            parts = torch.baddbmm(parts, minus, line.down_gap[:, :, None] * share, alpha=-1.0)
        here = plus.mul_(line.up_slope).addcmul_(minus, line.down_slope)
        spread(work, layer, here)
    plane = work.get(0)
    if plane is None:
        plane = torch.zeros_like(parts)
    bound = concluded(net, plane, sums, done.lower, done.upper)
    bound = torch.where(real, bound, math.inf)
    if blame:
        parts += plane.abs() * (done.upper - done.lower)[:, None]
    return Rows(k, index, bound, plane, parts if blame else None)


def started(net: Placed, k: int, index: Tensor, scale: Tensor) -> tuple[dict[int, Tensor], Tensor]:
    """Return rows of stage k over the activations they read, and their constants and errors.

    Returns:
        ``(boxes, rows, size)`` by stage read, and ``(boxes, rows, 2)``.
    """
    layer = net.layers[k]
    work: dict[int, Tensor] = {}
    for source, weight in zip(layer.sources, layer.weights, strict=True):
        rows = torch.cat([weight, -weight])[index]
        work[source] = work[source] + rows if source in work else rows
    constant = torch.cat([layer.bias, -layer.bias])[index]
    error = scale.gather(1, index % layer.size)
    return work, torch.stack([constant, error], dim=2)


def spread(work: dict[int, Tensor], layer: Layer, here: Tensor) -> None:
    """Add what coefficients of a stage's pre-activations make of the activations it reads."""
    for source, weight in zip(layer.sources, layer.weights, strict=True):
        part = here @ weight
        work[source] = work[source].add_(part) if source in work else part


def concluded(net: Placed, plane: Tensor, sums: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Return the upper bounds ``(boxes, rows)`` of rows at the input, rounded outward.

    Args:
        net: the network.
        plane: ``(boxes, rows, inputs)`` their coefficients.
        sums: ``(boxes, rows, 2)`` their constants and errors.
        lower: ``(boxes, inputs)``.
        upper: ``(boxes, inputs)``.
    """
    constant, error = sums[:, :, 0], sums[:, :, 1]
    corner = torch.where(plane >= 0.0, upper[:, None], lower[:, None])
    total = constant + (plane * corner).sum(dim=2)
    largest = torch.maximum(lower.abs(), upper.abs())[:, :, None]
    charged = error + constant.abs() + 2.0 * torch.bmm(plane.abs(), largest)[:, :, 0]
    bound = above(total + (gamma(net.operations) * charged * SLACK + UNDERFLOW))
    return torch.where(bound < math.inf, bound, math.inf)  # NaN: numbers too large


def bound_batch(
    net: Placed,
    lower: Tensor,
    upper: Tensor,
    *,
    known: Tensor | None = None,
    asked: Tensor | None = None,
    steps: int = 0,
) -> Bounded:
    """Bound the pre-activations of every box of a batch.

    Args:
        net: the network.
        lower: ``(boxes, inputs)`` float64 on the network's device, closed, finite.
        upper: the same.
        known: ``(boxes, neurons)`` uint8, bits UPPER and LOWER of signs that are known to hold on
            the box; None where none is.
        asked: ``(boxes, neurons)`` uint8, whose sign is asked, as bits. Boxes are followed to the
            last stage with a question, and there only asked rows are computed, with blame; in
            earlier stages every unstable row. None for every stage and every unstable row, and all
            of the outputs.
        steps: gradient steps on the lower slopes of each row; 0 keeps the fixed slopes.
    """
    done, last = Pass.over(net, lower, upper), len(net.layers) - 1
    if asked is not None:
        stages = (asked > 0).any(dim=0).cpu()
        last = max((k for k in range(1, last + 1) if stages[net.flat(k)].any()), default=0)
    found: list[Rows] = []
    for k in range(1, last + 1):
        done.enclose(k, known)
        some = listed(_wanted(done, k, asked, final=k == last))
        if some is not None:
            index, real = some
            final = asked is not None and k == last
            if steps and not final:
                from .batched_slopes import optimised

                rows = optimised(done, k, index, real, steps)
            else:
                rows = substitute(done, k, index, real, blame=final)
            done.take(rows)
            found.append(rows)
            if asked is not None and not final:
                done.blame_inputs(rows)
        if k < last:
            done.relax(k)
    return Bounded(*done.flat(last), tuple(found))


def _wanted(done: Pass, k: int, asked: Tensor | None, *, final: bool) -> Tensor:
    """Return ``(boxes, 2 size)`` which rows of a stage are substituted."""
    low, high = done.low[k], done.high[k]
    if asked is None:
        some = torch.ones_like(low, dtype=torch.bool) if final else done.unstable(k)
        return torch.cat([some, some], dim=1)
    bits = asked[:, done.net.flat(k)]
    upper, lower = (bits & UPPER > 0) & (high > 0.0), (bits & LOWER > 0) & (low < 0.0)
    if not final:
        some = done.unstable(k)
        upper, lower = upper | some, lower | some
    return torch.cat([upper, lower], dim=1)
