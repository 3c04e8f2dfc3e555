"""The fused inner loops: bounds of a staged network over many boxes, box by box, compiled.

One box at a time stays in cache, touches only rows of unstable neurons and columns of neurons that
are not known to be zero. `linear.py` computes the same bounds with arrays alone.

Soundness. Every row is carried as ``bound <= sum_j A_j v_j + constant + error``: each rounding is
charged to `error`, a sum of magnitudes (coefficient times the largest magnitude of what it
multiplies), which in the end is multiplied by gamma of the number of all operations. Sums may be
taken in any order. See `engine/rounding.py`.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np
from numba import njit

from ..network import State
from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .packed import LOWER, UPPER
from .substitute import BIAS, DGAP, DM, DS, DT, SIZE, TABLE, UGAP, UM, US, UT, substitute

GUIDED = 32
"""Up to this many inputs, the choice of the input to bisect looks through the relaxations."""

_RELU, _ZERO, _IDENTITY = int(State.RELU), int(State.ZERO), int(State.IDENTITY)


@njit(cache=True, nogil=True)
def _interval(net, k, post_low, post_high, low, high, scale, centre, radius, total, middle):
    """Intersect the bounds of stage k with interval arithmetic; fill `scale` with magnitudes.

    scale[i] bounds |b_i| + sum |W_ij| |a_j|, whatever the activations in their bounds.
    """
    begin, size = net.offset[k], net.sizes[k]
    terms = 4.0
    for i in range(size):
        centre[i], radius[i], total[i] = net.bias[begin + i], 0.0, abs(net.bias[begin + i])
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source = net.edge_source[e]
        first, width, start = net.offset[source], net.sizes[source], net.edge_start[e]
        weight = net.weight[start : start + size * width].reshape(size, width)
        magnitude = net.magnitude[start : start + size * width].reshape(size, width)
        mid, rad, top = middle[0, :width], middle[1, :width], middle[2, :width]
        for j in range(width):
            a, b = post_low[first + j], post_high[first + j]
            mid[j] = 0.5 * (a + b)
            rad[j] = max(b - mid[j], mid[j] - a) * (1.0 + 4.0 * UNIT)
            top[j] = max(abs(a), abs(b))
        centre[:size] += np.dot(weight, mid)
        radius[:size] += np.dot(magnitude, rad)
        total[:size] += np.dot(magnitude, top)
        terms += width + 2.0
    charge = (terms * UNIT / (1.0 - terms * UNIT)) * SLACK
    for i in range(size):
        reach = (radius[i] + charge * total[i]) * SLACK + UNDERFLOW
        scale[begin + i] = total[i] * SLACK + UNDERFLOW
        high[begin + i] = min(high[begin + i], np.nextafter(centre[i] + reach, np.inf))
        low[begin + i] = max(low[begin + i], np.nextafter(centre[i] - reach, -np.inf))


@njit(cache=True, nogil=True)
def _activate(net, k, low, high, scale, post_low, post_high, live, live_count, table):
    """Fill the activations' bounds of stage k, its live neurons and their lines."""
    begin, count = net.offset[k], 0
    for i in range(net.sizes[k]):
        n = begin + i
        state, least, most = net.state[n], low[n], high[n]
        slope, shift, free = 0.0, 0.0, False
        if state == _IDENTITY or (state == _RELU and least >= 0.0):
            slope = 1.0
            post_low[n], post_high[n] = least, most
        elif state == _ZERO or (state == _RELU and most <= 0.0):
            post_low[n], post_high[n] = 0.0, 0.0
            continue
        elif state == _RELU:
            free = True
            post_low[n], post_high[n] = 0.0, most
        else:
            slope, shift = net.slope[n], net.intercept[n]
            a, b = slope * least, slope * most
            spare = (abs(a) + abs(b) + abs(shift)) * (4.0 * UNIT) + UNDERFLOW
            post_low[n] = min(a, b) + shift - spare
            post_high[n] = max(a, b) + shift + spare
        at = begin + count
        live[at] = i
        count += 1
        table[US, at], table[DS, at], table[UT, at], table[DT, at] = slope, slope, shift, shift
        table[UGAP, at], table[DGAP, at] = 0.0, 0.0
        if free:
            steep = most / (most - least)
            table[US, at] = steep
            table[UT, at] = (
                max(-steep * least, (1.0 - steep) * most) * (1.0 + 8.0 * UNIT) + UNDERFLOW
            )
            table[DS, at] = 1.0 if most > -least else 0.0
            table[UGAP, at], table[DGAP, at] = table[UT, at], min(-least, most)
        table[UM, at], table[DM, at] = abs(table[UT, at]), abs(table[DT, at])
        table[BIAS, at] = net.bias[n]
        table[SIZE, at] = 2.0 * scale[n] + max(-least, most)
    live_count[k] = count


@njit(cache=True, nogil=True)
def _compress(net, k, live, live_count, packed):
    """Copy the matrices into stage k to `packed`, with live rows and live columns only."""
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source = net.edge_source[e]
        start, width = net.edge_start[e], net.sizes[source]
        rows, columns = live_count[k], live_count[source]
        here, there = net.offset[k], net.offset[source]
        for i in range(rows):
            row = start + live[here + i] * width
            for j in range(columns):
                packed[start + i * columns + j] = net.weight[row + live[there + j]]


@njit(cache=True, nogil=True)
def _settle(
    net,
    k,
    wish,
    low,
    high,
    signs,
    rows,
    count,
    bounds,
    slopes,
    parts,
    guide,
    box_low,
    box_high,
    influence,
    corner,
):
    """Take over the bounds of rows of stage k; blame the inputs for the wishes that stay open.

    Returns:
        the flat neuron whose wish is farthest from settled, or -1.
    """
    worst, gap, begin, inputs = -1, 0.0, net.offset[k], net.sizes[0]
    for r in range(count):
        n = begin + rows[r]
        if signs[r] > 0.0:
            high[n] = min(high[n], bounds[r])
            still = (wish[n] & UPPER) and high[n] > 0.0
        else:
            low[n] = max(low[n], -bounds[r])
            still = (wish[n] & LOWER) and low[n] < 0.0
        if not still:
            continue
        size = max(-low[n], high[n])
        for i in range(inputs):
            width = box_high[i] - box_low[i]
            influence[i] += (parts[r, i] if guide else width * abs(slopes[r, i])) / size
        if bounds[r] / size > gap:
            gap, worst = bounds[r] / size, n
            for i in range(inputs):
                corner[i] = box_high[i] if slopes[r, i] >= 0.0 else box_low[i]
    return worst


@njit(cache=True, nogil=True)
def bound_boxes(net, box_low, box_high, low, high, wish, influence, worst, corner):
    """Tighten the pre-activation bounds of every box.

    Args:
        net: `Packed`.
        box_low: `(boxes, inputs)`.
        box_high: `(boxes, inputs)`.
        low: `(boxes, neurons)`, flat over all stages; on entry bounds that are known to hold
            (infinite where nothing is), on return tightened; rounded outward.
        high: the same, upper bounds.
        wish: `(boxes, neurons)` uint8, bits UPPER and LOWER: whose sign is asked. A box is followed
            to the last stage with a wish; in that stage only wished rows are computed, in earlier
            stages every unstable row. All zero: every stage, every unstable row.
        influence: `(boxes, inputs)` filled with how much each input is to be blamed for the wished
            rows that stay open.
        worst: `(boxes,)` filled with the neuron (flat) whose wish is farthest from settled, -1 if
            none is open.
        corner: `(boxes, inputs)` where the bound of `worst` is attained.
    """
    total, stages, inputs = net.offset[-1], net.sizes.shape[0], net.sizes[0]
    widest = net.sizes.max()
    most = 2 * widest
    room = np.empty((3, most * total))
    packed = np.empty(net.weight.shape[0])
    table = np.zeros((TABLE, total))
    post_low, post_high, scale = np.zeros(total), np.zeros(total), np.zeros(total)
    live, live_count = np.zeros(total, np.int64), np.zeros(stages, np.int64)
    centre, radius, sums, middle = (
        np.zeros(widest),
        np.zeros(widest),
        np.zeros(widest),
        np.zeros((3, widest)),
    )
    rows, signs, bounds = np.zeros(most, np.int64), np.zeros(most), np.zeros(most)
    slopes, parts, loose = (
        np.zeros((most, inputs)),
        np.zeros((most, inputs)),
        np.zeros((total, inputs)),
    )
    share = np.zeros((total, inputs))
    guide = inputs <= GUIDED
    for box in range(box_low.shape[0]):
        last = 0
        for k in range(1, stages):
            for n in range(net.offset[k], net.offset[k + 1]):
                if wish[box, n]:
                    last = k
        every = last == 0
        if every:
            last = stages - 1
        worst[box] = -1
        influence[box] = 0.0
        low[box, :inputs], high[box, :inputs] = box_low[box], box_high[box]
        post_low[:inputs], post_high[:inputs] = box_low[box], box_high[box]
        live[:inputs] = np.arange(inputs)
        live_count[0] = inputs
        for k in range(1, last + 1):
            begin, size = net.offset[k], net.sizes[k]
            _interval(
                net,
                k,
                post_low,
                post_high,
                low[box],
                high[box],
                scale,
                centre,
                radius,
                sums,
                middle,
            )
            if not scale[begin : begin + size].max() < LARGEST:
                low[box, begin:], high[box, begin:] = -np.inf, np.inf
                break
            count = 0
            for i in range(size):
                n = begin + i
                unstable = low[box, n] < 0.0 and high[box, n] > 0.0
                if net.state[n] != _RELU:  # its line is exact: only an output needs bounds
                    both = every and k == last
                else:
                    both = unstable and (every or k < last)
                if both or (wish[box, n] & UPPER and high[box, n] > 0.0):
                    rows[count], signs[count] = i, 1.0
                    count += 1
                if both or (wish[box, n] & LOWER and low[box, n] < 0.0):
                    rows[count], signs[count] = i, -1.0
                    count += 1
            final = guide and not every and k == last
            if count > 0:
                substitute(
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
                    box_low[box],
                    box_high[box],
                    room,
                    bounds,
                    slopes,
                    parts,
                    share,
                    final,
                )
                at = _settle(
                    net,
                    k,
                    wish[box],
                    low[box],
                    high[box],
                    signs,
                    rows,
                    count,
                    bounds,
                    slopes,
                    parts,
                    final,
                    box_low[box],
                    box_high[box],
                    influence[box],
                    corner[box],
                )
                worst[box] = at if at >= 0 else worst[box]
            if k == last:
                break
            _activate(
                net, k, low[box], high[box], scale, post_low, post_high, live, live_count, table
            )
            _compress(net, k, live, live_count, packed)
            if guide and not every:
                for r in range(count):
                    whole = UNDERFLOW
                    for i in range(inputs):
                        loose[begin + rows[r], i] = abs(slopes[r, i]) * (
                            box_high[box, i] - box_low[box, i]
                        )
                        whole += loose[begin + rows[r], i]
                    for i in range(inputs):
                        loose[begin + rows[r], i] /= whole
                for c in range(live_count[k]):
                    share[begin + c] = loose[begin + live[begin + c]]
