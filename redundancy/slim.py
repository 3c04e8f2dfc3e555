"""A network without the neurons that are zero, for work that evaluates or bounds it many times.

A neuron that is zero adds nothing to any sum. Taken out of its layer with its row, and out of the
layers that read it with its columns, it takes no other number with it and nothing is rounded: both
networks are equal in real arithmetic, whatever the input. On cells of ACAS Xu three neurons of five
are zero, and what is left takes a fifth of the multiply-adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Affine, Network, Node, Piecewise, State
from ..engine.operators import Dense
from .removal import Removal

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Slim:
    """A network without neurons that are zero.

    Attributes:
        network: equal to the one given, layers under their names.
        kept: for each layer of activations ``(neurons left,)`` which of its neurons are left, in
            their order.
    """

    network: Network
    kept: Mapping[str, Index]

    def place(self, layer: str, neuron: int) -> int:
        """Return where a neuron that is left stands now."""
        return int(np.searchsorted(self.kept[layer], neuron))

    def back(self, removal: Removal) -> Removal:
        """Return a removal of this network as one of the network given."""
        return replace(removal, neuron=int(self.kept[removal.layer][removal.neuron]))


def slim(network: Network) -> Slim:
    """Return a network without the neurons that are zero, where dense layers alone hold them.

    Args:
        network: any; a layer that is written, read or given out otherwise keeps all its neurons,
            and a layer of which all are zero keeps the first.
    """
    kept = {node.name: np.arange(node.size) for node in network.piecewise}
    rows: dict[str, Index] = {}
    columns: dict[str, Index] = {}
    for node in network.piecewise:
        layer = node.layer
        assert isinstance(layer, Piecewise)
        left = np.flatnonzero(layer.state != State.ZERO)
        if left.size == node.size or not _apart(network, node):
            continue
        left = left if left.size else np.zeros(1, np.int64)
        kept[node.name] = rows[node.sources[0]] = left
        columns |= dict.fromkeys(network.readers[node.name], left)
    if not rows:
        return Slim(network, kept)
    nodes = tuple(_slimmed(node, rows, columns, kept) for node in network.nodes)
    made = Network(nodes, network.output, network.origin, network.normalisation)
    return Slim(made, kept)


def _apart(network: Network, node: Node) -> bool:
    """Return whether a layer's neurons stand between dense layers alone."""
    source, readers = network.by_name[node.sources[0]], network.readers[node.name]
    around = [source, *(network.by_name[name] for name in readers)]
    dense = all(_is_dense(one) for one in around)
    given_out = network.output in (node.name, source.name)
    return dense and not given_out and network.readers[source.name] == (node.name,)


def _is_dense(node: Node) -> bool:
    return isinstance(node.layer, Affine) and isinstance(node.layer.operator, Dense)


def _slimmed(
    node: Node, rows: Mapping[str, Index], columns: Mapping[str, Index], kept: Mapping[str, Index]
) -> Node:
    match node.layer:
        case Affine(operator=Dense(weight=weight), bias=bias) if {node.name} & (
            rows.keys() | columns.keys()
        ):
            own = rows.get(node.name, np.arange(len(weight)))
            read = columns.get(node.name, np.arange(weight.shape[1]))
            layer = Affine(Dense(weight[np.ix_(own, read)]), bias[own])
            return Node(node.name, layer, node.sources, node.shape if own.size == node.size else ())
        case Piecewise(state=state, slope=slope, intercept=intercept):
            own = kept[node.name]
            if own.size == node.size:
                return node
            return Node(node.name, Piecewise(state[own], slope[own], intercept[own]), node.sources)
        case _:
            return node
