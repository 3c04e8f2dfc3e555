"""The checker's own model of a network: six kinds of nodes, every number exactly the file's.

A number of a file is widened to float64 without rounding, and a node is the exact real function of
its numbers. What takes two steps in a file takes two nodes here, unless one says the same exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import lcm
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class FormatError(ValueError):
    """What a file or a certificate has wrong, in one line."""


@dataclass(frozen=True, slots=True)
class Input:
    """The inputs of a network.

    Attributes:
        size: number of them.
    """

    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """``weight source + bias``.

    Attributes:
        source: index of a node.
        weight: ``(out, in)`` float64, finite, read-only.
        bias: ``(out,)`` float64, finite, read-only.
    """

    source: int
    weight: Array
    bias: Array

    def __post_init__(self) -> None:
        for name, axes in (("weight", 2), ("bias", 1)):
            values = frozen(getattr(self, name), np.float64, axes, name)
            if not np.isfinite(values).all():
                raise FormatError(f"the {name} holds a number that is not finite: correct it")
            object.__setattr__(self, name, values)
        if len(self.weight) != len(self.bias):
            raise FormatError(f"{len(self.bias)} biases stand beside {len(self.weight)} rows")


@dataclass(frozen=True, slots=True)
class Relu:
    """``max(source, 0)`` for every neuron.

    Attributes:
        source: index of a node.
    """

    source: int


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of nodes of one size.

    Attributes:
        sources: indices of nodes; one may come twice.
    """

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Concat:
    """The values of nodes, one after the other.

    Attributes:
        sources: indices of nodes.
    """

    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """Some values of a node, in any order; one may come twice.

    Attributes:
        source: index of a node.
        indices: ``(out,)`` int64, at least 0, read-only.
    """

    source: int
    indices: Index

    def __post_init__(self) -> None:
        indices = frozen(self.indices, np.int64, 1, "list of indices")
        object.__setattr__(self, "indices", indices)


Node = Input | Affine | Relu | Sum | Concat | Select


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network; checked when it is built.

    Attributes:
        nodes: each reads earlier ones; the first, and no other, is the input.
        sizes: number of values of each node, at least 1.
        output: index of the node that holds the outputs.
        names: of the nodes, no two alike; a node that holds a tensor of the file bears its name.

    Raises:
        FormatError: nodes that do not fit together.
    """

    nodes: tuple[Node, ...]
    sizes: tuple[int, ...]
    output: int
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.nodes or not len(self.nodes) == len(self.sizes) == len(self.names):
            raise FormatError(
                f"a network of {len(self.nodes)} nodes has {len(self.sizes)} sizes and "
                f"{len(self.names)} names: give one of each for every node"
            )
        if len(set(self.names)) != len(self.names):
            raise FormatError("two nodes of a network have one name: rename one")
        for at, node in enumerate(self.nodes):
            if isinstance(node, Input) != (at == 0):
                raise FormatError(f"node {at}: the first node, and no other, is the input")
            size = size_of(node, self.sizes[:at])
            if size < 1 or size != self.sizes[at]:
                raise FormatError(f"node {at} has {size} values where {self.sizes[at]} are stated")
        if not 0 <= self.output < len(self.nodes):
            raise FormatError(f"the output is node {self.output} of {len(self.nodes)}")

    def evaluate(self, point: Sequence[Fraction]) -> list[list[Fraction]]:
        """Return the values of every node, without rounding.

        Args:
            point: a number for each input, network units.

        Raises:
            FormatError: a point of another size.
        """
        if len(point) != self.sizes[0]:
            raise FormatError(f"a point of {len(point)} numbers for {self.sizes[0]} inputs")
        values: list[list[Fraction]] = []
        for node in self.nodes:
            match node:
                case Input():
                    found = [Fraction(value) for value in point]
                case Affine(source=source, weight=weight, bias=bias):
                    found = _affine(weight, bias, values[source])
                case Relu(source=source):
                    found = [max(value, Fraction(0)) for value in values[source]]
                case Sum(sources=sources):
                    parts = [values[source] for source in sources]
                    found = [sum(each, Fraction(0)) for each in zip(*parts, strict=True)]
                case Concat(sources=sources):
                    found = list(chain.from_iterable(values[source] for source in sources))
                case Select(source=source, indices=indices):
                    found = [values[source][index] for index in indices.tolist()]
                case _:
                    assert_never(node)
            values.append(found)
        return values

    def floats(self, points: Array) -> list[Array]:
        """Return the values of every node, in float64 arithmetic and proving nothing.

        Args:
            points: ``(count, inputs)`` float64, network units.

        Returns:
            For each node ``(count, size)``; what overflows is infinite or NaN.

        Raises:
            FormatError: points of another size.
        """
        if points.ndim != 2 or points.shape[1] != self.sizes[0]:
            raise FormatError(f"points of shape {points.shape} for {self.sizes[0]} inputs")
        values: list[Array] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for node in self.nodes:
                match node:
                    case Input():
                        found = points.astype(np.float64)
                    case Affine(source=source, weight=weight, bias=bias):
                        found = values[source] @ weight.T + bias
                    case Relu(source=source):
                        found = np.maximum(values[source], 0.0)
                    case Sum(sources=sources):
                        found = np.sum([values[source] for source in sources], axis=0)
                    case Concat(sources=sources):
                        found = np.concatenate([values[source] for source in sources], axis=1)
                    case Select(source=source, indices=indices):
                        found = values[source][:, indices]
                    case _:
                        assert_never(node)
                values.append(found)
        return values


def size_of(node: Node, sizes: Sequence[int]) -> int:
    """Return the number of a node's values.

    Args:
        node: any.
        sizes: of the nodes before it.

    Raises:
        FormatError: it reads what is not before it, or values of a size that does not fit.
    """
    for source in sources_of(node):
        if not 0 <= source < len(sizes):
            raise FormatError(f"node {len(sizes)} reads node {source}, which is not before it")
    match node:
        case Input(size=size):
            return size
        case Affine(source=source, weight=weight):
            if weight.shape[1] != sizes[source]:
                raise FormatError(
                    f"a matrix for {weight.shape[1]} values reads {sizes[source]}: correct one"
                )
            return len(weight)
        case Relu(source=source):
            return sizes[source]
        case Sum(sources=sources):
            found = {sizes[source] for source in sources}
            if len(found) != 1:
                raise FormatError(f"a sum of nodes of the sizes {sorted(found)}: make them one")
            return found.pop()
        case Concat(sources=sources):
            return sum(sizes[source] for source in sources)
        case Select(source=source, indices=indices):
            if indices.size and not 0 <= indices.min() <= indices.max() < sizes[source]:
                raise FormatError(f"a selection reads beyond its {sizes[source]} values")
            return len(indices)
        case _:
            assert_never(node)


def sources_of(node: Node) -> tuple[int, ...]:
    """Return the indices of the nodes that a node reads."""
    match node:
        case Input():
            return ()
        case Affine(source=source) | Relu(source=source) | Select(source=source):
            return (source,)
        case Sum(sources=sources) | Concat(sources=sources):
            return sources
        case _:
            assert_never(node)


def frozen(values: NDArray[Any], dtype: type, axes: int, what: str) -> NDArray[Any]:
    """Return an array that nobody can write to; a copy, unless it is one already.

    Raises:
        FormatError: it has another element type or number of axes.
    """
    if values.dtype != dtype or values.ndim != axes:
        raise FormatError(
            f"the {what} has {values.ndim} axes of {values.dtype}, not {axes} of {np.dtype(dtype)}"
        )
    if values.flags.writeable or not values.flags.c_contiguous:
        values = np.array(values, order="C")
        values.setflags(write=False)
    return values


def _affine(weight: Array, bias: Array, values: Sequence[Fraction]) -> list[Fraction]:
    """Return ``weight values + bias`` in whole numbers over one denominator a row."""
    common = lcm(*(value.denominator for value in values))
    whole = [value.numerator * (common // value.denominator) for value in values]
    found = []
    for row, shift in zip(weight, bias.tolist(), strict=True):
        places = np.flatnonzero(row)
        if not places.size:
            found.append(Fraction(shift))
            continue
        fractions, exponents = np.frexp(row[places])
        least = int(exponents.min())
        digits = (fractions * 2.0**53).astype(np.int64).tolist()
        powers = (exponents - least).tolist()
        total = sum(
            (digit << power) * whole[place]
            for digit, power, place in zip(digits, powers, places.tolist(), strict=True)
        )
        least -= 53
        over = total << least if least > 0 else total
        found.append(Fraction(over, common << max(-least, 0)) + Fraction(shift))
    return found
