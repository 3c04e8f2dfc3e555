"""A region of the input space: a closed box with rational corners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import RegionError
from .network import Network, Normalisation
from .rounding import float_above, float_below

Array = NDArray[np.float64]
Number = float | int | Fraction


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The points of a box that a network's file can be given as they are.

    Attributes:
        lower, upper: ``(inputs,)`` float64, numbers of `dtype`, the box rounded inward.
        dtype: float16, float32 or float64.
        pins: inputs between whose limits lies no number of `dtype`, and the rational that stands
            for them; `lower` and `upper` hold the nearest float64 there.
    """

    lower: Array
    upper: Array
    dtype: str
    pins: Mapping[int, Fraction]

    def snap(self, points: Array) -> Array:
        """Return points ``(..., inputs)`` rounded to the lattice, inside the box."""
        near = points.astype(self.dtype).astype(np.float64)
        return np.clip(near, self.lower, self.upper)

    def exact(self, points: Array) -> NDArray[np.object_]:
        """Return snapped points as Fractions, the pinned inputs at their rational."""
        out = np.empty(points.shape, dtype=object)
        out.ravel()[:] = [Fraction(value) for value in points.ravel().tolist()]
        for index, pin in self.pins.items():
            out[..., index] = pin
        return out


@dataclass(frozen=True, eq=False)
class Region:
    """The closed box of all x with lower <= x <= upper, in network units.

    The corners are rationals, so a decimal in a file means exactly what it says. Proofs use
    `lower` and `upper`, the box rounded outward; witnesses are taken from `lattice`.

    Attributes:
        exact_lower, exact_upper: ``(inputs,)`` Fractions.
        name: how to speak of it.
    """

    exact_lower: tuple[Fraction, ...]
    exact_upper: tuple[Fraction, ...]
    name: str = "region"

    def __post_init__(self) -> None:
        if len(self.exact_lower) != len(self.exact_upper) or not self.exact_lower:
            raise RegionError(
                f"{self.name}: {len(self.exact_lower)} lower and {len(self.exact_upper)} upper "
                "limits: give one of each for every input"
            )
        for index, (lower, upper) in enumerate(
            zip(self.exact_lower, self.exact_upper, strict=True)
        ):
            if lower > upper:
                raise RegionError(
                    f"{self.name}: input {index} has lower limit {float(lower):.9g} above its "
                    f"upper limit {float(upper):.9g}: the region is empty; swap or correct them"
                )

    @classmethod
    def box(
        cls, lower: Sequence[Number] | Array, upper: Sequence[Number] | Array, name: str = "region"
    ) -> Region:
        """Return the box with these corners.

        Args:
            lower: ``(inputs,)`` numbers, network units, closed.
            upper: the same.
            name: how to speak of it.

        Raises:
            RegionError: a NaN or infinite limit, an inverted or empty box, differing sizes.
        """
        return cls(_fractions(lower, name), _fractions(upper, name), name)

    @cached_property
    def lower(self) -> Array:
        """``(inputs,)`` float64, each the largest at most the exact limit."""
        return np.array([float_below(value) for value in self.exact_lower])

    @cached_property
    def upper(self) -> Array:
        """``(inputs,)`` float64, each the smallest at least the exact limit."""
        return np.array([float_above(value) for value in self.exact_upper])

    @property
    def size(self) -> int:
        """Number of inputs."""
        return len(self.exact_lower)

    @property
    def is_point(self) -> bool:
        """Whether it is a single point."""
        return self.exact_lower == self.exact_upper

    def lattice(self, dtype: str) -> Lattice:
        """Return where to look for witnesses: the numbers of ``dtype`` inside the box.

        Args:
            dtype: float16, float32 or float64.
        """
        kind = np.dtype(dtype).type
        limits = []
        for exact, sign in ((self.exact_lower, 1), (self.exact_upper, -1)):
            with np.errstate(over="ignore"):
                near = np.array([kind(float(value)) for value in exact])
            for index, value in enumerate(exact):
                while (
                    np.isfinite(near[index]) and sign * Fraction(float(near[index])) < sign * value
                ):
                    near[index] = np.nextafter(near[index], kind(sign * np.inf))
            limits.append(near.astype(np.float64))
        lower, upper = limits
        pins: dict[int, Fraction] = {}
        for index in range(self.size):
            if (
                not lower[index] <= upper[index]
                or not np.isfinite([lower[index], upper[index]]).all()
            ):
                pins[index] = (self.exact_lower[index] + self.exact_upper[index]) / 2
                lower[index] = upper[index] = float(pins[index])
        return Lattice(lower, upper, dtype, pins)

    def contains(self, point: Sequence[Number] | Array) -> bool:
        """Return whether the point, taken exactly, lies in the box."""
        values = [
            Fraction(value) if isinstance(value, Fraction | int) else Fraction(float(value))
            for value in point
        ]
        return len(values) == self.size and all(
            lower <= value <= upper
            for lower, value, upper in zip(self.exact_lower, values, self.exact_upper, strict=True)
        )

    def fit(self, network: Network) -> Region:
        """Return itself if it fits the network.

        Raises:
            RegionError: another number of inputs.
        """
        if self.size != network.size_in:
            raise RegionError(
                f"{self.name} limits {self.size} inputs, the network {network.origin.path} has "
                f"{network.size_in}: give one pair of limits for each input"
            )
        return self

    def to_network(self, normalisation: Normalisation) -> Region:
        """Return the region in network units, taking this one as raw units, rounded outward.

        Raises:
            RegionError: a limit outside the stated range of the raw input.
        """
        lower, upper = [], []
        for index in range(self.size):
            low, high = self.exact_lower[index], self.exact_upper[index]
            least, most = float(normalisation.minimum[index]), float(normalisation.maximum[index])
            if low < Fraction(least) or high > Fraction(most):
                raise RegionError(
                    f"{self.name}: input {index} asks for {float(low):.9g} to {float(high):.9g} in "
                    f"raw units, the network states {least:.9g} to {most:.9g}: keep inside it"
                )
            mean = Fraction(float(normalisation.mean[index]))
            scale = Fraction(float(normalisation.range[index]))
            lower.append((low - mean) / scale)
            upper.append((high - mean) / scale)
        return Region(tuple(lower), tuple(upper), self.name)


def _fractions(values: Any, name: str) -> tuple[Fraction, ...]:
    out = []
    for index, value in enumerate(values):
        if isinstance(value, Fraction | int):
            out.append(Fraction(value))
            continue
        number = float(value)
        if not np.isfinite(number):
            raise RegionError(
                f"{name}: input {index} has the limit {number}: a region must be bounded; give a "
                "finite number"
            )
        out.append(Fraction(number))
    return tuple(out)
