"""Difference bounds by backward passes alone: rows of x, of y, and of d where both are unstable.

Dearer a box than the zonotopes of `pairs.py` where many neurons are unstable, and much tighter; on
small boxes, where few are, it is the cheaper one too.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .grid_lines import cut_off
from .packed import GUIDED
from .pairs_back import back, back_one, load_rows
from .pairs_block import ROWS, block_apart, block_one, put_pairs
from .pairs_climb import NEAR, raise_rows, room
from .pairs_intervals import DL, DU, XL, XU, YL, YU, activations, intervals, let_stand
from .zonotopes import (
    L1,
    L2,
    SCALARS,
    U1,
    U2,
    compact,
    gather,
    known_dead,
    lines,
    note_signs,
    tighten,
)

# Which of x, y and d is bounded.
OF_FIRST, OF_SECOND, OF_BOTH = 0, 1, 2


@njit(cache=True, nogil=True)
def _cut_off(pair, side, n, low, high):
    """Return whether f's (0) or g's (1) grid may cut a neuron's activations off."""
    if pair.step[side, n] == 0.0:
        return False
    return cut_off(
        pair.state[side, n],
        pair.slope[side, n],
        pair.intercept[side, n],
        low,
        high,
        pair.step[side, n],
        pair.least[side, n],
        pair.most[side, n],
    )


@njit(cache=True, nogil=True)
def _ask(pair, k, live, count, t, kind, places):
    """List the neurons of stage k whose x, y or d is worth bounding; return their number."""
    begin, number = pair.offset[k], 0
    for j in range(count[k]):
        n = begin + live[begin + j]
        one = pair.state[0, n] == 0 and t[L1, n] < 0.0 and t[U1, n] > 0.0
        two = pair.state[1, n] == 0 and t[L2, n] < 0.0 and t[U2, n] > 0.0
        if kind == OF_FIRST:
            asked = one or _cut_off(pair, 0, n, t[L1, n], t[U1, n])
        elif kind == OF_SECOND:
            asked = two or _cut_off(pair, 1, n, t[L2, n], t[U2, n])
        else:
            asked = one and two
        if asked:
            places[number] = j
            number += 1
    return number


@njit(cache=True, nogil=True)
def _take(t, kind, live, begin, number, places, bounds, planes, box, active, inputs, guide, share):
    """Take over bounds of x, y or d, and note how much each input moves it."""
    for at_row in range(number):
        r, n = 2 * at_row, begin + live[begin + places[at_row]]
        t[L1 + 2 * kind, n] = max(t[L1 + 2 * kind, n], bounds[r])
        t[U1 + 2 * kind, n] = min(t[U1 + 2 * kind, n], -bounds[r + 1])
        if guide:
            whole = UNDERFLOW
            for i in range(inputs):
                at = active[i]
                size = abs(planes[r, at]) + abs(planes[r + 1, at])
                share[kind, n, i] = size * (box[1, at] - box[0, at])
                whole += share[kind, n, i]
            for i in range(inputs):
                share[kind, n, i] /= whole


@njit(cache=True, nogil=True)
def _near(wanted, low, cut, parts, which):
    """List the rows that miss their cut, if all are near it; return their number, 0 if not."""
    number = 0
    for r in range(low.shape[0]):
        if wanted[r] and low[r] < cut[r]:
            if not cut[r] - low[r] <= NEAR * parts[r].sum():
                return 0
            which[number] = r
            number += 1
    return number


@njit(cache=True, nogil=True)
def bound_pairs_linear(
    pair, rows, box_low, box_high, stable, wanted, cut, low, base, slopes, parts, watched, doubt
):
    """Bound rows from below on every box; see `pairs.bound_pairs` for most of the arguments.

    `watched` are neurons, flat, whose signs are of interest, and `doubt` ``(boxes, inputs)`` is
    filled with how much each input is to be blamed for those of unknown sign, in parts of 1 each.
    """
    total, stages, size_in = pair.offset[-1], pair.sizes.shape[0], pair.sizes[0]
    wide = pair.sizes.max()
    asked = low.shape[1]
    most = max(2 * wide, asked)
    first = np.empty(pair.first.shape[0])
    second, change = np.empty_like(first), np.empty_like(first)
    both = np.empty(2 * first.shape[0])
    t, post = np.zeros((SCALARS, total)), np.zeros((6, total))
    live, count = np.zeros(total, np.int64), np.zeros(stages, np.int64)
    work = np.zeros((4, 2 * most * wide))
    constant, error = np.zeros(most), np.zeros(most)
    bounds, planes, blame = np.zeros(most), np.zeros((most, size_in)), np.zeros((most, size_in))
    places, kept_at, rules = np.zeros(wide, np.int64), np.zeros(wide, np.int64), np.zeros((7, wide))
    direct, box_now = np.zeros((most, size_in)), np.zeros((2, size_in))
    guide = size_in <= GUIDED
    share = np.zeros((3, total if guide else 1, size_in))
    active, which = np.zeros(size_in, np.int64), np.zeros(asked, np.int64)
    charge = pair.operations * UNIT / (1.0 - pair.operations * UNIT) * SLACK
    plain = pair.shared == 0 and pair.step.max() == 0.0
    table = np.zeros((ROWS, total if plain else 1))
    climb, by_parts = room(asked if plain else 1, total, size_in), np.zeros(asked, np.bool_)
    for box in range(box_low.shape[0]):
        low[box], base[box], doubt[box] = -np.inf, -np.inf, 0.0
        inputs = 0
        for i in range(size_in):
            if box_high[box, i] > box_low[box, i]:
                active[inputs] = i
                inputs += 1
        live[:size_in] = np.arange(size_in)
        count[0] = size_in
        box_now[0], box_now[1] = box_low[box], box_high[box]
        post[XL, :size_in], post[XU, :size_in] = box_low[box], box_high[box]
        post[YL, :size_in], post[YU, :size_in] = box_low[box], box_high[box]
        post[DL, :size_in], post[DU, :size_in] = 0.0, 0.0
        for k in range(1, stages):
            begin, output = pair.offset[k], k == stages - 1
            made = 0
            for i in range(pair.sizes[k]):
                if output or not known_dead(pair, begin + i, stable[box]):
                    live[begin + made] = i
                    made += 1
            count[k] = made
            rows_in = count[k - 1]
            start, stop = gather(pair, k, live, count, first, second, change, both)
            w1 = first[start:stop].reshape(rows_in, made)
            w2 = second[start:stop].reshape(rows_in, made)
            wd = change[start:stop].reshape(rows_in, made)
            largest = intervals(pair, k, live, count, w1, w2, wd, post, stable[box], t, charge)
            if not largest < LARGEST:
                break
            if output:
                for apart in (False, True):  # neither is better everywhere
                    number = 0
                    for r in range(asked):
                        if wanted[box, r] and low[box, r] < cut[r]:
                            which[number] = r
                            number += 1
                    if number == 0:
                        break
                    load_rows(rows, which[:number], made, work, direct, constant, error)
                    back(
                        pair,
                        k,
                        number,
                        work,
                        constant,
                        error,
                        direct,
                        box_now,
                        live,
                        count,
                        t,
                        first,
                        both,
                        share,
                        active,
                        inputs,
                        charge,
                        apart,
                        guide,
                        bounds,
                        planes,
                        blame,
                    )
                    for at in range(number):
                        r = which[at]
                        if apart and bounds[at] <= low[box, r]:
                            continue
                        low[box, r], base[box, r] = bounds[at], bounds[at]
                        slopes[box, r] = planes[at]
                        by_parts[r] = apart
                        for i in range(size_in):
                            width = box_high[box, i] - box_low[box, i]
                            parts[box, r, i] = blame[at, i] if guide else abs(planes[at, i]) * width
                number = _near(wanted[box], low[box], cut, parts[box], which)
                if plain and number > 0:
                    for at in range(number):
                        climb.best[at] = low[box, which[at]]
                        climb.planes[at] = slopes[box, which[at]]
                    raise_rows(
                        pair,
                        rows,
                        which[:number],
                        by_parts[which[:number]],
                        cut,
                        k,
                        work,
                        constant,
                        error,
                        direct,
                        box_now,
                        live,
                        count,
                        t,
                        first,
                        both,
                        charge,
                        climb,
                        bounds,
                        planes,
                    )
                    for at in range(number):
                        r = which[at]
                        low[box, r], base[box, r] = climb.best[at], climb.best[at]
                        slopes[box, r] = climb.planes[at]
                direct[:] = 0.0
                break
            for j in range(made if guide else 0):
                n = begin + live[begin + j]
                if pair.step[0, n] > 0.0 or pair.step[1, n] > 0.0:
                    share[:, n] = 0.0  # those of another box; rounding blames no input
            alike = k <= pair.shared
            for kind in range(1 if alike else 3):
                number = _ask(pair, k, live, count, t, kind, places)
                if number == 0:
                    continue
                constant[: 2 * number], error[: 2 * number] = 0.0, 0.0
                if plain and kind == OF_BOTH:
                    block_apart(
                        pair,
                        k,
                        places[:number],
                        work,
                        constant,
                        error,
                        box_now,
                        live,
                        count,
                        t,
                        first,
                        both,
                        table,
                        charge,
                        bounds,
                        planes,
                    )
                elif plain:
                    block_one(
                        pair,
                        k,
                        kind,
                        places[:number],
                        work,
                        constant,
                        error,
                        box_now,
                        live,
                        count,
                        t,
                        first if kind == OF_FIRST else second,
                        table,
                        charge,
                        bounds,
                        planes,
                    )
                elif kind == OF_BOTH:
                    left = work[0, : 4 * number * made].reshape(4 * number, made)
                    left[:] = 0.0
                    work[1, : 4 * number * made] = 0.0
                    for r in range(number):
                        left[2 * number + 2 * r, places[r]] = 1.0
                        left[2 * number + 2 * r + 1, places[r]] = -1.0
                    back(
                        pair,
                        k,
                        2 * number,
                        work,
                        constant,
                        error,
                        direct,
                        box_now,
                        live,
                        count,
                        t,
                        first,
                        both,
                        share,
                        active,
                        inputs,
                        charge,
                        False,
                        False,
                        bounds,
                        planes,
                        blame,
                    )
                else:
                    block = work[0, : 2 * number * made].reshape(2 * number, made)
                    block[:] = 0.0
                    for r in range(number):
                        block[2 * r, places[r]], block[2 * r + 1, places[r]] = 1.0, -1.0
                    back_one(
                        pair,
                        k,
                        kind,
                        2 * number,
                        work[:2],
                        first if kind == OF_FIRST else second,
                        constant,
                        error,
                        box_now,
                        live,
                        count,
                        t,
                        charge,
                        bounds,
                        planes,
                    )
                _take(
                    t,
                    kind,
                    live,
                    begin,
                    number,
                    places,
                    bounds,
                    planes,
                    box_now,
                    active,
                    inputs,
                    guide,
                    share,
                )
                for j in range(made):
                    n = begin + live[begin + j]
                    if alike:
                        let_stand(n, t)
                        share[1, n if guide else 0] = share[0, n if guide else 0]
                    tighten(t, n)
            note_signs(pair, k, live, count, t, stable[box])
            lines(pair, k, live, count, t, kept_at, rules)
            if guide:
                for n in watched:
                    if begin <= n < begin + pair.sizes[k]:
                        known = stable[box, 0, n] | stable[box, 1, n]
                        if known == 0:
                            doubt[box] += share[0, n]
            kept = count[k]
            if kept < made:
                compact(start, rows_in, made, kept_at, kept, first, second, both)
            if plain:
                put_pairs(pair, k, live, count, t, table)
            activations(pair, k, live, count, t, post)
