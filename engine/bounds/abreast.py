"""The bounds of eight boxes of a tree side by side, as far as their open questions need, compiled.

Each vector holds one number of every box, with work arrays that are made once a thread; see
`kernels.py` for the bounds and their soundness, and `trees.py` for the search. A neuron that is
zero on all of the boxes is no column, and one that is stable on all of them no row.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..network import State
from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .abreast_rows import PITCH, put_input_lines, room_for_boxes, substitute_boxes
from .compiled import njit
from .lanes import forward_product
from .lanes_boxes import share_boxes
from .packed import GUIDED, LOWER, UPPER, Packed
from .upward import drop_dead
from .vectors import LANES

_RELU, _ZERO, _IDENTITY = int(State.RELU), int(State.ZERO), int(State.IDENTITY)

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Bits = NDArray[np.uint8]


class Abreast(NamedTuple):
    """Work arrays of one thread, flat; see `abreast_rows.py` for those that rows take.

    Attributes:
        lower, upper, width: ``(inputs, LANES)`` of the boxes, filled by the caller but for width.
        low, high: ``(neurons, LANES)`` bounds on the boxes.
        known: ``(neurons, LANES)`` signs known on the boxes, as bits; filled by the caller.
        asked: ``(neurons, LANES)`` the open questions of the boxes, as bits; filled by the caller.
        wish: ``(neurons,)`` those of any box.
        reach, plane: ``(neurons, LANES)``, ``(neurons, inputs, LANES)``: what is asked of a neuron
            is at most reach less the sum of |plane| times the distance from the corner where it is
            largest; reach is infinite where there is no plane.
        blame: ``(inputs, LANES)`` how much each input is to be blamed for a box's open questions.
        most: ``(neurons,)`` the greatest of the boxes' upper bounds.
        sizes: magnitudes of a stage's matrix.
        middle, around: ``(columns, LANES)``, ``(columns, 2, LANES)`` of activations: middles; radii
            and largest magnitudes.
        centre, beside: ``(rows, LANES)``, ``(rows, 2, LANES)`` sums of these.
    """

    lower: Array
    upper: Array
    width: Array
    low: Array
    high: Array
    known: Bits
    asked: Bits
    wish: Bits
    reach: Array
    plane: Array
    blame: Array
    most: Array
    post_low: Array
    post_high: Array
    scale: Array
    lines: Array
    exact: Bits
    live: Integers
    live_count: Integers
    packed: Array
    sizes: Array
    middle: Array
    around: Array
    centre: Array
    beside: Array
    room: Array
    used: Bits
    rows: Integers
    signs: Array
    bounds: Array
    slopes: Array
    parts: Array
    share: Array


def abreast(net: Packed) -> Abreast:
    """Return work arrays for a network."""
    total, inputs, widest = int(net.offset[-1]), int(net.sizes[0]), int(net.sizes.max())
    rows, largest = 2 * widest, widest * widest
    return Abreast(
        lower=np.zeros(inputs * LANES),
        upper=np.zeros(inputs * LANES),
        width=np.zeros(inputs * LANES),
        low=np.zeros(total * LANES),
        high=np.zeros(total * LANES),
        known=np.zeros(total * LANES, np.uint8),
        asked=np.zeros(total * LANES, np.uint8),
        wish=np.zeros(total, np.uint8),
        reach=np.zeros(total * LANES),
        plane=np.zeros(total * inputs * LANES),
        blame=np.zeros(inputs * LANES),
        most=np.zeros(total),
        post_low=np.zeros(total * LANES),
        post_high=np.zeros(total * LANES),
        scale=np.zeros(total * LANES),
        lines=np.zeros(total * PITCH),
        exact=np.zeros(total, np.uint8),
        live=np.zeros(total, np.int64),
        live_count=np.zeros(len(net.sizes), np.int64),
        packed=np.zeros(net.weight.shape[0] + LANES),
        sizes=np.zeros(largest),
        middle=np.zeros(widest * LANES),
        around=np.zeros(2 * widest * LANES),
        centre=np.zeros(widest * LANES),
        beside=np.zeros(2 * widest * LANES),
        room=room_for_boxes(net),
        used=np.zeros(len(net.sizes), np.uint8),
        rows=np.zeros(rows, np.int64),
        signs=np.zeros(rows),
        bounds=np.zeros(rows * LANES),
        slopes=np.zeros(rows * inputs * LANES),
        parts=np.zeros(rows * inputs * LANES),
        share=np.zeros(total * inputs * LANES),
    )


@njit(cache=True, nogil=True)
def _list_live(net, k, high, live, centre, beside):
    """List the neurons of stage k that may be live on a box, and begin their sums."""
    begin, states, bias, count = net.offset[k], net.state, net.bias, 0
    for i in range(net.sizes[k]):
        n, most = begin + i, 0.0
        for b in range(n * LANES, n * LANES + LANES):
            most = max(most, high[b])
        if states[n] == _ZERO or (states[n] == _RELU and most <= 0.0):
            continue
        live[begin + count] = i
        for b in range(LANES):
            centre[count * LANES + b] = bias[n]
            beside[2 * count * LANES + b] = 0.0
            beside[(2 * count + 1) * LANES + b] = abs(bias[n])
        count += 1
    return count


@njit(cache=True, nogil=True)
def _put_middle(there, live, columns, post_low, post_high, middle, around):
    """Fill middles, radii and largest magnitudes of the activations of a stage's live neurons."""
    for j in range(columns):
        n = (there + live[there + j]) * LANES
        for b in range(LANES):
            low, high = post_low[n + b], post_high[n + b]
            half, largest = 0.5 * (low + high), max(abs(low), abs(high))
            middle[j * LANES + b] = half
            around[2 * j * LANES + b] = max(high - half, half - low) * (1.0 + 4.0 * UNIT)
            # a weight of 0 makes it NaN, found too large below
            around[(2 * j + 1) * LANES + b] = largest if largest < LARGEST else np.inf


@njit(cache=True, nogil=True)
def _gather(weight, start, width, live, begin, count, there, columns, packed, sizes):
    """Copy the live rows and columns of a matrix, and their magnitudes."""
    for c in range(count):
        row, to = start + live[begin + c] * width, c * columns
        for j in range(columns):
            value = weight[row + live[there + j]]
            packed[start + to + j], sizes[to + j] = value, abs(value)


@njit(cache=True, nogil=True)
def _enclose(net, k, work):
    """Bound stage k by intervals; return whether all numbers are small enough to be bounded."""
    live, live_count, packed, sizes = work.live, work.live_count, work.packed, work.sizes
    middle, around, centre, beside = work.middle, work.around, work.centre, work.beside
    low, high, scale, begin, terms = work.low, work.high, work.scale, net.offset[k], 4.0
    count = _list_live(net, k, high, live, centre, beside)
    live_count[k] = count
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source, start = net.edge_source[e], net.edge_start[e]
        columns, there, width = live_count[source], net.offset[source], net.sizes[source]
        terms += columns + 2.0
        _put_middle(there, live, columns, work.post_low, work.post_high, middle, around)
        _gather(net.weight, start, width, live, begin, count, there, columns, packed, sizes)
        forward_product(1, packed, start, columns, middle, 0, columns, centre, 0, count, 1)
        forward_product(2, sizes, 0, columns, around, 0, columns, beside, 0, count, 1)
    charge, fine = (terms * UNIT / (1.0 - terms * UNIT)) * SLACK, True
    for c in range(count):
        n = (begin + live[begin + c]) * LANES
        for b in range(LANES):
            half, total = centre[c * LANES + b], beside[(2 * c + 1) * LANES + b]
            reach = (beside[2 * c * LANES + b] + charge * total) * SLACK + UNDERFLOW
            reach += abs(half) * (4.0 * UNIT)  # what rounding the ends can take away
            scale[n + b] = total * SLACK + UNDERFLOW
            fine &= scale[n + b] < LARGEST
            high[n + b] = min(high[n + b], half + reach)
            low[n + b] = max(low[n + b], half - reach)
    return fine


@njit(cache=True, nogil=True)
def _list_rows(net, k, last, work):
    """List the rows of stage k: both sides of neurons unstable on a box, and questions."""
    begin, live, low, high, asked = net.offset[k], work.live, work.low, work.high, work.asked
    rows, signs, wish, found = work.rows, work.signs, work.wish, 0
    for c in range(work.live_count[k]):
        n, up, down = begin + live[begin + c], False, False
        inner = not last and net.state[n] == _RELU
        if not inner and wish[n] == 0:
            continue
        for b in range(n * LANES, n * LANES + LANES):
            both = inner and low[b] < 0.0 and high[b] > 0.0
            up |= both or (asked[b] & UPPER and high[b] > 0.0)
            down |= both or (asked[b] & LOWER and low[b] < 0.0)
        if up:
            rows[found], signs[found] = c, 1.0
            found += 1
        if down:
            rows[found], signs[found] = c, -1.0
            found += 1
    return found


@njit(cache=True, nogil=True)
def _take(net, k, count, work):
    """Take over the bounds of rows of stage k, and the planes and blame of what stays open."""
    begin, inputs, live, rows, bounds = (
        net.offset[k],
        net.sizes[0],
        work.live,
        work.rows,
        work.bounds,
    )
    low, high, asked, reach, plane = work.low, work.high, work.asked, work.reach, work.plane
    slopes, parts, blame, wish, signs = work.slopes, work.parts, work.blame, work.wish, work.signs
    for r in range(count):
        m = begin + live[begin + rows[r]]
        n, at, side = m * LANES, r * LANES, UPPER if signs[r] > 0.0 else LOWER
        for b in range(LANES):  # what is NaN, of numbers too large, is left as it was
            bound = bounds[at + b]
            if side == UPPER:
                high[n + b] = bound if bound < high[n + b] else high[n + b]
            else:
                low[n + b] = -bound if -bound > low[n + b] else low[n + b]
        if not wish[m] & side:
            continue
        for b in range(LANES):
            open_ = high[n + b] > 0.0 if side == UPPER else low[n + b] < 0.0
            if not (asked[n + b] & side and open_ and bounds[at + b] < np.inf):
                continue
            if asked[n + b] != UPPER | LOWER:  # one plane is kept, for the one side asked about
                reach[n + b] = bounds[at + b]
            size = max(-low[n + b], high[n + b])
            for i in range(inputs):
                place = (r * inputs + i) * LANES + b
                plane[(m * inputs + i) * LANES + b] = slopes[place]
                blame[i * LANES + b] += parts[place] / size


@njit(cache=True, nogil=True)
def _drop(net, k, count, work):
    """Drop the neurons of stage k that are zero on all boxes by now."""
    begin, live, high, most = net.offset[k], work.live, work.high, work.most
    for c in range(work.live_count[k]):
        n = begin + live[begin + c]
        most[n] = high[n * LANES]
        for b in range(n * LANES, n * LANES + LANES):
            most[n] = max(most[n], high[b])
    drop_dead(net, k, most, live, work.live_count, work.packed, work.rows, count)


@njit(cache=True, nogil=True, error_model="numpy")
def _put_relu(n, to, bias, low, high, scale, post_low, post_high, lines):
    """Fill the activation's bounds and the lines of a ReLU on all boxes.

    Args:
        n: where its numbers begin.
        to: where its lines begin.
        bias: its bias.
        low: flat `(neurons, LANES)`.
        high: the same.
        scale: the same.
        post_low: the same, filled.
        post_high: the same, filled.
        lines: flat, filled.
    """
    for b in range(LANES):
        least, most = low[n + b], high[n + b]
        size = 2.0 * scale[n + b] + max(-least, most)
        on = least >= 0.0
        off = most <= 0.0 and not on
        steep, down = most / (most - least), 1.0 if most > -least else 0.0
        height = max(-steep * least, (1.0 - steep) * most) * (1.0 + 8.0 * UNIT) + UNDERFLOW
        gap = min(-least, most)
        if on:
            steep, down, height, gap = 1.0, 1.0, 0.0, 0.0
        if off:
            steep, down, height, gap = 0.0, 0.0, 0.0, 0.0
        post_low[n + b] = least if on else 0.0
        post_high[n + b] = 0.0 if off else most
        lines[to + b], lines[to + LANES + b] = steep, height + steep * bias
        lines[to + 2 * LANES + b] = height + steep * size + UNDERFLOW
        lines[to + 3 * LANES + b], lines[to + 4 * LANES + b] = down, down * bias
        lines[to + 5 * LANES + b] = down * size + UNDERFLOW
        lines[to + 6 * LANES + b], lines[to + 7 * LANES + b] = height, gap


@njit(cache=True, nogil=True)
def _put_exact(n, to, slope, shift, bias, low, high, scale, post_low, post_high, lines):
    """Do as `_put_relu` for a neuron that computes a line."""
    for b in range(LANES):
        least, most = low[n + b], high[n + b]
        size = 2.0 * scale[n + b] + max(-least, most)
        one, two = slope * least, slope * most
        spare = (abs(one) + abs(two) + abs(shift)) * (4.0 * UNIT) + UNDERFLOW
        if slope == 1.0 and shift == 0.0:
            post_low[n + b], post_high[n + b] = least, most
        else:
            post_low[n + b] = min(one, two) + shift - spare
            post_high[n + b] = max(one, two) + shift + spare
        charge = abs(shift) + abs(slope) * size + UNDERFLOW
        for side in (0, 3):
            lines[to + side * LANES + b] = slope
            lines[to + (side + 1) * LANES + b] = shift + slope * bias
            lines[to + (side + 2) * LANES + b] = charge
        lines[to + 6 * LANES + b], lines[to + 7 * LANES + b] = 0.0, 0.0


@njit(cache=True, nogil=True)
def _activate(net, k, work):
    """Fill the activations' bounds and the lines of stage k's live neurons."""
    low, high, scale, lines = work.low, work.high, work.scale, work.lines
    post_low, post_high, begin = work.post_low, work.post_high, net.offset[k]
    for at in range(begin, begin + work.live_count[k]):
        m = begin + work.live[at]
        n, to, bias, state, on = m * LANES, at * PITCH, net.bias[m], net.state[m], True
        for b in range(n, n + LANES):
            on &= low[b] >= 0.0
        work.exact[at] = state == _IDENTITY or (state == _RELU and on)
        if state == _RELU:
            _put_relu(n, to, bias, low, high, scale, post_low, post_high, lines)
            continue
        slope, shift = (1.0, 0.0) if state == _IDENTITY else (net.slope[m], net.intercept[m])
        _put_exact(n, to, slope, shift, bias, low, high, scale, post_low, post_high, lines)


@njit(cache=True, nogil=True)
def _put_share(net, k, count, work):
    """Note which inputs the looseness of stage k's relaxations comes from."""
    begin, share, width = net.offset[k], work.share, work.width
    rows, slopes, pitch = work.rows, work.slopes, net.sizes[0] * LANES
    share[begin * pitch : (begin + work.live_count[k]) * pitch] = 0.0
    for r in range(count):
        if rows[r] >= 0:
            to = (begin + rows[r]) * pitch
            share_boxes(slopes, r * pitch, width, net.sizes[0], UNDERFLOW, share, to)


@njit(cache=True, nogil=True)
def _prepare(net, work):
    """Begin with what is known of the boxes; return the last stage asked about."""
    low, high, known, asked, wish = work.low, work.high, work.known, work.asked, work.wish
    inputs, end, last = net.sizes[0], net.offset[net.sizes.shape[0]], 0
    work.blame[:] = 0.0
    for n in range(inputs, end):
        bits = 0
        for b in range(n * LANES, n * LANES + LANES):
            low[b] = 0.0 if known[b] & LOWER else -np.inf
            high[b] = 0.0 if known[b] & UPPER else np.inf
            bits |= asked[b]
        wish[n] = bits
        if bits:
            for b in range(n * LANES, n * LANES + LANES):
                work.reach[b] = np.inf
            while n >= net.offset[last + 1]:
                last += 1
    for i in range(inputs * LANES):
        low[i], high[i] = work.lower[i], work.upper[i]
        work.post_low[i], work.post_high[i] = low[i], high[i]
        work.width[i] = high[i] - low[i]
    for i in range(inputs):
        work.live[i] = i
    work.live_count[0] = inputs
    put_input_lines(work.lines, work.lower, work.upper, inputs)
    return last


@njit(cache=True, nogil=True)
def bound_abreast(net, work):
    """Bound the pre-activations of boxes as far as their open questions need them.

    Args:
        net: `Packed`, without grids.
        work: `Abreast`: what the caller fills is filled; `low`, `high`, `plane`, `reach` and
            `blame` are filled, and `known` says more.

    Returns:
        the last stage asked about; 0 where numbers are too large to be bounded.
    """
    last, guide = _prepare(net, work), net.sizes[0] <= GUIDED
    for k in range(1, last + 1):
        if not _enclose(net, k, work):
            return 0
        count = _list_rows(net, k, k == last, work)
        if count > 0:
            substitute_boxes(
                net,
                k,
                work.rows,
                work.signs,
                count,
                work.scale,
                work.lines,
                work.exact,
                work.live,
                work.live_count,
                work.packed,
                work.room,
                work.used,
                work.bounds,
                work.slopes,
                work.parts,
                work.share,
                guide and k == last,
                work.width,
            )
            _take(net, k, count, work)
        if k < last:
            _drop(net, k, count, work)
            _activate(net, k, work)
            if guide:  # stable neurons cost nothing: their share is never used
                _put_share(net, k, count, work)
    low, high, known = work.low, work.high, work.known
    for b in range(net.sizes[0] * LANES, net.offset[last + 1] * LANES):
        known[b] |= (high[b] <= 0.0) * UPPER + (low[b] >= 0.0) * LOWER
    return last
