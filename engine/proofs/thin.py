"""What a box passes on to boxes inside it: bounds of pre-activations, and neurons that are dead.

Bounds that hold on a box hold on its parts. Neurons that are 0 on all boxes that are looked at
together leave the system; those that are the identity on all of them come last, where they cost
nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .exact import Exact, Fixed, Sides
from .model import Affine, FormatError
from .phases import Change, clip
from .system import Activation, Node, Pair, System, sources

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Thinner:
    """Bounds boxes with what is known of larger ones.

    Attributes:
        place: where each activation's neurons are among all.
        size: of all activations.
        held: ``(neurons,)`` those that never leave.
    """

    def __init__(self, system: System, whole: Collection[int]) -> None:
        """Look at a system.

        Args:
            system: the networks.
            whole: nodes that keep all of their values.
        """
        self.system = system
        self.activations = {
            at: node for at, node in enumerate(system.nodes) if isinstance(node, Activation)
        }
        self.place: dict[int, slice] = {}
        begin = 0
        for at in self.activations:
            self.place[at] = slice(begin, begin + system.sizes[at])
            begin += system.sizes[at]
        self.size = begin
        self.held = np.zeros(begin, np.bool_)
        self.thin = self._thin(frozenset(whole))

    def nothing(self, boxes: int) -> Array:
        """Return that nothing is known: ``(boxes, 2, neurons)`` lower and upper bounds."""
        out = np.empty((boxes, 2, self.size))
        out[:, 0], out[:, 1] = -np.inf, np.inf
        return out

    def bounds(
        self,
        lower: Array,
        upper: Array,
        known: Array,
        *,
        still: Collection[int] = (),
        moves: bool = False,
    ) -> tuple[Bounds, dict[int, Index]]:
        """Return bounds on boxes, and which neurons of each thinned activation they speak of.

        Args:
            lower: ``(boxes, inputs)``.
            upper: the same.
            known: ``(boxes, 2, neurons)`` bounds of pre-activations on larger boxes.
            still: activations of which nothing more can be found than is known.
            moves: as of `Bounds`.
        """
        least, most = known[:, 0].min(axis=0), known[:, 1].max(axis=0)
        kept: dict[int, Index] = {}
        pairs = {pair.first: pair for pair in self.system.pairs}
        seconds = {pair.second for pair in self.system.pairs}
        orders: dict[int, Index] = {}
        for at in self.thin:
            if at in seconds:
                continue
            layer, pair = self.activations[at], pairs.get(at)
            dead, free = self._state(at, layer, least, most)
            if pair is not None:
                other = self._state(pair.second, self.activations[pair.second], least, most)
                dead, free = dead & other[0][pair.order], free & other[1][pair.order]
            front, back = np.flatnonzero(~dead & ~free), np.flatnonzero(~dead & free)
            kept[at] = np.concatenate([front, back]) if front.size + back.size else np.zeros(1, int)
            if pair is not None:
                kept[pair.second] = pair.order[kept[at]]
                orders[at] = np.arange(kept[at].size)
        system = self._thinned(kept, orders)
        nodes: dict[int, tuple[Array, Array]] = {}
        for at, layer in self.activations.items():
            part = known[:, :, self.place[at]]
            part = part[:, :, kept[at]] if at in kept else part
            nodes[layer.source] = part[:, 0], part[:, 1]
        return Bounds(system, lower, upper, nodes, still=still, moves=moves), kept

    def alone(
        self, lower: Array, upper: Array, fixed: dict[int, bool]
    ) -> tuple[Exact, dict[int, Index]]:
        """Return exact bounds on one box ``(inputs,)``, with nothing known of larger ones.

        Args:
            lower: of the box.
            upper: the same.
            fixed: neurons whose phases are fixed, and whether above.

        Returns:
            The bounds, and which neurons they speak of, as `bounds` does.
        """
        known = self.nothing(1)
        clip(known[0], fixed)
        bounds, kept = self.bounds(lower[None], upper[None], known)
        return Exact(bounds, 0, self.known({}, kept), self.fixed(fixed, kept)), kept

    def fixed(self, fixed: dict[int, bool], kept: dict[int, Index]) -> dict[int, Fixed]:
        """Return which of a node's values are at least 0, and which at most, by phases."""
        out = {}
        for at, layer in self.activations.items():
            place = self.place[at]
            own = {one - place.start: up for one, up in fixed.items() if _within(one, place)}
            if own:
                which = kept.get(at, np.arange(place.stop - place.start)).tolist()
                sides = [own.get(one) for one in which]
                out[layer.source] = (
                    np.array([side is True for side in sides]),
                    np.array([side is False for side in sides]),
                )
        return out

    def still(self, changes: Iterable[Change]) -> frozenset[int]:
        """Return the activations that none of some changes moves."""
        left = set(self.activations)
        for change in changes:
            if change.smaller:
                return frozenset()
            for neuron in change.neurons:
                left -= self._moved[neuron]
        return frozenset(left)

    @cached_property
    def _moved(self) -> Mapping[int, frozenset[int]]:
        """Return for each neuron the activations that read it, at whatever distance."""
        moved: dict[int, frozenset[int]] = {}
        for at in self.activations:
            reached = {at}
            for node in range(at + 1, len(self.system.nodes)):
                if reached & set(sources(self.system.nodes[node])):
                    reached.add(node)
            found = frozenset(reached & set(self.activations)) - {at}
            place = self.place[at]
            moved.update(dict.fromkeys(range(place.start, place.stop), found))
        return moved

    def passed_on(self, bounds: Bounds, kept: dict[int, Index], known: Array) -> Array:
        """Return what is known on boxes once they are bounded."""
        out = known.copy()
        for at, layer in self.activations.items():
            part = out[:, :, self.place[at]]
            low, high = bounds.ends[layer.source]
            which = kept.get(at, slice(None))
            part[:, 0, which], part[:, 1, which] = low, high
        return out

    def known(self, known: Mapping[int, Sides], kept: dict[int, Index]) -> dict[int, Sides]:
        """Return exact bounds of what is kept, from those of all neurons.

        Args:
            known: of pre-activations on a larger box, by activation.
            kept: which neurons of each thinned activation are there.

        Raises:
            FormatError: a neuron was left out that is not 0 without rounding.
        """
        out = {}
        for at, which in kept.items():
            gone = np.ones(self.system.sizes[at], np.bool_)
            gone[which] = False
            if gone.any() and (at not in known or (known[at][1].whole[gone] > 0).any()):
                raise FormatError("a neuron is 0 on a box by rounding alone")
        for at, (low, high) in known.items():
            picked = kept.get(at, slice(None))
            out[self.activations[at].source] = low[picked], high[picked]
        return out

    def known_on(
        self, known: Mapping[int, Sides], exact: Exact, kept: dict[int, Index]
    ) -> dict[int, Sides]:
        """Return exact bounds of all neurons' pre-activations on a box."""
        out = {}
        for at, layer in self.activations.items():
            low, high = exact.ends[layer.source]
            if at in kept and at in known:
                low, high = known[at][0].put(kept[at], low), known[at][1].put(kept[at], high)
            elif at in kept:  # nothing is known: nothing was left out
                back = np.argsort(kept[at])
                low, high = low[back], high[back]
            out[at] = low, high
        return out

    def _state(
        self, at: int, layer: Activation, least: Array, most: Array
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which neurons are 0, and which are the identity, on all boxes."""
        part = self.place[at]
        dead = layer.relu & (most[part] <= 0.0) & ~self.held[part]
        return dead, layer.relu & (least[part] >= 0.0)

    def _thin(self, whole: frozenset[int]) -> frozenset[int]:
        """Return the activations whose neurons may leave: matrices alone read and feed them."""
        readers: dict[int, list[int]] = {at: [] for at in range(len(self.system.nodes))}
        for at, node in enumerate(self.system.nodes):
            for source in sources(node):
                readers[source].append(at)
        found = set()
        for at, layer in self.activations.items():
            alone = readers[layer.source] == [at] and not {at, layer.source} & whole
            fed = isinstance(self.system.nodes[layer.source], Affine)
            read = all(isinstance(self.system.nodes[one], Affine) for one in readers[at])
            if alone and fed and read:
                found.add(at)
        for pair in self.system.pairs:
            if not {pair.first, pair.second} <= found:
                found -= {pair.first, pair.second}
        return frozenset(found)

    def _thinned(self, kept: dict[int, Index], orders: dict[int, Index]) -> System:
        """Return the system of the kept neurons."""
        nodes: list[Node] = list(self.system.nodes)
        sizes = list(self.system.sizes)
        columns = kept
        rows = {self.activations[at].source: which for at, which in kept.items()}
        for at, which in kept.items():
            layer = self.activations[at]
            nodes[at] = Activation(
                layer.source, layer.relu[which], layer.slope[which], layer.intercept[which]
            )
            sizes[at] = sizes[layer.source] = which.size
        for at, node in enumerate(self.system.nodes):
            if isinstance(node, Affine) and (at in rows or node.source in columns):
                weight, bias = node.weight, node.bias
                if at in rows:
                    weight, bias = weight[rows[at]], bias[rows[at]]
                if node.source in columns:
                    weight = weight[:, columns[node.source]]
                nodes[at] = Affine(node.source, weight, bias)
        pairs = tuple(
            Pair(pair.first, pair.second, orders.get(pair.first, pair.order))
            for pair in self.system.pairs
        )
        return replace(self.system, nodes=tuple(nodes), sizes=tuple(sizes), pairs=pairs)


def _within(neuron: int, place: slice) -> bool:
    return bool(place.start <= neuron < place.stop)
