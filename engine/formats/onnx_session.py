"""Any ONNX file at one point, whatever its operators and element types, as onnxruntime runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from ..errors import FormatError
from .onnx_external import first_line, load_external
from .onnx_fold import not_implemented, session_options
from .onnx_signature import Signature


def evaluate(
    signature: Signature, inputs: Sequence[NDArray[Any]], names: Sequence[str]
) -> Mapping[str, NDArray[Any]]:
    """Return tensors of a file at one point, in the file's element types and shapes.

    Args:
        signature: of the file.
        inputs: a value for each input of the file, in its order; cast and reshaped.
        names: of tensors that nodes compute, or of inputs.

    Raises:
        FormatError: onnxruntime refuses the file or fails to run it.
    """
    assert signature.model is not None
    feed = {}
    for info, value in zip(signature.inputs, inputs, strict=True):
        shape = [1 if size is None else size for size in info.shape or (value.size,)]
        feed[info.name] = np.ascontiguousarray(value, dtype=info.element).reshape(shape)
    wanted = [name for name in dict.fromkeys(names) if name not in feed]
    found: dict[str, NDArray[Any]] = {name: feed[name] for name in names if name in feed}
    if wanted:
        model = onnx.ModelProto()
        model.CopyFrom(signature.model)
        load_external(signature.path, model)
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
        try:
            results = _session(model).run(wanted, feed)
        except Exception as error:
            raise FormatError(
                f"{signature.path}: onnxruntime fails to run it: {first_line(error)}; export the "
                "model again"
            ) from None
        found |= {name: np.asarray(value) for name, value in zip(wanted, results, strict=True)}
    return found


def _session(model: onnx.ModelProto) -> Any:
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        if not not_implemented(error):
            raise
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(model)
