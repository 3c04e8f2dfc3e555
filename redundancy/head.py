"""Heads: the layers up to one that all values pass through, simplified alone and put back.

What must stay is then asked of that layer's values in place of the outputs (k-forward redundancy).
What is behind it stays as it is, so the network computes its outputs from values there that are
proved to be near to the original's.

Source: Lahav and Katz, FMCAD 2021, section 4.2.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..engine.errors import InputError
from ..engine.network import Input, Network
from ..engine.region import Region
from .fold import Fold, fold
from .relus import as_relus


def layer_named(network: Network, text: str) -> str:
    """Return the name of the layer that a text means.

    Args:
        network: any network.
        text: a layer's name, or a hidden layer's number, from 1.

    Raises:
        InputError: there is none, it is no hidden layer, or something passes it by.
    """
    path, hidden = network.origin.path, [node.name for node in network.piecewise]
    name = text.strip()
    if name not in network.by_name and name.isdecimal() and 1 <= int(name) <= len(hidden):
        name = hidden[int(name) - 1]
    if name not in network.by_name:
        raise InputError(
            f"{path} has no layer {text!r}: name one that `secateur info` lists, or give a hidden "
            f"layer's number, up to {len(hidden)}"
        )
    node = network.by_name[name]
    if isinstance(node.layer, Input) or name == network.output:
        which = "the input" if isinstance(node.layer, Input) else "the output"
        raise InputError(f"{path}: {name} is {which}: name a hidden layer")
    inside = {one.name for one in head(network, name).nodes}
    for one in network.nodes:
        if one.name not in inside:
            for source in one.sources:
                if source in inside and source != name:
                    raise InputError(
                        f"{path}: {one.name} reads {source}, past {name}: name a layer that "
                        "everything passes through"
                    )
    return name


def head(network: Network, layer: str) -> Network:
    """Return the network that ends with a layer, whose values are its outputs."""
    normal = network.normalisation
    if normal is not None:
        normal = replace(normal, output_mean=0.0, output_range=1.0)
    return Network(network.nodes, layer, network.origin, normal)


def put_back(
    front: Fold, network: Network, layer: str, region: Region, *, chain: bool = False
) -> Network:
    """Return the network whose values at a layer come from what was folded of its head.

    Values of the layer that are constant leave what reads them, where that is exact.

    Args:
        front: of a network with the layer's values as its outputs.
        network: what is behind the layer is taken from it.
        layer: one that everything passes through.
        region: of the fold.
        chain: see `fold`.
    """
    whole, names = _joined(front.after, network, layer)
    above, below = (
        {names[name]: mask for name, mask in masks.items()}
        for masks in (front.nonnegative, front.nonpositive)
    )
    again = fold(whole, region, 0.0, above, nonpositive=below, chain=chain)
    return as_relus(again.after, whole, again.nonnegative, again.nonpositive)


def joined(front: Network, network: Network, layer: str) -> Network:
    """Return the network whose values at a layer are another one's outputs."""
    return _joined(front, network, layer)[0]


def _joined(front: Network, network: Network, layer: str) -> tuple[Network, dict[str, str]]:
    """Return `joined`, and the names that the nodes in front have there."""
    before = {node.name for node in head(network, layer).nodes}
    behind = [node for node in network.nodes if node.name not in before]
    names = _distinct([node.name for node in front.nodes], {node.name for node in behind})
    end = names[front.output]
    nodes = [
        replace(node, name=names[node.name], sources=tuple(names[one] for one in node.sources))
        for node in front.nodes
    ]
    nodes += [
        replace(node, sources=tuple(end if one == layer else one for one in node.sources))
        for node in behind
    ]
    whole = Network(tuple(nodes), network.output, network.origin, network.normalisation)
    return whole, names


def _distinct(names: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Return for each name one that is not taken: itself where it can be."""
    found: dict[str, str] = {}
    for name in names:
        free = name
        while free in taken or (free != name and free in names):
            free += "_"
        found[name] = free
    return found
