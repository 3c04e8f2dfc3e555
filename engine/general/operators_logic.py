"""Rules of what jumps: casts, comparisons, choices, rounding to whole numbers.

A jump that real and computed values cannot straddle adds no error. Where they may, the error is how
far apart the two results can lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import onnx

from ..errors import UnsupportedError
from ..rounding import FORMATS, SLACK, Array, down, up
from .enclosure import Enclosure, Flags, aligned, enclose, evaluated
from .step import Rule, Step, Values

Curve = Callable[[Array], Array]


def _stairs(x: Enclosure, curve: Curve, kind: str) -> Enclosure:
    """Return the enclosure of a rising function with whole values, steps of 1 at distance 1."""
    low, high = curve(x.low), curve(x.high)
    least, most = curve(x.least), curve(x.most)
    error = np.minimum(most - least, np.floor(x.error) + 1)
    error = np.where((least == most) | (x.error == 0), 0.0, error)
    return enclose(low, high, error, kind, [x])


def whole(step: Step, values: Values) -> Values:
    """Floor, Ceil and Round (half to even)."""
    curves: Mapping[str, Curve] = {"Floor": np.floor, "Ceil": np.ceil, "Round": np.round}
    return [_stairs(values[0], curves[step.operator], values[0].kind)]


def sign(step: Step, values: Values) -> Values:
    """Sign."""
    x = values[0]
    least, most = np.sign(x.least), np.sign(x.most)
    error = np.where(x.error == 0, 0.0, most - least)
    return [enclose(np.sign(x.low), np.sign(x.high), error, x.kind, [x])]


def cast(step: Step, values: Values) -> Values:
    """Cast, truncating towards zero from floats to integers."""
    x = values[0]
    number = int(step.attributes["to"])
    try:
        kind = onnx.helper.tensor_dtype_to_np_dtype(number).name
    except (KeyError, ValueError):
        kind = "?"
    if kind not in (*FORMATS, "bool") and not kind.startswith(("int", "uint")):
        raise UnsupportedError(f"converts to element type number {number}, which is not handled")
    return [converted(x, kind)]


def cast_like(step: Step, values: Values) -> Values:
    """CastLike."""
    return [converted(values[0], values[1].kind)]


def converted(x: Enclosure, kind: str) -> Enclosure:
    """Return a tensor in another element type."""
    if kind == x.kind:
        return x
    if kind == "bool":
        zero = Enclosure.constant(np.zeros((), dtype=x.kind))
        return _negation(_equal(*aligned(x, zero)))
    if kind not in FORMATS:
        if x.kind in FORMATS:
            limits = np.iinfo(kind)  # beyond them, the result is the runtime's own
            inside = (x.least > limits.min - 1.0) & (x.most < limits.max + 1.0)
            stairs = _stairs(x, np.trunc, kind)
            low = np.where(inside, stairs.low, -np.inf)
            return enclose(low, stairs.high, stairs.error, kind, [x])
        return enclose(x.low, x.high, x.error, kind, [x])
    form, source = FORMATS[kind], FORMATS.get(x.kind)
    if source is None or source.unit < form.unit:
        held = x.magnitude + x.error <= 1.0 / form.unit
        rounded = evaluated(x.low, x.high, x.error, [x], kind=kind)
        exact = held & (source is None)
        return enclose(x.low, x.high, np.where(exact, x.error, rounded.error), kind, [x])
    return enclose(x.low, x.high, x.error, kind, [x])


def _verdict(surely: Flags, never: Flags, settled: Flags) -> Enclosure:
    """Return a truth value.

    Args:
        surely: where it holds for all real values.
        never: where it fails for all of them.
        settled: where real and computed values agree about it.
    """
    low, high = np.where(surely, 1.0, 0.0), np.where(never, 0.0, 1.0)
    return Enclosure(low, high, np.where(settled, 0.0, 1.0), "bool")


def _equal(x: Enclosure, y: Enclosure) -> Enclosure:
    surely = (x.low == x.high) & (y.low == y.high) & (x.low == y.low)
    never = (x.high < y.low) | (y.high < x.low)
    exact = (x.error == 0) & (y.error == 0)
    return _verdict(surely, never, exact | (x.most < y.least) | (y.most < x.least))


def _greater(x: Enclosure, y: Enclosure, strict: bool) -> Enclosure:
    exact = (x.error == 0) & (y.error == 0)
    if strict:
        settled = exact | (x.least > y.most) | (x.most <= y.least)
        return _verdict(x.low > y.high, x.high <= y.low, settled)
    settled = exact | (x.least >= y.most) | (x.most < y.least)
    return _verdict(x.low >= y.high, x.high < y.low, settled)


def compare(step: Step, values: Values) -> Values:
    """Equal, Greater, GreaterOrEqual, Less and LessOrEqual."""
    x, y = aligned(*values[:2])
    if step.operator == "Equal":
        return [_equal(x, y)]
    if step.operator.startswith("Less"):
        x, y = y, x
    return [_greater(x, y, not step.operator.endswith("OrEqual"))]


def _negation(x: Enclosure) -> Enclosure:
    return Enclosure(1.0 - x.high, 1.0 - x.low, x.error, "bool")


def negation(step: Step, values: Values) -> Values:
    """Not."""
    return [_negation(values[0])]


def connect(step: Step, values: Values) -> Values:
    """And, Or and Xor."""
    x, y = aligned(*values[:2])
    if step.operator == "Or":
        return [_negation(_both(_negation(x), _negation(y)))]
    if step.operator == "And":
        return [_both(x, y)]
    only = _both(x, _negation(y)), _both(_negation(x), y)
    either = _negation(_both(_negation(only[0]), _negation(only[1])))
    exact = (x.error == 0) & (y.error == 0)
    error = np.where(exact, 0.0, 1.0)
    return [Enclosure(either.low, either.high, np.asarray(error), "bool")]


def _both(x: Enclosure, y: Enclosure) -> Enclosure:
    low, high = np.minimum(x.low, y.low), np.minimum(x.high, y.high)
    failed = ((x.high == 0) & (x.error == 0)) | ((y.high == 0) & (y.error == 0))
    exact = (x.error == 0) & (y.error == 0)
    return Enclosure(low, high, np.where(exact | failed, 0.0, 1.0), "bool")


def where(step: Step, values: Values) -> Values:
    """Where: entries of one tensor or of another."""
    c, x, y = aligned(*values[:3])
    yes, no = c.low > 0, c.high <= 0
    low = np.where(yes, x.low, np.where(no, y.low, np.minimum(x.low, y.low)))
    high = np.where(yes, x.high, np.where(no, y.high, np.maximum(x.high, y.high)))
    apart = up(np.maximum(x.most, y.most)) - down(np.minimum(x.least, y.least))
    error = np.where(c.error > 0, apart * SLACK, np.maximum(x.error, y.error))
    sure = c.error == 0
    error = np.where(sure & yes, x.error, np.where(sure & no, y.error, error))
    return [enclose(low, high, error, x.kind)]


LOGIC: Final[Mapping[str, Rule]] = {
    "And": connect,
    "Cast": cast,
    "CastLike": cast_like,
    "Ceil": whole,
    "Equal": compare,
    "Floor": whole,
    "Greater": compare,
    "GreaterOrEqual": compare,
    "Less": compare,
    "LessOrEqual": compare,
    "Not": negation,
    "Or": connect,
    "Round": whole,
    "Sign": sign,
    "Where": where,
    "Xor": connect,
}
