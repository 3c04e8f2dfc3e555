"""Rows of one stage, substituted backwards to the input on eight boxes side by side, compiled.

The same as `substitute.py` for one box: there rows fill the vectors, here boxes do, and everything
between the products is done for eight boxes at once, too. Boxes of one cell are alike enough: rows
and columns that any of them needs are at most a fifth and a half more than one needs.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .lanes import MOST, ROWS, product
from .lanes_boxes import blame_boxes, put_boxes, relax_boxes
from .vectors import LANES, LINE

PITCH = LINE * LANES
"""Numbers of a neuron's lines on all boxes: ``(LINE, LANES)``."""


@njit(cache=True, nogil=True, inline="always")
def _place(offset, s):
    """Return where the coefficients of stage s begin."""
    return ROWS * offset[s]


@njit(cache=True, nogil=True)
def room_for_boxes(net):
    """Return room for `substitute_boxes`: coefficients by stages, blame, constants, errors."""
    return np.zeros(ROWS * (net.offset[-1] + net.sizes[0] + 2))


@njit(cache=True, nogil=True)
def put_input_lines(lines, lower, upper, inputs):
    """Put the lines that bound a row over the inputs: each at the end that makes it largest.

    Args:
        lines: flat, filled for the inputs.
        lower: flat `(inputs, LANES)`.
        upper: the same.
        inputs: their number.
    """
    for i in range(inputs):
        for b in range(LANES):
            low, high, n = lower[i * LANES + b], upper[i * LANES + b], i * PITCH + b
            charge = 2.0 * max(abs(low), abs(high)) + UNDERFLOW
            lines[n], lines[n + LANES], lines[n + 2 * LANES] = 1.0, high, charge
            lines[n + 3 * LANES], lines[n + 4 * LANES], lines[n + 5 * LANES] = 1.0, low, charge


@njit(cache=True, nogil=True, inline="always")
def _begin(net, k, rows, first, count, signs, live_count, packed, room, used):
    """Put rows of a stage where they begin: the activations of its sources, on every box."""
    used[: k + 1] = 0
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = net.edge_source[e], net.edge_start[e]
        columns, to, more = live_count[source], _place(net.offset, source), used[source]
        for v in range(count):
            row, sign = start + rows[first + v] * columns, signs[first + v]
            for j in range(columns):
                at, value = to + (j * count + v) * LANES, sign * packed[row + j]
                put_boxes(room, at, value, more)
        used[source] = 1


@njit(cache=True, nogil=True, inline="always")
def _finish(net, count, first, room, sums, blame, width, bounds, slopes, parts):
    """Hand on what rows have become at the input; `blame` is where it is, or 0."""
    inputs, operations = net.sizes[0], net.operations
    charge = (operations * UNIT / (1.0 - operations * UNIT)) * SLACK
    for v in range(count):
        to = (first + v) * LANES
        for b in range(LANES):
            total = room[sums + v * LANES + b]
            # The last term is what rounding the sum can take away.
            error = charge * room[sums + ROWS + v * LANES + b] * SLACK + UNDERFLOW
            bounds[to + b] = total + (error + abs(total) * (4.0 * UNIT))
        for i in range(inputs):
            at, to = (i * count + v) * LANES, ((first + v) * inputs + i) * LANES
            for b in range(LANES):
                slopes[to + b] = room[at + b]
                part = abs(room[at + b]) * width[i * LANES + b]
                parts[to + b] = room[blame + at + b] + part if blame else part


@njit(cache=True, nogil=True)
def substitute_boxes(
    net,
    k,
    rows,
    signs,
    count,
    scale,
    lines,
    exact,
    live,
    live_count,
    packed,
    room,
    used,
    bounds,
    slopes,
    parts,
    share,
    guide,
    width,
):
    """Bound ``sign * z`` from above for rows of stage k on every box by substituting backwards.

    Args:
        net: `Packed`.
        k: the stage.
        rows: places among the live neurons of stage k.
        signs: +1 or -1 for each row.
        count: how many of the rows count.
        scale: flat `(neurons, LANES)`: bounds on |b_i| + sum |W_ij| |a_j|.
        lines: flat `(neurons, LINE, LANES)`, of the inputs and of live neurons by their places.
        exact: `(neurons,)` uint8, 1 where a live neuron's lines are the identity on every box.
        live: indices of the neurons that may be live, stage by stage.
        live_count: their number, a stage.
        packed: the matrices on live rows and columns.
        room: as `room_for_boxes` gives it.
        used: `(stages,)` uint8, room.
        bounds: flat `(rows, LANES)` filled with the upper bounds, rounded outward.
        slopes: flat `(rows, inputs, LANES)` filled with the coefficients at the input.
        parts: the same, filled with how much of the row's looseness each input is to be blamed for.
        share: flat `(neurons, inputs, LANES)`, the same of each neuron's pre-activation, in parts
            of 1; read where `guide` is set.
        guide: whether to look through the relaxations for what is to be blamed.
        width: flat `(inputs, LANES)` of the boxes.
    """
    offset, start_of, source_of = net.offset, net.edge_start, net.edge_source
    edge_first, bias, inputs, here = net.edge_first, net.bias, net.sizes[0], net.offset[k]
    sums = room.shape[0] - 2 * ROWS
    total, where = room[sums:], sums - ROWS * inputs
    blame = where if guide else 0
    for first in range(0, count, MOST):
        some = min(MOST, count - first)
        for v in range(some):
            n = here + live[here + rows[first + v]]
            for b in range(LANES):
                total[v * LANES + b] = signs[first + v] * bias[n]
                total[ROWS + v * LANES + b] = scale[n * LANES + b]
        room[: ROWS * inputs] = 0.0
        if guide:
            room[blame:sums] = 0.0
        _begin(net, k, rows, first, some, signs, live_count, packed, room, used)
        for s in range(k - 1, 0, -1):
            columns, block, at = live_count[s], _place(offset, s), offset[s] * PITCH
            if not used[s] or columns == 0:
                continue
            if guide:
                part = offset[s] * inputs * LANES
                blame_boxes(some, room, block, columns, lines, at, share, part, inputs, room, blame)
            relax_boxes(some, room, block, columns, lines, at, exact, offset[s], total)
            for e in range(edge_first[s], edge_first[s + 1]):
                source, start = source_of[e], start_of[e]
                into, to, more = live_count[source], _place(offset, source), used[source]
                product(some, packed, start, into, room, block, columns, room, to, into, more)
                used[source] = 1
        for v in range(some * LANES):
            total[ROWS + v] += abs(total[v])
        relax_boxes(some, room, 0, inputs, lines, 0, exact, 0, total)
        _finish(net, some, first, room, sums, blame, width, bounds, slopes, parts)
