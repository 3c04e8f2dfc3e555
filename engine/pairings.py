"""Alternatives with as many rows each, judged side by side: every open one on every box at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bounder import Planes
from .halves import Half, contracted, exclusive

Array = NDArray[np.float64]
Places = NDArray[np.int64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Pairings:
    """Open alternatives on boxes, a pair of them each.

    Attributes:
        box, alternative: ``(pairs,)``.
        row: ``(pairs,)`` the row that is nearest to its cut, -1 where an alternative has no rows.
        missing: ``(pairs,)`` how far that row's bound is from its cut; positive.
        lower, upper: ``(pairs, inputs)`` outside of which the alternative fails; lower above upper
            where all of it does.
    """

    box: Places
    alternative: Places
    row: Places
    missing: Array
    lower: Array
    upper: Array

    def empty(self) -> Truths:
        """Return which pairs are settled."""
        return np.asarray((self.lower > self.upper).any(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Alternatives that have as many rows each.

    Attributes:
        members: ``(alternatives,)``.
        rows: ``(alternatives, rows)``.
        cuts: the same: the least floats that rows' values must reach to fail the alternative.
    """

    members: Places
    rows: Places
    cuts: Array

    def pair(
        self, open_: NDArray[np.uint8], lower: Array, upper: Array, planes: Planes
    ) -> Pairings:
        """Return the pairs that bounds of rows leave open, and what they leave of each box.

        Args:
            open_: ``(boxes, alternatives)`` of all alternatives.
            lower: ``(boxes, inputs)``.
            upper: ``(boxes, inputs)``.
            planes: what is known of rows on the boxes.
        """
        box, place = np.nonzero(open_[:, self.members])
        rows, cuts = self.rows[place], self.cuts[place]
        if not rows.shape[1]:
            return Pairings(
                box,
                self.members[place],
                np.full(box.size, -1),
                np.full(box.size, np.inf),
                lower[box],
                upper[box],
            )
        missing = cuts - planes.low[box[:, None], rows]
        missing = np.where(np.isnan(missing), np.inf, missing)  # says nothing, settles nothing
        nearest = missing.argmin(axis=1)
        least = missing[np.arange(box.size), nearest]
        still = np.flatnonzero(least > 0.0)
        box, place, rows, cuts = box[still], place[still], rows[still], cuts[still]
        halves = [
            Half(planes.base[box, rows[:, at]], planes.slopes[box, rows[:, at]], cuts[:, at])
            for at in range(rows.shape[1])
        ]
        whole = lower[box], upper[box]
        low, high = contracted(*whole, halves)
        if len(halves) > 1:
            apart = exclusive(*whole, halves, (low, high))
            low[apart], high[apart] = np.inf, -np.inf
        row = rows[np.arange(box.size), nearest[still]]
        return Pairings(box, self.members[place], row, least[still], low, high)


def grouped(rows: Sequence[Places], cuts: Sequence[Array]) -> list[Group]:
    """Return alternatives by their numbers of rows; one entry of each list is an alternative."""
    by_size: dict[int, list[int]] = {}
    for index, own in enumerate(rows):
        by_size.setdefault(own.size, []).append(index)
    return [
        Group(
            np.array(members, np.int64),
            np.array([rows[index] for index in members], np.int64).reshape(len(members), size),
            np.array([cuts[index] for index in members]).reshape(len(members), size),
        )
        for size, members in by_size.items()
    ]
