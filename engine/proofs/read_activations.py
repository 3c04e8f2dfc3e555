"""Activation functions as ReLUs, sums and scales; each formula is exact in real arithmetic.

What a neuron takes linearly stays linear: a limit of minus infinity makes no ReLU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from .model import Array, FormatError
from .read_operation import Lowering, Operation
from .read_values import Builder, Constant, Tensor, Value, common_shape, wide

MOST: Final = float(np.finfo(np.float32).max)
"""A limit of Clip at or beyond it is none: it is how the operator says so."""


def relu(b: Builder, op: Operation) -> Sequence[Value]:
    """Relu."""
    return [b.relu(op.tensor(0))]


def absolute(b: Builder, op: Operation) -> Sequence[Value]:
    """Abs: ``2 relu(x) - x``."""
    x = op.tensor(0)
    return [b.total([b.scale(b.relu(x), 2.0), b.scale(x, -1.0)])]


def leaky_relu(b: Builder, op: Operation) -> Sequence[Value]:
    """LeakyRelu, one slope for all neurons."""
    x = op.tensor(0)
    return [_leaky(b, x, np.full(1, op.real("alpha", 0.01)))]


def parametric_relu(b: Builder, op: Operation) -> Sequence[Value]:
    """PRelu, a constant slope for each neuron."""
    x, slope = op.tensor(0), wide(op.constant(1))
    if common_shape([x, Constant(slope)]) != x.shape:
        raise FormatError(f"has slopes of shape {list(slope.shape)} for {list(x.shape)}")
    return [_leaky(b, x, slope)]


def _leaky(b: Builder, x: Tensor, slope: Array) -> Tensor:
    """Return ``relu(x) + a x - a relu(x)``; 1 - a may be no float64 number."""
    positive = b.relu(x)
    if not slope.any():
        return positive
    return b.total([positive, b.scale(x, slope), b.scale(positive, -slope)])


def clip(b: Builder, op: Operation) -> Sequence[Value]:
    """Clip between constants: ``lower + relu(x - lower) - relu(x - upper)``."""
    x = op.tensor(0)
    lower, upper = _limit(op, "min", 1, -np.inf), _limit(op, "max", 2, np.inf)
    if not lower <= upper or lower >= MOST or upper <= -MOST:
        raise FormatError(f"clips between {lower!r} and {upper!r}: correct the limits")
    if upper >= MOST:
        return [x if lower <= -MOST else floored(b, x, np.array(lower))]
    above = b.relu(b.scale(x, 1.0, -upper))
    if lower <= -MOST:
        return [b.total([x, b.scale(above, -1.0)])]
    return [b.total([b.relu(b.scale(x, 1.0, -lower)), b.scale(above, -1.0, lower)])]


def _limit(op: Operation, name: str, index: int, default: float) -> float:
    if op.opset < 11:
        found: Any = op.attribute(name)
        if found is None:
            return default
    elif op.has(index):
        constant = wide(op.constant(index))
        if constant.size != 1:
            raise FormatError(f"has a limit {name!r} of {constant.size} numbers: it must be one")
        found = float(constant.reshape(()))
    else:
        return default
    if not isinstance(found, float) or np.isnan(found):
        raise FormatError(f"has a limit {name!r} that is no number: correct it")
    return found


def maximum(b: Builder, op: Operation) -> Sequence[Value]:
    """Max: ``y + relu(x - y)``, and ``c + relu(x - c)`` with a constant."""
    return [_largest(b, op.values(), 1.0)]


def minimum(b: Builder, op: Operation) -> Sequence[Value]:
    """Min: ``-max(-x, -y)``."""
    return [_largest(b, op.values(), -1.0)]


def _largest(b: Builder, values: Sequence[Value], sign: float) -> Tensor:
    """Return ``sign max(sign x, sign y, ...)``."""
    shape = common_shape(values)
    parts = [b.broadcast(value, shape) for value in values if isinstance(value, Tensor)]
    if not parts:
        raise FormatError("compares constants alone: export the model again")
    parts = [b.scale(part, sign) for part in parts]
    y = parts[0]
    for part in parts[1:]:
        y = b.maximum(part, y)
    for value in values:
        if isinstance(value, Constant):
            y = floored(b, y, sign * wide(value.values))
    return b.scale(y, sign)


def floored(b: Builder, x: Tensor, floor: Array) -> Tensor:
    """Return ``max(x, floor)`` entry by entry; a floor of minus infinity is none.

    Args:
        b: the network under way.
        x: the values.
        floor: broadcasts to the shape of ``x``.
    """
    b.entries.take(x.size)
    floors = np.broadcast_to(floor, x.shape).ravel()
    if (floors == np.inf).any():
        raise FormatError("takes the larger of a number and infinity: correct the constant")
    bounded = np.isfinite(floors)
    if not bounded.any():
        return x
    if bounded.all():
        return _raised(b, x, floors.reshape(x.shape))
    kinked, straight = np.flatnonzero(bounded), np.flatnonzero(~bounded)
    above = _raised(b, b.select(x, kinked), floors[kinked])
    parts = b.concat([above, b.select(x, straight)])
    place = np.empty(x.size, dtype=np.int64)
    place[np.concatenate([kinked, straight])] = np.arange(x.size)
    return b.select(parts, place.reshape(x.shape))


def _raised(b: Builder, x: Tensor, floor: Array) -> Tensor:
    return b.scale(b.relu(b.scale(x, 1.0, -floor)), 1.0, floor)


ACTIVATIONS: Final[Mapping[str, Lowering]] = {
    "Abs": absolute,
    "Clip": clip,
    "LeakyRelu": leaky_relu,
    "Max": maximum,
    "Min": minimum,
    "PRelu": parametric_relu,
    "Relu": relu,
}
