"""What a network with linearised neurons would cost in other forms, in multiply-adds.

A value is *live* where it is not zero for certain and something behind it reads it. Forms:

- *live rectangles*: a convolution keeps the channels that hold a live value, and of the picture the
  smallest rectangle with all of them; a dense layer keeps its live rows and columns. Every weight
  stays bit for bit.
- *or dense*: the same, but a layer whose full matrix between live values is smaller is that matrix.
- *live weights*: only the weights between live values count; no form without products needs less.
- *merged behind a cut*: up to some activation that every path passes, as *or dense*; behind it
  every linear neuron is multiplied out, so that each active neuron reads the live values of the cut
  and the active neurons before it. The best cut is taken. Products of weights round.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Affine, Network, Piecewise, State
from ..engine.operators import Convolution, Dense, Diagonal, Operator
from ..redundancy.cuts import cuts, front, live

Mask = NDArray[np.bool_]


def _columns(operator: Operator, rows: Mask) -> Mask:
    """Return which inputs some of the rows read with a weight other than 0."""
    used = (operator.weight != 0).astype(np.float64)
    return np.asarray(operator.pull(rows.astype(np.float64), used) > 0)


def rectangle(operator: Operator, rows: Mask, columns: Mask) -> int:
    """Return the multiply-adds of a layer on live rectangles.

    Args:
        operator: of the layer.
        rows: ``(out,)`` live outputs.
        columns: ``(in,)`` live inputs.
    """
    match operator:
        case Dense():
            return full(operator, rows, columns)
        case Diagonal():
            return int(rows.sum())
        case Convolution() as conv:
            if not rows.any() or not columns.any():
                return 0
            out = rows.reshape(conv.shape_out)
            inputs = int(columns.reshape(conv.shape_in).any(axis=(1, 2)).sum())
            depth = inputs if conv.groups == 1 else conv.weight.shape[1]
            spans = [np.flatnonzero(out.any(axis=axes)) for axes in ((0, 2), (0, 1))]
            tall, wide = (int(span[-1] - span[0] + 1) for span in spans)
            taps = int(np.prod(conv.weight.shape[2:]))
            return int(out.any(axis=(1, 2)).sum()) * depth * taps * tall * wide
        case _ as never:
            assert_never(never)


def full(operator: Operator, rows: Mask, columns: Mask) -> int:
    """Return the entries of the matrix of live rows and the live columns that they read."""
    return int(rows.sum()) * int((columns & _columns(operator, rows)).sum())


def weights(operator: Operator, rows: Mask, columns: Mask) -> int:
    """Return how many weights other than 0 there are between live values."""
    used = (operator.weight != 0).astype(np.float64)
    return int(operator.push(columns.astype(np.float64), used)[rows].sum())


def by_form(network: Network) -> dict[str, int]:
    """Return the multiply-adds of each form of a network, as the head of this file names them.

    Args:
        network: some of its neurons in state ZERO, IDENTITY or LINEAR.
    """
    alive = live(network, {})
    kept, dense, least = 0, {}, 0
    for node in network.nodes:
        if isinstance(node.layer, Affine):
            ask = node.layer.operator, alive[node.name], alive[node.sources[0]]
            kept += rectangle(*ask)
            dense[node.name] = min(rectangle(*ask), full(*ask))
            least += weights(*ask)
    return {
        "live rectangles": kept,
        "or dense": sum(dense.values()),
        "live weights": least,
        "merged behind a cut": min(
            [sum(dense.values()), *(_merged(network, cut, alive, dense) for cut in cuts(network))]
        ),
    }


def _merged(network: Network, cut: str, alive: Mapping[str, Mask], costs: Mapping[str, int]) -> int:
    """Return the multiply-adds when every linear neuron behind a cut is multiplied out."""
    before = front(network, cut)
    head = sum(cost for name, cost in costs.items() if name in before)
    read, tail = int(alive[cut].sum()), 0
    for node in network.piecewise:
        if node.name not in before and isinstance(node.layer, Piecewise):
            active = int((alive[node.name] & (node.layer.state == State.RELU)).sum())
            tail += active * read
            read += active
    return head + tail + network.size_out * read
