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

from ..network import State
from ..rounding import LARGEST
from .borrowed import borrowed
from .compiled import njit
from .packed import GUIDED, LOWER, UPPER
from .substitute import put_inputs, room_for, substitute
from .upward import activate, drop_dead, enclose, put_share, sums_for
from .vectors import LANES, LINE

_RELU, _ZERO, _IDENTITY = int(State.RELU), int(State.ZERO), int(State.IDENTITY)


@njit(cache=True, nogil=True)
def _settle(
    net,
    k,
    wish,
    low,
    high,
    live,
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
        n = begin + live[begin + rows[r]]
        if signs[r] > 0.0:
            high[n] = bounds[r] if bounds[r] < high[n] else high[n]  # never NaN
            still = (wish[n] & UPPER) and high[n] > 0.0
        else:
            low[n] = -bounds[r] if -bounds[r] > low[n] else low[n]
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
    net = borrowed(net)
    total, stages, inputs = net.offset[-1], net.sizes.shape[0], net.sizes[0]
    widest = net.sizes.max()
    most = 2 * widest
    room, used = room_for(net), np.zeros(stages, np.uint8)
    packed = np.zeros(net.weight.shape[0] + LANES)
    lines, width = np.zeros(total * LINE), np.zeros(inputs)
    post_low, post_high, scale = np.zeros(total), np.zeros(total), np.zeros(total)
    live, live_count = np.zeros(total, np.int64), np.zeros(stages, np.int64)
    sums, middle = sums_for(net)
    rows, signs, bounds = np.zeros(most, np.int64), np.zeros(most), np.zeros(most)
    slopes, parts = np.zeros((most, inputs)), np.zeros((most, inputs))
    share = np.zeros(total * inputs)
    guide, offset, state = inputs <= GUIDED, net.offset, net.state
    for box in range(box_low.shape[0]):
        last = 0
        for k in range(1, stages):
            for n in range(offset[k], offset[k + 1]):
                if wish[box, n]:
                    last = k
        every = last == 0
        if every:
            last = stages - 1
        worst[box] = -1
        influence[box] = 0.0
        low[box, :inputs], high[box, :inputs] = box_low[box], box_high[box]
        post_low[:inputs], post_high[:inputs] = box_low[box], box_high[box]
        width[:] = box_high[box] - box_low[box]
        put_inputs(lines, box_low[box], box_high[box])
        live[:inputs] = np.arange(inputs)
        live_count[0] = inputs
        for k in range(1, last + 1):
            begin = net.offset[k]
            largest = enclose(
                net,
                k,
                post_low,
                post_high,
                low[box],
                high[box],
                scale,
                live,
                live_count,
                packed,
                sums,
                middle,
            )
            if not largest < LARGEST:
                low[box, begin:], high[box, begin:] = -np.inf, np.inf
                break
            count = 0
            for c in range(live_count[k]):
                n = begin + live[begin + c]
                unstable = low[box, n] < 0.0 and high[box, n] > 0.0
                if state[n] != _RELU:  # its line is exact: only an output needs bounds
                    both = every and k == last
                else:
                    both = unstable and (every or k < last)
                if both or (wish[box, n] & UPPER and high[box, n] > 0.0):
                    rows[count], signs[count] = c, 1.0
                    count += 1
                if both or (wish[box, n] & LOWER and low[box, n] < 0.0):
                    rows[count], signs[count] = c, -1.0
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
                    final,
                    width,
                )
                at = _settle(
                    net,
                    k,
                    wish[box],
                    low[box],
                    high[box],
                    live,
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
            drop_dead(net, k, high[box], live, live_count, packed, rows, count)
            activate(
                net, k, low[box], high[box], scale, post_low, post_high, live, live_count, lines
            )
            if guide and not every:  # stable neurons cost nothing: their share is never used
                put_share(begin, live_count[k], count, rows, slopes, width, share)
