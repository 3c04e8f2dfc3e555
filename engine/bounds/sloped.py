"""Rows of one stage, each with lower slopes of its own, substituted backwards in binary64.

As `substitute.py`, where all rows share the lines; every rounding is charged in the same way.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import SLACK, UNDERFLOW, UNIT
from .climb import FREE
from .compiled import njit
from .substitute import DOWN, UP
from .vectors import LINE


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _relax(row, slope, free, lines, bias, size, begin):
    """Replace coefficients of activations by those of pre-activations, in place.

    Where the slope is free the row's own is taken: any number in [0, 1] is sound, and no other.

    Returns:
        what this adds to the row's constant and to its error; both sums in any order.
    """
    shift, error = 0.0, 0.0
    for j in range(row.shape[0]):
        at = begin + j
        up, down = at * LINE + UP, at * LINE + DOWN
        lower, low_shift, charge = lines[down], lines[down + 1], lines[down + 2]
        if free[at] > 0.0:
            lower = min(max(np.float64(slope[j]), 0.0), 1.0)
            low_shift, charge = lower * bias[at], lower * size[at] + UNDERFLOW
        plus, minus = max(row[j], 0.0), min(row[j], 0.0)
        row[j] = plus * lines[up] + minus * lower
        shift += plus * lines[up + 1] + minus * low_shift
        error += plus * lines[up + 2] - minus * charge
    return shift, error


@njit(cache=True, nogil=True)
def _starts(net, k, rows, signs, live, live_count, packed, work, most, used):
    """Fill in the coefficients of rows of stage k at the stages it reads; note which these are."""
    used[:] = False
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = net.edge_source[e], net.edge_start[e]
        columns, first = live_count[source], most * net.offset[source]
        for r in range(rows.shape[0]):
            row, at = start + rows[r] * columns, first + r * columns
            for j in range(columns):
                value = signs[r] * packed[row + j]
                work[at + j] = work[at + j] + value if used[source] else value
        used[source] = True


@njit(cache=True, nogil=True)
def substitute_sloped(net, k, rows, signs, work, box_low, box_high, bounds):
    """Bound ``sign * z`` from above for rows of stage k, with the lower slopes chosen for them.

    Args:
        net: `Packed`.
        k: the stage.
        rows: `(rows,)` places among the live neurons of stage k.
        signs: +1 or -1 for each row.
        work: `Working`.
        box_low: `(inputs,)`.
        box_high: `(inputs,)`.
        bounds: `(rows,)` lowered to the upper bounds found, rounded outward.
    """
    row, spare, packed = work.rows[0], work.rows[1], work.packed
    live, live_count = work.live, work.live_count
    inputs, count = net.sizes[0], rows.shape[0]
    most = row.shape[0] // net.offset[-1]
    constant, error = np.empty(count), np.empty(count)
    used = np.zeros(k + 1, np.bool_)
    here = net.offset[k]
    for r in range(count):
        n = here + live[here + rows[r]]
        constant[r] = signs[r] * net.bias[n]
        error[r] = work.scale[n]
    _starts(net, k, rows, signs, live, live_count, packed, row, most, used)
    for s in range(k - 1, 0, -1):
        columns, begin, first = live_count[s], net.offset[s], most * net.offset[s]
        if not used[s] or columns == 0:
            continue
        for r in range(count):
            own = slice(first + r * columns, first + (r + 1) * columns)
            shift, charge = _relax(
                row[own],
                work.chosen[own],
                work.line[FREE],
                work.lines,
                work.bias,
                work.size,
                begin,
            )
            constant[r] += shift
            error[r] += charge
        block = row[first : first + count * columns].reshape(count, columns)
        for e in range(net.edge_first[s], net.edge_first[s + 1]):
            source = net.edge_source[e]
            into, to, start = live_count[source], most * net.offset[source], net.edge_start[e]
            if into == 0:
                continue
            matrix = packed[start : start + columns * into].reshape(columns, into)
            if used[source]:
                np.dot(block, matrix, spare[: count * into].reshape(count, into))
                for i in range(count * into):
                    row[to + i] += spare[i]
            else:
                np.dot(block, matrix, row[to : to + count * into].reshape(count, into))
                used[source] = True
    charge = (net.operations * UNIT / (1.0 - net.operations * UNIT)) * SLACK
    for r in range(count):
        total, blame = constant[r], error[r] + abs(constant[r])
        for i in range(inputs):
            a = row[r * inputs + i] if used[0] else 0.0
            total += a * (box_high[i] if a >= 0.0 else box_low[i])
            blame += 2.0 * abs(a) * max(abs(box_low[i]), abs(box_high[i]))
        bound = np.nextafter(total + (charge * blame * SLACK + UNDERFLOW), np.inf)
        if bound < bounds[r]:
            bounds[r] = bound
