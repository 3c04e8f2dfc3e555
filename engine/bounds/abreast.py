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
from .abreast_rows import PITCH, put_input_lines, room_for_boxes, substitute_boxes
from .abreast_up import activate_boxes, drop_boxes, enclose_boxes, put_shares
from .compiled import njit
from .packed import GUIDED, LOWER, UPPER, Packed
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
        if not enclose_boxes(net, k, work):
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
            drop_boxes(net, k, count, work)
            activate_boxes(net, k, work)
            if guide:  # stable neurons cost nothing: their share is never used
                put_shares(net, k, count, work)
    low, high, known = work.low, work.high, work.known
    for b in range(net.sizes[0] * LANES, net.offset[last + 1] * LANES):
        known[b] |= (high[b] <= 0.0) * UPPER + (low[b] >= 0.0) * LOWER
    return last
