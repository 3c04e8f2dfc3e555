"""Lowering of arithmetic: matrix products, sums, differences, products with constants.

Weights are the file's, widened exactly. A coefficient that is no binary64 number (one third, the
scale of a batch normalisation) becomes the nearest one: in secateur's real semantics the network
*is* the one with that coefficient, 2**-53 relative from the file's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, UnsupportedError
from ..operators import Convolution, Dense
from .onnx_file import DTYPES, type_name
from .onnx_tensors import Activation, Builder, Constant, Lowering, Operation, Value


def contract(b: Builder, x: Activation, axis: int, weight: NDArray[Any]) -> Activation:
    """Return ``x`` with ``weight`` ``(out, in)`` applied along ``axis``.

    A single vector gives a dense layer; several give a convolution with a kernel of one by one.
    """
    wide = np.asarray(weight, dtype=np.float64)
    if x.shape[axis] != wide.shape[1]:
        raise FormatError(
            f"multiplies {x.shape[axis]} values (axis {axis} of {list(x.shape)}) by a matrix for "
            f"{wide.shape[1]}: the shapes must agree"
        )
    others = x.shape[:axis] + x.shape[axis + 1 :]
    shape = x.shape[:axis] + wide.shape[:1] + x.shape[axis + 1 :]
    count = int(np.prod(others))
    if count == 1:
        return b.affine(x, Dense(wide), shape)
    first = b.select(x, np.moveaxis(x.positions(), axis, 0))
    kernel = Convolution(wide[:, :, None, None], (wide.shape[1], 1, count))
    y = b.affine(first, kernel, (wide.shape[0], *others))
    return b.select(y, np.moveaxis(y.positions(), 0, axis))


def matmul(b: Builder, op: Operation) -> Sequence[Value]:
    """MatMul with a constant matrix or vector on either side."""
    match op.value(0), op.value(1):
        case Activation() as x, Constant(values=weight) if weight.ndim in (1, 2):
            y = contract(b, x, len(x.shape) - 1, weight.reshape(len(weight), -1).T)
            return [Activation(y.node, y.shape[:-1] if weight.ndim == 1 else y.shape)]
        case Constant(values=weight), Activation() as x if weight.ndim in (1, 2):
            axis = max(len(x.shape) - 2, 0)
            y = contract(b, x, axis, weight.reshape(-1, weight.shape[-1]))
            drop = weight.ndim == 1
            if len(x.shape) == 1:
                return [Activation(y.node, () if drop else y.shape)]
            return [Activation(y.node, y.shape[:axis] + y.shape[axis + 1 :] if drop else y.shape)]
        case Activation(), Activation():
            raise UnsupportedError("multiplies two activations: one side must be constant")
        case left, _:
            weight = left.values if isinstance(left, Constant) else op.constant(1)
            raise UnsupportedError(
                f"multiplies by a constant of shape {list(weight.shape)}: it must have 1 or 2 axes"
            )


def gemm(b: Builder, op: Operation) -> Sequence[Value]:
    """Gemm: ``alpha A' B' + beta C`` with A or B constant."""
    alpha, beta = float(op.attributes.get("alpha", 1.0)), float(op.attributes.get("beta", 1.0))
    turn_a, turn_b = bool(op.attributes.get("transA", 0)), bool(op.attributes.get("transB", 0))
    match op.value(0), op.value(1):
        case Activation() as x, Constant(values=weight):
            weight, turn = weight if turn_b else weight.T, turn_a
            axis = 0 if turn_a else 1
        case Constant(values=weight), Activation() as x:
            weight, turn = weight.T if turn_a else weight, turn_b
            axis = 1 if turn_b else 0
        case _:
            raise UnsupportedError("multiplies two activations: one side must be constant")
    if len(x.shape) != 2 or weight.ndim != 2:
        raise FormatError(f"multiplies shapes {list(x.shape)} and {list(weight.shape)}: use 2 axes")
    exact = _times(weight, alpha)
    y = contract(b, x, axis, weight if exact is None else exact)
    y = b.scale(y, alpha) if exact is None else y
    if turn:
        y = b.select(y, y.positions().T)
    if not op.has(2) or beta == 0:
        return [y]
    match op.value(2):
        case Constant(values=addend):
            offset = _times(addend, beta)
            if offset is None:
                raise UnsupportedError(
                    f"beta {beta:.9g} times C is no binary64 number: multiply C by beta in the file"
                )
            return [b.scale(y, 1.0, offset)]
        case Activation() as addend:
            return [b.total([y, b.scale(b.broadcast(addend, y.shape), beta)])]


def _times(values: NDArray[Any], factor: float) -> NDArray[np.float64] | None:
    """Return the product by a binary32 factor where binary64 holds it exactly, else None."""
    wide = np.asarray(values, dtype=np.float64)
    product = wide * factor
    if factor == 1 or (wide == wide.astype(np.float32)).all():
        return product  # 24 bits times 24 bits fit 53
    same = all(
        Fraction(p) == Fraction(v) * Fraction(factor)
        for p, v in zip(product.ravel().tolist(), wide.ravel().tolist(), strict=True)
        if np.isfinite(p)
    )
    return product if same else None


def add(b: Builder, op: Operation) -> Sequence[Value]:
    """Add and Sum: any number of tensors, each constant or not, with broadcasting."""
    values = [op.value(index) for index in range(len(op.inputs))]
    shape = _common_shape(values)
    moving = [b.broadcast(value, shape) for value in values if isinstance(value, Activation)]
    fixed = [value.values for value in values if isinstance(value, Constant)]
    y = b.total(moving)
    for constant in fixed:
        y = b.scale(y, 1.0, constant)
    return [y]


def subtract(b: Builder, op: Operation) -> Sequence[Value]:
    """Sub, with a constant on either side or two activations."""
    left, right = op.value(0), op.value(1)
    shape = _common_shape([left, right])
    match left, right:
        case Activation() as x, Activation() as y:
            return [b.minus(b.broadcast(x, shape), b.broadcast(y, shape))]
        case Activation() as x, Constant(values=c):
            return [b.scale(b.broadcast(x, shape), 1.0, -_wide(c))]
        case Constant(values=c), Activation() as x:
            return [b.scale(b.broadcast(x, shape), -1.0, c)]
        case _:
            raise UnsupportedError("subtracts two constants")


def multiply(b: Builder, op: Operation) -> Sequence[Value]:
    """Mul by a constant."""
    left, right = op.value(0), op.value(1)
    shape = _common_shape([left, right])
    match left, right:
        case (Activation() as x, Constant(values=c)) | (Constant(values=c), Activation() as x):
            return [b.scale(b.broadcast(x, shape), c)]
        case _:
            raise UnsupportedError("multiplies two activations: one side must be constant")


def divide(b: Builder, op: Operation) -> Sequence[Value]:
    """Div by a constant; its reciprocal is rounded to binary64 unless it is a power of two."""
    match op.value(0), op.value(1):
        case Activation() as x, Constant(values=c):
            if (c == 0).any():
                raise FormatError("divides by a constant that holds a zero: correct the constant")
            wide = _wide(c)
            if (np.abs(np.frexp(wide)[0]) != 0.5).any():
                b.note_rounding("a reciprocal")
            return [b.scale(b.broadcast(x, _common_shape([x, Constant(c)])), 1.0 / wide)]
        case _:
            raise UnsupportedError(
                "divides by an activation: only division by a constant is handled"
            )


def negate(b: Builder, op: Operation) -> Sequence[Value]:
    """Neg."""
    return [b.scale(op.activation(0), -1.0)]


def batch_normalization(b: Builder, op: Operation) -> Sequence[Value]:
    """BatchNormalization with fixed statistics.

    The scale ``s = gamma / sqrt(variance + epsilon)`` and the offset ``beta - mean s`` are computed
    in binary64; the square root makes them irrational in general.
    """
    if op.attributes.get("training_mode", 0) or any(op.outputs[1:]):
        raise UnsupportedError("is in training mode: export the model in inference mode")
    if not op.attributes.get("spatial", 1):
        raise UnsupportedError("has spatial=0: only statistics for each channel are handled")
    x = op.activation(0)
    if len(x.shape) < 2:
        raise FormatError(f"reads shape {list(x.shape)}: it needs a batch axis and a channel axis")
    gamma, beta, mean, variance = (_wide(op.constant(index)) for index in range(1, 5))
    if not (variance + float(op.attributes.get("epsilon", 1e-5)) > 0).all():
        raise FormatError("has a variance below zero: correct the file")
    scale = gamma / np.sqrt(variance + float(op.attributes.get("epsilon", 1e-5)))
    along = (-1,) + (1,) * (len(x.shape) - 2)
    b.note_rounding("the scale of a batch normalisation")
    return [b.scale(x, scale.reshape(along), (beta - mean * scale).reshape(along))]


def cast(b: Builder, op: Operation) -> Sequence[Value]:
    """Cast to the element type that the file computes in already."""
    kind = int(op.attributes["to"])
    if DTYPES.get(kind) != op.dtype:
        raise UnsupportedError(
            f"converts activations from {op.dtype} to {type_name(kind)}: all must have one type"
        )
    return [op.activation(0)]


def _wide(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _common_shape(values: Sequence[Value]) -> tuple[int, ...]:
    shapes = [v.shape if isinstance(v, Activation) else v.values.shape for v in values]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise FormatError(
            f"combines shapes {' and '.join(str(list(shape)) for shape in shapes)}, which do not "
            "broadcast: export the model again"
        ) from None


ARITHMETIC: Final[Mapping[str, Lowering]] = {
    "Add": add,
    "BatchNormalization": batch_normalization,
    "Cast": cast,
    "Div": divide,
    "Gemm": gemm,
    "MatMul": matmul,
    "Mul": multiply,
    "Neg": negate,
    "Sub": subtract,
    "Sum": add,
}
