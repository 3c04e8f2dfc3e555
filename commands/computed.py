"""How far two files are apart as their runtimes compute them: the real answer, with room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.decide import Replayer
from ..engine.discrepancy import Discrepancy, Norm, Span
from ..engine.rounding import float_above, float_below

Array = NDArray[np.float64]
Point = tuple[Fraction, ...]


def computed(
    found: Discrepancy, replayers: Sequence[Replayer | None], errors: Array
) -> Discrepancy:
    """Return the discrepancy of what two files compute.

    Args:
        found: of the networks in real arithmetic; its points are numbers of both element types.
        replayers: of both files.
        errors: ``(outputs,)`` proved bounds of how far the computed ``f - g`` is from the real one;
            infinite where nothing is known.

    Returns:
        What is attained is what the files compute at the same points; what is proved has room for
        the errors.
    """
    spans = [*found.outputs, *found.norms.values()]
    points = list(dict.fromkeys(span.point for span in spans if span.point))
    sides = _sides(points, replayers)
    outputs = []
    for index, span in enumerate(found.outputs):
        heights = [Fraction(0) if side is None else side[index] for side in sides]
        outputs.append(_span(heights, points, _more(span.proved, errors[index])))
    norms = {}
    for norm, span in found.norms.items():
        heights = [Fraction(0) if side is None else _norm(norm, side) for side in sides]
        proved = max(one.proved for one in outputs)
        if norm is not Norm.INF:
            proved = _more(span.proved, _room(norm, errors))
        norms[norm] = _span(heights, points, proved)
    return replace(found, outputs=tuple(outputs), norms=norms)


def _sides(
    points: Sequence[Point], replayers: Sequence[Replayer | None]
) -> list[list[Fraction] | None]:
    """Return ``|f - g|`` of each output at each point, exactly; None where one is not finite."""
    if not points:
        return []
    batch = np.array([[float(value) for value in point] for point in points])
    first, second = (one.outputs(batch) for one in replayers if one is not None)
    out: list[list[Fraction] | None] = []
    for one, two in zip(first.tolist(), second.tolist(), strict=True):
        usable = all(map(math.isfinite, (*one, *two)))
        pairs = zip(one, two, strict=True)
        out.append([abs(Fraction(a) - Fraction(b)) for a, b in pairs] if usable else None)
    return out


def _norm(norm: Norm, side: Sequence[Fraction]) -> Fraction:
    """Return the norm, the 2-norm rounded down."""
    match norm:
        case Norm.INF:
            return max(side)
        case Norm.ONE:
            return sum(side, Fraction(0))
        case Norm.TWO:
            square = float_below(sum((value * value for value in side), Fraction(0)))
            return max(Fraction(math.nextafter(math.sqrt(square), -math.inf)), Fraction(0))


def _room(norm: Norm, errors: Array) -> float:
    """Return the norm of the errors, rounded up."""
    if not np.isfinite(errors).all():
        return math.inf
    exact = [Fraction(error) for error in errors.tolist()]
    if norm is Norm.TWO:
        square = float_above(sum((error * error for error in exact), Fraction(0)))
        return math.nextafter(math.sqrt(square), math.inf)
    return float_above(_norm(norm, exact))


def _span(heights: Sequence[Fraction], points: Sequence[Point], proved: float) -> Span:
    if not points:
        return Span(0.0, proved)
    place = max(range(len(points)), key=heights.__getitem__)
    attained = float_below(heights[place]) + 0.0  # no -0.0
    return Span(attained, max(proved, attained), points[place], float(heights[place]))


def _more(proved: float, room: float) -> float:
    """Return the sum, rounded up."""
    if not (math.isfinite(proved) and math.isfinite(room)):
        return math.inf
    return float_above(Fraction(proved) + Fraction(room))
