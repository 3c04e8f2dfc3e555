"""Difference bounds by backward passes alone: rows of x, of y, and of d where both are unstable.

Dearer a box than the zonotopes of `pairs.py` where many neurons are unstable, and much tighter; on
small boxes, where few are, it is the cheaper one too.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .grid_lines import APART, MOVED, ends, on_grid
from .kernels import GUIDED
from .pairs_back import back, back_one, load_rows
from .zonotopes import (
    DOWN1,
    DOWN2,
    HALF1,
    KIN,
    L1,
    L2,
    LD,
    S1,
    S2,
    SCALARS,
    SD,
    SHIFT1,
    SLOPE1,
    U1,
    U2,
    UD,
    UP1,
    UP2,
    compact,
    gather,
    known_dead,
    lines,
    note_signs,
    signs,
    tighten,
)

# Which of x, y and d is bounded.
OF_FIRST, OF_SECOND, OF_BOTH = 0, 1, 2

# Rows of the table of activations' bounds: of X, Y and D.
XL, XU, YL, YU, DL, DU = 0, 1, 2, 3, 4, 5


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _sums(post, at, matrix, there, middle, radius, size):
    """Add ``matrix @`` the middles, the radii and the magnitudes of activations to three vectors.

    `matrix` is `(in, out)`, `at` the first of the two rows of `post` that bound the activations.
    """
    for i in range(there.shape[0]):
        low, high = post[at, there[i]], post[at + 1, there[i]]
        centre = 0.5 * (low + high)
        half = max(high - centre, centre - low) * (1.0 + 4.0 * UNIT)
        most = max(abs(low), abs(high))
        if not most < LARGEST:  # a weight of 0 makes it NaN, which `_intervals` finds too large
            most = np.inf
        for j in range(matrix.shape[1]):
            w = matrix[i, j]
            middle[j] += w * centre
            radius[j] += abs(w) * half
            size[j] += abs(w) * most


@njit(cache=True, nogil=True)
def _intervals(pair, k, live, count, w1, w2, wd, post, stable, t, charge):
    """Fill the bounds of stage k's live neurons by intervals, and the magnitudes at stake.

    Of a stage that both networks share those of x are computed, and stand for y.

    Returns:
        the largest magnitude met.
    """
    begin, here = pair.offset[k], count[k]
    there = pair.offset[k - 1] + live[pair.offset[k - 1] : pair.offset[k - 1] + count[k - 1]]
    largest = 0.0
    alike = k <= pair.shared
    for which in range(1 if alike else 3):
        middle, radius, size = np.zeros(here), np.zeros(here), np.zeros(here)
        if which == 0:
            _sums(post, XL, w1, there, middle, radius, size)
        elif which == 1:
            _sums(post, YL, w2, there, middle, radius, size)
        else:
            _sums(post, DL, w1, there, middle, radius, size)
            _sums(post, YL, wd, there, middle, radius, size)
        for j in range(here):
            n = begin + live[begin + j]
            bias = pair.bias1[n] if which == 0 else pair.bias2[n]
            if which == 2:
                bias = pair.change_bias[n]
            total = (size[j] + abs(bias)) * SLACK + UNDERFLOW
            reach = (radius[j] + charge * total) * SLACK + UNDERFLOW
            t[S1 + which, n] = total
            largest = max(largest, total) if total < LARGEST else np.inf  # NaN is too large, too
            centre = middle[j] + bias
            t[L1 + 2 * which, n] = np.nextafter(centre - reach, -np.inf)
            t[U1 + 2 * which, n] = np.nextafter(centre + reach, np.inf)
    for j in range(here):
        n = begin + live[begin + j]
        if alike:
            t[S2, n], t[SD, n] = t[S1, n], 0.0
            _let_stand(n, t)
        signs(pair, n, stable, t)
        tighten(t, n)
    return largest


@njit(cache=True, nogil=True)
def _let_stand(n, t):
    """Let the bounds of a neuron's x stand for y, which is the same number."""
    t[L2, n], t[U2, n], t[LD, n], t[UD, n] = t[L1, n], t[U1, n], 0.0, 0.0


@njit(cache=True, nogil=True)
def _activations(pair, k, live, count, t, post):
    """Fill the bounds of the activations of stage k's live neurons."""
    begin = pair.offset[k]
    for j in range(count[k]):
        n = begin + live[begin + j]
        for side in range(2):
            low, high = t[L1 + 2 * side, n], t[U1 + 2 * side, n]
            slope, shift = t[SLOPE1 + 3 * side, n], t[SHIFT1 + 3 * side, n]
            if pair.step[side, n] > 0.0:
                state, steep = pair.state[side, n], pair.slope[side, n]
                below, above = ends(state, steep, pair.intercept[side, n], low, high)
                step, least, most = pair.step[side, n], pair.least[side, n], pair.most[side, n]
                low, high = on_grid(below, above, step, least, most)
                post[2 * side, n], post[2 * side + 1, n] = low, high
            elif t[HALF1 + 3 * side, n] > 0.0:
                post[2 * side, n], post[2 * side + 1, n] = 0.0, max(high, 0.0)
            elif shift == 0.0 and (slope == 0.0 or slope == 1.0):
                post[2 * side, n], post[2 * side + 1, n] = slope * low, slope * high
            else:
                one, two = slope * low, slope * high
                spare = (abs(one) + abs(two) + abs(shift)) * (4.0 * UNIT) + UNDERFLOW
                post[2 * side, n] = min(one, two) + shift - spare
                post[2 * side + 1, n] = max(one, two) + shift + spare
        low = np.nextafter(post[XL, n] - post[YU, n], -np.inf)
        high = np.nextafter(post[XU, n] - post[YL, n], np.inf)
        if t[KIN, n] > 0.0:
            if t[KIN, n] != APART:
                least, most = t[LD, n], t[UD, n]
                if t[KIN, n] != MOVED:
                    least, most = min(least, 0.0), max(most, 0.0)
                below = np.nextafter(t[DOWN1, n] - t[UP2, n], -np.inf)
                above = np.nextafter(t[UP1, n] - t[DOWN2, n], np.inf)
                low = max(low, np.nextafter(least + below, -np.inf))
                high = min(high, np.nextafter(most + above, np.inf))
        elif pair.state[0, n] == 0 and pair.state[1, n] == 0:  # D lies between d and 0
            low, high = max(low, min(t[LD, n], 0.0)), min(high, max(t[UD, n], 0.0))
        if k < pair.shared:
            low, high = 0.0, 0.0
        post[DL, n], post[DU, n] = low, high


@njit(cache=True, nogil=True)
def _ask(pair, k, live, count, t, kind, places):
    """List the neurons of stage k whose x, y or d is worth bounding; return their number."""
    begin, number = pair.offset[k], 0
    for j in range(count[k]):
        n = begin + live[begin + j]
        one = pair.state[0, n] == 0 and t[L1, n] < 0.0 and t[U1, n] > 0.0
        two = pair.state[1, n] == 0 and t[L2, n] < 0.0 and t[U2, n] > 0.0
        if kind == OF_FIRST:
            asked = one
        elif kind == OF_SECOND:
            asked = two
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
            largest = _intervals(pair, k, live, count, w1, w2, wd, post, stable[box], t, charge)
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
                        for i in range(size_in):
                            width = box_high[box, i] - box_low[box, i]
                            parts[box, r, i] = blame[at, i] if guide else abs(planes[at, i]) * width
                direct[:] = 0.0
                break
            alike = k <= pair.shared
            for kind in range(1 if alike else 3):
                number = _ask(pair, k, live, count, t, kind, places)
                if number == 0:
                    continue
                constant[: 2 * number], error[: 2 * number] = 0.0, 0.0
                if kind == OF_BOTH:
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
                        _let_stand(n, t)
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
            _activations(pair, k, live, count, t, post)
