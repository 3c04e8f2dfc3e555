"""Rules of functions of one number: piecewise linear, exponential, powers; and of softmax.

Monotone functions are enclosed by their ends, computed in binary64 and widened by the error that
rounding.py charges for the library. In float, an error of the operand is carried by the largest
slope between real and computed values; what the runtime itself errs is the assumption stated there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError
from ..formats.onnx_activations import LEAK
from ..rounding import (
    FORMATS,
    LARGEST,
    LIBM,
    RUNTIME_ABSOLUTE,
    RUNTIME_RELATIVE,
    SLACK,
    TINIEST,
    Array,
    down,
    up,
)
from .enclosure import Enclosure, Flags, aligned, enclose, evaluated, product_ends
from .step import Rule, Step, Values

FAINT: Final = 2.0**-900
"""Share of a softmax's largest exponential below which exponentials are moved outward: to zero, or
to this. Keeps quotients clear of underflow."""

Curve = Callable[[Array], Array]


def relu(step: Step, values: Values) -> Values:
    """Relu: ``max(x, 0)``; an error dies where real and computed values are below zero."""
    x = values[0]
    error = np.where(x.most <= 0, 0.0, x.error)
    return [enclose(np.maximum(x.low, 0), np.maximum(x.high, 0), error, x.kind, [x])]


def absolute(step: Step, values: Values) -> Values:
    """Abs."""
    x = values[0]
    low = np.maximum(np.maximum(x.low, -x.high), 0.0)
    return [enclose(low, x.magnitude, x.error, x.kind, [x])]


def leaky_relu(step: Step, values: Values) -> Values:
    """LeakyRelu and PRelu: below zero, times a slope."""
    x = values[0]
    if step.operator == "PRelu":
        x, slope = aligned(x, values[1])
        if step.constants[1] is None:
            raise UnsupportedError("takes a slope that depends on the inputs: use a constant")
        alpha = slope.low
    else:
        alpha = np.array(float(step.attributes.get("alpha", LEAK)))
    ends = [product_ends(np.minimum(part, 0), alpha) for part in (x.low, x.high)]
    above = [np.maximum(part, 0) for part in (x.low, x.high)]
    low = np.minimum(*(np.where(p > 0, p, e[0]) for p, e in zip(above, ends, strict=True)))
    high = np.maximum(*(np.where(p > 0, p, e[1]) for p, e in zip(above, ends, strict=True)))
    inside = (x.low < 0) & (x.high > 0)  # a slope below zero turns at zero
    low, high = (
        np.where(inside, np.minimum(low, 0), low),
        np.where(inside, np.maximum(high, 0), high),
    )
    steep = np.where(x.least >= 0, 1.0, np.maximum(1.0, np.abs(alpha)))
    steep = np.where(x.most <= 0, np.abs(alpha), steep)
    carried = np.where(x.error > 0, x.error * steep, 0.0)
    rounded = evaluated(low, high, carried, [x])
    error = np.where(x.least >= 0, x.error, rounded.error)
    return [enclose(low, high, error, x.kind, [x])]


def clip(step: Step, values: Values) -> Values:
    """Clip."""
    x = values[0]
    low, high = x.low, x.high
    for name, index, bound in (("min", 1, np.maximum), ("max", 2, np.minimum)):
        limit = step.setting(name, index)
        if limit is not None:
            number = float(np.asarray(limit).reshape(()))
            low, high = bound(low, number), bound(high, number)
    same = (low == high) & (x.error > 0)
    error = np.where(same & _still(step, x), 0.0, x.error)
    return [enclose(low, high, error, x.kind, [x])]


def _still(step: Step, x: Enclosure) -> Flags:
    """Return where real and computed values are both cut off at the same limit."""
    found = np.zeros(x.low.shape, dtype=bool)
    lower, upper = step.setting("min", 1), step.setting("max", 2)
    if lower is not None:
        found |= x.most <= float(np.asarray(lower).reshape(()))
    if upper is not None:
        found |= x.least >= float(np.asarray(upper).reshape(()))
    return found


def extreme(step: Step, values: Values) -> Values:
    """Max and Min of any number of tensors."""
    sign = 1.0 if step.operator == "Max" else -1.0
    pairs = zip(values, step.constants, strict=True)
    parts = aligned(*(x if c is None else _bounded(c) for x, c in pairs))
    x = parts[0]
    for y in parts[1:]:
        x = _larger(x, y, sign)
    return [x]


def _bounded(values: NDArray[Any]) -> Enclosure:
    """Return a constant with its infinities at the edge of what is known, which ranks the same."""
    edge = np.clip(values.astype(np.float64), -LARGEST, LARGEST)[None]
    return Enclosure(edge, edge, np.zeros_like(edge), values.dtype.name)


def _larger(x: Enclosure, y: Enclosure, sign: float) -> Enclosure:
    pick = np.maximum if sign > 0 else np.minimum
    error = np.maximum(x.error, y.error)
    ahead = x.least >= y.most if sign > 0 else x.most <= y.least
    behind = y.least >= x.most if sign > 0 else y.most <= x.least
    error = np.where(ahead, x.error, np.where(behind, y.error, error))
    return enclose(pick(x.low, y.low), pick(x.high, y.high), error, x.kind, [x, y])


def wide(low: Array, high: Array) -> tuple[Array, Array]:
    """Return bounds widened by the library's error."""
    return (
        down(low - np.abs(low) * LIBM - TINIEST),
        up(high + np.abs(high) * LIBM + TINIEST),
    )


def _rising(
    x: Enclosure, curve: Curve, slope: Array | float, floor: float, ceiling: float, absolute: float
) -> Enclosure:
    """Return the enclosure of a rising function with values in ``[floor, ceiling]``.

    Args:
        x: the operand.
        curve: the function.
        slope: its largest slope over real and computed values.
        floor: least of its values.
        ceiling: largest of them.
        absolute: unit roundoffs that the runtime errs beside the relative ones.
    """
    low, high = wide(curve(x.low), curve(x.high))
    low, high = np.maximum(low, floor), np.minimum(high, ceiling)
    with np.errstate(invalid="ignore"):
        carried = np.where(x.error > 0, x.error * slope * SLACK, 0.0)
    return _charged(low, high, carried, x, absolute)


def _charged(low: Array, high: Array, carried: Array, x: Enclosure, absolute: float) -> Enclosure:
    """Return the enclosure with the stated assumption on the runtime's own error added."""
    form = FORMATS[x.kind]
    size = np.maximum(np.abs(low), np.abs(high)) + carried
    error = (carried + form.unit * (RUNTIME_RELATIVE * size + absolute)) * SLACK
    return enclose(low, high, error + 2 * form.underflow, x.kind, [x])


def sigmoid_of(x: Array) -> Array:
    """Return the logistic function."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def sigmoid(step: Step, values: Values) -> Values:
    """Sigmoid."""
    x = values[0]
    near = np.maximum(np.maximum(x.least, -x.most), 0.0)
    level = sigmoid_of(near)
    slope = np.minimum((1 - level) * level + 8 * LIBM, 0.25)
    return [_rising(x, sigmoid_of, slope, 0.0, 1.0, RUNTIME_ABSOLUTE)]


def tanh(step: Step, values: Values) -> Values:
    """Tanh."""
    x = values[0]
    near = np.maximum(np.maximum(x.least, -x.most), 0.0)
    level = np.tanh(near)
    slope = np.minimum((1 - level * level) + 8 * LIBM, 1.0)
    return [_rising(x, np.tanh, slope, -1.0, 1.0, RUNTIME_ABSOLUTE)]


def exponential(step: Step, values: Values) -> Values:
    """Exp."""
    x = values[0]
    slope = np.exp(x.most) * (1 + LIBM)
    return [_rising(x, np.exp, slope, 0.0, np.inf, 0.0)]


def logarithm(step: Step, values: Values) -> Values:
    """Log; of numbers that may be zero or less it is unknown."""
    x = values[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(x.least > 0, 1.0 / x.least, np.inf)
        result = _rising(x, np.log, slope, -np.inf, np.inf, RUNTIME_ABSOLUTE)
    return [_where(x.low > 0, result, x)]


def _where(sure: Flags, result: Enclosure, x: Enclosure) -> Enclosure:
    """Return the result, unknown where it is not sure."""
    low, high = np.where(sure, result.low, -np.inf), np.where(sure, result.high, np.inf)
    return enclose(low, high, result.error, result.kind, [x])


_ERF: Final = np.frompyfunc(math.erf, 1, 1)


def error_function(step: Step, values: Values) -> Values:
    """Erf."""
    x = values[0]

    def curve(part: Array) -> Array:
        return np.asarray(_ERF(part), dtype=np.float64)

    return [_rising(x, curve, 1.1284, -1.0, 1.0, RUNTIME_ABSOLUTE)]  # above 2 / sqrt(pi)


def softplus(step: Step, values: Values) -> Values:
    """Softplus: ``log(1 + exp(x))``."""
    return [
        _rising(values[0], lambda part: np.logaddexp(0.0, part), 1.0, 0.0, np.inf, RUNTIME_ABSOLUTE)
    ]


def square_root(step: Step, values: Values) -> Values:
    """Sqrt, which runtimes round correctly."""
    x = values[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = (np.sqrt(part) for part in (x.low, x.high))
        exact = [product_ends(r, r) for r in (low, high)]
        low = np.where((exact[0][0] == x.low) & (exact[0][1] == x.low), low, down(low))
        high = np.where((exact[1][0] == x.high) & (exact[1][1] == x.high), high, up(high))
        least = np.sqrt(np.maximum(x.least, 0.0))
        carried = np.minimum(np.sqrt(x.error), x.error / (2 * least)) * SLACK
    carried = np.where(x.error == 0, 0.0, np.where(x.least < 0, np.inf, carried))
    low, high = np.where(x.low < 0, -np.inf, np.maximum(low, 0)), np.where(x.low < 0, np.inf, high)
    return [evaluated(low, high, carried, [x])]


def power(step: Step, values: Values) -> Values:
    """Pow: constant whole exponents on all bases; other exponents on bases above zero."""
    x, y = aligned(*values[:2])
    if x.kind not in FORMATS:
        raise UnsupportedError("raises integers to powers: only floats are handled")
    low, high = _power(x.low, x.high, y.low, y.high)
    far_low, far_high = _power(x.least, x.most, y.least, y.most)
    moved = (x.error > 0) | (y.error > 0)
    carried = np.where(moved, _carried(x, y, far_high - far_low), 0.0)
    result = _charged(low, high, carried, x, 0.0)
    exact = (y.low == y.high) & ((y.low == 0) | (y.low == 1)) & (y.error == 0)
    error = np.where(exact, np.where(y.low == 0, 0.0, x.error), result.error)
    return [enclose(low, high, error, x.kind, [x, y])]


def _carried(x: Enclosure, y: Enclosure, width: Array) -> Array:
    """Return how far errors of base and exponent move a power; ``width`` bounds it anyway."""
    slope_low, slope_high = _power(x.least, x.most, *(down(y.low - 1), up(y.high - 1)))
    fixed = (y.error == 0) & (y.low == y.high)
    whole_low, whole_high = _power(x.least, x.most, y.low - 1, y.high - 1)
    whole = np.round(y.low) == y.low
    slope_low = np.where(whole, whole_low, slope_low)
    slope_high = np.where(whole, whole_high, slope_high)
    steep = np.maximum(np.abs(slope_low), np.abs(slope_high)) * np.abs(y.low)
    by_slope = np.where(fixed & np.isfinite(steep), x.error * steep * SLACK, np.inf)
    return np.minimum(by_slope, np.where(np.isfinite(width), up(width), np.inf))


def _power(low: Array, high: Array, least: Array, most: Array) -> tuple[Array, Array]:
    """Return bounds of ``x ** y`` for x and y between bounds, infinite where undefined."""
    with np.errstate(all="ignore"):
        ends = [np.power(b, e) for b in (low, high) for e in (least, most)]
        lowest, highest = ends[0], ends[0]
        for end in ends[1:]:
            lowest, highest = np.minimum(lowest, end), np.maximum(highest, end)
        whole = (least == most) & (np.round(least) == least)
        even = whole & (np.fmod(least, 2) == 0)
        spans = (low <= 0) & (high >= 0)
        # an even power turns at zero; a power of a base that may be zero has its own rules
        lowest = np.where(even & spans & (least > 0), 0.0, lowest)
        sure = (low > 0) | (whole & ((least >= 0) | ~spans))
        sure = sure | ((low == 0) & (least > 0))
        below, above = wide(lowest, highest)
        below = np.where((low >= 0) | even, np.maximum(below, 0.0), below)
        constant = whole & (least == 0)
        below, above = np.where(constant, 1.0, below), np.where(constant, 1.0, above)
        once = whole & (least == 1)
        below, above = np.where(once, low, below), np.where(once, high, above)
    return np.where(sure, below, -np.inf), np.where(sure, above, np.inf)


def softmax(step: Step, values: Values) -> Values:
    """Softmax, over one axis or, before opset 13, over all axes from one on."""
    x = values[0]
    older = step.opset < 13
    axis = int(step.attributes.get("axis", 1 if older else -1)) % len(x.shape) + 1
    if older:
        shape = x.low.shape
        flat = x.map(lambda part: part.reshape(*shape[:axis], -1))
        return [_softmax(flat).map(lambda part: part.reshape(shape))]
    turned = x.map(lambda part: np.moveaxis(part, axis, -1))
    return [_softmax(turned).map(lambda part: np.moveaxis(part, -1, axis))]


def _softmax(x: Enclosure) -> Enclosure:
    """Return softmax over the last axis.

    An entry is least where its own operand is least and all others are greatest. Errors: the sum of
    an entry's absolute slopes is ``2 y (1 - y) <= 1/2``; a runtime subtracts some shift first,
    which rounds each operand by one unit of the range.
    """
    shift = np.max(x.high, axis=-1, keepdims=True)
    least, most = np.exp(x.low - shift), np.exp(x.high - shift)
    least, most = np.where(least < FAINT, 0.0, least), np.maximum(most, FAINT)
    floor = _others(least)
    low, high = wide(least / (least + _others(most)), most / (most + floor))
    rough = _terms(x.low.shape[-1])
    low, high = np.maximum(down(low - rough * low), 0.0), np.minimum(up(high + rough * high), 1.0)
    form = FORMATS[x.kind]
    spread = np.max(x.most, axis=-1, keepdims=True) - np.min(x.least, axis=-1, keepdims=True)
    moved = np.max(x.error, axis=-1, keepdims=True) + 2 * form.unit * spread
    carried = np.minimum(0.5 * moved + form.gamma(x.low.shape[-1] + 4), 1.0) * SLACK
    carried = np.where(np.isfinite(moved), carried, np.inf)
    whole = [part.min(axis=-1, keepdims=True) for part in (x.low, -x.high)]
    known = np.isfinite(whole[0]) & np.isfinite(whole[1])
    low, high = np.where(known, low, -np.inf), np.where(known, high, np.inf)
    return _charged(low, high, carried, x, RUNTIME_ABSOLUTE)


def _others(parts: Array) -> Array:
    """Return for each entry of the last axis the sum of all others, without subtraction."""
    before = np.zeros_like(parts)
    behind = np.zeros_like(parts)
    before[..., 1:] = np.cumsum(parts[..., :-1], axis=-1)
    behind[..., :-1] = np.cumsum(parts[..., :0:-1], axis=-1)[..., ::-1]
    return before + behind


def _terms(count: int) -> float:
    """Return the relative error of a sum of exponentials in binary64, each with a rounded shift.

    The shift of a far operand rounds by 2**-53 of itself; operands whose exponentials are not
    `FAINT` differ by less than 1024.
    """
    return (count + 8) * 2.0**-52 + 2 * LIBM + 2.0**10 * 2.0**-52


def identity(step: Step, values: Values) -> Values:
    """Identity, and Dropout as it is after training."""
    if step.operator == "Dropout" and step.has(2) and bool(step.constant(2)):
        raise UnsupportedError("is in training mode: export the model in inference mode")
    return [values[0]]


FUNCTIONS: Final[Mapping[str, Rule]] = {
    "Abs": absolute,
    "Clip": clip,
    "Dropout": identity,
    "Erf": error_function,
    "Exp": exponential,
    "Identity": identity,
    "LeakyRelu": leaky_relu,
    "Log": logarithm,
    "Max": extreme,
    "Min": extreme,
    "PRelu": leaky_relu,
    "Pow": power,
    "Relu": relu,
    "Sigmoid": sigmoid,
    "Softmax": softmax,
    "Softplus": softplus,
    "Sqrt": square_root,
    "Tanh": tanh,
}
