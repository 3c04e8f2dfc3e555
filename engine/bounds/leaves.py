"""Leaves of a search over phases by linear bounds: what their fixed phases say of everything else.

Fixing the phase of a neuron cuts its pre-activation at 0. Linear bounds with the cut carry this to
the later layers: neurons become stable, some leaves turn out empty, others are settled, all before
a linear program is solved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...encodings.relu import Phase
from ..assemble import Unstable
from ..network import Network
from ..rounding import Array
from .interval import Bounds, Interval
from .linear import linear

Judge = Callable[[Array, Array], Array]
"""Takes proved bounds ``(leaves, size)`` of the target, gives proved lower bounds ``(leaves,)`` of
the quantity that is to be made least."""


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """What is proved of some leaves; its bounds hold where their phases do.

    Attributes:
        phase: ``(leaves, unstable)`` `Phase`; those fixed and those that follow.
        positive: ``(leaves, unstable)`` upper bounds of max(z, 0).
        negative: ``(leaves, unstable)`` upper bounds of max(-z, 0).
        bound: ``(leaves,)`` lower bound of the quantity that is to be made least.
        empty: ``(leaves,)`` whether no point of the box has these phases.
    """

    phase: NDArray[np.int8]
    positive: Array
    negative: Array
    bound: Array
    empty: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The unstable neurons of one layer.

    Attributes:
        node: name of the `Piecewise` node.
        source: name of the node whose values are the pre-activations.
        members: which of the unstable neurons they are.
        neurons: their indices in the layer.
    """

    node: str
    source: str
    members: NDArray[np.intp]
    neurons: NDArray[np.int64]


class Leaves:
    """Bounds leaves of one box.

    Attributes:
        groups: the unstable neurons, layer by layer.
    """

    def __init__(
        self,
        network: Network,
        lower: Array,
        upper: Array,
        bounds: Mapping[str, tuple[Array, Array]],
        unstable: Unstable,
        target: str,
        judge: Judge,
    ) -> None:
        """Take the box, its proved bounds, and the neurons whose phases are searched over."""
        self._network, self._box, self._bounds = network, (lower, upper), bounds
        self._target, self._judge = target, judge
        names = np.array(unstable.node, dtype=object)
        self.groups = [
            Group(node.name, node.sources[0], members, unstable.neuron[members])
            for node in network.piecewise
            if (members := np.flatnonzero(names == node.name)).size
        ]
        self._order = {node.name: place for place, node in enumerate(network.nodes)}

    def bounds(self, phase: NDArray[np.int8]) -> tuple[dict[str, Interval], NDArray[np.bool_]]:
        """Return bounds ``(leaves, size)`` of every node, and which leaves are empty.

        Args:
            phase: ``(leaves, unstable)``, fixed phases; the bounds hold where they do.
        """
        count = len(phase)
        known = {
            name: (np.tile(low, (count, 1)), np.tile(high, (count, 1)))
            for name, (low, high) in self._bounds.items()
        }
        cut = []
        for group in self.groups:
            low, high = known[group.source]
            fixed = phase[:, group.members]
            if fixed.any():
                cut.append(group.source)
            at = np.s_[:, group.neurons]
            low[at] = np.where(fixed == Phase.ACTIVE, np.maximum(low[at], 0.0), low[at])
            high[at] = np.where(fixed == Phase.INACTIVE, np.minimum(high[at], 0.0), high[at])
        found = self._linear(known, cut, count) if cut else known
        empty = np.zeros(count, dtype=bool)
        for low, high in found.values():
            empty |= (low > high).any(axis=1)
        return found, empty

    def __call__(self, phase: NDArray[np.int8]) -> Refined:
        """Return what is proved of leaves ``(leaves, unstable)``."""
        found, empty = self.bounds(phase)
        out, ends = self.implied(phase, found)
        bound = self._judge(*found[self._target])
        return Refined(out, *ends, np.where(np.isnan(bound), -np.inf, bound), empty)

    def implied(
        self, phase: NDArray[np.int8], found: Bounds
    ) -> tuple[NDArray[np.int8], tuple[Array, Array]]:
        """Return phases with those that follow from bounds, and bounds of both parts.

        Args:
            phase: ``(leaves, unstable)``.
            found: as `bounds` gives them.
        """
        out = phase.copy()
        ends = [np.empty(phase.shape), np.empty(phase.shape)]
        for group in self.groups:
            low, high = (
                # A NaN, from infinite bounds, says nothing.
                np.where(np.isnan(side), given, side)[:, group.neurons]
                for side, given in zip(found[group.source], self._bounds[group.source], strict=True)
            )
            fixed = out[:, group.members]
            shut, on = (fixed == 0) & (high <= 0.0), (fixed == 0) & (low >= 0.0)
            fixed = np.where(shut, Phase.INACTIVE, np.where(on, Phase.ACTIVE, fixed))
            out[:, group.members] = fixed
            ends[0][:, group.members] = np.where(fixed == Phase.INACTIVE, 0.0, np.maximum(high, 0))
            ends[1][:, group.members] = np.where(fixed == Phase.ACTIVE, 0.0, np.maximum(-low, 0))
        return out, (ends[0], ends[1])

    def _linear(
        self, known: dict[str, tuple[Array, Array]], cut: list[str], count: int
    ) -> dict[str, tuple[Array, Array]]:
        """Bound again what stands after the first layer that was cut."""
        first = min(self._order[name] for name in cut)
        later = frozenset(
            group.source for group in self.groups if self._order[group.source] > first
        )
        lower, upper = (np.tile(side, (count, 1)) for side in self._box)
        nodes = later | {self._target}
        return linear(self._network, lower, upper, known=known, nodes=nodes)
