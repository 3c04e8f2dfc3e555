"""Hypothesis strategies for networks to compress, methods, and what they give."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from strategies import dense_networks, graph_networks

from secateur.compression.form import Compressed, affine_layers
from secateur.compression.method import (
    Fit,
    Float16,
    Int8,
    Int8Weights,
    LowRank,
    Magnitude,
    Method,
    Norm,
    ProvedRanges,
    Random,
    Rows,
    Scope,
    SeenRanges,
)
from secateur.compression.plain import is_structural, narrow
from secateur.engine.network import Affine, Input, Network, Node, Piecewise
from secateur.engine.operators import Convolution, Dense
from secateur.engine.region import Region

SHARES = st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.9])


def image(node: Node) -> tuple[int, int, int]:
    """Return the shape of a node's image."""
    channels, height, width = node.shape
    return channels, height, width


@st.composite
def image_networks(draw: st.DrawFn) -> Network:
    """Draw a convolution or two, sometimes an average pool, and a dense layer over an image."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 2)), draw(st.integers(4, 5)), draw(st.integers(4, 5))
    nodes = [Node("input", Input(shape))]
    for index in range(draw(st.integers(1, 2))):
        channels = draw(st.integers(1, 4))
        size = draw(st.integers(1, min(3, *nodes[-1].shape[1:])))
        window = Convolution(
            rng.normal(size=(channels, nodes[-1].shape[0], size, size)),
            image(nodes[-1]),
            padding=draw(st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1)])),
        )
        bias = np.repeat(rng.normal(size=channels), int(np.prod(window.shape_out[1:])))
        layer = Affine(window, bias)
        nodes.append(Node(f"conv{index}", layer, (nodes[-1].name,), window.shape_out))
        relu = Piecewise.relu(layer.size)
        nodes.append(Node(f"relu{index}", relu, (nodes[-1].name,), window.shape_out))
    if draw(st.booleans()) and min(nodes[-1].shape[1:]) >= 2:
        channels = nodes[-1].shape[0]
        pool = Convolution(
            np.full((channels, 1, 2, 2), 0.25), image(nodes[-1]), (2, 2), groups=channels
        )
        layer = Affine(pool, np.zeros(pool.size_out))
        nodes.append(Node("pool", layer, (nodes[-1].name,), pool.shape_out))
    weight = rng.normal(size=(3, nodes[-1].size))
    nodes.append(Node("output", Affine(Dense(weight), rng.normal(size=3)), (nodes[-1].name,)))
    return Network(tuple(nodes), "output")


def ordinary(network: Network) -> bool:
    """Return whether all dense layers, once they are float32, have weights of several sizes."""
    layers = [layer for _, layer in affine_layers(narrow(network))]
    dense = [layer for layer in layers if isinstance(layer.operator, Dense)]
    return not any(is_structural(layer) for layer in dense)


chains = st.one_of(
    dense_networks(), dense_networks(inputs=3, depth=3, width=9), image_networks()
).filter(ordinary)
networks = st.one_of(chains, graph_networks().filter(ordinary))


@st.composite
def methods(draw: st.DrawFn, network: Network) -> Method:
    """Draw a method for a network; not all can be applied to it."""
    points = np.random.default_rng(draw(st.integers(0, 99))).uniform(-1, 1, (50, network.size_in))
    box = Region.box([-1.0] * network.size_in, [1.0] * network.size_in)
    scope, fit = draw(st.sampled_from(list(Scope))), draw(st.sampled_from(list(Fit)))
    some: list[Method] = [
        Magnitude(draw(SHARES), scope),
        Random(draw(SHARES), scope),
        Rows(draw(SHARES), scope, draw(st.sampled_from(list(Norm)))),
        Float16(),
        Int8Weights(),
        Int8(SeenRanges(points), fit),
        Int8(ProvedRanges(box)),
        LowRank(1),
        LowRank(share=0.7),
    ]
    return draw(st.sampled_from(some))


def same(one: Compressed, two: Compressed, shapes: bool = True) -> bool:
    """Return whether two are the same, bit for bit, but for where they come from."""
    return _words(one, shapes) == _words(two, shapes)


def _words(compressed: Compressed, shapes: bool) -> list[object]:
    """Return all that a compressed network is as plain values, but for its origin's path."""
    network = compressed.network
    out: list[object] = [network.output, network.origin.dtype]
    for node in network.nodes:
        shape = node.shape if shapes else node.size
        out.append((node.name, node.sources, shape, type(node.layer).__name__))
        layer = node.layer
        for what in ("state", "slope", "intercept", "scale", "low", "high", "indices", "bias"):
            if hasattr(layer, what):
                out.append((node.name, what, getattr(layer, what).tobytes()))
        if isinstance(layer, Affine):
            out.append((type(layer.operator).__name__, layer.operator.weight.tobytes()))
            if isinstance(layer.operator, Convolution):
                window = layer.operator
                out.append((window.shape_in, window.strides, window.padding, window.groups))
    for node, _ in affine_layers(network):
        form = compressed.forms[node.name]
        for kind in (form.weight, form.bias):
            out.append((node.name, type(kind).__name__))
            for what in ("kept", "scale", "low", "high"):
                if hasattr(kind, what):
                    out.append((node.name, what, np.asarray(getattr(kind, what)).tobytes()))
    return out
