"""Phases of neurons that are fixed on the way to the nodes of a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .evidence import LEAF, Tree, children

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Change:
    """What tells a node's inputs from those of a node above it.

    Attributes:
        smaller: whether its box is another one.
        neurons: whose phases are fixed in between.
    """

    smaller: bool
    neurons: tuple[int, ...]


class Phases:
    """Which neurons are fixed where; they are counted from 0."""

    def __init__(self, tree: Tree, inputs: int) -> None:
        """Look at a tree over so many inputs."""
        self._axis, self._inputs = tree.axis, inputs
        self.some = bool((tree.axis >= inputs).any())
        split = np.flatnonzero(tree.axis != LEAF)
        first = children(tree)[split]
        self._parent = np.full(tree.axis.size, -1, dtype=np.int64)
        self._parent[first] = self._parent[first + 1] = split
        self._second = np.zeros(tree.axis.size, np.bool_)
        self._second[first + 1] = True

    def neurons(self) -> Index:
        """Return all neurons that are fixed anywhere."""
        return np.unique(self._axis[self._axis >= self._inputs]) - self._inputs

    def of(self, node: int) -> dict[int, bool]:
        """Return neurons fixed at a node, and whether their pre-activations are at least 0.

        A neuron that is fixed both ways is listed with the nearer one.
        """
        found: dict[int, bool] = {}
        for axis, second in self._way(node, -1):
            if axis >= self._inputs:
                found.setdefault(axis - self._inputs, second)
        return found

    def since(self, node: int, above: int) -> Change:
        """Return what changes from a node to one below it; -1 stands for one above the root."""
        way = list(self._way(node, above))
        smaller = above < 0 or any(axis < self._inputs for axis, _ in way)
        return Change(
            smaller, tuple(axis - self._inputs for axis, _ in way if axis >= self._inputs)
        )

    def _way(self, node: int, above: int) -> Iterator[tuple[int, bool]]:
        """Yield the axes that are split between a node and one above it, and on which side."""
        while node != above and self._parent[node] >= 0:
            parent = int(self._parent[node])
            yield int(self._axis[parent]), bool(self._second[node])
            node = parent


def clip(known: Array, fixed: dict[int, bool]) -> None:
    """Write into bounds ``(2, neurons)`` of pre-activations what phases say of them."""
    for neuron, up in fixed.items():
        if up:
            known[0, neuron] = max(known[0, neuron], 0.0)
        else:
            known[1, neuron] = min(known[1, neuron], 0.0)
