"""Bounds of x, y and d of one stage, a whole block of rows at a time; compiled.

The same bounds as `pairs_back.py` gives, for networks without grids that share no stage. What a
neuron's lines do to a row is put together once a neuron, so that the loop over rows has no
division, hardly a branch, and reads side by side; which line of D is the better one depends on the
sign of a row's coefficient alone. A row begins where a neuron's own weights have taken it.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import LARGEST, SLACK, UNDERFLOW
from .compiled import njit
from .pairs_relax import below_difference, below_relu
from .zonotopes import (
    HALF1,
    HALF2,
    L1,
    L2,
    LD,
    S1,
    SD,
    SHIFT1,
    SHIFT2,
    SLOPE1,
    SLOPE2,
    U1,
    U2,
    UD,
)

# Rows of a table, one column a live neuron, stage by stage. A positive coefficient of X becomes
# `X_LOW` of x and adds `X_LOW + 1` to the constant, a negative one `X_UP` and `X_UP + 1`.
X_LOW, X_UP, X_MOST = 0, 2, 4  # X_MOST: the larger magnitude of what may be added
Y_LOW, Y_UP, Y_MOST = 5, 7, 9
D_LOW, D_UP, D_MOST = 10, 12, 14
D_KEPT_LOW, D_KEPT_UP = 15, 16  # whether D has a line of its own, by the coefficient's sign
D_OF_X = 17  # what D is of x where both are lines
FAR, BIAS, STAKE = 18, 21, 24  # of x, y and d: largest magnitude, bias, and what is at stake
ROWS = 27


@njit(cache=True, nogil=True)
def _put_side(t, n, half, slope, shift, low, high, into):
    """Put together the lines of X or of Y."""
    into[0], into[1], into[2], into[3] = slope, shift, slope, shift
    if half > 0.0:
        into[0], into[1], _ = below_relu(1.0, low, high, slope, half)
        into[3] = 2.0 * half
    into[4] = max(abs(into[1]), abs(into[3]))


@njit(cache=True, nogil=True)
def put_pairs(pair, k, live, count, t, table):
    """Put together what the lines of stage k's live neurons do to rows.

    Args:
        pair: `PackedPair`.
        k: the stage.
        live: live neurons.
        count: their number.
        t: table of scalars, with the lines of the stage.
        table: `(ROWS, neurons)` filled from the stage's first place on.
    """
    begin = pair.offset[k]
    for j in range(count[k]):
        n, at = begin + live[begin + j], begin + j
        half1, slope1, shift1 = t[HALF1, n], t[SLOPE1, n], t[SHIFT1, n]
        half2, slope2, shift2 = t[HALF2, n], t[SLOPE2, n], t[SHIFT2, n]
        _put_side(t, n, half1, slope1, shift1, t[L1, n], t[U1, n], table[X_LOW:, at])
        _put_side(t, n, half2, slope2, shift2, t[L2, n], t[U2, n], table[Y_LOW:, at])
        table[D_LOW : D_OF_X + 1, at] = 0.0
        if half1 > 0.0 and half2 > 0.0:
            for side in range(2):
                sign = 1.0 - 2.0 * side
                steep, shift, gap = below_difference(sign, t[LD, n], t[UD, n])
                _, _, gap1 = below_relu(sign, t[L1, n], t[U1, n], slope1, half1)
                _, _, gap2 = below_relu(-sign, t[L2, n], t[U2, n], slope2, half2)
                table[D_LOW + 2 * side, at] = sign * steep
                table[D_LOW + 2 * side + 1, at] = sign * shift
                table[D_KEPT_LOW + side, at] = 1.0 if gap <= max(gap1, gap2) else 0.0
            table[D_MOST, at] = max(abs(table[D_LOW + 1, at]), abs(table[D_UP + 1, at]))
        elif half1 == 0.0 and half2 == 0.0 and (slope1 == slope2 or slope1 * slope2 != 0.0):
            table[D_LOW, at], table[D_UP, at] = slope2, slope2
            table[D_LOW + 1, at] = table[D_UP + 1, at] = shift1 - shift2
            table[D_MOST, at] = abs(shift1) + abs(shift2)
            table[D_KEPT_LOW, at], table[D_KEPT_UP, at] = 1.0, 1.0
            table[D_OF_X, at] = slope1 - slope2
        table[BIAS, at], table[BIAS + 1, at] = pair.bias1[n], pair.bias2[n]
        table[BIAS + 2, at] = pair.change_bias[n]
        for which in range(3):
            far = max(-t[L1 + 2 * which, n], t[U1 + 2 * which, n])
            table[FAR + which, at] = far
            table[STAKE + which, at] = 2.0 * t[S1 + which, n] + far


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _through(of_x, of_y, of_d, beside, q):
    """Take a row from X, Y and D to x, y and d from below, and add the biases, in place.

    Args:
        of_x: `(live,)` coefficients of X; the next two are those of Y and of D.
        of_y: see of_x.
        of_d: see of_x.
        beside: `(live,)` filled with the coefficients of d once more.
        q: `(ROWS, live)` as `put_pairs` fills it.

    Returns:
        what this adds to the row's constant, and the sum of magnitudes at stake.
    """
    constant, error = 0.0, 0.0
    for j in range(of_x.shape[0]):
        a, b, c = of_x[j], of_y[j], of_d[j]
        error += 0.0 if abs(a) + abs(b) + abs(c) < LARGEST else np.inf
        moved = max(min(-a, b), min(max(-a, b), c))
        kept = q[D_KEPT_LOW, j] if c >= moved else q[D_KEPT_UP, j]
        moved = moved if kept > 0.0 else c
        a, b, c = a + moved, b - moved, c - moved
        error += abs(a) * q[X_MOST, j] + abs(b) * q[Y_MOST, j] + abs(c) * q[D_MOST, j]
        into_a, slope_a = c * q[D_OF_X, j], a * (q[X_LOW, j] if a >= 0.0 else q[X_UP, j])
        constant += a * (q[X_LOW + 1, j] if a >= 0.0 else q[X_UP + 1, j])
        constant += b * (q[Y_LOW + 1, j] if b >= 0.0 else q[Y_UP + 1, j])
        constant += c * (q[D_LOW + 1, j] if c >= 0.0 else q[D_UP + 1, j])
        b *= q[Y_LOW, j] if b >= 0.0 else q[Y_UP, j]
        c *= q[D_LOW, j] if c >= 0.0 else q[D_UP, j]
        # What cancels from here on is small, and the rounding of what it came from is not.
        error += (abs(into_a) + abs(slope_a)) * q[FAR, j]
        error += abs(b) * q[FAR + 1, j] + abs(c) * q[FAR + 2, j]
        a = into_a + slope_a
        moved = max(min(-a, b), min(max(-a, b), c))
        a, b, c = a + moved, b - moved, c - moved
        constant += a * q[BIAS, j] + b * q[BIAS + 1, j] + c * q[BIAS + 2, j]
        error += abs(a) * q[STAKE, j] + abs(b) * q[STAKE + 1, j] + abs(c) * q[STAKE + 2, j]
        of_x[j], of_y[j], of_d[j], beside[j] = a, b, c, c
    return constant, error


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _through_one(row, low, low_shift, up, up_shift, most, bias, stake):
    """Do the same for a row that speaks of f alone, or of g alone; all are `(live,)`."""
    constant, error = 0.0, 0.0
    for j in range(row.shape[0]):
        a = row[j]
        error += abs(a) * most[j] if abs(a) < LARGEST else np.inf
        constant += a * (low_shift[j] if a >= 0.0 else up_shift[j])
        a *= low[j] if a >= 0.0 else up[j]
        constant += a * bias[j]
        error += abs(a) * stake[j]
        row[j] = a
    return constant, error


@njit(cache=True, nogil=True)
def _end(rows, of_one, of_other, constant, error, box, charge, bounds, planes):
    """Bound rows over the inputs, coefficients `(rows, inputs)` of which are to be added."""
    for r in range(rows):
        total, blame = constant[r], error[r] + abs(constant[r])
        for i in range(box.shape[1]):
            a = of_one[r, i] + of_other[r, i]
            planes[r, i] = a
            total += a * (box[0, i] if a >= 0.0 else box[1, i])
            size = 2.0 * abs(a) + abs(of_one[r, i]) + abs(of_other[r, i])
            blame += size * max(abs(box[0, i]), abs(box[1, i]))
        bounds[r] = np.nextafter(total - (charge * blame * SLACK + UNDERFLOW), -np.inf)
        if not bounds[r] > -np.inf:  # NaN, too: numbers too large to be computed with
            bounds[r], planes[r] = -np.inf, 0.0


@njit(cache=True, nogil=True)
def block_one(
    pair,
    k,
    at,
    places,
    work,
    constant,
    error,
    box,
    live,
    count,
    t,
    matrix,
    table,
    charge,
    bounds,
    planes,
):
    """Bound x (`at` 0) or y (1) of some neurons of stage k: row 2i below, row 2i + 1 minus above.

    Args:
        pair: `PackedPair`.
        k: the stage.
        at: whose pre-activations.
        places: `(number,)` columns of the neurons.
        work: `(4, most)` room.
        constant: `(rows,)` room.
        error: the same.
        box: `(2, inputs)`.
        live: live neurons.
        count: their number.
        t: table of scalars, with bounds up to stage k.
        matrix: f's or g's matrices on live rows and columns, `(there, here)`.
        table: as `put_pairs` fills it, of all stages below k.
        charge: relative error of a whole row.
        bounds: `(rows,)` filled, rounded outward.
        planes: `(rows, inputs)` filled with the slopes at the input.
    """
    rows, begin = 2 * places.shape[0], pair.offset[k]
    here, there, start = count[k], count[k - 1], pair.start[k]
    bias = pair.bias1 if at == 0 else pair.bias2
    own = matrix[start : start + there * here].reshape(there, here)
    block = work[0, : rows * there].reshape(rows, there)
    for r in range(places.shape[0]):
        n = begin + live[begin + places[r]]
        constant[2 * r], constant[2 * r + 1] = bias[n], -bias[n]
        size = 2.0 * t[S1 + at, n] + max(-t[L1 + 2 * at, n], t[U1 + 2 * at, n])
        error[2 * r], error[2 * r + 1] = size, size
        for j in range(there):
            block[2 * r, j], block[2 * r + 1, j] = own[j, places[r]], -own[j, places[r]]
    first, turn = X_LOW + (Y_LOW - X_LOW) * at, 0
    for s in range(k - 1, 0, -1):
        here, there, start = count[s], count[s - 1], pair.start[s]
        q = table[:, pair.offset[s] : pair.offset[s] + here]
        for r in range(rows):
            add, at_stake = _through_one(
                block[r],
                q[first],
                q[first + 1],
                q[first + 2],
                q[first + 3],
                q[first + 4],
                q[BIAS + at],
                q[STAKE + at],
            )
            constant[r] += add
            error[r] += at_stake
        turn = 1 - turn
        out = work[turn, : rows * there].reshape(rows, there)
        np.dot(block, matrix[start : start + there * here].reshape(there, here).T, out)
        block = out
    work[2, : rows * box.shape[1]] = 0.0
    none = work[2, : rows * box.shape[1]].reshape(rows, box.shape[1])
    _end(rows, block, none, constant, error, box, charge, bounds, planes)


@njit(cache=True, nogil=True)
def block_apart(
    pair,
    k,
    places,
    work,
    constant,
    error,
    box,
    live,
    count,
    t,
    first,
    both,
    table,
    charge,
    bounds,
    planes,
):
    """Bound d of some neurons of stage k; as `block_one`.

    `first` are f's matrices, `both` g's and beside them the changes, `(there, 2 here)`.
    """
    rows, begin = 2 * places.shape[0], pair.offset[k]
    here, there, start = count[k], count[k - 1], pair.start[k]
    w1 = first[start : start + there * here].reshape(there, here)
    w2 = both[2 * start : 2 * (start + there * here)].reshape(there, 2 * here)
    left = work[0, : 2 * rows * there].reshape(2 * rows, there)
    right = work[1, : 2 * rows * there].reshape(rows, 2 * there)
    left[:rows] = 0.0
    for r in range(places.shape[0]):
        n = begin + live[begin + places[r]]
        constant[2 * r], constant[2 * r + 1] = pair.change_bias[n], -pair.change_bias[n]
        size = 2.0 * t[SD, n] + max(-t[LD, n], t[UD, n])
        error[2 * r], error[2 * r + 1] = size, size
        for j in range(there):
            weight, change = w1[j, places[r]], w2[j, here + places[r]]
            left[rows + 2 * r, j], left[rows + 2 * r + 1, j] = weight, -weight
            right[2 * r, j], right[2 * r + 1, j] = change, -change
    for s in range(k - 1, 0, -1):
        here, there, start = count[s], count[s - 1], pair.start[s]
        q = table[:, pair.offset[s] : pair.offset[s] + here]
        for r in range(rows):
            add, at_stake = _through(left[r], right[r, :here], left[rows + r], right[r, here:], q)
            constant[r] += add
            error[r] += at_stake
        w1 = first[start : start + there * here].reshape(there, here)
        w2 = both[2 * start : 2 * (start + there * here)].reshape(there, 2 * here)
        out = work[2, : 2 * rows * there].reshape(2 * rows, there)
        of_y = work[3, : rows * there].reshape(rows, there)
        np.dot(left, w1.T, out)
        np.dot(right, w2.T, of_y)
        left = work[0, : 2 * rows * there].reshape(2 * rows, there)
        right = work[1, : 2 * rows * there].reshape(rows, 2 * there)
        left[:] = out
        right[:, :there] = of_y
    inputs = box.shape[1]  # d is nothing there
    _end(rows, left[:rows], right[:, :inputs], constant, error, box, charge, bounds, planes)
