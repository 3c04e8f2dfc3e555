"""Trees of boxes: where the nodes are, and whether every case is excluded everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .evidence import EQUAL, LEAF, Form, Tree, children

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_BITS = 64

PASSING = 4
"""Levels of a tree from one box that passes bounds on to those below it to the next."""


def outward(lower: Sequence[Fraction], upper: Sequence[Fraction]) -> tuple[Array, Array]:
    """Return the least float64 box around an exact one: ``(inputs,)`` each.

    Raises:
        OverflowError: a limit is beyond float64.
    """
    low = np.array([float(value) for value in lower])
    high = np.array([float(value) for value in upper])
    for at, value in enumerate(lower):
        if Fraction(low[at]) > value:
            low[at] = np.nextafter(low[at], -np.inf)
    for at, value in enumerate(upper):
        if Fraction(high[at]) < value:
            high[at] = np.nextafter(high[at], np.inf)
    return low, high


def by_level(axis: Index, child: Index) -> Index:
    """Return nodes ``(nodes,)`` in the order of a tree, level by level.

    Args:
        axis: ``(nodes,)`` as of a tree.
        child: ``(nodes,)`` the first child of each split node; the second comes next.
    """
    order, level = [], np.array([0])
    while level.size:
        order.append(level)
        first = child[level[axis[level] != LEAF]]
        level = np.stack([first, first + 1], axis=1).ravel()
    return np.concatenate(order)


def levels(tree: Tree) -> Iterator[slice]:
    """Yield the nodes level by level."""
    start, stop = 0, 1
    while start < stop:
        yield slice(start, stop)
        split = int((tree.axis[start:stop] != LEAF).sum())
        start, stop = stop, stop + 2 * split


def boxes(tree: Tree, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return all nodes' boxes, ``(nodes, inputs)`` each; a cut outside its box leaves half empty.

    A half whose lower limit is above its upper one holds no input, and its limits are swapped: the
    box between them is not in its parent, and what is bounded there is bounded in vain.
    """
    low = np.empty((tree.axis.size, lower.size))
    high = np.empty_like(low)
    low[0], high[0] = lower, upper
    child = children(tree)
    for level in levels(tree):
        parents = np.arange(level.start, level.stop)
        parents = parents[tree.axis[level] != LEAF]
        if not parents.size:
            continue
        axis, cut, first = tree.axis[parents], tree.cut[parents], child[parents]
        for half in (0, 1):
            low[first + half], high[first + half] = low[parents], high[parents]
        box = axis < lower.size  # the others fix a neuron's phase
        high[first[box], axis[box]] = cut[box]
        low[first[box] + 1, axis[box]] = cut[box]
    return np.minimum(low, high), np.maximum(low, high)


def passing(tree: Tree) -> Index:
    """Return ``(nodes,)`` the node above each that passes on what is known on it; -1 for the root.

    These are the nearest ones above in every `PASSING`-th level.
    """
    above = np.full(tree.axis.size, -1, dtype=np.int64)
    child = children(tree)
    for depth, level in enumerate(levels(tree)):
        parents = np.arange(level.start, level.stop)
        parents = parents[tree.axis[level] != LEAF]
        found = parents if depth % PASSING == 0 else above[parents]
        for half in (0, 1):
            above[child[parents] + half] = found
    return above


def left_over(tree: Tree, forms: Sequence[Form], cases: int) -> int | None:
    """Return a case that is not excluded on some way from the root to a leaf; None where all are.

    Args:
        tree: its entries count as shown.
        forms: which case each excludes.
        cases: how many there are.
    """
    of = np.array([*(form.case for form in forms), -1], dtype=np.int64)  # the last is of EQUAL
    entry_case = of[tree.form] if tree.form.size else np.zeros(0, np.int64)
    whole = tree.node[tree.form == EQUAL]
    child, leaf = children(tree), tree.axis == LEAF
    for first in range(0, cases, _BITS):
        count = min(_BITS, cases - first)
        here = (entry_case >= first) & (entry_case < first + count)
        done = np.zeros(tree.axis.size, dtype=np.uint64)
        bit = np.uint64(1) << (entry_case[here] - first).astype(np.uint64)
        np.bitwise_or.at(done, tree.node[here], bit)
        done[whole] = np.uint64(2**64 - 1)
        for level in levels(tree):
            parents = np.arange(level.start, level.stop)
            parents = parents[~leaf[level]]
            for half in (0, 1):
                done[child[parents] + half] |= done[parents]
        every = np.uint64(2**count - 1)
        missing = ~done[leaf] & every
        if missing.any():
            bits = int(missing[missing != 0][0])
            return first + (bits & -bits).bit_length() - 1
    return None
