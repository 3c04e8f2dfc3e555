"""The bounds of one box of a tree, as far as the open questions of the box need them, compiled.

One box at a time, with work arrays that are made once a thread; see `kernels.py` for the bounds and
their soundness, and `trees.py` for the search.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..network import State
from ..rounding import LARGEST
from .compiled import njit
from .packed import GUIDED, LOWER, UPPER, Packed
from .points import BLOCK
from .substitute import put_inputs, room_for, substitute
from .upward import activate, drop_dead, enclose, put_share, sums_for
from .vectors import LANES, LINE

_RELU = int(State.RELU)

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


class Scratch(NamedTuple):
    """Work arrays of one thread; see `kernels.py` for those that `substitute` takes.

    Attributes:
        low, high: ``(neurons,)`` bounds on the box.
        plane, reach: ``(neurons, inputs)``, ``(neurons,)``: what is asked of a neuron is at most
            reach less the sum of |plane| times the distance from the corner where it is largest;
            reach is infinite where there is no plane.
        blame: ``(inputs,)`` how much each input is to be blamed for the open questions.
        width: ``(inputs,)`` of the box.
        half: ``(2, inputs)`` corners of a half of it.
        asked: ``(neurons,)`` uint8, the open questions of the box, as bits.
        values, doubt: as `points.look` takes them.
    """

    room: Array
    packed: Array
    used: NDArray[np.uint8]
    lines: Array
    post_low: Array
    post_high: Array
    scale: Array
    live: Integers
    live_count: Integers
    sums: Array
    middle: Array
    rows: Integers
    signs: Array
    bounds: Array
    slopes: Array
    parts: Array
    share: Array
    low: Array
    high: Array
    plane: Array
    reach: Array
    blame: Array
    width: Array
    half: Array
    asked: NDArray[np.uint8]
    values: Array
    doubt: Array


def scratch(net: Packed) -> Scratch:
    """Return work arrays for a network."""
    total, stages, inputs = int(net.offset[-1]), len(net.sizes), int(net.sizes[0])
    widest = int(net.sizes.max())
    most = 2 * widest
    sums, middle = sums_for(net)
    return Scratch(
        room=room_for(net),
        packed=np.zeros(net.weight.shape[0] + LANES),
        used=np.zeros(stages, np.uint8),
        lines=np.zeros(total * LINE),
        post_low=np.zeros(total),
        post_high=np.zeros(total),
        scale=np.zeros(total),
        live=np.zeros(total, np.int64),
        live_count=np.zeros(stages, np.int64),
        sums=sums,
        middle=middle,
        rows=np.zeros(most, np.int64),
        signs=np.zeros(most),
        bounds=np.zeros(most),
        slopes=np.zeros((most, inputs)),
        parts=np.zeros((most, inputs)),
        share=np.zeros(total * inputs),
        low=np.zeros(total),
        high=np.zeros(total),
        plane=np.zeros((total, inputs)),
        reach=np.zeros(total),
        blame=np.zeros(inputs),
        width=np.zeros(inputs),
        half=np.zeros((2, inputs)),
        asked=np.zeros(total, np.uint8),
        values=np.zeros(total * BLOCK),
        doubt=np.zeros(total),
    )


@njit(cache=True, nogil=True, forceinline=True)
def _list_rows(begin, last, state, low, high, live, count, asked, rows, signs):
    """List the rows of a stage to be substituted: both sides of unstable neurons, and questions.

    Returns:
        their number.
    """
    found = 0
    for c in range(count):
        n = begin + live[begin + c]
        both = not last and state[n] == _RELU and low[n] < 0.0 and high[n] > 0.0
        if both or (asked[n] & UPPER and high[n] > 0.0):
            rows[found], signs[found] = c, 1.0
            found += 1
        if both or (asked[n] & LOWER and low[n] < 0.0):
            rows[found], signs[found] = c, -1.0
            found += 1
    return found


@njit(cache=True, nogil=True, forceinline=True)
def _take(
    begin,
    count,
    rows,
    signs,
    bounds,
    slopes,
    parts,
    guided,
    live,
    asked,
    width,
    low,
    high,
    found,
):
    """Take over the bounds of rows of a stage, and the planes and blame of what stays open."""
    plane, reach, blame = found
    inputs = width.shape[0]
    for r in range(count):
        n, bound = begin + live[begin + rows[r]], bounds[r]
        if not bound < np.inf:  # NaN, too: numbers too large to be computed with
            continue
        if signs[r] > 0.0:
            high[n] = min(high[n], bound)
            still = asked[n] & UPPER and high[n] > 0.0
        else:
            low[n] = max(low[n], -bound)
            still = asked[n] & LOWER and low[n] < 0.0
        if still:
            if asked[n] != UPPER | LOWER:  # one plane is kept, for the one side asked about
                reach[n] = bound
            size = max(-low[n], high[n])
            for i in range(inputs):
                plane[n, i] = slopes[r, i]
                part = parts[r, i] if guided else abs(slopes[r, i]) * width[i]
                blame[i] += part / size


@njit(cache=True, nogil=True)
def bound_box(net, work, lower, upper, neurons, sides, open_, known):
    """Bound the pre-activations of a box as far as its open questions need them.

    Args:
        net: `Packed`.
        work: `Scratch`; `low`, `high`, `plane`, `reach` and `blame` are filled.
        lower: `(inputs,)`.
        upper: `(inputs,)`.
        neurons: `(questions,)` flat neuron of each question.
        sides: `(questions,)` UPPER: is z <= 0? LOWER: is z >= 0?
        open_: `(questions,)` uint8, which are open on the box.
        known: `(neurons,)` uint8, bits UPPER and LOWER of signs that are known to hold on the box;
            more are set on return.

    Returns:
        the last stage asked about; 0 where numbers are too large to be bounded.
    """
    # Arrays are taken out of the tuples once: every use of a member is counted, by an atomic
    # addition, and in the loops of the functions above these would take a third of the time.
    low, high, asked, reach = work.low, work.high, work.asked, work.reach
    live, live_count, packed, used = work.live, work.live_count, work.packed, work.used
    scale, sums, middle, width = work.scale, work.sums, work.middle, work.width
    post_low, post_high, share = work.post_low, work.post_high, work.share
    rows, signs, bounds, slopes = work.rows, work.signs, work.bounds, work.slopes
    parts, room, lines = work.parts, work.room, work.lines
    state, offset = net.state, net.offset
    found = work.plane, reach, work.blame
    inputs, last = net.sizes[0], 0
    asked[:] = 0
    for q in range(neurons.shape[0]):
        if open_[q]:
            asked[neurons[q]] |= sides[q]
            while neurons[q] >= offset[last + 1]:
                last += 1
    end = offset[last + 1]
    for n in range(inputs, end):
        low[n] = 0.0 if known[n] & LOWER else -np.inf
        high[n] = 0.0 if known[n] & UPPER else np.inf
        reach[n] = np.inf
    for i in range(inputs):
        low[i], high[i], post_low[i], post_high[i] = (
            lower[i],
            upper[i],
            lower[i],
            upper[i],
        )
        live[i], width[i], found[2][i] = i, upper[i] - lower[i], 0.0
    live_count[0] = inputs
    put_inputs(lines, lower, upper)
    guide = inputs <= GUIDED
    for k in range(1, last + 1):
        begin = offset[k]
        largest = enclose(
            net,
            k,
            post_low,
            post_high,
            low,
            high,
            scale,
            live,
            live_count,
            packed,
            sums,
            middle,
        )
        if not largest < LARGEST:
            return 0
        guided = guide and k == last
        count = _list_rows(
            begin, k == last, state, low, high, live, live_count[k], asked, rows, signs
        )
        if count > 0:
            substitute(
                net,
                k,
                rows,
                signs,
                count,
                scale,
                lines,
                live,
                live_count,
                packed,
                room,
                used,
                bounds,
                slopes,
                parts,
                share,
                guided,
                width,
            )
            _take(
                begin,
                count,
                rows,
                signs,
                bounds,
                slopes,
                parts,
                guided,
                live,
                asked,
                width,
                low,
                high,
                found,
            )
        if k < last:
            drop_dead(net, k, high, live, live_count, packed, rows, count)
            activate(net, k, low, high, scale, post_low, post_high, live, live_count, lines)
            if guide:  # stable neurons cost nothing: their share is never used
                put_share(begin, live_count[k], count, rows, slopes, width, share)
    for n in range(inputs, end):
        known[n] |= (high[n] <= 0.0) * UPPER + (low[n] >= 0.0) * LOWER
    return last
