"""Arrays of whole numbers times one power of two: every sum and product of floats, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Dyadic:
    """``whole * 2 ** power``, number by number.

    Attributes:
        whole: Python's integers, in an array of objects.
        power: of all of them.
    """

    whole: Whole
    power: int

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Dyadic:
        """Return finite floats as they are."""
        parts, powers = np.frexp(values)
        digits = (parts * 2.0**53).astype(np.int64)
        used = digits != 0
        least = int(powers[used].min()) if used.any() else 0
        shifts = np.where(used, powers - least, 0)
        out = np.empty(values.shape, dtype=object)
        flat = [
            one << by
            for one, by in zip(digits.ravel().tolist(), shifts.ravel().tolist(), strict=True)
        ]
        out.ravel()[:] = flat
        return cls(out, least - 53)

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Dyadic:
        """Return zeros."""
        return cls.of(np.zeros(shape))

    def __add__(self, other: Dyadic) -> Dyadic:
        one, two, power = self._with(other)
        return Dyadic(one + two, power)

    def __sub__(self, other: Dyadic) -> Dyadic:
        one, two, power = self._with(other)
        return Dyadic(one - two, power)

    def __mul__(self, other: Dyadic) -> Dyadic:
        return Dyadic(self.whole * other.whole, self.power + other.power)

    def __matmul__(self, other: Dyadic) -> Dyadic:
        return Dyadic(self.whole @ other.whole, self.power + other.power)

    def __neg__(self) -> Dyadic:
        return Dyadic(-self.whole, self.power)

    def __getitem__(self, which: Any) -> Dyadic:
        return Dyadic(self.whole[which], self.power)

    def maximum(self, other: Dyadic) -> Dyadic:
        """Return the larger of each two numbers."""
        one, two, power = self._with(other)
        return Dyadic(np.maximum(one, two), power)

    def minimum(self, other: Dyadic) -> Dyadic:
        """Return the smaller of each two numbers."""
        one, two, power = self._with(other)
        return Dyadic(np.minimum(one, two), power)

    def above(self, other: Dyadic) -> bool:
        """Return whether any number is above the other in its place."""
        one, two, _ = self._with(other)
        return bool((one > two).any())

    def positive(self) -> Dyadic:
        """Return each number, or 0 where it is below."""
        return Dyadic(np.maximum(self.whole, 0), self.power)

    def negative(self) -> Dyadic:
        """Return each number, or 0 where it is above."""
        return Dyadic(np.minimum(self.whole, 0), self.power)

    def total(self, axis: int) -> Dyadic:
        """Return sums along an axis."""
        return Dyadic(self.whole.sum(axis=axis), self.power)

    def put(self, where: Any, values: Dyadic) -> Dyadic:
        """Return these numbers with some replaced."""
        one, two, power = self._with(values)
        one = one.copy()
        one[where] = two
        return Dyadic(one, power)

    def fractions(self) -> list[Fraction]:
        """Return the numbers of one axis."""
        scale = Fraction(2) ** self.power
        return [int(one) * scale for one in self.whole.tolist()]

    def _with(self, other: Dyadic) -> tuple[Whole, Whole, int]:
        power = min(self.power, other.power)
        one = self.whole if self.power == power else self.whole * (1 << (self.power - power))
        two = other.whole if other.power == power else other.whole * (1 << (other.power - power))
        return one, two, power


def joined(parts: list[Dyadic], axis: int) -> Dyadic:
    """Return numbers of several one after the other."""
    power = min(part.power for part in parts)
    whole = [part.whole * (1 << (part.power - power)) for part in parts]
    return Dyadic(np.concatenate(whole, axis=axis), power)
