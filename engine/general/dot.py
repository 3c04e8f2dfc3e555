"""Sums of products: matrix products, convolutions, sums and means, as interval and in float.

A product is enclosed by midpoint and radius. Both the binary64 arithmetic of the enclosure and the
float evaluation under study are charged with gamma times the sum of the products' magnitudes, which
holds in any order of summation, with or without fused multiply-add (Higham 2002, theorem 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..rounding import FORMATS, FUSED, SLACK, UNDERFLOW, Array, down, gamma, up
from .enclosure import (
    Enclosure,
    Flags,
    aligned,
    enclose,
    product_ends,
    quotient_ends,
    sum_above,
    sum_below,
)

EXACT = 2.0**51
"""Multiples of a common unit up to which sums of products are exact in binary64, with room for the
rounding of the test itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Dot:
    """A sum of products before a float evaluation rounds it.

    Attributes:
        low, high: of the sum in real arithmetic.
        carried: how far errors of the operands move it.
        magnitude: at least the sum of the products' magnitudes, of real and of computed operands.
        roundings: on the way to any product in the sum.
        tiny: results that may underflow, counted by what they are multiplied with.
    """

    low: Array
    high: Array
    carried: Array
    magnitude: Array
    roundings: int
    tiny: float

    def scaled(self, factor: float) -> Dot:
        """Return this times a constant, one rounding more."""
        if factor == 1:
            return self
        by = np.array(float(factor))
        a, b = product_ends(self.low, by), product_ends(self.high, by)
        size = abs(factor) * SLACK
        return Dot(
            np.minimum(a[0], b[0]),
            np.maximum(a[1], b[1]),
            self.carried * size,
            self.magnitude * size,
            self.roundings + 1,
            self.tiny * size + 1.0,
        )

    def over(self, count: Array) -> Dot:
        """Return this divided by positive counts; two roundings, for runtimes that multiply."""
        return Dot(
            quotient_ends(self.low, count)[0],
            quotient_ends(self.high, count)[1],
            self.carried / count * SLACK,
            self.magnitude / count * SLACK,
            self.roundings + 2,
            self.tiny + 2.0,
        )

    def plus(self, x: Enclosure, factor: float = 1.0) -> Dot:
        """Return this plus a constant times a tensor, two roundings more."""
        other = Dot(x.low, x.high, x.error, x.magnitude + x.error, 0, 0.0).scaled(factor)
        return Dot(
            sum_below(self.low, other.low),
            sum_above(self.high, other.high),
            (self.carried + other.carried) * SLACK,
            (self.magnitude + other.magnitude) * SLACK,
            self.roundings + 2,
            self.tiny + other.tiny + 1.0,
        )

    def map(self, shape: tuple[int, ...]) -> Dot:
        """Return it in another shape, with as many entries in the same order."""
        parts = (self.low, self.high, self.carried, self.magnitude)
        low, high, carried, magnitude = (part.reshape(shape) for part in parts)
        return Dot(low, high, carried, magnitude, self.roundings, self.tiny)

    def rounded(self, kind: str) -> Enclosure:
        """Return the enclosure of the sum as a float evaluation rounds it; integers are exact."""
        error = self.carried
        if kind in FORMATS:
            form = FORMATS[kind]
            lost = form.gamma(self.roundings) * self.magnitude
            error = (error + lost) * SLACK + self.tiny * form.underflow
        return enclose(self.low, self.high, error, kind)


def contract(x: Enclosure, y: Enclosure) -> Dot:
    """Return the matrix product of ``x`` ``(.., rows, terms)`` and ``y`` ``(.., terms, columns)``.

    Axes in front broadcast, the axis of boxes among them.
    """
    x, y = aligned(x, y)
    terms = x.low.shape[-1]
    (cx, rx), (cy, ry) = _ball(x), _ball(y)
    ax, ay = np.abs(cx), np.abs(cy)
    middle = _times(cx, cy)
    size = _times(ax + rx, ay + ry)
    radius = np.zeros_like(middle)
    if rx.any():
        radius = radius + _times(rx, ay + ry)
    if ry.any():
        radius = radius + _times(ax, ry)
    charge = gamma(terms + 4) * size * SLACK + UNDERFLOW
    charge = np.where(_exact(cx, cy, rx, ry, size), 0.0, charge)
    width = (radius * SLACK + charge) * SLACK
    carried = np.zeros_like(middle)
    if x.error.any():
        carried = carried + _times(x.error, ay + ry + y.error)
    if y.error.any():
        carried = carried + _times(ax + rx, y.error)
    return Dot(
        np.where(width == 0, middle, down(middle - width)),
        np.where(width == 0, middle, up(middle + width)),
        carried * SLACK,
        (size + carried) * SLACK,
        terms + FUSED,
        float(terms),
    )


def total(x: Enclosure, axes: Sequence[int], keep: bool) -> Dot:
    """Return the sum over some axes of the tensor, counted without the axis of boxes."""
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    order = (0, *(axis + 1 for axis in rest), *(axis + 1 for axis in sorted(axes)))
    kept = [x.shape[axis] for axis in rest]
    count = int(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))
    flat = x.map(lambda part: part.transpose(order).reshape(-1, *kept, count))
    ones = Enclosure.constant(np.ones((count, 1), dtype=np.float64))
    sizes = [1 if axis in axes else n for axis, n in enumerate(x.shape) if keep or axis in rest]
    return contract(flat.map(lambda part: part[..., None, :]), ones).map((-1, *sizes))


def _ball(x: Enclosure) -> tuple[Array, Array]:
    """Return a midpoint and a radius that hold the real values."""
    middle = 0.5 * (x.low + x.high)
    radius = up(np.maximum(x.high - middle, middle - x.low))
    return middle, np.where(x.low == x.high, 0.0, radius)


def _times(a: Array, b: Array) -> Array:
    """Return the matrix product, in one piece where the right side is the same for all boxes."""
    if all(size == 1 for size in b.shape[:-2]):
        rows = a.reshape(-1, a.shape[-1]) @ b.reshape(b.shape[-2:])
        return rows.reshape(*a.shape[:-1], b.shape[-1])
    return np.asarray(np.matmul(a, b))


def _exact(cx: Array, cy: Array, rx: Array, ry: Array, size: Array) -> Flags:
    """Return, box by box, whether binary64 computes the product of the midpoints exactly.

    It does where all products are multiples of one unit and their magnitudes add up to less than
    2**53 of it. Only boxes that are points are looked at: elsewhere the radius hides the rounding.
    """
    boxes = size.shape[0]
    still = ~(_any(rx) | _any(ry))
    if not still.any():
        return np.zeros((boxes, *(1,) * (size.ndim - 1)), dtype=bool)
    unit = _unit(cx) * _unit(cy)
    most = size.reshape(boxes, -1).max(axis=1, initial=0.0)
    fits = still & (most <= EXACT * unit) & (unit > 2.0**-900)
    return np.broadcast_to(fits, boxes).reshape(boxes, *(1,) * (size.ndim - 1))


def _any(a: Array) -> Flags:
    return np.asarray(a.reshape(a.shape[0], -1).any(axis=1))


def _unit(a: Array) -> Array:
    """Return for each box the largest power of two of which all entries are multiples."""
    mantissa, exponent = np.frexp(np.where(np.isfinite(a), a, 0.0))
    whole = (mantissa * 2.0**53).astype(np.int64)
    unit = np.ldexp((whole & -whole).astype(np.float64), exponent - 53)
    flat = np.where(whole == 0, np.inf, unit).reshape(a.shape[0], -1)
    return np.asarray(np.minimum(flat.min(axis=1, initial=np.inf), 2.0**300))
