"""The innermost loop of the kernels: rows of one stage, substituted backwards to the input.

Rows go down `ROWS` at a time, so that their coefficients stay in the first cache from the stage to
the input. What a line adds to a row's constant and to its error is put together once a neuron, not
once a row. Sums may be taken in any order, for every rounding is charged; see `kernels.py`.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .lanes import LANES, LINE, ROWS, product, relax

# Where a neuron's LINE numbers are: slope, shift and charge of each line, as `relax` takes them,
# and what each line can be away from the activation.
UP, DOWN, UP_GAP, DOWN_GAP = 0, 3, 6, 7


@njit(cache=True, nogil=True)
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
    n = at * LINE
    lines[n] = up
    lines[n + 1] = up_shift + up * bias
    lines[n + 2] = abs(up_shift) + abs(up) * size + UNDERFLOW  # infinite where a coefficient is
    lines[n + 3] = down
    lines[n + 4] = down_shift + down * bias
    lines[n + 5] = abs(down_shift) + abs(down) * size + UNDERFLOW
    lines[n + 6], lines[n + 7] = up_gap, down_gap


@njit(cache=True, nogil=True)
def put_inputs(lines, box_low, box_high):
    """Put the lines that bound a row over the inputs: each at the end that makes it largest."""
    for i in range(box_low.shape[0]):
        charge = 2.0 * max(abs(box_low[i]), abs(box_high[i])) + UNDERFLOW
        n = i * LINE
        lines[n], lines[n + 1], lines[n + 2] = 1.0, box_high[i], charge
        lines[n + 3], lines[n + 4], lines[n + 5] = 1.0, box_low[i], charge


@njit(cache=True, nogil=True)
def _begin(net, k, rows, signs, first, count, step, live_count, packed, room, used):
    """Put a block of rows of a stage where they begin: the activations of its sources."""
    offset, start_of, source_of = net.offset, net.edge_start, net.edge_source
    used[: k + 1] = 0
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = source_of[e], start_of[e]
        columns, to = live_count[source], ROWS * offset[source]
        more = used[source]
        for r in range(step):
            if r >= count:
                for j in range(0 if more else columns):
                    room[to + j * step + r] = 0.0
                continue
            row, sign = start + rows[first + r] * columns, signs[first + r]
            if more:
                for j in range(columns):
                    room[to + j * step + r] += sign * packed[row + j]
            else:
                for j in range(columns):
                    room[to + j * step + r] = sign * packed[row + j]
        used[source] = 1


@njit(cache=True, nogil=True)
def _blame(lanes, room, block, columns, lines, begin, gaps, share, inputs, out):
    """Add to `out`, `(inputs, rows)`, the looseness of a stage's lines, by inputs."""
    step = LANES * lanes
    for j in range(columns):
        line = (begin + j) * LINE
        up, down = lines[line + UP_GAP], lines[line + DOWN_GAP]
        for r in range(step):
            a = room[block + j * step + r]
            room[gaps + j * step + r] = max(a * up, -a * down)
    product(lanes, share, begin * inputs, inputs, room, gaps, columns, room, out, inputs, 1)


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
        scale: magnitudes as `interval_stage` gives them.
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
    edge_first, bias, inputs = net.edge_first, net.bias, net.sizes[0]
    here, sums = offset[k], room.shape[0] - 2 * ROWS
    blame = sums - ROWS * inputs
    gaps = ROWS * offset[-1]
    total = room[sums:]
    charge = (net.operations * UNIT / (1.0 - net.operations * UNIT)) * SLACK
    for first in range(0, count, ROWS):
        some = min(ROWS, count - first)
        lanes = (some + LANES - 1) // LANES
        step = LANES * lanes
        for r in range(some):
            n = here + live[here + rows[first + r]]
            total[r], total[ROWS + r] = signs[first + r] * bias[n], scale[n]
        for r in range(some, step):
            total[r], total[ROWS + r] = 0.0, 0.0
        _begin(net, k, rows, signs, first, some, step, live_count, packed, room, used)
        if guide:
            room[blame:sums] = 0.0
        for s in range(k - 1, 0, -1):
            columns, begin = live_count[s], offset[s]
            if not used[s] or columns == 0:
                continue
            block = ROWS * begin
            if guide:
                _blame(lanes, room, block, columns, lines, begin, gaps, share, inputs, blame)
            relax(lanes, room, block, columns, lines, begin * LINE, total)
            for e in range(edge_first[s], edge_first[s + 1]):
                source = source_of[e]
                into = live_count[source]
                product(
                    lanes,
                    packed,
                    start_of[e],
                    into,
                    room,
                    block,
                    columns,
                    room,
                    ROWS * offset[source],
                    into,
                    used[source],
                )
                used[source] = 1
        for r in range(step):
            total[ROWS + r] += abs(total[r])
        if used[0]:
            relax(lanes, room, 0, inputs, lines, 0, total)
        for r in range(some):
            error = charge * total[ROWS + r] * SLACK + UNDERFLOW
            bounds[first + r] = np.nextafter(total[r] + error, np.inf)
            for i in range(inputs):
                slopes[first + r, i] = room[i * step + r] if used[0] else 0.0
        if guide:
            for r in range(some):
                for i in range(inputs):
                    part = room[blame + i * step + r]
                    parts[first + r, i] = part + abs(slopes[first + r, i]) * width[i]


@njit(cache=True, nogil=True)
def room_for(net):
    """Return room for `substitute`: coefficients of all stages, gaps, blame, constants, errors."""
    return np.zeros(ROWS * (net.offset[-1] + net.sizes.max() + net.sizes[0] + 2))
