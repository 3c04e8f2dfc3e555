"""The merged network of two networks: one input, both computed side by side, then rows of both.

What is equal bit for bit is computed once: leading layers, and in chains every neuron of the second
network that has the weights, the bias and the activation of a neuron of the first, in whatever
place. Chains of affine and piecewise layers are merged layer by layer with block-diagonal weights;
the shorter one is carried on by IDENTITY neurons with weight 1, which is exact. Other graphs stand
side by side.

Source: S. Mo, A. Nejati et al. 2024, theorem 1 (merged network and comparison layer).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .equal import equal
from .errors import InputError
from .network import (
    Affine,
    Concat,
    Layer,
    Network,
    Node,
    Origin,
    Piecewise,
    Select,
    State,
)
from .operators import Convolution, Dense
from .rounding import Array
from .stages import Stages

Indices = NDArray[np.int64]
Dtype = Literal["float16", "float32", "float64"]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where the values of a node stand in the merged network.

    Attributes:
        node: name of a node of the merged network.
        indices: ``(size,)`` which of its values they are, in the order of the original node.
    """

    node: str
    indices: Indices


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Two networks as one.

    Attributes:
        network: its outputs are the rows asked for; without rows, ``f - g``.
        first: for every node of the first network f the place of its values.
        second: the same for the second network g.
    """

    network: Network
    first: Mapping[str, Place]
    second: Mapping[str, Place]

    def lift(self, point: Sequence[Fraction]) -> tuple[Fraction, ...]:
        """Return the input of both networks for an input of the merged one: they are shared."""
        return tuple(point)


def merge(first: Network, second: Network) -> Merged:
    """Return the network that computes ``f - g``, output by output, exactly.

    Args:
        first: f.
        second: g.

    Raises:
        InputError: networks with other numbers of inputs or outputs.
    """
    fits(first, second)
    size = first.size_out
    return asked(first, second, np.eye(size), -np.eye(size), np.zeros(size))


def asked(first: Network, second: Network, left: Array, right: Array, bias: Array) -> Merged:
    """Return the network that computes ``L f + R g + b`` exactly, for rows over both outputs.

    Args:
        first: f.
        second: g; may have another number of outputs.
        left: ``L``, ``(rows, outputs of f)`` float64.
        right: ``R``, ``(rows, outputs of g)`` float64.
        bias: ``b``, ``(rows,)``.

    Raises:
        InputError: networks with other numbers of inputs; rows of another length; an output that
            both networks share whose two coefficients have no exact sum.
    """
    if first.size_in != second.size_in:
        raise InputError(_differ(first, second, "inputs", first.size_in, second.size_in))
    for name, rows, network in (("left", left, first), ("right", right, second)):
        if rows.shape != (bias.size, network.size_out):
            raise InputError(
                f"the {name} rows have the shape {rows.shape}: give {bias.size} rows of "
                f"{network.size_out} numbers, one for each output of {network.origin.path}"
            )
    work = _Work(first, second)
    if work.chains:
        work.side_by_layers()
    else:
        work.side_by_nodes()
    return work.finish(left, right, bias)


def fits(first: Network, second: Network) -> None:
    """Check that two networks can be compared output by output.

    Raises:
        InputError: networks with other numbers of inputs or outputs.
    """
    if first.size_in != second.size_in:
        raise InputError(_differ(first, second, "inputs", first.size_in, second.size_in))
    if first.size_out != second.size_out:
        raise InputError(_differ(first, second, "outputs", first.size_out, second.size_out))


def align(first: Stages, second: Stages) -> tuple[tuple[int, int], ...] | None:
    """Return which stages correspond, so that bounds of differences apply to them.

    Args:
        first: the staged form of f.
        second: the staged form of g.

    Returns:
        Pairs of stages (of f, of g) from the input to the output, if both are chains of stages
        with the same sizes; None otherwise.
    """
    if len(first.stages) != len(second.stages):
        return None
    for place, (one, other) in enumerate(zip(first.stages, second.stages, strict=True)):
        sources = [place - 1] if place else []
        if one.size != other.size:
            return None
        if any([edge.source for edge in stage.edges] != sources for stage in (one, other)):
            return None
    return tuple((place, place) for place in range(len(first.stages)))


def _differ(first: Network, second: Network, what: str, one: int, other: int) -> str:
    return (
        f"{first.origin.path} has {one} {what}, {second.origin.path} has {other}: two networks are "
        f"compared on the same {what}; take another pair"
    )


@dataclass(frozen=True, slots=True)
class _Slot:
    """An affine layer and the activations after it; either may be absent in a chain."""

    affine: Node | None
    kinks: Node | None


class _Work:
    """The nodes made so far and the places of both networks' values in them."""

    def __init__(self, first: Network, second: Network) -> None:
        self.first, self.second = first, second
        self.nodes: list[Node] = [first.input]
        self.places: tuple[dict[str, Place], dict[str, Place]] = ({}, {})
        whole = np.arange(first.size_in)
        self.places[0][first.input.name] = Place(first.input.name, whole)
        self.places[1][second.input.name] = Place(first.input.name, whole)
        taken = {node.name for network in (first, second) for node in network.nodes}
        self.prefix = "pair"
        while any(name.startswith(self.prefix) for name in taken):
            self.prefix += "_"
        self.chains = _chain(first) and _chain(second)

    def add(self, name: str, layer: Layer, *sources: str) -> str:
        """Make a node of the merged network and return its name."""
        self.nodes.append(Node(f"{self.prefix}.{name}", layer, sources))
        return self.nodes[-1].name

    def side_by_layers(self) -> None:
        """Merge two chains layer by layer."""
        ours, theirs = list(self.first.nodes[1:]), list(self.second.nodes[1:])
        shared = 0
        for one, other in zip(ours, theirs, strict=False):
            if not equal(one.layer, other.layer):
                break
            self.nodes.append(one)
            whole = Place(one.name, np.arange(one.size))
            self.places[0][one.name] = self.places[1][other.name] = whole
            shared += 1
        now = [ours[shared - 1].name, theirs[shared - 1].name] if shared else []
        at = [self.places[side][name] for side, name in enumerate(now)]
        at = at or [self.places[0][self.first.input.name]] * 2
        slots = zip_longest(_slots(ours[shared:]), _slots(theirs[shared:]))
        for number, pair in enumerate(slots, start=1):
            both = [_Slot(None, None) if slot is None else slot for slot in pair]
            for kind, step in (("affine", self._affine), ("kinks", self._kinks)):
                found = [getattr(slot, kind) for slot in both]
                if any(node is not None for node in found):
                    at = step(number, found, at)
                for side, node in enumerate(found):
                    if node is not None:
                        self.places[side][node.name] = at[side]

    def _affine(self, number: int, found: list[Node | None], at: list[Place]) -> list[Place]:
        """Make one affine layer of both networks' layers; an absent one carries values on."""
        source = at[0].node
        width = next(node.size for node in self.nodes if node.name == source)
        weights, biases = [], []
        for node, place in zip(found, at, strict=True):
            if node is None:
                matrix, bias = np.eye(place.indices.size), np.zeros(place.indices.size)
            else:
                assert isinstance(node.layer, Affine)
                matrix, bias = node.layer.operator.matrix(), node.layer.bias
            spread = np.zeros((bias.size, width))
            spread[:, place.indices] = matrix
            weights.append(spread + 0.0)
            biases.append(bias + 0.0)
        keys = [
            [(row.tobytes(), float(shift)) for row, shift in zip(weight, bias, strict=True)]
            for weight, bias in zip(weights, biases, strict=True)
        ]
        fresh, places = _distinct(keys)
        weight = np.concatenate([weights[0], weights[1][fresh]])
        bias = np.concatenate([biases[0], biases[1][fresh]])
        name = self.add(f"affine{number}", Affine(Dense(weight), bias), source)
        return [Place(name, indices) for indices in places]

    def _kinks(self, number: int, found: list[Node | None], at: list[Place]) -> list[Place]:
        """Make one layer of both networks' activations; an absent one carries values on."""
        layers = [
            _identities(place.indices.size) if node is None else node.layer
            for node, place in zip(found, at, strict=True)
        ]
        keys = []
        for layer, place in zip(layers, at, strict=True):
            assert isinstance(layer, Piecewise)
            columns = (place.indices, layer.state, layer.slope, layer.intercept)
            keys.append(list(zip(*(column.tolist() for column in columns), strict=True)))
        fresh, places = _distinct(keys)
        rows = keys[0] + [keys[1][row] for row in fresh]
        source, picks = at[0].node, np.array([row[0] for row in rows], dtype=np.int64)
        size = next(node.size for node in self.nodes if node.name == source)
        if not np.array_equal(picks, np.arange(size)):
            source = self.add(f"select{number}", Select(picks, size), source)
        state = np.array([row[1] for row in rows], dtype=np.int8)
        slope, intercept = (np.array([row[of] for row in rows]) for of in (2, 3))
        name = self.add(f"kinks{number}", Piecewise(state, slope, intercept), source)
        return [Place(name, indices) for indices in places]

    def side_by_nodes(self) -> None:
        """Copy both graphs; a node that equals one of the first network is not copied."""
        for node in self.first.nodes[1:]:
            self.nodes.append(node)
            self.places[0][node.name] = Place(node.name, np.arange(node.size))
        readers: dict[tuple[str, ...], list[Node]] = {}
        for node in self.first.nodes[1:]:
            readers.setdefault(node.sources, []).append(node)
        for node in self.second.nodes[1:]:
            sources = tuple(self.places[1][name].node for name in node.sources)
            twins = readers.get(sources, [])
            twin = next((one.name for one in twins if equal(one.layer, node.layer)), None)
            if twin is None:
                twin = f"{self.prefix}.{node.name}"
                self.nodes.append(replace(node, name=twin, sources=sources))
            self.places[1][node.name] = Place(twin, np.arange(node.size))

    def finish(self, left: Array, right: Array, bias: Array) -> Merged:
        """Add the rows over both outputs and return the network."""
        outputs = [self.places[0][self.first.output], self.places[1][self.second.output]]
        name, sizes = outputs[0].node, {node.name: node.size for node in self.nodes}
        width = sizes[name]
        if outputs[1].node != name:
            other = outputs[1]
            name = self.add("both", Concat((width, sizes[other.node])), name, other.node)
            outputs[1] = Place(name, other.indices + width)
            width += sizes[other.node]
        rows = np.zeros((bias.size, width))
        rows[:, outputs[0].indices] = left
        for row, column, value in zip(
            *np.nonzero(right), right[np.nonzero(right)].tolist(), strict=True
        ):
            at = outputs[1].indices[column]
            total = rows[row, at] + value
            if Fraction(float(rows[row, at])) + Fraction(value) != Fraction(float(total)):
                raise InputError(
                    f"row {row}: the coefficients {rows[row, at]} and {value} of an output that "
                    "both networks share have no exact sum: take numbers with fewer digits"
                )
            rows[row, at] = total
        last = self.add("rows", Affine(Dense(rows), bias), name)
        normal = self.first.normalisation
        network = Network(tuple(self.nodes), last, self._origin(), normal)
        kept = [
            MappingProxyType(
                {n: place for n, place in side.items() if place.node in network.by_name}
            )
            for side in self.places
        ]
        return Merged(network, kept[0], kept[1])

    def _origin(self) -> Origin:
        """Return an origin whose element type holds only inputs that both files can be given."""
        kinds: tuple[Dtype, ...] = ("float16", "float32", "float64")
        ours, theirs = self.first.origin, self.second.origin
        dtype = min(ours.dtype, theirs.dtype, key=kinds.index)
        return Origin(f"{ours.path} and {theirs.path}", "built", "", dtype)


def _chain(network: Network) -> bool:
    """Return whether the network is affine and piecewise layers in a row, none a convolution."""
    for before, node in zip(network.nodes, network.nodes[1:], strict=False):
        plain = isinstance(node.layer, Piecewise) or (
            isinstance(node.layer, Affine) and not isinstance(node.layer.operator, Convolution)
        )
        if not plain or node.sources != (before.name,):
            return False
    return True


def _slots(nodes: Sequence[Node]) -> list[_Slot]:
    """Return the layers as pairs of an affine layer and the activations after it."""
    slots: list[_Slot] = []
    for node in nodes:
        last = slots[-1] if slots else None
        if isinstance(node.layer, Affine):
            slots.append(_Slot(node, None))
        elif last is not None and last.kinks is None:
            slots[-1] = replace(last, kinks=node)
        else:
            slots.append(_Slot(None, node))
    return slots


def _distinct(keys: Sequence[Sequence[object]]) -> tuple[list[int], list[Indices]]:
    """Return which neurons of the second network are new, and both networks' places.

    The neurons of the first network keep their order; the new ones of the second follow.
    """
    known = {key: place for place, key in reversed(list(enumerate(keys[0])))}
    fresh: list[int] = []
    at: list[int] = []
    for place, key in enumerate(keys[1]):
        if place < len(keys[0]) and keys[0][place] == key:
            at.append(place)
            continue
        if key not in known:
            known[key] = len(keys[0]) + len(fresh)
            fresh.append(place)
        at.append(known[key])
    return fresh, [np.arange(len(keys[0])), np.array(at, dtype=np.int64)]


def _identities(size: int) -> Piecewise:
    return Piecewise(np.full(size, State.IDENTITY, np.int8), np.zeros(size), np.zeros(size))
