"""Intervals of two networks and of their difference, one stage at a time; compiled."""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .grid_lines import APART, MOVED, ends, on_grid
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
    SD,
    SHIFT1,
    SLOPE1,
    U1,
    U2,
    UD,
    UP1,
    UP2,
    signs,
    tighten,
)

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
        if not most < LARGEST:  # a weight of 0 makes it NaN, which `intervals` finds too large
            most = np.inf
        for j in range(matrix.shape[1]):
            w = matrix[i, j]
            middle[j] += w * centre
            radius[j] += abs(w) * half
            size[j] += abs(w) * most


@njit(cache=True, nogil=True)
def intervals(pair, k, live, count, w1, w2, wd, post, stable, t, charge):
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
            let_stand(n, t)
        signs(pair, n, stable, t)
        tighten(t, n)
    return largest


@njit(cache=True, nogil=True)
def let_stand(n, t):
    """Let the bounds of a neuron's x stand for y, which is the same number."""
    t[L2, n], t[U2, n], t[LD, n], t[UD, n] = t[L1, n], t[U1, n], 0.0, 0.0


@njit(cache=True, nogil=True)
def activations(pair, k, live, count, t, post):
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
