"""Leaky ReLUs, found again in a network that holds them as ``a x + (1 - a) relu(x)``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..network import Affine, Network, Node, Piecewise, State, Sum
from ..operators import Diagonal

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Leaky:
    """A leaky ReLU with a slope for each neuron.

    Attributes:
        source: the node it reads.
        slope: ``(size,)`` for negative numbers.
        within: the nodes that it is made of, which nothing else reads.
    """

    source: str
    slope: Array
    within: tuple[str, ...]


def find_leaky(network: Network, node: Node) -> Leaky | None:
    """Return the leaky ReLU that a node is the end of, if it is exactly one."""
    if not isinstance(node.layer, Sum) or len(node.sources) != 2:
        return None
    for low, high in (node.sources, node.sources[::-1]):
        slope, rest = _scale(network.by_name[low]), _scale(network.by_name[high])
        if slope is None or rest is None or not _one(slope, rest):
            continue
        units = network.by_name[network.by_name[high].sources[0]]
        if not isinstance(units.layer, Piecewise) or (units.layer.state != State.RELU).any():
            continue
        within = low, high, units.name
        alone = all(len(network.readers[name]) == 1 for name in within)
        if alone and network.by_name[low].sources == units.sources:
            return Leaky(units.sources[0], slope, within)
    return None


def _scale(node: Node) -> Array | None:
    match node.layer:
        case Affine(operator=Diagonal(weight=weight), bias=bias) if not bias.any():
            return weight
        case _:
            return None


def _one(some: Array, rest: Array) -> bool:
    """Return whether numbers and others add up to 1 exactly."""
    pairs = {*zip(some.tolist(), rest.tolist(), strict=True)}
    return all(Fraction(a) + Fraction(b) == 1 for a, b in pairs)
