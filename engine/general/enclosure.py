"""What is known of a tensor over boxes of inputs: its range, and how far float evaluation strays.

An entry is known or it is not. Where the real value may be undefined or too large, everything is
infinite; where only the float evaluation may overflow or be undefined, the error is. Neither comes
back: every operation on an unknown entry gives an unknown entry, even one whose results are bounded
for all numbers, because what is unknown may be no number at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rounding import FORMATS, INTEGER_LIMIT, LARGEST, SLACK, Array, FloatFormat, down, up

Shape = tuple[int, ...]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Enclosure:
    """Bounds of a tensor over a batch of boxes.

    For every input in a box, the value in real arithmetic lies in the closed ``[low, high]``, and
    the value that a float evaluation in the file's element types computes at the same input lies
    within ``error`` of it.

    Attributes:
        low, high: ``(boxes, *shape)`` float64; one box stands for any number of them.
        error: the same, at least 0.
        kind: element type: float16, float32, float64, an integer type or bool (0 and 1).
    """

    low: Array
    high: Array
    error: Array
    kind: str

    def __post_init__(self) -> None:
        assert self.low.shape == self.high.shape == self.error.shape
        assert self.low.ndim >= 1

    @classmethod
    def constant(cls, values: NDArray[Any]) -> Enclosure:
        """Return the enclosure of a tensor that is the same for all inputs and evaluations."""
        wide = np.asarray(values, dtype=np.float64)[None]
        return enclose(wide, wide, np.zeros_like(wide), values.dtype.name)

    @property
    def shape(self) -> Shape:
        """Shape of the tensor, without the axis of the boxes."""
        return self.low.shape[1:]

    @property
    def magnitude(self) -> Array:
        """The largest absolute value in real arithmetic."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def format(self) -> FloatFormat | None:
        """How its element type rounds; None for integers and bool, which are exact."""
        return FORMATS.get(self.kind)

    @property
    def least(self) -> Array:
        """A lower bound on the real and on the computed value."""
        return np.where(self.error > 0, down(self.low - self.error), self.low)

    @property
    def most(self) -> Array:
        """An upper bound on the real and on the computed value."""
        return np.where(self.error > 0, up(self.high + self.error), self.high)

    def map(self, change: Callable[[Array], Array]) -> Enclosure:
        """Return the enclosure with its entries moved: ``change`` only rearranges them."""
        return Enclosure(change(self.low), change(self.high), change(self.error), self.kind)

    def spread(self, boxes: int) -> Enclosure:
        """Return it with this many boxes; one box stands for any number."""
        return self.map(lambda part: np.broadcast_to(part, (boxes, *part.shape[1:])))

    def ranked(self, axes: int) -> Enclosure:
        """Return it with axes of size 1 in front until its shape has ``axes`` axes."""
        missing = axes - len(self.shape)
        if missing <= 0:
            return self
        shape = (self.low.shape[0], *(1,) * missing, *self.shape)
        return self.map(lambda part: part.reshape(shape))


def aligned(*values: Enclosure) -> tuple[Enclosure, ...]:
    """Return the values with equally many axes, so that numpy broadcasts them box by box."""
    axes = max(len(value.shape) for value in values)
    return tuple(value.ranked(axes) for value in values)


def enclose(
    low: Array, high: Array, error: Array, kind: str, sources: Sequence[Enclosure] = ()
) -> Enclosure:
    """Return the enclosure with what is not finite made unknown.

    Args:
        low: lower bounds of the real value, rounded outward.
        high: upper bounds; all arrays broadcast.
        error: bound on the error of float evaluation.
        kind: element type.
        sources: what it was computed from; their unknown entries stay unknown.
    """
    shape = np.broadcast_shapes(
        low.shape, high.shape, error.shape, *(source.low.shape for source in sources)
    )
    limit = LARGEST if kind in FORMATS else INTEGER_LIMIT
    if kind not in FORMATS and kind != "bool":
        limits = np.iinfo(kind)
        low, high = np.ceil(low), np.floor(high)
        outside = (low < limits.min) | (high > limits.max)
        low, high = np.where(outside, -np.inf, low), np.where(outside, np.inf, high)
    known = (low >= -limit) & (high <= limit)  # false for NaN
    steady = np.isfinite(error)
    if kind in FORMATS:
        largest = FORMATS[kind].largest
        steady = steady & (np.maximum(np.abs(low), np.abs(high)) + error <= largest)
    for source in sources:
        known = known & np.isfinite(source.low) & np.isfinite(source.high)
        steady = steady & np.isfinite(source.error)
    steady = steady & known
    return Enclosure(
        np.array(np.broadcast_to(np.where(known, low, -np.inf), shape)),
        np.array(np.broadcast_to(np.where(known, high, np.inf), shape)),
        np.array(np.broadcast_to(np.where(steady, error, np.inf), shape)),
        kind,
    )


def evaluated(
    low: Array,
    high: Array,
    carried: Array,
    sources: Sequence[Enclosure],
    *,
    roundings: int = 1,
    kind: str | None = None,
) -> Enclosure:
    """Return the enclosure of an operation's result that is rounded to its element type.

    Args:
        low: lower bounds of the exact result, rounded outward.
        high: upper bounds.
        carried: how far errors of the operands move the exact result.
        sources: the operands.
        roundings: number of roundings of the result; integers have none.
        kind: element type of the result; that of the first operand unless stated.
    """
    kind = kind or sources[0].kind
    form = FORMATS.get(kind)
    error = carried * SLACK
    if form is not None and roundings:
        magnitude = np.maximum(np.abs(low), np.abs(high)) + error
        error = (error + form.gamma(roundings) * magnitude) * SLACK + roundings * form.underflow
    return enclose(low, high, error, kind, sources)


# Directed rounding of single operations, exact where the result is a binary64 number.


def sum_below(a: Array, b: Array) -> Array:
    """Return the largest binary64 number at most ``a + b``, by Knuth's error of a sum."""
    total = a + b
    back = total - a
    lost = (a - (total - back)) + (b - back)
    return np.where(lost < 0, down(total), total)


def sum_above(a: Array, b: Array) -> Array:
    """Return the smallest binary64 number at least ``a + b``."""
    return -sum_below(-a, -b)


def product_ends(a: Array, b: Array) -> tuple[Array, Array]:
    """Return bounds of ``a b``; equal where the product is a binary64 number of usual size."""
    product = a * b
    lost = _lost(a, b, product)
    sure = (np.abs(product) > 2.0**-900) | (a == 0) | (b == 0)
    return (
        np.where(sure & (lost >= 0), product, down(product)),
        np.where(sure & (lost <= 0), product, up(product)),
    )


def quotient_ends(a: Array, b: Array) -> tuple[Array, Array]:
    """Return bounds of ``a / b`` for ``b`` other than 0; equal where the quotient is exact."""
    quotient = a / b
    product = quotient * b
    rest = (a - product) - _lost(quotient, b, product)
    exact = ((rest == 0) & (np.abs(product) > 2.0**-900)) | (a == 0)
    return np.where(exact, quotient, down(quotient)), np.where(exact, quotient, up(quotient))


def _lost(a: Array, b: Array, product: Array) -> Array:
    """Return ``a b - product`` exactly, for operands below 2**900 and no underflow (Dekker)."""
    first, second = _halves(a), _halves(b)
    rest = product - first[0] * second[0]
    rest = rest - first[1] * second[0]
    rest = rest - first[0] * second[1]
    return np.asarray(first[1] * second[1] - rest)


def _halves(a: Array) -> tuple[Array, Array]:
    scaled = a * 134217729.0  # 2**27 + 1
    front = scaled - (scaled - a)
    return front, a - front
