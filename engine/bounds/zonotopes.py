"""The compiled loops of the difference bounds: three zonotopes, stage by stage, box by box.

Symbols are rows and neurons columns: a symbol more is a row more. Only neurons that may be live in
f or in g have a column.

Soundness. An element stands for ``sum of rows * symbols + centre +- error``. Every rounding is
charged to `error` through sums of magnitudes, as in `kernels.py`.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .difference import CONSTANT, OF_D, OF_H, OF_X, OF_Y, line_of, pair_rule
from .grid_lines import ends, grid_line, grid_rule, kinship, moved
from .packed import LOWER, UPPER

# Rows of a table of scalars, one column a neuron, flat over all stages.
L1, U1, L2, U2, LD, UD = 0, 1, 2, 3, 4, 5  # proved bounds of x, y and d
S1, S2, SD = 6, 7, 8  # bounds of |W| |activation| + |bias|, whatever the activations
SLOPE1, SHIFT1, HALF1 = 9, 10, 11  # f's line, as `line_of` gives it
SLOPE2, SHIFT2, HALF2 = 12, 13, 14  # g's line
DOWN1, UP1, DOWN2, UP2 = 15, 16, 17, 18  # what a grid adds to f's and g's activation; else 0
KIN = 19  # as `kinship` gives it where f or g rounds the activation; else 0
KNEE1, KNEE2 = 20, 21  # there, 1 where f's and g's activation is an unstable ReLU; else 0
SCALARS = 22

# What each of the three zonotopes keeps beside its rows.
CENTRE, ERROR, SIZE = 0, 1, 2


@njit(cache=True, nogil=True)
def gather(pair, k, live, count, first, second, change, both):
    """Copy stage k's matrices on live rows and columns; return where they begin and end.

    `both` gets g's matrix and the change beside each other; it begins at twice the place.
    """
    begin, rows, columns = pair.start[k], count[k - 1], count[k]
    width, there, here = pair.sizes[k], pair.offset[k - 1], pair.offset[k]
    for r in range(rows):
        source = begin + live[there + r] * width
        target = begin + r * columns
        beside = 2 * begin + 2 * r * columns
        for c in range(columns):
            at = source + live[here + c]
            first[target + c] = pair.first[at]
            second[target + c] = pair.second[at]
            change[target + c] = pair.change[at]
            both[beside + c] = pair.second[at]
            both[beside + columns + c] = pair.change[at]
    return begin, begin + rows * columns


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _accumulate(rows, total):
    """Add the magnitudes of rows to a row."""
    for r in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            total[j] += abs(rows[r, j])


@njit(cache=True, nogil=True)
def affine_scalars(scalars, matrix, bias, out):
    """Push a zonotope's centre, error and size through a matrix, adding to `out`.

    Args:
        scalars: `(3, in)`.
        matrix: `(in, out)`.
        bias: `(out,)`.
        out: `(4, out)`; the last row gets the magnitudes of all that was added.
    """
    rows, columns = matrix.shape
    for j in range(columns):
        out[CENTRE, j] += bias[j]
        out[3, j] += abs(bias[j])
    for i in range(rows):
        centre, error, size = scalars[CENTRE, i], scalars[ERROR, i], scalars[SIZE, i]
        if not size < LARGEST:  # a weight of 0 makes it NaN, which `concretise` finds too large
            size = np.inf
        for j in range(columns):
            w = matrix[i, j]
            out[CENTRE, j] += centre * w
            out[ERROR, j] += error * abs(w)
            out[3, j] += size * abs(w)


@njit(cache=True, nogil=True)
def charge_scalars(out, charge):
    """Charge the roundings of an affine stage, whose magnitudes are in the last row."""
    for j in range(out.shape[1]):
        out[ERROR, j] = (out[ERROR, j] + charge * out[3, j]) * SLACK + UNDERFLOW


@njit(cache=True, nogil=True)
def _sizes(rows, out, charge):
    """Fill the row SIZE with a bound of |value|, and return each column's radius in the last row.

    The sum of magnitudes itself is rounded: `charge` covers that too.
    """
    radius = np.zeros(out.shape[1])
    _accumulate(rows, radius)
    for j in range(out.shape[1]):
        radius[j] = radius[j] * (1.0 + charge) + out[ERROR, j]
        out[SIZE, j] = (radius[j] + abs(out[CENTRE, j])) * SLACK
    return radius


@njit(cache=True, nogil=True)
def tighten(t, n):
    """Carry bounds of x, y and d over to each other, two rounds; all rounded outward."""
    for _ in range(2):
        t[LD, n] = max(t[LD, n], np.nextafter(t[L1, n] - t[U2, n], -np.inf))
        t[UD, n] = min(t[UD, n], np.nextafter(t[U1, n] - t[L2, n], np.inf))
        t[L1, n] = max(t[L1, n], np.nextafter(t[L2, n] + t[LD, n], -np.inf))
        t[U1, n] = min(t[U1, n], np.nextafter(t[U2, n] + t[UD, n], np.inf))
        t[L2, n] = max(t[L2, n], np.nextafter(t[L1, n] - t[UD, n], -np.inf))
        t[U2, n] = min(t[U2, n], np.nextafter(t[U1, n] - t[LD, n], np.inf))


@njit(cache=True, nogil=True)
def _flags(flags, low, high):
    """Return bounds cut by what is known of a sign."""
    if flags & UPPER:
        high = min(high, 0.0)
    if flags & LOWER:
        low = max(low, 0.0)
    return low, high


@njit(cache=True, nogil=True)
def signs(pair, n, stable, t):
    """Cut the bounds of a neuron's x and y by what is known of their signs."""
    if pair.state[0, n] == 0:
        t[L1, n], t[U1, n] = _flags(stable[0, n], t[L1, n], t[U1, n])
    if pair.state[1, n] == 0:
        t[L2, n], t[U2, n] = _flags(stable[1, n], t[L2, n], t[U2, n])


@njit(cache=True, nogil=True)
def known_dead(pair, n, stable):
    """Return whether a neuron's activation is zero in f and in g, by state or by what is known."""
    one = pair.state[0, n] == 1 or (pair.state[0, n] == 0 and (stable[0, n] & UPPER) > 0)
    two = pair.state[1, n] == 1 or (pair.state[1, n] == 0 and (stable[1, n] & UPPER) > 0)
    return one and two


@njit(cache=True, nogil=True)
def note_signs(pair, k, live, count, t, stable):
    """Note which signs stage k's bounds decide."""
    begin = pair.offset[k]
    for j in range(count[k]):
        n = begin + live[begin + j]
        stable[0, n] |= (t[U1, n] <= 0.0) * UPPER + (t[L1, n] >= 0.0) * LOWER
        stable[1, n] |= (t[U2, n] <= 0.0) * UPPER + (t[L2, n] >= 0.0) * LOWER


@njit(cache=True, nogil=True)
def compact(start, rows, columns, places, kept, first, second, both):
    """Drop the columns of a stage's matrices that are not kept, in place."""
    for r in range(rows):
        for j in range(kept):
            into, out = start + r * kept + j, start + r * columns + places[j]
            first[into], second[into] = first[out], second[out]
    for r in range(rows):
        for j in range(kept):
            both[2 * (start + r * kept) + j] = both[2 * (start + r * columns) + places[j]]
        for j in range(kept):
            out = 2 * (start + r * columns) + columns + places[j]
            both[2 * (start + r * kept) + kept + j] = both[out]


@njit(cache=True, nogil=True)
def concretise(pair, k, live, count, inputs, x, y, d, xs, ys, ds, stable, t, charge):
    """Fill the bounds of stage k's live neurons from the zonotopes.

    Args:
        pair: `PackedPair`.
        k: the stage.
        live: live neurons, stage by stage.
        count: their number.
        inputs: number of input symbols.
        x: `(inputs + symbols of f, live)`.
        y: `(inputs + symbols of g, live)`.
        d: `(inputs + symbols of g + of f + of the difference, live)`.
        xs: `(4, live)` scalars of x; SIZE is filled.
        ys: the same of y.
        ds: the same of d.
        stable: `(2, neurons)` what is known of signs.
        t: table of scalars, filled.
        charge: relative error of a sum over all symbols.

    Returns:
        the largest magnitude met.
    """
    begin, largest = pair.offset[k], 0.0
    rx, ry, rd = _sizes(x, xs, charge), _sizes(y, ys, charge), _sizes(d, ds, charge)
    apart = np.zeros(count[k])
    _accumulate(x[:inputs] - y[:inputs], apart)
    _accumulate(x[inputs:], apart)
    _accumulate(y[inputs:], apart)
    for j in range(count[k]):
        n = begin + live[begin + j]
        t[S1, n], t[S2, n] = xs[3, j] * SLACK, ys[3, j] * SLACK
        t[SD, n] = ds[3, j] * SLACK
        most = t[S1, n] + t[S2, n] + t[SD, n]
        largest = max(largest, most) if most < LARGEST else np.inf  # NaN is too large, too
        t[L1, n] = np.nextafter(xs[CENTRE, j] - rx[j] * SLACK, -np.inf)
        t[U1, n] = np.nextafter(xs[CENTRE, j] + rx[j] * SLACK, np.inf)
        t[L2, n] = np.nextafter(ys[CENTRE, j] - ry[j] * SLACK, -np.inf)
        t[U2, n] = np.nextafter(ys[CENTRE, j] + ry[j] * SLACK, np.inf)
        t[LD, n] = np.nextafter(ds[CENTRE, j] - rd[j] * SLACK, -np.inf)
        t[UD, n] = np.nextafter(ds[CENTRE, j] + rd[j] * SLACK, np.inf)
        middle = xs[CENTRE, j] - ys[CENTRE, j]
        spare = xs[ERROR, j] + ys[ERROR, j] + (xs[SIZE, j] + ys[SIZE, j]) * (charge + 4.0 * UNIT)
        reach = (apart[j] * (1.0 + charge) + spare) * SLACK
        t[LD, n] = max(t[LD, n], np.nextafter(middle - reach, -np.inf))
        t[UD, n] = min(t[UD, n], np.nextafter(middle + reach, np.inf))
        signs(pair, n, stable, t)
        tighten(t, n)
    return largest


@njit(cache=True, nogil=True)
def scaled(old, new, places, factor):
    """Write columns of `old`, times a factor each, as the columns of `new`."""
    for r in range(old.shape[0]):
        for j in range(places.shape[0]):
            new[r, j] = factor[j] * old[r, places[j]]


@njit(cache=True, nogil=True)
def mixed(old, new, places, factor, other, weight):
    """Write ``factor * old + weight * other``, column by column."""
    for r in range(old.shape[0]):
        for j in range(places.shape[0]):
            new[r, j] = factor[j] * old[r, places[j]] + weight[j] * other[r, places[j]]


@njit(cache=True, nogil=True)
def mixed_three(old, new, places, factor, x, of_x, y, of_y):
    """Write ``factor * old + of_x * x + of_y * y``, column by column."""
    for r in range(old.shape[0]):
        for j in range(places.shape[0]):
            p = places[j]
            new[r, j] = factor[j] * old[r, p] + of_x[j] * x[r, p] + of_y[j] * y[r, p]


@njit(cache=True, nogil=True)
def _of_grid(pair, n, t, one, two, rule):
    """Return both lines of a neuron with a grid, and fill its rule and what rounding adds.

    `one` and `two` are the lines of the activations before they are rounded.
    """
    for side in range(2):
        low, high = t[L1 + 2 * side, n], t[U1 + 2 * side, n]
        state, slope, shift = pair.state[side, n], pair.slope[side, n], pair.intercept[side, n]
        step, least, most = pair.step[side, n], pair.least[side, n], pair.most[side, n]
        if step > 0.0:
            below, above = ends(state, slope, shift, low, high)
            down, up = moved(below, above, step, least, most)
            t[DOWN1 + 2 * side, n], t[UP1 + 2 * side, n] = down, up
            line = grid_line(state, slope, shift, low, high, step, least, most)
            if side == 0:
                one = line
            else:
                two = line
        t[KNEE1 + side, n] = 1.0 if state == 0 and low < 0.0 and high > 0.0 else 0.0
    t[KIN, n] = kinship(pair.state[0, n], t[L1, n], pair.state[1, n], t[L2, n])
    down = np.nextafter(t[DOWN1, n] - t[UP2, n], -np.inf)
    up = np.nextafter(t[UP1, n] - t[DOWN2, n], np.inf)
    grid_rule(one, two, t[LD, n], t[UD, n], down, up, t[KIN, n], rule)
    return one, two


@njit(cache=True, nogil=True)
def lines(pair, k, live, count, t, places, rules):
    """Choose the lines of stage k's live neurons and the rules of their differences.

    Args:
        pair: `PackedPair`.
        k: the stage.
        live: live neurons; on return those whose activation may differ from zero.
        count: their number.
        t: table of scalars; the lines are filled.
        places: `(live,)` filled: which of the columns so far each kept one was.
        rules: `(7, live)` filled for the kept columns.

    Returns:
        the number of new symbols of f, of g and of the difference.
    """
    begin, kept, of_f, of_g, of_d = pair.offset[k], 0, 0, 0, 0
    rule = np.zeros(7)
    for j in range(count[k]):
        i = live[begin + j]
        n = begin + i
        one = line_of(pair.state[0, n], pair.slope[0, n], pair.intercept[0, n], t[L1, n], t[U1, n])
        two = line_of(pair.state[1, n], pair.slope[1, n], pair.intercept[1, n], t[L2, n], t[U2, n])
        grid = pair.step[0, n] > 0.0 or pair.step[1, n] > 0.0
        if grid:
            one, two = _of_grid(pair, n, t, one, two, rule)
        t[SLOPE1, n], t[SHIFT1, n], t[HALF1, n] = one
        t[SLOPE2, n], t[SHIFT2, n], t[HALF2, n] = two
        if one == (0.0, 0.0, 0.0) and two == (0.0, 0.0, 0.0):
            continue
        if not grid:
            pair_rule(one[0], one[1], one[2], two[0], two[1], two[2], t[LD, n], t[UD, n], rule)
        rules[:, kept] = rule
        places[kept], live[begin + kept] = j, i
        kept += 1
        of_f += one[2] > 0.0
        of_g += two[2] > 0.0
        of_d += rule[OF_H] > 0.0
    count[k] = kept
    return of_f, of_g, of_d


@njit(cache=True, nogil=True)
def activate_scalars(pair, k, live, count, t, places, rules, xs, ys, ds, xn, yn, dn):
    """Fill centre, error and size of stage k's activations.

    Args:
        pair: `PackedPair`.
        k: the stage.
        live: live neurons.
        count: their number.
        t: table of scalars.
        places: as `lines` gives them.
        rules: as `lines` gives them.
        xs: `(4, columns)` of the pre-activations of f.
        ys: the same of g.
        ds: the same of d.
        xn: `(3, live)` filled for the activations of f.
        yn: the same of g.
        dn: the same of D.
    """
    begin, charge = pair.offset[k], 16.0 * UNIT
    for j in range(count[k]):
        n, p = begin + live[begin + j], places[j]
        slope, shift, half = t[SLOPE1, n], t[SHIFT1, n], t[HALF1, n]
        xn[CENTRE, j] = slope * xs[CENTRE, p] + (shift + half)
        size = abs(slope) * xs[SIZE, p] + abs(shift) + 2.0 * half
        xn[ERROR, j] = (abs(slope) * xs[ERROR, p] + charge * size) * SLACK + UNDERFLOW
        xn[SIZE, j] = size * SLACK
        slope, shift, half = t[SLOPE2, n], t[SHIFT2, n], t[HALF2, n]
        yn[CENTRE, j] = slope * ys[CENTRE, p] + (shift + half)
        size = abs(slope) * ys[SIZE, p] + abs(shift) + 2.0 * half
        yn[ERROR, j] = (abs(slope) * ys[ERROR, p] + charge * size) * SLACK + UNDERFLOW
        yn[SIZE, j] = size * SLACK
        od, ox, oy, constant = rules[OF_D, j], rules[OF_X, j], rules[OF_Y, j], rules[CONSTANT, j]
        dn[CENTRE, j] = od * ds[CENTRE, p] + ox * xs[CENTRE, p] + oy * ys[CENTRE, p] + constant
        size = abs(od) * ds[SIZE, p] + abs(ox) * xs[SIZE, p] + abs(oy) * ys[SIZE, p]
        # The constant is a difference of shifts and halves: their magnitudes count, not its own.
        parts = abs(t[SHIFT1, n]) + t[HALF1, n] + abs(t[SHIFT2, n]) + t[HALF2, n]
        parts += rules[OF_H, j] + abs(constant)
        error = abs(od) * ds[ERROR, p] + abs(ox) * xs[ERROR, p] + abs(oy) * ys[ERROR, p]
        dn[ERROR, j] = (error + charge * (size + parts)) * SLACK + UNDERFLOW
        dn[SIZE, j] = (size + parts) * SLACK
