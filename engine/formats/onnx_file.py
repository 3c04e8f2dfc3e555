"""An ONNX file as a container: read once, checked, its graph cut down to what the output needs.

Every error is one line that names the file, the place, what was wrong and the mend. Operators are
not looked at here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import FormatError, UnsupportedError
from ..operators import Shape
from .files import read_bytes
from .onnx_external import first_line as first_line
from .onnx_external import load_external, serialise, subgraphs

Dtype = Literal["float16", "float32", "float64"]

DTYPES: Final[Mapping[int, Dtype]] = {
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.DOUBLE: "float64",
}
OPSETS: Final = range(7, 22)
DOMAINS: Final = ("", "ai.onnx")
LARGEST_TENSOR: Final = 2**24
"""Most entries of a tensor: five times the largest of the usual image networks. More, in practice
the mark of a damaged file, is refused before memory runs out."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input of a graph.

    Attributes:
        name: of the tensor.
        shape: a symbolic batch axis as 1.
        batch: whether the first axis is symbolic, so that many points fit one run.
    """

    name: str
    shape: Shape
    batch: bool

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """A checked ONNX file with one graph.

    Attributes:
        path: where it was read.
        content: the serialised model with all its data, for a runtime.
        digest: SHA-256, hexadecimal, of the file's bytes; where tensors lie in external files, of
            the file followed by those files in the order of their names.
        opset: version of the standard operators.
        dtype: element type of the inputs.
        inputs: in the order in which a flat input holds them.
        outputs: names, in the order in which a flat output holds them.
        stated: whether the file states the shapes of the outputs, as the standard asks and runtimes
            do not.
        nodes: those that the outputs need, in order.
        constants: the initializers that these nodes read, by name.
        metadata: the properties that the file carries.
    """

    path: Path
    content: bytes
    digest: str
    opset: int
    dtype: Dtype
    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    stated: bool
    nodes: tuple[onnx.NodeProto, ...]
    constants: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, str]

    @property
    def size(self) -> int:
        """Number of entries of all inputs."""
        return sum(port.size for port in self.inputs)

    @property
    def batch(self) -> bool:
        """Whether many points fit one run."""
        return all(port.batch for port in self.inputs)

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


def read_file(path: str | Path, *, several: bool = False) -> OnnxFile:
    """Return the ONNX file at ``path``.

    Args:
        path: of the file.
        several: take several inputs, all of one element type, and several outputs.

    Raises:
        FileError: it, or a file with its external data, is missing or not readable.
        FormatError: it is empty, truncated, no ONNX, or refers to data outside its folder.
        UnsupportedError: an opset, an element type or a number of inputs that is not handled.
    """
    path = Path(path)
    data = read_bytes(path)
    model = parse_model(path, data)
    opset = _opset(path, model)
    digest = hashlib.sha256(data)
    external = load_external(path, model)
    for name in sorted(external):
        digest.update(read_bytes(external[name]))
    graph = model.graph
    if graph.sparse_initializer:
        raise UnsupportedError(
            f"{path}: holds {len(graph.sparse_initializer)} sparse initializers: "
            "store the weights as dense tensors"
        )
    sources, outputs = graph_inputs(graph), list(graph.output)
    if not several or not sources:
        sources = [_single(path, "input", sources)]
    if not several:
        outputs = [_single(path, "output", outputs)]
    dtype, ports = _ports(path, sources)
    names = tuple(output.name for output in outputs)
    nodes = _needed(graph, names)
    read = {name for node in nodes for name in node.input} | set(names)
    return OnnxFile(
        path=path,
        content=serialise(path, model) if external else data,
        digest=digest.hexdigest(),
        opset=opset,
        dtype=dtype,
        inputs=ports,
        outputs=names,
        stated=all(output.type.tensor_type.HasField("shape") for output in graph.output),
        nodes=nodes,
        constants={t.name: to_array(path, t) for t in graph.initializer if t.name in read},
        metadata={entry.key: entry.value for entry in model.metadata_props},
    )


def graph_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that a user gives: those without a stored value."""
    given = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in given]


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


def parse_model(path: Path, data: bytes) -> onnx.ModelProto:
    """Return the model that a file's bytes hold; its external data are not read.

    Raises:
        FormatError: no model, or one without a graph.
    """
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


def _ports(path: Path, values: Sequence[onnx.ValueInfoProto]) -> tuple[Dtype, tuple[Port, ...]]:
    """Return the inputs and their common element type."""
    found = [_port(path, value) for value in values]
    dtypes = [dtype for dtype, _ in found]
    for dtype, port in found:
        if dtype != dtypes[0]:
            raise UnsupportedError(
                f"{path}: input {port.name!r} has element type {dtype}, input "
                f"{found[0][1].name!r} {dtypes[0]}: inputs of one element type are handled; export "
                "the model with one"
            )
    return dtypes[0], tuple(port for _, port in found)


def _port(path: Path, value: onnx.ValueInfoProto) -> tuple[Dtype, Port]:
    """Return an input and its element type."""
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
    return DTYPES[tensor.elem_type], Port(value.name, shape, batch)


def _with_output_shape(content: bytes) -> bytes:
    """Return the model with some shape for its output; the checker asks for one and no more."""
    model = onnx.load_model_from_string(content)
    for value in model.graph.output:
        value.type.tensor_type.shape.SetInParent()
    return bytes(model.SerializeToString())


def _needed(graph: onnx.GraphProto, outputs: Sequence[str]) -> tuple[onnx.NodeProto, ...]:
    """Return the nodes that the outputs depend on, in the order of the file."""
    wanted, keep = set(outputs), []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            keep.append(node)
            wanted |= set(node.input)
            for inner in subgraphs(node):
                wanted |= {name for part in inner.node for name in part.input}
    return tuple(reversed(keep))
