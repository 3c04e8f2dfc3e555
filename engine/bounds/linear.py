"""Backward linear bounds over a network, many boxes at once, with slopes that can be optimised.

A row ``C z`` of a node is rewritten from node to node down to the input, where a box gives its
largest value. At a ReLU with bounds l < 0 < u a positive coefficient takes the upper line
``u/(u-l) (z - l)`` and a negative one the lower line ``slope z``; any slope in [0, 1] is sound.

Soundness: rounding is charged as in `kernels.py`, magnitudes of coefficients times magnitudes of
what they multiply, times gamma of the number of operations on the way.

Source: Zhang et al. 2018 (CROWN), Xu et al. 2021 (optimised slopes); the slopes' derivative is the
negative part of a row's coefficient times the pre-activation at the relaxation's optimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..network import Affine, Concat, Input, Network, Piecewise, Quantize, Select, State, Sum
from ..rounding import SLACK, UNDERFLOW, UNIT, gamma, up
from .grid import band
from .interval import Bounds, Interval, interval, magnitude, scale

Array = NDArray[np.float64]
Slopes = dict[str, Array]

ROWS = 256
"""Neurons bounded together: bounds the memory on layers with thousands of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Two lines that enclose each activation of a layer over its pre-activation bounds.

    Attributes:
        up_slope, up_shift, down_slope, down_shift: ``(boxes, size)``.
        free: ``(boxes, size)`` whether the lower slope may be any number in [0, 1].
    """

    up_slope: Array
    up_shift: Array
    down_slope: Array
    down_shift: Array
    free: NDArray[np.bool_]


def lines(layer: Piecewise, low: Array, high: Array) -> Lines:
    """Return the enclosing lines for pre-activation bounds ``(boxes, size)``."""
    relu = layer.state == State.RELU
    free = relu & (low < 0.0) & (high > 0.0)
    on = (layer.state == State.IDENTITY) | (relu & (low >= 0.0))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        steep = np.where(np.isfinite(high) & np.isfinite(low), high / (high - low), 1.0)
        shift = np.maximum(-steep * low, (1.0 - steep) * high) * (1 + 8 * UNIT) + UNDERFLOW
    shift = np.where(np.isfinite(shift), shift, np.inf)
    exact = np.where(on, 1.0, np.where(layer.state == State.LINEAR, layer.slope, 0.0))
    offset = np.where(layer.state == State.LINEAR, layer.intercept, 0.0) + np.zeros_like(low)
    return Lines(
        np.where(free, steep, exact),
        np.where(free, shift, offset),
        np.where(free, np.where(high > -low, 1.0, 0.0), exact),
        np.where(free, 0.0, offset),
        free,
    )


def relaxations(network: Network, bounds: Bounds) -> dict[str, Lines]:
    """Return the enclosing lines of every layer that is not linear, from bounds of every node."""
    return {
        node.name: enclosed(node.layer, *bounds[node.sources[0]])
        for node in network.nodes
        if isinstance(node.layer, Piecewise | Quantize)
    }


def enclosed(layer: Piecewise | Quantize, low: Array, high: Array) -> Lines:
    """Return the enclosing lines of a layer for bounds ``(boxes, size)`` of what it reads."""
    if isinstance(layer, Piecewise):
        return lines(layer, low, high)
    slope, below, above = band(layer, low, high)
    return Lines(slope, above, slope, below, np.zeros(low.shape, dtype=np.bool_))


@dataclass(slots=True, eq=False)
class Backward:
    """One pass backwards, as `backward` returns it.

    Attributes:
        upper: ``(boxes, rows)`` upper bounds, rounded outward.
        inputs: ``(boxes, rows, inputs)`` coefficients at the input.
        coefficients: for each `Piecewise` and `Quantize` node on the way, those of its values.
    """

    upper: Array
    inputs: Array
    coefficients: dict[str, Array]


def backward(
    network: Network,
    node: str,
    rows: Array,
    bounds: Bounds,
    relaxed: Mapping[str, Lines],
    slopes: Slopes | None = None,
) -> Backward:
    """Return upper bounds of rows of a node's value.

    Args:
        network: the network.
        node: name of the node.
        rows: ``(boxes, rows, size of node)``.
        bounds: of every node above it.
        relaxed: the lines of every `Piecewise` and `Quantize` node above it.
        slopes: lower slopes ``(boxes, rows, size)`` for `Piecewise` nodes, where they are free.
    """
    back: dict[str, Array] = {node: rows}
    shape = rows.shape[:2]
    constant, blame, steps = np.zeros(shape), np.zeros(shape), 8
    coefficients: dict[str, Array] = {}
    for at in reversed(network.nodes):
        here = back.pop(at.name, None)
        if here is None:
            continue
        parts: list[Array]
        match at.layer:
            case Input():
                low, high = bounds[at.name]
                bound = constant + _reach(here, low, high)
                blame += 2.0 * np.abs(constant) + 2.0 * _dot(np.abs(here), magnitude((low, high)))
                steps += at.size + 4
                with np.errstate(invalid="ignore"):
                    total = up(bound + (gamma(steps) * blame * SLACK + UNDERFLOW))
                return Backward(np.where(np.isnan(total), np.inf, total), here, coefficients)
            case Affine() as layer:
                constant = constant + here @ layer.bias
                blame += 2.0 * _dot(np.abs(here), scale(layer, bounds[at.sources[0]]))
                steps += at.size + layer.operator.terms_back + 4
                parts = [layer.operator.pull(here)]
            case Piecewise() | Quantize():
                line = relaxed[at.name]
                coefficients[at.name] = here
                lower = line.down_slope[:, None]
                if slopes is not None and at.name in slopes:
                    lower = np.where(line.free[:, None], slopes[at.name], lower)
                plus, minus = np.maximum(here, 0.0), np.minimum(here, 0.0)
                with np.errstate(invalid="ignore"):
                    constant = constant + _dot(plus, line.up_shift) + _dot(minus, line.down_shift)
                    blame += _dot(plus, np.abs(line.up_shift)) - _dot(
                        minus, np.abs(line.down_shift)
                    )
                part = plus * line.up_slope[:, None] + minus * lower
                blame += 2.0 * _dot(np.abs(part), magnitude(bounds[at.sources[0]]))
                steps += at.size + 6
                parts = [part]
            case Sum():
                parts = [here] * len(at.sources)
            case Concat(sizes=sizes):
                parts = np.split(here, np.cumsum(sizes)[:-1], axis=-1)
            case Select(indices=indices, size_in=size_in):
                part = np.zeros((*shape, size_in))
                np.add.at(part, np.s_[..., indices], here)  # type: ignore[arg-type]
                blame += _dot(np.abs(part), magnitude(bounds[at.sources[0]]))
                steps += at.size
                parts = [part]
            case _ as never:
                assert_never(never)
        for source, part in zip(at.sources, parts, strict=True):
            if source in back:
                part = back[source] + part
                blame += _dot(np.abs(part), magnitude(bounds[source]))
            back[source] = part
    raise AssertionError("every node stands on the input")


def _dot(rows: Array, vector: Array) -> Array:
    """Return rows ``(boxes, rows, n)`` times ``(boxes, n)``; 0 times infinity is 0."""
    if np.isfinite(vector).all():
        return np.asarray(np.einsum("brn,bn->br", rows, vector))
    return np.asarray(np.where(rows == 0.0, 0.0, rows * vector[:, None]).sum(axis=-1))


def _reach(rows: Array, low: Array, high: Array) -> Array:
    return _dot(np.maximum(rows, 0.0), high) + _dot(np.minimum(rows, 0.0), low)


def linear(
    network: Network,
    lower: Array,
    upper: Array,
    *,
    steps: int = 0,
    known: Bounds | None = None,
    nodes: frozenset[str] | None = None,
) -> dict[str, Interval]:
    """Return bounds of every node's value, those of pre-activations and outputs by linear bounds.

    Slopes are optimised by compiled loops where all targets are asked for and the network's
    matrices are small enough to be dense, else by `by_arrays`.

    Args:
        network: the network.
        lower: ``(boxes, inputs)`` float64, closed, finite.
        upper: ``(boxes, inputs)`` float64, closed, finite.
        steps: gradient steps on the lower slopes of each row; 0 keeps the fixed slopes.
        known: bounds of some nodes that are known to hold.
        nodes: nodes to bound by rows; None: the sources of `Piecewise` nodes and the output.

    Returns:
        Bounds by node name, ``(boxes, size)`` each, rounded outward.
    """
    if steps and nodes is None:
        from .optimised import fits, optimised  # compiled code is loaded where it is needed

        if fits(network):
            return optimised(network, lower, upper, steps, known or {})
    return by_arrays(network, lower, upper, steps=steps, known=known, nodes=nodes)


def by_arrays(
    network: Network,
    lower: Array,
    upper: Array,
    *,
    steps: int = 0,
    known: Bounds | None = None,
    nodes: frozenset[str] | None = None,
) -> dict[str, Interval]:
    """Return what `linear` does by arrays alone: any network, and the reference of the loops."""
    targets = nodes or frozenset(node.sources[0] for node in network.piecewise) | {network.output}
    found: dict[str, Interval] = {} if known is None else dict(known)
    bounds = interval(network, lower, upper, found)
    relaxed: dict[str, Lines] = {}
    for node in network.nodes:
        if isinstance(node.layer, Piecewise | Quantize):
            relaxed[node.name] = enclosed(node.layer, *bounds[node.sources[0]])
        if node.name not in targets or isinstance(node.layer, Input):
            continue
        low, high = bounds[node.name]
        final = node.name == network.output
        ask = (
            np.arange(node.size) if final else np.flatnonzero(((low < 0) & (high > 0)).any(axis=0))
        )
        if not ask.size:
            continue
        low, high = low.copy(), high.copy()
        for start in range(0, ask.size, ROWS):
            some = ask[start : start + ROWS]
            eye = np.zeros((len(lower), 2 * some.size, node.size))
            eye[:, np.arange(some.size), some] = 1.0
            eye[:, some.size + np.arange(some.size), some] = -1.0
            best = bound_rows(network, node.name, eye, bounds, relaxed, steps)
            high[:, some] = np.minimum(high[:, some], best[:, : some.size])
            low[:, some] = np.maximum(low[:, some], -best[:, some.size :])
        found[node.name] = low, high
        bounds = interval(network, lower, upper, found)
    return bounds


def bound_rows(
    network: Network,
    node: str,
    rows: Array,
    bounds: Bounds,
    relaxed: Mapping[str, Lines],
    steps: int,
) -> Array:
    """Return upper bounds ``(boxes, rows)`` of rows of a node's value, over `steps` sets of slopes.

    The best bound of each row over all steps is returned, so more steps never loosen it.
    """
    now = backward(network, node, rows, bounds, relaxed)
    best, slopes = now.upper, _first_slopes(now, relaxed)
    first = {name: np.zeros_like(slope) for name, slope in slopes.items()}
    second = {name: np.zeros_like(slope) for name, slope in slopes.items()}
    for step in range(1, steps + 1):
        values = _forward(network, now, relaxed, bounds, slopes)
        rate = 0.3 * 0.9**step
        for name, slope in slopes.items():
            push = np.minimum(now.coefficients[name], 0.0) * values[name]
            first[name] = 0.9 * first[name] + 0.1 * push
            second[name] = 0.99 * second[name] + 0.01 * push * push
            move = first[name] / (1 - 0.9**step)
            size = np.sqrt(second[name] / (1 - 0.99**step)) + 1e-30
            slopes[name] = np.clip(slope - rate * move / size, 0.0, 1.0)
        now = backward(network, node, rows, bounds, relaxed, slopes)
        best = np.minimum(best, now.upper)
    return best


def _first_slopes(now: Backward, relaxed: Mapping[str, Lines]) -> Slopes:
    return {
        name: np.broadcast_to(relaxed[name].down_slope[:, None], rows.shape).copy()
        for name, rows in now.coefficients.items()
        if relaxed[name].free.any()
    }


def _forward(
    network: Network, now: Backward, relaxed: Mapping[str, Lines], bounds: Bounds, slopes: Slopes
) -> dict[str, Array]:
    """Return each `Piecewise` node's pre-activation at the optimum of each row's relaxation."""
    values: dict[str, Array] = {}
    before: dict[str, Array] = {}
    for node in network.nodes:
        if any(name not in values for name in node.sources):
            continue
        reads = [values[name] for name in node.sources]
        match node.layer:
            case Input():
                low, high = bounds[node.name]
                values[node.name] = np.where(now.inputs >= 0.0, high[:, None], low[:, None])
            case Affine(operator=operator, bias=bias):
                values[node.name] = operator.push(reads[0]) + bias
            case Piecewise() | Quantize():
                if node.name not in now.coefficients:
                    continue
                line, rows = relaxed[node.name], now.coefficients[node.name]
                lower = slopes.get(node.name, line.down_slope[:, None])
                lower = np.where(line.free[:, None], lower, line.down_slope[:, None])
                before[node.name] = reads[0]
                values[node.name] = np.where(
                    rows >= 0.0,
                    line.up_slope[:, None] * reads[0] + line.up_shift[:, None],
                    lower * reads[0] + line.down_shift[:, None],
                )
            case Sum():
                values[node.name] = sum(reads[1:], start=reads[0])
            case Concat():
                values[node.name] = np.concatenate(reads, axis=-1)
            case Select(indices=indices):
                values[node.name] = reads[0][..., indices]
            case _ as never:
                assert_never(never)
    return before
