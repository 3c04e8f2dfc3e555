"""Lowering of activation functions to ReLUs.

Each function is piecewise linear, and the formula in its docstring is exact in real arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, UnsupportedError
from ..network import Piecewise, State
from ..operators import Shape
from .onnx_grids import narrowed
from .onnx_tensors import Activation, Builder, Constant, Lowering, Operation, Value

LEAK: Final = float(np.float32(0.01))
"""Slope of a LeakyRelu that states none: a number of binary32, as all attributes are."""


def relu(b: Builder, op: Operation) -> Sequence[Value]:
    """Relu: ``max(x, 0)``."""
    return [b.relu(op.activation(0))]


def absolute(b: Builder, op: Operation) -> Sequence[Value]:
    """Abs: ``relu(x) + relu(-x)``."""
    x = op.activation(0)
    return [b.total([b.relu(x), b.relu(b.scale(x, -1.0))])]


def leaky_relu(b: Builder, op: Operation) -> Sequence[Value]:
    """LeakyRelu with one slope for all."""
    x = op.activation(0)
    return [_leaky(b, x, np.full(x.shape, float(op.attributes.get("alpha", LEAK))))]


def parametric_relu(b: Builder, op: Operation) -> Sequence[Value]:
    """PRelu: a constant slope for each component."""
    x = op.activation(0)
    slope = np.broadcast_to(op.constant(1).astype(np.float64), x.shape)
    return [_leaky(b, x, slope)]


def _leaky(b: Builder, x: Activation, alpha: NDArray[np.float64]) -> Activation:
    """Return ``alpha x + (1 - alpha) relu(x)``, or ``relu(x) - alpha relu(-x)``.

    The second stands where binary64 does not hold 1 - alpha exactly.
    """
    if not np.isfinite(alpha).all():
        raise FormatError("has an infinite slope: correct the slope")
    if all(1 - Fraction(a) == Fraction(1 - a) for a in np.unique(alpha).tolist()):
        return b.total([b.scale(x, alpha), b.scale(b.relu(x), 1.0 - alpha)])
    return b.total([b.relu(x), b.scale(b.relu(b.scale(x, -1.0)), -alpha)])


def clip(b: Builder, op: Operation) -> Sequence[Value]:
    """Clip: ``lower + relu(x - lower) - relu(x - upper)``, or less where a limit is missing.

    A limit at or beyond the largest binary32 number is no limit: it is how the operator says so.
    """
    x, most = op.activation(0), float(np.finfo(np.float32).max)
    lower, upper = (
        float(np.asarray(op.setting(name, index, default)).reshape(()))
        for name, index, default in (("min", 1, -np.inf), ("max", 2, np.inf))
    )
    if not lower <= upper or lower >= most or upper <= -most:
        raise FormatError(f"clips between {lower:.9g} and {upper:.9g}: correct the limits")
    if lower <= -most and upper >= most:
        return [x]
    narrow = narrowed(b, x, np.full(x.size, lower), np.full(x.size, upper))
    if narrow is not None:
        return [narrow]
    above = None if upper >= most else b.scale(b.relu(b.scale(x, 1.0, -upper)), -1.0)
    if lower <= -most:
        assert above is not None
        return [b.total([x, above])]
    below = b.relu(b.scale(x, 1.0, -lower))
    return [b.scale(below if above is None else b.total([below, above]), 1.0, lower)]


def maximum(b: Builder, op: Operation) -> Sequence[Value]:
    """Max: two activations as ``y + relu(x - y)``; a constant as ``c + relu(x - c)``.

    A constant of minus infinity leaves its component as it is.
    """
    return [_extreme(b, op, 1.0)]


def minimum(b: Builder, op: Operation) -> Sequence[Value]:
    """Min, as ``-max(-x, -y)``."""
    return [_extreme(b, op, -1.0)]


def _extreme(b: Builder, op: Operation, sign: float) -> Activation:
    values = [op.value(index) for index in range(len(op.inputs))]
    moving = [value for value in values if isinstance(value, Activation)]
    fixed = [value.values for value in values if isinstance(value, Constant)]
    try:
        shape: Shape = np.broadcast_shapes(*(x.shape for x in moving), *(c.shape for c in fixed))
    except ValueError:
        raise FormatError("compares shapes that do not broadcast: export the model again") from None
    if len(moving) == len(fixed) == 1 and moving[0].shape == shape:
        limit = np.broadcast_to(fixed[0].astype(np.float64), shape).ravel()
        none = np.full(limit.size, sign * np.inf)
        ends = (limit, none) if sign > 0 else (none, limit)
        narrow = narrowed(b, moving[0], *ends)
        if narrow is not None:
            return narrow
    parts = [b.scale(b.broadcast(x, shape), sign) for x in moving]
    y = parts[0]
    for part in parts[1:]:
        y = b.maximum(part, y)
    for constant in fixed:
        y = _floor(b, y, np.broadcast_to(sign * constant.astype(np.float64), shape))
    return b.scale(y, sign)


def _floor(b: Builder, x: Activation, floor: NDArray[np.float64]) -> Activation:
    """Return ``max(x, floor)`` by component; a floor of minus infinity is none."""
    if (floor == np.inf).any():
        raise UnsupportedError("takes the extreme with an infinite constant: correct the constant")
    bounded = np.isfinite(floor)
    if not bounded.any():
        return x
    shift = np.where(bounded, floor, 0.0)
    state = np.where(bounded, State.RELU, State.IDENTITY).ravel().astype(np.int8)
    zeros = np.zeros(x.size)
    low = b.scale(x, 1.0, -shift)
    return b.scale(b.add(Piecewise(state, zeros, zeros), [low], x.shape), 1.0, shift)


ACTIVATIONS: Final[Mapping[str, Lowering]] = {
    "Abs": absolute,
    "Clip": clip,
    "LeakyRelu": leaky_relu,
    "Max": maximum,
    "Min": minimum,
    "PRelu": parametric_relu,
    "Relu": relu,
}
