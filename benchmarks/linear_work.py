"""Floating-point operations of backward linear bounds: those performed, and those of plain ones.

A multiplication and an addition count two. A coefficient that takes a line counts five: the slope,
and shift and charge with their sums. Comparisons and magnitudes count nothing.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.compiled import njit
from ..engine.bounds.packed import Packed
from ..engine.bounds.substitute import put_inputs, room_for, substitute
from ..engine.bounds.upward import activate, drop_dead, enclose, sums_for
from ..engine.bounds.vectors import LANES, LINE
from ..engine.network import State

Array = NDArray[np.float64]

LINED = 5.0
"""Operations of a coefficient that takes a line."""

_RELU = int(State.RELU)


def plain(net: Packed) -> float:
    """Return the operations a box of both sides of every neuron through every neuron."""
    total = 0.0
    for k in range(1, len(net.sizes)):
        reached = {int(net.edge_source[e]) for e in _edges(net, k)}
        for s in range(k - 1, 0, -1):
            if s in reached:
                total += 2.0 * net.sizes[k] * LINED * net.sizes[s]
                for e in _edges(net, s):
                    source = int(net.edge_source[e])
                    reached.add(source)
                    total += 2.0 * net.sizes[k] * 2.0 * net.sizes[s] * net.sizes[source]
        total += 2.0 * net.sizes[k] * LINED * net.sizes[0]
    return float(total)


def _edges(net: Packed, k: int) -> range:
    return range(int(net.edge_first[k]), int(net.edge_first[k + 1]))


def performed(net: Packed, lower: Array, upper: Array) -> float:
    """Return the mean number of operations a box that `bound_boxes` performs.

    Args:
        net: the network.
        lower: ``(boxes, inputs)``.
        upper: ``(boxes, inputs)``.
    """
    return float(np.mean([_box(net, lower[at], upper[at]) for at in range(len(lower))]))


@njit(cache=True, nogil=True)
def _box(net, lower, upper):
    """Return the operations of one box, by going through it as `bound_boxes` does."""
    total, stages, inputs = net.offset[-1], net.sizes.shape[0], net.sizes[0]
    most, work = 2 * net.sizes.max(), 0.0
    room, used, lines = room_for(net), np.zeros(stages, np.uint8), np.zeros(total * LINE)
    packed = np.zeros(net.weight.shape[0] + LANES)
    sums, middle = sums_for(net)
    low, high = np.full(total, -np.inf), np.full(total, np.inf)
    post_low, post_high, scale = np.zeros(total), np.zeros(total), np.zeros(total)
    live, count = np.zeros(total, np.int64), np.zeros(stages, np.int64)
    rows, signs, bounds = np.zeros(most, np.int64), np.zeros(most), np.zeros(most)
    slopes, none = np.zeros((most, inputs)), np.zeros((1, 1))
    post_low[:inputs], post_high[:inputs] = lower, upper
    put_inputs(lines, lower, upper)
    live[:inputs], count[0] = np.arange(inputs), inputs
    for k in range(1, stages):
        begin, some = net.offset[k], 0
        enclose(net, k, post_low, post_high, low, high, scale, live, count, packed, sums, middle)
        for c in range(count[k]):
            n = begin + live[begin + c]
            if net.state[n] != _RELU or (low[n] < 0.0 < high[n]):
                rows[some : some + 2], signs[some], signs[some + 1] = c, 1.0, -1.0
                some += 2
        for e in range(net.edge_first[k], net.edge_first[k + 1]):
            work += 6.0 * count[k] * count[net.edge_source[e]]
        substitute(
            net,
            k,
            rows,
            signs,
            some,
            scale,
            lines,
            live,
            count,
            packed,
            room,
            used,
            bounds,
            slopes,
            none,
            none[0],
            False,
            none[0],
        )
        for s in range(k):
            if used[s]:
                work += LINED * some * count[s]
                for e in range(net.edge_first[s], net.edge_first[s + 1]):
                    work += 2.0 * some * count[s] * count[net.edge_source[e]]
        for r in range(some):
            n = begin + live[begin + rows[r]]
            if signs[r] > 0.0:
                high[n] = min(high[n], bounds[r])
            else:
                low[n] = max(low[n], -bounds[r])
        drop_dead(net, k, high, live, count, packed, rows, some)
        activate(net, k, low, high, scale, post_low, post_high, live, count, lines)
    return work
