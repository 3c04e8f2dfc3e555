"""Slices of a region: a box, cut into cells by a binary tree.

Every cell is a closed box. Neighbours share a face, and who owns a point of it is settled by the
tree alone: at a cut, what is below it goes to the lower half, the cut itself and what is above it
to the upper half. So each point of the region belongs to exactly one cell; see `cover.py` for the
proof from the cells alone.

Limits are exact. A cut is a float64 number; a limit of the region may be any rational, and since no
float64 lies between it and the nearest one outside the region, comparing cuts with that one is
comparing them with the limit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError, RegionError
from ..engine.region import Region
from ..engine.rounding import float_below

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LEAF: Final = -1
"""The axis of a node that is not split: a cell."""

MOST_CELLS: Final = 2**22
"""Cells that a region is cut into at most: the tree and its boxes then take below a gigabyte."""


@dataclass(frozen=True, eq=False)
class Slices:
    """A region and the tree that cuts it; checked and frozen when built.

    Nodes are stored level by level, the root first: the children of the n-th node that is split, n
    from 0, are nodes ``1 + 2 n``, the lower half, and ``2 + 2 n``, as in the trees of proofs.
    Cells are numbered from 0 in the order in which they are met where the lower half is always
    walked through before the upper one, so the cells below a node have consecutive numbers.

    Attributes:
        whole: the region.
        axis: ``(nodes,)`` int64, the input that a node is split at, `LEAF` for none.
        cut: ``(nodes,)`` float64, where, network units; 0 for a leaf.
    """

    whole: Region
    axis: Index
    cut: Array
    inputs: Index = field(init=False, repr=False)
    """Inputs that are cut, in order."""
    _low: Array = field(init=False, repr=False)
    _high: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        axis = np.array(self.axis, dtype=np.int64)
        cut = np.array(self.cut, dtype=np.float64) + 0.0  # one zero: -0.0 would be another key
        _check_tree(axis, cut, self.whole)
        for name, array in (("axis", axis), ("cut", cut)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "inputs", np.unique(axis[axis != LEAF]))
        low, high = self._boxes()
        for name, array in (("_low", low), ("_high", high)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def of_nodes(cls, whole: Region, axis: Index, cut: Array, child: Index) -> tuple[Slices, Index]:
        """Return the slices of a tree whose nodes are in any order, and which node each cell was.

        Args:
            whole: the region.
            axis: ``(nodes,)``, the root first.
            cut: ``(nodes,)``.
            child: ``(nodes,)`` the lower half of each split node; its upper half comes next.
        """
        order, level = [], np.zeros(1, dtype=np.int64)
        while level.size:
            order.append(level)
            first = child[level[axis[level] != LEAF]]
            level = np.stack([first, first + 1], axis=1).ravel()
        nodes = np.concatenate(order)
        slices = cls(whole, axis[nodes], cut[nodes])
        return slices, nodes[slices.node]

    @property
    def count(self) -> int:
        """Number of cells."""
        return (self.axis.size + 1) // 2

    def __len__(self) -> int:
        return self.count

    @cached_property
    def child(self) -> Index:
        """``(nodes,)`` the lower half of each split node; the upper half comes next."""
        return _children(self.axis)

    @cached_property
    def depth(self) -> int:
        """Largest number of cuts on the way to a cell."""
        return sum(1 for _ in self._levels()) - 1

    @cached_property
    def under(self) -> Index:
        """``(nodes,)`` number of cells below each node; 1 for a cell."""
        under = np.ones(self.axis.size, dtype=np.int64)
        for parents in reversed(list(self._levels())):
            first = self.child[parents]
            under[parents] = under[first] + under[first + 1]
        return under

    @cached_property
    def first(self) -> Index:
        """``(nodes,)`` the least number of a cell below each node; its own number for a cell."""
        first = np.zeros(self.axis.size, dtype=np.int64)
        for parents in self._levels():
            child = self.child[parents]
            first[child] = first[parents]
            first[child + 1] = first[parents] + self.under[child]
        return first

    @cached_property
    def node(self) -> Index:
        """``(cells,)`` the node that each cell is."""
        leaves = np.flatnonzero(self.axis == LEAF)
        node = np.empty(self.count, dtype=np.int64)
        node[self.first[leaves]] = leaves
        return node

    @cached_property
    def lower(self) -> Array:
        """``(cells, inputs)`` float64 lower limits of all cells, rounded outward."""
        return self.boxes()[0]

    @cached_property
    def upper(self) -> Array:
        """``(cells, inputs)`` float64 upper limits of all cells, rounded outward."""
        return self.boxes()[1]

    def boxes(self, cells: Index | slice = slice(None)) -> tuple[Array, Array]:
        """Return lower and upper limits ``(cells, inputs)`` of some cells, rounded outward.

        Only the region's own limits are rounded, and only where they are no float64.

        Args:
            cells: numbers of cells; all of them unless told.
        """
        return self.node_boxes(self.node[cells])

    def node_boxes(self, nodes: Index) -> tuple[Array, Array]:
        """Return lower and upper limits ``(nodes, inputs)`` of some nodes, rounded outward."""
        lower = np.repeat(self.whole.lower[None] + 0.0, len(nodes), axis=0)
        upper = np.repeat(self.whole.upper[None] + 0.0, len(nodes), axis=0)
        lower[:, self.inputs], upper[:, self.inputs] = self._low[nodes], self._high[nodes]
        return lower, upper

    def region(self, cell: int) -> Region:
        """Return a cell as a region with exact limits.

        Raises:
            RegionError: there is no such cell.
        """
        if not 0 <= cell < self.count:
            raise RegionError(
                f"{self.whole.name} has {self.count} cells: there is no cell {cell}; give a number "
                f"from 0 to {self.count - 1}"
            )
        low, high = (ends[0].tolist() for ends in self.boxes(np.array([cell])))
        lower, upper = self.whole.exact_lower, self.whole.exact_upper
        return Region(
            tuple(
                exact if value == near else Fraction(value)
                for value, near, exact in zip(low, self.whole.lower, lower, strict=True)
            ),
            tuple(
                exact if value == near else Fraction(value)
                for value, near, exact in zip(high, self.whole.upper, upper, strict=True)
            ),
            f"{self.whole.name}, cell {cell}",
        )

    def identity(self, cell: int) -> str:
        """Return a text that only this box has: its limits, as hex floats or fractions.

        Raises:
            RegionError: there is no such cell.
        """
        return identity(self.region(cell))

    def identities(self, cells: Index | slice = slice(None)) -> Iterator[str]:
        """Yield the identities of some cells, in order; of all of them unless told."""
        ends = [
            [(near + 0.0, _limit_text(value)) for near, value in zip(limits, exact, strict=True)]
            for limits, exact in (
                (self.whole.lower.tolist(), self.whole.exact_lower),
                (self.whole.upper.tolist(), self.whole.exact_upper),
            )
        ]
        for low, high in zip(*self.boxes(cells), strict=True):
            texts = (
                [
                    text if value == near else value.hex()
                    for value, (near, text) in zip(row.tolist(), side, strict=True)
                ]
                for row, side in zip((low, high), ends, strict=True)
            )
            yield ",".join(map(":".join, zip(*texts, strict=True)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the region's limits and of the tree, hexadecimal; the name is not in it."""
        found = hashlib.sha256(b"secateur slices 1\n")
        found.update(identity(self.whole).encode() + b"\n")
        found.update(self.axis.astype("<i8").tobytes())
        found.update(self.cut.astype("<f8").tobytes())
        return found.hexdigest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the region and the tree as plain arrays, as `numpy.savez` takes them."""
        limits = [_limit_text(v) for v in (*self.whole.exact_lower, *self.whole.exact_upper)]
        return {
            "limits": np.array(limits).reshape(2, -1),
            "name": np.array(self.whole.name),
            "axis": self.axis,
            "cut": self.cut,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Slices:
        """Return the slices that `arrays` was made of.

        Raises:
            FormatError: an array is missing, or is none that `arrays` gives.
            RegionError: they tell of no region, or of a cut outside its box.
        """
        try:
            limits, name = arrays["limits"], str(arrays["name"])
            axis, cut = arrays["axis"], arrays["cut"]
            lower, upper = ([_limit(str(text)) for text in row] for row in limits)
        except KeyError as missing:
            raise FormatError(f"slices: the array {missing} is missing: save them again") from None
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise FormatError(
                f"slices: their limits are no numbers ({error}): save again"
            ) from None
        if axis.dtype.kind not in "iu" or cut.dtype != np.float64:
            raise FormatError(
                f"slices: axis and cut hold {axis.dtype} and {cut.dtype}, not integers and "
                "float64: save them again"
            )
        return cls(Region(tuple(lower), tuple(upper), name), axis, cut)

    def _levels(self) -> Iterator[Index]:
        """Yield the split nodes of each level, and nothing for the last."""
        return _levels(self.axis)

    def _boxes(self) -> tuple[Array, Array]:
        """Return the limits ``(nodes, cut inputs)`` of all nodes; every cut is checked."""
        low = np.empty((self.axis.size, self.inputs.size))
        high = np.empty_like(low)
        low[0], high[0] = (v[self.inputs] + 0.0 for v in (self.whole.lower, self.whole.upper))
        child = _children(self.axis)
        for parents in _levels(self.axis):
            place = np.searchsorted(self.inputs, self.axis[parents])
            cut, first = self.cut[parents], child[parents]
            wrong = ~((low[parents, place] < cut) & (cut < high[parents, place]))
            if wrong.any():
                at = parents[wrong][0]
                side = place[wrong][0]
                raise RegionError(
                    f"{self.whole.name}: node {at} cuts input {self.axis[at]} at "
                    f"{self.cut[at]:.17g}, which is not inside its box from {low[at, side]:.17g} "
                    f"to {high[at, side]:.17g}: cut between the limits"
                )
            for half in (0, 1):
                low[first + half], high[first + half] = low[parents], high[parents]
            high[first, place] = cut
            low[first + 1, place] = cut
        return low, high


def identity(region: Region) -> str:
    """Return a text that only this box has: its limits, as hex floats or fractions.

    ``lower:upper`` for each input, with commas between; a limit that is a float64 number is written
    as `float.hex` writes it, any other as a reduced fraction.
    """
    return ",".join(
        f"{_limit_text(low)}:{_limit_text(high)}"
        for low, high in zip(region.exact_lower, region.exact_upper, strict=True)
    )


def _limit_text(value: Fraction) -> str:
    near = float_below(value) + 0.0  # it gives -0.0 for 0
    if np.isfinite(near) and Fraction(near) == value:
        return near.hex()
    return f"{value.numerator}/{value.denominator}"


def _limit(text: str) -> Fraction:
    return Fraction(text) if "/" in text else Fraction(float.fromhex(text))


def _children(axis: Index) -> Index:
    return np.asarray(1 + 2 * (np.cumsum(axis != LEAF) - 1), dtype=np.int64)


def _levels(axis: Index) -> Iterator[Index]:
    start, stop = 0, 1
    while start < stop:
        parents = start + np.flatnonzero(axis[start:stop] != LEAF)
        yield parents
        start, stop = stop, stop + 2 * parents.size


def _check_tree(axis: Index, cut: Array, whole: Region) -> None:
    """Raise RegionError where arrays are no tree over a region of finite limits."""
    name = whole.name
    if not (np.isfinite(whole.lower).all() and np.isfinite(whole.upper).all()):
        raise RegionError(f"{name}: a limit is beyond float64: slices need limits below 1.8e308")
    if axis.ndim != 1 or axis.shape != cut.shape or not axis.size:
        raise RegionError(
            f"{name}: axis and cut have shapes {axis.shape} and {cut.shape}: give one of each for "
            "every node, and at least one node"
        )
    split = axis != LEAF
    if ((axis < LEAF) | (axis >= whole.size)).any():
        raise RegionError(f"{name}: a node cuts an input that is none of {whole.size}")
    if axis.size != 1 + 2 * int(split.sum()):
        raise RegionError(f"{name}: the tree of cuts has nodes without a parent or a child")
    if (_children(axis)[split] <= np.flatnonzero(split)).any():
        raise RegionError(f"{name}: nodes of the tree of cuts do not come after their parents")
    if axis.size > 2 * MOST_CELLS:
        raise RegionError(
            f"{name}: {(axis.size + 1) // 2:,} cells: at most {MOST_CELLS:,} are handled together; "
            "cut into fewer, or slice parts of the region one after the other"
        )
    if not np.isfinite(cut).all() or cut[~split].any():
        raise RegionError(f"{name}: a cut is no finite number, or is given for a cell")
