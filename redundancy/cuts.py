"""Cuts: where what is behind can be merged, which values count there, and what a merge costs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
    rounding_refused,
)
from .effect import Shift

Mask = NDArray[np.bool_]

ENTRIES: Final = 2**24
"""Coefficients of one layer beyond which a merge is not tried; no unit. At 16 bytes each, and a few
arrays under way, that is about 1 GB."""


class Cost(Enum):
    """What counts when one form of a network is preferred to another."""

    MULTIPLY_ADDS = "multiply-adds"
    PARAMETERS = "parameters"

    def order(self, multiply_adds: int, parameters: int) -> tuple[int, int]:
        """Return what is to be small: what counts first, then the other."""
        both = multiply_adds, parameters
        return both if self is Cost.MULTIPLY_ADDS else both[::-1]

    def of(self, network: Network) -> tuple[int, int]:
        """Return what of a network is to be small."""
        return self.order(network.multiply_adds, network.parameters)


def live(network: Network, shifts: Mapping[str, Shift]) -> dict[str, Mask]:
    """Return for each node which of its values ``(size,)`` may differ from 0 and are read.

    A weight of 0 reads nothing, unless it stands for another one.

    Args:
        network: any network.
        shifts: how far its dense layers are from those they stand for.
    """
    zero: dict[str, Mask] = {}
    for node in network.nodes:
        reads = [zero[name] for name in node.sources]
        match node.layer:
            case Input() | Affine():
                zero[node.name] = np.zeros(node.size, np.bool_)
            case Piecewise(state=state):
                zero[node.name] = state == State.ZERO
            case Quantize():
                raise rounding_refused("simplification", node.name, network.origin.path)
            case Sum():
                zero[node.name] = np.logical_and.reduce(reads)
            case Concat():
                zero[node.name] = np.concatenate(reads)
            case Select(indices=indices):
                zero[node.name] = reads[0][indices]
            case _ as never:
                assert_never(never)
    read = {node.name: np.zeros(node.size, np.bool_) for node in network.nodes}
    read[network.output][:] = True
    for node in reversed(network.nodes):
        wanted = read[node.name] & ~zero[node.name]
        parts: list[Mask]
        match node.layer:
            case Input():
                parts = []
            case Affine(operator=operator):
                used = operator.weight != 0
                if node.name in shifts:
                    used = used | (shifts[node.name].weight > 0)
                reads_it = operator.pull(wanted.astype(np.float64), used.astype(np.float64))
                parts = [np.asarray(reads_it > 0)]
            case Piecewise() | Quantize() | Sum():
                parts = [wanted] * len(node.sources)
            case Concat(sizes=sizes):
                parts = np.split(wanted, np.cumsum(sizes)[:-1])
            case Select(indices=indices, size_in=size_in):
                parts = [np.isin(np.arange(size_in), indices[wanted])]
            case _ as never:
                assert_never(never)
        for source, part in zip(node.sources, parts, strict=True):
            read[source] = read[source] | part
    return {name: read[name] & ~zero[name] for name in read}


def cuts(network: Network) -> list[str]:
    """Return the input and the layers of activations that every path to the output passes.

    The output is none of them. A node is passed by every path if no edge leads from before it to
    behind it in the order of the nodes: each edge is part of a path, since each node depends on
    the input, and the output on each node.
    """
    place = {node.name: at for at, node in enumerate(network.nodes)}
    farthest, found = 0, []  # the last node that reads one of those before
    for at, node in enumerate(network.nodes):
        if farthest <= at and isinstance(node.layer, Input | Piecewise):
            found.append(node.name)
        farthest = max([farthest, *(place[name] for name in network.readers[node.name])])
    return [name for name in found if name != network.output]


def front(network: Network, cut: str) -> set[str]:
    """Return one of the `cuts` and the nodes in front of it: those up to it in their order."""
    names = [node.name for node in network.nodes]
    return set(names[: names.index(cut) + 1])


def estimate(
    network: Network, cut: str, alive: Mapping[str, Mask], cost: Cost, *, exact: bool = False
) -> tuple[int, int] | None:
    """Return what a merge costs at most, or None where it is not to be tried.

    That is where it has too many coefficients, or where it must be exact and is not by structure.

    Args:
        network: to be merged.
        cut: one of its `cuts`, not the output.
        alive: its `live` values.
        cost: what counts.
        exact: whether no weight may be multiplied by another one.
    """
    before = front(network, cut)
    layers = [network.by_name[name].layer for name in before]
    affine = [layer for layer in layers if isinstance(layer, Affine)]
    work = sum(layer.operator.multiply_adds for layer in affine)
    numbers = sum(layer.operator.parameters + layer.bias.size for layer in affine)
    width = {cut: int(alive[cut].sum())}
    reads = {cut: frozenset([cut])}

    def dense(rows: int, source: str) -> None:
        nonlocal work, numbers
        columns = sum(width[name] for name in reads[source])
        work, numbers = work + rows * columns, numbers + rows * (columns + 1)

    for node in network.nodes:
        if node.name in before:
            continue
        reads[node.name] = frozenset[str]().union(*(reads[name] for name in node.sources))
        if isinstance(node.layer, Piecewise):
            active = alive[node.name] & (node.layer.state == State.RELU)
            straight = alive[node.name] & ~active
            if exact and straight.any():
                return None
            dense(int(active.sum()), node.sources[0])
            width[node.name] = int(active.sum())
            own = frozenset([node.name] if active.any() else [])
            reads[node.name] = own | (reads[node.name] if straight.any() else frozenset())
        if node.size * sum(width[name] for name in reads[node.name]) > ENTRIES:
            return None
    dense(network.size_out, network.output)
    return cost.order(work, numbers)
