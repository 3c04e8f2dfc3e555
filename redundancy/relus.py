"""ReLUs in the place of linear units and zeros, where a region makes them the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Network, Node, Piecewise, State


def as_relus(
    folded: Network,
    original: Network,
    nonnegative: Mapping[str, NDArray[np.bool_]] | None = None,
    nonpositive: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Network:
    """Return a folded network with its linear units written as ReLUs again.

    A unit that was proved to be non-negative on a region computes there what a ReLU computes. So
    the result needs no activation but the ReLU, and runs at the speed of plain layers. On the
    region it equals the folded network if the fold was exact. Otherwise it is no farther from the
    network given to `fold` than the fold's distance, for no ReLU widens a difference.

    Args:
        folded: a folded network.
        original: the network before any neuron was linearised. Without `nonnegative`, a layer that
            had IDENTITY neurons from the start is left as it is, and every other IDENTITY neuron
            must have been proved non-negative.
        nonnegative: which neurons of the folded network were: `Fold.nonnegative`. Others stay true
            linear units, and so do LINEAR ones always.
        nonpositive: which neurons of the folded network were proved to be at most 0:
            `Fold.nonpositive`. ZERO ones among them, which could not leave, become ReLUs as well.
    """
    layers = {}
    for node in folded.piecewise:
        layer = activations(node)
        none = np.zeros(node.size, dtype=np.bool_)
        units = layer.state == State.IDENTITY
        if nonnegative is not None:
            units &= nonnegative.get(node.name, none)
        else:
            first = original.by_name.get(node.name)
            if first is None or (activations(first).state == State.IDENTITY).any():
                units = none
        units |= (layer.state == State.ZERO) & (nonpositive or {}).get(node.name, none)
        if units.any():
            state = np.where(units, State.RELU, layer.state)
            layers[node.name] = Piecewise(state, layer.slope, layer.intercept)
    return folded.with_layers(layers)


def activations(node: Node) -> Piecewise:
    """Return the layer of a node that is known to hold activations."""
    assert isinstance(node.layer, Piecewise)
    return node.layer
