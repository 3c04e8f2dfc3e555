"""Rows over x, y and d of one stage of two networks, substituted backwards to the input; compiled.

A row carries three coefficients a neuron, ``a x + b y + c (x - y)``. They may be moved between the
three, for one of them is the difference of the others; what is small is kept.

Soundness as in `kernels.py`: magnitudes of coefficients times magnitudes of what they multiply,
times gamma of the number of all operations.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .compiled import njit
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
def relax_one(row, at, count, live, begin, t):
    """Do the same for a row `(neurons,)` that speaks of f alone (`at` 0), or of g alone (1)."""
    constant, magnitude = 0.0, 0.0
    for j in range(count):
        n = begin + live[begin + j]
        weight = row[j]
        if not abs(weight) < LARGEST:
            magnitude = np.inf
        low, high = (t[L1, n], t[U1, n]) if at == 0 else (t[L2, n], t[U2, n])
        slope, shift, half = t[SLOPE1 + 3 * at, n], t[SHIFT1 + 3 * at, n], t[HALF1 + 3 * at, n]
        if half > 0.0:
            row[j], add, _ = below_relu(weight, low, high, slope, half)
        else:
            row[j], add = weight * slope, weight * shift
        constant += add
        magnitude += abs(add)
    return constant, magnitude


@njit(cache=True, nogil=True)
def _meet(pair, of_x, of_y, of_d, count, live, begin, t):
    """Add the biases of a stage to a row; return constant and the sum of magnitudes at stake."""
    constant, error = 0.0, 0.0
    for j in range(count):
        n = begin + live[begin + j]
        a, b, c = reduced(of_x[j], of_y[j], of_d[j])
        of_x[j], of_y[j], of_d[j] = a, b, c
        constant += a * pair.bias1[n] + b * pair.bias2[n] + c * pair.change_bias[n]
        error += abs(a) * (2.0 * t[S1, n] + max(-t[L1, n], t[U1, n]))
        error += abs(b) * (2.0 * t[S2, n] + max(-t[L2, n], t[U2, n]))
        error += abs(c) * (2.0 * t[SD, n] + max(-t[LD, n], t[UD, n]))
    return constant, error


@njit(cache=True, nogil=True)
def _meet_one(bias, row, at, count, live, begin, t):
    """Do the same for a row of f alone (`at` 0) or of g alone (1)."""
    constant, error = 0.0, 0.0
    for j in range(count):
        n = begin + live[begin + j]
        weight = row[j]
        constant += weight * bias[n]
        size = 2.0 * t[S1 + at, n] + max(-t[L1 + 2 * at, n], t[U1 + 2 * at, n])
        error += abs(weight) * size
    return constant, error


@njit(cache=True, nogil=True)
def _blamed(gaps, count, live, begin, share, inputs, active, parts):
    """Add to a row's parts what its relaxations of one stage are to be blamed for."""
    for j in range(count):
        n = begin + live[begin + j]
        for which in range(3):
            if gaps[which, j] > 0.0:
                for i in range(inputs):
                    parts[active[i]] += gaps[which, j] * share[which, n, i]


@njit(cache=True, nogil=True)
def back_one(
    pair, k, at, rows, forms, matrices, constant, error, box, live, count, t, charge, bounds, planes
):
    """Bound rows over the pre-activations of stage k of one of the networks from below.

    Args:
        pair: `PackedPair`.
        k: the stage.
        at: 0 for f, 1 for g.
        rows: how many rows count.
        forms: `(2, rows * neurons)`; the first holds the rows, `(rows, live)`; overwritten.
        matrices: f's or g's matrices on live rows and columns.
        constant: `(rows,)` overwritten.
        error: `(rows,)` magnitudes charged so far; overwritten.
        box: `(2, inputs)`.
        live: live neurons, stage by stage.
        count: their number.
        t: table of scalars, with bounds up to stage k and lines below it.
        charge: relative error of a whole row.
        bounds: `(rows,)` filled, rounded outward.
        planes: `(rows, all inputs)` filled with the slopes at the input.
    """
    bias = pair.bias1 if at == 0 else pair.bias2
    now, then = forms[0], forms[1]
    for s in range(k, 0, -1):
        begin, here, there = pair.offset[s], count[s], count[s - 1]
        block = now[: rows * here].reshape(rows, here)
        for r in range(rows):
            add, at_stake = _meet_one(bias, block[r], at, here, live, begin, t)
            constant[r] += add
            error[r] += at_stake
        start = pair.start[s]
        matrix = matrices[start : start + there * here].reshape(there, here)
        out = then[: rows * there].reshape(rows, there)
        np.dot(block, matrix.T, out)
        now, then = then, now
        if s == 1:
            break
        begin = pair.offset[s - 1]
        for r in range(rows):
            add, at_stake = relax_one(out[r], at, there, live, begin, t)
            constant[r] += add
            error[r] += at_stake
    size_in = pair.sizes[0]
    for r in range(rows):
        total, blame = constant[r], error[r] + abs(constant[r])
        for i in range(size_in):
            a = now[r * size_in + i]
            planes[r, i] = a
            total += a * (box[0, i] if a >= 0.0 else box[1, i])
            blame += 2.0 * abs(a) * max(abs(box[0, i]), abs(box[1, i]))
        bounds[r] = np.nextafter(total - (charge * blame * SLACK + UNDERFLOW), -np.inf)
        if not bounds[r] > -np.inf:  # NaN, too: numbers too large to be computed with
            bounds[r], planes[r] = -np.inf, 0.0


@njit(cache=True, nogil=True)
def load_rows(rows, which, outputs, work, direct, constant, error):
    """Write some rows of `PairRows` over the outputs where `back` expects them; see there."""
    number = which.shape[0]
    left = work[0, : 2 * number * outputs].reshape(2 * number, outputs)
    right = work[1, : 2 * number * outputs].reshape(number, 2 * outputs)
    for at in range(number):
        r = which[at]
        left[at], right[at, :outputs] = rows.first[r], rows.second[r]
        left[number + at] = rows.apart[r]
        direct[at] = rows.direct[r]
        constant[at], error[at] = rows.bias[r], abs(rows.bias[r])


@njit(cache=True, nogil=True)
def back(
    pair,
    k,
    rows,
    work,
    constant,
    error,
    direct,
    box,
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
    parts,
):
    """Bound rows over x, y and d of stage k from below.

    Args:
        pair: `PackedPair`.
        k: the stage.
        rows: how many rows count.
        work: `(4, most)` room; the first holds coefficients of x, then those of d, each
            `(rows, live)`; the second those of y and of d beside each other, `(rows, 2 live)`.
        constant: `(rows,)` overwritten.
        error: `(rows,)` magnitudes charged so far; overwritten.
        direct: `(rows, inputs)` coefficients of the inputs.
        box: `(2, inputs)`.
        live: live neurons, stage by stage.
        count: their number.
        t: table of scalars, with bounds up to stage k and lines below it.
        first: f's matrices on live rows and columns, `(there, here)`.
        both: g's matrices and beside them the changes, `(there, 2 here)`.
        share: `(3, neurons, inputs)` shares of x, y and d.
        active: inputs with a width.
        inputs: their number.
        charge: relative error of a whole row.
        apart: whether X and Y are to be relaxed on their own wherever they can be.
        guide: whether to fill `parts`.
        bounds: `(rows,)` filled, rounded outward.
        planes: `(rows, all inputs)` filled with the slopes at the input.
        parts: `(rows, all inputs)` filled, if asked for.
    """
    size_in = pair.sizes[0]
    gaps = np.zeros((3, pair.sizes.max()))
    if guide:
        parts[:rows] = 0.0
    for s in range(k, 0, -1):
        begin, here, there = pair.offset[s], count[s], count[s - 1]
        left = work[0, : 2 * rows * here].reshape(2 * rows, here)
        right = work[1, : 2 * rows * here].reshape(rows, 2 * here)
        for r in range(rows):
            add, at_stake = _meet(
                pair, left[r], right[r, :here], left[rows + r], here, live, begin, t
            )
            right[r, here:] = left[rows + r]
            constant[r] += add
            error[r] += at_stake
        start = pair.start[s]
        w1 = first[start : start + there * here].reshape(there, here)
        w2 = both[2 * start : 2 * (start + there * here)].reshape(there, 2 * here)
        out = work[2, : 2 * rows * there].reshape(2 * rows, there)
        of_y = work[3, : rows * there].reshape(rows, there)
        np.dot(left, w1.T, out)
        np.dot(right, w2.T, of_y)
        if s == 1:
            break
        begin = pair.offset[s - 1]
        left = work[0, : 2 * rows * there].reshape(2 * rows, there)
        right = work[1, : 2 * rows * there].reshape(rows, 2 * there)
        left[:] = out
        right[:, :there] = of_y
        for r in range(rows):
            add, at_stake = relax(
                left[r], right[r, :there], left[rows + r], gaps, there, live, begin, t, apart
            )
            if guide:
                _blamed(gaps, there, live, begin, share, inputs, active, parts[r])
            constant[r] += add
            error[r] += at_stake
    for r in range(rows):
        total, blame = constant[r], error[r] + abs(constant[r])
        for i in range(size_in):  # d is nothing at the input
            x, y = work[2, r * size_in + i], work[3, r * size_in + i]
            a = direct[r, i] + x + y
            planes[r, i] = a
            total += a * (box[0, i] if a >= 0.0 else box[1, i])
            largest = max(abs(box[0, i]), abs(box[1, i]))
            blame += (2.0 * abs(a) + abs(direct[r, i]) + abs(x) + abs(y)) * largest
            if guide:
                parts[r, i] += abs(a) * (box[1, i] - box[0, i])
        bounds[r] = np.nextafter(total - (charge * blame * SLACK + UNDERFLOW), -np.inf)
        if not bounds[r] > -np.inf:  # NaN, too: numbers too large to be computed with
            bounds[r], planes[r] = -np.inf, 0.0
            if guide:
                parts[r] = 0.0
