"""Cells that cover a box: what each is, and whether a proof about one says what it has to.

A tree of cuts, each strictly inside its box, leaves cells that are closed boxes, not empty, that
cover the whole and share no inner points. What is proved on each of them is then proved everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .evidence import LEAF, Tree, check_tree, children
from .form import Cover, Proof, SameBest, Within
from .judge import ProofError
from .model import FormatError
from .tree import levels

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Box = tuple[tuple[Fraction, ...], tuple[Fraction, ...]]

_NONE = np.zeros(0, dtype=np.int64)


def check_cover(cover: Cover) -> None:
    """Check that a cover's cells cover its box.

    Raises:
        FormatError: it speaks of what is not there.
        ProofError: a cut is not inside its box.
    """
    tree, inputs = _tree(cover), len(cover.lower)
    if not inputs or len(cover.upper) != inputs:
        raise FormatError("the box has no inputs, or not as many lower limits as upper ones")
    if any(low > high for low, high in zip(cover.lower, cover.upper, strict=True)):
        raise FormatError("the box is empty: a lower limit is above the upper one")
    check_tree(tree, (), inputs, 0)
    if len(cover.proofs) != (tree.axis.size + 1) // 2:
        raise FormatError(f"{len(cover.proofs)} proofs of {(tree.axis.size + 1) // 2} cells")
    if cover.claim is None and any(cover.proofs):
        raise FormatError("proofs of cells are named, but not what they say")
    child = children(tree)
    # The least and the largest cut that is strictly inside, for each node and input.
    least, most = (np.empty((tree.axis.size, inputs)) for _ in range(2))
    least[0], most[0] = _inside(cover)
    for level in levels(tree):
        nodes = np.arange(level.start, level.stop)
        nodes = nodes[tree.axis[level] != LEAF]
        axis, cut, first = tree.axis[nodes], tree.cut[nodes], child[nodes]
        outside = (cut < least[nodes, axis]) | (cut > most[nodes, axis])
        if outside.any():
            at = int(nodes[outside][0])
            raise ProofError(f"node {at}: its cut is not inside its box, so a cell is none")
        for half in (0, 1):
            least[first + half], most[first + half] = least[nodes], most[nodes]
        most[first, axis] = np.nextafter(cut, -np.inf)
        least[first + 1, axis] = np.nextafter(cut, np.inf)


def cells(cover: Cover) -> Iterator[Box]:
    """Yield the exact cells of a cover that was checked, in the order of the leaves."""
    tree = _tree(cover)
    child, boxes = children(tree), {0: (cover.lower, cover.upper)}
    for node in range(tree.axis.size):
        lower, upper = boxes.pop(node)
        axis, first = int(tree.axis[node]), int(child[node])
        if axis == LEAF:
            yield lower, upper
            continue
        cut = Fraction(float(tree.cut[node]))
        boxes[first] = lower, (*upper[:axis], cut, *upper[axis + 1 :])
        boxes[first + 1] = (*lower[:axis], cut, *lower[axis + 1 :]), upper


def check_cell(cover: Cover, cell: Box, digest: str, proof: Proof) -> None:
    """Check that a cell's proof, which was checked, says of the cell what the cover says it does.

    Args:
        cover: names the proof.
        cell: the exact box.
        digest: of the network that the cover speaks of.
        proof: of the cell.

    Raises:
        ProofError: it says something else.
    """
    one = proof.simplified
    if one is None or cover.claim is None:
        raise ProofError("it is no proof that one network may stand for another")
    if proof.files[0].digest != digest:
        raise ProofError("it is about another network")
    inside = len(one.lower) == len(cell[0]) and all(
        low <= here and there <= high
        for low, here, there, high in zip(one.lower, *cell, one.upper, strict=True)
    )
    if not inside:
        raise ProofError("it is about another box")
    match cover.claim, one.claim:
        case Within(tolerance=wanted, outputs=outputs), Within(tolerance=found, outputs=spoken):
            fits = found <= wanted and set(outputs) <= set(spoken)
        case SameBest() as wanted, SameBest() as found:
            same = (wanted.sign, wanted.outputs) == (found.sign, found.outputs)
            fits = same and found.band <= wanted.band and found.room >= wanted.room
        case _:
            fits = False
    if not fits:
        raise ProofError("it says less than the cover")


def _tree(cover: Cover) -> Tree:
    return Tree(cover.axis, cover.cut, _NONE, _NONE)


def _inside(cover: Cover) -> tuple[Array, Array]:
    """Return for each input the least float above its lower limit, the largest below its upper."""
    least, most = [], []
    for low, high in zip(cover.lower, cover.upper, strict=True):
        try:
            one, two = float(low), float(high)
        except OverflowError:
            raise FormatError("a limit of the box is beyond float64") from None
        least.append(one if Fraction(one) > low else float(np.nextafter(one, np.inf)))
        most.append(two if Fraction(two) < high else float(np.nextafter(two, -np.inf)))
    return np.array(least), np.array(most)
