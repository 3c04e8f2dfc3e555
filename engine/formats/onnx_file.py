"""An ONNX file as a container: read once, checked, its graph cut down to what the output needs.

Every error is one line that names the file, the place, what was wrong and the mend. Operators are
not looked at here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from ..errors import FileError, FormatError, UnsupportedError
from ..operators import Shape
from .files import read_bytes

Dtype = Literal["float16", "float32", "float64"]

DTYPES: Final[Mapping[int, Dtype]] = {
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.DOUBLE: "float64",
}
OPSETS: Final = range(7, 21)
DOMAINS: Final = ("", "ai.onnx")
LARGEST_TENSOR: Final = 2**24
"""Most entries of a tensor: five times the largest of the usual image networks. More, in practice
the mark of a damaged file, is refused before memory runs out."""


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """A checked ONNX file with one graph, one input and one output.

    Attributes:
        path: where it was read.
        content: the serialised model with all its data, for a runtime.
        digest: SHA-256, hexadecimal, of the file's bytes; where tensors lie in external files, of
            the file followed by those files in the order of their names.
        opset: version of the standard operators.
        dtype: element type of the input.
        input: name of the input.
        shape: of the input tensor, a symbolic batch axis as 1.
        batch: whether the first axis is symbolic, so that many points fit one run.
        output: name of the output.
        stated: whether the file states the shape of the output, as the standard asks and runtimes
            do not.
        nodes: those that the output needs, in order.
        constants: the initializers that these nodes read, by name.
        metadata: the properties that the file carries.
    """

    path: Path
    content: bytes
    digest: str
    opset: int
    dtype: Dtype
    input: str
    shape: Shape
    batch: bool
    output: str
    stated: bool
    nodes: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, str]

    def check(self) -> None:
        """Ask the checker of the ONNX standard.

        Raises:
            FormatError: the model breaks a rule of the standard.
        """
        content = self.content if self.stated else _with_output_shape(self.content)
        try:
            onnx.checker.check_model(content)
        except (onnx.checker.ValidationError, ValueError) as error:
            raise FormatError(
                f"{self.path}: breaks a rule of ONNX: {first_line(error)}; export the model again"
            ) from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def allowed_size(shape: Sequence[int]) -> None:
    """Check that a tensor of this shape can be held.

    Raises:
        UnsupportedError: it has more than `LARGEST_TENSOR` entries.
    """
    if math.prod(shape) > LARGEST_TENSOR:
        raise UnsupportedError(
            f"has a tensor of shape {list(shape)}: at most {LARGEST_TENSOR} entries are handled; "
            "correct the shapes"
        )


def read_file(path: str | Path) -> OnnxFile:
    """Return the ONNX file at ``path``.

    Raises:
        FileError: it, or a file with its external data, is missing or not readable.
        FormatError: it is empty, truncated, no ONNX, or refers to data outside its folder.
        UnsupportedError: an opset, an element type or a number of inputs that is not handled.
    """
    path = Path(path)
    data = read_bytes(path)
    model = _parse(path, data)
    opset = _opset(path, model)
    digest = hashlib.sha256(data)
    external = _load_external(path, model)
    for name in sorted(external):
        digest.update(read_bytes(external[name]))
    graph = model.graph
    if graph.sparse_initializer:
        raise UnsupportedError(
            f"{path}: holds {len(graph.sparse_initializer)} sparse initializers: "
            "store the weights as dense tensors"
        )
    given = {tensor.name for tensor in graph.initializer}
    source = _single(path, "input", [value for value in graph.input if value.name not in given])
    output = _single(path, "output", list(graph.output))
    dtype, shape, batch = _input_type(path, source)
    nodes = _needed(graph, output.name)
    read = {name for node in nodes for name in node.input} | {output.name}
    return OnnxFile(
        path=path,
        content=_serialise(path, model) if external else data,
        digest=digest.hexdigest(),
        opset=opset,
        dtype=dtype,
        input=source.name,
        shape=shape,
        batch=batch,
        output=output.name,
        stated=output.type.tensor_type.HasField("shape"),
        nodes=nodes,
        constants={t.name: to_array(path, t) for t in graph.initializer if t.name in read},
        metadata={entry.key: entry.value for entry in model.metadata_props},
    )


def type_name(kind: int) -> str:
    """Return the name of an element type, or its number where the standard has none."""
    names = {number: name for name, number in onnx.TensorProto.DataType.items()}
    return str(names.get(kind, f"number {kind}")).lower()


def to_array(path: Path, tensor: onnx.TensorProto) -> NDArray[Any]:
    """Return the values of a stored tensor.

    Raises:
        FormatError: data that do not fill the tensor's shape, or a NaN among them.
    """
    try:
        values = np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception as error:
        raise FormatError(
            f"{path}: tensor {tensor.name!r} of shape {list(tensor.dims)} cannot be read: "
            f"{first_line(error)}; export the model again"
        ) from None
    if values.dtype.kind == "f" and np.isnan(values).any():
        place = [int(i) for i in np.argwhere(np.isnan(values))[0]]
        raise FormatError(
            f"{path}: tensor {tensor.name!r} holds nan at {place}: every weight must be a number; "
            "export the model again"
        )
    return values


def _parse(path: Path, data: bytes) -> onnx.ModelProto:
    if not data:
        raise FormatError(f"{path}: is empty (0 bytes): export or download it again")
    try:
        model = onnx.load_model_from_string(data)
    except Exception:
        raise FormatError(
            f"{path}: is no ONNX file or a truncated one ({len(data)} bytes could not be parsed): "
            "export or download it again"
        ) from None
    if not model.HasField("graph") or not model.graph.output:
        raise FormatError(f"{path}: holds no graph with an output: export the model again")
    return model


def _opset(path: Path, model: onnx.ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in DOMAINS]
    if not versions:
        raise FormatError(
            f"{path}: states no opset of the standard operators: it is truncated or no ONNX model; "
            "export it again"
        )
    if versions[0] not in OPSETS:
        raise UnsupportedError(
            f"{path}: uses opset {versions[0]}, handled are {OPSETS[0]} to {OPSETS[-1]}: "
            "export the model with one of these"
        )
    return int(versions[0])


def _single(path: Path, what: str, values: list[onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
    if len(values) != 1:
        names = ", ".join(repr(value.name) for value in values) or "none"
        raise UnsupportedError(
            f"{path}: the graph has {len(values)} {what}s ({names}): it must have one; "
            f"export the model with a single {what}"
        )
    return values[0]


def _input_type(path: Path, value: onnx.ValueInfoProto) -> tuple[Dtype, Shape, bool]:
    """Return element type, shape and whether the first axis is symbolic."""
    tensor, where = value.type.tensor_type, f"{path}: input {value.name!r}"
    if not value.type.HasField("tensor_type") or tensor.elem_type not in DTYPES:
        raise UnsupportedError(
            f"{where} has element type {type_name(tensor.elem_type)}: it must be one of "
            + ", ".join(DTYPES.values())
        )
    if not tensor.HasField("shape") or not tensor.shape.dim:
        raise UnsupportedError(f"{where} states no shape: export the model with a fixed shape")
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    batch = sizes[0] is None and len(sizes) > 1
    free = [
        index for index, size in enumerate(sizes) if size is None and not (batch and index == 0)
    ]
    if free:
        raise UnsupportedError(
            f"{where} leaves the size of axis {free[0]} open: only the first of several axes may "
            "be open, as the batch axis; export the model with a fixed shape"
        )
    shape = tuple(1 if size is None else int(size) for size in sizes)
    if min(shape) < 1:
        raise FormatError(f"{where} has shape {list(shape)}: every axis must be at least 1")
    try:
        allowed_size(shape)
    except UnsupportedError as error:
        raise UnsupportedError(f"{where} {error}") from None
    return DTYPES[tensor.elem_type], shape, batch


def _with_output_shape(content: bytes) -> bytes:
    """Return the model with some shape for its output; the checker asks for one and no more."""
    model = onnx.load_model_from_string(content)
    for value in model.graph.output:
        value.type.tensor_type.shape.SetInParent()
    return bytes(model.SerializeToString())


def _needed(graph: onnx.GraphProto, output: str) -> tuple[onnx.NodeProto, ...]:
    """Return the nodes that the output depends on, in the order of the file."""
    wanted, keep = {output}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            keep.append(node)
            wanted |= set(node.input)
            for inner in _subgraphs(node):
                wanted |= {name for part in inner.node for name in part.input}
    return tuple(reversed(keep))


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
        for inner in _subgraphs(node):
            yield from _tensors(inner)


def _load_external(path: Path, model: onnx.ModelProto) -> dict[str, Path]:
    """Load tensors that lie in other files; return these files by their stated location."""
    folder, files = path.parent.resolve(), {}
    for tensor in _tensors(model.graph):
        if not uses_external_data(tensor):
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        target = (folder / location).resolve()
        if not location or not target.is_relative_to(folder):
            raise FormatError(
                f"{path}: tensor {tensor.name!r} takes its data from {location!r}, outside the "
                "folder of the file: move the data beside the file and export it again"
            )
        if not target.is_file():
            raise FileError(
                f"{path}: tensor {tensor.name!r} takes its data from {location!r}, which is "
                "missing: put that file beside this one"
            )
        try:
            load_external_data_for_tensor(tensor, str(folder))
        except Exception as error:
            raise FormatError(
                f"{path}: the data of tensor {tensor.name!r} in {location!r} cannot be read: "
                f"{first_line(error)}; copy both files again"
            ) from None
        files[location] = target
    return files


def _serialise(path: Path, model: onnx.ModelProto) -> bytes:
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except Exception as error:
        raise UnsupportedError(
            f"{path}: with its external data it is larger than 2 GiB: {first_line(error)}; "
            "split the model"
        ) from None
