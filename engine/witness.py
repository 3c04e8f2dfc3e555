"""Points that refute a claim, replayed in rationals and in the model file's own runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .network import Network
from .region import Lattice

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Witness:
    """A point of the region at which a claim fails.

    Attributes:
        point: ``(inputs,)`` Fractions, network units; lies in the region exactly.
        value: the claim's quantity at the point, computed in rationals.
        runtime: the same quantity as the model file's own runtime computes it; None where the
            network has no file, or the point is no number of the file's element type.
    """

    point: tuple[Fraction, ...]
    value: Fraction
    runtime: float | None = None

    @property
    def floats(self) -> Array:
        """The point as the nearest float64 numbers, ``(inputs,)``."""
        return np.array([float(value) for value in self.point])


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

    Attributes:
        points: ``(points, inputs)`` Fractions.
        values: for each node asked about, its values ``(points, size)`` as Fractions.
        runtime: the same from the file's runtime, as far as it can be had.
    """

    points: NDArray[np.object_]
    values: Mapping[str, NDArray[np.object_]]
    runtime: Mapping[str, Array]

    def witness(self, point: int, node: str, index: int) -> Witness:
        """Return the witness of one entry of one node at one point."""
        seen = self.runtime.get(node)
        return Witness(
            tuple(self.points[point].tolist()),
            self.values[node][point, index],
            None if seen is None else float(seen[point, index]),
        )


def replay(
    network: Network, lattice: Lattice, points: Array, nodes: list[str], runtime: Runtime | None
) -> Replay:
    """Return the exact values of some nodes at some points, and those of the file's runtime.

    Args:
        network: the network.
        lattice: of the region, whose pins stand for inputs without a number of the element type.
        points: ``(points, inputs)`` on the lattice.
        nodes: names of the nodes to read.
        runtime: of the network's file, if it has one.
    """
    exact = lattice.exact(points)
    trace = network.trace_exact(exact)
    seen: Mapping[str, Array] = {}
    if runtime is not None and not lattice.pins and len(points):
        seen = runtime.hidden(points, [name for name in nodes if name in runtime.tensors])
    return Replay(exact, {name: trace[name].fractions() for name in nodes}, seen)
