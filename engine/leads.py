"""Where two networks are far apart, or may be: points that were met and boxes that stayed open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .branch import Boxes

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Aim:
    """What is asked of an enclosure beside its narrowness.

    Attributes:
        enough: a distance that need not be bettered, output units: what is proved to stay below it
            is left there.
        keep: number of points and of boxes to hand out as leads; 0 for none.
        sums: whether the 1 and the 2 norm are enclosed too; else nothing bounds them.
        steady: let nothing but the end hang on the clock: with a number of boxes for a limit, a
            seed gives one answer.
    """

    enough: float = 0.0
    keep: int = 0
    sums: bool = True
    steady: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Leads:
    """Where two networks are far apart, or may be: nothing of it is proved but `reach`.

    Attributes:
        points: ``(points, inputs)`` of the region that were met, the farthest apart first.
        lower, upper: ``(boxes, inputs)`` that the search left open, the largest bounds first.
        reach: ``(boxes,)`` proved bounds there of the largest ``|f_i - g_i|`` that is open.
    """

    points: Array
    lower: Array
    upper: Array
    reach: Array


@dataclass(slots=True, eq=False)
class Farthest:
    """The points met that are farthest apart, each once.

    Attributes:
        size: number of inputs.
        most: number of points kept.
        points: ``(kept, inputs)``, the farthest apart first.
        apart: ``(kept,)`` how far, output units.
    """

    size: int
    most: int
    points: Array = field(init=False)
    apart: Array = field(init=False)

    def __post_init__(self) -> None:
        self.points, self.apart = np.zeros((0, self.size)), np.zeros(0)

    def add(self, points: Array, apart: Array) -> None:
        """Take points ``(points, inputs)`` and how far apart the networks are ``(points,)``."""
        best = np.argsort(-apart, kind="stable")[: self.most]
        every = np.concatenate([self.points, points[best]])
        level = np.concatenate([self.apart, apart[best]])
        every, first = np.unique(every, axis=0, return_index=True)
        best = np.argsort(-level[first], kind="stable")[: self.most]
        self.points, self.apart = every[best], level[first][best]

    def leads(self, open_: Iterable[Boxes], rows: int) -> Leads:
        """Return the points, and of some open boxes those whose first `rows` may go farthest."""
        lower, upper = [np.zeros((0, self.size))], [np.zeros((0, self.size))]
        reach = [np.zeros(0)]
        for boxes in open_:
            here = np.where(boxes.open > 0, boxes.reach, -np.inf)[:, :rows].max(axis=1)
            best = np.argsort(-here, kind="stable")[: self.most]
            best = best[here[best] > -np.inf]
            lower.append(boxes.lower[best])
            upper.append(boxes.upper[best])
            reach.append(here[best])
        low, high, far = np.concatenate(lower), np.concatenate(upper), np.concatenate(reach)
        best = np.argsort(-far, kind="stable")[: self.most]
        return Leads(self.points, low[best], high[best], far[best])
