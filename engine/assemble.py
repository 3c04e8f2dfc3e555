"""Network, box and bounds become a program, and the way from neurons to columns.

Every point of the box, with the activations that the network has there in exact arithmetic,
satisfies the program; so a bound proved for the program holds for the network.

Stable neurons are substituted: an inactive one is 0, an active one is the affine function of the
columns that its pre-activation is. Such a product of weights is rounded; what the rounding may
change is bounded and becomes the width of the rows it enters. Where substitution would fill
a sparse or large program, the neuron gets a column instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ..encodings.affine import affine
from ..encodings.program import Draft, Index, Program
from ..encodings.relu import Phase, big_m, partitioned, parts, phases, triangle
from .errors import InputError
from .expression import Expression, composed, loosened, scaled, summed, trimmed
from .network import (
    Affine,
    Concat,
    Input,
    Network,
    Node,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
    rounding_refused,
)
from .rounding import LP_FEASIBILITY, SLACK, UNDERFLOW, Array, gamma

Bounds = Mapping[str, tuple[Array, Array]]


DROPPED: Final = LP_FEASIBILITY
"""Magnitude, in program units, up to which a coefficient is charged as error: HiGHS drops it."""

MERGED: Final = 1000 * LP_FEASIBILITY
"""The same in programs with whole numbers: with big-M near its tolerance the integer search of
HiGHS 1.15.1 often stated bounds beyond the optimum, by up to 3 where the values were below 10."""


@dataclass(frozen=True, slots=True)
class Triangle:
    """The convex hull of each ReLU over its bounds: a linear program."""


@dataclass(frozen=True, slots=True)
class BigM:
    """One binary for each unstable ReLU: exact."""


@dataclass(frozen=True, slots=True)
class Partitioned:
    """One binary for each unstable ReLU and its inputs in parts: exact, and tighter when relaxed.

    Attributes:
        count: number of parts, at least 1; at the number of inputs the relaxation is ideal.
    """

    count: int


F = 1
Relaxation = Triangle | BigM | Partitioned


@dataclass(frozen=True, slots=True, eq=False)
class Unstable:
    """The ReLUs whose phase is open, in the order in which they were encoded.

    Attributes:
        node: name of the `Piecewise` node of each.
        neuron: ``(unstable,)`` index in its node.
        positive, negative: ``(unstable,)`` columns of max(z, 0) and max(-z, 0).
        phase: ``(unstable,)`` columns that are 1 on the active side; ``(0,)`` for `Triangle`.
        row: ``(unstable,)``, the first row after the affine one: the triangle, or p <= u t.
    """

    node: tuple[str, ...]
    neuron: NDArray[np.int64]
    positive: Index
    negative: Index
    phase: Index
    row: Index

    @classmethod
    def join(cls, blocks: Sequence[Unstable]) -> Unstable:
        """Return the blocks one after the other."""
        none = np.zeros(0, np.int32)
        return cls(
            tuple(name for block in blocks for name in block.node),
            np.concatenate([none.astype(np.int64), *(block.neuron for block in blocks)]),
            np.concatenate([none, *(block.positive for block in blocks)]),
            np.concatenate([none, *(block.negative for block in blocks)]),
            np.concatenate([none, *(block.phase for block in blocks)]),
            np.concatenate([none, *(block.row for block in blocks)]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A program and where its columns came from.

    Attributes:
        program: its objective is 0; `row` gives one.
        target: name of the node asked about.
        inputs: ``(inputs,)`` columns of the network's input.
        values: by node name, its values over the columns.
        unstable: the ReLUs whose phase is open.
    """

    program: Program
    target: str
    inputs: Index
    values: Mapping[str, Expression]
    unstable: Unstable

    def row(self, index: int) -> tuple[Array, float, float]:
        """Return one value of the target as an objective.

        Args:
            index: which value.

        Returns:
            The coefficients ``(columns,)``, the constant, and the error of the two together.
        """
        value = self.values[self.target]
        vector = np.zeros(self.program.size)
        vector[value.columns] = value.matrix[index]
        return vector, float(value.constant[index]), float(value.error[index])


def assemble(
    network: Network,
    lower: Array,
    upper: Array,
    bounds: Bounds,
    target: str,
    relu: Relaxation | None = None,
) -> Assembly:
    """Return the program of a node and its ancestors over a box.

    Args:
        network: any network.
        lower: ``(inputs,)`` float64, lower corner of the closed box, network units.
        upper: ``(inputs,)`` float64, upper corner.
        bounds: for every node its values' proved lower and upper bounds ``(size,)`` over the box.
        target: name of the node that is asked about.
        relu: how unstable neurons are encoded; `Triangle` when absent.

    Raises:
        InputError: an unknown node; a box of another size; bounds that are missing, of another
            size, not finite or crossed.
    """
    if target not in network.by_name:
        names = ", ".join(network.by_name)
        raise InputError(f"{target} is no node of the network: take one of {names}")
    wanted = {target}
    for node in reversed(network.nodes):
        if node.name in wanted:
            wanted.update(node.sources)
    readers = {
        name: [reader for reader in network.readers[name] if reader in wanted and reader != target]
        for name in wanted
    }
    work = _Work(bounds, Triangle() if relu is None else relu, readers)
    source = network.nodes[0]
    work.values[source.name] = work.columns(*_checked(lower, upper, source))
    for node in network.nodes[1:]:
        if node.name in wanted:
            work.values[node.name] = work.encode(node)
    return Assembly(
        work.draft.program(),
        target,
        work.values[source.name].columns,
        work.values,
        Unstable.join(work.unstable),
    )


def _checked(lower: Array, upper: Array, node: Node) -> tuple[Array, Array]:
    if lower.shape != (node.size,) or upper.shape != (node.size,):
        raise InputError(
            f"{node.name} has {node.size} values, its bounds have the shapes {lower.shape} and "
            f"{upper.shape}: give one lower and one upper bound for each"
        )
    fine = np.isfinite(lower) & np.isfinite(upper) & (lower <= upper)
    if not fine.all():
        place = int(np.argmin(fine))
        raise InputError(
            f"{node.name}: value {place} has the bounds {lower[place]} and {upper[place]}: they "
            "must be finite, the lower one at most the upper one"
        )
    return lower, upper


class _Work:
    """The draft and the values found so far, while nodes are encoded one after another."""

    def __init__(
        self, bounds: Bounds, relu: Relaxation, readers: Mapping[str, Sequence[str]]
    ) -> None:
        """Start with nothing encoded."""
        self.draft = Draft()
        self.values: dict[str, Expression] = {}
        self.unstable: list[Unstable] = []
        self._bounds = bounds
        self._relu = relu
        self._least = DROPPED if isinstance(relu, Triangle) else MERGED
        self._readers = readers

    def columns(self, lower: Array, upper: Array) -> Expression:
        """Return new columns as values."""
        size = lower.size
        made = self.draft.columns(lower, upper)
        return Expression(made, lower, upper, np.eye(size), np.zeros(size), np.zeros(size))

    def encode(self, node: Node) -> Expression:
        """Return the values of a node whose sources were all encoded."""
        read = [self.values[name] for name in node.sources]
        match node.layer:
            case Affine(operator=operator, bias=bias):
                return composed(operator, bias, read[0])
            case Piecewise() as layer:
                return self._piecewise(node, layer, read[0])
            case Sum():
                return summed(read)
            case Concat(sizes=sizes):
                ends = np.cumsum(sizes)
                rows = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
                spread = zip(read, rows, strict=True)
                return summed([value.put(row, node.size) for value, row in spread])
            case Select(indices=indices):
                return read[0].take(indices)
            case Quantize():
                raise rounding_refused("a mixed-integer program", node.name)
            case Input():
                raise InputError(f"{node.name} is a second input")
            case _ as never:
                assert_never(never)

    def _bound(self, name: str) -> tuple[Array, Array]:
        if name not in self._bounds:
            raise InputError(f"{name} has no bounds: give them for every node before the target")
        return self._bounds[name]

    def _piecewise(self, node: Node, layer: Piecewise, source: Expression) -> Expression:
        lower, upper = _checked(*self._bound(node.sources[0]), node)
        relu, phase = layer.state == int(State.RELU), phases(lower, upper)
        open_ = relu & (phase == int(Phase.UNSTABLE))
        shut = open_ & (upper <= self._least)
        past = open_ & ~shut & (lower >= -self._least)
        split = np.flatnonzero(open_ & ~shut & ~past)
        if split.size == node.size:
            return self._relus(node.name, split, source, lower, upper)
        passing = np.where(relu, phase == int(Phase.ACTIVE), layer.state != int(State.ZERO))
        kept, values = np.flatnonzero(passing | past), []
        if split.size:
            made = self._relus(node.name, split, source.take(split), lower[split], upper[split])
            values.append(made.put(split, node.size))
        if kept.size or not split.size:
            linear = layer.state[kept] == int(State.LINEAR)
            slope = np.where(linear, layer.slope[kept], 1.0)
            passed = scaled(source.take(kept), slope, layer.intercept[kept])
            passed = loosened(passed, np.where(past, -lower, 0.0)[kept])
            if self._fills(node.name, passed):
                low, high = _checked(*self._bound(node.name), node)
                passed = self._materialised(passed, low[kept], high[kept])
            values.append(passed.put(kept, node.size))
        return loosened(summed(values), np.where(shut, upper, 0.0))

    def _fills(self, name: str, passed: Expression) -> bool:
        """Return whether columns for these neurons make fewer entries than substituting them."""
        kept, support = passed.matrix.shape
        rows = 0
        for reader in self._readers[name]:
            lower, upper = self._bound(reader)
            rows += int(np.count_nonzero((lower < 0) & (upper > 0)))
        return bool(rows * (support - kept) > kept * support)

    def _materialised(self, value: Expression, lower: Array, upper: Array) -> Expression:
        made, value = self.columns(lower, upper), trimmed(value, self._least)
        rows = affine(value.matrix, value.columns, value.constant, made.columns, error=value.error)
        self.draft.add(rows)
        return made

    def _relus(
        self, name: str, which: NDArray[np.int64], z: Expression, lower: Array, upper: Array
    ) -> Expression:
        none, z = np.zeros(which.size), trimmed(z, self._least)
        output = self.columns(none, upper)
        positive, negative = output.columns, self.draft.columns(none, -lower)
        self.draft.add(affine(z.matrix, z.columns, z.constant, positive, negative, z.error))
        node, phase = (name,) * which.size, np.zeros(0, np.int32)
        if isinstance(self._relu, Triangle):
            row = self.draft.add(triangle(positive, negative, lower, upper))
        else:
            phase = self.draft.columns(none, none + 1.0, integer=True)
            row = self.draft.add(big_m(positive, negative, phase, lower, upper))[: which.size]
        self.unstable.append(Unstable(node, which, positive, negative, phase, row))
        if isinstance(self._relu, Partitioned):
            self._partition(z, positive, negative, phase, self._relu.count)
        return output

    def _partition(
        self, z: Expression, positive: Index, negative: Index, phase: Index, count: int
    ) -> None:
        """Spread each neuron over parts of equally many inputs, in the order of their weights."""
        count = max(1, min(count, z.columns.size))
        tiny = np.abs(z.constant) <= self._least
        spare = np.where(tiny, np.abs(z.constant), 0.0)
        z = loosened(z.over(z.matrix, np.where(tiny, 0.0, z.constant), z.error), spare)
        rank = np.argsort(np.argsort(z.matrix, axis=1, kind="stable"), axis=1, kind="stable")
        group = rank * count // max(1, z.columns.size)
        low, high, unit = _part_bounds(z, group, count)
        ends = np.minimum(low, 0.0) / unit, np.maximum(high, 0.0) / unit
        on, off = (
            self.draft.columns(ends[0].ravel(), ends[1].ravel()).reshape(low.shape)
            for _ in range(2)
        )
        self.draft.add(parts(z.matrix, z.columns, group, on, off, z.error, unit))
        self.draft.add(partitioned(positive, negative, phase, on, off, z.constant, low, high, unit))


def _part_bounds(z: Expression, group: NDArray[np.int64], count: int) -> tuple[Array, Array, Array]:
    """Return outward-rounded bounds ``(size, count)`` of each part's sum of ``matrix x``.

    And a power of two of the sum's magnitude: in this unit its coefficients are moderate.
    """
    member = group[:, None, :] == np.arange(count)[None, :, None]
    ends = np.stack([z.matrix * z.lower, z.matrix * z.upper])
    lower = np.where(member, ends.min(axis=0)[:, None, :], 0.0).sum(axis=2)
    upper = np.where(member, ends.max(axis=0)[:, None, :], 0.0).sum(axis=2)
    reach = np.where(member, np.abs(ends).max(axis=0)[:, None, :], 0.0).sum(axis=2)
    slack = np.where(reach > 0.0, gamma(z.columns.size + 1) * reach * SLACK + UNDERFLOW, 0.0)
    slack[:, 0] += z.error * SLACK
    lower, upper = lower - slack * SLACK, upper + slack * SLACK
    unit = np.ldexp(1.0, np.frexp(np.maximum(reach, MERGED))[1])
    # A bound that is a coefficient too small for solvers is moved outward.
    least = MERGED * unit
    lower = np.where(np.abs(lower) < least, np.where(lower < 0.0, -least, 0.0), lower)
    upper = np.where(np.abs(upper) < least, np.where(upper > 0.0, least, 0.0), upper)
    return lower, upper, unit
