"""Lowering of QLinearMatMul and QLinearConv: an affine layer between two grids.

They multiply integers, add them exactly and round the scaled sum to the grid of their result. In
real arithmetic that is an affine layer of the numbers that the integers stand for, and a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import FormatError, UnsupportedError
from .onnx_arithmetic import ARITHMETIC
from .onnx_grids import grid_of, settings
from .onnx_tensors import Activation, Builder, Constant, Lowering, Operation, Tensor, Whole
from .onnx_windows import WINDOWS


def qlinear_matmul(b: Builder, op: Operation) -> Sequence[Tensor]:
    """QLinearMatMul of integers by a constant matrix; scales for its columns, or one."""
    x = _read(b, op)
    weight = op.constant(3)
    numbers, _ = _numbers(op, weight, 4, weight.ndim - 1)
    y = _as(op, "MatMul", ARITHMETIC, b, (x, Constant(numbers)))
    return [_written(op, y)]


def qlinear_conv(b: Builder, op: Operation) -> Sequence[Tensor]:
    """QLinearConv of integers by a constant kernel; scales for its channels, or one."""
    x = _read(b, op)
    numbers, scale = _numbers(op, op.constant(3), 4, 0)
    inputs: list[Tensor] = [x, Constant(numbers)]
    if op.has(8):
        step = op.constant(1).astype(np.float64).reshape(()) * scale
        inputs.append(Constant(op.constant(8).astype(np.float64) * step))
        if (np.frexp(step)[0] != 0.5).any():
            b.note_rounding("a bias of integers")
    y = _as(op, "Conv", WINDOWS, b, inputs)
    return [_written(op, y)]


def integer(b: Builder, op: Operation) -> Sequence[Tensor]:
    """ConvInteger and MatMulInteger, whose sums have no grid: refused."""
    raise UnsupportedError(
        "gives sums of integers without a scale: quantize with fixed scales to QuantizeLinear and "
        "DequantizeLinear, or to QLinearConv and QLinearMatMul"
    )


def _read(b: Builder, op: Operation) -> Activation:
    """Return the activation that the first input's integers stand for."""
    whole = op.inputs[0]
    if not isinstance(whole, Whole):
        raise UnsupportedError("multiplies integers that no QuantizeLinear gave: quantize before")
    scale, zero = settings(op, whole.source.shape, 1)
    return grid_of(b, whole, scale, zero)


def _numbers(
    op: Operation, whole: NDArray[Any], at: int, axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what constant integers stand for, exactly, and their scales."""
    scale, zero = op.constant(at).astype(np.float64), op.constant(at + 1).astype(np.float64)
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise FormatError("has a weight's scale that is no positive, finite number: quantize again")
    along = [1] * whole.ndim
    along[axis] = -1
    wide, shift = (v.reshape(along) if v.size > 1 else v.reshape(()) for v in (scale, zero))
    return (whole.astype(np.float64) - shift) * wide, scale.reshape(-1)


def _as(
    op: Operation, word: str, words: Mapping[str, Lowering], b: Builder, inputs: Sequence[Tensor]
) -> Activation:
    """Return the result of another operator with the attributes of this one."""
    names = [str(place) for place in range(len(inputs))]
    proto = onnx.helper.make_node(word, names, list(op.proto.output))
    proto.attribute.extend(op.proto.attribute)
    plain = replace(op, proto=proto, inputs=tuple(inputs))
    (y,) = words[word](b, plain)
    assert isinstance(y, Activation)
    return y


def _written(op: Operation, y: Activation) -> Whole:
    return Whole(y, *settings(op, y.shape, 6))


INTEGERS_OPERATORS: Final[Mapping[str, Lowering]] = {
    "ConvInteger": integer,
    "MatMulInteger": integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
}
