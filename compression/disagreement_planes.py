"""What planes below the margins settle of boxes that are open as a whole.

Where a network's margin of class i over class k lies above a plane, i beats k wherever the plane is
above 0. So the part of a box where class i is certain is at least the box less what lies below one
of i's planes, and such parts of different classes share no point.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.bounder import Bounder, Planes
from ..engine.branch import Boxes
from ..engine.region import Region
from .volumes import GRAIN, Plane, below_either, box_shares

BATCH: Final = 256
"""Boxes that are bounded together."""

CHOICES: Final = 12
"""Pairs of classes up to which a box is looked at; boxes with more are far from settled."""

Chosen = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """Which row of a question is which margin.

    Attributes:
        outputs: of each network; class k of the second is numbered ``outputs + k``.
        rows: by the class that leads where the row is above 0 and the one that it passes.
    """

    outputs: int
    rows: Mapping[Chosen, int]


def settled_by_planes(
    boxes: Boxes,
    region: Region,
    bounder: Bounder,
    margins: Margins,
    workers: int = 1,
    deadline: float = np.inf,
) -> dict[Chosen, Fraction]:
    """Return the shares of a region, within open boxes, where both classes are proved.

    They are given for each pair of classes, of the first network and of the second.

    Args:
        boxes: no two of which share an inner point; open are the classes that are possible, those
            of the first network before those of the second.
        region: that they are boxes of.
        bounder: of the rows.
        margins: which they are.
        workers: threads.
        deadline: on the clock of `time.monotonic`; of boxes after it nothing is settled.
    """
    widths = (boxes.upper - boxes.lower)[:, region.upper > region.lower]
    order = np.argsort(-widths.prod(axis=1), kind="stable")
    found: dict[Chosen, Fraction] = {}
    every = np.array(list(margins.rows), dtype=np.int64)
    cut = np.full(len(every), np.inf)
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(order), BATCH):
            if time.monotonic() > deadline:
                break
            part = boxes.take(order[start : start + BATCH])
            wanted = np.zeros((len(part), len(every)), np.uint8)
            for (lead, other), row in margins.rows.items():
                wanted[:, row] = part.open[:, lead] & part.open[:, other]
            planes = bounder.bound(part.lower, part.upper, part.stable, wanted, cut, pool)
            shares = box_shares(region, part.lower, part.upper)
            counts: dict[Chosen, int] = {}
            for at in range(len(part)):
                for chosen, sure in _Box(part, planes, margins, at).pieces().items():
                    counts[chosen] = counts.get(chosen, 0) + shares.part(at, sure)
            for chosen, count in counts.items():
                share = Fraction(count, shares.denominator << GRAIN)
                found[chosen] = found.get(chosen, Fraction(0)) + share
    return found


class _Box:
    """One open box."""

    def __init__(self, boxes: Boxes, planes: Planes, margins: Margins, at: int) -> None:
        self._planes, self._margins, self._at = planes, margins, at
        pairs = zip(boxes.lower[at].tolist(), boxes.upper[at].tolist(), strict=True)
        self._widths = tuple(Fraction(high) - Fraction(low) for low, high in pairs)
        possible = np.flatnonzero(boxes.open[at]).tolist()
        self._first = [one for one in possible if one < margins.outputs]
        self._second = [one for one in possible if one >= margins.outputs]

    def pieces(self) -> dict[Chosen, int]:
        """Return at least what share of the box has which classes, in steps of ``2**-GRAIN``."""
        if len(self._first) * len(self._second) > CHOICES:
            return {}
        pairs = product(self._first, self._second)
        size = self._margins.outputs
        return {(one, two - size): sure for one, two in pairs if (sure := self._sure(one, two))}

    def _sure(self, one: int, two: int) -> int:
        """Return at least what share of the box is where the networks choose these classes."""
        size = self._margins.outputs
        ours = {other: self._plane(one, other) for other in self._first if other != one}
        theirs = {other - size: self._plane(two, other) for other in self._second if other != two}
        left = 1 << GRAIN
        for other in ours.keys() | theirs.keys():
            planes = [side[other] for side in (ours, theirs) if other in side]
            left -= planes[0].below() if len(planes) == 1 else below_either(*planes)
            if left <= 0:
                return 0
        return left

    def _plane(self, lead: int, other: int) -> Plane:
        row = self._margins.rows[lead, other]
        slopes = tuple(self._planes.slopes[self._at, row].tolist())
        return Plane(float(self._planes.base[self._at, row]), slopes, self._widths)


def margins_of(weights: tuple[NDArray[np.float64], ...], largest: bool) -> Margins:
    """Return which margin each row of a question about two networks' classes is.

    Args:
        weights: ``(rows, outputs)`` of each network; a row is the difference of two outputs of one.
        largest: whether the largest output is the class, or the smallest.
    """
    outputs = weights[0].shape[1]
    rows: dict[Chosen, int] = {}
    for row in range(len(weights[0])):
        side = int(not weights[0][row].any())
        values = weights[side][row]
        high, low = (side * outputs + int(end) for end in (values.argmax(), values.argmin()))
        rows[(high, low) if largest else (low, high)] = row
    assert len(rows) == len(weights[0])
    return Margins(outputs, rows)
