"""Two hundred questions about single neurons that linear bounds and samples leave open.

"Is the pre-activation z of this neuron at most 0 (or at least 0) on this box?" A question is drawn
from a random cell of the grid of 8 equal parts of each input's range, among those whose answer is
shown neither by backward linear bounds with optimised slopes nor by SAMPLES random points. So most
are true, and those that are not are refuted in a small part of their box only.

What bounds leave open changes as bounds do, so those that are measured were drawn once, with seed
0, and stand in `neuron_questions.json`: cell, layer, neuron, and whether z <= 0 is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.linear import linear
from ..engine.formats import load
from ..engine.network import Affine, Input, Network, Piecewise, State
from ..engine.region import Region
from .controllers.catalogue import controller
from .machine import acas

Array = NDArray[np.float64]

PARTS: Final = 8
"""Parts of each input's range."""

SAMPLES: Final = 256
"""Random points of a cell that do not show the answer."""

SLOPES: Final = 8
"""Gradient steps on the slopes of the linear bounds that leave a question open."""

DRAWN: Final = {"1_1": 80, "2_4": 30, "3_3": 30, "5_9": 20, "acas-like": 20, "horizontal-coc": 20}
"""Questions from each network: of ACAS Xu, then two of the controllers that ship here."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One question: whether all values of a neuron over a box are on one side of 0.

    Attributes:
        name: such as ``1_1:7``; unique.
        network: the whole network, a chain of dense layers with a ReLU between each two.
        lower, upper: ``(inputs,)`` corners of the closed box, network units.
        layer: number of the hidden layer, from 0.
        neuron: which of its pre-activations z.
        most: whether it is asked that z <= 0; else that z >= 0.
    """

    name: str
    network: Network
    lower: Array
    upper: Array
    layer: int
    neuron: int
    most: bool

    @property
    def node(self) -> str:
        """Name of the node whose values are the layer's pre-activations."""
        return self.network.piecewise[self.layer].sources[0]

    def chain(self) -> tuple[list[Array], list[Array]]:
        """Return weights and biases of the layers up to the neuron, the last one its row alone.

        The last row has its sign turned where z >= 0 is asked, so that at most 0 is asked of all.
        """
        weights, biases = [], []
        for node in self.network.nodes[1:]:
            if isinstance(node.layer, Affine):
                weights.append(node.layer.operator.matrix())
                biases.append(node.layer.bias)
            if node.name == self.node:
                break
        sign = 1.0 if self.most else -1.0
        weights[-1] = sign * weights[-1][[self.neuron]]
        biases[-1] = sign * biases[-1][[self.neuron]]
        return weights, biases


def network(name: str) -> tuple[Network, Region]:
    """Return an ACAS Xu network such as 1_1, or a controller that ships, and its whole domain.

    Raises:
        ValueError: a network that is no chain of dense layers and ReLUs.
    """
    if "_" in name:
        found = load(acas(name))
        domain = Region.box([-0.328422877, *[-0.5] * 4], [0.679857769, *[0.5] * 4], name)
    else:
        entry = controller(name)
        found, sides = entry.network(), entry.normalisation
        domain = Region.box(sides.minimum, sides.maximum, name).to_network(sides)
    for before, node in zip(found.nodes, found.nodes[1:], strict=False):
        relu = isinstance(node.layer, Piecewise) and (node.layer.state == State.RELU).all()
        if node.sources != (before.name,) or not (relu or isinstance(node.layer, Affine | Input)):
            raise ValueError(f"{name}: {node.name} makes it more than dense layers and ReLUs")
    return found, domain


def questions() -> Iterator[Asked]:
    """Yield the questions that are measured."""
    held = json.loads(files(__package__).joinpath("neuron_questions.json").read_text())
    for name, some in held.items():
        found, domain = network(name)
        width = (domain.upper - domain.lower) / PARTS
        for number, (cell, layer, neuron, most) in enumerate(some):
            lower = domain.lower + np.array(cell) * width
            yield Asked(f"{name}:{number}", found, lower, lower + width, layer, neuron, most)


def drawn(seed: int) -> Iterator[Asked]:
    """Yield new questions; the same for the same seed, as long as linear bounds stay the same."""
    for name, count in DRAWN.items():
        found, domain = network(name)
        rng = np.random.default_rng([seed, *name.encode()])
        for number in range(count):
            yield _drawn(f"{name}:{number}", found, domain, rng)


def _drawn(name: str, found: Network, domain: Region, rng: np.random.Generator) -> Asked:
    """Return one question, of the first cell drawn that has any."""
    width = (domain.upper - domain.lower) / PARTS
    while True:
        lower = domain.lower + rng.integers(0, PARTS, size=domain.size) * width
        upper = lower + width
        open_ = _open(found, lower, upper, rng)
        if open_:
            layer, neuron, most = open_[int(rng.integers(len(open_)))]
            return Asked(name, found, lower, upper, layer, neuron, most)


def _open(
    found: Network, lower: Array, upper: Array, rng: np.random.Generator
) -> list[tuple[int, int, bool]]:
    """Return layer, neuron and whether z <= 0 is asked, for each question that is open."""
    bounds = linear(found, lower[None], upper[None], steps=SLOPES)
    values = found.trace(rng.uniform(lower, upper, size=(SAMPLES, lower.size)))
    out = []
    for layer, node in enumerate(found.piecewise[1:], start=1):
        low, high = (side[0] for side in bounds[node.sources[0]])
        z = values[node.sources[0]]
        unstable = (low < 0.0) & (high > 0.0)
        for most, shown in ((True, (z > 0.0).any(axis=0)), (False, (z < 0.0).any(axis=0))):
            out += [(layer, int(at), most) for at in np.flatnonzero(unstable & ~shown)]
    return out
