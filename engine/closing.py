"""Boxes closed in rationals, where float64 misses a limit by its own rounding alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .bounds.linear import linear
from .bounds.rational import rational_bound
from .question import Alternative, Question
from .region import Region

Array = NDArray[np.float64]


def excluded(question: Question, alternative: Alternative, lower: Array, upper: Array) -> bool:
    """Return whether some atom of an alternative fails on a whole box, proved in rationals.

    Args:
        question: what is asked.
        alternative: one of its alternatives.
        lower: ``(inputs,)``; what lies outside of the alternative's own region is left out.
        upper: ``(inputs,)``.
    """
    region = alternative.region
    low = tuple(map(max, (Fraction(float(x)) for x in lower), region.exact_lower))
    high = tuple(map(min, (Fraction(float(x)) for x in upper), region.exact_upper))
    if any(one > two for one, two in zip(low, high, strict=True)):
        return True
    box = Region(low, high)
    network = question.network
    bounds = linear(network, box.lower[None], box.upper[None])
    if not all(np.isfinite(side).all() for sides in bounds.values() for side in sides):
        return False
    for row, strict in alternative.atoms:
        seed = np.zeros(question.rows)
        seed[row] = -1.0
        least = -rational_bound(network, box, network.output, seed, bounds)
        if least > question.limits[row] or (least == question.limits[row] and strict):
            return True
    return False
