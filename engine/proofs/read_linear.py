"""Operators that are linear in what depends on the input: products, sums, differences, scales.

A coefficient that float64 does not hold exactly is refused, never rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import isqrt, prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .model import Array, FormatError
from .read_exact import exact_product, exact_reciprocal, exact_sum
from .read_operation import Lowering, Operation
from .read_values import Builder, Constant, Tensor, Value, common_shape, wide

SAFE: Final = 2**31
"""Whole numbers up to this in magnitude multiply and add within 64 bits."""


def rows(b: Builder, x: Tensor, weight: Array, bias: Array | None = None) -> Tensor:
    """Return each vector along the last axis of ``x`` times ``weight`` ``(out, in)``, plus bias.

    Args:
        b: the network under way.
        x: ``(..., in)``.
        weight: ``(out, in)``.
        bias: ``(out,)``.
    """
    out, size = weight.shape
    if not x.shape or x.shape[-1] != size:
        raise FormatError(f"multiplies the shape {list(x.shape)} by a matrix for {size} values")
    count = x.size // size
    whole = b.matrix(count * out, count * size)
    whole.reshape(count, out, count, size)[np.arange(count), :, np.arange(count), :] = weight
    offset = np.zeros(count * out) if bias is None else np.tile(bias, count)
    return b.affine(x, whole, offset, (*x.shape[:-1], out), "product")


def turned(b: Builder, x: Tensor) -> Tensor:
    """Return ``x`` with its last two axes exchanged."""
    return b.select(x, np.swapaxes(b.positions(x.shape), -1, -2))


def matmul(b: Builder, op: Operation) -> Sequence[Value]:
    """MatMul with a constant matrix or vector on either side."""
    match op.value(0), op.value(1):
        case Tensor() as x, Constant(values=weight) if weight.ndim in (1, 2):
            y = rows(b, x, wide(weight).reshape(len(weight), -1).T)
            return [Tensor(y.node, y.shape[:-1] if weight.ndim == 1 else y.shape, y.dtype)]
        case Constant(values=weight), Tensor() as x if weight.ndim in (1, 2):
            matrix = wide(weight).reshape(-1, weight.shape[-1])
            if len(x.shape) == 1:
                y = rows(b, x, matrix)
                return [Tensor(y.node, y.shape[:-1] if weight.ndim == 1 else y.shape, y.dtype)]
            y = turned(b, rows(b, turned(b, x), matrix))
            if weight.ndim == 1:
                return [Tensor(y.node, (*y.shape[:-2], y.shape[-1]), y.dtype)]
            return [y]
        case _:
            raise FormatError("multiplies what is no constant matrix: one side must be one")


def gemm(b: Builder, op: Operation) -> Sequence[Value]:
    """Gemm: ``alpha A' B' + beta C`` with A or B constant."""
    alpha, beta = op.real("alpha", 1.0), op.real("beta", 1.0)
    turn_a, turn_b = bool(op.whole("transA", 0)), bool(op.whole("transB", 0))
    left, right = op.value(0), op.value(1)
    if len(left.shape) != 2 or len(right.shape) != 2:
        raise FormatError(f"multiplies the shapes {left.shape} and {right.shape}: use two axes")
    match left, right:
        case Tensor() as x, Constant(values=weight):
            x = turned(b, x) if turn_a else x
            y = _scaled(b, x, wide(weight if turn_b else weight.T), alpha)
        case Constant(values=weight), Tensor() as x:
            x = x if turn_b else turned(b, x)
            y = turned(b, _scaled(b, x, wide(weight.T if turn_a else weight), alpha))
        case _:
            raise FormatError("multiplies what is no constant matrix: one side must be one")
    if not op.has(2):
        return [y]
    match op.value(2):
        case Constant(values=addend):
            offset = _times(wide(addend), beta)
            if offset is None:
                raise FormatError(f"beta {beta!r} times C is no float64: multiply them in the file")
            _broadcasts(addend.shape, y.shape)
            return [b.scale(y, 1.0, offset, join=True)]
        case Tensor() as addend:
            _broadcasts(addend.shape, y.shape)
            return [b.total([y, b.scale(b.broadcast(addend, y.shape), beta)])]


def _scaled(b: Builder, x: Tensor, weight: Array, alpha: float) -> Tensor:
    """Return ``alpha x weight'``; in two steps where a product is no float64 number."""
    if alpha == 1.0:
        return rows(b, x, weight)
    product = _times(weight, alpha)
    return b.scale(rows(b, x, weight), alpha) if product is None else rows(b, x, product)


def _times(values: Array, factor: float) -> Array | None:
    if factor == 1.0:
        return values
    flat = exact_product(values.ravel(), np.full(values.size, factor))
    return None if flat is None else flat.reshape(values.shape)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> None:
    if common_shape([Constant(np.broadcast_to(0.0, each)) for each in (shape, to)]) != to:
        raise FormatError(f"adds the shape {list(shape)} to {list(to)}: export the model again")


def add(b: Builder, op: Operation) -> Sequence[Value]:
    """Add and Sum, of any number of tensors."""
    values = op.values()
    shape = common_shape(values)
    parts = [b.broadcast(value, shape) for value in values if isinstance(value, Tensor)]
    fixed = [value.values for value in values if isinstance(value, Constant)]
    if not parts:
        return [Constant(_folded(np.add, fixed))]
    y = b.total(parts)
    for constant in fixed:
        y = b.scale(y, 1.0, wide(constant), join=True)
    return [y]


def subtract(b: Builder, op: Operation) -> Sequence[Value]:
    """Sub."""
    left, right = op.value(0), op.value(1)
    shape = common_shape([left, right])
    match left, right:
        case Tensor() as x, Tensor() as y:
            return [b.total([b.broadcast(x, shape), b.scale(b.broadcast(y, shape), -1.0)])]
        case Tensor() as x, Constant(values=c):
            return [b.scale(b.broadcast(x, shape), 1.0, -wide(c), join=True)]
        case Constant(values=c), Tensor() as x:
            return [b.scale(b.broadcast(x, shape), -1.0, wide(c))]
        case _:
            return [Constant(_folded(np.subtract, [op.constant(0), op.constant(1)]))]


def multiply(b: Builder, op: Operation) -> Sequence[Value]:
    """Mul, by a constant."""
    left, right = op.value(0), op.value(1)
    shape = common_shape([left, right])
    match left, right:
        case (Tensor() as x, Constant(values=c)) | (Constant(values=c), Tensor() as x):
            return [b.scale(b.broadcast(x, shape), wide(c))]
        case Constant(values=c), Constant(values=d):
            return [Constant(_folded(np.multiply, [c, d]))]
        case _:
            raise FormatError("multiplies two tensors that depend on the input: not handled")


def divide(b: Builder, op: Operation) -> Sequence[Value]:
    """Div, by powers of two: no other number has an exact reciprocal."""
    x, inverse = op.tensor(0), exact_reciprocal(wide(op.constant(1)))
    if inverse is None:
        raise FormatError("divides by a number that is no power of two, which rounds: not handled")
    return [b.scale(b.broadcast(x, common_shape([x, Constant(inverse)])), inverse)]


def negate(b: Builder, op: Operation) -> Sequence[Value]:
    """Neg."""
    match op.value(0):
        case Tensor() as x:
            return [b.scale(x, -1.0)]
        case Constant(values=c):
            return [Constant(_folded(np.subtract, [np.zeros_like(c), c]))]


def batch_normalization(b: Builder, op: Operation) -> Sequence[Value]:
    """BatchNormalization in inference, where its scale ``gamma / sqrt(var + epsilon)`` is exact."""
    epsilon, x = op.real("epsilon", 1e-5), op.tensor(0)
    op.real("momentum", 0.9)
    if op.whole("training_mode", 0) or not op.whole("spatial", 1) or any(op.read[1:]):
        raise FormatError("is in training mode or not by channel: export it for inference")
    if len(x.shape) < 2:
        raise FormatError(f"reads the shape {list(x.shape)}: it needs a channel axis")
    channels = x.shape[1]
    gamma, beta, mean, variance = (wide(op.constant(index)) for index in range(1, 5))
    if {each.shape for each in (gamma, beta, mean, variance)} != {(channels,)}:
        raise FormatError(f"has statistics that are not of {channels} channels: export it again")
    if not all(np.isfinite(each).all() for each in (gamma, variance)):
        raise FormatError("has statistics that are not finite: correct the file")
    scale = np.array(
        [_normal(*each, epsilon) for each in zip(gamma.tolist(), variance.tolist(), strict=True)]
    )
    along = (channels,) + (1,) * (len(x.shape) - 2)
    centred = b.scale(x, 1.0, -mean.reshape(along), what="centred")
    return [b.scale(centred, scale.reshape(along), beta.reshape(along))]


def _normal(gamma: float, variance: float, epsilon: float) -> float:
    square = Fraction(variance) + Fraction(epsilon)
    if square > 0:
        root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
        scale = Fraction(gamma) / root if root * root == square else None
        if scale is not None and Fraction(float(scale)) == scale:
            return float(scale)
    raise FormatError(
        "has a scale that is no float64 number, which rounds: fold it into the layer before it"
    )


def _folded(do: Callable[..., NDArray[Any]], parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the result on constants; raise FormatError if their element type does not hold it."""
    common_shape([Constant(part) for part in parts])
    kind = parts[0].dtype
    if any(part.dtype != kind for part in parts) or kind.kind not in "if":
        raise FormatError("combines constants of different element types: export the model again")
    total = parts[0]
    for part in parts[1:]:
        if kind.kind == "i":
            if any(np.abs(each.astype(np.float64)).max(initial=0) > SAFE for each in (total, part)):
                raise FormatError("computes with whole numbers beyond 31 bits: not handled")
            exact: NDArray[Any] | None = do(total.astype(np.int64), part.astype(np.int64))
        else:
            first, second = (
                np.ravel(each) for each in np.broadcast_arrays(wide(total), wide(part))
            )
            shape = np.broadcast_shapes(total.shape, part.shape)
            if do is np.multiply:
                exact = exact_product(first, second)
            else:
                exact = exact_sum(first, second if do is np.add else -second)
            exact = None if exact is None else exact.reshape(shape)
        if exact is None or not (exact.astype(kind) == exact).all():
            raise FormatError("computes a constant that its element type rounds: not handled")
        total = exact.astype(kind)
    return total


def reduce_sum(b: Builder, op: Operation) -> Sequence[Value]:
    """ReduceSum."""
    return [_reduced(b, op, mean=False, since=13)]


def reduce_mean(b: Builder, op: Operation) -> Sequence[Value]:
    """ReduceMean over a number of entries that is a power of two."""
    return [_reduced(b, op, mean=True, since=18)]


def _reduced(b: Builder, op: Operation, *, mean: bool, since: int) -> Tensor:
    x, given = op.tensor(0), op.wholes("axes", since=since)
    keep = bool(op.whole("keepdims", 1))
    if bool(op.whole("noop_with_empty_axes", 0)) and not given:
        return x
    rank = len(x.shape)
    axes = {range(rank)[axis] for axis in given} if given else set(range(rank))
    rest = [axis for axis in range(rank) if axis not in axes]
    kept = prod(x.shape[axis] for axis in rest)
    count = x.size // kept
    moved = b.positions(x.shape).transpose(*rest, *sorted(axes)).reshape(kept, count)
    shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape) if keep or a not in axes)
    return gathered(b, x, moved, count if mean else 1, shape)


def gathered(
    b: Builder, x: Tensor, places: NDArray[np.int64], over: int, shape: tuple[int, ...]
) -> Tensor:
    """Return sums of values of ``x``, divided by a number.

    Args:
        b: the network under way.
        x: the values.
        places: ``(sums, terms)`` int64, no place twice in a row; below 0 is none.
        over: what each is divided by.
        shape: of the result.
    """
    share = exact_reciprocal(np.array([float(over)]))
    if share is None:
        raise FormatError(f"divides by {over}, which is no power of two and rounds: not handled")
    weight = b.matrix(len(places), x.size)
    row, term = np.nonzero(places >= 0)
    weight[row, places[row, term]] = share[0]
    return b.affine(x, weight, np.zeros(len(places)), shape, "sums")


LINEAR: Final[Mapping[str, Lowering]] = {
    "Add": add,
    "BatchNormalization": batch_normalization,
    "Div": divide,
    "Gemm": gemm,
    "MatMul": matmul,
    "Mul": multiply,
    "Neg": negate,
    "ReduceMean": reduce_mean,
    "ReduceSum": reduce_sum,
    "Sub": subtract,
    "Sum": add,
}
