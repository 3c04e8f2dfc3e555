"""Levels of a tree: boxes side by side, how one is halved, and which questions are given up.

A plane above z that falls below zero settles z <= 0 behind its zero line, so a half is narrowed to
the smallest box that holds what the planes of its open questions leave, and a question whose plane
is below zero on the half is settled there without being bounded again. Where few boxes are left to
be bounded, the questions that are open on the fewest are served first and the others are given up.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..rounding import SLACK, UNDERFLOW, UNIT
from .compiled import njit
from .packed import Packed

PATIENCE = 3
"""A question is given up on a cell when this many times the boxes it needs now are not left."""

Array = NDArray[np.float64]


class Level(NamedTuple):
    """Boxes side by side.

    Attributes:
        lower, upper: ``(boxes, inputs)``.
        known: ``(boxes, neurons)`` uint8, signs known on the box, as bits.
        open: ``(boxes, questions)`` uint8, 1 where a question is open on the box.
    """

    lower: Array
    upper: Array
    known: NDArray[np.uint8]
    open: NDArray[np.uint8]


class Room(NamedTuple):
    """Room for a `Level`: ``known`` and ``open`` are flat, for a cell gives them their widths."""

    lower: Array
    upper: Array
    known: NDArray[np.uint8]
    open: NDArray[np.uint8]


def room_of(net: Packed, budget: int, questions: int) -> Room:
    """Return room for the boxes that a search of so many boxes may have side by side."""
    boxes, inputs, neurons = budget + 2, int(net.sizes[0]), int(net.offset[-1])
    return Room(
        np.empty((boxes, inputs)),
        np.empty((boxes, inputs)),
        np.empty(boxes * neurons, np.uint8),
        np.empty(boxes * questions, np.uint8),
    )


@njit(cache=True, nogil=True)
def level_of(room, neurons, questions):
    """Return the level that a room holds for so many neurons and questions."""
    boxes = room.lower.shape[0]
    return Level(
        room.lower,
        room.upper,
        room.known[: boxes * neurons].reshape(boxes, neurons),
        room.open[: boxes * questions].reshape(boxes, questions),
    )


@njit(cache=True, nogil=True)
def narrow(
    reach,
    plane,
    box_lower,
    box_upper,
    lower,
    upper,
    neurons,
    open_,
    new_lower,
    new_upper,
    left,
):
    """Narrow a part of a bounded box to what the planes of its open questions leave.

    Args:
        reach: `(neurons,)` as `Slot` holds it for the box.
        plane: `(neurons, inputs)` the same.
        box_lower: `(inputs,)` of the box.
        box_upper: `(inputs,)` of the box.
        lower: `(inputs,)` of the part.
        upper: `(inputs,)` of the part.
        neurons: `(questions,)`.
        open_: `(questions,)` what is open on the box.
        new_lower: `(inputs,)` filled.
        new_upper: `(inputs,)` filled.
        left: `(questions,)` filled with what stays open on the part.

    Returns:
        whether anything stays open.
    """
    inputs, some = lower.shape[0], False
    for i in range(inputs):
        new_lower[i], new_upper[i] = upper[i], lower[i]
    for q in range(neurons.shape[0]):
        left[q] = 0
        if not open_[q]:
            continue
        n = neurons[q]
        rest = reach[n]
        if rest < np.inf:
            for i in range(inputs):
                a = plane[n, i]
                far = box_upper[i] - upper[i] if a > 0.0 else lower[i] - box_lower[i]
                # (2 - SLACK) is below 1 by far more than the roundings of a term can add to it.
                rest -= abs(a) * far * (2.0 - SLACK)
            rest += reach[n] * (SLACK - 1.0) + UNDERFLOW
            if rest <= 0.0:
                continue
        left[q], some = 1, True
        for i in range(inputs):
            a = plane[n, i]
            if not rest < np.inf or a == 0.0:
                new_lower[i], new_upper[i] = lower[i], upper[i]
                continue
            far = rest / abs(a) * SLACK
            if a > 0.0:
                new_upper[i] = upper[i]
                end = upper[i] - far
                end -= abs(end) * (4.0 * UNIT) + UNDERFLOW
                new_lower[i] = min(new_lower[i], max(lower[i], end))
            else:
                new_lower[i] = lower[i]
                end = lower[i] + far
                end += abs(end) * (4.0 * UNIT) + UNDERFLOW
                new_upper[i] = max(new_upper[i], min(upper[i], end))
    return some


@njit(cache=True, nogil=True)
def axis_of(blame, box_lower, box_upper, lower, upper):
    """Return the input of a narrowed box to bisect; -1 where all corners are neighbours."""
    best, axis = -1.0, -1
    for i in range(lower.shape[0]):
        middle = 0.5 * (lower[i] + upper[i])
        if lower[i] < middle < upper[i]:
            part = blame[i] * ((upper[i] - lower[i]) / (box_upper[i] - box_lower[i]))
            if part > best:
                best, axis = part, i
            elif axis < 0:  # blame that is no number still leaves inputs to be bisected
                axis = i
    return axis


@njit(cache=True, nogil=True)
def halve(work, here, at, neurons, there, to):
    """Bisect what a bounded box has left in the input to be blamed most.

    Args:
        work: `Slot`, as `Slot` holds it.
        here: the level of the box.
        at: its place in it.
        neurons: `(questions,)`.
        there: the next level.
        to: the place where it ends.

    Returns:
        how many boxes this adds to the next level; -1 if there is no number between the corners.
    """
    reach, plane, lowers, uppers, opens = (
        work.reach,
        work.plane,
        there.lower,
        there.upper,
        there.open,
    )
    box_lower, box_upper, open_ = here.lower[at], here.upper[at], here.open[at]
    lower, upper = lowers[to + 1], uppers[to + 1]  # the second half's place, used last
    left = opens[to]
    narrow(
        reach,
        plane,
        box_lower,
        box_upper,
        box_lower,
        box_upper,
        neurons,
        open_,
        lower,
        upper,
        left,
    )
    axis = axis_of(work.blame, box_lower, box_upper, lower, upper)
    if axis < 0:
        return -1
    work.half[0], work.half[1] = lower, upper
    lower, upper, born = work.half[0], work.half[1], 0
    low, high = lower[axis], upper[axis]
    cut = 0.5 * (low + high)
    for half in range(2):
        lower[axis], upper[axis] = (low, cut) if half == 0 else (cut, high)
        place = to + born
        if narrow(
            reach,
            plane,
            box_lower,
            box_upper,
            lower,
            upper,
            neurons,
            open_,
            lowers[place],
            uppers[place],
            opens[place],
        ):
            there.known[place] = here.known[at]
            born += 1
    return born


@njit(cache=True, nogil=True)
def choose(open_, count, active, left):
    """Give up questions that need more boxes than are left, those open on most boxes first.

    Args:
        open_: `(boxes, questions)` uint8; those given up are no longer open on return.
        count: how many of the boxes count.
        active: `(questions,)` uint8, 0 where a question is given up.
        left: how many boxes may still be bounded.
    """
    questions = active.shape[0]
    tally = np.zeros(questions, np.int64)
    for b in range(count):
        for q in range(questions):
            open_[b, q] &= active[q]
            tally[q] += open_[b, q]
    needed, boxes = np.zeros(count, np.uint8), 0
    for q in np.argsort(tally, kind="mergesort"):
        if not active[q] or tally[q] == 0:
            continue
        more = 0
        for b in range(count):
            more += int(open_[b, q] & (1 - needed[b]))
        if (boxes + more) * PATIENCE > left:
            active[q] = 0
            continue
        boxes += more
        for b in range(count):
            needed[b] |= open_[b, q]
    for b in range(count):
        for q in range(questions):
            open_[b, q] &= active[q]


@njit(cache=True, nogil=True)
def settle(neurons, sides, known, open_):
    """Close the questions of a bounded box that are settled; return whether any is open."""
    some = False
    for q in range(neurons.shape[0]):
        if known[neurons[q]] & sides[q]:
            open_[q] = 0
        some |= open_[q] == 1
    return some
