"""The networks of a lemma as one graph over one vector of inputs, in an order that pairs twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from .form import Lemma, Line, Row, Subject, Value
from .model import Affine, Concat, FormatError, Input, Model, Relu, Select, Sum

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LARGEST = 2**53
"""Whole coefficients of a row up to this are exact in float64."""


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """Neurons, each a ReLU or a line.

    Attributes:
        source: node.
        relu: ``(size,)`` whether it is a ReLU.
        slope, intercept: ``(size,)`` of the line where it is none; 0 elsewhere.
    """

    source: int
    relu: NDArray[np.bool_]
    slope: Array
    intercept: Array


Node = Input | Affine | Activation | Sum | Concat | Select


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two activations of equal size, and which neuron of the second belongs to each of the first.

    Attributes:
        first, second: nodes; second comes right after all that first waits for.
        order: ``(size,)`` neurons of the second.
    """

    first: int
    second: int
    order: Index


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """Nodes in an order in which each reads earlier ones alone; node 0 is the vector of inputs.

    Attributes:
        nodes: all of them.
        sizes: of their values.
        pairs: twins; each activation is in one at most.
        order: of the nodes, twins one after the other.
        places: for each subject the node of each layer by name, and of the outputs by None.
    """

    nodes: tuple[Node, ...]
    sizes: tuple[int, ...]
    pairs: tuple[Pair, ...]
    order: tuple[int, ...]
    places: tuple[dict[str | None, int], ...]

    def place(self, value: Value) -> tuple[int, int]:
        """Return the node and the index of a value; raise FormatError where there is none."""
        if not 0 <= value.subject < len(self.places):
            raise FormatError(f"value of network {value.subject}: there is none")
        node = self.places[value.subject].get(value.node)
        if node is None:
            raise FormatError(f"value of layer {value.node!r}: network {value.subject} has none")
        if not 0 <= value.index < self.sizes[node]:
            raise FormatError(
                f"value {value.index} of layer {value.node!r}: it has {self.sizes[node]}"
            )
        return node, value.index


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A row with whole coefficients, as the pass backwards begins with it.

    Attributes:
        coefficients: ``(size,)`` whole float64 numbers, by node.
        constant: exact; of the row times what made its coefficients whole.
    """

    coefficients: dict[int, Array]
    constant: Fraction


def system_of(lemma: Lemma, models: Sequence[Model]) -> System:
    """Return the graph of a lemma's networks.

    Args:
        lemma: says which networks there are, and which layers are twins.
        models: of its files.

    Raises:
        FormatError: it speaks of what is not there.
    """
    size = len(lemma.lower)
    nodes: list[Node] = [Input(size)]
    sizes = [size]
    places: list[dict[str | None, int]] = []
    for subject in lemma.subjects:
        if not 0 <= subject.file < len(models):
            raise FormatError(f"network of file {subject.file}: there are {len(models)} files")
        places.append(_add(nodes, sizes, subject, models[subject.file]))
    pairs = []
    paired: set[int] = set()
    for twins in lemma.twins:
        ends = []
        for at, name in (twins.first, twins.second):
            found = places[at].get(name) if 0 <= at < len(places) else None
            if found is None or not isinstance(nodes[found], Activation) or found in paired:
                raise FormatError(f"twin layer {name!r} of network {at}: no such activations")
            paired.add(found)
            ends.append(found)
        width = sizes[ends[0]]
        order = np.arange(width) if twins.order is None else np.array(twins.order, dtype=np.int64)
        if sizes[ends[1]] != width or sorted(order.tolist()) != list(range(width)):
            raise FormatError(f"twin layers {twins.first[1]!r} and {twins.second[1]!r} do not fit")
        pairs.append(Pair(ends[0], ends[1], order))
    return System(tuple(nodes), tuple(sizes), tuple(pairs), _ordered(nodes, pairs), tuple(places))


def start(system: System, row: Row) -> Start:
    """Return a row for the pass backwards, times a whole number.

    Raises:
        FormatError: its coefficients are too long for float64.
    """
    scale = lcm(*(value.denominator for value in (*row.inputs.values(), *row.values.values())))
    found: dict[int, Array] = {}

    def add(node: int, index: int, value: Fraction) -> None:
        whole = found.setdefault(node, np.zeros(system.sizes[node]))
        total = int(whole[index]) + int(value * scale)
        if abs(total) > LARGEST:
            raise FormatError("a row's coefficients need more than 53 bits")
        whole[index] = float(total)

    for index, value in row.inputs.items():
        if not 0 <= index < system.sizes[0]:
            raise FormatError(f"a row reads input {index}: there are {system.sizes[0]}")
        add(0, index, value)
    for name, value in row.values.items():
        add(*system.place(name), value)
    return Start(found, row.constant * scale)


def sources(node: Node) -> tuple[int, ...]:
    """Return what a node reads."""
    match node:
        case Input():
            return ()
        case Affine(source=source) | Activation(source=source) | Select(source=source):
            return (source,)
        case Sum(sources=found) | Concat(sources=found):
            return tuple(found)
        case _:
            assert_never(node)


def _add(
    nodes: list[Node], sizes: list[int], subject: Subject, model: Model
) -> dict[str | None, int]:
    """Add a network's nodes; return their places by name."""
    if len(subject.inputs) != model.sizes[0]:
        raise FormatError(f"{len(subject.inputs)} inputs are named for {model.sizes[0]}")
    if not all(0 <= index < sizes[0] for index in subject.inputs):
        raise FormatError(f"a network reads an input that is none of {sizes[0]}")
    moved: list[int] = []
    for at, node in enumerate(model.nodes):
        match node:
            case Input():
                made: Node = Select(0, np.array(subject.inputs, dtype=np.int64))
            case Affine(source=source, weight=weight, bias=bias):
                made = Affine(moved[source], weight, bias)
            case Relu(source=source):
                size = model.sizes[at]
                lines = [line for line in subject.lines if line.node == model.names[at]]
                made = _activation(moved[source], size, lines)
            case Sum(sources=several):
                made = Sum(tuple(moved[one] for one in several))
            case Concat(sources=several):
                made = Concat(tuple(moved[one] for one in several))
            case Select(source=source, indices=indices):
                made = Select(moved[source], indices)
            case _:
                assert_never(node)
        moved.append(len(nodes))
        nodes.append(made)
        sizes.append(model.sizes[at])
    places: dict[str | None, int] = dict(zip(model.names, moved, strict=True))
    for line in subject.lines:
        if line.node not in places or not isinstance(nodes[places[line.node]], Activation):
            raise FormatError(f"a line for layer {line.node!r}: there are no such activations")
    places[None] = moved[model.output]
    return places


def _activation(source: int, size: int, lines: Sequence[Line]) -> Activation:
    relu = np.ones(size, np.bool_)
    slope, intercept = np.zeros(size), np.zeros(size)
    for line in lines:
        if not 0 <= line.neuron < size or not relu[line.neuron]:
            raise FormatError(f"a line for neuron {line.neuron} of {line.node!r}, of {size}")
        if not (np.isfinite(line.slope) and np.isfinite(line.intercept)):
            raise FormatError(f"a line for neuron {line.neuron} of {line.node!r} is no number")
        relu[line.neuron] = False
        slope[line.neuron], intercept[line.neuron] = line.slope, line.intercept
    return Activation(source, relu, slope, intercept)


def _ordered(nodes: Sequence[Node], pairs: Sequence[Pair]) -> tuple[int, ...]:
    """Return the nodes in an order that keeps twins together.

    Raises:
        FormatError: one twin waits for the other.
    """
    group = list(range(len(nodes)))
    for pair in pairs:
        group[pair.second] = pair.first
    members: dict[int, list[int]] = {}
    for node, of in enumerate(group):
        members.setdefault(of, []).append(node)
    waits = {
        of: {group[source] for node in some for source in sources(nodes[node])} - {of}
        for of, some in members.items()
    }
    for pair in pairs:
        if pair.first in sources(nodes[pair.second]) or pair.second in sources(nodes[pair.first]):
            raise FormatError("a layer is the twin of one that it reads")
    done: set[int] = set()
    order: list[int] = []
    left = sorted(members)
    while left:
        ready = [of for of in left if waits[of] <= done]
        if not ready:
            raise FormatError("twin layers wait for each other")
        for of in ready:
            done.add(of)
            order.extend(members[of])
        left = [of for of in left if of not in done]
    return tuple(order)
