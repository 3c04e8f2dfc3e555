"""Networks with linearised neurons, as hypothesis strategies, and how far two are apart."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import Box, boxes, dense_networks, graph_networks, points

from secateur.engine.network import Affine, Input, Network, Node, Origin, Piecewise, State, Sum
from secateur.engine.operators import Convolution, Dense

Array = NDArray[np.float64]
Kind = Literal["float16", "float32", "float64"]
"""An element type."""

STATES = [State.RELU, State.RELU, State.ZERO, State.IDENTITY, State.IDENTITY, State.LINEAR]


def linearised(
    network: Network, rng: np.random.Generator, states: tuple[State, ...] = tuple(STATES)
) -> Network:
    """Return the network with random states and lines."""
    layers = {}
    for node in network.piecewise:
        state = rng.choice([int(s) for s in states], size=node.size).astype(np.int8)
        slope, shift = rng.normal(size=(2, node.size)) * rng.integers(0, 2, size=(2, node.size))
        layers[node.name] = Piecewise(state, slope, shift)
    return network.with_layers(layers)


def stored_as(network: Network, dtype: Kind) -> Network:
    """Return the network with the numbers and the origin of an element type."""

    def near(values: Array) -> Array:
        return values.astype(dtype).astype(np.float64)

    layers = {}
    for node in network.nodes:
        match node.layer:
            case Affine(operator=Dense(weight=weight), bias=bias):
                layers[node.name] = Affine(Dense(near(weight)), near(bias))
    changed = network.with_layers(layers)
    return Network(changed.nodes, changed.output, Origin(dtype=dtype))


def convolutional(rng: np.random.Generator, dtype: Kind = "float32") -> Network:
    """Return a residual network of convolutions with a dense head."""

    def kernel(
        out: int,
        channels: int,
        size: int,
        shape: tuple[int, int, int],
        padding: int,
        strides: tuple[int, int] = (1, 1),
    ) -> Convolution:
        weight = rng.normal(size=(out, channels, size, size)).astype(np.float32)
        return Convolution(weight.astype(np.float64), shape, strides, (padding,) * 4)

    def biases(conv: Convolution) -> Array:
        return np.repeat(rng.normal(size=conv.weight.shape[0]), np.prod(conv.shape_out[1:]))

    first = kernel(2, 1, 2, (1, 4, 4), 0, (2, 2))
    second = kernel(2, 2, 3, (2, 2, 2), 1)
    third = kernel(2, 2, 1, (2, 2, 2), 0)
    nodes = (
        Node("x", Input((1, 4, 4))),
        Node("z1", Affine(first, biases(first).astype(np.float32)), ("x",), first.shape_out),
        Node("a1", Piecewise.relu(8), ("z1",)),
        Node("z2", Affine(second, biases(second).astype(np.float32)), ("a1",), (2, 2, 2)),
        Node("a2", Piecewise.relu(8), ("z2",)),
        Node("z3", Affine(third, biases(third).astype(np.float32)), ("a2",), (2, 2, 2)),
        Node("s", Sum(8), ("z3", "a1")),
        Node("a3", Piecewise.relu(8), ("s",)),
        Node(
            "y",
            Affine(Dense(rng.normal(size=(2, 8)).astype(np.float32)), np.zeros(2)),
            ("a3",),
        ),
    )
    return Network(nodes, "y", Origin(dtype=dtype))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Network, Box, Array]:
    """Draw a network with linearised neurons, the corners of a box, and some of its points."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    dtypes: tuple[Kind, ...] = ("float16", "float32", "float64")
    dtype = draw(st.sampled_from(dtypes))
    match draw(st.sampled_from(["dense", "graph", "graph", "convolutional"])):
        case "dense":
            network = stored_as(draw(dense_networks()), dtype)
        case "graph":
            network = stored_as(draw(graph_networks()), dtype)
        case _:
            network = convolutional(rng, dtype)
    lower, upper = draw(boxes(network.size_in))
    some = draw(points((lower, upper), count=3))
    corner = np.where(rng.integers(0, 2, lower.size), lower, upper)
    return linearised(network, rng), (lower, upper), np.vstack([some, lower, upper, corner])


def gap(one: Network, two: Network, some: Array) -> Fraction:
    """Return the largest difference at some points, in rationals."""
    apart = one.evaluate(some, exact=True) - two.evaluate(some, exact=True)
    largest: Fraction = max(abs(value) for value in apart.ravel())
    return largest


def mixed(sizes: tuple[int, ...] = (4, 20, 20, 20, 2), linear: int = 14, seed: int = 0) -> Network:
    """Return a chain with so many identities that hardly anything is left behind the input."""
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    before = Network.dense(weights, [rng.normal(size=s[0]).astype(np.float32) for s in shapes])
    layers = {}
    for node in before.piecewise:
        state = np.where(np.arange(node.size) < linear, State.IDENTITY, State.RELU)
        layers[node.name] = Piecewise(state, np.zeros(node.size), np.zeros(node.size))
    return before.with_layers(layers)
