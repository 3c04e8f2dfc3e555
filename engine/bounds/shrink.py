"""A staged network without the neurons that are zero on a cell, compiled.

A cell is bounded hundreds of times, in parts. On ACAS Xu half of the neurons are zero on all of it:
without them the matrices fit the first cache, and no loop looks at them again.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from copy import deepcopy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..network import State
from .compiled import njit
from .packed import UPPER, Packed

_RELU, _ZERO = int(State.RELU), int(State.ZERO)

Integers = NDArray[np.int64]
Bits = NDArray[np.uint8]


class Shrunk(NamedTuple):
    """Room for the smaller network of a cell.

    Attributes:
        place: ``(neurons,)`` where a neuron of the network is in the smaller one; -1 if nowhere.
        origin: ``(neurons,)`` where each neuron of the smaller one is in the network.
        asked, active: ``(2 neurons,)`` the neurons of its questions, and which are not given up.
        known, seen: ``(neurons,)`` uint8, signs of the smaller one's neurons.
    """

    place: Integers
    origin: Integers
    asked: Integers
    active: Bits
    known: Bits
    seen: Bits


def shrunk(net: Packed) -> Shrunk:
    """Return room for what goes with a network's smaller ones."""
    total = int(net.offset[-1])
    return Shrunk(
        place=np.zeros(total, np.int64),
        origin=np.zeros(total, np.int64),
        asked=np.zeros(2 * total, np.int64),
        active=np.zeros(2 * total, np.uint8),
        known=np.zeros(total, np.uint8),
        seen=np.zeros(total, np.uint8),
    )


def copied(net: Packed) -> Packed:
    """Return a network whose arrays a smaller one may take."""
    return deepcopy(net)


@njit(cache=True, nogil=True)
def shrink(net, known, small, work):
    """Fill in the network without the neurons that are zero on a cell.

    Args:
        net: `Packed`.
        known: `(neurons,)` uint8, bit UPPER where z <= 0 is known to hold on the cell.
        small: `Packed` as `copied` gives it, filled.
        work: `Shrunk`; `place` and `origin` are filled.
    """
    place, origin, offset, state = work.place, work.origin, net.offset, net.state
    sizes, first, weight, thin = small.sizes, small.offset, net.weight, small.weight
    end = 0
    for k in range(net.sizes.shape[0]):
        first[k] = end
        for n in range(offset[k], offset[k + 1]):
            place[n] = -1
            if k > 0 and (state[n] == _ZERO or (state[n] == _RELU and known[n] & UPPER)):
                continue
            place[n], origin[end] = end, n
            small.bias[end], small.state[end] = net.bias[n], state[n]
            small.slope[end], small.intercept[end] = net.slope[n], net.intercept[n]
            small.step[end], small.least[end], small.most[end] = (
                net.step[n],
                net.least[n],
                net.most[n],
            )
            end += 1
        sizes[k] = end - first[k]
    first[net.sizes.shape[0]] = end
    at = 0
    for k in range(1, net.sizes.shape[0]):
        for e in range(net.edge_first[k], net.edge_first[k + 1]):
            source = net.edge_source[e]
            small.edge_start[e] = at
            for m in range(first[k], first[k + 1]):
                row = net.edge_start[e] + (origin[m] - offset[k]) * net.sizes[source]
                for j in range(first[source], first[source + 1]):
                    thin[at] = weight[row + origin[j] - offset[source]]
                    at += 1
