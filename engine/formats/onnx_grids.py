"""Lowering of QuantizeLinear and DequantizeLinear to grids of activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, UnsupportedError
from ..network import Array, Quantize
from .onnx_tensors import Activation, Builder, Lowering, Operation, Tensor, Value, Whole

KINDS: Final = ("int8", "uint8", "int16", "uint16")
"""Integers that a grid's values are written as."""


def quantize_linear(b: Builder, op: Operation) -> Sequence[Tensor]:
    """QuantizeLinear: ``clip(round(x / scale) + zero)``, ties to even, the integers' limits."""
    x = op.activation(0)
    scale, zero = settings(op, x.shape, 1)
    if str(zero.dtype) not in KINDS:
        raise UnsupportedError(
            f"rounds to {zero.dtype}: handled are {', '.join(KINDS)}; quantize to one of these"
        )
    return [Whole(x, scale, zero)]


def dequantize_linear(b: Builder, op: Operation) -> Sequence[Value]:
    """DequantizeLinear: ``(whole - zero) scale``, with the numbers of the QuantizeLinear before."""
    whole = op.inputs[0]
    if not isinstance(whole, Whole):
        raise UnsupportedError("makes floats of what no QuantizeLinear gave: quantize before")
    return [grid_of(b, whole, *settings(op, whole.source.shape, 1))]


def grid_of(b: Builder, whole: Whole, scale: NDArray[Any], zero: NDArray[Any]) -> Activation:
    """Return the activation on a grid that integers stand for.

    Raises:
        UnsupportedError: a scale or zero point that is not the one that gave the integers.
    """
    same = zero.dtype == whole.zero.dtype and np.array_equal(zero, whole.zero)
    if not (same and np.array_equal(scale, whole.scale)):
        raise UnsupportedError(
            "has another scale or zero point than what gave the integers: make them the same"
        )
    limits = np.iinfo(zero.dtype)
    low, high = (limit - zero.astype(np.float64).ravel() for limit in (limits.min, limits.max))
    grid = Quantize(scale.astype(np.float64).ravel(), low, high)
    return b.add(grid, [whole.source], whole.source.shape)


def dynamic(b: Builder, op: Operation) -> Sequence[Value]:
    """DynamicQuantizeLinear, whose scale depends on all values at once: refused."""
    raise UnsupportedError(
        "rounds to a grid that follows the range of each input, which is not piecewise linear: "
        "quantize with fixed scales (static quantization)"
    )


def narrowed(b: Builder, x: Activation, lower: Array, upper: Array) -> Activation | None:
    """Return an activation on a grid, cut to limits that are on the grid too.

    Args:
        b: the IR under way.
        x: any activation.
        lower: ``(size,)``; minus infinity for no limit.
        upper: ``(size,)``; infinity for no limit.

    Returns:
        None where x is on no grid, or the limits are not, or leave 0 out.
    """
    node = b.nodes[x.node]
    if not isinstance(node.layer, Quantize):
        return None
    grid = node.layer
    low, least = _multiple(grid, lower, grid.low)
    high, most = _multiple(grid, upper, grid.high)
    if not (least & most & (low <= 0) & (high >= 0)).all():
        return None
    source = Activation(node.sources[0], x.shape)
    return b.add(Quantize(grid.scale, low, high), [source], x.shape)


def _multiple(grid: Quantize, limit: Array, given: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the multiples nearest to a limit, and which of them are it, if rounded to float32."""
    near = np.where(np.isfinite(limit), np.rint(limit / grid.scale), given)
    near = np.where(np.abs(near) < np.abs(given), near, given)
    value = near * grid.scale
    beyond = np.abs(limit) >= np.abs(value)
    exact = (value == limit) | (value.astype(np.float32).astype(np.float64) == limit)
    return near, exact | ((near == given) & beyond)


def settings(op: Operation, shape: tuple[int, ...], at: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return scales and zero points, inputs `at` and the next, in the shape of a tensor.

    Raises:
        UnsupportedError: blocks of scales.
        FormatError: a scale that is no positive, finite number; numbers that do not fit the axis.
    """
    if op.attributes.get("block_size", 0):
        raise UnsupportedError("has scales for blocks: handled are one, or one for each channel")
    scale = op.constant(at)
    good = np.isfinite(scale) & (scale > 0)
    if not good.all():
        raise FormatError(
            f"has the scale {scale[~good].flat[0]}: a scale is a positive, finite number; quantize "
            "the model again"
        )
    zero = op.constant(at + 1) if op.has(at + 1) else np.zeros(scale.shape, np.uint8)
    if zero.shape != scale.shape:
        raise FormatError(
            f"has scales of shape {list(scale.shape)}, zero points of {list(zero.shape)}: give as "
            "many of each"
        )
    if scale.size == 1:
        scale, zero = scale.reshape(()), zero.reshape(())
    else:
        axis = int(op.attributes.get("axis", 1))
        along = [1] * len(shape)
        along[axis] = -1
        scale, zero = scale.reshape(along), zero.reshape(along)
    return np.broadcast_to(scale, shape), np.broadcast_to(zero, shape)


GRIDS: Final[Mapping[str, Lowering]] = {
    "DequantizeLinear": dequantize_linear,
    "DynamicQuantizeLinear": dynamic,
    "QuantizeLinear": quantize_linear,
}
