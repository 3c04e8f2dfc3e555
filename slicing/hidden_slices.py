"""Slices of a hidden layer's values, and the signs that each decides behind the layer.

Bounds of two kinds decide the neurons behind the layer for a cell of its values. Those of the whole
network over the region know how the layer's values depend on each other, and the cell as limits of
its pre-activations; those of the tail alone over the cell know nothing of the inputs. What one kind
decides the other takes as known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.packed import LOWER, UPPER
from ..engine.errors import RegionError
from ..engine.layers import Layer
from ..engine.network import Network, Node, Piecewise, State
from ..engine.stages import stages
from .adaptive import Grown, Until, adaptive, zeros
from .hidden import Hidden
from .slices import Slices
from .undecided import Undecided

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]
Index = NDArray[np.int64]

NEURONS: Final = 8
"""Neurons of the layer that are cut unless told."""

POINTS: Final = 2000
"""Random inputs whose values weigh the cells: most of a box of hidden values is never reached."""


@dataclass(frozen=True, slots=True, eq=False)
class Behind:
    """Counts the ReLUs behind a hidden layer that stay undecided on boxes of its values.

    What is decided holds at the layer's real values, inside a box, of all inputs of the region.

    Attributes:
        hidden: the network and the layer.
        workers: threads.
        front, back: bounds of the whole network and of the tail.
        same: ``(relus of the tail,)`` which of the whole network's ReLUs each is.
        layer: ``(size,)`` places of the layer's pre-activations in the whole network; empty where
            it has none of its own.
        active: whether the layer's values are activations, so that 0 limits them only from above.
    """

    hidden: Hidden
    workers: int = 1
    front: Undecided = field(init=False, repr=False)
    back: Undecided = field(init=False, repr=False)
    same: Index = field(init=False, repr=False)
    layer: Index = field(init=False, repr=False)
    active: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        network, tail = self.hidden.network, self.hidden.tail
        front, back = Undecided(network, self.workers), Undecided(tail, self.workers)
        first, last = _places(network, front), _places(tail, back)
        same = np.empty(back.relus.size, dtype=np.int64)
        for name, here in last.items():
            same[here] = first[name]
        own = network.by_name[self.hidden.layer]
        active = np.zeros(own.size, np.bool_)
        place, start = np.zeros(0, np.int64), None
        staged = stages(network)
        if isinstance(own.layer, Piecewise):
            start = int(front.packed.offset[staged.of[own.name]])
            active = own.layer.state == State.RELU
            plain = active | (own.layer.state == State.IDENTITY)
            start = start if plain.all() else None
        else:
            found = [k for k, stage in enumerate(staged.stages) if k and stage.name == own.name]
            start = int(front.packed.offset[found[0]]) if found else None
        if start is not None:
            place = start + np.arange(own.size)
        given = (("front", front), ("back", back), ("same", same), ("layer", place))
        for name, value in (*given, ("active", active)):
            object.__setattr__(self, name, value)

    def __call__(
        self, lower: Array, upper: Array, known: Flags | None = None
    ) -> tuple[Array, Flags]:
        """Return the count ``(boxes,)`` on each box of values, and the signs that are known there.

        Args:
            lower: ``(boxes, size of the layer)`` float64, closed.
            upper: the same.
            known: ``(boxes, relus of the tail)`` bits as `Undecided` has them; None for nothing.
        """
        boxes, region = len(lower), self.hidden.region
        low, high = self.hidden.widened(lower, upper)
        flags = np.zeros((boxes, self.front.relus.size), np.uint8)
        if known is not None:
            flags[:, self.same] = known
        limits = None
        if self.layer.size:
            least = np.where(self.active & (low <= 0.0), -np.inf, low)
            most = np.where(self.active & (high < 0.0), 0.0, high)
            limits = self.layer, least, most
        inputs = [np.repeat(ends[None], boxes, axis=0) for ends in (region.lower, region.upper)]
        flags = self.front.signs(inputs[0], inputs[1], flags, limits)[:, self.same]
        return self.back(low, high, flags)

    def phases(self, slices: Slices, cells: Index | slice = slice(None)) -> Flags:
        """Return the signs that are known in cells ``(cells, relus of the tail)``, as bits.

        Args:
            slices: of the layer's values.
            cells: numbers of cells; all of them unless told.
        """
        return self(*slices.boxes(cells))[1]

    def settled(self, flags: Flags) -> Network:
        """Return the tail with its decided ReLUs made zero or the identity.

        Args:
            flags: ``(relus of the tail,)`` of one cell, as `phases` gives them.
        """
        tail, layers = self.hidden.tail, dict[str, Layer]()
        for name, here in _places(tail, self.back).items():
            layer = tail.by_name[name].layer
            assert isinstance(layer, Piecewise)
            state, relus = layer.state.copy(), np.flatnonzero(layer.state == State.RELU)
            state[relus[(flags[here] & LOWER) != 0]] = State.IDENTITY
            state[relus[(flags[here] & UPPER) != 0]] = State.ZERO
            layers[name] = Piecewise(state, layer.slope, layer.intercept)
        return tail.with_layers(layers)


def _places(network: Network, counted: Undecided) -> dict[str, Index]:
    """Return for each hidden layer the places of its ReLUs among all that are counted."""
    staged, found = stages(network), dict[str, Index]()
    for node in network.piecewise:
        start = int(counted.packed.offset[staged.of[node.name]])
        found[node.name] = np.searchsorted(counted.relus, start + _relus(node))
    return found


def _relus(node: Node) -> Index:
    assert isinstance(node.layer, Piecewise)
    return np.flatnonzero(node.layer.state == State.RELU)


def hidden_slices(
    hidden: Hidden,
    until: Until | None = None,
    *,
    neurons: Sequence[int] | int = NEURONS,
    points: int = POINTS,
    workers: int = 1,
    seed: int = 0,
) -> Grown:
    """Return slices of a layer's values that leave few neurons behind it undecided.

    A pre-activation is cut at zero first, which decides it, and then in the middle.

    Args:
        hidden: the network and the layer.
        until: when to stop.
        neurons: those of the layer that may be cut, or how many: then those that save most.
        points: random inputs of the region; a cell's share is that of their values. 0 for volume.
        workers: threads.
        seed: of the inputs.

    Raises:
        RegionError: neurons that are not there.
    """
    cost = Behind(hidden, workers)
    values = None
    if points:
        lattice = hidden.region.lattice("float64")
        part = np.random.default_rng(seed).random((points, hidden.region.size))
        some = lattice.snap(lattice.lower + part * (lattice.upper - lattice.lower))
        values = hidden.head.evaluate(some)
    if isinstance(neurons, int):
        neurons = _promising(hidden, cost, neurons, values)
    return adaptive(hidden.whole, cost, until, inputs=neurons, points=values, places=zeros)


def _promising(hidden: Hidden, cost: Behind, most: int, values: Array | None) -> list[int]:
    """Return the neurons of which one cut saves most, at most as many; in order."""
    low, high = hidden.whole.lower, hidden.whole.upper
    if most < 1:
        raise RegionError(f"{hidden.whole.name}: {most} neurons to cut: give at least 1")
    at = zeros(low, high)
    ready = np.flatnonzero((low < at) & (at < high))
    if not ready.size:
        return []
    lower = np.repeat(low[None], 2 * ready.size, axis=0)
    upper = np.repeat(high[None], 2 * ready.size, axis=0)
    pair = 2 * np.arange(ready.size)
    upper[pair, ready], lower[pair + 1, ready] = at[ready], at[ready]
    _, known = cost(low[None], high[None])
    costs = cost(lower, upper, np.repeat(known, len(lower), axis=0))[0].reshape(-1, 2)
    share = ((at - low) / np.maximum(high - low, np.finfo(float).tiny))[ready]
    if values is not None:
        share = (values < at).mean(axis=0)[ready]
    mean = share * costs[:, 0] + (1.0 - share) * costs[:, 1]
    order = np.lexsort((ready, low[ready] - high[ready], mean))
    return sorted(ready[order[:most]].tolist())
