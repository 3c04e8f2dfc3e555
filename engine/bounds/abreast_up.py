"""One stage of a pass upwards over eight boxes side by side, compiled; see `upward.py` for one box.

All arrays are flat, ``(neurons, LANES)``: a vector holds one number of every box.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..network import State
from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .abreast_rows import PITCH
from .compiled import njit
from .lanes import forward_product
from .lanes_boxes import share_boxes
from .upward import drop_dead
from .vectors import LANES

_RELU, _ZERO, _IDENTITY = int(State.RELU), int(State.ZERO), int(State.IDENTITY)


@njit(cache=True, nogil=True)
def _list_live(net, k, high, live, centre, beside):
    """List the neurons of stage k that may be live on a box, and begin their sums."""
    begin, states, bias, count = net.offset[k], net.state, net.bias, 0
    for i in range(net.sizes[k]):
        n, most = begin + i, 0.0
        for b in range(n * LANES, n * LANES + LANES):
            most = max(most, high[b])
        if states[n] == _ZERO or (states[n] == _RELU and most <= 0.0):
            continue
        live[begin + count] = i
        for b in range(LANES):
            centre[count * LANES + b] = bias[n]
            beside[2 * count * LANES + b] = 0.0
            beside[(2 * count + 1) * LANES + b] = abs(bias[n])
        count += 1
    return count


@njit(cache=True, nogil=True)
def _put_middle(there, live, columns, post_low, post_high, middle, around):
    """Fill middles, radii and largest magnitudes of the activations of a stage's live neurons."""
    for j in range(columns):
        n = (there + live[there + j]) * LANES
        for b in range(LANES):
            low, high = post_low[n + b], post_high[n + b]
            half, largest = 0.5 * (low + high), max(abs(low), abs(high))
            middle[j * LANES + b] = half
            around[2 * j * LANES + b] = max(high - half, half - low) * (1.0 + 4.0 * UNIT)
            # a weight of 0 makes it NaN, found too large below
            around[(2 * j + 1) * LANES + b] = largest if largest < LARGEST else np.inf


@njit(cache=True, nogil=True)
def _gather(weight, start, width, live, begin, count, there, columns, packed, sizes):
    """Copy the live rows and columns of a matrix, and their magnitudes."""
    for c in range(count):
        row, to = start + live[begin + c] * width, c * columns
        for j in range(columns):
            value = weight[row + live[there + j]]
            packed[start + to + j], sizes[to + j] = value, abs(value)


@njit(cache=True, nogil=True)
def enclose_boxes(net, k, work):
    """Bound stage k by intervals; return whether all numbers are small enough to be bounded."""
    live, live_count, packed, sizes = work.live, work.live_count, work.packed, work.sizes
    middle, around, centre, beside = work.middle, work.around, work.centre, work.beside
    low, high, scale, begin, terms = work.low, work.high, work.scale, net.offset[k], 4.0
    count = _list_live(net, k, high, live, centre, beside)
    live_count[k] = count
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = net.edge_source[e], net.edge_start[e]
        columns, there, width = live_count[source], net.offset[source], net.sizes[source]
        terms += columns + 2.0
        _put_middle(there, live, columns, work.post_low, work.post_high, middle, around)
        _gather(net.weight, start, width, live, begin, count, there, columns, packed, sizes)
        forward_product(1, packed, start, columns, middle, 0, columns, centre, 0, count, 1)
        forward_product(2, sizes, 0, columns, around, 0, columns, beside, 0, count, 1)
    charge, fine = (terms * UNIT / (1.0 - terms * UNIT)) * SLACK, True
    for c in range(count):
        n = (begin + live[begin + c]) * LANES
        for b in range(LANES):
            half, total = centre[c * LANES + b], beside[(2 * c + 1) * LANES + b]
            reach = (beside[2 * c * LANES + b] + charge * total) * SLACK + UNDERFLOW
            reach += abs(half) * (4.0 * UNIT)  # what rounding the ends can take away
            scale[n + b] = total * SLACK + UNDERFLOW
            fine &= scale[n + b] < LARGEST
            high[n + b] = min(high[n + b], half + reach)
            low[n + b] = max(low[n + b], half - reach)
    return fine


@njit(cache=True, nogil=True)
def drop_boxes(net, k, count, work):
    """Drop the neurons of stage k that are zero on all boxes by now."""
    begin, live, high, most = net.offset[k], work.live, work.high, work.most
    for c in range(work.live_count[k]):
        n = begin + live[begin + c]
        most[n] = high[n * LANES]
        for b in range(n * LANES, n * LANES + LANES):
            most[n] = max(most[n], high[b])
    drop_dead(net, k, most, live, work.live_count, work.packed, work.rows, count)


@njit(cache=True, nogil=True, error_model="numpy")
def _put_relu(n, to, bias, low, high, scale, post_low, post_high, lines):
    """Fill the activation's bounds and the lines of a ReLU on all boxes.

    Args:
        n: where its numbers begin.
        to: where its lines begin.
        bias: its bias.
        low: flat `(neurons, LANES)`.
        high: the same.
        scale: the same.
        post_low: the same, filled.
        post_high: the same, filled.
        lines: flat, filled.
    """
    for b in range(LANES):
        least, most = low[n + b], high[n + b]
        size = 2.0 * scale[n + b] + max(-least, most)
        on = least >= 0.0
        off = most <= 0.0 and not on
        steep, down = most / (most - least), 1.0 if most > -least else 0.0
        height = max(-steep * least, (1.0 - steep) * most) * (1.0 + 8.0 * UNIT) + UNDERFLOW
        gap = min(-least, most)
        if on:
            steep, down, height, gap = 1.0, 1.0, 0.0, 0.0
        if off:
            steep, down, height, gap = 0.0, 0.0, 0.0, 0.0
        post_low[n + b] = least if on else 0.0
        post_high[n + b] = 0.0 if off else most
        lines[to + b], lines[to + LANES + b] = steep, height + steep * bias
        lines[to + 2 * LANES + b] = height + steep * size + UNDERFLOW
        lines[to + 3 * LANES + b], lines[to + 4 * LANES + b] = down, down * bias
        lines[to + 5 * LANES + b] = down * size + UNDERFLOW
        lines[to + 6 * LANES + b], lines[to + 7 * LANES + b] = height, gap


@njit(cache=True, nogil=True)
def _put_exact(n, to, slope, shift, bias, low, high, scale, post_low, post_high, lines):
    """Do as `_put_relu` for a neuron that computes a line."""
    for b in range(LANES):
        least, most = low[n + b], high[n + b]
        size = 2.0 * scale[n + b] + max(-least, most)
        one, two = slope * least, slope * most
        spare = (abs(one) + abs(two) + abs(shift)) * (4.0 * UNIT) + UNDERFLOW
        if slope == 1.0 and shift == 0.0:
            post_low[n + b], post_high[n + b] = least, most
        else:
            post_low[n + b] = min(one, two) + shift - spare
            post_high[n + b] = max(one, two) + shift + spare
        charge = abs(shift) + abs(slope) * size + UNDERFLOW
        for side in (0, 3):
            lines[to + side * LANES + b] = slope
            lines[to + (side + 1) * LANES + b] = shift + slope * bias
            lines[to + (side + 2) * LANES + b] = charge
        lines[to + 6 * LANES + b], lines[to + 7 * LANES + b] = 0.0, 0.0


@njit(cache=True, nogil=True)
def activate_boxes(net, k, work):
    """Fill the activations' bounds and the lines of stage k's live neurons."""
    low, high, scale, lines = work.low, work.high, work.scale, work.lines
    post_low, post_high, begin = work.post_low, work.post_high, net.offset[k]
    for at in range(begin, begin + work.live_count[k]):
        m = begin + work.live[at]
        n, to, bias, state, on = m * LANES, at * PITCH, net.bias[m], net.state[m], True
        for b in range(n, n + LANES):
            on &= low[b] >= 0.0
        work.exact[at] = state == _IDENTITY or (state == _RELU and on)
        if state == _RELU:
            _put_relu(n, to, bias, low, high, scale, post_low, post_high, lines)
            continue
        slope, shift = (1.0, 0.0) if state == _IDENTITY else (net.slope[m], net.intercept[m])
        _put_exact(n, to, slope, shift, bias, low, high, scale, post_low, post_high, lines)


@njit(cache=True, nogil=True)
def put_shares(net, k, count, work):
    """Note which inputs the looseness of stage k's relaxations comes from."""
    begin, share, width = net.offset[k], work.share, work.width
    rows, slopes, pitch = work.rows, work.slopes, net.sizes[0] * LANES
    share[begin * pitch : (begin + work.live_count[k]) * pitch] = 0.0
    for r in range(count):
        if rows[r] >= 0:
            to = (begin + rows[r]) * pitch
            share_boxes(slopes, r * pitch, width, net.sizes[0], UNDERFLOW, share, to)
