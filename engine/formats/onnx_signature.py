"""What goes into an ONNX graph and what comes out: names, element types, shapes, opset.

This looks at no operator, so it speaks of files that the importer does not handle too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import onnx

from .files import read_bytes
from .onnx_file import DOMAINS, graph_inputs, parse_model, type_name

FLOATS: Final = {"float": "float32", "double": "float64"}
"""Element types whose name in a file is not that of the standard's other list."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor of a model file.

    Attributes:
        name: in the file.
        element: element type: float32, int64, ...; empty where the file does not say.
        shape: its axes, an open one as None; None where the file does not say.
        node: name of the IR node that holds its values, flat in C order; empty where none does.
    """

    name: str
    element: str
    shape: tuple[int | None, ...] | None
    node: str = ""


@dataclass(frozen=True, eq=False)
class Signature:
    """The outside of a model file.

    Attributes:
        path: of the file.
        opset: version of the standard operators; 0 for other formats.
        inputs, outputs: in the order of the file.
        model: the parsed file, without external data; None for other formats.
    """

    path: Path
    opset: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    model: onnx.ModelProto | None = None

    def operators(self, besides: Collection[str] = ()) -> tuple[str, ...]:
        """Return the names of the operators in the order of the file, some left out."""
        nodes = self.model.graph.node if self.model is not None else ()
        return tuple(node.op_type for node in nodes if node.op_type not in besides)

    @cached_property
    def inside(self) -> dict[str, TensorInfo]:
        """Every tensor that a node computes, by name; types and shapes as far as they follow."""
        if self.model is None:
            return {}
        inferred = _inferred(self.model)
        known = {value.name: value for value in (*inferred.value_info, *inferred.output)}
        found = {}
        for node in self.model.graph.node:
            for name in node.output:
                if name:
                    value = known.get(name)
                    found[name] = _info(value) if value is not None else TensorInfo(name, "", None)
        return found


def read_signature(path: str | Path) -> Signature:
    """Return the outside of an ONNX file.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: it is no ONNX file.
    """
    path = Path(path)
    model = parse_model(path, read_bytes(path))
    opset = max((o.version for o in model.opset_import if o.domain in DOMAINS), default=0)
    inputs = tuple(_info(value) for value in graph_inputs(model.graph))
    outputs = tuple(_info(value) for value in model.graph.output)
    if any(not info.element or info.shape is None or None in info.shape[1:] for info in outputs):
        known = {value.name: value for value in _inferred(model).output}
        outputs = tuple(_info(known[info.name]) for info in outputs)
    return Signature(path, opset, inputs, outputs, model)


def _info(value: onnx.ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    name = type_name(tensor.elem_type) if tensor.elem_type else ""
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(
            int(axis.dim_value) if axis.HasField("dim_value") else None for axis in tensor.shape.dim
        )
    return TensorInfo(value.name, FLOATS.get(name, name), shape)


def _inferred(model: onnx.ModelProto) -> onnx.GraphProto:
    """Return the graph with the types and shapes that follow for a batch of one."""
    one = onnx.ModelProto()
    one.CopyFrom(model)
    for value in graph_inputs(one.graph):
        for axis in value.type.tensor_type.shape.dim[:1]:
            if not axis.HasField("dim_value"):
                axis.dim_value = 1
    for value in (*one.graph.output, *one.graph.value_info):
        value.type.tensor_type.ClearField("shape")
    try:
        return onnx.shape_inference.infer_shapes(one, data_prop=True).graph
    except Exception:  # a graph that breaks its own types; whoever runs it says so
        return model.graph
