"""The network of an ONNX file, for a batch of one: an exact real function, or a refusal.

The file's numbers are taken as they are and nothing is rounded: an operator whose coefficients
float64 does not hold, and an attribute or an input that is not understood, are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

import numpy as np

from .model import FormatError, Model
from .read_activations import ACTIVATIONS
from .read_graph import ENTRIES, Graph, Step, read_graph
from .read_layouts import LAYOUTS
from .read_linear import LINEAR
from .read_operation import Lowering, Operation
from .read_protobuf import Allowance
from .read_values import Builder, Constant, Tensor, Value
from .read_windows import WINDOWS

OPERATORS: Final[Mapping[str, Lowering]] = {**ACTIVATIONS, **LAYOUTS, **LINEAR, **WINDOWS}

MIXED: Final = ("BatchNormalization", "Dropout")
"""Operators whose inputs may have several element types."""


def read_onnx(data: bytes) -> Model:
    """Return the network of an ONNX file.

    Tensors are flat in C order, without their batch axis. A node bears the name of the tensor that
    it holds; nodes inside of an operator have a word behind it: the ReLUs of ``y`` are ``y/relu``
    where some neurons of ``y`` are linear.

    Args:
        data: the file.

    Raises:
        FormatError: it is no ONNX file, or holds what is not handled.
    """
    entries = Allowance(ENTRIES, "numbers")
    graph = read_graph(data, entries)
    builder = Builder(graph.input, graph.names, entries)
    values: dict[str, Value] = {name: Constant(v) for name, v in graph.constants.items()}
    values[graph.input.name] = builder.input
    wanted = {name for step in graph.steps for name in step.inputs if name} | {graph.output}
    for step in graph.steps:
        try:
            with np.errstate(all="ignore"):
                _lower(builder, step, graph.opset, values, wanted)
        except FormatError as error:
            raise FormatError(f"{_place(step)}: {error}") from None
        except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
            raise FormatError(
                f"{_place(step)}: inputs and attributes do not fit together "
                f"({type(error).__name__}): export the model again"
            ) from None
    return builder.model(_output(builder, graph, values))


def _lower(b: Builder, step: Step, opset: int, values: dict[str, Value], wanted: Set[str]) -> None:
    """Add the outputs of a node of the graph to the values, where they are wanted."""
    if step.kind not in OPERATORS:
        raise FormatError(
            f"the operator is not handled; handled are {', '.join(sorted(OPERATORS))}"
        )
    for name in step.inputs:
        if name and name not in values:
            raise FormatError(f"reads {name!r}, which no node before it computes: export it again")
    inputs = tuple(values[name] if name else None for name in step.inputs)
    real = {dtype for value in inputs if value is not None and (dtype := _dtype(value))[0] == "f"}
    if len(real) > 1 and step.kind not in MIXED:
        raise FormatError(f"mixes the element types {sorted(real)}: export the model again")
    read = tuple(name in wanted for name in step.outputs)
    op, before = Operation(step, opset, inputs, read), len(b.nodes)
    b.stem = next(name for name in step.outputs if name)
    found = OPERATORS[step.kind](b, op)
    op.finish()
    for name, value, used in zip(step.outputs, found, read, strict=False):
        if used:
            b.name(value, name, before)
            values[name] = value


def _dtype(value: Value) -> str:
    return value.dtype if isinstance(value, Tensor) else str(value.values.dtype)


def _output(b: Builder, graph: Graph, values: Mapping[str, Value]) -> Tensor:
    found = values.get(graph.output)
    if found is None:
        raise FormatError(f"no node computes the output {graph.output!r}: export the model again")
    if isinstance(found, Tensor):
        return found
    b.stem = graph.output
    return b.lift(found.values, graph.input.dtype)


def _place(step: Step) -> str:
    return f"node {step.name!r} ({step.kind})"
