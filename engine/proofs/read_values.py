"""What a reader of graphs works with: constants, tensors of the network, and its nodes so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .model import (
    Affine,
    Array,
    Concat,
    FormatError,
    Input,
    Model,
    Node,
    Relu,
    Select,
    Sum,
    size_of,
    sources_of,
)
from .read_exact import exact_product, exact_sum
from .read_graph import ENTRIES, Port
from .read_protobuf import Allowance

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor that does not depend on the input.

    Attributes:
        values: in the element type of the file.
    """

    values: NDArray[Any]

    @property
    def shape(self) -> Shape:
        """Its shape."""
        return self.values.shape


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor that depends on the input.

    Attributes:
        node: index of the node that holds its values in C order.
        shape: with the batch axis as 1.
        dtype: element type in the file.
    """

    node: int
    shape: Shape
    dtype: str

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)


Value = Constant | Tensor


class Builder:
    """The nodes made so far, and the next ones.

    A node gets the name of the tensor that it holds; one inside of an operator gets the name of the
    operator's output with a word behind it: ``y/relu``.

    Attributes:
        nodes, sizes, names: as in a `Model`.
        stem: the tensor that is computed at present.
        entries: how many numbers the network may still hold.
    """

    def __init__(self, port: Port, reserved: frozenset[str], entries: Allowance) -> None:
        """Start with an input; give no inner node one of the ``reserved`` names."""
        size = prod(port.shape)
        self.nodes: list[Node] = [Input(size)]
        self.sizes, self.names, self.stem = [size], [port.name], port.name
        self.input = Tensor(0, port.shape, port.dtype)
        self.entries = entries
        self._taken, self._named = set(reserved), {0}

    def add(self, node: Node, shape: Shape, dtype: str, what: str) -> Tensor:
        """Return the tensor that a new node holds."""
        if not isinstance(node, Affine):
            self.entries.take(prod(shape))
        size = size_of(node, self.sizes)
        if size < 1 or size != prod(shape):
            raise FormatError(f"gives a tensor of shape {list(shape)}: export the model again")
        name, number = f"{self.stem}/{what}", 1
        while name in self._taken:
            number += 1
            name = f"{self.stem}/{what}{number}"
        self._taken.add(name)
        self.nodes.append(node)
        self.sizes.append(size)
        self.names.append(name)
        return Tensor(len(self.nodes) - 1, shape, dtype)

    def positions(self, shape: Shape) -> NDArray[np.int64]:
        """Return the place of each entry of a tensor among its values."""
        self.entries.take(prod(shape))
        return np.arange(prod(shape), dtype=np.int64).reshape(shape)

    def select(self, x: Tensor, places: NDArray[np.int64]) -> Tensor:
        """Return the values of ``x`` at some places, in the shape of ``places``."""
        if places.size == x.size:
            self.entries.take(places.size)
            flat = places.ravel()
            if bool((flat == np.arange(x.size)).all()):
                return Tensor(x.node, places.shape, x.dtype)
        if not 1 <= places.size <= self.entries.left:
            raise FormatError(f"gives a tensor of shape {list(places.shape)}: not handled")
        indices = np.array(places, dtype=np.int64).ravel()
        return self.add(Select(x.node, indices), places.shape, x.dtype, "select")

    def broadcast(self, x: Tensor, shape: Shape) -> Tensor:
        """Return ``x`` repeated to a shape, as numpy does."""
        if x.shape == shape:
            return x
        return self.select(x, np.broadcast_to(self.positions(x.shape), shape))

    def affine(self, x: Tensor, weight: Array, bias: Array, shape: Shape, what: str) -> Tensor:
        """Return ``weight x + bias``; the caller has taken the entries of the weight."""
        self.entries.take(bias.size)
        return self.add(Affine(x.node, weight, bias), shape, x.dtype, what)

    def matrix(self, rows: int, columns: int) -> Array:
        """Return zeros ``(rows, columns)``, for a weight."""
        self.entries.take(rows * columns)
        return np.zeros((rows, columns))

    def scale(
        self,
        x: Tensor,
        factor: Any = 1.0,
        offset: Any = 0.0,
        *,
        what: str = "scale",
        join: bool = False,
    ) -> Tensor:
        """Return ``factor x + offset`` entry by entry; both are broadcast to the shape of ``x``.

        It becomes one with the affine node that it reads, if that is inside of an operator and
        float64 holds the numbers of both together. A tensor that others may speak of stays, but for
        a product to which a bias is added: with ``join`` that is one node.
        """
        self.entries.take(x.size)
        factors, offsets = (
            wide(np.broadcast_to(each, x.shape)).ravel() for each in (factor, offset)
        )
        plain = bool((factors == 1).all())
        if plain and not offsets.any():
            return x
        node = self.nodes[x.node]
        bare = join and plain and isinstance(node, Affine) and not node.bias.any()
        if isinstance(node, Affine) and (bare or x.node not in self._named):
            if not plain:
                self.entries.take(node.weight.size)
            weight = node.weight if plain else exact_product(node.weight, factors[:, None])
            scaled = exact_product(node.bias, factors)
            bias = None if scaled is None else exact_sum(scaled, offsets)
            if weight is not None and bias is not None:
                return self.add(Affine(node.source, weight, bias), x.shape, x.dtype, what)
        weight = self.matrix(x.size, x.size)
        np.fill_diagonal(weight, factors)
        return self.affine(x, weight, offsets, x.shape, what)

    def relu(self, x: Tensor) -> Tensor:
        """Return ``max(x, 0)``."""
        return self.add(Relu(x.node), x.shape, x.dtype, "relu")

    def total(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the sum of tensors of one shape."""
        if len(parts) == 1:
            return parts[0]
        node = Sum(tuple(part.node for part in parts))
        return self.add(node, parts[0].shape, parts[0].dtype, "sum")

    def concat(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the values of tensors one after the other, as one axis."""
        size = sum(part.size for part in parts)
        if len(parts) == 1:
            return Tensor(parts[0].node, (size,), parts[0].dtype)
        node = Concat(tuple(part.node for part in parts))
        return self.add(node, (size,), parts[0].dtype, "concat")

    def lift(self, values: NDArray[Any], dtype: str) -> Tensor:
        """Return a constant as a tensor of the network: zero times the input, plus the constant."""
        weight = self.matrix(values.size, self.sizes[0])
        return self.affine(
            Tensor(0, (self.sizes[0],), dtype),
            weight,
            wide(values).ravel(),
            values.shape,
            "constant",
        )

    def maximum(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the larger of two tensors of one shape, ``y + relu(x - y)``."""
        return self.total([y, self.relu(self.total([x, self.scale(y, -1.0)]))])

    def name(self, value: Value, tensor: str, before: int) -> None:
        """Give the node of an operator's output its name, if it was made for that operator.

        Args:
            value: the output.
            tensor: its name.
            before: number of nodes there were.
        """
        if isinstance(value, Tensor) and value.node >= before and value.node not in self._named:
            self.names[value.node] = tensor
            self._named.add(value.node)

    def model(self, output: Tensor) -> Model:
        """Return the nodes that the output needs, as a model."""
        needed = {0, output.node}
        for index in range(output.node, 0, -1):
            if index in needed:
                needed.update(sources_of(self.nodes[index]))
        order = sorted(needed)
        place = {old: new for new, old in enumerate(order)}
        return Model(
            tuple(_moved(self.nodes[old], place) for old in order),
            tuple(self.sizes[old] for old in order),
            place[output.node],
            tuple(self.names[old] for old in order),
        )


def wide(values: NDArray[Any]) -> Array:
    """Return numbers as float64; raise FormatError if that is not exact."""
    if values.dtype.kind != "f":
        raise FormatError(f"has numbers of type {values.dtype} where real numbers belong")
    return values.astype(np.float64)


def common_shape(values: Sequence[Value]) -> Shape:
    """Return the shape that values broadcast to; raise FormatError where they do not."""
    shapes = [value.shape for value in values]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise FormatError(f"combines the shapes {shapes}, which do not broadcast") from None
    if prod(shape) > ENTRIES:
        raise FormatError(f"gives a tensor of shape {list(shape)}: at most {ENTRIES} entries")
    return shape


def _moved(node: Node, place: dict[int, int]) -> Node:
    match node:
        case Affine(source=source, weight=weight, bias=bias):
            return Affine(place[source], weight, bias)
        case Relu(source=source):
            return Relu(place[source])
        case Sum(sources=sources):
            return Sum(tuple(place[source] for source in sources))
        case Concat(sources=sources):
            return Concat(tuple(place[source] for source in sources))
        case Select(source=source, indices=indices):
            return Select(place[source], indices)
        case Input():
            return node
