"""Rows of one stage of a box, substituted backwards to the input, a whole block of rows at a time.

The same bounds as `substitute.py` gives, for loops that bound millions of small boxes: what a line
adds to a row's constant and to its error is put together once a neuron, not once a row.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .substitute import BIAS, DGAP, DM, DS, DT, SIZE, UGAP, UM, US, UT

LINES = 6
"""Numbers a neuron: slope, shift and charge of the upper line, and of the lower line."""


@njit(cache=True, nogil=True)
def put_lines(table, begin, count, lines):
    """Put together what the lines of a stage's live neurons do to a row.

    A coefficient a > 0 becomes a times the slope, adds a times the shift to the constant and a
    times the charge to the error; one below zero the same with the lower line.

    Args:
        table: as `kernels.activate` fills it.
        begin: the stage's first neuron.
        count: its live neurons.
        lines: `(LINES, neurons)` filled.
    """
    for at in range(begin, begin + count):
        up, down, bias, size = table[US, at], table[DS, at], table[BIAS, at], table[SIZE, at]
        lines[0, at] = up
        lines[1, at] = table[UT, at] + up * bias
        lines[2, at] = table[UM, at] + abs(up) * size + UNDERFLOW
        lines[3, at] = down
        lines[4, at] = table[DT, at] + down * bias
        lines[5, at] = table[DM, at] + abs(down) * size + UNDERFLOW


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _relax(block, up, up_shift, up_charge, down, down_shift, down_charge, constant, error):
    """Replace coefficients of activations by those of pre-activations, in place.

    Args:
        block: `(rows, columns)`.
        up: `(columns,)` as `put_lines` gives them; so are the next five.
        up_shift: the same.
        up_charge: the same.
        down: the same.
        down_shift: the same.
        down_charge: the same.
        constant: `(rows,)` to which shifts are added.
        error: `(rows,)` to which charges are added.
    """
    for r in range(block.shape[0]):
        shift, charge = 0.0, 0.0
        for j in range(block.shape[1]):
            plus, minus = max(block[r, j], 0.0), min(block[r, j], 0.0)
            block[r, j] = plus * up[j] + minus * down[j]
            shift += plus * up_shift[j] + minus * down_shift[j]
            charge += plus * up_charge[j] - minus * down_charge[j]
        constant[r] += shift
        error[r] += charge


@njit(cache=True, nogil=True)
def _gaps(block, up_gap, down_gap, gaps):
    """Fill `gaps`, `(rows, columns)`, with how far each line may be away from its activation."""
    for r in range(block.shape[0]):
        for j in range(block.shape[1]):
            gaps[r, j] = max(block[r, j] * up_gap[j], -block[r, j] * down_gap[j])


@njit(cache=True, nogil=True)
def _begin(net, k, rows, signs, count, scale, live, live_count, packed, work, most, state):
    """Put the rows of a stage where they begin: the activations of its sources."""
    constant, error, used = state
    offset, bias, start_of, source_of = net.offset, net.bias, net.edge_start, net.edge_source
    here = offset[k]
    for r in range(count):
        n = here + live[here + rows[r]]
        constant[r], error[r] = signs[r] * bias[n], scale[n]
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = source_of[e], start_of[e]
        columns, first = live_count[source], most * offset[source]
        for r in range(count):
            row, at = start + rows[r] * columns, first + r * columns
            for j in range(columns):
                value = signs[r] * packed[row + j]
                work[at + j] = work[at + j] + value if used[source] else value
        used[source] = True


@njit(cache=True, nogil=True)
def descend(
    net,
    k,
    rows,
    signs,
    count,
    scale,
    table,
    lines,
    live,
    live_count,
    packed,
    box_low,
    box_high,
    room,
    bounds,
    slopes,
    parts,
    share,
    guide,
):
    """Bound ``sign * z`` from above for rows of stage k; arguments as in `substitute`.

    Args:
        net: `Packed`.
        k: the stage.
        rows: places among the live neurons of stage k.
        signs: +1 or -1 for each row.
        count: how many of the rows count.
        scale: magnitudes as `interval_stage` gives them.
        table: lines of the live neurons, for their gaps.
        lines: the same as `put_lines` gives them.
        live: indices of the neurons that may be live, stage by stage.
        live_count: their number, a stage.
        packed: the matrices on live rows and columns.
        box_low: `(inputs,)`.
        box_high: `(inputs,)`.
        room: `(3, most rows * neurons)`.
        bounds: `(rows,)` filled with the upper bounds, rounded outward.
        slopes: `(rows, inputs)` filled with the coefficients at the input.
        parts: `(rows, inputs)` filled where `guide` is set.
        share: `(neurons, inputs)` what `parts` is made of.
        guide: whether to fill `parts`.
    """
    work, spare, gaps = room[0], room[1], room[2]
    offset, start_of, source_of = net.offset, net.edge_start, net.edge_source
    inputs, most = net.sizes[0], work.shape[0] // offset[-1]
    constant, error, used = np.zeros(count), np.zeros(count), np.zeros(k + 1, np.bool_)
    state = constant, error, used
    _begin(net, k, rows, signs, count, scale, live, live_count, packed, work, most, state)
    if guide:
        parts[:count] = 0.0
    for s in range(k - 1, 0, -1):
        columns, begin, first = live_count[s], offset[s], most * offset[s]
        if not used[s] or columns == 0:
            continue
        end = begin + columns
        block = work[first : first + count * columns].reshape(count, columns)
        if guide:
            gap = gaps[: count * columns].reshape(count, columns)
            _gaps(block, table[UGAP, begin:end], table[DGAP, begin:end], gap)
            parts[:count] += np.dot(gap, share[begin:end])
        _relax(
            block,
            lines[0, begin:end],
            lines[1, begin:end],
            lines[2, begin:end],
            lines[3, begin:end],
            lines[4, begin:end],
            lines[5, begin:end],
            constant,
            error,
        )
        for e in range(net.edge_first[s], net.edge_first[s + 1]):
            source, start = source_of[e], start_of[e]
            into, to = live_count[source], most * offset[source]
            if into == 0:
                continue
            matrix = packed[start : start + columns * into].reshape(columns, into)
            if used[source]:
                np.dot(block, matrix, spare[: count * into].reshape(count, into))
                for i in range(count * into):
                    work[to + i] += spare[i]
            else:
                np.dot(block, matrix, work[to : to + count * into].reshape(count, into))
                used[source] = True
    charge = (net.operations * UNIT / (1.0 - net.operations * UNIT)) * SLACK
    for r in range(count):
        total, blame = constant[r], error[r] + abs(constant[r])
        for i in range(inputs):
            a = work[r * inputs + i] if used[0] else 0.0
            slopes[r, i] = a
            total += a * (box_high[i] if a >= 0.0 else box_low[i])
            blame += 2.0 * abs(a) * max(abs(box_low[i]), abs(box_high[i]))
            if guide:
                parts[r, i] += abs(a) * (box_high[i] - box_low[i])
        bounds[r] = np.nextafter(total + (charge * blame * SLACK + UNDERFLOW), np.inf)
