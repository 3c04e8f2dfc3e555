"""What an import works with: tensors that are constants or activations, and the IR under way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import UnsupportedError
from ..network import (
    Affine,
    Array,
    Concat,
    Input,
    Layer,
    Node,
    Piecewise,
    Select,
    Sum,
)
from ..operators import Dense, Diagonal, Operator, Shape
from .onnx_file import allowed_size

INTEGERS: Final = "integers are read where DequantizeLinear follows QuantizeLinear at once"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor that does not depend on the input.

    Attributes:
        values: in the element type of the file.
    """

    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Activation:
    """A tensor that depends on the input.

    Attributes:
        node: name of the IR node that holds its values, flat, in C order.
        shape: of the tensor, with the batch axis as 1.
    """

    node: str
    shape: Shape

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape))

    def positions(self) -> NDArray[np.int64]:
        """Return, in the tensor's shape, the place of each entry in the flat vector."""
        return np.arange(self.size, dtype=np.int64).reshape(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """A tensor of integers: an activation on a grid, before it is made floats again.

    Attributes:
        source: what is rounded.
        scale: float32 steps, broadcast to the source's shape.
        zero: integers that stand for 0, broadcast so; their element type is the tensor's.
    """

    source: Activation
    scale: NDArray[Any]
    zero: NDArray[Any]


Value = Constant | Activation
"""A tensor of numbers."""

Tensor = Value | Whole
"""Any tensor of a graph."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One node of the ONNX graph with its inputs resolved.

    Attributes:
        proto: the node as the file has it.
        opset: version of the standard operators.
        dtype: element type of the file's activations.
        inputs: None where an optional input is left out.
        outputs: tensor names; empty where nobody reads the output.
    """

    proto: onnx.NodeProto
    opset: int
    dtype: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[str, ...]

    @cached_property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes by name; texts as str, lists as list."""
        found = {}
        for attribute in self.proto.attribute:
            value = onnx.helper.get_attribute_value(attribute)
            found[attribute.name] = value.decode() if isinstance(value, bytes) else value
        return found

    def has(self, index: int) -> bool:
        """Return whether input ``index`` is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """Return input ``index``.

        Raises:
            UnsupportedError: it is left out, or holds integers on the way to floats.
        """
        found = self.inputs[index] if self.has(index) else None
        if found is None:
            raise UnsupportedError(f"input {index} is missing")
        if isinstance(found, Whole):
            raise UnsupportedError(f"input {index} holds integers: {INTEGERS}")
        return found

    def activation(self, index: int) -> Activation:
        """Return input ``index``, which must depend on the network's input.

        Raises:
            UnsupportedError: it is a constant.
        """
        match self.value(index):
            case Activation() as found:
                return found
            case Constant():
                raise UnsupportedError(f"input {index} is constant where an activation is handled")

    def constant(self, index: int) -> NDArray[Any]:
        """Return the values of input ``index``, which must be constant.

        Raises:
            UnsupportedError: it depends on the network's input.
        """
        match self.value(index):
            case Constant(values=values):
                return values
            case Activation():
                name = self.proto.input[index]
                raise UnsupportedError(
                    f"input {index} ({name!r}) depends on the network's input: only a constant is "
                    "handled there"
                )

    def setting(self, name: str, index: int, default: Any = None) -> Any:
        """Return a setting that is input ``index`` in newer opsets and an attribute in older."""
        if self.has(index):
            return self.constant(index)
        return self.attributes.get(name, default)


class Builder:
    """The IR nodes made so far, and the next ones.

    Each method adds at most one node and returns the tensor it holds. Nodes get names derived from
    ``stem``; `finish` gives a node the name of the ONNX tensor that it stands for.

    Attributes:
        nodes: by name, in order.
        stem: the tensor that the operation under way computes.
    """

    def __init__(self, name: str, shape: Shape, reserved: frozenset[str]) -> None:
        """Start with the input ``name`` of tensor shape ``shape``; keep off ``reserved`` names."""
        self.nodes: dict[str, Node] = {name: Node(name, Input(_bare(shape)))}
        self.input = Activation(name, shape)
        self.stem = name
        self._reserved = reserved

    def add(self, layer: Layer, sources: Sequence[Activation], shape: Shape) -> Activation:
        """Return a tensor held by a new node."""
        allowed_size(shape)
        if layer.size == 0:
            raise UnsupportedError(f"gives an empty tensor of shape {list(shape)}")
        number = 1
        while (name := f"{self.stem}/{number}") in self.nodes or name in self._reserved:
            number += 1
        self.nodes[name] = Node(name, layer, tuple(source.node for source in sources), _bare(shape))
        return Activation(name, shape)

    def select(self, x: Activation, indices: NDArray[Any]) -> Activation:
        """Return the entries of ``x`` at flat places ``indices``, in the shape of ``indices``."""
        allowed_size(indices.shape)
        flat = np.asarray(indices, dtype=np.int64).ravel()
        if flat.size == x.size and (flat == np.arange(x.size)).all():
            return Activation(x.node, indices.shape)
        return self.add(Select(flat, x.size), [x], indices.shape)

    def broadcast(self, x: Activation, shape: Shape) -> Activation:
        """Return ``x`` repeated to ``shape`` by the rules of numpy."""
        return self.select(x, np.broadcast_to(x.positions(), shape))

    def affine(
        self, x: Activation, operator: Operator, shape: Shape, bias: Array | None = None
    ) -> Activation:
        """Return ``W x + b``, of tensor shape ``shape``."""
        offset = np.zeros(operator.size_out) if bias is None else bias
        return self.add(Affine(operator, offset), [x], shape)

    def scale(self, x: Activation, factor: Any = 1.0, offset: Any = 0.0) -> Activation:
        """Return ``factor x + offset`` by component; both broadcast to the shape of ``x``."""
        factors, offsets = (
            np.broadcast_to(np.asarray(values, dtype=np.float64), x.shape).ravel()
            for values in (factor, offset)
        )
        if (factors == 1).all() and (offsets == 0).all():
            return x
        return self.affine(x, Diagonal(factors), x.shape, offsets)

    def relu(self, x: Activation) -> Activation:
        """Return ``max(x, 0)``."""
        return self.add(Piecewise.relu(x.size), [x], x.shape)

    def total(self, parts: Sequence[Activation]) -> Activation:
        """Return the sum of tensors of one shape."""
        return self.add(Sum(parts[0].size), parts, parts[0].shape) if len(parts) > 1 else parts[0]

    def concat(self, parts: Sequence[Activation]) -> Activation:
        """Return the flat vectors of the parts one after the other, as one axis."""
        if len(parts) == 1:
            return Activation(parts[0].node, (parts[0].size,))
        layer = Concat(tuple(part.size for part in parts))
        return self.add(layer, parts, (layer.size,))

    def lift(self, values: NDArray[Any]) -> Activation:
        """Return a constant as a tensor of the network: zero times an input, plus the constant."""
        one = self.select(self.input, np.zeros(1))
        operator = Dense(np.zeros((values.size, 1)))
        return self.affine(one, operator, values.shape, values.astype(np.float64).ravel())

    def minus(self, x: Activation, y: Activation) -> Activation:
        """Return ``x - y`` for tensors of one shape."""
        return self.total([x, self.scale(y, -1.0)])

    def maximum(self, x: Activation, y: Activation) -> Activation:
        """Return the larger of two tensors of one shape, as ``y + relu(x - y)``."""
        return self.total([y, self.relu(self.minus(x, y))])

    def note_rounding(self, what: str) -> None:
        """Log that a coefficient of the IR is the binary64 number nearest to the true one."""
        _LOG.info("%s: %s is rounded to the nearest binary64 number", self.stem, what)

    def finish(self, outputs: Mapping[str, Tensor], before: int) -> dict[str, Tensor]:
        """Name the nodes that stand for an operation's outputs after them.

        Args:
            outputs: by tensor name.
            before: number of nodes there were before the operation.

        Returns:
            The outputs, with the new names.
        """
        fresh = set(list(self.nodes)[before:])
        names: dict[str, str] = {}
        for tensor, value in outputs.items():
            if isinstance(value, Activation) and value.node in fresh and value.node not in names:
                names[value.node] = tensor
        for old in fresh:
            node = self.nodes[old]
            sources = tuple(names.get(source, source) for source in node.sources)
            self.nodes[old] = replace(node, name=names.get(old, old), sources=sources)
        self.nodes = {node.name: node for node in self.nodes.values()}
        return {
            tensor: replace(value, node=names.get(value.node, value.node))
            if isinstance(value, Activation)
            else value
            for tensor, value in outputs.items()
        }


Lowering = Callable[[Builder, Operation], Sequence[Tensor]]
"""Adds the IR nodes of one operation and returns its outputs, in the order of the operator."""


def _bare(shape: Shape) -> Shape:
    """Return the shape without its batch axis."""
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
