"""Volumes of boxes and of what half-spaces cut from them, exactly or bounded from above."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.region import Region

Array = NDArray[np.float64]

GRAIN: Final = 40
"""Bits to which slopes are cut, downward, and to which shares of a box are rounded, upward."""

MANY: Final = 8
"""Inputs with a slope up to which the volume below a plane is computed: a sum of 2**inputs terms;
with more, nothing is cut off."""


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """What share of a region each of some boxes is, exactly.

    Attributes:
        inside: of the part of each box that lies in the region, over `denominator`.
        whole: of each box, likewise; more where a corner of the region is no float and the box was
            rounded outward there.
        denominator: of all of them.
    """

    inside: list[int]
    whole: list[int]
    denominator: int

    @property
    def total(self) -> Fraction:
        """The share of all boxes together, inside the region."""
        return Fraction(sum(self.inside), self.denominator)

    def part(self, box: int, settled: int) -> int:
        """Return at least what share a part of a box is, over ``denominator << GRAIN``.

        Args:
            box: its number.
            settled: at least what share of the box the part is, in steps of ``2**-GRAIN``.
        """
        rest = self.whole[box] * ((1 << GRAIN) - settled)
        return max(0, (self.inside[box] << GRAIN) - rest)


def box_shares(region: Region, lower: Array, upper: Array) -> Shares:
    """Return what share of a region's volume boxes are.

    Inputs without width in the region are left out.

    Args:
        region: closed box.
        lower: ``(boxes, inputs)`` of boxes in the region rounded outward.
        upper: the same.
    """
    inside: Any = np.full(len(lower), 1, dtype=object)
    whole: Any = np.full(len(lower), 1, dtype=object)
    denominator = 1
    for index in range(region.size):
        low, high = region.exact_lower[index], region.exact_upper[index]
        if low == high:
            continue
        ends, places = np.unique(np.stack([lower[:, index], upper[:, index]]), return_inverse=True)
        exact = [(Fraction(end) - low) / (high - low) for end in ends.tolist()]
        over = lcm(1, *(value.denominator for value in exact))
        counts = [int(value * over) for value in exact]
        kept = np.array([min(max(count, 0), over) for count in counts] or [0], dtype=object)
        every = np.array(counts or [0], dtype=object)
        from_, to = places.reshape(2, -1)
        inside = inside * (kept[to] - kept[from_])
        whole = whole * (every[to] - every[from_])
        denominator *= over
    return Shares(inside.tolist(), whole.tolist(), denominator)


@dataclass(frozen=True, slots=True)
class Plane:
    """An affine function below a margin on a box.

    Attributes:
        base: its least value on the box, at a corner; -inf or NaN where there is none.
        slopes: of each input.
        widths: of the box, exactly.
    """

    base: float
    slopes: tuple[float, ...]
    widths: tuple[Fraction, ...]

    @property
    def known(self) -> bool:
        """Whether there is one."""
        return math.isfinite(self.base) and all(map(math.isfinite, self.slopes))

    @property
    def rises(self) -> list[Fraction]:
        """How much it rises from one side of the box to the other, along each input."""
        pairs = zip(self.slopes, self.widths, strict=True)
        return [abs(Fraction(slope)) * width for slope, width in pairs]

    def below(self, more: Fraction = Fraction(0)) -> int:
        """Return the share of the box where it is at most `more`; rounded up.

        Returns:
            A whole number of steps of ``2**-GRAIN``.
        """
        if not self.known:
            return 1 << GRAIN
        return below(Fraction(self.base) - more, self.rises)


def below_either(one: Plane, two: Plane) -> int:
    """Return the share of a box where one of two planes is at most 0, rounded up.

    That is at most both shares together; and, where the planes are about parallel, at most the
    share where the first is at most the largest amount by which it passes a multiple of the second.

    Returns:
        A whole number of steps of ``2**-GRAIN``.
    """
    parts = one.below(), two.below()
    best = min(sum(parts), 1 << GRAIN)
    if not (one.known and two.known) or not all(parts):
        return best
    for first, second in ((one, two), (two, one)):
        rises = first.rises, second.rises
        if not (any(rises[0]) and any(rises[1])):
            continue
        factor = Fraction(float(max(rises[0]) / max(rises[1])))
        apart = Fraction(first.base) - factor * Fraction(second.base)
        for index, slope in enumerate(first.slopes):
            down_, up = rises[0][index], factor * rises[1][index]
            # Both along the same side of the box, from the corner where the first is least.
            turned = (slope < 0) != (second.slopes[index] < 0)
            apart += max(Fraction(0), down_ + up) - up if turned else max(Fraction(0), down_ - up)
        best = min(best, first.below(max(Fraction(0), apart)))
    return best


def below(base: Fraction, rises: list[Fraction]) -> int:
    """Return the share of the unit cube where ``base + sum rise_i t_i <= 0``, rounded up.

    ``sum over corners v of (-1)^|v| max(0, h - a v)^m / (m! prod a)`` for ``sum a t <= h`` in m
    dimensions; slopes are made smaller and h larger first, so that all is in whole numbers.

    Args:
        base: where all t are 0.
        rises: at least 0.

    Returns:
        A whole number of steps of ``2**-GRAIN``.

    Source: D. Barrow, P. Smith, Spline notation applied to a volume problem, American Mathematical
    Monthly 86, 1979.
    """
    whole, largest = 1 << GRAIN, max(rises, default=Fraction(0))
    if base > 0:
        return 0
    if largest == 0:
        return whole
    unit = largest / whole
    steps = [step for rise in rises if (step := int(rise / unit)) > 0]
    reach = math.ceil(-base / unit)
    if reach <= 0:
        return 0
    if len(steps) > MANY or reach >= sum(steps):
        return whole
    size, total = len(steps), 0
    for corner in product((0, 1), repeat=size):
        height = reach - sum(step for step, on in zip(steps, corner, strict=True) if on)
        if height > 0:
            total += (-1) ** sum(corner) * height**size
    under = math.factorial(size) * math.prod(steps)
    return min(-(-(total << GRAIN) // under), whole)
