"""A model file's own runtime: the values of chosen tensors at points of the element types' grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from ..errors import FormatError
from ..formats.onnx_file import first_line
from ..formats.onnx_fold import not_implemented, session_options
from ..rounding import Array
from .graph import Graph


class Replay:
    """Evaluates tensors of a graph as onnxruntime does, one point at a time.

    Attributes:
        graph: what is evaluated.
        names: of the tensors.
    """

    def __init__(self, graph: Graph, names: Sequence[str]) -> None:
        """Prepare the runtime.

        Raises:
            FormatError: onnxruntime refuses the model.
        """
        self.graph, self.names = graph, tuple(names)
        self._computed = [name for name in self.names if name not in graph.constants]
        proto = onnx.ModelProto()
        proto.CopyFrom(graph.model.proto)
        del proto.graph.output[:]
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._computed)
        self._session = self._start(proto) if self._computed else None

    def at(self, point: Array) -> dict[str, NDArray[Any]]:
        """Return the tensors, flat in C order and in their element types, at a point ``(inputs,)``.

        Raises:
            FormatError: onnxruntime fails to run the model.
        """
        feed, first = {}, 0
        for port in self.graph.inputs:
            own = point[first : first + port.size].astype(port.kind)
            feed[port.name] = np.ascontiguousarray(own).reshape(port.shape)
            first += port.size
        found = {name: self.graph.constants.get(name) for name in self.names}
        if self._session is not None:
            try:
                results = self._session.run(self._computed, feed)
            except Exception as error:
                raise FormatError(
                    f"{self.graph.model.path}: onnxruntime fails to run it: {first_line(error)}; "
                    "export the model again"
                ) from None
            found.update(zip(self._computed, results, strict=True))
        return {name: np.asarray(values).ravel() for name, values in found.items()}

    def _start(self, proto: onnx.ModelProto) -> Any:
        try:
            return onnxruntime.InferenceSession(
                proto.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            if not not_implemented(error):
                raise FormatError(
                    f"{self.graph.model.path}: onnxruntime refuses it: {first_line(error)}; "
                    "export the model again"
                ) from None
            from onnx.reference import ReferenceEvaluator

            return ReferenceEvaluator(proto)
