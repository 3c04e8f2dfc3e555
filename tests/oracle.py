"""The truth about small networks, in rationals: reach, cells of fixed phases, and exact extremes.

For tests only; for networks of up to about 12 ReLUs and 4 inputs. Nothing here shares code with the
engine but the network's layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from secateur.engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Node,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
)
from secateur.engine.rounding import float_above, float_below

Vector = list[Fraction]
Array = NDArray[np.float64]
HalfSpace = tuple[Vector, Fraction]
"""The points x with a x <= b."""


@dataclass(frozen=True)
class Line:
    """An affine function of the network's inputs."""

    slope: tuple[Fraction, ...]
    constant: Fraction

    def __add__(self, other: Line) -> Line:
        slope = tuple(a + b for a, b in zip(self.slope, other.slope, strict=True))
        return Line(slope, self.constant + other.constant)

    def times(self, factor: Fraction) -> Line:
        return Line(tuple(factor * a for a in self.slope), factor * self.constant)


@dataclass(frozen=True)
class Cell:
    """A part of the box in which no ReLU changes its phase, and the lines that hold there."""

    walls: tuple[HalfSpace, ...]
    values: dict[str, list[Line]]


def fractions(values: Any) -> Vector:
    """Return numbers as rationals, exactly."""
    return [v if isinstance(v, Fraction) else Fraction(float(v)) for v in np.ravel(values)]


def greatest(
    goal: Vector, walls: Sequence[HalfSpace], lower: Vector, upper: Vector
) -> tuple[Fraction, Vector] | None:
    """Return the greatest ``goal x`` over a box cut by walls and where, or None if it is empty.

    Source: R. Seidel, Small-dimensional linear programming, 1991: where a wall cuts off the
    optimum so far, an optimum lies on that wall, a problem of one dimension less.
    """
    if any(low > high for low, high in zip(lower, upper, strict=True)):
        return None
    if not goal:
        return None if any(side < 0 for _, side in walls) else (Fraction(0), [])
    best = [high if c > 0 else low for c, low, high in zip(goal, lower, upper, strict=True)]
    for number, (slope, side) in enumerate(walls):
        if _dot(slope, best) <= side:
            continue
        pivot = max(range(len(slope)), key=lambda at: abs(slope[at]))
        if slope[pivot] == 0:
            return None
        limits = [
            ([Fraction(at == pivot) for at in range(len(goal))], upper[pivot]),
            ([-Fraction(at == pivot) for at in range(len(goal))], -lower[pivot]),
        ]
        on_wall = [_eliminate(wall, slope, side, pivot) for wall in [*walls[:number], *limits]]
        rest, _ = _eliminate((goal, Fraction(0)), slope, side, pivot)
        found = greatest(rest, on_wall, _without(lower, pivot), _without(upper, pivot))
        if found is None:
            return None
        best = [*found[1][:pivot], Fraction(0), *found[1][pivot:]]
        best[pivot] = (side - _dot(slope, best)) / slope[pivot]
    return _dot(goal, best), best


def _dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def _without(values: Vector, place: int) -> Vector:
    return values[:place] + values[place + 1 :]


def _eliminate(wall: HalfSpace, slope: Vector, side: Fraction, pivot: int) -> HalfSpace:
    """Return a half-space on the plane ``slope x = side``, without the coordinate `pivot`."""
    factor = wall[0][pivot] / slope[pivot]
    mixed = [a - factor * b for a, b in zip(wall[0], slope, strict=True)]
    return _without(mixed, pivot), wall[1] - factor * side


def cells(network: Network, lower: Array, upper: Array) -> Iterator[Cell]:
    """Yield parts that cover the box, each with the network's affine functions on it."""
    size = network.size_in
    start = [Line(tuple(Fraction(i == j) for j in range(size)), Fraction(0)) for i in range(size)]
    first = Cell((), {network.nodes[0].name: start})
    yield from _cells(network.nodes[1:], first, fractions(lower), fractions(upper))


def _cells(nodes: Sequence[Node], cell: Cell, lower: Vector, upper: Vector) -> Iterator[Cell]:
    if not nodes:
        yield cell
        return
    for walls, lines in _apply(nodes[0], cell, lower, upper):
        more = Cell(walls, {**cell.values, nodes[0].name: lines})
        yield from _cells(nodes[1:], more, lower, upper)


def _apply(
    node: Node, cell: Cell, lower: Vector, upper: Vector
) -> Iterator[tuple[tuple[HalfSpace, ...], list[Line]]]:
    """Yield the walls and the values of a node for each way its ReLUs can stand in the cell."""
    read = [cell.values[name] for name in node.sources]
    match node.layer:
        case Affine(operator=operator, bias=bias):
            zero = Line(tuple(Fraction(0) for _ in lower), Fraction(0))
            lines = []
            for row, constant in zip(operator.matrix(), fractions(bias), strict=True):
                total = Line(zero.slope, constant)
                for weight, line in zip(fractions(row), read[0], strict=True):
                    total = total + line.times(weight)
                lines.append(total)
            yield cell.walls, lines
        case Piecewise() as layer:
            yield from _phases(layer, 0, cell.walls, read[0], [], (lower, upper))
        case Quantize():
            raise AssertionError("the oracle has no cells of grids")
        case Sum():
            totals = read[0]
            for more in read[1:]:
                totals = [a + b for a, b in zip(totals, more, strict=True)]
            yield cell.walls, totals
        case Concat():
            yield cell.walls, [line for part in read for line in part]
        case Select(indices=indices):
            yield cell.walls, [read[0][index] for index in indices]
        case Input():
            raise AssertionError("a second input")
        case _ as never:
            assert_never(never)


def _phases(
    layer: Piecewise,
    neuron: int,
    walls: tuple[HalfSpace, ...],
    source: list[Line],
    done: list[Line],
    box: tuple[Vector, Vector],
) -> Iterator[tuple[tuple[HalfSpace, ...], list[Line]]]:
    if neuron == layer.size:
        yield walls, done
        return
    line = source[neuron]
    zero = line.times(Fraction(0))
    ways: list[tuple[tuple[HalfSpace, ...], Line]] = []
    match State(int(layer.state[neuron])):
        case State.ZERO:
            ways.append((walls, zero))
        case State.IDENTITY:
            ways.append((walls, line))
        case State.LINEAR:
            shift = Fraction(float(layer.intercept[neuron]))
            moved = line.times(Fraction(float(layer.slope[neuron])))
            ways.append((walls, Line(moved.slope, moved.constant + shift)))
        case State.RELU:
            slope = list(line.slope)
            top = greatest(slope, walls, *box)
            bottom = greatest([-a for a in slope], walls, *box)
            assert top is not None
            assert bottom is not None
            if top[0] + line.constant > 0:
                ways.append(((*walls, ([-a for a in slope], line.constant)), line))
            if -bottom[0] + line.constant < 0 or not ways:
                ways.append(((*walls, (slope, -line.constant)), zero))
    for more, value in ways:
        yield from _phases(layer, neuron + 1, more, source, [*done, value], box)


def extremes(
    network: Network, lower: Array, upper: Array, node: str
) -> list[tuple[Fraction, Fraction]]:
    """Return the exact least and greatest of each value of a node over the closed box."""
    low, high = fractions(lower), fractions(upper)
    found: list[tuple[Fraction, Fraction]] = []
    for cell in cells(network, lower, upper):
        ends = []
        for line in cell.values[node]:
            top = greatest(list(line.slope), cell.walls, low, high)
            bottom = greatest([-a for a in line.slope], cell.walls, low, high)
            assert top is not None
            assert bottom is not None
            ends.append((line.constant - bottom[0], line.constant + top[0]))
        old = found or ends
        found = [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(old, ends, strict=True)]
    return found


def reach(network: Network, lower: Array, upper: Array) -> dict[str, tuple[Array, Array]]:
    """Return each node's bounds by exact interval arithmetic, rounded outward once."""
    ends: dict[str, list[tuple[Fraction, Fraction]]] = {}
    for node in network.nodes:
        read = [ends[name] for name in node.sources]
        match node.layer:
            case Input():
                ends[node.name] = list(zip(fractions(lower), fractions(upper), strict=True))
            case Affine(operator=operator, bias=bias):
                ends[node.name] = [
                    _interval(fractions(row), constant, read[0])
                    for row, constant in zip(operator.matrix(), fractions(bias), strict=True)
                ]
            case Piecewise() as layer:
                ends[node.name] = [_activate(layer, at, read[0][at]) for at in range(layer.size)]
            case Quantize() as grid:
                ends[node.name] = [
                    (_rounded(grid, at, a), _rounded(grid, at, b))
                    for at, (a, b) in enumerate(read[0])
                ]
            case Sum():
                parts = zip(*read, strict=True)
                ends[node.name] = [
                    (sum((a for a, _ in part), Fraction(0)), sum((b for _, b in part), Fraction(0)))
                    for part in parts
                ]
            case Concat():
                ends[node.name] = [end for part in read for end in part]
            case Select(indices=indices):
                ends[node.name] = [read[0][index] for index in indices]
            case _ as never:
                assert_never(never)
    return {
        name: (
            np.array([float_below(a) for a, _ in pairs]),
            np.array([float_above(b) for _, b in pairs]),
        )
        for name, pairs in ends.items()
    }


def _interval(
    row: Vector, constant: Fraction, box: list[tuple[Fraction, Fraction]]
) -> tuple[Fraction, Fraction]:
    corners = [sorted((w * a, w * b)) for w, (a, b) in zip(row, box, strict=True)]
    return constant + sum(c[0] for c in corners), constant + sum(c[1] for c in corners)


def _rounded(grid: Quantize, at: int, value: Fraction) -> Fraction:
    """Return a value on its neuron's grid; `round` takes ties to even."""
    scale = Fraction(float(grid.scale[at]))
    whole = min(max(round(value / scale), int(grid.low[at])), int(grid.high[at]))
    return scale * whole


def _activate(
    layer: Piecewise, neuron: int, ends: tuple[Fraction, Fraction]
) -> tuple[Fraction, Fraction]:
    match State(int(layer.state[neuron])):
        case State.ZERO:
            return Fraction(0), Fraction(0)
        case State.IDENTITY:
            return ends
        case State.LINEAR:
            slope, shift = (Fraction(float(v[neuron])) for v in (layer.slope, layer.intercept))
            first, last = sorted((slope * ends[0], slope * ends[1]))
            return first + shift, last + shift
        case State.RELU:
            return max(ends[0], Fraction(0)), max(ends[1], Fraction(0))
