"""Removals: neurons that are to become linear, each with its line and why it may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..engine.network import Network, Piecewise, State


class Kind(Enum):
    """Why a neuron may go; the order is that of the steps."""

    PHASE = "phase"
    FORWARD = "forward"
    RESULT = "result-preserving"
    RELAXED = "relaxed"


@dataclass(frozen=True, slots=True)
class Removal:
    """A neuron that becomes linear.

    Attributes:
        layer: name of the `Piecewise` node.
        neuron: index in the layer.
        state: ZERO, IDENTITY or LINEAR.
        kind: the step that removes it.
        slope, intercept: of the line where the state is LINEAR; 0 elsewhere.
    """

    layer: str
    neuron: int
    state: State
    kind: Kind
    slope: float = 0.0
    intercept: float = 0.0

    @property
    def place(self) -> tuple[str, int]:
        """The neuron."""
        return self.layer, self.neuron


def without(network: Network, removals: Iterable[Removal]) -> Network:
    """Return the network with the removed neurons' functions replaced by their lines."""
    return network.with_layers(layers_without(network, removals))


def layers_without(network: Network, removals: Iterable[Removal]) -> dict[str, Piecewise]:
    """Return the layers of `without` that differ from the network's, by name."""
    by_layer: dict[str, list[Removal]] = {}
    for one in removals:
        by_layer.setdefault(one.layer, []).append(one)
    layers: dict[str, Piecewise] = {}
    for name, members in by_layer.items():
        layer = network.by_name[name].layer
        assert isinstance(layer, Piecewise)
        state, slope, intercept = layer.state.copy(), layer.slope.copy(), layer.intercept.copy()
        for one in members:
            state[one.neuron] = one.state
            slope[one.neuron], intercept[one.neuron] = one.slope, one.intercept
        layers[name] = Piecewise(state, slope, intercept)
    return layers


def line(low: float, high: float) -> tuple[float, float]:
    """Return slope and intercept of the line nearest to a ReLU on ``[low, high]``, low < 0 < high.

    The largest distance is ``-low high / (2 (high - low))``, met at both ends and at 0.
    Source: Lahav and Katz, FMCAD 2021, section 4.4.
    """
    slope = high / (high - low)
    return slope, -0.5 * slope * low


def stored(value: float, network: Network) -> float:
    """Return a number as the network's element type holds it, so that a file can hold the line."""
    with np.errstate(over="ignore"):
        near = float(np.asarray(value).astype(network.origin.dtype))
    return near if np.isfinite(near) else 0.0


def counted(removals: Sequence[Removal]) -> dict[Kind, int]:
    """Return how many removals each step made."""
    return {kind: int(np.sum([one.kind is kind for one in removals])) for kind in Kind}
