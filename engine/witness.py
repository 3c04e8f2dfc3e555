"""Points that refute a claim, replayed in rationals and in the model file's own runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .bounds.interval import Interval, interval
from .exact import Exact
from .network import Network
from .region import Lattice
from .rounding import float_above, float_below

Array = NDArray[np.float64]
Point = tuple[Fraction, ...]

_TOGETHER = 256
"""Points bounded at a time: the values of all nodes are held for so many."""


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """A point of the region at which a claim fails.

    Attributes:
        point: ``(inputs,)`` Fractions, network units; lies in the region exactly.
        quantity: the claim's quantity at the point, or what computes it in rationals; read `value`.
        runtime: the same quantity as the model file's own runtime computes it; None where the
            network has no file, or the point is no number of the file's element type.
    """

    point: Point
    quantity: Fraction | Callable[[], Fraction]
    runtime: float | None = None

    @property
    def value(self) -> Fraction:
        """The claim's quantity at the point in rationals, computed when it is first asked for."""
        return self.quantity() if callable(self.quantity) else self.quantity

    @property
    def floats(self) -> Array:
        """The point as the nearest float64 numbers, ``(inputs,)``."""
        return np.array([float(value) for value in self.point])

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a witness with the same point and values."""
        if not isinstance(other, Witness):
            return NotImplemented
        same = self.point == other.point and self.runtime == other.runtime
        return same and self.value == other.value

    def __hash__(self) -> int:
        """Return the same number for equal witnesses."""
        return hash(self.point)


class Runtime(Protocol):
    """What replays a model file on points: see `formats.onnx_runtime`."""

    @property
    def tensors(self) -> frozenset[str]:
        """Names of the tensors that `hidden` can give."""
        ...

    def hidden(self, points: Array, names: list[str]) -> Mapping[str, Array]:
        """Return the values ``(points, size)`` of named tensors at points ``(points, inputs)``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What some points give.

    A sign is proved by bounds of the value at the point, and by the value in rationals only where
    these bounds have both signs; rationals take a hundred times longer.

    Attributes:
        network: the network.
        points: exactly.
        bounds: for each node asked about, proved bounds of its values ``(points, size)``.
        runtime: the same from the file's runtime, as far as it can be had.
    """

    network: Network
    points: tuple[Point, ...]
    bounds: Mapping[str, Interval]
    runtime: Mapping[str, Array]
    _exact: dict[int, dict[str, Exact]] = field(default_factory=dict)

    def bounded(self, point: int, node: str, index: int) -> bool:
        """Return whether the bounds alone show the sign of one entry of one node at one point."""
        low, high = self.bounds[node]
        return bool(low[point, index] > 0.0 or high[point, index] < 0.0)

    def sign(self, point: int, node: str, index: int) -> int:
        """Return the sign of one entry of one node at one point, -1, 0 or 1, for certain."""
        if self.bounded(point, node, index):
            return 1 if self.bounds[node][0][point, index] > 0.0 else -1
        value = self.value(point, node, index)
        return (value > 0) - (value < 0)

    def value(self, point: int, node: str, index: int) -> Fraction:
        """Return one entry of one node at one point, computed in rationals."""
        if point not in self._exact:  # many entries are asked of one point
            trace = self.network.trace_exact(np.array(self.points[point], dtype=object))
            self._exact[point] = {name: trace[name] for name in self.bounds}
        exact = self._exact[point][node]
        return Fraction(int(exact.numerators[index]), exact.denominator)

    def witness(self, point: int, node: str, index: int) -> Witness:
        """Return the witness of one entry of one node at one point."""
        seen = self.runtime.get(node)
        return Witness(
            self.points[point],
            partial(self.value, point, node, index),
            None if seen is None else float(seen[point, index]),
        )


def replay(
    network: Network, lattice: Lattice, points: Array, nodes: list[str], runtime: Runtime | None
) -> Replay:
    """Return what some points give at some nodes: signs and exact values, and the runtime's values.

    Args:
        network: the network.
        lattice: of the region, whose pins stand for inputs without a number of the element type.
        points: ``(points, inputs)`` on the lattice.
        nodes: names of the nodes to read.
        runtime: of the network's file, if it has one.
    """
    exact = tuple(tuple(point) for point in lattice.exact(points).tolist())
    lower, upper = points.copy(), points.copy()
    for index, pin in lattice.pins.items():
        lower[:, index], upper[:, index] = float_below(pin), float_above(pin)
    parts = []
    for start in range(0, max(1, len(points)), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        found = interval(network, lower[some], upper[some])
        parts.append({name: found[name] for name in nodes})
    bounds = {
        name: (
            np.concatenate([part[name][0] for part in parts]),
            np.concatenate([part[name][1] for part in parts]),
        )
        for name in nodes
    }
    seen: Mapping[str, Array] = {}
    if runtime is not None and not lattice.pins and len(points):
        seen = runtime.hidden(points, [name for name in nodes if name in runtime.tensors])
    return Replay(network, exact, bounds, seen)
