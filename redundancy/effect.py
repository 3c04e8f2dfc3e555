"""What changes inside a network can do to its outputs: the analytic bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.interval import interval, magnitude
from ..engine.network import Affine, Concat, Input, Network, Piecewise, Select, State, Sum
from ..engine.region import Region
from ..engine.rounding import SLACK, UNDERFLOW

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


def distance(network: Network, shifts: Mapping[str, Shift], region: Region) -> float:
    """Return a bound on how far each output is from that of the unshifted network, on a region.

    The difference of activations is carried forward layer by layer: at most ``|W| d`` behind a
    weight, and no ReLU widens it. Every factor is rounded up.

    Args:
        network: the network with shifted weights.
        shifts: for each `Affine` node that was shifted, by how much.
        region: closed box in network units.
    """
    if not shifts:
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
            case Sum():
                out = sum(reads[1:], start=reads[0]) * SLACK
            case Concat():
                out = np.concatenate(reads)
            case Select(indices=indices):
                out = reads[0][indices]
            case _ as never:
                assert_never(never)
        far[node.name] = out
    return float(far[network.output].max() * SLACK)
