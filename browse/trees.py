"""The trees of proofs: how large they are, and pictures of their depth and of their boxes.

A node is split at an input, where its box is cut in two, or at a neuron, whose phase is fixed: then
both children have its box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.proofs.evidence import LEAF, check_tree, children
from ..engine.proofs.form import Lemma
from ..engine.proofs.tree import levels
from ..reports import colours
from ..reports.figures import drawn
from ..reports.tree import Figure
from ..reports.wording import plural, short, thousands

Index = NDArray[np.int64]

DEEPEST: Final = 2_000
"""Levels that are counted."""

BARS: Final = 40
"""Levels that are drawn; with more of them a bar stands for several."""

BOXES: Final = 3_000
"""Boxes that are drawn."""

SIDE: Final = 300.0
"""Length of a side of the picture of boxes, in its units."""

HEIGHT: Final = 200.0
"""Length of the longest bar of the picture of depths, in its units."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a tree is.

    Attributes:
        nodes, leaves: how many.
        splits, ends: at each depth the nodes that are split, and those that are not.
        complete: whether these are all levels.
        cut, fixed: how many nodes are split at inputs, and at neurons.
        axes: inputs that are split, most often split first.
        neurons: the same of neurons, counted from 0 over all networks of the lemma.
        helped: entries with multipliers.
    """

    nodes: int
    leaves: int
    splits: tuple[int, ...]
    ends: tuple[int, ...]
    complete: bool
    cut: int
    fixed: int
    axes: tuple[int, ...]
    neurons: tuple[int, ...]
    helped: int

    @property
    def depth(self) -> int:
        """Splits above the deepest node that was counted."""
        return len(self.ends) - 1


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box where it is drawn.

    Attributes:
        left, top, width, height: in the picture's units.
        leaf: whether it is not cut.
    """

    left: float
    top: float
    width: float
    height: float
    leaf: bool


def shape_of(lemma: Lemma) -> Shape:
    """Return how large the tree of a lemma is.

    Raises:
        engine.proofs.model.FormatError: it is no tree.
    """
    tree = lemma.tree
    inputs = min(len(lemma.lower), len(lemma.upper))
    check_tree(tree, lemma.forms, inputs, int(tree.axis.max(initial=0)) + 1)
    splits: list[int] = []
    ends: list[int] = []
    complete = True
    for level in levels(tree):
        if len(ends) == DEEPEST:
            complete = False
            break
        split = int((tree.axis[level] != LEAF).sum())
        splits.append(split)
        ends.append(level.stop - level.start - split)
    axes, counts = np.unique(tree.axis[tree.axis != LEAF], return_counts=True)
    often = axes[np.argsort(-counts, kind="stable")].tolist()
    nodes, fixed = tree.axis.size, int((tree.axis >= inputs).sum())
    leaves = (nodes + 1) // 2
    return Shape(
        nodes,
        leaves,
        tuple(splits),
        tuple(ends),
        complete,
        nodes - leaves - fixed,
        fixed,
        tuple(axis for axis in often if axis < inputs),
        tuple(axis - inputs for axis in often if axis >= inputs),
        int(lemma.duals.entry.size),
    )


def depths_drawn(shape: Shape, number: int) -> Figure:
    """Return how many nodes of a tree are split, and are not, at each depth.

    Args:
        shape: of the tree.
        number: of its lemma, from 1.
    """
    step = -(-len(shape.ends) // BARS)
    groups = [
        (first, sum(shape.splits[first : first + step]), sum(shape.ends[first : first + step]))
        for first in range(0, len(shape.ends), step)
    ]
    most = max(split + end for _, split, end in groups)
    bars = [
        (str(first), HEIGHT * (end / most), HEIGHT * (split / most)) for first, split, end in groups
    ]
    title = f"Nodes by depth in the tree of lemma {number}"
    each = "" if step == 1 else f" Each bar stands for {step} depths."
    told = (
        f"{plural(shape.leaves, 'leaf', 'leaves')}, the deepest below {thousands(shape.depth)} "
        f"splits; most nodes of a bar: {thousands(most)}.{each}"
    )
    every = max(1, len(bars) // 10)
    svg = drawn(
        "depths.svg.j2",
        title=title,
        told=told,
        bars=bars,
        every=every,
        height=HEIGHT,
        most=most,
        colours=colours,
    )
    note = f"Blue: leaves. Yellow: nodes that are split further.{each}"
    return Figure(title, told, svg, title, note)


def boxes_drawn(lemma: Lemma, shape: Shape, number: int) -> Figure | None:
    """Return the boxes of a tree along two inputs; None where there are not two to draw.

    Where no input is split there is a single box, and nothing to draw. Else the two are the widest
    of the inputs that are split, or where only one is, it and the widest.

    Args:
        lemma: whose tree it is.
        shape: of the tree.
        number: of the lemma, from 1.
    """
    try:
        lower = [float(limit) for limit in lemma.lower]
        upper = [float(limit) for limit in lemma.upper]
    except OverflowError:
        return None
    if not shape.axes:
        return None
    widths = [high - low for low, high in zip(lower, upper, strict=False)]
    wide = [at for at, width in enumerate(widths) if 0.0 < width < float("inf")]
    wide.sort(key=lambda at: (at not in shape.axes, -widths[at]))
    if len(wide) < 2:
        return None
    across, along = wide[:2]
    some = projected(lemma, (across, along))
    title = f"Boxes of lemma {number} along x{across} and x{along}"
    told = (
        f"x{across} from {short(lower[across])} to {short(upper[across])}, x{along} from "
        f"{short(lower[along])} to {short(upper[along])}; {plural(len(some), 'box', 'boxes')} "
        f"of {plural(shape.nodes, 'node')}, seen along all other inputs."
    )
    svg = drawn(
        "boxes.svg.j2",
        title=title,
        told=told,
        boxes=some,
        side=SIDE,
        ends=[[short(value[at], 3) for value in (lower, upper)] for at in (across, along)],
        names=(f"x{across}", f"x{along}"),
        colours=colours,
    )
    note = "Leaves, the darker the more lie above one another along the other inputs."
    if shape.fixed:
        note += (
            " A node that fixes a neuron's phase passes its box on, and adds no line; where both "
            "phases need other cuts, these lie above one another."
        )
    if shape.nodes > BOXES:
        note += f" Only those of the first {thousands(BOXES)} nodes are drawn, the largest."
    return Figure(title, told, svg, title, note)


def projected(lemma: Lemma, axes: tuple[int, int]) -> list[Drawn]:
    """Return the boxes that end in the first levels of a tree, as they lie along two inputs.

    A box that is not cut any further is there once, however often phases are fixed on it.

    Args:
        lemma: whose tree it is; its box is wider than 0 along both, in float64.
        axes: the two.
    """
    tree = lemma.tree
    count = min(BOXES, tree.axis.size)
    count -= 1 - count % 2  # the first, and pairs of children
    child = children(tree)
    whole = _whole(tree.axis[:count], child, len(lemma.lower))
    spans: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    spans[0] = [(float(lemma.lower[axis]), float(lemma.upper[axis])) for axis in axes]
    out = []
    for at in range(count):
        split, first = int(tree.axis[at]), int(child[at])
        if not spans[at]:
            continue  # below one whose box is drawn
        if whole[at] or first + 1 >= count:
            out.append(_placed(spans[at], spans[0], whole[at]))
            continue
        halves = [list(spans[at]), list(spans[at])]
        if split in axes:
            which = axes.index(split)
            low, high = spans[at][which]
            where = min(max(float(tree.cut[at]), low), high)
            halves[0][which], halves[1][which] = (low, where), (where, high)
        spans[first], spans[first + 1] = halves
    return out


def _whole(axis: Index, child: Index, inputs: int) -> list[bool]:
    """Return which of the first nodes are known to have a box that is not cut below them."""
    whole = [split == LEAF for split in axis.tolist()]
    for at in range(len(whole) - 1, -1, -1):
        first = int(child[at])
        if axis[at] >= inputs and first + 1 < len(whole):
            whole[at] = whole[first] and whole[first + 1]
    return whole


def _placed(
    spans: Sequence[tuple[float, float]], whole: Sequence[tuple[float, float]], leaf: bool
) -> Drawn:
    (left, right), (bottom, top) = (
        tuple(SIDE * ((end - low) / (high - low)) for end in ends)
        for ends, (low, high) in zip(spans, whole, strict=True)
    )
    return Drawn(left, SIDE - top, right - left, top - bottom, leaf)
