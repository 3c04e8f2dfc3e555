"""From the graph of an ONNX file to the IR: constants fold, operators lower, biases merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import FormatError, InputError, NetworkError, UnsupportedError
from ..network import Affine, Network, Node, Normalisation, Origin, Sum
from ..operators import Diagonal
from .onnx_activations import ACTIVATIONS
from .onnx_arithmetic import ARITHMETIC
from .onnx_file import DOMAINS, OnnxFile, allowed_size, to_array
from .onnx_fold import FOLDED, run_node
from .onnx_grids import GRIDS
from .onnx_integers import INTEGERS_OPERATORS
from .onnx_shapes import LAYOUTS
from .onnx_tensors import (
    INTEGERS,
    Activation,
    Builder,
    Constant,
    Lowering,
    Operation,
    Tensor,
    Whole,
)
from .onnx_windows import WINDOWS

OPERATORS: Final[Mapping[str, Lowering]] = {
    **ARITHMETIC,
    **ACTIVATIONS,
    **GRIDS,
    **INTEGERS_OPERATORS,
    **WINDOWS,
    **LAYOUTS,
}
"""The operators that may read activations. Those in `FOLDED` may read constants."""


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """What a graph became.

    Attributes:
        network: the IR; several inputs are one flat input in their order, and so are outputs.
        constants: every constant tensor, in the element type of the file, by name.
        activations: every other tensor that the network holds, by name.
    """

    network: Network
    constants: Mapping[str, NDArray[Any]]
    activations: Mapping[str, Activation]


def lower(
    file: OnnxFile,
    normalisation: Normalisation | None = None,
    keep: frozenset[str] = frozenset(),
) -> Lowered:
    """Return the network that a file's graph describes, for a batch of one.

    Args:
        file: the checked file.
        normalisation: relation to raw units, kept in the network.
        keep: names of tensors that must not be merged into others.

    Raises:
        UnsupportedError: an operator, or a use of one, that is not handled.
        FormatError: a graph that does not fit together, or a weight that is not finite.
    """
    _known_operators(file)
    file.check()
    builder, values = _started(file)
    read = {name for node in file.nodes for name in node.input} | set(file.outputs)
    for proto in file.nodes:
        try:
            values |= _lower_node(builder, proto, file, values, read)
        except InputError as error:
            kind = UnsupportedError if isinstance(error, UnsupportedError) else FormatError
            text = _one_line(error).removeprefix(f"{file.path}: ")
            raise kind(f"{file.path}: {_place(proto, file.opset)}: {text}") from None
        except (ValueError, IndexError, KeyError, OverflowError) as error:
            raise FormatError(
                f"{file.path}: {_place(proto, file.opset)}: inputs and attributes do not fit "
                f"together ({type(error).__name__}: {_one_line(error)}): export the model again"
            ) from None
        except MemoryError:
            raise UnsupportedError(
                f"{file.path}: {_place(proto, file.opset)}: needs more memory than there is"
            ) from None
    result = _result(builder, file, values)
    held = _held(values, keep)
    nodes = _join_scales(builder.nodes, result.node, held)
    nodes = _merge_biases(nodes, result.node, frozenset(values), held)
    origin = Origin(str(file.path), "onnx", file.digest, file.dtype)
    try:
        network = Network(tuple(nodes.values()), result.node, origin, normalisation)
    except NetworkError as error:
        raise FormatError(f"{file.path}: {_one_line(error)}") from None
    constants = {n: v.values for n, v in values.items() if isinstance(v, Constant)}
    activations = {
        name: value
        for name, value in values.items()
        if isinstance(value, Activation) and value.node in network.by_name
    }
    return Lowered(network, constants, activations)


def _started(file: OnnxFile) -> tuple[Builder, dict[str, Tensor]]:
    """Return the IR that holds the inputs, and the tensors that are known before the first node."""
    names = {name for node in file.nodes for name in (*node.input, *node.output)}
    reserved = frozenset(names | {port.name for port in file.inputs})
    values: dict[str, Tensor] = {name: Constant(v) for name, v in file.constants.items()}
    if len(file.inputs) == 1:
        (port,) = file.inputs
        builder = Builder(port.name, port.shape, reserved)
        values[port.name] = builder.input
        return builder, values
    name = "inputs"
    while name in reserved:
        name += "_"
    allowed_size((file.size,))
    builder = Builder(name, (file.size,), reserved)
    start = 0
    for port in file.inputs:
        before, builder.stem = len(builder.nodes), port.name
        places = np.arange(start, start + port.size).reshape(port.shape)
        value = builder.select(builder.input, places)
        values |= builder.finish({port.name: value}, before)
        start += port.size
    return builder, values


def _result(builder: Builder, file: OnnxFile, values: Mapping[str, Tensor]) -> Activation:
    """Return the outputs as one flat tensor; a single one keeps its shape."""
    parts = []
    for name in file.outputs:
        if name not in values:
            raise FormatError(f"{file.path}: no node computes the output {name!r}: export it again")
        value = values[name]
        builder.stem = name
        if isinstance(value, Whole):
            raise UnsupportedError(f"{file.path}: output {name!r} holds integers: {INTEGERS}")
        parts.append(builder.lift(value.values) if isinstance(value, Constant) else value)
    if len(parts) == 1:
        return parts[0]
    builder.stem = "outputs"
    return builder.concat(parts)


def _held(values: Mapping[str, Tensor], keep: frozenset[str]) -> frozenset[str]:
    """Return the IR nodes that hold some tensors."""
    kept = [values[name] for name in keep if name in values]
    return frozenset(value.node for value in kept if isinstance(value, Activation))


def _place(proto: onnx.NodeProto, opset: int) -> str:
    name = proto.name or next(iter(proto.output), "")
    return f"node {name!r} ({_one_line(proto.op_type)}, opset {opset})"


def _one_line(text: object) -> str:
    """Return a text without line breaks; a damaged file may put them into names."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def _known_operators(file: OnnxFile) -> None:
    for proto in file.nodes:
        known = proto.op_type in OPERATORS or proto.op_type in FOLDED
        if proto.domain not in DOMAINS or not known:
            raise _unknown(file, proto)


def _unknown(file: OnnxFile, proto: onnx.NodeProto) -> UnsupportedError:
    domain = "" if proto.domain in DOMAINS else f" of domain {proto.domain!r}"
    return UnsupportedError(
        f"{file.path}: {_place(proto, file.opset)}: the operator{domain} is not handled; handled "
        f"are {', '.join(sorted(OPERATORS))}, and {len(FOLDED)} operators on constants"
    )


def _lower_node(
    builder: Builder,
    proto: onnx.NodeProto,
    file: OnnxFile,
    values: Mapping[str, Tensor],
    read: set[str],
) -> Mapping[str, Tensor]:
    """Return the outputs of one node by their names."""
    for name in proto.input:
        if name and name not in values:
            raise FormatError(f"reads {name!r}, which nothing computes: export the model again")
    inputs = tuple(values[name] if name else None for name in proto.input)
    constant = all(value is None or isinstance(value, Constant) for value in inputs)
    if constant and proto.op_type in FOLDED:
        return _fold(proto, file, values)
    if proto.op_type not in OPERATORS:
        raise UnsupportedError(
            "the operator is handled on constants only; handled on activations are "
            + ", ".join(sorted(OPERATORS))
        )
    outputs = tuple(name if name in read else "" for name in proto.output)
    op = Operation(proto, file.opset, file.dtype, inputs, outputs)
    before = len(builder.nodes)
    builder.stem = proto.output[0]
    with np.errstate(all="ignore"):  # what overflows is refused by the layers
        results = OPERATORS[proto.op_type](builder, op)
    named = dict(zip((name for name in proto.output if name), results, strict=False))
    for value in named.values():
        if isinstance(value, Activation) and not value.size:
            raise UnsupportedError(f"gives an empty tensor of shape {list(value.shape)}")
    return builder.finish(named, before)


def _fold(
    proto: onnx.NodeProto, file: OnnxFile, values: Mapping[str, Tensor]
) -> Mapping[str, Constant]:
    """Return the outputs of a node whose inputs are all constant."""
    tensors = [a.t for a in proto.attribute if a.name == "value"]
    if proto.op_type == "Constant" and tensors:
        results: list[NDArray[Any]] = [to_array(file.path, tensors[0])]
    else:
        given = {name: values[name] for name in proto.input if name}
        arrays = {name: v.values for name, v in given.items() if isinstance(v, Constant)}
        results = list(run_node(proto, file.opset, arrays))
    for array in results:
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise FormatError("gives nan from constants alone: export the model again")
    names = [name for name in proto.output if name]
    return {name: Constant(array) for name, array in zip(names, results, strict=True)}


def _join_scales(nodes: Mapping[str, Node], output: str, held: frozenset[str]) -> dict[str, Node]:
    """Return the nodes with each ``a x + b x`` as one scale, where binary64 holds ``a + b``.

    A scale that the element type does not hold is written so. Neither product may have another
    reader, or be held.
    """
    joined = dict(nodes)
    readers = _readers(nodes, output)
    for node in nodes.values():
        if not isinstance(node.layer, Sum) or len(set(node.sources)) != 2:
            continue
        parts = [joined[name] for name in node.sources]
        layers = [part.layer for part in parts]
        if len(parts) != 2 or parts[0].sources != parts[1].sources:
            continue
        if any(readers[part.name] != 1 or part.name in held for part in parts):
            continue
        match layers:
            case [
                Affine(operator=Diagonal(weight=a), bias=c),
                Affine(operator=Diagonal(weight=b), bias=d),
            ] if _adds(a, b) and not (c.any() or d.any()):
                layer = Affine(Diagonal(a + b), c)
                joined[node.name] = replace(node, layer=layer, sources=parts[0].sources)
                for part in parts:
                    del joined[part.name]
    return joined


def _adds(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Return whether binary64 holds each ``a + b``: Knuth's sum leaves no rest."""
    total = a + b
    part = total - a
    return bool(((a - (total - part)) + (b - part) == 0).all())


def _readers(nodes: Mapping[str, Node], output: str) -> dict[str, int]:
    """Return how often each node is read; the output once more."""
    readers: dict[str, int] = {output: 1}
    for node in nodes.values():
        for source in node.sources:
            readers[source] = readers.get(source, 0) + 1
    return readers


def _merge_biases(
    nodes: Mapping[str, Node], output: str, tensors: frozenset[str], held: frozenset[str]
) -> dict[str, Node]:
    """Return the nodes with each ``(W x + 0) + b`` as one layer ``W x + b``, named after the sum.

    This is exact: no number changes. The product must have no other reader and must not be held,
    and the sum must be a tensor of the file.
    """
    merged = dict(nodes)
    readers = _readers(nodes, output)
    for node in nodes.values():
        layer = node.layer
        if not (isinstance(layer, Affine) and isinstance(layer.operator, Diagonal)):
            continue
        if node.name not in tensors or node.sources[0] in held:
            continue
        inner = merged[node.sources[0]]
        if not (isinstance(inner.layer, Affine) and readers[inner.name] == 1):
            continue
        if (layer.operator.weight == 1).all() and not inner.layer.bias.any():
            del merged[inner.name]
            together = Affine(inner.layer.operator, layer.bias)
            merged[node.name] = replace(node, layer=together, sources=inner.sources)
    return merged
