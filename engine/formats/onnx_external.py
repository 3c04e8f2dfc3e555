"""Tensors of an ONNX model that lie in other files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from ..errors import FileError, FormatError, UnsupportedError


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs inside a node."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
        for inner in subgraphs(node):
            yield from _tensors(inner)


def load_external(path: Path, model: onnx.ModelProto) -> dict[str, Path]:
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


def serialise(path: Path, model: onnx.ModelProto) -> bytes:
    """Return the bytes of a model with all its data; raises UnsupportedError beyond 2 GiB."""
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except Exception as error:
        raise UnsupportedError(
            f"{path}: with its external data it is larger than 2 GiB: {first_line(error)}; "
            "split the model"
        ) from None
