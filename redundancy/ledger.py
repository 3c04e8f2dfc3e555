"""The ledger of a phase search: what is known of every neuron so far, and what is still open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.interval import Interval
from ..engine.bounds.packed import LOWER, UPPER
from ..engine.network import Network, Piecewise, State
from ..engine.region import Lattice
from ..engine.verdict import Method, Proved, Refuted, Unknown, Verdict
from ..engine.witness import Replay, Runtime, replay
from .finding import Finding

Array = NDArray[np.float64]

METHODS = list(Method)
_CLEAR = 1e-6
"""Share of a pre-activation's largest magnitude at the points kept from which a witness counts as
clear, so that one point can serve many neurons; a choice among points, not a tolerance."""

_CANDIDATES = 32
"""Points tried at a time when few are chosen that show all signs."""

_VALUES, _LEAST_TOGETHER, _MOST_TOGETHER = 1 << 23, 32, 8192
"""Values of all nodes that are held at a time, 64 MB of float64, and the points they stand for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One side of one neuron's sign that is not settled.

    Attributes:
        place: of the neuron's layer in the ledger.
        neuron: index in the layer.
        side: UPPER: is z <= 0 on the region? LOWER: is z >= 0?
    """

    place: int
    neuron: int
    side: int

    @property
    def sign(self) -> float:
        """+1 where large z refutes, -1 where small z does."""
        return 1.0 if self.side == UPPER else -1.0


@dataclass(slots=True, eq=False)
class Entry:
    """What is known of one layer's neurons; all arrays are ``(size,)`` unless said otherwise.

    Attributes:
        node: the `Piecewise` node; source: the node of its pre-activations.
        asked: which neurons are in state RELU.
        low, high: proved bounds of the pre-activation.
        how: method that proved each neuron, an index of `METHODS`; spread: its number of boxes.
        most, least: the largest and smallest pre-activation at any point so far.
        at_most, at_least: those points, ``(size, inputs)``.
        found: method that last showed a new sign, an index of `METHODS`.
    """

    node: str
    source: str
    asked: NDArray[np.bool_]
    low: Array
    high: Array
    how: NDArray[np.int8]
    spread: NDArray[np.int64]
    most: Array
    least: Array
    at_most: Array
    at_least: Array
    found: NDArray[np.int8]

    @classmethod
    def blank(cls, node: str, source: str, layer: Piecewise, inputs: int) -> Entry:
        """Return the entry of a layer of which nothing is known."""
        size = layer.size
        return cls(
            node,
            source,
            layer.state == State.RELU,
            np.full(size, -np.inf),
            np.full(size, np.inf),
            np.zeros(size, np.int8),
            np.ones(size, np.int64),
            np.full(size, -np.inf),
            np.full(size, np.inf),
            np.zeros((size, inputs)),
            np.zeros((size, inputs)),
            np.zeros(size, np.int8),
        )

    @property
    def proved(self) -> NDArray[np.bool_]:
        """Which neurons keep one sign for certain."""
        return (self.high <= 0) | (self.low >= 0)

    @property
    def refuted(self) -> NDArray[np.bool_]:
        """Which neurons were seen with both signs."""
        return (self.most > 0) & (self.least < 0)

    @property
    def open(self) -> NDArray[np.bool_]:
        """Which neurons are asked about, and neither proved nor refuted."""
        return self.asked & ~self.proved & ~self.refuted


class Ledger:
    """What is known of all neurons of a network over a region.

    Attributes:
        network, lattice: what is asked about, and the points that may be shown.
        entries: layer after layer.
        together: points that are evaluated at a time.
    """

    def __init__(self, network: Network, lattice: Lattice) -> None:
        self.network = network
        self.lattice = lattice
        self.entries: list[Entry] = []
        size = sum(node.size for node in network.nodes)
        self.together = max(_LEAST_TOGETHER, min(_MOST_TOGETHER, _VALUES // size))
        for node in network.piecewise:
            assert isinstance(node.layer, Piecewise)
            self.entries.append(
                Entry.blank(node.name, node.sources[0], node.layer, network.size_in)
            )

    @property
    def asked(self) -> int:
        """Number of neurons asked about."""
        return sum(int(entry.asked.sum()) for entry in self.entries)

    @property
    def open(self) -> int:
        """Number of neurons neither proved nor refuted."""
        return sum(int(entry.open.sum()) for entry in self.entries)

    def wishes(self) -> list[Wish]:
        """Return the open sides of the open neurons, layer after layer."""
        return [
            Wish(place, neuron, side)
            for place, entry in enumerate(self.entries)
            for neuron in np.flatnonzero(entry.open).tolist()
            for side, seen in ((UPPER, entry.most > 0), (LOWER, entry.least < 0))
            if not seen[neuron]
        ]

    def refuted(self, wish: Wish) -> bool:
        """Return whether a point has refuted the wish."""
        entry = self.entries[wish.place]
        seen = entry.most > 0 if wish.side == UPPER else entry.least < 0
        return bool(seen[wish.neuron])

    def known(self) -> dict[str, Interval]:
        """Return the proved bounds of the pre-activations, for one box."""
        return {entry.source: (entry.low[None], entry.high[None]) for entry in self.entries}

    def visit(self, points: Array, method: Method) -> None:
        """Evaluate points ``(points, inputs)`` of the lattice; remember each neuron's extremes."""
        for start in range(0, len(points), self.together):
            some = points[start : start + self.together]
            values = self.network.trace(some)
            for entry in self.entries:
                self._remember(entry, values[entry.source], some, method)

    def _remember(self, entry: Entry, z: Array, points: Array, method: Method) -> None:
        before, every = entry.refuted, np.arange(z.shape[1])
        top, bottom = z.argmax(axis=0), z.argmin(axis=0)
        most, least = z[top, every], z[bottom, every]
        more, less = most > entry.most, least < entry.least
        entry.most[more], entry.least[less] = most[more], least[less]
        entry.at_most[more], entry.at_least[less] = points[top[more]], points[bottom[less]]
        entry.found[entry.refuted & ~before] = METHODS.index(method)

    def prove(self, bounds: Mapping[str, Interval], method: Method) -> None:
        """Take over proved bounds over the whole region, ``(1, size)`` by pre-activation node."""
        for place, entry in enumerate(self.entries):
            low, high = bounds[entry.source]
            self.prove_some(place, np.arange(entry.low.size), low[0], high[0], method)

    def prove_some(
        self, place: int, neurons: NDArray[np.int64], low: Array, high: Array, method: Method
    ) -> None:
        """Take over proved bounds ``(neurons,)`` of some different neurons of one layer."""
        entry = self.entries[place]
        before = entry.proved
        entry.low[neurons] = np.maximum(entry.low[neurons], low)
        entry.high[neurons] = np.minimum(entry.high[neurons], high)
        entry.how[entry.proved & ~before] = METHODS.index(method)

    def prove_one(self, wish: Wish, bound: float, method: Method, boxes: int = 1) -> None:
        """Take over that ``sign * z <= bound`` on the whole region for one wish."""
        entry = self.entries[wish.place]
        was = bool(entry.proved[wish.neuron])
        if wish.side == UPPER:
            entry.high[wish.neuron] = min(entry.high[wish.neuron], bound)
        else:
            entry.low[wish.neuron] = max(entry.low[wish.neuron], -bound)
        if entry.proved[wish.neuron] and not was:
            entry.how[wish.neuron] = METHODS.index(method)
            entry.spread[wish.neuron] = max(1, boxes)

    def findings(
        self, runtime: Runtime | None, reason: str, late: Callable[[], bool]
    ) -> tuple[Finding, ...]:
        """Replay the refuting points and return the verdicts.

        Args:
            runtime: of the network's file, if it has one.
            reason: why what is open was left open.
            late: whether the time is spent; signs that only rationals can tell are then left open.
        """
        points, pairs = self._cover()
        sources = [entry.source for entry in self.entries]
        shown = replay(self.network, self.lattice, points, sources, runtime)
        out = []
        for place, entry in enumerate(self.entries):
            for neuron in np.flatnonzero(entry.asked).tolist():
                low, high = float(entry.low[neuron]), float(entry.high[neuron])
                state = State.ZERO if high <= 0 else State.IDENTITY if low >= 0 else State.RELU
                verdict: Verdict = Unknown(reason)
                if state != State.RELU:
                    verdict = Proved(METHODS[entry.how[neuron]], int(entry.spread[neuron]))
                elif (place, neuron) in pairs:
                    verdict = _replayed(shown, entry, neuron, pairs[place, neuron], late)
                out.append(Finding(entry.node, neuron, state, verdict, low, high))
        return tuple(out)

    def _cover(self) -> tuple[Array, dict[tuple[int, int], tuple[int, int]]]:
        """Choose few points that show both signs of every refuted neuron.

        Returns:
            The points ``(points, inputs)``, and for each refuted neuron (place, index) which of
            them shows z > 0 and which z < 0.
        """
        wanted = [np.flatnonzero(e.asked & e.refuted & ~e.proved) for e in self.entries]
        pairs = [(place, n) for place, some in enumerate(wanted) for n in some.tolist()]
        if not pairs:
            return np.zeros((0, self.network.size_in)), {}
        found = list(zip(self.entries, wanted, strict=True))
        most = np.concatenate([entry.most[some] for entry, some in found])
        least = np.concatenate([entry.least[some] for entry, some in found])
        clear = _CLEAR * np.maximum(most, -least)
        by = np.full((2, len(pairs)), -1)
        chosen: list[Array] = []
        while (by < 0).any():
            todo = np.argwhere(by < 0)
            todo = todo[np.unique(np.linspace(0, len(todo) - 1, _CANDIDATES).astype(np.int64))]
            points = np.stack([self._extreme(pairs[i], int(side)) for side, i in todo])
            values = self.network.trace(points)
            z = np.concatenate([values[entry.source][:, some] for entry, some in found], axis=1)
            shows = np.stack([z >= np.minimum(clear, most), z <= np.maximum(-clear, least)], axis=1)
            shows[np.arange(len(todo)), todo[:, 0], todo[:, 1]] = True  # its own, up to rounding
            while (gain := (shows & (by < 0)).sum(axis=(1, 2))).any():
                best = int(gain.argmax())
                by[(by < 0) & shows[best]] = len(chosen)
                chosen.append(points[best])
        return np.stack(chosen), {
            pair: (int(by[0, i]), int(by[1, i])) for i, pair in enumerate(pairs)
        }

    def _extreme(self, pair: tuple[int, int], side: int) -> Array:
        """Return the point of the largest pre-activation for side 0, of the least for side 1."""
        place, neuron = pair
        entry = self.entries[place]
        return np.asarray((entry.at_least if side else entry.at_most)[neuron])


def _replayed(
    shown: Replay, entry: Entry, neuron: int, pair: tuple[int, int], late: Callable[[], bool]
) -> Verdict:
    """Return what two points say of a neuron that they seem to refute."""
    if late() and not all(shown.bounded(point, entry.source, neuron) for point in pair):
        return Unknown("the time limit came before exact replay of the points with both signs")
    if [shown.sign(point, entry.source, neuron) for point in pair] != [1, -1]:
        return Unknown("the points that show both signs fail exact replay")
    witnesses = tuple(shown.witness(point, entry.source, neuron) for point in pair)
    return Refuted(witnesses, METHODS[entry.found[neuron]])
