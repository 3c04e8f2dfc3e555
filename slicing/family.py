"""The family: the simplified networks of all cells of a region, in little more than one network.

A simplified network differs from the original in what some of its neurons compute, before its
weights are folded. So the family holds the original once, and of each cell a code of 2 bits a
neuron and the slopes and intercepts of its LINEAR neurons; see `codes.py`. The network of a cell is
the linearised network of its plan, bit for bit, and what was proved of that is proved of this. A
cell without a result has the original's code, and a mark that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError, InputError, NetworkError, RegionError
from ..engine.layers import Affine, Concat, Input, Layer, Piecewise, Select, State, Sum
from ..engine.network import Network
from ..engine.operators import Operator
from ..engine.region import Region
from ..redundancy.relus import activations
from .codes import Codes, Gatherer
from .slices import Slices


class Mark(IntEnum):
    """What a cell's network is."""

    SIMPLIFIED = 0
    """What was found for the cell, even if that is the original."""
    FAILED = 1
    """The original: the work on the cell failed."""
    LATE = 2
    """The original: the work on the cell was not done in its time."""
    QUARANTINED = 3
    """The original: the cell's work killed its workers."""
    MISSING = 4
    """The original: nothing is known of the cell."""


@dataclass(frozen=True, eq=False)
class Family:
    """A network for each cell of a region.

    Attributes:
        base: the original network.
        slices: the cells.
        codes: what each cell's neurons compute.
        mark: ``(cells,)`` uint8, a `Mark` each.
        said: what its maker says of it, such as what was asked of each cell and what was proved; in
            words of JSON, of which nothing is checked.
    """

    base: Network
    slices: Slices
    codes: Codes
    mark: NDArray[np.uint8]
    said: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slices.whole.fit(self.base)
        sizes = tuple(node.size for node in self.base.piecewise)
        if self.codes.sizes != sizes:
            raise FormatError(
                f"the codes are of layers of {list(self.codes.sizes)} neurons, the network "
                f"{self.base.origin.path} has layers of {list(sizes)}"
            )
        count = self.slices.count
        if not (self.codes.cells == self.mark.size == count) or self.mark.ndim != 1:
            raise FormatError(
                f"codes of {self.codes.cells} cells and marks of shape {list(self.mark.shape)}: "
                f"the region is cut into {count}"
            )
        if self.mark.dtype != np.uint8 or int(self.mark.max(initial=0)) > max(Mark):
            raise FormatError("a cell has a mark that is none")
        self.mark.setflags(write=False)

    @property
    def count(self) -> int:
        """Number of cells."""
        return self.slices.count

    def __len__(self) -> int:
        return self.count

    def marked(self, mark: Mark) -> NDArray[np.int64]:
        """Return the cells with a mark."""
        return np.flatnonzero(self.mark == mark)

    @cached_property
    def removed(self) -> NDArray[np.int64]:
        """``(cells, layers)`` neurons that are no ReLUs in a cell and are in the original."""
        own = [int((activations(node).state != State.RELU).sum()) for node in self.base.piecewise]
        return self.codes.removed() - np.array(own, dtype=np.int64)

    def materialise(self, cell: int) -> Network:
        """Return the network of a cell, its linearised neurons still in place; see `folded.py`.

        Raises:
            RegionError: there is no such cell.
        """
        self._has(cell)
        own: dict[str, Layer] = {
            node.name: layer
            for node, layer in zip(self.base.piecewise, self.codes.of(cell), strict=True)
            if not activations(node).same(layer)
        }
        return self.base.with_layers(own) if own else self.base

    def region(self, cell: int) -> Region:
        """Return a cell, a closed box with exact limits.

        Raises:
            RegionError: there is no such cell.
        """
        return self.slices.region(cell)

    def _has(self, cell: int) -> None:
        if not 0 <= cell < self.count:
            raise RegionError(
                f"the family has {self.count} cells: there is no cell {cell}; give a number from 0 "
                f"to {self.count - 1}"
            )


class FamilyWriter:
    """A family on its way in, cell after cell, in any order; what never comes is MISSING.

    It takes no more memory than the cells' records, and the order leaves no trace in the family.
    """

    def __init__(
        self, base: Network, slices: Slices, said: Mapping[str, object] | None = None
    ) -> None:
        """Begin with no cell known.

        Args:
            base: the original network.
            slices: the cells.
            said: what is to be said of the family, in words of JSON.

        Raises:
            RegionError: the slices are of another number of inputs.
        """
        slices.whole.fit(base)
        self.base, self.slices, self.said = base, slices, dict(said or {})
        self._first = [activations(node) for node in base.piecewise]
        self._codes = Gatherer([node.size for node in base.piecewise], slices.count)
        self._mark = np.full(slices.count, Mark.MISSING, np.uint8)
        self._known = np.zeros(slices.count, np.bool_)

    def add(self, cell: int, network: Network) -> None:
        """Take the linearised network of a cell's plan, or of the head that was simplified.

        Args:
            cell: its number.
            network: the original with other activations; or its layers up to some one.

        Raises:
            NetworkError: it is not the original with other activations.
            InputError: the cell is already known, or is none.
        """
        own = {node.name: node for node in network.nodes}
        for name, node in own.items():
            if name not in self.base.by_name or not _alike(
                node.layer, self.base.by_name[name].layer, node.sources, self._sources(name)
            ):
                raise NetworkError(
                    f"cell {cell}: layer {name} is not that of {self.base.origin.path}: give a "
                    "plan's linearised network, before its weights are folded"
                )
        layers = [
            activations(own[node.name]) if node.name in own else first
            for node, first in zip(self.base.piecewise, self._first, strict=True)
        ]
        self.add_layers(cell, layers)

    def add_records(self, codes: Mapping[int, bytes]) -> None:
        """Take the codes of cells by their numbers, as `codes.record` gives them.

        Raises:
            FormatError: one is the code of other layers.
            InputError: a cell is already known, or is none.
        """
        for cell in codes:
            self._once(cell, Mark.SIMPLIFIED)
        self._codes.put_records(np.array(list(codes), np.int64), list(codes.values()))

    def add_layers(self, cell: int, layers: Sequence[Piecewise]) -> None:
        """Take the activations of a cell, one for each of the original's layers of them.

        Raises:
            InputError: they are of other sizes; the cell is already known, or is none.
        """
        sizes = tuple(layer.size for layer in layers)
        if sizes != self._codes.sizes:
            raise InputError(
                f"cell {cell}: layers of {list(sizes)} neurons, the network has layers of "
                f"{list(self._codes.sizes)}"
            )
        self._once(cell, Mark.SIMPLIFIED)
        self._codes.put(cell, layers)

    def add_phases(self, cells: NDArray[np.int64], states: NDArray[np.int8]) -> None:
        """Take the states of many cells' neurons at once, where none is LINEAR.

        Args:
            cells: ``(cells,)`` numbers.
            states: ``(cells, neurons)`` RELU, ZERO or IDENTITY, layer after layer.

        Raises:
            InputError: another number of neurons, or another state; a cell is already known, or is
                none.
        """
        neurons = sum(self._codes.sizes)
        if states.shape != (len(cells), neurons):
            raise InputError(
                f"states of shape {list(states.shape)} for {len(cells)} cells: give {neurons} of "
                "each"
            )
        if not np.isin(states, (State.RELU, State.ZERO, State.IDENTITY)).all():
            raise InputError("a state is none of RELU, ZERO, IDENTITY: add such cells one by one")
        for cell in cells.tolist():
            self._once(cell, Mark.SIMPLIFIED)
        self._codes.put_phases(cells, states)

    def miss(self, cell: int, mark: Mark) -> None:
        """Leave a cell the original network, and say why.

        Raises:
            InputError: the cell is already known, or is none; the mark says that it has a result.
        """
        if mark is Mark.SIMPLIFIED:
            raise InputError(f"cell {cell}: a cell without a network has none that is simplified")
        self._once(cell, mark)

    def finish(self) -> Family:
        """Return the family."""
        self._codes.put(np.flatnonzero(self._mark != Mark.SIMPLIFIED), self._first)
        codes = self._codes.finish()
        return Family(self.base, self.slices, codes, self._mark.copy(), self.said)

    def _sources(self, name: str) -> tuple[str, ...]:
        return self.base.by_name[name].sources

    def _once(self, cell: int, mark: Mark) -> None:
        if not 0 <= cell < self.slices.count:
            raise InputError(f"there is no cell {cell}: they go from 0 to {self.slices.count - 1}")
        if self._known[cell]:
            raise InputError(f"cell {cell} came twice: give every cell once")
        self._known[cell], self._mark[cell] = True, mark


def family_of(
    base: Network,
    slices: Slices,
    results: Iterable[tuple[int, Network | bytes | Mark]],
    said: Mapping[str, object] | None = None,
) -> Family:
    """Return the family of a network's cells.

    Args:
        base: the original network.
        slices: the cells.
        results: number and linearised network, or code, or why there is none; each cell at most
            once, in any order.
        said: what is to be said of the family, in words of JSON.

    Raises:
        InputError: a cell that came twice, or is none.
        NetworkError: a network that is not the original with other activations.
        FormatError: the code of another network.
    """
    writer = FamilyWriter(base, slices, said)
    for cell, result in results:
        match result:
            case Network():
                writer.add(cell, result)
            case Mark():
                writer.miss(cell, result)
            case _:
                writer.add_records({cell: result})
    return writer.finish()


def _alike(one: Layer, two: Layer, sources: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Return whether two layers compute the same, activations aside, from the same layers."""
    if sources != others:
        return False
    match one, two:
        case Piecewise(), Piecewise():
            return one.size == two.size
        case Affine(), Affine():
            return _same_operator(one.operator, two.operator) and np.array_equal(one.bias, two.bias)
        case Select(), Select():
            return one.size_in == two.size_in and np.array_equal(one.indices, two.indices)
        case ((Input() | Sum() | Concat()), _):
            return one == two
        case _:
            return False


def _same_operator(one: Operator, two: Operator) -> bool:
    """Return whether two operators are equal, number by number."""
    if one is two:
        return True
    if type(one) is not type(two) or not np.array_equal(one.weight, two.weight):
        return False
    names = [part.name for part in fields(one) if part.name != "weight"]
    return all(getattr(one, name) == getattr(two, name) for name in names)
