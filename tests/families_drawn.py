"""Hypothesis strategies for families, and points that tell their cells apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from linearised import convolutional, linearised
from numpy.typing import DTypeLike, NDArray
from slices_drawn import near, sliced
from strategies import dense_networks, graph_networks

from secateur.engine.network import Network, Piecewise
from secateur.slicing.family import Family, Mark, family_of
from secateur.slicing.slices import Slices


@st.composite
def bases(draw: st.DrawFn) -> Network:
    """Draw a chain, a graph, or a residual network of convolutions, of float32 numbers or not."""
    match draw(st.sampled_from(["dense", "dense", "graph", "convolutional"])):
        case "dense":
            return draw(dense_networks())
        case "graph":
            return draw(graph_networks())
        case _:
            return convolutional(np.random.default_rng(draw(st.integers(0, 2**32 - 1))))


@st.composite
def cut_up(draw: st.DrawFn, base: Network) -> Slices:
    """Draw slices of a region of a network's inputs."""
    return draw(sliced(base.size_in, cells=6 if base.size_in < 5 else 3))


@st.composite
def results(draw: st.DrawFn) -> tuple[Network, Slices, list[Network | Mark]]:
    """Draw a network, slices, and what was found of each cell; neighbours share some layers."""
    base = draw(bases())
    slices = draw(cut_up(base))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found: list[Network | Mark] = []
    for _ in range(slices.count):
        kind = draw(st.sampled_from(["new", "new", "shared", "marked"]))
        before = [one for one in found if isinstance(one, Network)]
        if kind == "marked":
            found.append(draw(st.sampled_from([m for m in Mark if m is not Mark.SIMPLIFIED])))
        elif kind == "shared" and before:
            found.append(mixed(linearised(base, rng), before[-1]))
        else:
            found.append(linearised(base, rng))
    return base, slices, found


def mixed(one: Network, other: Network) -> Network:
    """Return a network with every second layer of activations taken from another one."""
    names = [node.name for node in one.piecewise][::2]
    layers = {name: other.by_name[name].layer for name in names}
    assert all(isinstance(layer, Piecewise) for layer in layers.values())
    return one.with_layers(layers)


@st.composite
def families(draw: st.DrawFn) -> tuple[Family, list[Network]]:
    """Draw a family, and the network that each of its cells must have."""
    base, slices, found = draw(results())
    family = family_of(base, slices, enumerate(found))
    return family, [one if isinstance(one, Network) else base for one in found]


def inside(
    family: Family, rng: np.random.Generator, count: int = 12, dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    """Return points ``(points, inputs)`` of the region: corners, cuts and their neighbours."""
    slices = family.slices
    lattice = slices.whole.lattice(np.dtype(dtype).name)
    some = [rng.choice(values, count) for values in near(slices)]
    shares = rng.random((count, slices.whole.size))
    spread = slices.whole.lower + shares * (slices.whole.upper - slices.whole.lower)
    points = lattice.snap(np.concatenate([np.stack(some, axis=1), spread])).astype(dtype)
    kept = [point for point in points if slices.whole.contains(point)]
    return np.array(kept, dtype).reshape(-1, slices.whole.size)
