"""Pairs of small networks of one shape, as hypothesis strategies."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import Numbers, numbers, piecewise

from secateur.engine.network import Affine, Input, Layer, Network, Node, Piecewise, State
from secateur.engine.operators import Dense, Diagonal
from secateur.engine.stages import Stages

Array = NDArray[np.float64]


def chain(
    weights: list[Array], biases: list[Array], layers: list[Piecewise], shift: Array | None = None
) -> Network:
    """Return a chain; `shift` is subtracted from the input by a layer of its own."""
    made: list[Layer] = []
    if shift is not None:
        made.append(Affine(Diagonal(np.ones(shift.size)), -shift))
    for weight, bias, layer in zip(weights, biases, [*layers, None], strict=True):
        made.append(Affine(Dense(weight), bias))
        if layer is not None:
            made.append(layer)
    nodes = [Node("input", Input((int(weights[0].shape[1]),)))]
    for index, one in enumerate(made):
        nodes.append(Node(f"n{index}", one, (nodes[-1].name,)))
    return Network(tuple(nodes), nodes[-1].name)


def uneven(seed: int) -> Numbers:
    """Return numbers that spread from 1e-13 to 3, some of them 0."""
    generator = np.random.default_rng(seed)

    def some(*shape: int) -> Array:
        spread = 10.0 ** generator.uniform(-13, 0.5, shape)
        values = generator.normal(size=shape)
        values = values * np.where(generator.random(shape) < 0.4, spread, 1.0)
        return np.where(generator.random(shape) < 0.1, 0.0, values)

    return some


def changed(draw: st.DrawFn, values: Array, how: str, some: Numbers) -> Array:
    """Return an array near or not so near to another one."""
    match how:
        case "same":
            return values
        case "rounded":
            return values.astype(np.float16).astype(np.float64)
        case "noisy":
            return values * (1 + 1e-3 * some(*values.shape))
        case "pruned":
            places = st.lists(st.booleans(), min_size=values.size, max_size=values.size)
            return np.where(np.reshape(draw(places), values.shape), 0.0, values)
        case "one":
            out = values.copy()
            out.flat[draw(st.integers(0, values.size - 1))] += draw(st.sampled_from([0.125, -1.0]))
            return out
    return some(*values.shape)


@st.composite
def twins(
    draw: st.DrawFn, inputs: int = 2, depth: int = 3, width: int = 4, outputs: int = 2
) -> tuple[Network, Network]:
    """Draw two chains of the same sizes; either may shift its input first."""
    some: Numbers = draw(st.one_of(numbers(), st.integers(0, 2**32 - 1).map(uneven)))
    hidden = [draw(st.integers(1, width)) for _ in range(draw(st.integers(0, depth)))]
    sizes = [inputs, *hidden, outputs]
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights, biases = [some(*shape) for shape in shapes], [some(shape[0]) for shape in shapes]
    hows = ["same", "rounded", "noisy", "noisy", "pruned", "one", "other"]
    how = draw(st.sampled_from(hows))
    others = [changed(draw, weight, how, some) for weight in weights]
    moved = [changed(draw, bias, how, some) for bias in biases]
    plain = draw(st.booleans())
    layers = [Piecewise.relu(size) if plain else draw(piecewise(size)) for size in hidden]
    again = layers if plain or draw(st.booleans()) else [draw(piecewise(size)) for size in hidden]
    for one, two in zip(layers, again, strict=True):  # no chain of identities: those are stages
        if (one.state == State.IDENTITY).all() != (two.state == State.IDENTITY).all():
            again = layers
    shifts = [some(inputs) if draw(st.integers(0, 4)) == 0 else None for _ in range(2)]
    return (
        chain(weights, biases, layers, shifts[0]),
        chain(others, moved, again, shifts[1]),
    )


def staged_trace(staged: Stages, place: Array) -> list[list[Fraction]]:
    """Return the exact pre-activations of every stage at a point."""
    activations: list[list[Fraction]] = []
    traced: list[list[Fraction]] = []
    for index, stage in enumerate(staged.stages):
        z = [Fraction(float(value)) for value in (place if index == 0 else stage.bias)]
        for edge in stage.edges:
            for row, weights in enumerate(edge.weight):
                pairs = zip(weights, activations[edge.source], strict=True)
                z[row] += sum((Fraction(float(w)) * a for w, a in pairs), Fraction(0))
        traced.append(z)
        layer, out = stage.layer, []
        for at, value in enumerate(z):
            match State(int(layer.state[at])):
                case State.RELU:
                    out.append(max(value, Fraction(0)))
                case State.ZERO:
                    out.append(Fraction(0))
                case State.IDENTITY:
                    out.append(value)
                case State.LINEAR:
                    slope, shift = float(layer.slope[at]), float(layer.intercept[at])
                    out.append(Fraction(slope) * value + Fraction(shift))
        activations.append(out)
    return traced
