"""An ONNX file as it stands: inputs, outputs, nodes and constants, checked for what is needed.

Unlike the reader of piecewise linear networks this one takes any number of inputs and outputs and
leaves the operators to `graph`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.external_data_helper import load_external_data_for_model

from ..errors import FileError, FormatError, UnsupportedError
from ..formats.files import read_bytes
from ..formats.onnx_file import DOMAINS, allowed_size, first_line, to_array, type_name
from ..rounding import FORMATS
from .enclosure import Shape

OLDEST: Final = 7
"""First opset whose operators broadcast as they do now."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input, an output or an inner tensor of a graph.

    Attributes:
        name: in the file.
        kind: element type as numpy names it.
        shape: its axes; an open first axis counts as 1.
    """

    name: str
    kind: str
    shape: Shape

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A checked ONNX model.

    Attributes:
        path: how to speak of it.
        proto: the model with all its data.
        opset: version of the standard operators.
        inputs: in the order of the file.
        outputs: names, in the order of the file.
        constants: the initializers.
    """

    path: str
    proto: onnx.ModelProto
    opset: int
    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray[Any]]

    @property
    def nodes(self) -> Sequence[onnx.NodeProto]:
        """The nodes in order."""
        return list(self.proto.graph.node)


def read_model(source: str | Path | bytes, name: str | None = None) -> Model:
    """Return the model of an ONNX file, given by its path or its bytes.

    Args:
        source: the file.
        name: how to speak of it; the path unless stated.

    Raises:
        FileError: it is missing or not readable.
        FormatError: it is no ONNX, or what it holds does not fit together.
        UnsupportedError: an opset, an element type or an open shape that is not handled.
    """
    if isinstance(source, bytes):
        path, folder, data = name or "model", None, source
    else:
        path, folder, data = name or str(source), Path(source).parent, read_bytes(Path(source))
    try:
        proto = onnx.load_model_from_string(data)
    except Exception:
        raise FormatError(
            f"{path}: is no ONNX file or a truncated one ({len(data)} bytes could not be parsed): "
            "export or download it again"
        ) from None
    if not proto.HasField("graph") or not proto.graph.output:
        raise FormatError(f"{path}: holds no graph with an output: export the model again")
    if folder is not None:
        try:
            load_external_data_for_model(proto, str(folder))
        except Exception as error:
            raise FileError(
                f"{path}: its external data cannot be read: {first_line(error)}; "
                "put those files beside it"
            ) from None
    given = {tensor.name for tensor in proto.graph.initializer}
    return Model(
        path,
        proto,
        _opset(path, proto),
        tuple(_port(path, value) for value in proto.graph.input if value.name not in given),
        tuple(value.name for value in proto.graph.output),
        {tensor.name: to_array(Path(path), tensor) for tensor in proto.graph.initializer},
    )


def _opset(path: str, proto: onnx.ModelProto) -> int:
    versions = [int(entry.version) for entry in proto.opset_import if entry.domain in DOMAINS]
    newest = onnx.defs.onnx_opset_version()
    if not versions or not OLDEST <= versions[0] <= newest:
        raise UnsupportedError(
            f"{path}: uses opset {versions[0] if versions else 'none'}, handled are {OLDEST} to "
            f"{newest}: export the model with one of these"
        )
    return versions[0]


def _port(path: str, value: onnx.ValueInfoProto) -> Port:
    tensor, where = value.type.tensor_type, f"{path}: input {value.name!r}"
    try:
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    except (KeyError, ValueError):
        kind = "?"
    if kind not in FORMATS and kind != "bool" and not kind.startswith(("int", "uint")):
        raise UnsupportedError(
            f"{where} has element type {type_name(tensor.elem_type)}: handled are floats of 16, 32 "
            "and 64 bits, integers and bool"
        )
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    if not tensor.HasField("shape") or any(size is None for size in sizes[1:]):
        raise UnsupportedError(
            f"{where} leaves its shape open: only the first axis may be open, as the batch axis; "
            "export the model with a fixed shape"
        )
    shape = tuple(1 if size is None else int(size) for size in sizes)
    if min(shape, default=1) < 1:
        raise FormatError(f"{where} has shape {list(shape)}: every axis must be at least 1")
    try:
        allowed_size(shape)
    except UnsupportedError as error:
        raise UnsupportedError(f"{where} {error}") from None
    return Port(value.name, kind, shape)
