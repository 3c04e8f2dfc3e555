"""The screen: what candidates for removal do at points, many candidates at once.

All points' values are kept stage by stage for the network as it is so far. A candidate changes one
neuron's activation, so everything before its layer is never computed again, and the layer behind it
changes by one column. What the screen says at a point is a float64 value: it chooses, and proves
nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Network, Piecewise, State
from ..engine.stages import Stage, stages
from .guarantee import Guarantee
from .removal import Removal, layers_without

Array = NDArray[np.float64]

_ENTRIES = 2_000_000
"""Numbers a stage may have for candidates taken together: bounds the memory."""


class Screen:
    """Points, the original's outputs there, and the values of the network so far."""

    def __init__(self, network: Network, guarantee: Guarantee, points: Array) -> None:
        """Take a network and points ``(points, inputs)`` to judge removals at."""
        self.network, self.guarantee = network, guarantee
        self.removals: tuple[Removal, ...] = ()
        self.staged = stages(network)
        self.points = np.zeros((0, network.size_in))
        self.outputs = np.zeros((0, network.size_out))
        self._layers: dict[str, Piecewise] = {}
        self._before: list[Array] = []
        self._after: list[Array] = []
        self.add(points)

    def add(self, points: Array) -> None:
        """Add points."""
        self.points = np.concatenate([self.points, points])
        self.outputs = np.concatenate([self.outputs, self.network.evaluate(points)])
        self._before, self._after = [], []
        self.take(self.removals)

    def take(self, removals: Sequence[Removal]) -> float:
        """Make a set of removals the network so far; return its least slack at any point."""
        self.removals = tuple(removals)
        layers = layers_without(self.network, self.removals)
        first = self._changed(layers)
        self._layers = layers
        self._before = self._before[: first + 1] or [self.points]
        self._after = self._after[:first] or [self.points]
        for stage in self.staged.stages[len(self._after) :]:
            if len(self._before) == len(self._after):
                self._before.append(self._sum(stage))
            self._after.append(self._layer(stage)(self._before[-1]))
        return float(self.slack().min(initial=np.inf))

    def _changed(self, layers: Mapping[str, Piecewise]) -> int:
        """Return the first stage whose activations other layers change, of those computed."""
        names = self._layers.keys() | layers.keys()
        own = {stage.activation: stage.layer for stage in self.staged.stages}
        changed = [
            self.staged.of[name]
            for name in names
            if not self._layers.get(name, own[name]).same(layers.get(name, own[name]))
        ]
        return min([*changed, len(self._after)])

    def _sum(self, stage: Stage) -> Array:
        """Return the pre-activations of a stage from the activations so far."""
        z = np.zeros((len(self.points), stage.size)) if not stage.edges else None
        for edge in stage.edges:
            part = self._after[edge.source] @ edge.weight.T
            z = part if z is None else np.add(z, part, out=z)
        assert z is not None
        z += stage.bias
        return z

    def slack(self) -> Array:
        """Return the slack of the network so far at each point."""
        return self.guarantee.slack(self.outputs, self.now)

    @property
    def now(self) -> Array:
        """Outputs ``(points, outputs)`` of the network so far."""
        return self._before[self.staged.output]

    def derivatives(self, layers: Collection[str]) -> dict[str, Array]:
        """Return what moves of some layers' activations do to the outputs of the network so far.

        ``(points, outputs, size)`` each: the derivatives where every neuron keeps its side.
        """
        count, outputs = self.now.shape
        wanted = {self.staged.of[layer]: layer for layer in layers}
        of_z = {self.staged.output: np.broadcast_to(np.eye(outputs), (count, outputs, outputs))}
        of_a: dict[int, Array] = {}
        found: dict[str, Array] = {}
        for k in range(self.staged.output, min(wanted, default=0) - 1, -1):
            stage = self.staged.stages[k]
            if k in of_a:
                own = of_a.pop(k)
                if k in wanted:
                    found[wanted[k]] = own
                of_z[k] = own * self._steep(stage, self._before[k])[:, None]
            if k not in of_z:
                continue
            slope = of_z.pop(k)
            for edge in stage.edges:
                part = slope @ edge.weight
                of_a[edge.source] = of_a[edge.source] + part if edge.source in of_a else part
        return found

    def _steep(self, stage: Stage, z: Array) -> Array:
        """Return the slopes of a stage's functions at pre-activations."""
        layer = self._layer(stage)
        steep = np.where(layer.state == State.RELU, z > 0.0, layer.state == State.IDENTITY)
        return np.where(layer.state == State.LINEAR, layer.slope, steep)

    def values(self, layer: str) -> Array:
        """Return a layer's pre-activations ``(points, size)`` in the network so far."""
        return self._before[self.staged.of[layer]]

    def judge(self, candidates: Sequence[Removal]) -> Array:
        """Return the least slack ``(candidates,)`` at any point if a candidate joined the set."""
        out = np.full(len(candidates), -np.inf)
        for some, outputs in self._tried(candidates):
            out[some] = self.guarantee.slack(self.outputs, outputs).min(axis=1, initial=np.inf)
        return out

    def moves(self, candidates: Sequence[Removal]) -> Array:
        """Return how far a candidate would move each output at most: ``(candidates, outputs)``."""
        out = np.zeros((len(candidates), self.network.size_out))
        for some, outputs in self._tried(candidates):
            out[some] = np.abs(outputs - self.now).max(axis=1, initial=0.0)
        return out

    def _tried(self, candidates: Sequence[Removal]) -> Iterator[tuple[list[int], Array]]:
        """Yield places in the candidates and the outputs ``(places, points, outputs)`` of each."""
        widest = max(stage.size for stage in self.staged.stages)
        chunk = max(1, _ENTRIES // max(1, len(self.points) * widest))
        by_stage: dict[int, list[int]] = {}
        for index, one in enumerate(candidates):
            by_stage.setdefault(self.staged.of[one.layer], []).append(index)
        for at, members in by_stage.items():
            for start in range(0, len(members), chunk):
                some = members[start : start + chunk]
                yield some, self._outputs(at, [candidates[index] for index in some])

    def _layer(self, stage: Stage) -> Piecewise:
        layer = self._layers.get(stage.activation, stage.layer)
        assert isinstance(layer, Piecewise)
        return layer

    def _outputs(self, at: int, candidates: list[Removal]) -> Array:
        """Return the outputs ``(candidates, points, outputs)`` of candidates of one stage."""
        moved: dict[int, Array] = {}  # changes of activations by stage
        neurons = np.array([one.neuron for one in candidates])
        z = self._before[at][:, neurons].T
        new = np.array([_line(one, row) for one, row in zip(candidates, z, strict=True)])
        moved[at] = new - self._after[at][:, neurons].T
        for k in range(at + 1, len(self.staged.stages)):
            stage = self.staged.stages[k]
            reads = [edge for edge in stage.edges if edge.source in moved]
            if not reads:
                continue
            change = np.zeros((len(candidates), len(self.points), stage.size))
            for edge in reads:
                if edge.source == at:
                    change += moved[at][:, :, None] * edge.weight[:, neurons].T[:, None, :]
                else:
                    change += moved[edge.source] @ edge.weight.T
            before = self._before[k] + change
            if k == self.staged.output:
                return before
            moved[k] = self._layer(stage)(before) - self._after[k]
        return np.broadcast_to(self.now, (len(candidates), *self.now.shape))


def _line(one: Removal, z: Array) -> Array:
    """Return a removed neuron's activations at pre-activations ``z``."""
    match one.state:
        case State.ZERO:
            return np.zeros_like(z)
        case State.IDENTITY:
            return z
        case _:
            return one.slope * z + one.intercept
