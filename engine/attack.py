"""Falsification: points of a region that push a pre-activation up or down.

All points returned lie on the number lattice of the network's own element type and inside the
region, so they can be handed to the file's runtime as they are.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from .network import Affine, Concat, Input, Network, Piecewise, Select, State, Sum
from .region import Lattice

Array = NDArray[np.float64]


def sample(lower: Array, upper: Array, count: int, rng: np.random.Generator) -> Array:
    """Return points of a box: its centre, some corners, faces and interior.

    Args:
        lower: ``(inputs,)``, closed.
        upper: ``(inputs,)``, closed.
        count: number of points, at least 1.
        rng: source of randomness.

    Returns:
        ``(count, inputs)`` float64.
    """
    size = lower.size
    share = rng.random((count, size))
    snap = rng.random((count, size)) < np.linspace(0.0, 1.0, count)[:, None] ** 3
    share = np.where(snap, np.round(share), share)
    share[0] = 0.5
    return np.clip(lower + share * (upper - lower), lower, upper)


def gradient(network: Network, values: dict[str, Array], node: str, seeds: Array) -> Array:
    """Return the gradient at the input of ``seeds . value of node``, point by point.

    Args:
        network: the network.
        values: its trace at ``(points, inputs)``.
        node: name of the node whose value is asked about.
        seeds: ``(points, size of node)``.

    Returns:
        ``(points, inputs)``; at a kink, one of the one-sided gradients.
    """
    back: dict[str, Array] = {node: seeds}
    for at in reversed(network.nodes):
        rows = back.pop(at.name, None)
        if rows is None:
            continue
        parts: list[Array]
        match at.layer:
            case Input():
                return rows
            case Affine(operator=operator):
                parts = [operator.pull(rows)]
            case Piecewise() as layer:
                parts = [rows * _slope(layer, values[at.sources[0]])]
            case Sum():
                parts = [rows] * len(at.sources)
            case Concat(sizes=sizes):
                parts = np.split(rows, np.cumsum(sizes)[:-1], axis=-1)
            case Select(indices=indices, size_in=size_in):
                part = np.zeros((*rows.shape[:-1], size_in))
                np.add.at(part, np.s_[..., indices], rows)  # type: ignore[arg-type]
                parts = [part]
            case _ as never:
                assert_never(never)
        for source, part in zip(at.sources, parts, strict=True):
            back[source] = back[source] + part if source in back else part
    return np.zeros((len(seeds), network.size_in))


def _slope(layer: Piecewise, z: Array) -> Array:
    slope = np.where(layer.state == State.RELU, (z > 0).astype(np.float64), layer.slope)
    return np.where(layer.state == State.IDENTITY, 1.0, slope)


def ascend(
    network: Network,
    node: str,
    indices: NDArray[np.int64],
    signs: Array,
    points: Array,
    lattice: Lattice,
    steps: int,
) -> tuple[Array, Array]:
    """Climb ``sign * value`` of one neuron for each point, by projected gradient steps.

    Args:
        network: the network.
        node: name of the node the neurons belong to.
        indices: ``(points,)`` which neuron each point is for.
        signs: ``(points,)`` +1 to climb, -1 to descend.
        points: ``(points, inputs)`` where to start.
        lattice: the points that may be visited.
        steps: number of gradient steps.

    Returns:
        The best points ``(points, inputs)`` and ``sign * value`` there ``(points,)``.
    """
    width = lattice.upper - lattice.lower
    every = np.arange(len(points))
    seeds = np.zeros((len(points), network.by_name[node].size))
    seeds[every, indices] = signs
    best = lattice.snap(points)
    values = network.trace(best, node)
    height = signs * values[node][every, indices]
    stride = np.full(len(points), 0.1)
    for _ in range(steps):
        slope = gradient(network, values, node, seeds) * width
        largest = np.abs(slope).max(axis=1, keepdims=True)
        move = stride[:, None] * np.divide(
            slope, largest, out=np.zeros_like(slope), where=largest > 0
        )
        there = lattice.snap(best + move * width)
        trial = network.trace(there, node)
        level = signs * trial[node][every, indices]
        won = level > height
        best, height = np.where(won[:, None], there, best), np.where(won, level, height)
        for name, value in values.items():
            value[won] = trial[name][won]
        stride = np.where(won, np.minimum(stride * 1.4, 0.5), stride * 0.5)
    return best, height
