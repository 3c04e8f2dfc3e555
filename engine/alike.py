"""What follows where two networks compute the same: on a box, and for a claim.

A network and its simplified copy differ in the functions of a few neurons alone. On a box where
each of these neurons keeps the sign that makes both functions one, the networks are equal, whatever
their other neurons do; then every claim that compares nothing but equal things is settled, ties
between outputs included, where bounds would miss by their rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .bounds.packed import LOWER, UPPER
from .network import Piecewise, State
from .question import Alternative, Question
from .stages import Stage, Stages


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Which signs make two chains of the same sizes equal.

    Attributes:
        places: neurons, flat over all stages, whose functions differ.
        signs: the bit, `UPPER` or `LOWER`, that makes them equal.
    """

    places: NDArray[np.int64]
    signs: NDArray[np.uint8]

    def where(self, stable: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return on which boxes both are equal, from signs ``(boxes, 2, neurons)`` known there."""
        known = stable[:, 0, self.places] | stable[:, 1, self.places]
        return np.asarray(((known & self.signs) > 0).all(axis=1))


def alike(first: Stages, second: Stages) -> Alike | None:
    """Return what makes two chains equal; None where their weights differ or no sign can.

    The chains have the same sizes, and every stage reads the one before it alone.
    """
    places: list[int] = []
    signs: list[int] = []
    begin = first.stages[0].size
    for one, two in zip(first.stages[1:], second.stages[1:], strict=True):
        same = np.array_equal(one.edges[0].weight, two.edges[0].weight)
        if not (same and np.array_equal(one.bias, two.bias)):
            return None
        if not _same_grid(one, two):
            return None
        for neuron in np.flatnonzero(_differ(one.layer, two.layer)).tolist():
            sign = _sign(*(_lines(layer, neuron) for layer in (one.layer, two.layer)))
            if sign is None:
                return None
            places.append(begin + neuron)
            signs.append(sign)
        begin += one.size
    return Alike(np.array(places, np.int64), np.array(signs, np.uint8))


def _same_grid(one: Stage, two: Stage) -> bool:
    if one.grid is None or two.grid is None:
        return one.grid is two.grid
    return one.grid.same(two.grid)


def _differ(one: Piecewise, two: Piecewise) -> NDArray[np.bool_]:
    return np.asarray(
        (one.state != two.state) | (one.slope != two.slope) | (one.intercept != two.intercept)
    )


def _lines(layer: Piecewise, neuron: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return slope and intercept of a neuron's function where z <= 0, and where z >= 0."""
    match State(int(layer.state[neuron])):
        case State.RELU:
            return (0.0, 0.0), (1.0, 0.0)
        case State.ZERO:
            return (0.0, 0.0), (0.0, 0.0)
        case State.IDENTITY:
            return (1.0, 0.0), (1.0, 0.0)
        case State.LINEAR:
            line = float(layer.slope[neuron]), float(layer.intercept[neuron])
            return line, line


def _sign(
    one: tuple[tuple[float, float], tuple[float, float]],
    two: tuple[tuple[float, float], tuple[float, float]],
) -> int | None:
    """Return the sign of z under which two functions are one; None where there is none."""
    if one[0] == two[0]:
        return UPPER
    return LOWER if one[1] == two[1] else None


def impossible(question: Question, alternative: Alternative) -> bool:
    """Return whether an alternative cannot hold where both of its networks are equal.

    Found where one of its atoms, or two of them added, then compare numbers alone. Networks that
    have other numbers of outputs are never equal; of a question that is not `plain` too little is
    known here.
    """
    if not question.plain or len(question.weights) != 2:
        return False
    one, two = question.weights
    if one.shape != two.shape:
        return False
    rows = np.array([row for row, _ in alternative.atoms], np.int64)
    total = one[rows] + two[rows]
    # A sum of two floats is exact where both can be had back from it.
    exact = (total - one[rows] == two[rows]) & (total - two[rows] == one[rows])
    slopes = np.concatenate([total, question.direct[rows]], axis=1)
    least = [Fraction(float(question.bias[row])) - question.limits[row] for row in rows.tolist()]
    strict = [strict for _, strict in alternative.atoms]
    usable = np.flatnonzero(exact.all(axis=1)).tolist()
    for place in usable:
        if not slopes[place].any() and _fails(least[place], strict[place]):
            return True
    for here, there in combinations(usable, 2):
        if np.array_equal(slopes[here], -slopes[there]) and _fails(
            least[here] + least[there], strict[here] or strict[there]
        ):
            return True
    return False


def _fails(value: Fraction, strict: bool) -> bool:
    """Return whether ``value <= 0``, or ``value < 0``, is false."""
    return value > 0 or (value == 0 and strict)
