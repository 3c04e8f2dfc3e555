"""The innermost loop of the kernels: rows of one stage, substituted backwards to the input.

Sums may be taken in any order, for every rounding is charged; see `kernels.py`.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import SLACK, UNDERFLOW, UNIT
from .compiled import njit

# Rows of the table of lines, one column a live neuron.
US, UT = 0, 1  # slope and shift of the upper line
DS, DT = 2, 3  # slope and shift of the lower line
UM, DM = 4, 5  # the shifts' magnitudes
BIAS = 6
SIZE = 7  # the weight of a coefficient's magnitude in the error
UGAP, DGAP = 8, 9  # what the upper and the lower line can be away from the activation
TABLE = 10  # number of rows


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def relax(row, table, begin, columns):
    """Replace coefficients of activations by those of pre-activations, in place.

    Returns:
        what this adds to the row's constant and to its error; both sums in any order.
    """
    shift, error = 0.0, 0.0
    for j in range(columns):
        plus, minus = max(row[j], 0.0), min(row[j], 0.0)
        at = begin + j
        c = plus * table[US, at] + minus * table[DS, at]
        shift += plus * table[UT, at] + minus * table[DT, at] + c * table[BIAS, at]
        error += plus * table[UM, at] - minus * table[DM, at] + abs(c) * table[SIZE, at]
        error += (plus - minus) * UNDERFLOW  # infinite where a coefficient is
        row[j] = c
    return shift, error


@njit(cache=True, nogil=True)
def substitute(
    net,
    k,
    rows,
    signs,
    count,
    scale,
    table,
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
    """Bound ``sign * z`` from above for rows of stage k by substituting backwards.

    Args:
        net: `Packed`.
        k: the stage.
        rows: places among the live neurons of stage k.
        signs: +1 or -1 for each row.
        count: how many of the rows count.
        scale: magnitudes as `interval_stage` gives them.
        table: lines of the live neurons.
        live: indices of the neurons that may be live, stage by stage.
        live_count: their number, a stage.
        packed: the matrices on live rows and columns.
        box_low: `(inputs,)`.
        box_high: `(inputs,)`.
        room: `(3, most rows * neurons)` for the coefficients, one product, one table of gaps.
        bounds: `(rows,)` filled with the upper bounds, rounded outward.
        slopes: `(rows, inputs)` filled with the coefficients at the input.
        parts: `(rows, inputs)` filled, where `guide` is set, with how much of the row's looseness
            each input is to be blamed for.
        share: `(neurons, inputs)` the same of each neuron's pre-activation, in parts of 1.
        guide: whether to fill `parts`.
    """
    work, spare, gaps = room[0], room[1], room[2]
    inputs = net.sizes[0]
    most = work.shape[0] // net.offset[-1]
    constant, error = np.zeros(count), np.zeros(count)
    used = np.zeros(k + 1, np.bool_)
    if guide:
        parts[:count] = 0.0
    here = net.offset[k]
    for r in range(count):
        n = here + live[here + rows[r]]
        constant[r] = signs[r] * net.bias[n]
        error[r] = scale[n]
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = net.edge_source[e], net.edge_start[e]
        columns, first = live_count[source], most * net.offset[source]
        for r in range(count):
            row, at = start + rows[r] * columns, first + r * columns
            for j in range(columns):
                value = signs[r] * packed[row + j]
                work[at + j] = work[at + j] + value if used[source] else value
        used[source] = True
    for s in range(k - 1, 0, -1):
        columns, begin, first = live_count[s], net.offset[s], most * net.offset[s]
        if not used[s] or columns == 0:
            continue
        for r in range(count):
            at = first + r * columns
            if guide:
                for j in range(columns):
                    a = work[at + j]
                    gaps[r * columns + j] = max(
                        a * table[UGAP, begin + j], -a * table[DGAP, begin + j]
                    )
            shift, charge = relax(work[at : at + columns], table, begin, columns)
            constant[r] += shift
            error[r] += charge
        if guide:
            parts[:count] += np.dot(
                gaps[: count * columns].reshape(count, columns), share[begin : begin + columns]
            )
        block = work[first : first + count * columns].reshape(count, columns)
        for e in range(net.edge_first[s], net.edge_first[s + 1]):
            source = net.edge_source[e]
            into, to, start = live_count[source], most * net.offset[source], net.edge_start[e]
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
