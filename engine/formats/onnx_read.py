"""Reading ONNX files: the file, its graph, its normalisation, and the check of the import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import FormatError, NetworkError
from ..network import Network, Normalisation
from .onnx_file import OnnxFile, read_file
from .onnx_ops import Lowered, lower
from .onnx_runtime import Runtime
from .selfcheck import check_import

NORMALISATION: Final = "secateur.normalisation"
"""Key, among the properties of an ONNX file, of its normalisation."""


def read_onnx(path: str | Path, *, seed: int = 0) -> Network:
    """Return the network of an ONNX file, compared with onnxruntime on random points.

    The network is the real-valued function of the file's graph for a batch of one: weights are the
    file's numbers, widened exactly. Constants that the graph computes from constants are those that
    onnxruntime computes, in the file's element type. IR nodes bear the names of the tensors they
    stand for.

    A first input axis of size 1, or an open one, is the batch axis and leaves the input's shape;
    with any other first axis, and with a single axis, the whole tensor is one input.

    Args:
        path: the file.
        seed: of the points of comparison.

    Raises:
        FileError: the file, or one with its external data, is missing or not readable.
        FormatError: it is not what ONNX asks for.
        UnsupportedError: an opset, operator or construct that is not handled.
        MismatchError: the import disagrees with the reference evaluator.
    """
    return checked_network(read_file(path), seed=seed).network


def checked_network(
    file: OnnxFile, keep: frozenset[str] = frozenset(), *, seed: int = 0
) -> Lowered:
    """Return what a file's graph becomes, compared with onnxruntime on random points.

    Args:
        file: the checked file; several inputs and outputs are flat ones, in their order.
        keep: names of tensors that must not be merged into others.
        seed: of the points of comparison.

    Raises:
        FormatError: it is not what ONNX asks for.
        UnsupportedError: an operator or construct that is not handled.
        MismatchError: the import disagrees with the reference evaluator.
    """
    lowered = lower(file, _normalisation(file), keep)
    checked = file if file.dtype != "float16" else _widened(file, lowered.constants)
    check_import(lowered.network, Runtime.of(checked).outputs, seed=seed)
    return lowered


def _normalisation(file: OnnxFile) -> Normalisation | None:
    text = file.metadata.get(NORMALISATION)
    if text is None:
        return None
    try:
        given = json.loads(text)
        vectors = {
            name: np.array([float.fromhex(value) for value in given[name]])
            for name in ("minimum", "maximum", "mean", "range")
        }
        mean, scale = (float.fromhex(given[name]) for name in ("output_mean", "output_range"))
        return Normalisation(**vectors, output_mean=mean, output_range=scale)
    except (ValueError, TypeError, KeyError, NetworkError) as error:
        raise FormatError(
            f"{file.path}: property {NORMALISATION!r} is not readable "
            f"({type(error).__name__}: {error}): remove it or write the file again"
        ) from None


def _widened(file: OnnxFile, constants: Mapping[str, NDArray[Any]]) -> OnnxFile:
    """Return a float16 file with the same numbers that computes in float32.

    float16 rounds each step by up to 2**-11, too coarse to tell a right import from a wrong one.
    """

    def wide(values: NDArray[Any]) -> NDArray[Any]:
        return values.astype(np.float32) if values.dtype == np.float16 else values

    nodes = []
    for node in file.nodes:
        if all(name in constants for name in node.output if name):
            continue
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for attribute in copy.attribute:
            if copy.op_type == "Cast" and attribute.name == "to":
                attribute.i = onnx.TensorProto.FLOAT
        nodes.append(copy)
    read = {name for node in nodes for name in node.input} | set(file.outputs)
    inputs = []
    for port in file.inputs:
        shape: list[int | str] = list(port.shape)
        if port.batch:
            shape[0] = "batch"
        kind = onnx.TensorProto.FLOAT
        inputs.append(onnx.helper.make_tensor_value_info(port.name, kind, shape))
    graph = onnx.helper.make_graph(
        nodes,
        "widened",
        inputs,
        [onnx.ValueInfoProto(name=name) for name in file.outputs],
        [
            onnx.numpy_helper.from_array(wide(values), name)
            for name, values in constants.items()
            if name in read
        ],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", file.opset)], ir_version=8
    )
    return replace(file, content=model.SerializeToString(), dtype="float32")
