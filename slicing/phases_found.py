"""What was found of the phases of a network's neurons on many cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.verdict import Method

Flags = NDArray[np.bool_]
Index = NDArray[np.int64]

METHODS = tuple(Method)
"""What the numbers of `CellPhases.how` stand for."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the work over all cells.

    Attributes:
        name: its method; a round of bisection says its number of sub-boxes a cell, too.
        seconds: wall time.
        cpu: processor seconds of the whole process meanwhile.
        cells: cells that it worked on; less than those that were open when time ran out.
        proved: neurons proved after it, over all cells.
        refuted: neurons refuted after it.
    """

    name: str
    seconds: float
    cpu: float
    cells: int
    proved: int
    refuted: int


@dataclass(frozen=True, slots=True, eq=False)
class CellPhases:
    """The phases of all neurons of a network on cells.

    Neurons are those of the network's `Piecewise` nodes, layer after layer.

    Attributes:
        layers: name and size of each `Piecewise` node.
        asked: ``(neurons,)`` which neurons are ReLUs of the network.
        state: ``(cells, neurons)`` int8, a `State`: ZERO or IDENTITY where that was proved, else
            what the neuron is in the network.
        how: ``(cells, neurons)`` int8, the place in `METHODS` of what proved it; -1 where nothing.
        refuted: ``(cells, neurons)`` whether points of the cell showed both signs.
        boxes: ``(cells,)`` sub-boxes bounded, of all rounds.
        points: ``(cells,)`` points looked at, those found by bounds not counted.
        steps: the steps taken, in order.
    """

    layers: tuple[tuple[str, int], ...]
    asked: Flags
    state: NDArray[np.int8]
    how: NDArray[np.int8]
    refuted: Flags
    boxes: Index
    points: Index
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        for array in (self.asked, self.state, self.how, self.refuted, self.boxes, self.points):
            array.setflags(write=False)

    @property
    def proved(self) -> Flags:
        """``(cells, neurons)`` whether a ReLU was proved to be zero or the identity."""
        return np.asarray(self.how >= 0)

    @property
    def open(self) -> Flags:
        """``(cells, neurons)`` which ReLUs are neither proved nor refuted."""
        return np.asarray(self.asked & (self.how < 0) & ~self.refuted)

    def by_layer(self) -> dict[str, tuple[float, float, float]]:
        """Return for each layer the shares of its ReLUs proved, refuted and open, over all cells.

        No unit; 0, 0, 0 for a layer without ReLUs.
        """
        out, start = {}, 0
        for name, size in self.layers:
            here = slice(start, start + size)
            count = max(1, len(self.state) * int(self.asked[here].sum()))
            parts = (self.proved, self.refuted & ~self.proved, self.open)
            proved, refuted, left = (float(part[:, here].sum()) / count for part in parts)
            out[name] = proved, refuted, left
            start += size
        return out

    def by_method(self) -> dict[Method, int]:
        """Return how many neurons each method proved, over all cells."""
        return {
            method: int((self.how == place).sum())
            for place, method in enumerate(METHODS)
            if (self.how == place).any()
        }
