"""One operation on constants, as the runtime computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import FormatError
from ..formats.onnx_file import first_line
from ..formats.onnx_fold import run_node


def run_step(
    operator: str,
    opset: int,
    attributes: Mapping[str, Any],
    inputs: Sequence[NDArray[Any] | None],
    outputs: int,
) -> Sequence[NDArray[Any]]:
    """Return the outputs of one operation.

    onnxruntime computes them; where it does not know the opset, the reference evaluator of ONNX.

    Args:
        operator: ONNX name.
        opset: version of the standard operators.
        attributes: by name.
        inputs: values, None where an optional input is left out.
        outputs: how many there are.

    Raises:
        FormatError: inputs and attributes do not fit together.
        UnsupportedError: an output would be too large.
    """
    named = {f"x{index}": x for index, x in enumerate(inputs) if x is not None}
    node = onnx.helper.make_node(
        operator,
        [f"x{index}" if x is not None else "" for index, x in enumerate(inputs)],
        [f"y{index}" for index in range(outputs)],
        **{key: _attribute(value) for key, value in attributes.items()},
    )
    try:
        return run_node(node, opset, named)
    except FormatError:
        return _reference(node, opset, named)


def _attribute(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return onnx.numpy_helper.from_array(value)
    return value


def _reference(
    node: onnx.NodeProto, opset: int, inputs: Mapping[str, NDArray[Any]]
) -> Sequence[NDArray[Any]]:
    from onnx.reference import ReferenceEvaluator

    graph = onnx.helper.make_graph(
        [node],
        "node",
        [
            onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in inputs.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in node.output],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        results = ReferenceEvaluator(model).run(None, dict(inputs))
    except Exception as error:
        raise FormatError(f"cannot be computed: {first_line(error)}") from None
    return [np.asarray(result) for result in results]
