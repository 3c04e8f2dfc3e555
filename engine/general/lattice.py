"""The inputs of a claim as columns: their limits, and the numbers that each may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from ..rounding import FORMATS, Array, float_above, float_below

REAL = "real"
"""Kind of a column that may be any real number."""

ENDED: Final = ("float16", "float32")
"""Element types whose whole range can be enclosed; inputs of others need stated limits."""

TRIAL: Final = Fraction(10_000)
"""Where an input without limit is cut off to look for counterexamples."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What kind of number each input is.

    Attributes:
        kinds: for each input its element type, or `REAL`.
        grids: for each input the element type that points are taken from: its own, or that of the
            model file for real inputs.
    """

    kinds: tuple[str, ...]
    grids: tuple[str, ...]

    def snap(self, points: Array) -> Array:
        """Return points ``(points, inputs)`` rounded to the nearest numbers of the grids."""
        out = points.copy()
        for kind, own in self._by_grid():
            if kind in FORMATS:
                largest = FORMATS[kind].largest
                near = np.clip(points[:, own], -largest, largest).astype(kind)
                out[:, own] = near.astype(np.float64)
            else:
                out[:, own] = np.round(points[:, own])
        return out

    def parted(self, middle: float, column: int) -> tuple[float, float]:
        """Return where a column is cut near a number: the end of one half, the start of the other.

        Real columns share the cut. In others the halves have neighbouring numbers as ends, for
        there is none between them.
        """
        kind = self.kinds[column]
        if kind == REAL:
            return middle, middle
        if kind not in FORMATS:
            below = float(np.floor(middle))
            return below, below + 1.0
        with np.errstate(over="ignore"):
            near = np.dtype(kind).type(middle)
            if float(near) > middle:
                near = np.nextafter(near, np.dtype(kind).type(-np.inf))
            return float(near), float(np.nextafter(near, np.dtype(kind).type(np.inf)))

    def _by_grid(self) -> list[tuple[str, list[int]]]:
        return [
            (kind, [index for index, grid in enumerate(self.grids) if grid == kind])
            for kind in dict.fromkeys(self.grids)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """The box that some cases leave of the inputs.

    Attributes:
        lower, upper: ``(inputs,)`` float64 around every input that the limits and the element types
            allow.
        first, last: ``(inputs,)`` limits of the points that may be tried.
        pins: inputs between whose limits lies no number of the grid, and the rational that stands
            for them; only where a real number is asked for.
        gaps: inputs of an element type that has no number between the limits.
        open: inputs without limit, cut off somewhere for trial.
    """

    lower: Array
    upper: Array
    first: Array
    last: Array
    pins: dict[int, Fraction]
    gaps: tuple[int, ...]
    open: tuple[int, ...]

    @classmethod
    def of(
        cls, limits: Sequence[tuple[Fraction | None, Fraction | None]], columns: Columns
    ) -> Root:
        """Return the box of exact limits, none of them inverted."""
        ends: list[tuple[float, float, float, float]] = []
        pins: dict[int, Fraction] = {}
        gaps, boundless = [], []
        for index, (below, above) in enumerate(limits):
            kind, grid = columns.kinds[index], columns.grids[index]
            if (below is None or above is None) and kind not in ENDED:
                boundless.append(index)
            low, high = _filled(below, above, kind)
            first, last = _inward(low, grid, 1), _inward(high, grid, -1)
            outside = float_below(low), float_above(high)
            if first <= last:
                hull = outside if kind == REAL else (first, last)
                ends.append((*hull, first, last))
                continue
            if kind == REAL:
                pins[index] = (low + high) / 2
            else:
                gaps.append(index)
            ends.append((*outside, *outside))
        lower, upper, first_, last_ = (np.array(part) for part in zip(*ends, strict=True))
        return cls(lower, upper, first_, last_, pins, tuple(gaps), tuple(boundless))

    def exact(self, point: Array) -> tuple[Fraction, ...]:
        """Return a point as Fractions, the pinned inputs at their rational."""
        return tuple(
            self.pins.get(index, Fraction(value)) for index, value in enumerate(point.tolist())
        )

    def hull(self, points: Array) -> tuple[Array, Array]:
        """Return boxes around points ``(points, inputs)``: themselves but for pinned inputs."""
        low, high = points.copy(), points.copy()
        for index, pin in self.pins.items():
            low[:, index], high[:, index] = float_below(pin), float_above(pin)
        return low, high


def _filled(below: Fraction | None, above: Fraction | None, kind: str) -> tuple[Fraction, Fraction]:
    """Return limits where some are not stated: those of the element type, or somewhere for trial.

    Stated limits stay as they are, but for what the element type cannot reach anyway.
    """
    if kind in FORMATS:
        most = Fraction(FORMATS[kind].largest)
        below = None if below is None else max(below, -most)
        above = None if above is None else min(above, most)
    cut = Fraction(FORMATS[kind].largest) if kind in ENDED else TRIAL
    if below is None and above is None:
        return -cut, cut
    if below is None:
        assert above is not None
        return (-cut if kind in ENDED else min(-cut, above - cut)), above
    if above is None:
        return below, (cut if kind in ENDED else max(cut, below + cut))
    return below, above


def _inward(value: Fraction, grid: str, side: int) -> float:
    """Return the grid's number nearest to a limit inside it; ``side`` is 1 for a lower limit."""
    if grid not in FORMATS:
        whole = -(-value.numerator // value.denominator) if side > 0 else value // 1
        return float(whole)
    largest, kind = FORMATS[grid].largest, np.dtype(grid).type
    near = kind(min(max(float_below(value), -largest), largest))
    with np.errstate(over="ignore"):
        while np.isfinite(near) and side * Fraction(float(near)) < side * value:
            near = np.nextafter(near, kind(side * np.inf))
        behind = np.nextafter(near, kind(-side * np.inf))
        while np.isfinite(behind) and side * Fraction(float(behind)) >= side * value:
            near, behind = behind, np.nextafter(behind, kind(-side * np.inf))
    return float(near)
