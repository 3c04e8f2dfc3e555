"""Which output leads on which part of a box, and whether a second network agrees; compiled.

Two networks differ in the functions of some neurons alone, and of their outputs the one that leads
in the first may be passed by no other in the second. Near a tie of the first network's outputs that
holds where both networks are equal and hardly anywhere else, and they are equal where each of those
neurons keeps the sign that makes its two functions one: a matter of the first network alone. Away
from ties it is a matter of the second network alone, whose outputs are bounded for the one output
that leads. So no bound is of both networks, and what is found of the first one, the dearer part,
serves every second network.

Outputs are compared by the rows of a last stage: row (i, j) is at least 0 where i leads j by so
much that j cannot be the best.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import njit
from .levels import PATIENCE, axis_of, halve, narrow, settle
from .one_box import bound_box
from .packed import LOWER

Array = NDArray[np.float64]


class Parts(NamedTuple):
    """Boxes side by side, on each of which one output alone may lead.

    Attributes:
        lower, upper: ``(boxes, inputs)``.
        known: ``(boxes, neurons)`` uint8, signs known on the box, as bits.
        leader: ``(boxes,)`` the output.
    """

    lower: Array
    upper: Array
    known: NDArray[np.uint8]
    leader: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _led(known, pairs, j):
    """Return whether an output leads output j by so much that j cannot be the best."""
    led = False
    for i in range(pairs.shape[0]):
        led |= i != j and known[pairs[i, j]] & LOWER > 0
    return led


@njit(cache=True, nogil=True)
def _leading(known, pairs):
    """Return how many outputs may lead, and the last of them."""
    count, leader = 0, -1
    for j in range(pairs.shape[0]):
        if not _led(known, pairs, j):
            count, leader = count + 1, j
    return count, leader


@njit(cache=True, nogil=True)
def _compare(known, pairs, open_):
    """Open the rows between outputs that may lead; the rows stand pair by pair."""
    outputs, at = pairs.shape[0], 0
    for i in range(outputs):
        for j in range(outputs):
            if i != j:
                open_[at] = not (_led(known, pairs, i) or _led(known, pairs, j))
                at += 1


@njit(cache=True, nogil=True)
def give_up(open_, count, active, left, worth):
    """Give up questions that need too many boxes, those open on most boxes first.

    Args:
        open_: `(boxes, questions)` uint8; those given up are no longer open on return.
        count: how many of the boxes count.
        active: `(questions,)` uint8, 0 where a question is given up.
        left: how many boxes may still be bounded.
        worth: boxes of this level that a question is worth; all that go on have as many together.
    """
    questions = active.shape[0]
    tally = np.zeros(questions, np.int64)
    for b in range(count):
        for q in range(questions):
            open_[b, q] &= active[q]
            tally[q] += open_[b, q]
    needed, boxes, served = np.zeros(count, np.uint8), 0, 0
    for q in np.argsort(tally, kind="mergesort"):
        if not active[q] or tally[q] == 0:
            continue
        more = 0
        for b in range(count):
            more += open_[b, q] & (1 - needed[b])
        if (boxes + more) * PATIENCE > left or boxes + more > worth * (served + 1):
            active[q] = 0
            continue
        boxes, served = boxes + more, served + 1
        for b in range(count):
            needed[b] |= open_[b, q]
    for b in range(count):
        for q in range(questions):
            open_[b, q] &= active[q]


@njit(cache=True, nogil=True)
def part_boxes(net, work, pairs, neurons, sides, here, first, last, there, born, active, parts):
    """Bound boxes on each of which several outputs may lead, and some signs are not known.

    Args:
        net: `Packed`, the first network with the rows as its last stage.
        work: `Scratch`.
        pairs: `(outputs, outputs)` flat neuron of each row; the diagonal is not read.
        neurons: `(questions,)` flat neuron of each question.
        sides: `(questions,)` UPPER or LOWER, the sign that is asked for; 0 for what no sign can
            settle, so that every box must have one output that leads.
        here: a level of boxes; `open` says which signs are not known.
        first: the first box of it to be bounded.
        last: the box after the last one.
        there: the next level, to which what is left of the boxes is added.
        born: how many boxes it has.
        active: `(questions,)` uint8, set to 0 where a question is given up: it is open on a box
            that cannot be bisected.
        parts: `Parts`, to which the boxes are added where one output leads, from the first place.

    Returns:
        how many boxes the next level has, how many parts were added, how many boxes were bounded.
    """
    questions, outputs = neurons.shape[0], pairs.shape[0]
    every = np.empty(questions + outputs * (outputs - 1), np.int64)
    asked, ask = np.full(every.shape[0], LOWER, np.uint8), np.zeros(every.shape[0], np.uint8)
    every[:questions], asked[:questions] = neurons, sides
    at = questions
    for i in range(outputs):
        for j in range(outputs):
            if i != j:
                every[at] = pairs[i, j]
                at += 1
    made, used = 0, 0
    for b in range(first, last):
        lower, upper, known, open_ = here.lower[b], here.upper[b], here.known[b], here.open[b]
        if not open_.any():
            continue
        ask[:questions] = open_
        _compare(known, pairs, ask[questions:])
        bound_box(net, work, lower, upper, every, asked, ask, known)
        used += 1
        number, leader = _leading(known, pairs)
        if number == 1:
            parts.lower[made], parts.upper[made] = lower, upper
            parts.known[made], parts.leader[made] = known, leader
            made += 1
        if number > 1 and settle(neurons, sides, known, open_):
            more = halve(work, here, b, neurons, there, born)
            if more < 0:
                active[open_ == 1] = 0
            born += max(more, 0)
    return born, made, used


class Stack(NamedTuple):
    """Boxes on which the second network is to be bounded, the next one last.

    Attributes:
        lower, upper: ``(boxes, inputs)``.
        first, second: ``(boxes, neurons)`` uint8, signs known in either network, as bits.
        depth: ``(boxes,)`` bisections since the part; at most one less than there are places.
    """

    lower: Array
    upper: Array
    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    depth: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _equal_but(net, work, lower, upper, neurons, sides, known, open_, low, high):
    """Narrow a box in place to where two networks may differ; return whether they may at all.

    `net` is the first network; `known`, `open_`, `low` and `high` are overwritten.
    """
    open_[:] = 1
    if not settle(neurons, sides, known, open_):
        return False
    bound_box(net, work, lower, upper, neurons, sides, open_, known)
    if not settle(neurons, sides, known, open_):
        return False
    rest = np.empty(neurons.shape[0], np.uint8)
    some = narrow(
        work.reach,
        work.plane,
        lower,
        upper,
        lower,
        upper,
        neurons,
        open_,
        low,
        high,
        rest,
    )
    lower[:], upper[:] = low, high
    return some


@njit(cache=True, nogil=True)
def keep_leader(one, two, work, rows, neurons, sides, stack, count, budget):
    """Bisect boxes until in the second network no output passes the one that leads in the first.

    Args:
        one: `Packed`, the first network with the rows.
        two: the same of the second network; its rows may have another bias.
        work: `Scratch`; serves both, for they are alike.
        rows: `(outputs - 1,)` flat neurons of the rows of the output that leads.
        neurons: `(questions,)` flat, those whose functions differ; none where it settles nothing
            that both networks are equal.
        sides: `(questions,)` the sign that makes both functions one; 0 where none does.
        stack: `Stack`; a box that cannot be settled is left on top.
        count: how many boxes are on it.
        budget: boxes to bound in either network before this returns, about.

    Returns:
        how many boxes are left, how many were bounded, and whether to go on: False where none is
        left and where the box on top cannot be settled.
    """
    inputs, room, used = stack.lower.shape[1], stack.depth.shape[0], 0
    down = np.full(rows.shape[0], LOWER, np.uint8)
    ask, left = np.empty(rows.shape[0], np.uint8), np.empty(rows.shape[0], np.uint8)
    open_ = np.empty(neurons.shape[0], np.uint8)
    lower, upper, blame = np.empty(inputs), np.empty(inputs), np.empty(inputs)
    low, high = np.empty(inputs), np.empty(inputs)
    while count > 0 and used < budget:
        top = count - 1
        box_lower, box_upper = stack.lower[top], stack.upper[top]
        first, second = stack.first[top], stack.second[top]
        ask[:] = 1
        settle(rows, down, second, ask)
        bound_box(two, work, box_lower, box_upper, rows, down, ask, second)
        used += 1
        some = settle(rows, down, second, ask) and narrow(
            work.reach,
            work.plane,
            box_lower,
            box_upper,
            box_lower,
            box_upper,
            rows,
            ask,
            lower,
            upper,
            left,
        )
        blame[:] = work.blame
        if some and neurons.shape[0] > 0:
            some = _equal_but(one, work, lower, upper, neurons, sides, first, open_, low, high)
            used += 1
        if not some:
            count -= 1
            continue
        axis = axis_of(blame, box_lower, box_upper, lower, upper)
        box_lower[:], box_upper[:] = lower, upper
        if axis < 0 or stack.depth[top] == room - 1:
            return count, used, False
        cut = 0.5 * (lower[axis] + upper[axis])
        stack.lower[count], stack.upper[count] = lower, upper
        box_upper[axis], stack.lower[count, axis] = cut, cut
        stack.first[count], stack.second[count] = first, second
        stack.depth[top] += 1
        stack.depth[count] = stack.depth[top]
        count += 1
    return count, used, count > 0
