"""Signs of pre-activations at points of a cell, compiled, with the doubt that rounding leaves.

A sign counts as seen where the computed value is farther from zero than rounding can have moved
it, for any order of sums; so a point that shows a sign shows it in real arithmetic.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from ..network import State
from ..rounding import SLACK, UNDERFLOW, UNIT
from .borrowed import borrowed
from .compiled import njit
from .kernels import bound_boxes
from .lanes import MOST, ROWS, forward_product, show
from .packed import LOWER, UPPER
from .shrink import shrink

BLOCK = ROWS
"""Points evaluated together: their values stay in cache."""

_RELU, _ZERO = int(State.RELU), int(State.ZERO)
_IDENTITY, _LINEAR = int(State.IDENTITY), int(State.LINEAR)


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _charge(row, size, moved):
    """Return a row's magnitudes times the sizes, and times the errors, of what it multiplies."""
    total, wobble = 0.0, 0.0
    for j in range(row.shape[0]):
        total += abs(row[j]) * size[j]
        wobble += abs(row[j]) * moved[j]
    return total, wobble


@njit(cache=True, nogil=True)
def doubts(net, low, high, last, doubt):
    """Fill `doubt` with how far a computed pre-activation can be from its real value.

    Args:
        net: `Packed`.
        low: `(neurons,)` bounds of the pre-activations on the cell, the inputs first.
        high: the same, upper bounds; infinite ones leave infinite doubt behind them.
        last: the last stage that is asked about.
        doubt: `(neurons,)` filled up to that stage; NaN and infinity where nothing is certain.

    Source: Higham 2002, chapter 3; the error of a stage's activations is carried into the next.
    """
    end, inputs = net.offset[last + 1], net.sizes[0]
    size, moved = np.zeros(end), np.zeros(end)
    for i in range(inputs):
        size[i] = max(abs(low[i]), abs(high[i]))
        doubt[i] = 0.0
    for k in range(1, last + 1):
        begin, terms = net.offset[k], 6.0
        for e in range(net.edge_first[k], net.edge_first[k + 1]):
            terms += net.sizes[net.edge_source[e]] + 2.0
        charge = (terms * UNIT / (1.0 - terms * UNIT)) * SLACK
        for c in range(net.sizes[k]):
            n = begin + c
            total, wobble = abs(net.bias[n]), 0.0
            for e in range(net.edge_first[k], net.edge_first[k + 1]):
                source = net.edge_source[e]
                there, width = net.offset[source], net.sizes[source]
                row = net.edge_start[e] + c * width
                more = _charge(
                    net.weight[row : row + width],
                    size[there : there + width],
                    moved[there : there + width],
                )
                total += more[0]
                wobble += more[1]
            error = (wobble + charge * (total + wobble)) * SLACK + UNDERFLOW
            doubt[n] = error
            most, state = max(abs(low[n]), abs(high[n])), net.state[n]
            if state == _ZERO:
                size[n], moved[n] = 0.0, 0.0
            elif state == _IDENTITY:
                size[n], moved[n] = most, error
            elif state == _LINEAR:
                slope, shift = abs(net.slope[n]), abs(net.intercept[n])
                size[n] = (slope * most + shift) * SLACK
                spare = 4.0 * UNIT * (slope * (most + error) + shift)
                moved[n] = (slope * error + spare) * SLACK + UNDERFLOW
            else:
                size[n], moved[n] = max(0.0, high[n]), error


@njit(cache=True, nogil=True)
def look(net, values, doubt, last, seen):
    """Evaluate a block of points and note the signs that they show.

    Args:
        net: `Packed`.
        values: flat, `(neurons, BLOCK)`; begins with the points, `(inputs, BLOCK)`, and is filled
            with all activations.
        doubt: as `doubts` fills it.
        last: the last stage that is asked about.
        seen: `(neurons,)` uint8, bit UPPER set where z > 0 was seen, which refutes z <= 0, bit
            LOWER where z < 0 was seen.
    """
    offset, sizes, weight = net.offset, net.sizes, net.weight
    source_of, start_of, edge_first = net.edge_source, net.edge_start, net.edge_first
    states, bias, slopes, intercepts = net.state, net.bias, net.slope, net.intercept
    for k in range(1, last + 1):
        begin, size = offset[k], sizes[k]
        if edge_first[k] == edge_first[k + 1]:
            values[begin * BLOCK : (begin + size) * BLOCK] = 0.0
        for e in range(edge_first[k], edge_first[k + 1]):
            source, start = source_of[e], start_of[e]
            read, width, more = offset[source] * BLOCK, sizes[source], e > edge_first[k]
            forward_product(
                MOST, weight, start, width, values, read, width, values, begin * BLOCK, size, more
            )
        for n in range(begin, begin + size):
            state, at = states[n], n * BLOCK
            seen[n] |= show(values, at, bias[n], doubt[n], int(state == _RELU))
            if state == _ZERO:
                values[at : at + BLOCK] = 0.0
            elif state == _LINEAR:
                slope, intercept = slopes[n], intercepts[n]
                for p in range(at, at + BLOCK):
                    values[p] = slope * values[p] + intercept


@njit(cache=True, nogil=True)
def _place(values, unit, first, lower, upper):
    """Put a block of points, given as shares of a box, where `look` reads them."""
    for i in range(lower.shape[0]):
        low, high = lower[i], upper[i]
        for p in range(BLOCK):
            at = low + unit[first + p, i] * (high - low)
            values[i * BLOCK + p] = min(high, max(low, at))


@njit(cache=True, nogil=True)
def look_at_cells(net, small, cut, lower, upper, unit, first, known, seen, points):
    """Bound every cell by backward linear bounds, then look at points of it.

    After the first points, more are looked at as long as the last quarter of those so far refuted a
    neuron whose sign was not known.

    Args:
        net: `Packed`.
        small: `Packed`, as `copied` gives it.
        cut: `Shrunk`.
        lower: `(cells, inputs)`.
        upper: `(cells, inputs)`.
        unit: `(points, inputs)` shares of a cell, a multiple of BLOCK points.
        first: how many points to look at in any case.
        known: `(cells, neurons)` uint8, bits UPPER where z <= 0 is known to hold on the cell, LOWER
            where z >= 0 is; more are set on return.
        seen: `(cells, neurons)` uint8 as `look` fills it.
        points: `(cells,)` filled with the number of points looked at.
    """
    net, small, cut = borrowed(net), borrowed(small), borrowed(cut)
    cells, inputs = lower.shape
    total, last = net.offset[-1], net.sizes.shape[0] - 2
    low, high = np.full((cells, total), -np.inf), np.full((cells, total), np.inf)
    wish, none = np.zeros((cells, total), np.uint8), np.zeros((cells, inputs))
    bound_boxes(net, lower, upper, low, high, wish, none, np.zeros(cells, np.int64), none.copy())
    values, doubt = np.zeros(total * BLOCK), np.zeros(total)
    for cell in range(cells):
        lows, highs = low[cell], high[cell]
        for n in range(inputs, net.offset[last + 1]):
            known[cell, n] |= (highs[n] <= 0.0) * UPPER + (lows[n] >= 0.0) * LOWER
        shrink(net, known[cell], small, cut)
        left = small.offset[small.sizes.shape[0]]
        for m in range(left):
            n = cut.origin[m]
            lows[m], highs[m] = lows[n], highs[n]  # no neuron moves up
            cut.known[m], cut.seen[m] = known[cell, n], seen[cell, n]
        doubts(small, lows, highs, last, doubt)
        done, fresh = 0, 0
        while done < unit.shape[0] and (done < first or 4 * (done - fresh) < done):
            _place(values, unit, done, lower[cell], upper[cell])
            before = _both(cut.known, cut.seen, left)
            look(small, values, doubt, last, cut.seen)
            done += BLOCK
            if _both(cut.known, cut.seen, left) > before:
                fresh = done
        points[cell] = done
        for m in range(left):
            seen[cell, cut.origin[m]] = cut.seen[m]


@njit(cache=True, nogil=True)
def _both(known, seen, total):
    """Return how many neurons whose sign is not known were seen with both signs."""
    count = 0
    for n in range(total):
        count += seen[n] == UPPER | LOWER and known[n] == 0
    return count
