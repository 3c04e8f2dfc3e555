"""Rows over two networks bounded by the best of many lines, found by projected gradient; compiled.

Where the pre-activations of a neuron change sign, a row may use any line between 0 and z below
``relu(z)``, and say any part of what it says of the difference by the two activations instead. Each
choice gives a bound; its derivatives by all that was chosen cost one pass forwards through the
lines that the row has taken. A pass backwards proves its bound whatever was chosen, so only the
search for choices is left unproved.

Source: K. Xu et al., Fast and complete, ICLR 2021, for slopes below a ReLU; the share of a
difference is this project's.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..rounding import LARGEST
from .compiled import njit
from .pairs_back import end, load_rows, through
from .pairs_relax import at_stake, below_difference
from .zonotopes import HALF1, HALF2, L1, L2, LD, SHIFT1, SHIFT2, SLOPE1, SLOPE2, U1, U2, UD

Array = NDArray[np.float64]

SLOPE_X, SLOPE_Y, SHARE = 0, 1, 2
"""What is chosen at a neuron, in [0, 1]: f's and g's slope below, the share said of D."""

AT_X, AT_Y, AT_D, MOVED = 0, 1, 2, 3
"""What a pass backwards leaves behind: coefficients of X, Y and D, and what the share can move."""

STEPS = 10
"""Passes backwards; further ones gain less than they cost."""

NEAR = 0.125
"""Share of what is to be blamed on the relaxations that a row may miss its cut by and still be
climbed. Of boxes that missed it by less, four tenths were closed; of others, one in a hundred."""

RATE, FADE = 0.3, 0.85
"""Length of the first step, of the way from 0 to 1, and the factor on that of each further one."""

KEEP, KEEP_SQUARE = 0.6, 0.9
"""How much of the last direction, and of its squares, is kept for the next step."""


class Climb(NamedTuple):
    """Room for the choices of rows at all neurons.

    Attributes:
        choice: ``(rows, 3, neurons)``.
        left: ``(rows, 4, neurons)`` what the last pass backwards left behind.
        least: ``(rows, neurons)`` int8, which of -a, b and c is moved at least, by its place.
        moment: ``(rows, 6, neurons)`` means of derivatives, then of their squares.
        best: ``(rows,)``.
        planes: ``(rows, inputs)``.
    """

    choice: Array
    left: Array
    least: NDArray[np.int8]
    moment: Array
    best: Array
    planes: Array


@njit(cache=True, nogil=True)
def room(rows, neurons, inputs):
    """Return room for so many rows."""
    return Climb(
        np.zeros((rows, 3, neurons)),
        np.zeros((rows, 4, neurons)),
        np.zeros((rows, neurons), np.int8),
        np.zeros((rows, 6, neurons)),
        np.zeros(rows),
        np.zeros((rows, inputs)),
    )


@njit(cache=True, nogil=True, inline="always")
def _below(weight, slope, steep, shift, half):
    """Return slope and shift of a line below ``weight * relu(z)``, or of the line z lies on."""
    if half == 0.0:
        return weight * steep, weight * shift
    if weight >= 0.0:
        return weight * slope, 0.0
    return weight * steep, weight * (2.0 * half)


@njit(cache=True, nogil=True)
def relax_chosen(of_x, of_y, of_d, choice, left, least, count, live, begin, t):
    """Replace a row's coefficients of X, Y and D by those of x, y and d from below, in place.

    As `pairs_relax.relax`, with the row's own choices; no neuron is rounded to a grid.

    Args:
        of_x: `(neurons,)` coefficients of X.
        of_y: the same of Y.
        of_d: the same of D.
        choice: `(3, all neurons)`, the row's of `Climb`; the next two as well.
        left: `(4, all neurons)` filled.
        least: `(all neurons,)` filled.
        count: number of live neurons.
        live: the live neurons.
        begin: first neuron of the stage.
        t: table of scalars.

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
        slope1, slope2 = t[SLOPE1, n], t[SLOPE2, n]
        shift1, shift2 = t[SHIFT1, n], t[SHIFT2, n]
        into_a, into_c, shift = 0.0, 0.0, 0.0
        left[MOVED, n] = 0.0
        if one and two:
            moved = max(min(-a, b), min(max(-a, b), c))
            least[n] = 0 if moved == -a else (1 if moved == b else 2)
            left[MOVED, n] = c - moved
            # Any number may be moved: what it becomes is rounded once, relative to itself.
            moved += (1.0 - choice[SHARE, n]) * (c - moved)
            a, b, c = a + moved, b - moved, c - moved
            into_c, shift, _ = below_difference(c, t[LD, n], t[UD, n])
            magnitude += abs(shift)
        elif not one and not two and (slope1 == slope2 or slope1 * slope2 != 0.0):
            into_c, into_a = c * slope2, c * (slope1 - slope2)
            shift = c * (shift1 - shift2)
            magnitude += abs(c) * (abs(shift1) + abs(shift2))
        else:
            a, b, c = a + c, b - c, 0.0
        left[AT_X, n], left[AT_Y, n], left[AT_D, n] = a, b, c
        steep, add = _below(a, choice[SLOPE_X, n], slope1, shift1, t[HALF1, n])
        of_x[j] = into_a + steep
        if into_a != 0.0:  # where the two cancel, the sum is small and its rounding is not
            magnitude += (abs(into_a) + abs(steep)) * max(-t[L1, n], t[U1, n])
        of_y[j], more = _below(b, choice[SLOPE_Y, n], slope2, shift2, t[HALF2, n])
        of_d[j] = into_c
        magnitude += at_stake(of_x[j], of_y[j], of_d[j], n, t)
        constant += shift + add + more
        magnitude += 2.0 * abs(shift) + abs(add) + abs(more)
    return constant, magnitude


@njit(cache=True, nogil=True)
def _down(
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
    charge,
    climb,
    bounds,
    planes,
):
    """Bound rows over x, y and d of stage k from below with their choices; as `pairs_back.back`."""
    for s in range(k, 0, -1):
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
            add, at_stake = relax_chosen(
                left[r],
                right[r, :there],
                left[rows + r],
                climb.choice[r],
                climb.left[r],
                climb.least[r],
                there,
                live,
                begin,
                t,
            )
            constant[r] += add
            error[r] += at_stake
    for r in range(rows):
        end(pair.sizes[0], r, work, constant[r], error[r], direct[r], box, charge, bounds, planes)


@njit(cache=True, nogil=True, inline="always")
def _step(choice, moment, which, n, slope, rate):
    """Move a choice along its derivative; how far does not depend on the derivative's unit."""
    moment[which, n] = KEEP * moment[which, n] + (1.0 - KEEP) * slope
    square = KEEP_SQUARE * moment[3 + which, n] + (1.0 - KEEP_SQUARE) * slope * slope
    moment[3 + which, n] = square
    if square > 0.0:
        there = choice[which, n] + rate * moment[which, n] / np.sqrt(square)
        choice[which, n] = min(max(there, 0.0), 1.0)


@njit(cache=True, nogil=True)
def _pass_on(x, y, d, n, r, t, climb, rate):
    """Return the values of X, Y and D on a row's lines, and move the row's choices there.

    A value is the derivative of the row's bound by the coefficient of what it is the value of.
    """
    choice, moment = climb.choice[r], climb.moment[r]
    one, two = t[HALF1, n] > 0.0, t[HALF2, n] > 0.0
    a, b, c = climb.left[r, AT_X, n], climb.left[r, AT_Y, n], climb.left[r, AT_D, n]
    up, low = t[SLOPE1, n] * x + (t[SHIFT1, n] + 2.0 * t[HALF1, n]), choice[SLOPE_X, n] * x
    of_x = low if one and a >= 0.0 else up
    if one and a > 0.0:
        _step(choice, moment, SLOPE_X, n, a * x, rate)
    up, low = t[SLOPE2, n] * y + (t[SHIFT2, n] + 2.0 * t[HALF2, n]), choice[SLOPE_Y, n] * y
    of_y = low if two and b >= 0.0 else up
    if two and b > 0.0:
        _step(choice, moment, SLOPE_Y, n, b * y, rate)
    if not one and not two and t[SLOPE1, n] == t[SLOPE2, n]:
        return of_x, of_y, t[SLOPE1, n] * d + (t[SHIFT1, n] - t[SHIFT2, n])
    if not (one and two):
        return of_x, of_y, of_x - of_y
    sign = 1.0 if c >= 0.0 else -1.0
    steep, shift, _ = below_difference(sign, t[LD, n], t[UD, n])
    of_d, share = sign * (steep * d + shift), choice[SHARE, n]
    gain = of_x - of_y - of_d
    _step(choice, moment, SHARE, n, -gain * climb.left[r, MOVED, n], rate)
    of_d += (1.0 - share) * gain
    match climb.least[r, n]:
        case 0:
            of_x -= share * gain
        case 1:
            of_y += share * gain
        case _:
            of_d += share * gain
    return of_x, of_y, of_d


@njit(cache=True, nogil=True)
def _up(pair, k, rows, work, box, live, count, t, first, both, planes, climb, rate):
    """Move the choices of rows along the derivatives of their bounds, which `_down` has given."""
    size_in = pair.sizes[0]
    left = work[0, : 2 * rows * size_in].reshape(2 * rows, size_in)
    of_y = work[1, : rows * size_in].reshape(rows, size_in)
    for r in range(rows):
        for i in range(size_in):
            left[r, i] = box[0, i] if planes[r, i] >= 0.0 else box[1, i]
            of_y[r, i], left[rows + r, i] = left[r, i], 0.0
    for s in range(1, k):
        begin, here, there = pair.offset[s], count[s], count[s - 1]
        left = work[0, : 2 * rows * there].reshape(2 * rows, there)
        of_y = work[1, : rows * there].reshape(rows, there)
        start = pair.start[s]
        w1 = first[start : start + there * here].reshape(there, here)
        w2 = both[2 * start : 2 * (start + there * here)].reshape(there, 2 * here)
        out = work[2, : 2 * rows * here].reshape(2 * rows, here)
        beside = work[3, : 2 * rows * here].reshape(rows, 2 * here)
        np.dot(left, w1, out)
        np.dot(of_y, w2, beside)
        left = work[0, : 2 * rows * here].reshape(2 * rows, here)
        of_y = work[1, : rows * here].reshape(rows, here)
        for r in range(rows):
            for j in range(here):
                n = begin + live[begin + j]
                x, y = out[r, j] + pair.bias1[n], beside[r, j] + pair.bias2[n]
                d = out[rows + r, j] + beside[r, here + j] + pair.change_bias[n]
                left[r, j], of_y[r, j], left[rows + r, j] = _pass_on(x, y, d, n, r, t, climb, rate)


@njit(cache=True, nogil=True)
def _begin(pair, k, rows, apart, live, count, t, climb):
    """Choose as `pairs_relax.relax` does, X and Y on their own where a row is to be taken apart."""
    for s in range(1, k):
        begin = pair.offset[s]
        for j in range(count[s]):
            n = begin + live[begin + j]
            for r in range(rows):
                climb.choice[r, SLOPE_X, n] = 1.0 if t[U1, n] > -t[L1, n] else 0.0
                climb.choice[r, SLOPE_Y, n] = 1.0 if t[U2, n] > -t[L2, n] else 0.0
                climb.choice[r, SHARE, n] = 0.0 if apart[r] else 1.0
    climb.moment[:rows] = 0.0


@njit(cache=True, nogil=True)
def raise_rows(
    pair,
    rows,
    which,
    apart,
    cut,
    k,
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
    charge,
    climb,
    bounds,
    planes,
):
    """Raise the bounds of rows over the outputs, `climb.best`, as long as one misses its cut.

    Args:
        pair: `PackedPair` without grids and shared stages.
        rows: `PairRows`.
        which: `(number,)` those that are raised.
        apart: `(number,)` whether a row is to begin with X and Y on their own.
        cut: `(rows,)` bounds that need not be bettered.
        k: the stage of the outputs.
        work: as `pairs_back.back` takes it; so are the arguments up to `charge`.
        constant: room.
        error: room.
        direct: room.
        box: `(2, inputs)`.
        live: live neurons.
        count: their number.
        t: table of scalars.
        first: f's matrices.
        both: g's matrices and the changes.
        charge: relative error of a whole row.
        climb: room, with `best` and `planes` of the rows so far, which are bettered.
        bounds: room.
        planes: room.
    """
    number, rate = which.shape[0], RATE
    _begin(pair, k, number, apart, live, count, t, climb)
    for step in range(STEPS):
        load_rows(rows, which, count[k], work, direct, constant, error)
        _down(
            pair,
            k,
            number,
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
            charge,
            climb,
            bounds,
            planes,
        )
        missing = False
        for r in range(number):
            if bounds[r] > climb.best[r]:
                climb.best[r], climb.planes[r] = bounds[r], planes[r]
            missing |= climb.best[r] < cut[which[r]]
        if not missing or step == STEPS - 1:
            break
        _up(pair, k, number, work, box, live, count, t, first, both, planes, climb, rate)
        rate *= FADE
