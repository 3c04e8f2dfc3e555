"""Vectors of rationals over one common denominator, and a layer's arithmetic on them.

Weights are binary64 numbers, hence dyadic: scaled by a power of two they are integers. Keeping one
denominator for a whole batch turns a layer into products of python integers, some hundred times
faster than arrays of Fractions.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .operators import Operator


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """The rationals ``numerators / denominator``.

    Attributes:
        numerators: object array of python integers, any shape.
        denominator: positive.
    """

    numerators: NDArray[np.object_]
    denominator: int

    @classmethod
    def of(cls, values: NDArray[Any]) -> Exact:
        """Return the values of an array of floats, integers or Fractions, exactly."""
        if values.dtype == np.float64:
            return _dyadic(values)
        flat = [
            Fraction(v) if isinstance(v, Fraction | int) else Fraction(float(v))
            for v in values.ravel().tolist()
        ]
        denominator = math.lcm(*(v.denominator for v in flat)) if flat else 1
        numerators = np.empty(len(flat), dtype=object)
        numerators[:] = [v.numerator * (denominator // v.denominator) for v in flat]
        return cls(numerators.reshape(values.shape), denominator)

    def fractions(self) -> NDArray[np.object_]:
        """Return the values as an array of Fractions."""
        out = np.empty(self.numerators.shape, dtype=object)
        out.ravel()[:] = [Fraction(n, self.denominator) for n in self.numerators.ravel()]
        return out

    def signs(self) -> NDArray[np.int8]:
        """Return -1, 0 or 1 for each value."""
        positive = (self.numerators > 0).astype(np.int8)
        return np.asarray(positive - (self.numerators < 0).astype(np.int8), dtype=np.int8)

    def over(self, denominator: int) -> NDArray[np.object_]:
        """Return the numerators over a multiple of the denominator."""
        return np.asarray(self.numerators * (denominator // self.denominator), dtype=object)


def _dyadic(values: NDArray[np.float64]) -> Exact:
    """Return finite floats: integers over one power of two, the least that holds them all."""
    if not np.isfinite(values).all():
        raise OverflowError("infinities and NaN are no rationals")
    mantissa, exponent = np.frexp(values.ravel())
    whole = (mantissa * 2.0**53).astype(np.int64)
    zeros = np.frexp((whole & -whole).astype(np.float64))[1] - 1  # of each integer, in binary
    zeros = np.where(whole == 0, 0, zeros)
    whole, power = whole >> zeros, exponent - 53 + zeros
    least = min(0, int(np.where(whole == 0, 0, power).min(initial=0)))
    numerators = np.empty(whole.size, dtype=object)
    shifts = np.where(whole == 0, 0, power - least).tolist()
    numerators[:] = [n << shift for n, shift in zip(whole.tolist(), shifts, strict=True)]
    return Exact(numerators.reshape(values.shape), 1 << -least)


_KEPT = 1_000_000
"""Weights of an array up to which their rationals are kept as long as the array is."""

_kept: dict[int, tuple[weakref.ref[NDArray[np.float64]], Exact]] = {}


def _of_weights(weights: NDArray[np.float64]) -> Exact:
    """Return the rationals of an array that is never written to, remembered while it lives."""
    if weights.flags.writeable or weights.size > _KEPT:
        return Exact.of(weights)
    key = id(weights)
    found = _kept.get(key)
    if found is None or found[0]() is not weights:
        gone = weakref.ref(weights, lambda _: _kept.pop(key, None))
        found = _kept[key] = gone, Exact.of(weights)
    return found[1]


def affine(operator: Operator, bias: NDArray[np.float64], values: Exact) -> Exact:
    """Return ``W x + b`` exactly."""
    weight, offset = _of_weights(operator.weight), _of_weights(bias)
    product = operator.push(values.numerators, weight.numerators)
    return total([Exact(product, values.denominator * weight.denominator), offset])


def piecewise(
    state: NDArray[np.int8],
    slope: NDArray[np.float64],
    intercept: NDArray[np.float64],
    values: Exact,
) -> Exact:
    """Return the activations of `Piecewise` exactly; states are numbered as in `State`."""
    z = values.numerators
    out = np.where(state == 0, np.where(z > 0, z, 0), np.where(state == 1, 0, z))
    if not (state == 3).any():
        return Exact(out, values.denominator)
    steep, offset = Exact.of(slope), Exact.of(intercept)
    line = total([Exact(steep.numerators * z, steep.denominator * values.denominator), offset])
    return Exact(
        np.where(state == 3, line.numerators, out * (line.denominator // values.denominator)),
        line.denominator,
    )


def quantize(
    scale: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    values: Exact,
) -> Exact:
    """Return the values of `Quantize` exactly, ties to even."""
    step = Exact.of(scale)
    over = np.asarray(2 * values.denominator * step.numerators, dtype=object)
    twice = 2 * step.denominator * values.numerators + values.denominator * step.numerators
    whole = twice // over  # floor(z / scale + 1/2)
    tie = (twice % over == 0) & (whole % 2 == 1)
    whole = np.where(tie, whole - 1, whole)
    least, most = (
        np.array([int(limit) for limit in side.tolist()], dtype=object) for side in (low, high)
    )
    whole = np.where(whole < least, least, np.where(whole > most, most, whole))
    return Exact(np.asarray(whole * step.numerators, dtype=object), step.denominator)


def total(parts: Sequence[Exact]) -> Exact:
    """Return the sum."""
    denominator = math.lcm(*(part.denominator for part in parts))
    numerators = sum((part.over(denominator) for part in parts[1:]), parts[0].over(denominator))
    return Exact(numerators, denominator)


def concatenate(parts: Sequence[Exact]) -> Exact:
    """Return the parts one after the other on the last axis."""
    denominator = math.lcm(*(part.denominator for part in parts))
    return Exact(np.concatenate([part.over(denominator) for part in parts], axis=-1), denominator)
