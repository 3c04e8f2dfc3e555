"""Lower bounds of the outputs of a staged network on many boxes, with the planes they come from."""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..network import State
from ..rounding import LARGEST
from .compiled import njit
from .grid_lines import cut_off
from .packed import GUIDED, LOWER, UPPER
from .substitute import put_inputs, room_for, substitute
from .upward import activate, drop_dead, enclose, put_share, sums_for
from .vectors import LANES, LINE

_RELU = int(State.RELU)


@njit(cache=True, nogil=True)
def _cut_off(net, n, low, high):
    """Return whether a grid may cut a neuron's activations off."""
    return cut_off(
        net.state[n],
        net.slope[n],
        net.intercept[n],
        low,
        high,
        net.step[n],
        net.least[n],
        net.most[n],
    )


@njit(cache=True, nogil=True)
def _open_rows(net, k, low, high, live, live_count, wanted, cut, rows, signs):
    """List the rows of stage k to be substituted; return their number.

    Both sides of unstable neurons, and of those that a grid may cut off; of the last stage the
    lower side of wanted rows below their cut.
    """
    begin, count = net.offset[k], 0
    last = k == net.sizes.shape[0] - 1
    for c in range(live_count[k]):
        n = begin + live[begin + c]
        if last:
            r = live[begin + c]
            if wanted[r] and low[n] < cut[r]:
                rows[count], signs[count] = c, -1.0
                count += 1
        elif (net.state[n] == _RELU and low[n] < 0.0 and high[n] > 0.0) or (
            net.step[n] > 0.0 and _cut_off(net, n, low[n], high[n])
        ):
            rows[count], signs[count] = c, 1.0
            rows[count + 1], signs[count + 1] = c, -1.0
            count += 2
    return count


@njit(cache=True, nogil=True)
def bound_rows(net, box_low, box_high, stable, wanted, cut, low, base, slopes, parts):
    """Bound the outputs of a staged network from below on every box.

    Args:
        net: `Packed`; its last stage are the rows.
        box_low: `(boxes, inputs)`.
        box_high: `(boxes, inputs)`.
        stable: `(boxes, 1, neurons)` uint8, bits UPPER and LOWER: signs of pre-activations that are
            known to hold on the box; more are set on return.
        wanted: `(boxes, rows)` uint8, which rows to bound.
        cut: `(rows,)` a row whose interval reaches its cut is not followed further.
        low: `(boxes, rows)` filled with proved lower bounds, rounded outward.
        base: as `pairs.bound_pairs` fills it.
        slopes: the same.
        parts: the same; empty of meaning above GUIDED inputs, where it holds slope times width.
    """
    total, stages, inputs = net.offset[-1], net.sizes.shape[0], net.sizes[0]
    widest = net.sizes.max()
    most = 2 * widest
    room, packed = room_for(net), np.zeros(net.weight.shape[0] + LANES)
    lines, used, width = np.zeros(total * LINE), np.zeros(stages, np.uint8), np.zeros(inputs)
    below, above, scale = np.zeros(total), np.zeros(total), np.zeros(total)
    post_low, post_high = np.zeros(total), np.zeros(total)
    live, live_count = np.zeros(total, np.int64), np.zeros(stages, np.int64)
    sums, middle = sums_for(net)
    rows, signs, bounds = np.zeros(most, np.int64), np.zeros(most), np.zeros(most)
    plane, blame = np.zeros((most, inputs)), np.zeros((most, inputs))
    share = np.zeros(total * inputs)
    guide, last = inputs <= GUIDED, stages - 1
    for box in range(box_low.shape[0]):
        low[box], base[box] = -np.inf, -np.inf
        for n in range(total):
            flags = stable[box, 0, n]
            below[n] = 0.0 if flags & LOWER else -np.inf
            above[n] = 0.0 if flags & UPPER else np.inf
        post_low[:inputs], post_high[:inputs] = box_low[box], box_high[box]
        width[:] = box_high[box] - box_low[box]
        put_inputs(lines, box_low[box], box_high[box])
        live[:inputs] = np.arange(inputs)
        live_count[0] = inputs
        for k in range(1, stages):
            begin = net.offset[k]
            largest = enclose(
                net,
                k,
                post_low,
                post_high,
                below,
                above,
                scale,
                live,
                live_count,
                packed,
                sums,
                middle,
            )
            if not largest < LARGEST:
                break
            count = _open_rows(
                net, k, below, above, live, live_count, wanted[box], cut, rows, signs
            )
            if count > 0:
                substitute(
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
                    plane,
                    blame,
                    share,
                    guide and k == last,
                    width,
                )
            if k == last:
                for c in range(live_count[k]):
                    r = live[begin + c]
                    low[box, r] = below[begin + r]
                for at in range(count):
                    r = live[begin + rows[at]]
                    slopes[box, r], parts[box, r] = 0.0, 0.0
                    if not bounds[at] < np.inf:  # NaN, too: numbers too large to be computed with
                        continue
                    base[box, r] = -bounds[at]
                    low[box, r] = max(low[box, r], -bounds[at])
                    for i in range(inputs):
                        slopes[box, r, i] = -plane[at, i]
                        part = blame[at, i] if guide else abs(plane[at, i]) * width[i]
                        parts[box, r, i] = part
                break
            for at in range(count):
                n = begin + live[begin + rows[at]]
                if signs[at] > 0.0:
                    above[n] = bounds[at] if bounds[at] < above[n] else above[n]  # never NaN
                else:
                    below[n] = -bounds[at] if -bounds[at] > below[n] else below[n]
            for c in range(live_count[k]):
                n = begin + live[begin + c]
                stable[box, 0, n] |= (above[n] <= 0.0) * UPPER + (below[n] >= 0.0) * LOWER
            drop_dead(net, k, above, live, live_count, packed, rows, count)
            activate(net, k, below, above, scale, post_low, post_high, live, live_count, lines)
            if guide:  # stable neurons cost nothing: their share is never used
                put_share(begin, live_count[k], count, rows, plane, width, share)
