"""Rules of arithmetic: sums, products, quotients, matrix products, means, normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError
from ..rounding import FORMATS, SLACK, Array, down, up
from .dot import Dot, contract, total
from .enclosure import (
    Enclosure,
    aligned,
    enclose,
    evaluated,
    product_ends,
    quotient_ends,
    sum_above,
    sum_below,
)
from .step import Rule, Step, Values


def add(step: Step, values: Values) -> Values:
    """Add and Sum, of any number of tensors."""
    x, *others = values
    if len(values) > 2:  # in any order of summation
        first, *rest = aligned(*values)
        dot = Dot(first.low, first.high, first.error, first.magnitude + first.error, 0, 0.0)
        for other in rest:
            dot = dot.plus(other)
        return [dot.rounded(x.kind)]
    for other in others:
        a, b = aligned(x, other)
        x = evaluated(sum_below(a.low, b.low), sum_above(a.high, b.high), a.error + b.error, [a, b])
    return [x]


def subtract(step: Step, values: Values) -> Values:
    """Sub."""
    x, y = values[:2]
    return add(step, [x, _negative(y)])


def negate(step: Step, values: Values) -> Values:
    """Neg."""
    return [_negative(values[0])]


def _negative(x: Enclosure) -> Enclosure:
    return Enclosure(-x.high, -x.low, x.error, x.kind)


def multiply(step: Step, values: Values) -> Values:
    """Mul; a tensor times itself is a square."""
    x, y = aligned(*values[:2])
    if step.names[0] == step.names[1]:
        low, high = squares(x.low, x.high)
    else:
        low, high = corners(product_ends, x, y)
    carried = x.magnitude * y.error + (y.magnitude + y.error) * x.error
    return [evaluated(low, high, carried, [x, y])]


def squares(low: Array, high: Array) -> tuple[Array, Array]:
    """Return bounds of the square of a number between bounds."""
    least = np.maximum(np.maximum(low, -high), 0.0)
    most = np.maximum(np.abs(low), np.abs(high))
    return product_ends(least, least)[0], product_ends(most, most)[1]


def corners(ends: Any, x: Enclosure, y: Enclosure) -> tuple[Array, Array]:
    """Return bounds of an operation whose extremes over a box lie at its corners."""
    pairs = [ends(a, b) for a in (x.low, x.high) for b in (y.low, y.high)]
    low, high = pairs[0]
    for below, above in pairs[1:]:
        low, high = np.minimum(low, below), np.maximum(high, above)
    return low, high


def divide(step: Step, values: Values) -> Values:
    """Div; integers are truncated. A divisor that may be zero gives an unknown result."""
    x, y = aligned(*values[:2])
    low, high = corners(quotient_ends, x, y)
    zero = (y.low <= 0) & (y.high >= 0)
    low, high = np.where(zero, -np.inf, low), np.where(zero, np.inf, high)
    if x.kind not in FORMATS:
        return [_truncated(low, high, x, y)]
    # x'/y' - x/y = ((x' - x) - (x/y) (y' - y)) / y'
    least = np.minimum(np.abs(y.low), np.abs(y.high)) - y.error
    ratio = np.maximum(np.abs(low), np.abs(high))
    moved = x.error + ratio * y.error
    carried = np.where(least > 0, moved / (least * (1 - 2.0**-40)), np.inf)
    carried = np.where(moved == 0, 0.0, carried)
    return [evaluated(low, high, carried, [x, y])]


def _truncated(low: Array, high: Array, x: Enclosure, y: Enclosure) -> Enclosure:
    """Return the enclosure of a quotient of integers, which may differ in float branches."""
    low, high = np.trunc(low), np.trunc(high)
    steady = (x.error == 0) & (y.error == 0)
    return enclose(low, high, np.where(steady, 0.0, np.inf), x.kind, [x, y])


def reciprocal(step: Step, values: Values) -> Values:
    """Reciprocal."""
    one = Enclosure.constant(np.ones((), dtype=values[0].kind))
    return divide(step, [one, values[0]])


def matmul(step: Step, values: Values) -> Values:
    """MatMul, constant or not on either side."""
    x, y = values[:2]
    left, right = len(x.shape) == 1, len(y.shape) == 1
    if left:
        x = x.map(lambda part: part[:, None, :])
    if right:
        y = y.map(lambda part: part[:, :, None])
    result = contract(x, y).rounded(x.kind)
    if left:
        result = result.map(lambda part: part[..., 0, :])
    return [result.map(lambda part: part[..., 0]) if right else result]


def gemm(step: Step, values: Values) -> Values:
    """Gemm: ``alpha A' B' + beta C``."""
    x, y = values[:2]
    if step.attributes.get("transA", 0):
        x = x.map(lambda part: part.swapaxes(1, 2))
    if step.attributes.get("transB", 0):
        y = y.map(lambda part: part.swapaxes(1, 2))
    dot = contract(x, y).scaled(float(step.attributes.get("alpha", 1.0)))
    if step.has(2):
        dot = dot.plus(values[2].ranked(2), float(step.attributes.get("beta", 1.0)))
    return [dot.rounded(x.kind)]


def _axes(step: Step, x: Enclosure) -> list[int] | None:
    """Return the axes of a reduction, or None if it does nothing."""
    given: NDArray[Any] | list[int] | None = step.setting("axes", 1)
    axes = [] if given is None else [int(axis) for axis in given]
    if not axes and step.attributes.get("noop_with_empty_axes", 0):
        return None
    return [axis % len(x.shape) for axis in axes] or list(range(len(x.shape)))


def reduce_sum(step: Step, values: Values) -> Values:
    """ReduceSum."""
    x = values[0]
    axes = _axes(step, x)
    if axes is None:
        return [x]
    return [total(x, axes, bool(step.attributes.get("keepdims", 1))).rounded(x.kind)]


def reduce_mean(step: Step, values: Values) -> Values:
    """ReduceMean."""
    x = values[0]
    axes = _axes(step, x)
    if axes is None:
        return [x]
    return [_mean(x, axes, bool(step.attributes.get("keepdims", 1)))]


def _mean(x: Enclosure, axes: list[int], keep: bool) -> Enclosure:
    if x.kind not in FORMATS:
        raise UnsupportedError("takes the mean of integers: only floats are handled")
    count = float(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))
    return total(x, axes, keep).over(np.array(count)).rounded(x.kind)


def reduce_extreme(step: Step, values: Values) -> Values:
    """ReduceMax and ReduceMin."""
    x = values[0]
    axes = _axes(step, x)
    if axes is None:
        return [x]
    keep = bool(step.attributes.get("keepdims", 1))
    along = tuple(axis + 1 for axis in axes)
    pick = np.max if step.operator == "ReduceMax" else np.min
    parts = [pick(part, axis=along, keepdims=keep) for part in (x.low, x.high)]
    error = np.max(x.error, axis=along, keepdims=keep)
    return [enclose(parts[0], parts[1], error, x.kind)]


def global_average(step: Step, values: Values) -> Values:
    """GlobalAveragePool."""
    x = values[0]
    return [_mean(x, list(range(2, len(x.shape))), True)]


def batch_normalization(step: Step, values: Values) -> Values:
    """BatchNormalization with fixed statistics, computed in any usual order.

    In float: at most eight roundings lie between any operand and the result, whether the scale is
    folded with the variance first or the mean is subtracted first.
    """
    if step.attributes.get("training_mode", 0) or any(step.names[5:]):
        raise UnsupportedError("is in training mode: export the model in inference mode")
    x = values[0]
    along = (1, -1) + (1,) * (len(x.shape) - 2)
    gamma, beta, mean, variance = (
        step.constant(index).astype(np.float64).reshape(along) for index in range(1, 5)
    )
    slope_low, slope_high = _slope(gamma, variance, float(step.attributes.get("epsilon", 1e-5)))
    zero = np.zeros_like(mean)
    slope = Enclosure(slope_low, slope_high, zero, "float64")
    moved = Enclosure(sum_below(x.low, -mean), sum_above(x.high, -mean), x.error * 0, "float64")
    low, high = corners(product_ends, moved, slope)
    low, high = sum_below(low, beta), sum_above(high, beta)
    form = FORMATS[x.kind]
    size = slope.magnitude
    spread = size * (x.magnitude + x.error + np.abs(mean)) + np.abs(beta)
    error = (size * x.error + form.gamma(8) * spread) * SLACK
    return [enclose(low, high, error + 8 * form.underflow * (1 + size), x.kind, [x])]


def _slope(gamma: Array, variance: Array, epsilon: float) -> tuple[Array, Array]:
    """Return bounds of ``gamma / sqrt(variance + epsilon)``."""
    ends = []
    for sign, part in ((-1, sum_below), (1, sum_above)):
        root = np.sqrt(part(variance, np.array(epsilon)))
        below, above = product_ends(root, root)
        exact = (below == above) & (below == part(variance, np.array(epsilon)))
        ends.append(np.where(exact, root, up(root) if sign > 0 else down(root)))
    pairs = [quotient_ends(gamma, end) for end in ends]
    return np.minimum(pairs[0][0], pairs[1][0]), np.maximum(pairs[0][1], pairs[1][1])


ARITHMETIC: Final[Mapping[str, Rule]] = {
    "Add": add,
    "BatchNormalization": batch_normalization,
    "Div": divide,
    "Gemm": gemm,
    "GlobalAveragePool": global_average,
    "MatMul": matmul,
    "Mul": multiply,
    "Neg": negate,
    "Reciprocal": reciprocal,
    "ReduceMax": reduce_extreme,
    "ReduceMean": reduce_mean,
    "ReduceMin": reduce_extreme,
    "ReduceSum": reduce_sum,
    "Sub": subtract,
    "Sum": add,
}
