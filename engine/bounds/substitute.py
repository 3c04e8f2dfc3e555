"""The innermost loop of the kernels: rows of one stage, substituted backwards to the input.

Rows go down `ROWS` at a time, so that their coefficients stay in the first cache from the stage to
the input. What a line adds to a row's constant and to its error is put together once a neuron, not
once a row. Sums may be taken in any order, for every rounding is charged; see `kernels.py`.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .lanes import ROWS, gaps, product, relax
from .lanes_rows import put_rows
from .vectors import LANES, LINE

UP, DOWN = 0, 3
"""Where slope, shift and charge of the upper and of the lower line are among a neuron's LINE
numbers; what the lines can be away from the activation follows."""


@njit(cache=True, nogil=True, inline="always")
def put_line(lines, at, line, bias, size):
    """Put together what the lines of a live neuron do to a row.

    Args:
        lines: flat, `(neurons, LINE)`, filled at `at`.
        at: the neuron's place.
        line: slope and shift of the upper line, of the lower line, and both gaps.
        bias: of the neuron's stage.
        size: the weight of a coefficient's magnitude in the error: twice `scale`, and what is
            multiplied.
    """
    up, up_shift, down, down_shift, up_gap, down_gap = line
    n = at * LINE + UP  # in the order of `lanes.relax` and `lanes.gaps`
    lines[n] = up
    lines[n + 1] = up_shift + up * bias
    lines[n + 2] = abs(up_shift) + abs(up) * size + UNDERFLOW  # infinite where a coefficient is
    lines[n + 3] = down
    lines[n + 4] = down_shift + down * bias
    lines[n + 5] = abs(down_shift) + abs(down) * size + UNDERFLOW
    lines[n + 6], lines[n + 7] = up_gap, down_gap


@njit(cache=True, nogil=True, inline="always")
def put_inputs(lines, box_low, box_high):
    """Put the lines that bound a row over the inputs: each at the end that makes it largest."""
    for i in range(box_low.shape[0]):
        charge = 2.0 * max(abs(box_low[i]), abs(box_high[i])) + UNDERFLOW
        n = i * LINE
        lines[n], lines[n + 1], lines[n + 2] = 1.0, box_high[i], charge
        lines[n + 3], lines[n + 4], lines[n + 5] = 1.0, box_low[i], charge


@njit(cache=True, nogil=True, inline="always")
def _place(offset, s):
    """Return where the coefficients of stage s begin; `put_rows` writes behind them."""
    return ROWS * (offset[s] + LANES * s)


@njit(cache=True, nogil=True)
def room_for(net):
    """Return room for `substitute`: coefficients, gaps, blame, signs, constants, errors."""
    stages = net.sizes.shape[0]
    extra = net.sizes.max() + net.sizes[0] + 3
    return np.zeros(ROWS * (net.offset[-1] + LANES * stages + extra))


@njit(cache=True, nogil=True, inline="always")
def _begin(net, k, lanes, rows, first, last, live_count, packed, room, signs, used):
    """Put a block of rows of a stage where they begin: the activations of its sources."""
    offset, start_of, source_of = net.offset, net.edge_start, net.edge_source
    used[: k + 1] = 0
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = source_of[e], start_of[e]
        columns, to, more = live_count[source], _place(offset, source), used[source]
        put_rows(lanes, packed, start, rows, first, last, columns, signs, room, to, more)
        used[source] = 1


@njit(cache=True, nogil=True, inline="always")
def _finish(room, lanes, some, first, operations, bounds, slopes, inputs, width, blame, parts):
    """Hand on what a block of rows has become at the input; `blame` is where it is, or 0."""
    step, sums = LANES * lanes, room.shape[0] - 2 * ROWS
    charge = (operations * UNIT / (1.0 - operations * UNIT)) * SLACK
    for r in range(some):
        # The last term is what rounding the sum can take away.
        error = charge * room[sums + ROWS + r] * SLACK + UNDERFLOW
        bounds[first + r] = room[sums + r] + (error + abs(room[sums + r]) * (4.0 * UNIT))
        for i in range(inputs):
            slopes[first + r, i] = room[i * step + r]
            if blame:
                part = abs(slopes[first + r, i]) * width[i]
                parts[first + r, i] = room[blame + i * step + r] + part


@njit(cache=True, nogil=True)
def substitute(
    net,
    k,
    rows,
    signs,
    count,
    scale,
    lines,
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
    """Bound ``sign * z`` from above for rows of stage k by substituting backwards.

    Args:
        net: `Packed`.
        k: the stage.
        rows: places among the live neurons of stage k.
        signs: +1 or -1 for each row.
        count: how many of the rows count.
        scale: magnitudes as `enclose` gives them.
        lines: flat, `(neurons, LINE)`: of the inputs by `put_inputs`, of live neurons by
            `put_line`.
        live: indices of the neurons that may be live, stage by stage.
        live_count: their number, a stage.
        packed: the matrices on live rows and columns.
        room: as `room_for` gives it.
        used: `(stages,)` uint8, room.
        bounds: `(rows,)` filled with the upper bounds, rounded outward.
        slopes: `(rows, inputs)` filled with the coefficients at the input.
        parts: `(rows, inputs)` filled, where `guide` is set, with how much of the row's looseness
            each input is to be blamed for.
        share: flat, `(neurons, inputs)`, the same of each neuron's pre-activation, in parts of 1.
        guide: whether to fill `parts`.
        width: `(inputs,)` of the box.
    """
    offset, start_of, source_of = net.offset, net.edge_start, net.edge_source
    edge_first, bias, inputs, operations = net.edge_first, net.bias, net.sizes[0], net.operations
    here, sums, gap = offset[k], room.shape[0] - 2 * ROWS, _place(offset, net.sizes.shape[0])
    side, blame = room[sums - ROWS :], sums - ROWS * (inputs + 1)
    total = room[sums:]
    for first in range(0, count, ROWS):
        some = min(ROWS, count - first)
        lanes = (some + LANES - 1) // LANES
        for r in range(LANES * lanes):
            side[r], total[r], total[ROWS + r] = 0.0, 0.0, 0.0
        for r in range(some):
            n = here + live[here + rows[first + r]]
            side[r], total[ROWS + r] = signs[first + r], scale[n]
            total[r] = side[r] * bias[n]
        room[: ROWS * inputs] = 0.0
        end = first + some
        _begin(net, k, lanes, rows, first, end, live_count, packed, room, side, used)
        if guide:
            room[blame : sums - ROWS] = 0.0
        for s in range(k - 1, 0, -1):
            columns, begin, block = live_count[s], offset[s], _place(offset, s)
            if not used[s] or columns == 0:
                continue
            if guide:
                gaps(lanes, room, block, columns, lines, begin * LINE, room, gap)
                at = begin * inputs
                product(lanes, share, at, inputs, room, gap, columns, room, blame, inputs, 1)
            relax(lanes, room, block, columns, lines, begin * LINE, total)
            for e in range(edge_first[s], edge_first[s + 1]):
                source, start = source_of[e], start_of[e]
                into, to, more = live_count[source], _place(offset, source), used[source]
                product(lanes, packed, start, into, room, block, columns, room, to, into, more)
                used[source] = 1
        for r in range(LANES * lanes):
            total[ROWS + r] += abs(total[r])
        relax(lanes, room, 0, inputs, lines, 0, total)
        at = blame if guide else 0
        _finish(room, lanes, some, first, operations, bounds, slopes, inputs, width, at, parts)
