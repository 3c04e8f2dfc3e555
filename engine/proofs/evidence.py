"""The evidence for a lemma: a tree of boxes and phases, and what is excluded at its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .model import FormatError

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LEAF = -1
"""The axis of a node that is not split."""

EQUAL = -1
"""The form of an entry that excludes all cases, as both networks are one function on its box."""


@dataclass(frozen=True, slots=True)
class Form:
    """A combination of a case's atoms, with whole weights of at least 0 and one above.

    Attributes:
        case: index of the case.
        weights: one for each of its atoms.
    """

    case: int
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Boxes inside boxes, level by level: the children of a split node come after all nodes before.

    A node that is split at a neuron has children with its box, the first for inputs where the
    neuron's pre-activation is at most 0, the second for those where it is at least 0. Neurons are
    counted from the number of inputs on, over the subjects' layers of ReLUs in their order.

    Attributes:
        axis: ``(nodes,)`` the input or neuron that a node is split at, `LEAF` for none.
        cut: ``(nodes,)`` where; both halves hold it. 0 for a leaf, and for a neuron.
        node, form: ``(entries,)`` at which node which form excludes its case, or `EQUAL`.
    """

    axis: Index
    cut: Array
    node: Index
    form: Index


EMPTY = Tree(
    np.array([LEAF], dtype=np.int64),
    np.zeros(1),
    np.zeros(0, dtype=np.int64),
    np.zeros(0, dtype=np.int64),
)
"""A tree without evidence."""


@dataclass(frozen=True, slots=True, eq=False)
class Duals:
    """Multipliers with which some entries' forms are bounded, those of one entry after another.

    The line below an undecided ReLU may have any slope from 0 to 1; and where phases are fixed on
    the way to a node, a form may be bounded less a multiple of what cannot be negative there, the
    pre-activation or minus it. Dual multipliers of the linear program over a node are just that.

    Attributes:
        entry: ``(duals,)`` which entry of the tree each serves, ascending.
        slopes: ``(duals,)`` how many slopes each has.
        neuron: ``(all slopes,)`` of which neurons, counted from 0.
        slope: ``(all slopes,)`` whole, from 0 to `STEEP`, in units of 1 / `STEEP`.
        phases: ``(duals,)`` how many multipliers each has.
        split: ``(all multipliers,)`` of which neurons; each is fixed on the way to the node.
        weight: ``(all multipliers,)`` finite, at least 0.
    """

    entry: Index
    slopes: Index
    neuron: Index
    slope: Index
    phases: Index
    split: Index
    weight: Array


STEEP = 255
"""What stands for a slope of 1: a slope has 8 bits."""

_NONE = np.zeros(0, dtype=np.int64)

PLAIN = Duals(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, np.zeros(0))
"""No multipliers."""


def check_tree(tree: Tree, forms: Sequence[Form], inputs: int, neurons: int) -> None:
    """Raise FormatError where a tree is none, or speaks of what is not there."""
    nodes = tree.axis.size
    split = tree.axis != LEAF
    if nodes == 0 or tree.cut.size != nodes or tree.node.size != tree.form.size:
        raise FormatError("the tree's arrays have different lengths, or it has no node")
    if ((tree.axis < LEAF) | (tree.axis >= inputs + neurons)).any():
        raise FormatError(f"the tree splits what is none of {inputs} inputs and {neurons} neurons")
    if nodes != 1 + 2 * int(split.sum()):
        raise FormatError("the tree has nodes without a parent, or children that are missing")
    child = children(tree)
    if (child[split] <= np.flatnonzero(split)).any():
        raise FormatError("the tree's children do not come after their parents")
    if not np.isfinite(tree.cut).all():
        raise FormatError("a cut of the tree is no number")
    if tree.cut[tree.axis >= inputs].any():
        raise FormatError("the tree cuts a neuron elsewhere than at 0")
    if ((tree.node < 0) | (tree.node >= nodes)).any():
        raise FormatError("an entry speaks of a node that is not there")
    if ((tree.form < EQUAL) | (tree.form >= len(forms))).any():
        raise FormatError("an entry speaks of a form that is not there")


def check_duals(duals: Duals, tree: Tree, neurons: int) -> None:
    """Raise FormatError where multipliers are none, or speak of what is not there."""
    count = duals.entry.size
    parts = (duals.slopes, duals.neuron, duals.slope), (duals.phases, duals.split, duals.weight)
    for counts, which, values in parts:
        if counts.size != count or (counts < 0).any() or (counts > neurons).any():
            raise FormatError("the counts of multipliers do not fit")
        if not which.size == values.size == int(counts.sum()):
            raise FormatError("there are not as many multipliers as are stated")
        if ((which < 0) | (which >= neurons)).any():
            raise FormatError("a multiplier speaks of a neuron that is not there")
    if (np.diff(duals.entry) <= 0).any() or (duals.entry < 0).any():
        raise FormatError("the entries with multipliers are not in order")
    if (duals.entry >= tree.form.size).any() or (tree.form[duals.entry] == EQUAL).any():
        raise FormatError("multipliers belong to an entry without a form")
    if ((duals.slope < 0) | (duals.slope > STEEP)).any():
        raise FormatError("a slope is not between 0 and 1")
    if not ((duals.weight >= 0) & np.isfinite(duals.weight)).all():
        raise FormatError("a multiplier of a phase is below 0, or no number")


def children(tree: Tree) -> Index:
    """Return ``(nodes,)`` the first child of each split node; the second comes next."""
    split = tree.axis != LEAF
    return np.asarray(1 + 2 * (np.cumsum(split) - 1), dtype=np.int64)
