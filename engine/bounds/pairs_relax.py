"""What a row over X, Y and D of one stage is at least, as a row over x, y and d; compiled.

A row carries three coefficients a neuron, ``a X + b Y + c (X - Y)``. They may be moved between the
three, for one of them is the difference of the others; what is small is kept.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import LARGEST, UNDERFLOW, UNIT
from .compiled import njit
from .grid_lines import APART, MOVED
from .zonotopes import (
    DOWN1,
    DOWN2,
    HALF1,
    HALF2,
    KIN,
    KNEE1,
    L1,
    L2,
    LD,
    SHIFT1,
    SHIFT2,
    SLOPE1,
    SLOPE2,
    U1,
    U2,
    UD,
    UP1,
    UP2,
)


@njit(cache=True, nogil=True, inline="always")
def reduced(a, b, c):
    """Return the same form ``a x + b y + c (x - y)`` with the least sum of magnitudes.

    What is moved is the median of -a, b and c: one coefficient becomes 0, and each of the others is
    rounded once, relative to itself.
    """
    move = max(min(-a, b), min(max(-a, b), c))
    return a + move, b - move, c - move


@njit(cache=True, nogil=True, inline="always")
def at_stake(a, b, c, n, t):
    """Return the magnitudes of what a neuron's x, y and d bring to a row.

    Their coefficients are moved between the three next. What then cancels is small; the rounding of
    what it came from is not, and is charged here.
    """
    far = abs(a) * max(-t[L1, n], t[U1, n]) + abs(b) * max(-t[L2, n], t[U2, n])
    return far + abs(c) * max(-t[LD, n], t[UD, n])


@njit(cache=True, nogil=True, inline="always")
def below_relu(weight, low, high, slope, half):
    """Return slope, shift and gap of a line below ``weight * relu(z)``, 0 inside [low, high]."""
    if weight >= 0.0:
        return (weight if high > -low else 0.0), 0.0, weight * min(-low, high)
    return weight * slope, weight * (2.0 * half), -weight * (2.0 * half)


@njit(cache=True, nogil=True, inline="always")
def below_difference(weight, low, high):
    """Return slope, shift and gap of a line below ``weight * D``, where d lies in [low, high]."""
    if weight >= 0.0:
        if low >= 0.0:
            return 0.0, 0.0, weight * high
        if high <= 0.0:
            return weight, 0.0, -weight * low
        share = -low / (high - low)
        reach = max(share * high, -(1.0 - share) * low) * (1.0 + 8.0 * UNIT) + UNDERFLOW
        return weight * share, -weight * reach, weight * reach
    if low >= 0.0:
        return weight, 0.0, -weight * high
    if high <= 0.0:
        return 0.0, 0.0, weight * low
    share = high / (high - low)
    reach = max(-share * low, (1.0 - share) * high) * (1.0 + 8.0 * UNIT) + UNDERFLOW
    return weight * share, weight * reach, -weight * reach


@njit(cache=True, nogil=True)
def _below_rounded(weight, side, n, t):
    """Return slope, shift and gap of a line below ``weight`` times a neuron's activation.

    The neuron is rounded in f or in g; `side` is 0 for f, 1 for g.
    """
    slope, shift, half = t[SLOPE1 + 3 * side, n], t[SHIFT1 + 3 * side, n], t[HALF1 + 3 * side, n]
    if weight < 0.0:
        return weight * slope, weight * shift + weight * (2.0 * half), -weight * (2.0 * half)
    if half > 0.0 and t[KNEE1 + side, n] > 0.0:  # at least 0, and at least z + down
        low, high = t[L1 + 2 * side, n], t[U1 + 2 * side, n]
        down, up = t[DOWN1 + 2 * side, n], t[UP1 + 2 * side, n]
        passed = max(-low, up) - down
        cut = shift + 2.0 * half if slope == 0.0 else high + up
        if passed < cut:
            return weight, weight * down, weight * passed
        return 0.0, 0.0, weight * cut
    return weight * slope, weight * shift, weight * (2.0 * half)


@njit(cache=True, nogil=True)
def _below_moved(weight, n, t):
    """Return slope, shift and gap of a line below ``weight * D`` of a neuron rounded in f or g."""
    if t[KIN, n] == MOVED:
        steep, shift, gap = weight, 0.0, 0.0
    else:
        steep, shift, gap = below_difference(weight, t[LD, n], t[UD, n])
    down, up = t[DOWN1, n] - t[UP2, n], t[UP1, n] - t[DOWN2, n]
    return steep, shift + weight * (down if weight >= 0.0 else up), gap + abs(weight) * (up - down)


@njit(cache=True, nogil=True)
def _relax_rounded(a, b, c, n, gaps, j, t, apart):
    """Return the coefficients of x, y and d of a rounded neuron, its shift and the magnitudes."""
    a, b, c = reduced(a, b, c)
    into_d, shift_d = 0.0, 0.0
    gaps[2, j] = 0.0
    if c != 0.0 and t[KIN, n] != APART:
        _, _, gap1 = _below_rounded(c, 0, n, t)
        _, _, gap2 = _below_rounded(-c, 1, n, t)
        steep, shift, gap = _below_moved(c, n, t)
        if (t[KIN, n] == MOVED or not apart) and gap <= (1.0 + 2.0**-20) * max(gap1, gap2):
            into_d, shift_d, gaps[2, j] = steep, shift, gap
        else:
            a, b = a + c, b - c
            c = 0.0
    else:
        a, b = a + c, b - c
        c = 0.0
    into_x, shift_x, gaps[0, j] = _below_rounded(a, 0, n, t)
    into_y, shift_y, gaps[1, j] = _below_rounded(b, 1, n, t)
    reach1 = abs(t[SHIFT1, n]) + 2.0 * t[HALF1, n] + t[UP1, n] - t[DOWN1, n]
    reach2 = abs(t[SHIFT2, n]) + 2.0 * t[HALF2, n] + t[UP2, n] - t[DOWN2, n]
    magnitude = abs(a) * reach1 + abs(b) * reach2 + abs(shift_d)
    # What two grids add to D is a sum of what each adds; its parts may cancel.
    magnitude += abs(c) * (t[UP1, n] - t[DOWN1, n] + t[UP2, n] - t[DOWN2, n])
    magnitude += abs(c) * (abs(t[UP1, n]) + abs(t[DOWN1, n]) + abs(t[UP2, n]) + abs(t[DOWN2, n]))
    return into_x, into_y, into_d, shift_x + shift_y + shift_d, magnitude


@njit(cache=True, nogil=True)
def relax(of_x, of_y, of_d, gaps, count, live, begin, t, apart):
    """Replace a row's coefficients of X, Y and D by those of x, y and d from below, in place.

    Args:
        of_x: `(neurons,)` coefficients of X.
        of_y: the same of Y.
        of_d: the same of D.
        gaps: `(3, neurons)` filled with what the relaxations of X, Y and D can be away.
        count: number of live neurons.
        live: the live neurons.
        begin: first neuron of the stage.
        t: table of scalars.
        apart: whether X and Y are to be relaxed on their own wherever they can be.

    Returns:
        what this adds to the row's constant, and the sum of the magnitudes of that.
    """
    constant, magnitude = 0.0, 0.0
    for j in range(count):
        n = begin + live[begin + j]
        a, b, c = of_x[j], of_y[j], of_d[j]
        if not abs(a) + abs(b) + abs(c) < LARGEST:
            magnitude = np.inf
        if t[KIN, n] > 0.0:
            a, b, c, shift, size = _relax_rounded(a, b, c, n, gaps, j, t, apart)
            of_x[j], of_y[j], of_d[j] = a, b, c
            constant += shift
            magnitude += size + at_stake(a, b, c, n, t)
            continue
        one, two = t[HALF1, n] > 0.0, t[HALF2, n] > 0.0
        slope1, shift1 = t[SLOPE1, n], t[SHIFT1, n]
        slope2, shift2 = t[SLOPE2, n], t[SHIFT2, n]
        into_a, into_c = 0.0, 0.0
        gaps[0, j], gaps[1, j], gaps[2, j] = 0.0, 0.0, 0.0
        if one and two:
            a, b, c = reduced(a, b, c)
            if c != 0.0:
                steep, shift, gap = below_difference(c, t[LD, n], t[UD, n])
                _, _, gap1 = below_relu(c, t[L1, n], t[U1, n], slope1, t[HALF1, n])
                _, _, gap2 = below_relu(-c, t[L2, n], t[U2, n], slope2, t[HALF2, n])
                if not apart and gap <= max(gap1, gap2):
                    into_c, gaps[2, j] = steep, gap
                    constant += shift
                    magnitude += abs(shift)
                else:
                    a, b = a + c, b - c
        elif not one and not two and slope1 == slope2:
            into_c = c * slope1
            constant += c * (shift1 - shift2)
            magnitude += abs(c) * (abs(shift1) + abs(shift2))
        elif not one and not two and slope1 != 0.0 and slope2 != 0.0:
            into_c, into_a = c * slope2, c * (slope1 - slope2)
            constant += c * (shift1 - shift2)
            magnitude += abs(c) * (abs(shift1) + abs(shift2))
        else:
            a, b = a + c, b - c
        if one:
            steep, shift, gaps[0, j] = below_relu(a, t[L1, n], t[U1, n], slope1, t[HALF1, n])
        else:
            steep, shift = a * slope1, a * shift1
        constant += shift
        magnitude += abs(shift)
        of_x[j] = into_a + steep
        if into_a != 0.0:  # where the two cancel, the sum is small and its rounding is not
            magnitude += (abs(into_a) + abs(steep)) * max(-t[L1, n], t[U1, n])
        if two:
            steep, shift, gaps[1, j] = below_relu(b, t[L2, n], t[U2, n], slope2, t[HALF2, n])
        else:
            steep, shift = b * slope2, b * shift2
        constant += shift
        magnitude += abs(shift)
        of_y[j], of_d[j] = steep, into_c
        magnitude += at_stake(of_x[j], of_y[j], of_d[j], n, t)
    return constant, magnitude


@njit(cache=True, nogil=True)
def relax_one(row, at, gaps, count, live, begin, t):
    """Do the same for a row `(neurons,)` that speaks of f alone (`at` 0), or of g alone (1)."""
    constant, magnitude = 0.0, 0.0
    for j in range(count):
        n = begin + live[begin + j]
        weight = row[j]
        if not abs(weight) < LARGEST:
            magnitude = np.inf
        low, high = (t[L1, n], t[U1, n]) if at == 0 else (t[L2, n], t[U2, n])
        slope, shift, half = t[SLOPE1 + 3 * at, n], t[SHIFT1 + 3 * at, n], t[HALF1 + 3 * at, n]
        gaps[at, j], gaps[1 - at, j], gaps[2, j] = 0.0, 0.0, 0.0
        if t[KIN, n] > 0.0:
            row[j], add, gaps[at, j] = _below_rounded(weight, at, n, t)
            spread = t[UP1 + 2 * at, n] - t[DOWN1 + 2 * at, n]
            magnitude += abs(weight) * (abs(shift) + 2.0 * half + spread)
        elif half > 0.0:
            row[j], add, gaps[at, j] = below_relu(weight, low, high, slope, half)
        else:
            row[j], add = weight * slope, weight * shift
        constant += add
        magnitude += abs(add)
    return constant, magnitude
