"""Lowering of what only moves entries: the runtime moves positions, the import selects by them.

An activation is a flat vector, so a layout that keeps the order becomes nothing and any other one
becomes a `Select`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import UnsupportedError
from .onnx_fold import run_node
from .onnx_tensors import Builder, Constant, Lowering, Operation, Value


def rearrange(b: Builder, op: Operation) -> Sequence[Value]:
    """Reshape, Transpose, Slice, Split, Gather and their like, with constant settings."""
    x = op.activation(0)
    return [b.select(x, places) for places in _moved(op, {0: x.positions()})]


def same(b: Builder, op: Operation) -> Sequence[Value]:
    """Identity."""
    return [op.value(0)]


def dropout(b: Builder, op: Operation) -> Sequence[Value]:
    """Dropout as it is after training: nothing."""
    if op.has(2) and bool(op.constant(2)):
        raise UnsupportedError("is in training mode: export the model in inference mode")
    if any(op.outputs[1:]):
        raise UnsupportedError("has its second output (mask) read: only the first is handled")
    return [op.value(0)]


def shape(b: Builder, op: Operation) -> Sequence[Value]:
    """Shape and Size of an activation, which are constant."""
    x = op.activation(0)
    if op.proto.op_type == "Size":
        return [Constant(np.array(x.size, dtype=np.int64))]
    first, last = op.attributes.get("start", 0), op.attributes.get("end", len(x.shape))
    return [Constant(np.array(x.shape[first:last], dtype=np.int64))]


def concat(b: Builder, op: Operation) -> Sequence[Value]:
    """Concat along any axis; a constant among the inputs becomes a tensor of the network."""
    values = [op.value(index) for index in range(len(op.inputs))]
    parts = [b.lift(v.values) if isinstance(v, Constant) else v for v in values]
    starts = np.cumsum([0, *(part.size for part in parts)])
    places = {i: part.positions() + starts[i] for i, part in enumerate(parts)}
    (order,) = _moved(op, places)
    return [b.select(b.concat(parts), order)]


def pad(b: Builder, op: Operation) -> Sequence[Value]:
    """Pad in any mode; the value of constant padding becomes one more neuron."""
    x = op.activation(0)
    value = np.asarray(op.setting("value", 2, 0.0), dtype=np.float64).reshape(1)
    outside = {2: np.array(-1.0)} if op.opset >= 11 else {}
    (places,) = _moved(op, {0: x.positions(), **outside}, {} if outside else {"value": -1.0})
    if (places >= 0).all():
        return [b.select(x, places)]
    filled = b.concat([x, b.lift(value)])
    return [b.select(filled, np.where(places < 0, x.size, places))]


def _moved(
    op: Operation, places: Mapping[int, NDArray[Any]], attributes: Mapping[str, float] | None = None
) -> list[NDArray[np.int64]]:
    """Return the outputs of the operation on positions in place of activations.

    The node runs in float64, which holds positions exactly and which every layout takes.

    Args:
        op: the operation.
        places: what stands for some inputs, by their number; the others are constants.
        attributes: what replaces attributes of the node.
    """
    count = max(len(op.inputs), 1 + max(places))
    inputs: dict[str, NDArray[Any]] = {}
    for index in range(count):
        if index in places:
            inputs[f"x{index}"] = places[index].astype(np.float64)
        elif op.has(index):
            inputs[f"x{index}"] = op.constant(index)
    changed = attributes or {}
    proto = onnx.NodeProto(op_type=op.proto.op_type, output=op.proto.output)
    proto.input.extend(name if (name := f"x{i}") in inputs else "" for i in range(count))
    proto.attribute.extend(a for a in op.proto.attribute if a.name not in changed)
    proto.attribute.extend(onnx.helper.make_attribute(k, v) for k, v in changed.items())
    return [values.astype(np.int64) for values in run_node(proto, op.opset, inputs)]


LAYOUTS: Final[Mapping[str, Lowering]] = {
    "Concat": concat,
    "DepthToSpace": rearrange,
    "Dropout": dropout,
    "Expand": rearrange,
    "Flatten": rearrange,
    "Gather": rearrange,
    "Identity": same,
    "Pad": pad,
    "Reshape": rearrange,
    "Shape": shape,
    "Size": shape,
    "Slice": rearrange,
    "SpaceToDepth": rearrange,
    "Split": rearrange,
    "Squeeze": rearrange,
    "Tile": rearrange,
    "Transpose": rearrange,
    "Unsqueeze": rearrange,
}
