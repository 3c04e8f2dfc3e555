"""The pass backwards for rows over the outputs of two networks, one box at a time, compiled.

A row carries three coefficients a neuron, ``a x + b y + d (x - y)``. They may be moved between the
three, for one of them is the difference of the others; what is small is kept.

Soundness as in `kernels.py`: magnitudes of coefficients times magnitudes of what they multiply,
times gamma of the number of all operations.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np
from numba import njit

from ..rounding import SLACK, UNDERFLOW, UNIT
from .zonotopes import (
    HALF1,
    HALF2,
    L1,
    L2,
    LD,
    S1,
    S2,
    SD,
    SHIFT1,
    SHIFT2,
    SLOPE1,
    SLOPE2,
    U1,
    U2,
    UD,
)

# What `relax` gives back.
A, B, C, CONSTANT, MAGNITUDE, GAP_X, GAP_Y, GAP_D = 0, 1, 2, 3, 4, 5, 6, 7


@njit(cache=True, nogil=True)
def reduced(a, b, c):
    """Return the same form ``a x + b y + c (x - y)`` with fewer and smaller coefficients."""
    if a * c < 0.0:
        move = min(abs(a), abs(c)) * (1.0 if a > 0.0 else -1.0)
        a, b, c = a - move, b + move, c + move
    if b * c > 0.0:
        move = min(abs(b), abs(c)) * (1.0 if b > 0.0 else -1.0)
        a, b, c = a + move, b - move, c - move
    if a * b < 0.0:
        move = min(abs(a), abs(b)) * (1.0 if a > 0.0 else -1.0)
        a, b, c = a - move, b + move, c + move
    return a, b, c


@njit(cache=True, nogil=True)
def _below_relu(weight, low, high, slope, half):
    """Return slope, shift and gap of a line below ``weight * relu(z)``, 0 inside [low, high]."""
    if weight >= 0.0:
        steep = 1.0 if high > -low else 0.0
        return weight * steep, 0.0, weight * min(-low, high)
    return weight * slope, weight * (2.0 * half), -weight * (2.0 * half)


@njit(cache=True, nogil=True)
def _below_difference(weight, low, high):
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
def relax(a, b, c, t, n, out):
    """Fill a form over pre-activations that lies below a form over activations X, Y and D.

    Args:
        a: coefficient of X.
        b: coefficient of Y.
        c: coefficient of D.
        t: table of scalars.
        n: the neuron.
        out: `(8,)` filled: coefficients of x, y, d, constant, its magnitude, and by how much the
            relaxations of X, Y and D can be away.
    """
    out[:] = 0.0
    one, two = t[HALF1, n] > 0.0, t[HALF2, n] > 0.0
    slope1, shift1, slope2, shift2 = t[SLOPE1, n], t[SHIFT1, n], t[SLOPE2, n], t[SHIFT2, n]
    if one and two:
        a, b, c = reduced(a, b, c)
        if c != 0.0:
            steep, shift, gap = _below_difference(c, t[LD, n], t[UD, n])
            _, _, gap1 = _below_relu(c, t[L1, n], t[U1, n], slope1, t[HALF1, n])
            _, _, gap2 = _below_relu(-c, t[L2, n], t[U2, n], slope2, t[HALF2, n])
            if gap <= gap1 + gap2:
                out[C], out[GAP_D] = steep, gap
                out[CONSTANT], out[MAGNITUDE] = shift, abs(shift)
            else:
                a, b = a + c, b - c
    elif one or two:
        a, b = a + c, b - c
    elif slope1 == slope2:
        out[C] = c * slope1
        out[CONSTANT], out[MAGNITUDE] = c * (shift1 - shift2), abs(c) * (abs(shift1) + abs(shift2))
    elif slope1 == 0.0 or slope2 == 0.0:
        a, b = a + c, b - c
    else:
        out[C], out[A] = c * slope2, c * (slope1 - slope2)
        out[CONSTANT], out[MAGNITUDE] = c * (shift1 - shift2), abs(c) * (abs(shift1) + abs(shift2))
    if one:
        steep, shift, gap = _below_relu(a, t[L1, n], t[U1, n], slope1, t[HALF1, n])
        out[GAP_X] = gap
    else:
        steep, shift = a * slope1, a * shift1
    out[A] += steep
    out[CONSTANT] += shift
    out[MAGNITUDE] += abs(shift)
    if two:
        steep, shift, gap = _below_relu(b, t[L2, n], t[U2, n], slope2, t[HALF2, n])
        out[GAP_Y] = gap
    else:
        steep, shift = b * slope2, b * shift2
    out[B] += steep
    out[CONSTANT] += shift
    out[MAGNITUDE] += abs(shift)


@njit(cache=True, nogil=True)
def back(
    pair,
    rows,
    wanted,
    cut,
    box_low,
    box_high,
    live,
    count,
    t,
    first,
    second,
    change,
    share,
    active,
    inputs,
    charge,
    low,
    base,
    slopes,
    parts,
):
    """Tighten the rows that stay below their cut; see `pairs.bound_pairs` for the arguments."""
    stages, size_in = pair.sizes.shape[0], pair.sizes[0]
    widest = 1
    for k in range(stages):
        widest = max(widest, count[k])
    form, out = np.zeros((3, widest)), np.zeros(8)
    guide = share.shape[1] > 1
    for r in range(low.shape[0]):
        if not wanted[r] or low[r] >= cut[r]:
            continue
        last = stages - 1
        for j in range(count[last]):
            form[0, j], form[1, j] = rows.first[r, j], rows.second[r, j]
            form[2, j] = rows.apart[r, j]
        constant, error = rows.bias[r], abs(rows.bias[r])
        parts[r] = 0.0
        for k in range(last, 0, -1):
            begin, here, there = pair.offset[k], count[k], count[k - 1]
            for j in range(here):
                n = begin + live[begin + j]
                a, b, c = reduced(form[0, j], form[1, j], form[2, j])
                form[0, j], form[1, j], form[2, j] = a, b, c
                constant += a * pair.bias1[n] + b * pair.bias2[n] + c * pair.change_bias[n]
                error += abs(a) * (2.0 * t[S1, n] + max(-t[L1, n], t[U1, n]))
                error += abs(b) * (2.0 * t[S2, n] + max(-t[L2, n], t[U2, n]))
                error += abs(c) * (2.0 * t[SD, n] + max(-t[LD, n], t[UD, n]))
            start = pair.start[k]
            stop = start + there * here
            w1 = first[start:stop].reshape(there, here)
            w2 = second[start:stop].reshape(there, here)
            wd = change[start:stop].reshape(there, here)
            of_x, of_y = np.dot(w1, form[0, :here]), np.dot(w2, form[1, :here])
            of_y += np.dot(wd, form[2, :here])
            of_d = np.dot(w1, form[2, :here])
            if k == 1:
                for i in range(size_in):  # x and y are the input itself, d is nothing
                    slopes[r, i] = of_x[i] + of_y[i] + rows.direct[r, i]
                break
            begin = pair.offset[k - 1]
            for j in range(there):
                n = begin + live[begin + j]
                relax(of_x[j], of_y[j], of_d[j], t, n, out)
                form[0, j], form[1, j], form[2, j] = out[A], out[B], out[C]
                constant += out[CONSTANT]
                # What it was before counts too: moving it between x, y and d was rounded.
                error += out[MAGNITUDE]
                if guide:
                    for i in range(inputs):
                        parts[r, active[i]] += (
                            out[GAP_X] * share[0, n, i]
                            + out[GAP_Y] * share[1, n, i]
                            + out[GAP_D] * share[2, n, i]
                        )
        total, blame = constant, error + abs(constant)
        for i in range(size_in):
            a = slopes[r, i]
            total += a * (box_low[i] if a >= 0.0 else box_high[i])
            blame += 2.0 * abs(a) * max(abs(box_low[i]), abs(box_high[i]))
            blame += abs(rows.direct[r, i]) * max(abs(box_low[i]), abs(box_high[i]))
            parts[r, i] += abs(a) * (box_high[i] - box_low[i])
        base[r] = np.nextafter(total - (charge * blame * SLACK + UNDERFLOW), -np.inf)
        low[r] = max(low[r], base[r])
