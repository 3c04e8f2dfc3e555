"""Hypothesis strategies for small networks, boxes and points.

Numbers come in three kinds: eighths make arithmetic exact and corner cases, such as bounds of
exactly 0, common; floats have all 53 bits; scattered ones come from a generator with a drawn seed,
which shrinks badly but gives networks with many kinks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from secateur.engine.network import (
    Affine,
    Concat,
    Input,
    Layer,
    Network,
    Node,
    Piecewise,
    Select,
    State,
    Sum,
)
from secateur.engine.operators import Dense, Diagonal

Array = NDArray[np.float64]
Box = tuple[Array, Array]
Numbers = Callable[..., Array]
"""Draws an array of the shape given."""

eighths = st.integers(-16, 16).map(lambda n: n / 8)
floats = st.floats(-2, 2, allow_subnormal=False)


@st.composite
def numbers(draw: st.DrawFn) -> Numbers:
    """Draw a kind of numbers, of which arrays are then drawn."""
    kind = draw(st.sampled_from(["scattered", "scattered", "eighths", "floats"]))
    if kind == "scattered":
        generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        return lambda *shape: generator.normal(size=shape)
    elements = eighths if kind == "eighths" else floats
    return lambda *shape: draw(arrays(np.float64, shape, elements=elements, fill=st.nothing()))


@st.composite
def boxes(draw: st.DrawFn, size: int) -> Box:
    """Draw the corners ``(size,)`` of a closed box; some have sides of length 0."""
    some = draw(numbers())
    lower, width = some(size), np.abs(some(size))
    if not draw(st.sampled_from([False, False, False, True])):
        width = width + 1.0
    return lower, lower + width


@st.composite
def points(draw: st.DrawFn, box: Box, count: int = 8) -> Array:
    """Draw points ``(count, size)`` of a box, some on its faces."""
    lower, upper = box
    shares = arrays(np.float64, (count, lower.size), elements=st.floats(0, 1), fill=st.nothing())
    return np.clip(lower + draw(shares) * (upper - lower), lower, upper)


@st.composite
def dense_networks(
    draw: st.DrawFn, inputs: int = 2, depth: int = 3, width: int = 4, outputs: int = 2
) -> Network:
    """Draw a chain of dense layers with at most `depth` layers of at most `width` ReLUs."""
    some = draw(numbers())
    hidden = [draw(st.integers(2, width)) for _ in range(draw(st.integers(1, depth)))]
    sizes = [inputs, *hidden, outputs]
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Network.dense([some(*shape) for shape in shapes], [some(shape[0]) for shape in shapes])


@st.composite
def piecewise(draw: st.DrawFn, size: int) -> Piecewise:
    """Draw a layer of activations, most of them ReLUs."""
    kinds = [State.RELU, State.RELU, State.RELU, *State]
    states = draw(st.lists(st.sampled_from(kinds), min_size=size, max_size=size))
    some = draw(numbers())
    return Piecewise(np.array(states, np.int8), some(size), some(size))


@st.composite
def graph_networks(draw: st.DrawFn, inputs: int = 2, nodes: int = 6, relus: int = 8) -> Network:
    """Draw a DAG with skips: every kind of layer, at most `relus` ReLUs, an affine output."""
    some = draw(numbers())

    def dense(size_in: int, size_out: int) -> Affine:
        return Affine(Dense(some(size_out, size_in)), some(size_out))

    made = [Node("input", Input((inputs,))), Node("first", dense(inputs, 3), ("input",))]
    made.append(Node("kink", Piecewise.relu(3), ("first",)))
    left = relus - 3
    for number in range(draw(st.integers(2, nodes))):
        source, other = made[-1], draw(st.sampled_from(made))
        if draw(st.booleans()):
            source, other = other, source
        layer: Layer = dense(source.size, draw(st.integers(1, 4)))
        sources: tuple[str, ...] = (source.name,)
        match draw(
            st.sampled_from(["dense", "relu", "relu", "diagonal", "sum", "concat", "select"])
        ):
            case "relu":
                layer = draw(piecewise(source.size))
                left -= int(np.count_nonzero(layer.state == State.RELU))
                if left < 0:
                    break
            case "sum":
                alike = [node.name for node in made if node.size == source.size]
                layer = Sum(source.size)
                sources = (source.name, draw(st.sampled_from(alike)))
            case "concat" if source.size + other.size <= 6:
                layer, sources = Concat((source.size, other.size)), (source.name, other.name)
            case "select":
                picks = draw(st.lists(st.integers(0, source.size - 1), min_size=1, max_size=4))
                layer = Select(np.array(picks), source.size)
            case "diagonal":
                layer = Affine(Diagonal(some(source.size)), some(source.size))
            case _:
                pass
        made.append(Node(f"n{number}", layer, sources))
    last = made[-1]
    made.append(Node("output", dense(last.size, draw(st.integers(1, 2))), (last.name,)))
    return Network(tuple(made), "output")


@st.composite
def uneven_networks(draw: st.DrawFn) -> Network:
    """Draw a chain of dense layers whose numbers spread from 1e-13 to 3: hard on solvers."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = [int(n) for n in generator.integers(2, 5, generator.integers(3, 6))]

    def some(*shape: int) -> Array:
        spread = 10.0 ** generator.uniform(-13, 0.5, shape)
        return generator.normal(size=shape) * np.where(generator.random(shape) < 0.4, spread, 1.0)

    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    return Network.dense([some(*shape) for shape in shapes], [some(shape[0]) for shape in shapes])


networks = st.one_of(dense_networks(), graph_networks())


@st.composite
def networks_with_boxes(
    draw: st.DrawFn, kind: st.SearchStrategy[Network] = networks
) -> tuple[Network, Box]:
    """Draw a network and a box of its inputs."""
    network = draw(kind)
    return network, draw(boxes(network.size_in))
