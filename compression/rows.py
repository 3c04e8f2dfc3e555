"""Structured pruning: whole neurons and channels leave the network, and what reads them shrinks.

Every value of the network is traced to the unit that it comes from: a neuron of a dense layer or a
channel of a convolution. Activations, scales, selections and concatenations hand units on, and so
do sums whose terms come from the same unit (a leaky ReLU, a max pool). A unit may go where nothing
but weights reads what comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import (
    Affine,
    Concat,
    Input,
    Layer,
    Network,
    Node,
    Piecewise,
    Quantize,
    Select,
    Sum,
)
from ..engine.operators import Convolution, Dense, Diagonal, Operator
from .form import Compressed
from .method import Norm, Rows, Scope
from .plain import is_structural, narrow, plain

Array = NDArray[np.float64]
Units = NDArray[np.int64]
Mask = NDArray[np.bool_]

NONE = -1
"""The unit of a value that comes from no unit, or from several."""


def prune_rows(network: Network, method: Rows) -> Compressed:
    """Return the smaller network without the units of smallest weights.

    Args:
        network: any network with weights.
        method: how many units go, and how they are compared. A share of 0 removes none.

    Raises:
        InputError: nothing can be removed, as every unit reaches an output or a sum as it is.
    """
    network = narrow(network)
    units = Tracing(network)
    free = units.removable()
    if not free:
        raise InputError(
            f"{network.origin.path} has no neuron or channel that can be removed: all reach an "
            "output, or a sum with others, without a layer between; prune single weights"
        )
    scores = {}
    for name in free:
        layer = network.by_name[name].layer
        assert isinstance(layer, Affine)
        scores[name] = _score(layer.operator.weight, method.norm)
    return plain(units.without(units.spared(_smallest(scores, method), scores)))


def _score(weight: Array, norm: Norm) -> Array:
    flat = weight.reshape(len(weight), -1)
    match norm:
        case Norm.ONE:
            return np.asarray(np.abs(flat).mean(axis=1))
        case Norm.TWO:
            return np.asarray(np.sqrt((flat * flat).mean(axis=1)))
        case _ as never:
            assert_never(never)


def _smallest(scores: Mapping[str, Array], method: Rows) -> dict[str, Mask]:
    """Return for each layer which of its units go; the largest of a layer never does."""
    gone = {name: np.zeros(score.size, np.bool_) for name, score in scores.items()}
    names = list(scores)
    groups = [names] if method.scope is Scope.GLOBAL else [[name] for name in names]
    for group in groups:
        places = [
            (float(scores[name][unit]), index, int(unit))
            for index, name in enumerate(group)
            for unit in np.argsort(scores[name], kind="stable")[:-1]
        ]
        count = int(method.share * sum(scores[name].size for name in group))
        for _, index, unit in sorted(places)[:count]:
            gone[group[index]][unit] = True
    return gone


@dataclass(slots=True, eq=False, init=False)
class Tracing:
    """Which unit each value of a network comes from.

    Attributes:
        network: the network.
        first: for each layer that has units the number of its first; they are counted on.
        units: for each node ``(size,)`` int64, a unit or `NONE` for each value.
    """

    network: Network
    first: dict[str, int]
    units: dict[str, Units]

    def __init__(self, network: Network) -> None:
        self.network, self.first, self.units = network, {}, {}
        count = 0
        for node in network.nodes:
            layer = node.layer
            if isinstance(layer, Affine) and not is_structural(layer):
                channels = len(layer.operator.weight)
                self.first[node.name] = count
                self.units[node.name] = np.repeat(
                    np.arange(count, count + channels), node.size // channels
                )
                count += channels
            else:
                self.units[node.name] = self._handed_on(node)

    def _handed_on(self, node: Node) -> Units:
        read = [self.units[name] for name in node.sources]
        match node.layer:
            case Affine(operator=Convolution() as window) if _by_channel(window):
                channels, first = _by_rows(read[0], window.shape_in[0])
                own = np.where(channels, first, NONE)
                return np.repeat(own, node.size // own.size)
            case Input() | Affine(operator=Dense() | Convolution()):
                return np.full(node.size, NONE, dtype=np.int64)
            case Sum():
                alike = np.all([part == read[0] for part in read], axis=0)
                return np.where(alike, read[0], NONE)
            case Concat():
                return np.concatenate(read)
            case Select(indices=indices):
                return read[0][indices]
            case _:
                return read[0]

    def removable(self) -> list[str]:
        """Return the layers whose units may all be removed, in order."""
        held = set(self.units[self.network.output].tolist())
        for node in self.network.nodes:
            read = [self.units[name] for name in node.sources]
            match node.layer:
                case Sum():
                    for part in read:
                        held |= set(part[part != self.units[node.name]].tolist())
                case Affine(operator=Convolution() as window) as layer:
                    structural = is_structural(layer)
                    if structural != _by_channel(window) or (window.groups > 1 and not structural):
                        held |= set(read[0].tolist())
                    alike, _ = _by_rows(read[0], window.shape_in[0])
                    held |= set(read[0].reshape(alike.size, -1)[~alike].ravel().tolist())
                case Affine(operator=Dense()) as layer if is_structural(layer):
                    held |= set(read[0].tolist())
                case _:
                    pass
        return [name for name in self.first if not held & set(self._of(name))]

    def _of(self, name: str) -> range:
        layer = self.network.by_name[name].layer
        assert isinstance(layer, Affine)
        return range(self.first[name], self.first[name] + len(layer.operator.weight))

    def spared(self, gone: Mapping[str, Mask], scores: Mapping[str, Array]) -> dict[str, Mask]:
        """Return the same, but that each node keeps a value: its largest unit where all would go.

        A selection may pass on a part of a layer alone, all of which may be small.

        Args:
            gone: ``(channels,)`` which units of some layers go.
            scores: ``(channels,)`` of the same layers, how large they are.
        """
        out = {name: mask.copy() for name, mask in gone.items()}
        for node in self.network.nodes:
            owners = [
                (float(scores[name][unit - self.first[name]]), name, unit - self.first[name])
                for unit in dict.fromkeys(self.units[node.name].tolist())
                for name in out
                if unit in self._of(name)
            ]
            whole = len(owners) == len(set(self.units[node.name].tolist()))
            if whole and owners and all(out[name][unit] for _, name, unit in owners):
                _, name, unit = max(owners)
                out[name][unit] = False
        return out

    def without(self, gone: Mapping[str, Mask]) -> Network:
        """Return the network without some units of removable layers.

        Args:
            gone: ``(channels,)`` for some of them; at least one channel of each layer stays.
        """
        leaving = [self.first[name] + np.flatnonzero(mask) for name, mask in gone.items()]
        out = np.concatenate([np.array([], dtype=np.int64), *leaving])
        stay = {name: ~np.isin(units, out) for name, units in self.units.items()}
        nodes = []
        for node in self.network.nodes:
            kept = stay[node.name]
            if kept.all() and all(stay[name].all() for name in node.sources):
                nodes.append(node)
                continue
            layer = _smaller(node.layer, kept, [stay[name] for name in node.sources])
            nodes.append(replace(node, layer=layer, shape=_shape(node, kept)))
        network = self.network
        return Network(tuple(nodes), network.output, network.origin, network.normalisation)


def _smaller(layer: Layer, kept: Mask, read: Sequence[Mask]) -> Layer:
    """Return a layer of the values that stay, given which stay of itself and of its sources."""
    match layer:
        case Affine(operator=operator, bias=bias):
            return Affine(_fewer(operator, kept, read[0]), bias[kept])
        case Quantize(scale=scale, low=low, high=high):
            return Quantize(scale[kept], low[kept], high[kept])
        case Piecewise(state=state, slope=slope, intercept=intercept):
            return Piecewise(state[kept], slope[kept], intercept[kept])
        case Sum():
            return Sum(int(kept.sum()))
        case Concat():
            return Concat(tuple(int(part.sum()) for part in read))
        case Select(indices=indices):
            places = np.cumsum(read[0]) - 1
            return Select(places[indices[kept]], int(read[0].sum()))
        case Input():
            return layer
        case _ as never:
            assert_never(never)


def _fewer(operator: Operator, kept: Mask, read: Mask) -> Operator:
    """Return an operator between the values that stay."""
    match operator:
        case Dense(weight=weight):
            return Dense(weight[np.ix_(kept, read)])
        case Diagonal(weight=weight):
            return Diagonal(weight[kept])
        case Convolution() as window:
            out = _channels(kept, window.shape_out[0])
            into = _channels(read, window.shape_in[0])
            several = window.groups > 1  # a pool: a channel for each channel
            weight = window.weight[out] if several else window.weight[np.ix_(out, into)]
            count = int(into.sum())
            groups, shape = count if several else 1, (count, *window.shape_in[1:])
            return replace(window, weight=weight, shape_in=shape, groups=groups)
        case _ as never:
            assert_never(never)


def _by_channel(window: Convolution) -> bool:
    """Return whether each channel comes from the channel of its number alone."""
    return window.groups == window.shape_in[0] == window.shape_out[0]


def _by_rows(units: Units, rows: int) -> tuple[Mask, Units]:
    """Return which rows of units are of one unit each, and the first unit of each row."""
    table = units.reshape(rows, -1)
    return (table == table[:, :1]).all(axis=1), table[:, 0]


def _channels(kept: Mask, channels: int) -> Mask:
    """Return which channels stay, of values that stay channel by channel."""
    return kept.reshape(channels, -1)[:, 0]


def _shape(node: Node, kept: Mask) -> tuple[int, ...]:
    """Return the shape of a node's values that stay: fewer channels where it has channels."""
    count = int(kept.sum())
    if len(node.shape) < 3:
        return (count,)
    lead, rest = node.shape[:-3], node.shape[-2:]
    channels = count // int(np.prod(rest))
    if all(size == 1 for size in lead) and channels * int(np.prod(rest)) == count:
        return (*lead, channels, *rest)
    return (count,)
