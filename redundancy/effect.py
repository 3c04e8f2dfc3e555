"""What changes inside a network can do to its outputs: by a formula, by bounds, and by search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import Effort
from ..engine.bounds.interval import interval, magnitude
from ..engine.discrepancy import Norm, discrepancy
from ..engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
    rounding_refused,
)
from ..engine.region import Region
from ..engine.rounding import SLACK, UNDERFLOW, float_above

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """How far an affine layer's weights are from those it stands for.

    Attributes:
        weight: ``(out, in)`` at least the magnitude of each weight's change.
        bias: ``(out,)`` at least the magnitude of each bias's change.
    """

    weight: Array
    bias: Array


def distance(
    network: Network,
    shifts: Mapping[str, Shift],
    region: Region,
    gaps: Mapping[str, Array] | None = None,
) -> float:
    """Return a bound on how far each output is from that of the unshifted network, on a region.

    The difference of activations is carried forward layer by layer: at most ``|W| d`` behind a
    weight, and no ReLU widens it. Every factor is rounded up.

    Args:
        network: the network with shifted weights.
        shifts: for each `Affine` node that was shifted, by how much.
        region: closed box in network units.
        gaps: for some `Piecewise` nodes ``(size,)`` how far each activation is from the one it
            stands for, at the same pre-activation.
    """
    if not shifts and not gaps:
        return 0.0
    bounds = interval(network, region.lower[None], region.upper[None])
    far: dict[str, Array] = {}
    for node in network.nodes:
        reads = [far[name] for name in node.sources]
        match node.layer:
            case Input(shape=_):
                out = np.zeros(node.size)
            case Affine(operator=operator):
                out = operator.push(reads[0], np.abs(operator.weight)) * SLACK
                if node.name in shifts:
                    reach = magnitude(bounds[node.sources[0]])[0] + reads[0]
                    shift = shifts[node.name]
                    out = (out + shift.weight @ reach + shift.bias) * SLACK + UNDERFLOW
            case Piecewise(state=state, slope=slope):
                factor = np.where(state == State.LINEAR, np.abs(slope), 1.0)
                out = np.where(state == State.ZERO, 0.0, reads[0] * factor * SLACK)
                if gaps and node.name in gaps:
                    out = (out + gaps[node.name]) * SLACK + UNDERFLOW
            case Quantize():
                raise rounding_refused("simplification", node.name, network.origin.path)
            case Sum():
                out = sum(reads[1:], start=reads[0]) * SLACK
            case Concat():
                out = np.concatenate(reads)
            case Select(indices=indices):
                out = reads[0][indices]
            case _ as never:
                assert_never(never)
        far[node.name] = out
    most = float(far[network.output].max() * SLACK)
    return most if not np.isnan(most) else float(np.inf)  # infinity times a weight of 0


@dataclass(frozen=True, slots=True)
class Effect:
    """How far a set of removals can move any output on a region, network output units.

    Attributes:
        analytic: the product of the weights' magnitudes behind each removed neuron's own error;
            proved. Lahav and Katz, FMCAD 2021, section 4.4.
        difference: by difference bounds of both networks on the whole region at once, or by the
            formula where that is less; proved.
        searched: the same by difference bounds on sub-boxes; proved.
        attained: at a point, in rationals; no bound can be below it.
        boxes: sub-boxes of the search.
    """

    analytic: float
    difference: float
    searched: float
    attained: float
    boxes: int


def effect(
    before: Network,
    after: Network,
    region: Region,
    ranges: Mapping[tuple[str, int], tuple[float, float]],
    effort: Effort,
) -> Effect:
    """Return how far the outputs of two networks are apart that differ in neurons' functions alone.

    Args:
        before: with ReLUs where the neurons of `after` are linear.
        after: the same weights.
        region: closed box in network units.
        ranges: proved bounds on the region of the pre-activations, in `before`, of each changed
            neuron, by node name and index.
        effort: of the search.
    """
    gaps: dict[str, Array] = {}
    for (name, neuron), (low, high) in ranges.items():
        layer = after.by_name[name].layer
        assert isinstance(layer, Piecewise)
        far = gaps.setdefault(name, np.zeros(layer.size))
        far[neuron] = _gap(layer, neuron, low, high)
    formula = distance(after, {}, region, gaps)
    whole = discrepancy(before, after, region, replace(effort, boxes=1))
    spent = discrepancy(before, after, region, effort, gap=0.1)
    span = spent.norms[Norm.INF]
    # The formula knows the ranges of the removed neurons, which may be tighter than any bounds.
    once = min(formula, whole.norms[Norm.INF].proved)
    return Effect(formula, once, min(once, span.proved), span.attained, spent.boxes)


def _gap(layer: Piecewise, neuron: int, low: float, high: float) -> float:
    """Return how far a linear function is from a ReLU on ``[low, high]``; rounded up."""
    slope, shift = Fraction(float(layer.slope[neuron])), Fraction(float(layer.intercept[neuron]))
    match State(int(layer.state[neuron])):
        case State.ZERO:
            slope, shift = Fraction(0), Fraction(0)
        case State.IDENTITY:
            slope, shift = Fraction(1), Fraction(0)
        case State.RELU:
            return 0.0
        case State.LINEAR:
            pass
    if not (np.isfinite(low) and np.isfinite(high)):
        return float(np.inf)
    ends = [Fraction(low), Fraction(high), *([Fraction(0)] if low < 0 < high else [])]
    return float_above(max(abs(max(z, Fraction(0)) - slope * z - shift) for z in ends))
