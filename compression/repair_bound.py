"""How far a compressed network is from its original over some regions, as a repair reads it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import Effort
from ..engine.discrepancy import Span, discrepancy
from ..engine.leads import Aim
from ..engine.network import Network
from ..engine.region import Region
from ..engine.rounding import float_below

Array = NDArray[np.float64]

KEPT = 64
"""Points and boxes that a certification hands on."""

GAP = 0.01
"""Relative width at which an interval is good enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Certified:
    """How far two networks are apart.

    Attributes:
        outputs: of each output the largest ``|f_i - g_i|`` over all regions.
        regions: of each region the largest of any output, attained and proved.
        boxes: number of boxes that were bounded.
        seconds: wall time spent.
        points: ``(points, inputs)`` where they are far apart, region by region.
        lower, upper: ``(boxes, inputs)`` that stayed open, region by region.
        interrupted: whether it was broken off from the keyboard.
    """

    outputs: tuple[Span, ...]
    regions: tuple[tuple[float, float], ...]
    boxes: int
    seconds: float
    points: Array
    lower: Array
    upper: Array
    interrupted: bool = False

    @property
    def attained(self) -> float:
        """The largest distance of any output that a point attains, rounded down."""
        return max(span.attained for span in self.outputs)

    @property
    def proved(self) -> float:
        """What no output's distance passes on any region, rounded up; inf without a bound."""
        return max(span.proved for span in self.outputs)

    def within(self, tolerance: Fraction) -> bool:
        """Return whether it is proved that no output is farther apart."""
        return math.isfinite(self.proved) and Fraction(self.proved) <= tolerance


def certified(
    original: Network,
    compressed: Network,
    regions: Sequence[Region],
    tolerance: Fraction,
    effort: Effort,
) -> Certified:
    """Return how far two networks are apart, no narrower than a tolerance asks.

    Args:
        original: f.
        compressed: g.
        regions: closed boxes, network units; one at least.
        tolerance: what is proved to stay below it is left there, output units.
        effort: boxes of each region, and seconds for all of them.

    Raises:
        InputError: another number of inputs or outputs.
    """
    begun, found = time.monotonic(), []
    for place, region in enumerate(regions):
        left = effort.seconds - (time.monotonic() - begun)
        share = left / (len(regions) - place)
        spent = Effort(max(share, 0.0), effort.seed, effort.workers, boxes=effort.boxes)
        aim = Aim(float_below(tolerance), KEPT, sums=False, steady=True)
        found.append(discrepancy(original, compressed, region, spent, gap=GAP, aim=aim))
    leads = [one.leads for one in found if one.leads is not None]
    each = [one.outputs for one in found]
    return Certified(
        tuple(_joined(spans) for spans in zip(*each, strict=True)),
        tuple((max(s.attained for s in own), max(s.proved for s in own)) for own in each),
        sum(one.boxes for one in found),
        time.monotonic() - begun,
        np.concatenate([one.points for one in leads]),
        np.concatenate([one.lower for one in leads]),
        np.concatenate([one.upper for one in leads]),
        any(one.interrupted for one in found),
    )


def _joined(spans: Sequence[Span]) -> Span:
    best = max(spans, key=lambda span: span.attained)
    return Span(best.attained, max(span.proved for span in spans), best.point)
