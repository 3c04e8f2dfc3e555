"""One stage of a pass upwards over one box: enclosed, activated, freed of what is dead; compiled.

See `kernels.py` for what is charged, and why.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..network import State
from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .grid_lines import ends, grid_line, moved, on_grid
from .lanes_rows import gather_row
from .substitute import put_line
from .vectors import LANES

_RELU, _ZERO, _IDENTITY = int(State.RELU), int(State.ZERO), int(State.IDENTITY)


@njit(cache=True, nogil=True, forceinline=True)
def drop_dead(net, k, high, live, live_count, packed, rows, count):
    """Drop the rows of stage k's neurons that are zero by now; they are no columns of what follows.

    Args:
        net: `Packed`.
        k: the stage.
        high: `(neurons,)` upper bounds.
        live: indices of the live neurons, stage by stage; those of stage k are fewer on return.
        live_count: their number, a stage.
        packed: as `enclose` fills it.
        rows: places of rows among the stage's live neurons, ascending; moved with them, -1 where
            there is no neuron left.
        count: how many of these count.
    """
    begin, states, kept, at = net.offset[k], net.state, 0, 0
    start_of, source_of = net.edge_start, net.edge_source
    for c in range(live_count[k]):
        i = live[begin + c]
        dead = states[begin + i] == _RELU and high[begin + i] <= 0.0
        while at < count and rows[at] == c:
            rows[at] = -1 if dead else kept
            at += 1
        if dead:
            continue
        if kept < c:
            live[begin + kept] = i
            for e in range(net.edge_first[k], net.edge_first[k + 1]):
                columns = live_count[source_of[e]]
                to, row = start_of[e] + kept * columns, start_of[e] + c * columns
                for j in range(columns):
                    packed[to + j] = packed[row + j]
        kept += 1
    live_count[k] = kept


@njit(cache=True, nogil=True, inline="always")
def _list_live(net, k, high, live, sums, pitch):
    """List the neurons of stage k that may be live, and begin their sums; return their number."""
    begin, states, bias, count = net.offset[k], net.state, net.bias, 0
    for i in range(net.sizes[k]):
        state = states[begin + i]
        if state != _ZERO and not (state == _RELU and high[begin + i] <= 0.0):
            live[begin + count] = i
            sums[count], sums[pitch + count] = bias[begin + i], 0.0
            sums[2 * pitch + count] = abs(bias[begin + i])
            count += 1
    return count


@njit(cache=True, nogil=True, inline="always")
def _put_middle(post_low, post_high, there, live, columns, middle, pitch):
    """Fill middles, radii and largest magnitudes of the activations of a stage's live neurons."""
    for j in range(columns):
        n = there + live[there + j]
        low, high = post_low[n], post_high[n]
        centre, largest = 0.5 * (low + high), max(abs(low), abs(high))
        middle[j] = centre
        middle[pitch + j] = max(high - centre, centre - low) * (1.0 + 4.0 * UNIT)
        # a weight of 0 makes it NaN, found too large below
        middle[2 * pitch + j] = largest if largest < LARGEST else np.inf
    for j in range(columns, (columns + LANES - 1) // LANES * LANES):
        middle[j], middle[pitch + j], middle[2 * pitch + j] = 0.0, 0.0, 0.0


@njit(cache=True, nogil=True, forceinline=True)
def enclose(net, k, post_low, post_high, low, high, scale, live, live_count, packed, sums, middle):
    """Note the neurons of stage k that may be live, copy their rows, and bound them by intervals.

    A neuron that is known to be zero, by its state or by its bounds so far, has no row; columns
    are those of the sources' live neurons.

    Args:
        net: `Packed`.
        k: the stage.
        post_low: `(neurons,)` bounds of the activations of earlier stages.
        post_high: the same.
        low: `(neurons,)` bounds of the pre-activations, intersected with those found.
        high: the same.
        scale: filled for live neurons with a bound on |b_i| + sum |W_ij| |a_j|, whatever the
            activations in their bounds.
        live: filled with the indices of the neurons, stage by stage.
        live_count: their number, a stage.
        packed: filled with the matrices on live rows and columns; LANES longer than all weights.
        sums: as `sums_for` gives it.
        middle: the same.

    Returns:
        the largest of `scale`.
    """
    offset, sizes, weight, begin = net.offset, net.sizes, net.weight, net.offset[k]
    source_of, start_of, pitch, terms = net.edge_source, net.edge_start, sums.shape[0] // 3, 4.0
    count = _list_live(net, k, high, live, sums, pitch)
    live_count[k] = count
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = source_of[e], start_of[e]
        columns, there, width = live_count[source], offset[source], sizes[source]
        terms += columns + 2.0
        _put_middle(post_low, post_high, there, live, columns, middle, pitch)
        for c in range(count):
            row, to = start + live[begin + c] * width, start + c * columns
            gather_row(weight, row, live, there, columns, packed, to, middle, pitch, sums, c, pitch)
    charge, largest = (terms * UNIT / (1.0 - terms * UNIT)) * SLACK, 0.0
    for c in range(count):
        n, centre, total = begin + live[begin + c], sums[c], sums[2 * pitch + c]
        reach = (sums[pitch + c] + charge * total) * SLACK + UNDERFLOW
        reach += abs(centre) * (4.0 * UNIT)  # what rounding the ends can take away
        scale[n] = total * SLACK + UNDERFLOW
        # NaN, from an infinity times 0, is too large, too.
        largest = max(largest, scale[n]) if scale[n] < LARGEST else np.inf
        high[n] = min(high[n], centre + reach)
        low[n] = max(low[n], centre - reach)
    return largest


@njit(cache=True, nogil=True)
def sums_for(net):
    """Return room for `enclose`: three sums a row, and what rows are multiplied by."""
    pitch = (net.sizes.max() + LANES - 1) // LANES * LANES
    return np.zeros(3 * pitch), np.zeros(3 * pitch)


@njit(cache=True, nogil=True)
def _activate_rounded(net, n, low, high, post_low, post_high):
    """Fill the bounds of one neuron whose activation is rounded to a grid; return its lines."""
    state, step, least, most = net.state[n], net.step[n], net.least[n], net.most[n]
    below, above = ends(state, net.slope[n], net.intercept[n], low, high)
    post_low[n], post_high[n] = on_grid(below, above, step, least, most)
    slope, shift, half = grid_line(
        state, net.slope[n], net.intercept[n], low, high, step, least, most
    )
    top, gap, down_slope, down_shift = shift + 2.0 * half, 2.0 * half, slope, shift
    if half > 0.0 and state == _RELU and low < 0.0 and high > 0.0:  # at least 0, and z + down
        down, up = moved(below, above, step, least, most)
        passed = max(-low, up) - down
        cut = top if slope == 0.0 else high + up
        down_slope, down_shift = (1.0, down) if passed < cut else (0.0, 0.0)
        gap = min(passed, cut)
    top = np.nextafter(top, np.inf) if half > 0.0 else shift
    return slope, top, down_slope, down_shift, 2.0 * half, gap


@njit(cache=True, nogil=True, forceinline=True)
def activate(net, k, low, high, scale, post_low, post_high, live, live_count, lines):
    """Fill the activations' bounds and the lines of stage k's live neurons."""
    begin, states, biases, steps = net.offset[k], net.state, net.bias, net.step
    for at in range(begin, begin + live_count[k]):
        n = begin + live[at]
        state, least, most = states[n], low[n], high[n]
        size = 2.0 * scale[n] + max(-least, most)
        if steps[n] > 0.0:
            line = _activate_rounded(net, n, least, most, post_low, post_high)
        elif state == _IDENTITY or (state == _RELU and least >= 0.0):
            post_low[n], post_high[n] = least, most
            line = 1.0, 0.0, 1.0, 0.0, 0.0, 0.0
        elif state == _RELU and most <= 0.0:
            post_low[n], post_high[n] = 0.0, 0.0
            line = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        elif state == _RELU:
            post_low[n], post_high[n] = 0.0, most
            steep = most / (most - least)
            height = max(-steep * least, (1.0 - steep) * most) * (1.0 + 8.0 * UNIT) + UNDERFLOW
            line = steep, height, 1.0 if most > -least else 0.0, 0.0, height, min(-least, most)
        else:
            slope, shift = net.slope[n], net.intercept[n]
            a, b = slope * least, slope * most
            spare = (abs(a) + abs(b) + abs(shift)) * (4.0 * UNIT) + UNDERFLOW
            post_low[n] = min(a, b) + shift - spare
            post_high[n] = max(a, b) + shift + spare
            line = slope, shift, slope, shift, 0.0, 0.0
        put_line(lines, at, line, biases[n], size)


@njit(cache=True, nogil=True, forceinline=True)
def put_share(begin, live, count, rows, slopes, width, share):
    """Note which inputs the looseness of a stage's relaxations comes from.

    Args:
        begin: the stage's first neuron.
        live: how many of its neurons are live.
        count: how many of the rows count.
        rows: places of rows among the live neurons, -1 for none.
        slopes: `(rows, inputs)` of rows that were substituted.
        width: `(inputs,)` of the box.
        share: flat, `(neurons, inputs)`, filled with parts of 1; 0 where there is no row.
    """
    inputs = width.shape[0]
    share[begin * inputs : (begin + live) * inputs] = 0.0
    for r in range(count):
        if rows[r] < 0:
            continue
        whole, at = UNDERFLOW, (begin + rows[r]) * inputs
        for i in range(inputs):
            share[at + i] = abs(slopes[r, i]) * width[i]
            whole += share[at + i]
        for i in range(inputs):
            share[at + i] /= whole
