"""Bounds on the difference of two pre-activations become rows of a program.

In a network that holds two similar networks side by side, a neuron of one and its counterpart in
the other move together. A relaxation of each ReLU for itself loses this; a `Tie` gives it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..encodings.affine import affine
from ..encodings.difference import NONE, Parts, coupled, difference
from ..encodings.program import Draft, Index, Program, Rows
from .assemble import DROPPED, MERGED, Assembly, Bounds
from .errors import InputError
from .expression import trimmed
from .network import Network, Node, Piecewise, State
from .rounding import Array, down, up


@dataclass(frozen=True, slots=True, eq=False)
class Tie:
    """Proved bounds of ``x - y`` for pre-activations x and y of one network, over a box.

    Attributes:
        first: name of the `Piecewise` node that x enters.
        second: name of the `Piecewise` node that y enters; may be the same.
        one: ``(pairs,)`` index of each x in its node.
        other: ``(pairs,)`` index of each y.
        lower: ``(pairs,)`` float64, closed, finite.
        upper: ``(pairs,)`` float64, closed, finite.

    Raises:
        InputError: arrays of differing lengths, bounds that are not finite or crossed.
    """

    first: str
    second: str
    one: NDArray[np.int64]
    other: NDArray[np.int64]
    lower: Array
    upper: Array

    def __post_init__(self) -> None:
        sizes = {a.shape for a in (self.one, self.other, self.lower, self.upper)}
        if len(sizes) != 1 or self.lower.ndim != 1:
            raise InputError(
                f"a tie of {self.first} and {self.second} has arrays of the shapes "
                f"{sorted(sizes)}: give one entry for each pair"
            )
        fine = np.isfinite(self.lower) & np.isfinite(self.upper) & (self.lower <= self.upper)
        if not fine.all():
            at = int(np.argmin(fine))
            raise InputError(
                f"a tie of {self.first}[{self.one[at]}] and {self.second}[{self.other[at]}] has "
                f"the bounds {self.lower[at]} and {self.upper[at]}: they must be finite, the lower "
                "one at most the upper one"
            )


def tied(network: Network, assembly: Assembly, bounds: Bounds, ties: Sequence[Tie]) -> Assembly:
    """Return the assembly with the rows of some ties.

    Every point that satisfied the program and lies within the ties still does, with further columns
    for the pre-activations of stable neurons that are tied to unstable ones.

    Args:
        network: the network that was assembled.
        assembly: its program.
        bounds: those it was assembled with.
        ties: pairs of ReLUs; pairs of two stable ones, and pairs whose bounds say no more than the
            bounds of x and y, give no row.

    Raises:
        InputError: a tie that names no `Piecewise` node or no neuron of it.
    """
    work = _Work(network, assembly, bounds)
    for tie in ties:
        work.encode(tie)
    return replace(assembly, program=extended(assembly.program, work.draft, work.rows))


def extended(program: Program, draft: Draft, rows: Sequence[Rows]) -> Program:
    """Return a program with further columns and rows.

    Args:
        program: as it was.
        draft: the further columns; it has no rows. Its column j is column ``program.size + j``.
        rows: over all columns.
    """
    more = draft.program()
    return Program(
        np.concatenate([program.lower, more.lower]),
        np.concatenate([program.upper, more.upper]),
        np.concatenate([program.integer, more.integer]),
        Rows.join([program.rows, *rows]),
        np.concatenate([program.objective, more.objective]),
        program.offset,
        program.sense,
    )


class _Work:
    def __init__(self, network: Network, assembly: Assembly, bounds: Bounds) -> None:
        self.network, self.assembly, self.bounds = network, assembly, bounds
        self.draft, self.rows = Draft(), list[Rows]()
        self._least = MERGED if assembly.program.integer.any() else DROPPED
        self._columns: dict[str, tuple[Index, Index, Index]] = {}
        """Of each node the columns p, n and t of its neurons; `NONE` where it has none."""

    def encode(self, tie: Tie) -> None:
        """Add the rows of a tie."""
        if any(
            name in self.network.by_name and name not in self.assembly.values
            for name in (tie.first, tie.second)
        ):
            return  # the node asked about does not depend on it
        box = [*self._box(tie.first, tie.one), *self._box(tie.second, tie.other)]
        one, other = self._side(tie.first, tie.one), self._side(tie.second, tie.other)
        l1, u1, l2, u2 = box
        states = [
            self._layer(name).state[rows] == State.RELU
            for name, rows in ((tie.first, tie.one), (tie.second, tie.other))
        ]
        told = (tie.lower > l1 - u2) | (tie.upper < u1 - l2)
        open_ = [one[0] != NONE, other[0] != NONE]
        known = [open_[0] | (l1 >= 0) | (u1 <= 0), open_[1] | (l2 >= 0) | (u2 <= 0)]
        keep = states[0] & states[1] & told & (open_[0] | open_[1]) & known[0] & known[1]
        keep &= (tie.one != tie.other) | (tie.first != tie.second)
        if not keep.any():
            return
        low = np.maximum(tie.lower, down(l1 - u2))[keep]
        high = np.minimum(tie.upper, up(u1 - l2))[keep]
        if (low > high).any():
            raise InputError(f"the tie of {tie.first} and {tie.second} contradicts their bounds")
        sides = [
            self._parts(
                name, rows[keep], tuple(part[keep] for part in side[:2]), (a[keep], b[keep])
            )
            for name, rows, side, a, b in (
                (tie.first, tie.one, one, l1, u1),
                (tie.second, tie.other, other, l2, u2),
            )
        ]
        self.rows.append(difference(sides[0], sides[1], low, high))
        both = keep & (one[2] != NONE) & (other[2] != NONE)
        if both.any():
            self.rows.append(
                coupled(
                    Parts(one[0][both], one[1][both]),
                    Parts(other[0][both], other[1][both]),
                    one[2][both],
                    other[2][both],
                    (l1[both], u1[both], l2[both], u2[both]),
                    low[both[keep]],
                    high[both[keep]],
                )
            )

    def _layer(self, name: str) -> Piecewise:
        return _piecewise(self.network, name)[1]

    def _box(self, name: str, rows: NDArray[np.int64]) -> tuple[Array, Array]:
        node, layer = _piecewise(self.network, name)
        if rows.size and not 0 <= rows.min() <= rows.max() < layer.size:
            raise InputError(f"a tie names a neuron that {name} does not have: it has {layer.size}")
        lower, upper = self.bounds[node.sources[0]]
        return lower[rows], upper[rows]

    def _side(self, name: str, rows: NDArray[np.int64]) -> tuple[Index, Index, Index]:
        """Return the columns of p, n and t of some neurons as far as they were encoded."""
        if name not in self._columns:
            found = np.full((3, self._layer(name).size), NONE, np.int32)
            unstable = self.assembly.unstable
            mine = np.flatnonzero(np.array(unstable.node, dtype=object) == name)
            found[0, unstable.neuron[mine]] = unstable.positive[mine]
            found[1, unstable.neuron[mine]] = unstable.negative[mine]
            if unstable.phase.size:
                found[2, unstable.neuron[mine]] = unstable.phase[mine]
            self._columns[name] = (found[0], found[1], found[2])
        p, n, t = self._columns[name]
        return p[rows], n[rows], t[rows]

    def _parts(
        self,
        name: str,
        rows: NDArray[np.int64],
        encoded: tuple[Index, ...],
        box: tuple[Array, Array],
    ) -> Parts:
        """Return the columns of p and n, with new ones for stable neurons."""
        positive, negative = (part.copy() for part in encoded)
        stable = np.flatnonzero((positive == NONE) & (negative == NONE))
        active = box[0] >= 0
        for part, some, sign in (
            (positive, stable[active[stable]], 1.0),
            (negative, stable[~active[stable]], -1.0),
        ):
            if some.size:
                value = trimmed(
                    self.assembly.values[_piecewise(self.network, name)[0].sources[0]].take(
                        rows[some]
                    ),
                    self._least,
                )
                ends = np.stack([sign * box[0][some], sign * box[1][some]])
                part[some] = self._new(ends.min(axis=0), ends.max(axis=0))
                self.rows.append(
                    affine(
                        sign * value.matrix,
                        value.columns,
                        sign * value.constant,
                        part[some],
                        error=value.error,
                    )
                )
        return Parts(positive, negative)

    def _new(self, lower: Array, upper: Array) -> Index:
        made = self.draft.columns(lower, upper)
        return np.asarray(made + self.assembly.program.size, dtype=np.int32)


def _piecewise(network: Network, name: str) -> tuple[Node, Piecewise]:
    node = network.by_name.get(name)
    if node is None or not isinstance(node.layer, Piecewise):
        raise InputError(f"a tie names {name}, which is no layer of activations of the network")
    return node, node.layer


def ties_of(pairs: Mapping[tuple[str, str], tuple[Array, Array]]) -> tuple[Tie, ...]:
    """Return the ties of whole nodes, neuron by neuron.

    Args:
        pairs: for two `Piecewise` nodes of the same size the lower and upper bounds ``(size,)`` of
            the difference of what enters them.
    """
    return tuple(
        Tie(first, second, np.arange(lower.size), np.arange(lower.size), lower, upper)
        for (first, second), (lower, upper) in pairs.items()
    )
