"""Bounds of every node with optimised slopes, by the compiled loops of `slopes.py`."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..network import Affine, Network
from ..stages import stages
from .interval import Bounds, Interval, interval
from .packed import pack
from .slopes import optimise_boxes
from .working import ROWS

Array = NDArray[np.float64]

ENTRIES: Final = 20_000_000
"""Numbers that the matrices of a staged network, or the blocks of its rows, may hold."""


def fits(network: Network) -> bool:
    """Return whether the staged form of a network is small enough to be held as dense matrices."""
    weights = sum(
        node.size * sum(network.by_name[name].size for name in node.sources)
        for node in network.nodes
        if isinstance(node.layer, Affine)
    )
    blocks = ROWS * sum(node.size for node in network.nodes)
    return max(weights, blocks) <= ENTRIES


def optimised(
    network: Network, lower: Array, upper: Array, steps: int, known: Bounds
) -> dict[str, Interval]:
    """Return bounds of every node's value, those of unstable neurons and outputs with own slopes.

    Args:
        network: a network that `fits`.
        lower: ``(boxes, inputs)`` float64, closed, finite.
        upper: ``(boxes, inputs)`` float64, closed, finite.
        steps: gradient steps on the lower slopes of each row.
        known: bounds of some nodes that are known to hold.

    Returns:
        Bounds by node name, ``(boxes, size)`` each, rounded outward.
    """
    staged = stages(network, grids=True)
    net = pack(staged)
    boxes, total = len(lower), int(net.offset[-1])
    low, high = np.full((boxes, total), -np.inf), np.full((boxes, total), np.inf)
    places = {node.sources[0]: staged.of[node.name] for node in network.piecewise}
    places[network.output] = staged.output
    first = interval(network, lower, upper, known)
    where = {name: slice(net.offset[k], net.offset[k + 1]) for name, k in places.items()}
    for name, place in where.items():
        low[:, place], high[:, place] = first[name]
    wish = np.zeros((boxes, total), np.uint8)
    below, above = np.ascontiguousarray(lower), np.ascontiguousarray(upper)
    optimise_boxes(net, below, above, low, high, wish, steps, True)
    found = dict(known)
    for name, place in where.items():
        some = first[name]
        found[name] = np.fmax(low[:, place], some[0]), np.fmin(high[:, place], some[1])
    return interval(network, lower, upper, found)
