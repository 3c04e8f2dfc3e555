"""Rows over x, y and d of one stage of two networks, substituted backwards to the input; compiled.

Soundness as in `kernels.py`: magnitudes of coefficients times magnitudes of what they multiply,
times gamma of the number of all operations. From the last stage that both networks share on, a row
is one over x alone.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import SLACK, UNDERFLOW
from .compiled import njit
from .pairs_relax import reduced, relax, relax_one
from .zonotopes import L1, L2, LD, S1, S2, SD, U1, U2, UD


@njit(cache=True, nogil=True)
def meet(pair, of_x, of_y, of_d, count, live, begin, t):
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
    now, then, gaps = forms[0], forms[1], np.zeros((3, pair.sizes.max()))
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
            add, at_stake = relax_one(out[r], at, gaps, there, live, begin, t)
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
def _back_shared(
    pair,
    k,
    rows,
    work,
    constant,
    error,
    live,
    count,
    t,
    first,
    gaps,
    share,
    active,
    inputs,
    guide,
    parts,
):
    """Take rows over x of a shared stage k, `work[0]`, to the input, `work[2]`; see `back`."""
    for s in range(k, 0, -1):
        begin, here, there = pair.offset[s], count[s], count[s - 1]
        block = work[0, : rows * here].reshape(rows, here)
        for r in range(rows):
            add, at_stake = _meet_one(pair.bias1, block[r], 0, here, live, begin, t)
            constant[r] += add
            error[r] += at_stake
        start = pair.start[s]
        out = work[2, : rows * there].reshape(rows, there)
        np.dot(block, first[start : start + there * here].reshape(there, here).T, out)
        if s == 1:
            break
        begin = pair.offset[s - 1]
        block = work[0, : rows * there].reshape(rows, there)
        block[:] = out
        for r in range(rows):
            add, at_stake = relax_one(block[r], 0, gaps, there, live, begin, t)
            if guide:
                _blamed(gaps, there, live, begin, share, inputs, active, parts[r])
            constant[r] += add
            error[r] += at_stake


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
def end(size_in, r, work, constant, error, direct, box, charge, bounds, planes):
    """Bound row r, at the input, over the box; see `back` for the arguments."""
    total, blame = constant, error + abs(constant)
    for i in range(size_in):  # d is nothing at the input
        x, y = work[2, r * size_in + i], work[3, r * size_in + i]
        a = direct[i] + x + y
        planes[r, i] = a
        total += a * (box[0, i] if a >= 0.0 else box[1, i])
        largest = max(abs(box[0, i]), abs(box[1, i]))
        blame += (2.0 * abs(a) + abs(direct[i]) + abs(x) + abs(y)) * largest
    bounds[r] = np.nextafter(total - (charge * blame * SLACK + UNDERFLOW), -np.inf)
    if not bounds[r] > -np.inf:  # NaN, too: numbers too large to be computed with
        bounds[r], planes[r] = -np.inf, 0.0


@njit(cache=True, nogil=True)
def through(pair, s, rows, work, constant, error, live, count, t, first, both):
    """Take rows over x, y and d of stage s to the activations that the stage reads.

    Args:
        pair: `PackedPair`.
        s: the stage, one that both networks do not share.
        rows: their number.
        work: as `back` takes it.
        constant: `(rows,)` added to.
        error: `(rows,)` added to: what was at stake where coefficients met.
        live: live neurons.
        count: their number.
        t: table of scalars.
        first: f's matrices on live rows and columns, `(there, here)`.
        both: g's matrices and beside them the changes, `(there, 2 here)`.

    Returns:
        views of `work`: `(2 rows, there)` of X and D, and `(rows, there)` of Y.
    """
    begin, here, there = pair.offset[s], count[s], count[s - 1]
    left = work[0, : 2 * rows * here].reshape(2 * rows, here)
    right = work[1, : 2 * rows * here].reshape(rows, 2 * here)
    for r in range(rows):
        add, at_stake = meet(pair, left[r], right[r, :here], left[rows + r], here, live, begin, t)
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
    return out, of_y


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
    last = min(k, pair.shared)
    for s in range(k, last, -1):
        there = count[s - 1]
        out, of_y = through(pair, s, rows, work, constant, error, live, count, t, first, both)
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
    if last > 0:  # from here on y is x, and d is nothing
        here = count[last]
        left = work[0, : rows * here].reshape(rows, here)
        right = work[1, : 2 * rows * here].reshape(rows, 2 * here)
        left += right[:, :here]
        _back_shared(
            pair,
            last,
            rows,
            work,
            constant,
            error,
            live,
            count,
            t,
            first,
            gaps,
            share,
            active,
            inputs,
            guide,
            parts,
        )
        work[3, : rows * size_in] = 0.0
    for r in range(rows):
        end(size_in, r, work, constant[r], error[r], direct[r], box, charge, bounds, planes)
        for i in range(size_in if guide else 0):
            parts[r, i] += abs(planes[r, i]) * (box[1, i] - box[0, i])
        if guide and bounds[r] == -np.inf:
            parts[r] = 0.0
