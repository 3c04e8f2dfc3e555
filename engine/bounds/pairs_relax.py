"""What a row over X, Y and D of one stage is at least, as a row over x, y and d; compiled.

A row carries three coefficients a neuron, ``a X + b Y + c (X - Y)``. They may be moved between the
three, for one of them is the difference of the others; what is small is kept.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import LARGEST, UNDERFLOW, UNIT
from .compiled import njit
from .zonotopes import (
    HALF1,
    HALF2,
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
        if half > 0.0:
            row[j], add, gaps[at, j] = below_relu(weight, low, high, slope, half)
        else:
            row[j], add = weight * slope, weight * shift
        constant += add
        magnitude += abs(add)
    return constant, magnitude
