"""Which pre-activations keep their sign on a cell: a tree of sub-boxes for each cell, compiled.

All questions of a cell share one tree, so intermediate bounds are computed once a box. Boxes are
taken level by level, eight of a level side by side; see `levels.py` for how they are halved. Cells
know nothing of each other: what is found on one does not depend on what it is bounded together
with.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .abreast import bound_abreast
from .borrowed import borrowed
from .compiled import njit
from .levels import choose, halve, level_of, settle
from .packed import Packed
from .points import BLOCK, doubts, look
from .shrink import shrink
from .vectors import LANES

Array = NDArray[np.float64]


class Slot(NamedTuple):
    """What is looked at of one box once it is bounded.

    Attributes:
        low, high, reach, plane, blame: as `Abreast` has them for all boxes; of neurons that are
            asked about.
        half: ``(2, inputs)`` corners of a half of the box.
        values, doubt: as `points.look` takes them.
        chosen: ``(LANES,)`` the boxes of the level that are bounded side by side.
    """

    low: Array
    high: Array
    reach: Array
    plane: Array
    blame: Array
    half: Array
    values: Array
    doubt: Array
    chosen: NDArray[np.int64]


def slot(net: Packed) -> Slot:
    """Return room for what is looked at of one box."""
    total, inputs = int(net.offset[-1]), int(net.sizes[0])
    return Slot(
        low=np.zeros(total),
        high=np.zeros(total),
        reach=np.zeros(total),
        plane=np.zeros((total, inputs)),
        blame=np.zeros(inputs),
        half=np.zeros((2, inputs)),
        values=np.zeros(total * BLOCK),
        doubt=np.zeros(total),
        chosen=np.zeros(LANES, np.int64),
    )


@njit(cache=True, nogil=True)
def _worst(low, high, reach, plane, neurons, open_, lower, upper, points, place):
    """Put the corner where the question farthest from settled may be refuted among the points."""
    worst, gap = -1, 0.0
    for q in range(neurons.shape[0]):
        n = neurons[q]
        if open_[q] and reach[n] < np.inf:
            part = reach[n] / max(-low[n], high[n])
            if worst < 0 or part > gap:
                worst, gap = n, part
    for i in range(lower.shape[0]):
        upward = worst < 0 or plane[worst, i] > 0.0
        points[i * BLOCK + place] = upper[i] if upward else lower[i]


@njit(cache=True, nogil=True)
def _refute(net, values, doubt, neurons, sides, points, depth, seen, active):
    """Look at the points gathered, and give up questions that they refute."""
    if depth == 0 or points == 0:
        return
    for i in range(net.sizes[0]):
        values[i * BLOCK + points : (i + 1) * BLOCK] = values[i * BLOCK]
    look(net, values, doubt, depth, seen)
    for q in range(neurons.shape[0]):
        if seen[neurons[q]] & sides[q]:
            active[q] = 0


@njit(cache=True, nogil=True)
def _gather(here, at, count, chosen):
    """Choose the next boxes of a level with an open question; return their number, and the end."""
    found = 0
    while at < count and found < LANES:
        for q in range(here.open.shape[1]):
            if here.open[at, q]:
                chosen[found] = at
                found += 1
                break
        at += 1
    return found, at


@njit(cache=True, nogil=True)
def _put(net, side, here, chosen, count, neurons, sides):
    """Put boxes of a level side by side; more of the last, of which nothing is asked, fill up.

    Args:
        net: `Packed`.
        side: `Abreast`.
        here: the level.
        chosen: places of the boxes.
        count: how many.
        neurons: `(questions,)`.
        sides: `(questions,)`.
    """
    inputs, total = net.sizes[0], net.offset[net.sizes.shape[0]]
    side.asked[: total * LANES] = 0
    for lane in range(LANES):
        b = chosen[min(lane, count - 1)]
        for i in range(inputs):
            side.lower[i * LANES + lane] = here.lower[b, i]
            side.upper[i * LANES + lane] = here.upper[b, i]
        for n in range(total):
            side.known[n * LANES + lane] = here.known[b, n]
        for q in range(neurons.shape[0] if lane < count else 0):
            if here.open[b, q]:
                side.asked[neurons[q] * LANES + lane] |= sides[q]


@njit(cache=True, nogil=True)
def _take_out(net, side, lane, neurons, open_, work):
    """Take what was found of a box's open questions out of what was found of all boxes."""
    inputs = net.sizes[0]
    for q in range(neurons.shape[0]):
        if open_[q]:
            n = neurons[q]
            at = n * LANES + lane
            work.low[n], work.high[n], work.reach[n] = side.low[at], side.high[at], side.reach[at]
            for i in range(inputs):
                work.plane[n, i] = side.plane[(n * inputs + i) * LANES + lane]
    for i in range(inputs):
        work.blame[i] = side.blame[i * LANES + lane]


@njit(cache=True, nogil=True)
def _first_doubts(net, side, work, last):
    """Note what rounding leaves in doubt at points of the cell, the first box that is bounded."""
    for n in range(net.offset[last + 1]):
        work.low[n], work.high[n] = side.low[n * LANES], side.high[n * LANES]
    doubts(net, work.low, work.high, last, work.doubt)


@njit(cache=True, nogil=True)
def _search(net, side, work, neurons, sides, known, seen, budget, here, there, active):
    """Search one cell, the one box of the level `here`; return the number of boxes bounded."""
    low, high, reach, plane = work.low, work.high, work.reach, work.plane
    values, doubt, chosen, total = work.values, work.doubt, work.chosen, known.shape[0]
    count, used, points, depth = 1, 0, 0, 0
    while count > 0:
        choose(here.open, count, active, budget - used)
        born, at = 0, 0
        while at < count:
            group, at = _gather(here, at, count, chosen)
            if group == 0:
                break
            _put(net, side, here, chosen, group, neurons, sides)
            last = bound_abreast(net, side)
            if used == 0 and last > 0:
                depth = last
                _first_doubts(net, side, work, last)
            used += group
            for lane in range(group):
                b = chosen[lane]
                open_, signs = here.open[b], here.known[b]
                for n in range(total):
                    signs[n] |= side.known[n * LANES + lane]
                if not settle(neurons, sides, signs, open_):
                    continue
                _take_out(net, side, lane, neurons, open_, work)
                lower, upper = here.lower[b], here.upper[b]
                _worst(low, high, reach, plane, neurons, open_, lower, upper, values, points)
                points += 1
                more = halve(work, here, b, neurons, there, born)
                if more < 0:
                    active[open_ == 1] = 0
                born += max(more, 0)
                if points == BLOCK:
                    _refute(net, values, doubt, neurons, sides, points, depth, seen, active)
                    points = 0
        _refute(net, values, doubt, neurons, sides, points, depth, seen, active)
        points = 0
        here, there, count = there, here, born
    for q in range(neurons.shape[0]):
        if active[q]:
            known[neurons[q]] |= sides[q]
    return used


@njit(cache=True, nogil=True)
def _search_small(
    small, side, work, cut, one, two, lower, upper, neurons, sides, budget, known, seen
):
    """Search a cell with the network that `shrink` left of it; return the boxes bounded."""
    total, questions = small.offset[small.sizes.shape[0]], neurons.shape[0]
    asked, active = cut.asked[:questions], cut.active[:questions]
    for q in range(questions):
        asked[q], active[q] = cut.place[neurons[q]], 1
    here, there = level_of(one, total, questions), level_of(two, total, questions)
    here.lower[0], here.upper[0], here.open[0] = lower, upper, 1
    for m in range(total):
        cut.known[m], cut.seen[m] = known[cut.origin[m]], seen[cut.origin[m]]
        here.known[0, m] = cut.known[m]
    signs = cut.known[:total]
    used = _search(small, side, work, asked, sides, signs, cut.seen, budget, here, there, active)
    for m in range(total):
        known[cut.origin[m]], seen[cut.origin[m]] = cut.known[m], cut.seen[m]
    return used


@njit(cache=True, nogil=True)
def search_cells(
    net,
    small,
    side,
    work,
    cut,
    one,
    two,
    lower,
    upper,
    first,
    neurons,
    sides,
    budget,
    known,
    seen,
    boxes,
):
    """Settle questions about the signs of pre-activations on cells.

    Args:
        net: `Packed`.
        small: `Packed`, as `copied` gives it.
        side: `Abreast`.
        work: `Slot`.
        cut: `Shrunk`.
        one: `Room` for the budget and for the questions of any cell.
        two: another.
        lower: `(cells, inputs)`.
        upper: `(cells, inputs)`.
        first: `(cells + 1,)` the first question of each cell.
        neurons: `(questions,)` flat neuron of each question; none that is known to be zero.
        sides: `(questions,)` uint8, UPPER: is z <= 0 on the cell? LOWER: is z >= 0?
        budget: boxes to bound on a cell, at most.
        known: `(cells, neurons)` uint8, bits UPPER and LOWER of signs that are known to hold on the
            whole cell; more are set on return.
        seen: `(cells, neurons)` uint8, bits of questions that a point refutes; more are set.
        boxes: `(cells,)` filled with the number of boxes bounded.
    """
    net, small, work, cut = borrowed(net), borrowed(small), borrowed(work), borrowed(cut)
    side, one, two = borrowed(side), borrowed(one), borrowed(two)
    for c in range(lower.shape[0]):
        some = slice(first[c], first[c + 1])
        shrink(net, known[c], small, cut)
        boxes[c] = _search_small(
            small,
            side,
            work,
            cut,
            one,
            two,
            lower[c],
            upper[c],
            neurons[some],
            sides[some],
            budget,
            known[c],
            seen[c],
        )
