"""One ONNX node, run alone: constants are folded and layouts are followed by the runtime itself.

Nothing about the meaning of Slice, Reshape, Pad and their like is written down a second time: the
runtime moves an array of positions, and the positions are what the import keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from ..errors import FormatError, UnsupportedError
from .onnx_file import allowed_size, first_line

_NAMES: Final = """
Abs Add And AveragePool Cast CastLike Ceil Clip Concat Constant ConstantOfShape Conv Cos CumSum
DepthToSpace DequantizeLinear Div Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements
GatherND Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual Identity LeakyRelu Less
LessOrEqual Log MatMul Max MaxPool Mean Min Mod Mul Neg NonZero Not Or PRelu Pad Pow Range
Reciprocal ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
Relu Reshape Round ScatterElements ScatterND Shape Sigmoid Sign Sin Size Slice Softmax SpaceToDepth
Split Sqrt Squeeze Sub Sum Tan Tanh Tile Transpose Trilu Unsqueeze Where Xor
"""
FOLDED: Final = frozenset(_NAMES.split())
"""Operators whose result is computed when every input is constant: each gives one answer for one
input, always; none draws random numbers or holds a graph."""


SETTING: Final = 64
"""Most entries of an input that may be a setting: shapes, pads, axes."""


def session_options() -> onnxruntime.SessionOptions:
    """Return options for one thread and no messages on the terminal."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    return options


def not_implemented(error: Exception) -> bool:
    """Return whether the runtime understood a model and only lacks a kernel for its types."""
    return type(error).__name__ == "NotImplemented"


def run_node(
    node: onnx.NodeProto, opset: int, inputs: Mapping[str, NDArray[Any]]
) -> Sequence[NDArray[Any]]:
    """Return the outputs of one node, as onnxruntime computes them in the inputs' element types.

    Args:
        node: the node; its named inputs are all in ``inputs``.
        opset: version of the standard operators.
        inputs: the values by tensor name.

    Raises:
        FormatError: the runtime refuses the node; the text gives its reason.
        UnsupportedError: an output would be too large.
    """
    read = [name for name in dict.fromkeys(node.input) if name]
    values = {name: np.ascontiguousarray(inputs[name]).reshape(inputs[name].shape) for name in read}
    graph = onnx.helper.make_graph(
        [node],
        "node",
        [
            onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in values.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in node.output if name],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8
    )
    try:
        _bound_outputs(model, values)
        return _run(model, values)
    except UnsupportedError:
        raise
    except Exception as error:
        raise FormatError(f"cannot be computed: {first_line(error)}") from None


def _bound_outputs(model: onnx.ModelProto, values: Mapping[str, NDArray[Any]]) -> None:
    """Raise UnsupportedError where the shapes that settings ask for are too large."""
    known = onnx.ModelProto()
    known.CopyFrom(model)
    for name, value in values.items():
        if value.size <= SETTING:
            known.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    inferred = onnx.shape_inference.infer_shapes(known, data_prop=True)
    for output in inferred.graph.output:
        allowed_size([dim.dim_value for dim in output.type.tensor_type.shape.dim])


def _run(model: onnx.ModelProto, values: Mapping[str, NDArray[Any]]) -> Sequence[NDArray[Any]]:
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
        )
        outputs: Sequence[Any] = session.run(None, dict(values))
    except Exception as error:
        if not not_implemented(error):
            raise
        from onnx.reference import ReferenceEvaluator

        outputs = list(ReferenceEvaluator(model).run(None, dict(values)))
    return [np.asarray(value) for value in outputs]
