"""Lower slopes for the rows of one stage of one box: which rows still climb, and what was best.

The steps themselves are in `climb.py`. A row leaves as soon as its neuron is decided; the rest stay
in one block without gaps, so that every step is a few products.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from .climb import (
    ALIGN,
    CHOSEN,
    FADE_FIRST,
    FADE_SECOND,
    FIRST,
    ONE,
    SECOND,
    SLOPE,
    ZERO,
    back,
    forth,
)
from .compiled import njit
from .substitute import DOWN
from .vectors import LINE

FAR, NEAR = 0.3, 0.1
"""Length of the first and of the last step; slopes have no unit and lie in [0, 1].

Chosen with the moments' memories on random networks and two of ACAS Xu: 5, 10 and 20 steps end 7,
1.8 and 0.6 % wider than 400."""

SURE = 1e-5
"""Share of its first bound by which a row must be below 0 to count as decided in binary32."""


@njit(cache=True, nogil=True)
def _begin(net, k, rows, signs, width, work):
    """Fill in the rows of stage k, their first slopes and moments of 0."""
    live_count, room, lines, start = work.live_count, work.climbing, work.lines, work.start
    count = rows.shape[0]
    most = room.shape[1] // net.offset[-1]
    for s in range(1, k):
        first = most * net.offset[s]
        for j in range(live_count[s]):
            here = slice(first + j * width, first + (j + 1) * width)
            room[SLOPE][here] = room[CHOSEN][here] = lines[(net.offset[s] + j) * LINE + DOWN]
            room[FIRST][here] = room[SECOND][here] = ZERO
    taken = 0
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        columns, first = live_count[net.edge_source[e]], net.edge_start[e]
        for j in range(columns):
            for r in range(count):
                value = signs[r] * work.packed[first + rows[r] * columns + j]
                start[taken + j * width + r] = value
            start[taken + j * width + count : taken + (j + 1) * width] = ZERO
        taken += columns * width


@njit(cache=True, nogil=True)
def _squeeze(flat, first, neurons, stay, active, old, new):
    """Keep some rows of a block `(neurons, old)`, which becomes `(neurons, new)` in place."""
    for j in range(neurons):
        there, here = first + j * new, first + j * old
        for r in range(active):
            flat[there + r] = flat[here + stay[r]]
        flat[there + active : there + new] = ZERO


@njit(cache=True, nogil=True)
def _keep(net, k, live_count, room, used, better):
    """Note the slopes of the rows whose bound they have bettered."""
    most = room.shape[1] // net.offset[-1]
    slope, best, width = room[SLOPE], room[CHOSEN], better.shape[0]
    for s in range(1, k):
        if used[s]:
            first = most * net.offset[s]
            cells = live_count[s] * width
            now = slope[first : first + cells].reshape(live_count[s], width)
            kept = best[first : first + cells].reshape(live_count[s], width)
            _select(now, kept, better)


@njit(cache=True, nogil=True)
def _select(now, kept, better):
    for j in range(now.shape[0]):
        for r in range(now.shape[1]):
            kept[j, r] = now[j, r] if better[r] > ZERO else kept[j, r]


@njit(cache=True, nogil=True)
def _hand_over(net, k, live_count, room, r, width, chosen, row):
    """Copy a row's best slopes to its own place, neuron after neuron."""
    most = room.shape[1] // net.offset[-1]
    rows = chosen.shape[0] // net.offset[-1]
    for s in range(1, k):
        columns = live_count[s]
        here, there = most * net.offset[s] + r, rows * net.offset[s] + row * columns
        for j in range(columns):
            chosen[there + j] = room[CHOSEN, here + j * width]


@njit(cache=True, nogil=True)
def _go_on(net, k, live_count, room, start, constant, of, stay, active, width):
    """Close the gaps of rows that left; return how wide the blocks are now."""
    most = room.shape[1] // net.offset[-1]
    wide = -(-active // ALIGN) * ALIGN
    for s in range(1, k):
        for state in (SLOPE, FIRST, SECOND, CHOSEN):
            first = most * net.offset[s]
            _squeeze(room[state], first, live_count[s], stay, active, width, wide)
    old, new = 0, 0
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        for _ in range(live_count[net.edge_source[e]]):
            for r in range(active):
                start[new + r] = start[old + stay[r]]
            start[new + active : new + wide] = ZERO
            old, new = old + width, new + wide
    for r in range(active):
        of[r], constant[r] = of[stay[r]], constant[stay[r]]
    constant[active:] = ZERO
    return wide


@njit(cache=True, nogil=True)
def climb(net, k, rows, signs, stop, steps, before, work):
    """Find lower slopes for rows of stage k by gradient steps; leave the best in `work.chosen`.

    Args:
        net: `Packed`.
        k: the stage.
        rows: `(rows,)` places among the live neurons of stage k.
        signs: +1 or -1 for each row.
        stop: whether a neuron's rows end as soon as one of them is below 0.
        steps: at most so many for each row.
        before: `(rows,)` their bounds so far.
        work: `Working`.
    """
    live_count, room, start = work.live_count, work.climbing, work.start
    count, begin = rows.shape[0], net.offset[k]
    width = -(-count // ALIGN) * ALIGN
    _begin(net, k, rows, signs, width, work)
    constant, bounds = np.zeros(width, np.float32), np.empty(width, np.float32)
    better, best = np.zeros(width, np.float32), np.full(count, np.inf, np.float32)
    done, used = np.zeros(live_count[k], np.bool_), np.zeros(k + 1, np.bool_)
    of, stay, active = np.arange(count), np.arange(count), count
    for r in range(count):
        constant[r] = signs[r] * net.bias[begin + work.live[begin + rows[r]]]
    fall = (NEAR / FAR) ** (1.0 / max(1, steps - 1))
    for step in range(steps + 1):
        back(net, k, constant[:width], work, used, bounds[:width])
        for r in range(active):
            row = of[r]
            better[r] = ONE if bounds[r] < best[row] else ZERO
            best[row] = min(best[row], bounds[r])
            if stop and bounds[r] < -SURE * abs(before[row]):
                done[rows[row]] = True
        if step > 0:
            _keep(net, k, live_count, room, used, better[:width])
        left = 0
        for r in range(active):
            if step == steps or done[rows[of[r]]]:
                _hand_over(net, k, live_count, room, r, width, work.chosen, of[r])
            else:
                stay[left] = r
                left += 1
        if left == 0:
            return
        fading = np.float32(1.0 / (1.0 - FADE_SECOND ** (step + 1.0)))
        rate = np.float32(FAR * fall**step / (1.0 - FADE_FIRST ** (step + 1.0)))
        forth(net, k, width, work, used, rate, fading)
        if left < active:
            active = left
            width = _go_on(net, k, live_count, room, start, constant, of, stay, active, width)
