"""Random networks with grids of activations, and points at which values lie on ties."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from secateur.engine.network import Affine, Input, Network, Node, Piecewise, Quantize, State
from secateur.engine.operators import Dense

Array = NDArray[np.float64]

SIZES = ([2, 3, 2], [2, 4, 4, 2], [3, 5, 5, 4, 2], [2, 3, 3, 3, 3, 1])


def grid(rng: np.random.Generator, size: int, reach: float) -> Quantize:
    """Return grids for values of about the magnitude `reach`: fine, coarse, cut off, or one each.

    Args:
        rng: source of randomness.
        size: number of values.
        reach: of the values.
    """
    steps = int(rng.choice([1, 2, 3, 7, 15, 127, 255]))
    share = float(rng.choice([0.3, 1.0, 1.0, 4.0]))
    low = -int(rng.integers(0, steps + 1))
    scale = np.full(size, reach * share / steps)
    if rng.random() < 0.3:
        scale = scale * rng.uniform(0.5, 2.0, size)
    kind = rng.random()
    if kind < 0.5:
        scale = 2.0 ** np.round(np.log2(scale))
    scale = scale.astype(np.float32).astype(np.float64)
    return Quantize(scale, np.full(size, float(low)), np.full(size, float(low + steps)))


def kinks(rng: np.random.Generator, size: int) -> Piecewise:
    """Return activations, most of them ReLUs."""
    some = [State.RELU] * 6 + list(State)
    state = rng.choice(some, size) if rng.random() < 0.4 else np.zeros(size)
    slope, shift = rng.normal(size=size), rng.normal(size=size)
    return Piecewise(state.astype(np.int8), slope, shift)


def rounded(rng: np.random.Generator, plain: Network, often: float = 0.7) -> Network:
    """Return a chain whose input and activations are rounded to grids, now and then."""
    nodes: list[Node] = []
    last: dict[str, str] = {}
    for node in plain.nodes:
        sources = tuple(last[name] for name in node.sources)
        nodes.append(Node(node.name, node.layer, sources))
        last[node.name] = node.name
        affine = isinstance(node.layer, Affine)
        if rng.random() < (0.15 if affine else often):
            layer = grid(rng, node.size, 1.0 if isinstance(node.layer, Input) else 2.0)
            nodes.append(Node(f"{node.name}.grid", layer, (node.name,)))
            last[node.name] = nodes[-1].name
    return Network(tuple(nodes), last[plain.output])


def chain(rng: np.random.Generator) -> Network:
    """Return a random chain without grids."""
    sizes = SIZES[int(rng.integers(len(SIZES)))]
    nodes = [Node("input", Input((sizes[0],)))]
    for index, (a, b) in enumerate(pairwise(sizes)):
        weight, bias = rng.normal(size=(b, a)), rng.normal(size=b) * 0.5
        if rng.random() < 0.5:
            weight, bias = np.round(weight * 8) / 8, np.round(bias * 8) / 8
        nodes.append(Node(f"affine{index}", Affine(Dense(weight), bias), (nodes[-1].name,)))
        if index < len(sizes) - 2:
            nodes.append(Node(f"kink{index}", kinks(rng, b), (nodes[-1].name,)))
    return Network(tuple(nodes), nodes[-1].name)


def moved(rng: np.random.Generator, network: Network, size: float) -> Network:
    """Return a network with all weights moved a little."""
    layers = {
        node.name: Affine(
            Dense(layer.operator.matrix() + size * rng.normal(size=layer.operator.matrix().shape)),
            layer.bias + size * rng.normal(size=layer.bias.shape),
        )
        for node in network.nodes
        if isinstance(layer := node.layer, Affine)
    }
    return network.with_layers(layers)


def places(rng: np.random.Generator, lower: Array, upper: Array, count: int) -> Array:
    """Return points of a box; some are corners, some have coordinates on ties of coarse grids."""
    share = rng.random((count, lower.size))
    share[: count // 4] = np.round(share[: count // 4])
    found = lower + share * (upper - lower)
    some = slice(count // 4, count // 2)
    found[some] = np.round(found[some] * 16) / 16
    return np.clip(found, lower, upper)
