"""A network under change, and what its stored numbers lost on the way.

Every change here is an identity of real arithmetic, or it is taken down as a `Shift`: how far a
stored weight is from the one it stands for. A shift speaks of an *ideal* network that equals the
given one; so a choice that looks at weights, such as "this column is zero", must look at the
shift as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.exact import Exact, total
from ..engine.network import Affine, Concat, Network, Node, Piecewise, Sum
from ..engine.operators import Dense, Diagonal
from ..engine.rounding import SLACK, UNDERFLOW, float_above
from .block import Block, Lines, Reading, find_block, is_dense, lines
from .effect import Shift

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Weights ``(out, k)`` and the whole bias ``(out,)`` of a reader, and their shifts."""

    weight: Array
    bias: Array
    shift: Shift


class Draft:
    """The nodes of a network under change.

    Attributes:
        network: what was given.
        rounding: whether a weight may be rounded, with a shift to account for it.
        chain: whether a layer may only read the one before it.
        nodes: by name.
        shifts: of dense layers that were rounded.
        kept: for each `Piecewise` node that is left of the network given, which of its neurons.
    """

    def __init__(self, network: Network, *, rounding: bool, chain: bool) -> None:
        self.network, self.rounding, self.chain = network, rounding, chain
        self.nodes = {node.name: node for node in network.nodes}
        self.shifts: dict[str, Shift] = {}
        self.kept = {node.name: np.arange(node.size) for node in network.piecewise}

    def copy(self) -> Draft:
        """Return another draft in the same state."""
        other = Draft(self.network, rounding=self.rounding, chain=self.chain)
        other.become(self)
        return other

    def become(self, other: Draft) -> None:
        """Take over the state of another draft."""
        self.nodes, self.shifts, self.kept = dict(other.nodes), dict(other.shifts), dict(other.kept)

    def finish(self) -> Network:
        """Return the network as it stands."""
        self.prune()
        given = self.network
        return Network(tuple(self.nodes.values()), given.output, given.origin, given.normalisation)

    def prune(self) -> None:
        """Take out what the output no longer depends on."""
        needed, pending = {self.network.input.name}, [self.network.output]
        while pending:
            name = pending.pop()
            if name not in needed:
                needed.add(name)
                pending += self.nodes[name].sources
        self.nodes = {name: node for name, node in self.nodes.items() if name in needed}
        self.shifts = {name: shift for name, shift in self.shifts.items() if name in needed}
        self.kept = {name: kept for name, kept in self.kept.items() if name in needed}

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds of one evaluation."""
        layers = [node.layer for node in self.nodes.values() if isinstance(node.layer, Affine)]
        return sum(layer.operator.multiply_adds for layer in layers)

    def block(self, source: str) -> Block | None:
        """Return the block on a dense layer, if it is one and still there."""
        if source not in self.nodes or not is_dense(self.nodes[source]):
            return None
        return find_block(self.nodes, self.network.output, source)

    def lines(self, block: Block) -> Lines:
        """Return what a block's neurons compute; those with rows of zeros are constant."""
        return lines(self.nodes, block, ~self.moving(block.source))

    def moving(self, name: str) -> NDArray[np.bool_]:
        """Return which rows of a dense layer are not all zero, shifts counted."""
        weight = self.affine(name).operator.weight
        return np.asarray(weight.any(axis=1) | self.shifted_rows(name), dtype=np.bool_)

    def affine(self, name: str) -> Affine:
        """Return the layer of an affine node."""
        layer = self.nodes[name].layer
        assert isinstance(layer, Affine)
        return layer

    def layer(self, name: str) -> Piecewise:
        """Return the layer of a `Piecewise` node."""
        layer = self.nodes[name].layer
        assert isinstance(layer, Piecewise)
        return layer

    def shift(self, name: str) -> Shift:
        """Return the shift of a dense layer, of zeros where it has none."""
        weight = self.affine(name).operator.weight
        return self.shifts.get(name) or Shift(np.zeros(weight.shape), np.zeros(len(weight)))

    def shifted_rows(self, name: str) -> NDArray[np.bool_]:
        """Return which rows of a dense layer are not the ones they stand for."""
        shift = self.shift(name)
        return np.asarray(shift.weight.any(axis=1) | (shift.bias != 0), dtype=np.bool_)

    def columns(self, reading: Reading, size: int) -> tuple[Array, Array]:
        """Return a reader's columns for a block of that size, and their shifts."""
        place = slice(reading.start, reading.start + size)
        weight = self.affine(reading.reader).operator.weight
        return weight[:, place], self.shift(reading.reader).weight[:, place]

    def read(self, block: Block, reading: Reading) -> Part:
        """Return a reader's columns for a block, and its bias, with their shifts."""
        weight, shift = self.columns(reading, block.size)
        bias, lost = self.affine(reading.reader).bias, self.shift(reading.reader).bias
        return Part(weight, bias, Shift(shift, lost))

    def change(self, name: str, part: Part, source: str | None = None) -> None:
        """Give a dense node its weights, and another source if one is named."""
        layer = Affine(Dense(part.weight), part.bias)
        sources = (source,) if source is not None else self.nodes[name].sources
        shape = self.nodes[name].shape if self.nodes[name].size == layer.size else ()
        self.nodes[name] = Node(name, layer, sources, shape)
        self.shifts.pop(name, None)
        if part.shift.weight.any() or part.shift.bias.any():
            self.shifts[name] = part.shift

    def keep(self, block: Block, kept: Index) -> None:
        """Keep some neurons of a block, at least one, in their order; every weight as it is."""
        layer, old = self.affine(block.source), self.shift(block.source)
        shift = Shift(old.weight[kept], old.bias[kept])
        self.change(block.source, Part(layer.operator.weight[kept], layer.bias[kept], shift))
        for name in block.body:
            self.nodes[name] = replace(self.nodes[name], layer=self._some(name, kept), shape=())
            if name in self.kept:
                self.kept[name] = self.kept[name][kept]
        gone = np.setdiff1d(np.arange(block.size), kept)
        for reading in block.readings:
            layer, old = self.affine(reading.reader), self.shift(reading.reader)
            weight, lost = (
                np.delete(values, gone + reading.start, axis=1)
                for values in (layer.operator.weight, old.weight)
            )
            self.change(reading.reader, Part(weight, layer.bias, Shift(lost, old.bias)))
        for through in dict.fromkeys(reading.through for reading in block.readings):
            if through is not None:
                self._replace(through, block.tail, (block.tail,), (int(kept.size),))

    def _some(self, name: str, kept: Index) -> Affine | Piecewise | Sum:
        match self.nodes[name].layer:
            case Affine(operator=operator, bias=bias):
                return Affine(Diagonal(operator.weight[kept]), bias[kept])
            case Piecewise(state=state, slope=slope, intercept=intercept):
                return Piecewise(state[kept], slope[kept], intercept[kept])
            case _:
                return Sum(int(kept.size))

    def _replace(
        self, through: str, old: str, sources: tuple[str, ...], sizes: tuple[int, ...]
    ) -> None:
        """Let other nodes of the given sizes stand in a `Concat` where one stood."""
        node = self.nodes[through]
        assert isinstance(node.layer, Concat)
        at, was = node.sources.index(old), node.layer.sizes
        read = (*node.sources[:at], *sources, *node.sources[at + 1 :])
        self.nodes[through] = Node(through, Concat((*was[:at], *sizes, *was[at + 1 :])), read)

    def vanish(self, block: Block) -> None:
        """Let nobody read a block that nobody needs; its readers' columns count no longer."""
        fan_in = self.affine(block.source).operator.size_in
        direct = [reading for reading in block.readings if reading.through is None]
        out = sum(self.nodes[reading.reader].size for reading in direct)
        start = self.network.input
        alone = any(
            reading.through is not None and len(self.nodes[reading.through].sources) == 1
            for reading in block.readings
        )
        if alone or (direct and start.size * out > fan_in + out):
            self.keep(block, np.zeros(1, np.int64))
            rest = replace(block, size=1)
            for reading in rest.readings:
                weight, shift = (np.zeros((self.nodes[reading.reader].size, 1)) for _ in range(2))
                self.put_columns(rest, reading, weight, shift)
            empty = Shift(np.zeros((1, fan_in)), np.zeros(1))
            self.change(block.source, Part(np.zeros((1, fan_in)), np.zeros(1), empty))
            return
        for reading in block.readings:
            layer, old = self.affine(reading.reader), self.shift(reading.reader)
            if reading.through is None:
                zero = np.zeros((layer.size, start.size))
                self.change(
                    reading.reader, Part(zero, layer.bias, Shift(zero, old.bias)), start.name
                )
            else:
                gone = np.arange(block.size) + reading.start
                weight, lost = (
                    np.delete(v, gone, axis=1) for v in (layer.operator.weight, old.weight)
                )
                self.change(reading.reader, Part(weight, layer.bias, Shift(lost, old.bias)))
        for through in dict.fromkeys(reading.through for reading in block.readings):
            if through is not None:
                self._replace(through, block.tail, (), ())
        self.prune()

    def put_columns(self, block: Block, reading: Reading, columns: Array, shift: Array) -> None:
        """Replace a reader's columns for a block."""
        place = slice(reading.start, reading.start + block.size)
        layer, old = self.affine(reading.reader), self.shift(reading.reader)
        weight, lost = layer.operator.weight.copy(), old.weight.copy()
        weight[:, place], lost[:, place] = columns, shift
        self.change(reading.reader, Part(weight, layer.bias, Shift(lost, old.bias)))

    def gather(self, block: Block, into: Index, of: Index, factors: Exact) -> bool:
        """Add to the readers' columns `into` the columns `of`, by factors ``(of, into)``.

        Returns:
            False where that would need rounding and none is allowed: nothing is changed then.
        """
        steep = np.array([[float_above(abs(f)) for f in row] for row in factors.fractions()])
        found = []
        for reading in block.readings:
            weight, old = self.columns(reading, block.size)
            moved = Exact.of(weight[:, of])
            product = moved.numerators @ factors.numerators
            share = Exact(product, moved.denominator * factors.denominator)
            near, lost = more(weight[:, into], share, self.dtype)
            if not self.allowed(lost):
                return False
            carried = product_above(old[:, of], steep.reshape(of.size, into.size))
            columns, shift = weight.copy(), old.copy()
            columns[:, into] = near
            shift[:, into] = sum_above(lost, old[:, into], carried)
            found.append((reading, columns, shift))
        for reading, columns, shift in found:
            self.put_columns(block, reading, columns, shift)
        return True

    def divert(self, block: Block, kept: Index, branch: str, parts: Mapping[str, Part]) -> None:
        """Let readers read a branch instead of the neurons that are not kept.

        Args:
            block: whose neurons leave.
            kept: neurons that stay; where none does, the whole block goes.
            branch: the node to read besides.
            parts: for each reader its columns for the branch, and its bias.
        """
        if kept.size:
            self.keep(block, kept)
        layer, tail, joined = self.nodes[branch].layer, block.tail, branch
        names = self.nodes[branch].sources if isinstance(layer, Concat) else (branch,)
        sizes = tuple(self.nodes[name].size for name in names)
        if kept.size and any(reading.through is None for reading in block.readings):
            joined = self.name(f"{tail}/joined")
            both = Concat((int(kept.size), *sizes))
            self.nodes[joined] = Node(joined, both, (tail, *names))
        for reading in block.readings:
            part, old = parts[reading.reader], self.shift(reading.reader)
            first = reading.start + int(kept.size)
            last = first if kept.size else reading.start + block.size
            weight, lost = (
                np.concatenate([was[:, :first], new, was[:, last:]], axis=1)
                for was, new in (
                    (self.affine(reading.reader).operator.weight, part.weight),
                    (old.weight, part.shift.weight),
                )
            )
            mixed = Part(weight, part.bias, Shift(lost, part.shift.bias))
            self.change(reading.reader, mixed, joined if reading.through is None else None)
        for through in dict.fromkeys(reading.through for reading in block.readings):
            if through is not None:
                stay = (tail,) if kept.size else ()
                room = (int(kept.size),) if kept.size else ()
                self._replace(through, tail, (*stay, *names), (*room, *sizes))
        self.prune()

    def name(self, wanted: str) -> str:
        """Return a name that no node has or had."""
        while wanted in self.nodes or wanted in self.network.by_name:
            wanted += "'"
        return wanted

    @property
    def dtype(self) -> str:
        """Element type of what is stored."""
        return self.network.origin.dtype

    def allowed(self, *lost: Array) -> bool:
        """Return whether numbers may lose this much by being stored."""
        return all(np.isfinite(v).all() if self.rounding else not v.any() for v in lost)

    def fits(self, values: Array) -> NDArray[np.bool_]:
        """Return which numbers are of the element type."""
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(values.astype(self.dtype).astype(np.float64) == values)


def stored(values: Exact, dtype: str) -> tuple[Array, Array]:
    """Return the values rounded to an element type, and bounds on what the rounding lost.

    A value beyond the type's range loses infinitely much.
    """
    flat, over = values.numerators.ravel().tolist(), values.denominator
    with np.errstate(over="ignore", under="ignore"):
        near = np.array([_near(value, over) for value in flat]).astype(dtype).astype(np.float64)
    beyond = ~np.isfinite(near)
    near[beyond] = 0.0
    lost = np.array([_apart(v, over, f) for v, f in zip(flat, near.tolist(), strict=True)])
    lost[beyond] = np.inf
    shape = values.numerators.shape
    return near.reshape(shape), lost.reshape(shape)


def more(values: Array, share: Exact, dtype: str) -> tuple[Array, Array]:
    """Return ``values + share`` as stored, and what that lost; where the share is 0, the values.

    A number that nothing is added to stays, be it of the element type or not.
    """
    near, lost = stored(total([Exact.of(values), share]), dtype)
    same = share.signs() == 0
    return np.where(same, values, near), np.where(same, 0.0, lost)


def _near(value: int, over: int) -> float:
    try:
        return value / over
    except OverflowError:
        return np.inf


def _apart(value: int, over: int, near: float) -> float:
    """Return a bound on ``|value / over - near|``, zero only where it is zero.

    In integers: fractions would be brought to lowest terms again and again.
    """
    top, bottom = near.as_integer_ratio()
    apart = abs(value * bottom - top * over)
    return float_above(Fraction(apart, bottom * over)) if apart else 0.0


def product_above(first: Array, second: Array) -> Array:
    """Return a bound on the product of two matrices of bounds, zero only where it is zero."""
    some = (first > 0).astype(np.float64) @ (second > 0).astype(np.float64)
    return np.where(some > 0, (first @ second) * SLACK + UNDERFLOW, 0.0)


def times_above(first: Array, second: Array) -> Array:
    """Return a bound on the products of bounds, one by one, zero only where they are zero."""
    some = (first > 0) & (second > 0)
    return np.where(some, first * second * SLACK + UNDERFLOW, 0.0)


def sum_above(*parts: Array) -> Array:
    """Return a bound on the sum of bounds, exactly zero where all are."""
    plain = np.asarray(sum(parts[1:], start=parts[0]), dtype=np.float64)
    return np.where(plain > 0, plain * SLACK + UNDERFLOW, 0.0)
