"""An ONNX file as a graph: its input and output, its nodes with their attributes, its tensors.

Only what the output needs is looked at. No operator is understood here.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; numbers of fields are from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .model import FormatError
from .read_protobuf import FIELDS, Allowance, Message

OPSETS: Final = range(7, 21)
DOMAINS: Final = ("", "ai.onnx")
AXES: Final = 16
"""Most axes of a tensor."""

ENTRIES: Final = 2**26
"""Most entries of all tensors, and most numbers of a network."""

NODES: Final = 2**16
"""Most nodes of a graph."""

FLOATS: Final[Mapping[int, str]] = {1: "float32", 10: "float16", 11: "float64"}
"""Element types of what depends on the input."""

TYPES: Final[Mapping[int, tuple[str, int]]] = {
    1: ("<f4", 4),
    6: ("<i4", 5),
    7: ("<i8", 7),
    9: ("|u1", 5),
    10: ("<f2", 5),
    11: ("<f8", 10),
}
"""Element types of tensors: how raw data hold them, and which field holds them otherwise."""

BOOL: Final = 9
HALF: Final = 10
DATA_FIELDS: Final = (4, 5, 6, 7, 9, 10, 11)

Attribute = int | float | str | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Port:
    """The input of a graph.

    Attributes:
        name: of the tensor.
        shape: an open batch axis as 1.
        dtype: element type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A node of a graph.

    Attributes:
        name: of the node; may be empty.
        kind: its operator, of the standard's.
        inputs: names of tensors, empty for what is left out.
        outputs: names of tensors, empty for what is left out.
        attributes: by name.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A graph with one input and one output.

    Attributes:
        opset: version of the standard's operators.
        input: what depends on nothing.
        output: name of a tensor.
        steps: the nodes that the output needs, in the order of the file.
        constants: the stored tensors that these read, in their element types.
        names: of all tensors.
    """

    opset: int
    input: Port
    output: str
    steps: tuple[Step, ...]
    constants: Mapping[str, NDArray[Any]]
    names: frozenset[str]


def read_graph(data: bytes, entries: Allowance) -> Graph:
    """Return the graph of an ONNX file.

    Args:
        data: the file.
        entries: how many entries its tensors may have.

    Raises:
        FormatError: it is no ONNX file, or one of a kind that is not handled.
    """
    model = Message(memoryview(data), "model", Allowance(FIELDS, "fields"))
    graph = model.inner(7, "graph")
    if graph is None:
        raise FormatError("holds no graph: this is no ONNX file, or it is cut short")
    opset = _opset(model)
    if model.has(25):
        raise FormatError("defines functions of its own: export it with standard operators alone")
    if graph.has(15):
        raise FormatError("holds sparse tensors: store the weights as dense tensors")
    stored = {}
    for tensor in graph.inners(5, "tensor"):
        name = tensor.text(8)
        if not name or name in stored:
            raise FormatError(f"stores two tensors named {name!r}, or one without a name: damaged")
        stored[name] = tensor
    given = [value for value in graph.inners(11, "input") if value.text(1) not in stored]
    ends = graph.inners(12, "output")
    if len(given) != 1 or len(ends) != 1:
        raise FormatError(
            f"has {len(given)} inputs and {len(ends)} outputs: export it with one of each"
        )
    port, output = _port(given[0]), ends[0].text(1)
    steps = _needed(graph.inners(1, "node"), output, {port.name, *stored})
    wanted = {name for step in steps for name in step.inputs} | {output}
    constants = {
        name: _tensor(tensor, entries) for name, tensor in stored.items() if name in wanted
    }
    names = {port.name, *stored}
    for step in steps:
        names |= {*step.inputs, *step.outputs}
    return Graph(opset, port, output, steps, constants, frozenset(names))


def array_of(message: Message, entries: Allowance) -> NDArray[Any]:
    """Return the values of a stored tensor, read-only, in their element type.

    Raises:
        FormatError: an element type that is not handled; data that do not fill the shape; NaN.
    """
    kind = message.whole(2)
    if message.whole(14) or message.has(13):
        raise FormatError("has its data in another file: export the model as a single file")
    if message.has(3):
        raise FormatError("is a segment of a tensor: store it whole")
    if kind not in TYPES:
        raise FormatError(f"has element type number {kind}: handled are {sorted(TYPES)}")
    dims = message.wholes(1).tolist()
    if len(dims) > AXES or min(dims, default=1) < 0 or prod(max(n, 1) for n in dims) > ENTRIES:
        raise FormatError(f"has a shape of {len(dims)} axes that no tensor here has: damaged")
    count = prod(dims)
    entries.take(count)
    dtype, field = TYPES[kind]
    there = [number for number in DATA_FIELDS if message.has(number)]
    if there == [9]:
        raw = message.data(9)
        if len(raw) != count * np.dtype(dtype).itemsize:
            raise FormatError(f"has {len(raw)} bytes of data for the shape {dims}: damaged")
        values: NDArray[Any] = np.frombuffer(raw, dtype=dtype)
    elif there in ([], [field]):
        values = _typed(message, field, kind, dtype)
    else:
        raise FormatError(f"has its data in the fields {there}: element type {kind} has another")
    if values.size != count:
        raise FormatError(f"has {values.size} entries for the shape {dims}: damaged")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise FormatError("holds nan: every weight must be a number")
    if kind == BOOL:
        if values.size and values.max() > 1:
            raise FormatError("holds a truth value that is neither 0 nor 1: damaged")
        values = values.astype(np.bool_)
    return values.astype(values.dtype.newbyteorder("="), copy=False).reshape(dims)


def _typed(message: Message, field: int, kind: int, dtype: str) -> NDArray[Any]:
    """Return the numbers of the field that belongs to an element type."""
    if dtype in ("<f4", "<f8"):
        return message.reals(field, dtype)
    wide = message.wholes(field)
    narrow = np.dtype("<u2") if kind == HALF else np.dtype(dtype)
    limits = np.iinfo(narrow)
    if wide.size and not limits.min <= wide.min() <= wide.max() <= limits.max:
        raise FormatError(f"holds a number that its element type {kind} does not: damaged")
    values: NDArray[Any] = wide.astype(narrow)
    return values.view("<f2") if kind == HALF else values


def _tensor(message: Message, entries: Allowance) -> NDArray[Any]:
    try:
        return array_of(message, entries)
    except FormatError as error:
        raise FormatError(f"tensor {message.text(8)!r} {error}") from None


def _opset(model: Message) -> int:
    versions = [entry.whole(2) for entry in model.inners(8, "opset") if entry.text(1) in DOMAINS]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise FormatError(
            f"states the opsets {versions}: it must state one, from {OPSETS[0]} to {OPSETS[-1]}"
        )
    return versions[0]


def _port(value: Message) -> Port:
    name, kind = value.text(1), value.inner(2, "type")
    tensor = kind.inner(1, "tensor type") if kind else None
    shape = tensor.inner(2, "shape") if tensor else None
    if tensor is None or shape is None or tensor.whole(1) not in FLOATS:
        raise FormatError(
            f"input {name!r} is no tensor of float16, float32 or float64 with a shape"
        )
    axes = shape.inners(1, "axis")
    sizes = []
    for index, axis in enumerate(axes):
        open_axis = not axis.has(1)
        if (axis.has(1) and axis.has(2)) or (open_axis and (index or len(axes) == 1)):
            raise FormatError(
                f"input {name!r} leaves the size of axis {index} open: only the first of several "
                "may be, as the batch axis"
            )
        sizes.append(1 if open_axis else axis.whole(1))
    if not 1 <= len(sizes) <= AXES or min(sizes) < 1 or prod(sizes) > ENTRIES:
        raise FormatError(f"input {name!r} has a shape of {len(sizes)} axes that is not handled")
    return Port(name, tuple(sizes), FLOATS[tensor.whole(1)])


def _needed(nodes: Sequence[Message], output: str, given: set[str]) -> tuple[Step, ...]:
    """Return the nodes that an output depends on; no tensor may be computed twice."""
    if len(nodes) > NODES:
        raise FormatError(f"has {len(nodes)} nodes: at most {NODES} are handled")
    for node in nodes:
        for name in node.texts(2):
            if name in given:
                raise FormatError(f"tensor {name!r} is computed twice: it is damaged")
            if name:
                given.add(name)
    wanted, found = {output}, []
    for node in reversed(nodes):
        if wanted & {name for name in node.texts(2) if name}:
            step = _step(node)
            found.append(step)
            wanted |= set(step.inputs)
    return tuple(reversed(found))


def _step(node: Message) -> Step:
    kind, outputs = node.text(4), node.texts(2)
    name = node.text(3) or next(iter(outputs), "")
    if node.text(7) not in DOMAINS or node.text(8):
        raise FormatError(f"node {name!r} ({kind}) is no operator of the standard: not handled")
    attributes: dict[str, Attribute] = {}
    for message in node.inners(5, "attribute"):
        label = message.text(1)
        if label in attributes:
            raise FormatError(f"node {name!r} ({kind}) has two attributes {label!r}: damaged")
        try:
            attributes[label] = _attribute(message)
        except FormatError as error:
            raise FormatError(f"node {name!r} ({kind}), attribute {label!r}: {error}") from None
    return Step(name, kind, node.texts(1), outputs, attributes)


def _attribute(message: Message) -> Attribute:
    if message.has(21):
        raise FormatError("refers to a function's attribute: not handled")
    match message.whole(20):
        case 1:
            return message.real(2)
        case 2:
            return message.whole(3)
        case 3:
            return message.text(4)
        case 4:
            tensor = message.inner(5, "tensor")
            if tensor is None:
                raise FormatError("holds no tensor")
            return array_of(tensor, Allowance(ENTRIES, "entries"))
        case 6:
            return message.reals(7, "<f4").astype(np.float32)
        case 7:
            return message.wholes(8)
        case kind:
            raise FormatError(f"is of type number {kind}: not handled")
