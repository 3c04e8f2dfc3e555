"""Boxes on which two networks are one function: nothing can differ there, not even where they tie.

Both have the same weights, number by number, and some neurons of one of them are lines where those
of the other are ReLUs. Where bounds show that each such ReLU is that line on a box, layer after
layer nothing differs there, and a claim that any network keeps of itself holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .exact import Exact
from .form import Lemma, SameBest, Within
from .model import Affine, Model, Select, sources_of
from .system import Activation, System

Index = NDArray[np.int64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """ReLUs that are lines in the other network.

    Attributes:
        node: of the ReLUs.
        size: of the layer.
        neuron: which ones.
        up: whether the line is the identity; else it is 0.
    """

    node: int
    size: int
    neuron: Index
    up: Truths


@dataclass(frozen=True, slots=True, eq=False)
class Same:
    """What has to be shown of a box for both networks to be one function there.

    Attributes:
        system: both networks.
        layers: of either network.
    """

    system: System
    layers: tuple[_Layer, ...]

    def holds(self, bounds: Bounds, kept: dict[int, Index], box: Index) -> Truths:
        """Return on which boxes it is shown by bounds.

        Args:
            bounds: of boxes.
            kept: which neurons of an activation they speak of; those left out are 0.
            box: ``(some,)``.
        """
        out = np.ones(box.size, np.bool_)
        for layer in self.layers:
            low, high = bounds.ends[self._read(layer)]
            least = np.full((box.size, layer.size), -np.inf)
            most = np.zeros((box.size, layer.size))
            which = kept.get(layer.node, slice(None))
            least[:, which], most[:, which] = low[box], high[box]
            up, down = least[:, layer.neuron] >= 0.0, most[:, layer.neuron] <= 0.0
            out &= np.where(layer.up, up, down).all(axis=1)
        return out

    def exactly(self, exact: Exact, kept: dict[int, Index]) -> bool:
        """Return whether it is shown on one box, without rounding."""
        for layer in self.layers:
            low, high = exact.ends[self._read(layer)]
            up, down = np.zeros(layer.size, np.bool_), np.ones(layer.size, np.bool_)
            which = kept.get(layer.node, slice(None))
            up[which], down[which] = low.whole >= 0, high.whole <= 0
            if not np.where(layer.up, up[layer.neuron], down[layer.neuron]).all():
                return False
        return True

    def _read(self, layer: _Layer) -> int:
        node = self.system.nodes[layer.node]
        assert isinstance(node, Activation)
        return node.source


def same_of(lemma: Lemma, models: Sequence[Model], system: System) -> Same | None:
    """Return what makes a lemma's two networks one; None where that is not known or shows nothing.

    Args:
        lemma: any.
        models: of its files.
        system: its networks.
    """
    if len(lemma.subjects) != 2:
        return None
    one, two = lemma.subjects
    if one.inputs != two.inputs or not _one_network(models[one.file], models[two.file]):
        return None
    match lemma.claim:
        case Within(tolerance=tolerance) if tolerance >= 0:
            pass
        case SameBest(band=band, room=room) if band >= 0 and room == 0:
            pass
        case _:
            return None
    count, layers = len(models[one.file].nodes), []
    for at in range(1, 1 + count):  # node 0 is the vector of inputs; then come both networks
        first, second = system.nodes[at], system.nodes[at + count]
        if not isinstance(first, Activation) or not isinstance(second, Activation):
            continue
        lines = (first.slope != second.slope) | (first.intercept != second.intercept)
        if (~first.relu & ~second.relu & lines).any():
            return None
        for node, relu, line in ((at, first, second), (at + count, second, first)):
            neuron = np.flatnonzero(relu.relu & ~line.relu)
            slope = line.slope[neuron]
            if (line.intercept[neuron] != 0.0).any() or not np.isin(slope, (0.0, 1.0)).all():
                return None
            if neuron.size:
                layers.append(_Layer(node, relu.relu.size, neuron, slope == 1.0))
    return Same(system, tuple(layers))


def _one_network(one: Model, two: Model) -> bool:
    """Return whether two models are the same, node by node and number by number."""
    if one is two:
        return True
    if (one.sizes, one.output) != (two.sizes, two.output):
        return False
    for first, second in zip(one.nodes, two.nodes, strict=True):
        if type(first) is not type(second) or sources_of(first) != sources_of(second):
            return False
        match first, second:
            case Affine(), Affine():
                if not np.array_equal(first.weight, second.weight):
                    return False
                if not np.array_equal(first.bias, second.bias):
                    return False
            case Select(), Select():
                if not np.array_equal(first.indices, second.indices):
                    return False
    return True
