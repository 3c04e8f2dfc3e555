"""Backward bounds with optimised slopes over many boxes, box by box, compiled.

`linear.py` computes the same with arrays alone, all rows of a layer in step. Here each stage of a
box is bounded with fixed slopes first; the rows of neurons that stay unstable then take gradient
steps (`climb.py`), each until its neuron is decided or the steps are spent; and the slopes that
were best for a row bound it again in binary64 (`sloped.py`), which alone is kept.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..network import State
from ..rounding import LARGEST
from .ascent import climb
from .climb import DEPTH, DOWN, FREE, HEIGHT, OFFSET, STEEP
from .compiled import njit
from .packed import LOWER, UPPER
from .sloped import substitute_sloped
from .substitute import DOWN as DOWN_LINE
from .substitute import UP, put_inputs, substitute
from .upward import activate, drop_dead, enclose
from .vectors import LINE
from .working import ROWS, working

_RELU = int(State.RELU)


@njit(cache=True, nogil=True)
def _narrow(net, k, low, high, work):
    """Copy stage k's matrices and lines to binary32; note whose lower slope is free."""
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        first = net.edge_start[e]
        end = first + work.live_count[k] * work.live_count[net.edge_source[e]]
        work.narrow[first:end] = work.packed[first:end]
    begin, line = net.offset[k], work.line
    for at in range(begin, begin + work.live_count[k]):
        n = begin + work.live[at]
        up, down = at * LINE + UP, at * LINE + DOWN_LINE
        line[STEEP, at], line[HEIGHT, at] = work.lines[up], work.lines[up + 1]
        line[DOWN, at], line[DEPTH, at] = work.lines[down], work.lines[down + 1]
        line[OFFSET, at], work.bias[at] = net.bias[n], net.bias[n]
        work.size[at] = 2.0 * work.scale[n] + max(-low[n], high[n])
        free = net.state[n] == _RELU and net.step[n] == 0.0 and low[n] < 0.0 and high[n] > 0.0
        line[FREE, at] = 1.0 if free else 0.0


@njit(cache=True, nogil=True)
def _asked(net, k, last, every, wish, low, high, work, rows, signs):
    """Note which rows of stage k are to be bounded; return their number."""
    begin, count = net.offset[k], 0
    for c in range(work.live_count[k]):
        n = begin + work.live[begin + c]
        if net.state[n] != _RELU:  # its line is exact: only an output needs bounds
            both = every and k == last
        else:
            both = low[n] < 0.0 and high[n] > 0.0 and (every or k < last)
        if both or (wish[n] & UPPER and high[n] > 0.0):
            rows[count], signs[count] = c, 1.0
            count += 1
        if both or (wish[n] & LOWER and low[n] < 0.0):
            rows[count], signs[count] = c, -1.0
            count += 1
    return count


@njit(cache=True, nogil=True)
def _last(net, wish):
    """Return the last stage with a wish, 0 if there is none."""
    last = 0
    for k in range(1, net.sizes.shape[0]):
        for n in range(net.offset[k], net.offset[k + 1]):
            if wish[n]:
                last = k
    return last


@njit(cache=True, nogil=True)
def _fixed(net, k, rows, signs, work, low, high):
    """Bound rows of stage k with the slopes that all rows share, and take the bounds over."""
    count = rows.shape[0]
    bounds, slopes = np.empty(count), np.empty((count, net.sizes[0]))
    none = np.empty((1, 1))
    substitute(
        net,
        k,
        rows,
        signs,
        count,
        work.scale,
        work.lines,
        work.live,
        work.live_count,
        work.packed,
        work.room,
        work.used,
        bounds,
        slopes,
        none,
        none[0],
        False,
        none[0],
    )
    _taken(net, k, low, high, work.live, rows, signs, bounds)


@njit(cache=True, nogil=True)
def _own(net, k, rows, signs, stop, steps, work, below, above, low, high):
    """Bound rows of stage k with optimised slopes of their own, and take the bounds over."""
    count, begin = rows.shape[0], net.offset[k]
    bounds = np.empty(count)
    for r in range(count):
        n = begin + work.live[begin + rows[r]]
        bounds[r] = high[n] if signs[r] > 0.0 else -low[n]
    climb(net, k, rows, signs, stop, steps, bounds, work)
    substitute_sloped(net, k, rows, signs, work, below, above, bounds)
    _taken(net, k, low, high, work.live, rows, signs, bounds)


@njit(cache=True, nogil=True)
def _taken(net, k, low, high, live, rows, signs, bounds):
    """Take over the bounds of rows of stage k."""
    begin = net.offset[k]
    for r in range(rows.shape[0]):
        n = begin + live[begin + rows[r]]
        if signs[r] > 0.0:
            high[n] = bounds[r] if bounds[r] < high[n] else high[n]  # never NaN
        else:
            low[n] = -bounds[r] if -bounds[r] > low[n] else low[n]


@njit(cache=True, nogil=True)
def _intervals(net, k, work, post_low, post_high, low, high):
    """Bound stage k by intervals; return whether its numbers stay in range."""
    largest = enclose(
        net,
        k,
        post_low,
        post_high,
        low,
        high,
        work.scale,
        work.live,
        work.live_count,
        work.packed,
        work.sums,
        work.middle,
    )
    return largest < LARGEST


@njit(cache=True, nogil=True)
def optimise_boxes(net, box_low, box_high, low, high, wish, steps, whole):
    """Tighten the pre-activation bounds of every box with optimised lower slopes.

    Args:
        net: `Packed`.
        box_low: `(boxes, inputs)`.
        box_high: `(boxes, inputs)`.
        low: `(boxes, neurons)`, flat over all stages; on entry bounds that are known to hold
            (infinite where nothing is), on return tightened; rounded outward.
        high: the same, upper bounds.
        wish: `(boxes, neurons)` uint8, bits UPPER and LOWER: whose sign is asked. A box is followed
            to the last stage with a wish; in that stage only wished rows are computed, in earlier
            stages every unstable row. All zero: every stage, every unstable row, and the outputs.
        steps: gradient steps of each row; 0 keeps the fixed slopes.
        whole: whether a neuron's rows take all their steps even when its sign is decided. Outputs
            that no wish asks for always do.
    """
    work = working(net)
    total, stages, inputs = net.offset[-1], net.sizes.shape[0], net.sizes[0]
    post_low, post_high = np.zeros(total), np.zeros(total)
    rows, signs = np.zeros(2 * net.sizes.max(), np.int64), np.zeros(2 * net.sizes.max())
    for box in range(box_low.shape[0]):
        last = _last(net, wish[box])
        every = last == 0
        last = stages - 1 if every else last
        below, above, lows, highs = box_low[box], box_high[box], low[box], high[box]
        work.box[0], work.box[1] = below, above
        lows[:inputs], highs[:inputs] = below, above
        post_low[:inputs], post_high[:inputs] = below, above
        put_inputs(work.lines, below, above)
        work.live[:inputs] = np.arange(inputs)
        work.live_count[0] = inputs
        for k in range(1, last + 1):
            if not _intervals(net, k, work, post_low, post_high, lows, highs):
                lows[net.offset[k] :], highs[net.offset[k] :] = -np.inf, np.inf
                break
            count = _asked(net, k, last, every, wish[box], lows, highs, work, rows, signs)
            for first in range(0, count, ROWS):
                some = slice(first, min(count, first + ROWS))
                _fixed(net, k, rows[some], signs[some], work, lows, highs)
            all_steps = whole or (every and k == last)
            if not all_steps:
                count = _asked(net, k, last, every, wish[box], lows, highs, work, rows, signs)
            for first in range(0, count if steps > 0 and k > 1 else 0, ROWS):
                some = slice(first, min(count, first + ROWS))
                _own(
                    net,
                    k,
                    rows[some],
                    signs[some],
                    not all_steps,
                    steps,
                    work,
                    below,
                    above,
                    lows,
                    highs,
                )
            if k == last:
                break
            drop_dead(net, k, highs, work.live, work.live_count, work.packed, rows, 0)
            activate(
                net,
                k,
                lows,
                highs,
                work.scale,
                post_low,
                post_high,
                work.live,
                work.live_count,
                work.lines,
            )
            _narrow(net, k, lows, highs, work)
