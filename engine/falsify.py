"""Falsification: points of a box at which all rows of an alternative fall to their limits.

The margin of a point is the least of ``limit - z`` over the alternative's atoms; a point with a
margin of at least 0 is a counterexample. Points are pushed up their margin by gradient steps on the
atom that holds it down, and stay on the number lattice of the network's element type. Alternatives
over one box are attacked together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .attack import gradient, sample
from .question import Alternative, Question
from .region import Lattice

Array = NDArray[np.float64]
Places = NDArray[np.int64]

POINTS = 2048
"""Points sampled in a box in the first round; each round takes four times more."""

CLIMBED = 64
"""Of these, the best ones are pushed on: so many in all, at least `EACH` for an alternative."""

EACH = 6

MOST_POINTS = 2**17
"""Largest number of points of a round."""

STEPS = 40
"""Gradient steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """Margins of some alternatives.

    Attributes:
        rows: ``(alternatives, atoms)``, filled up with the first atom.
        limits: ``(alternatives, atoms)``; inf for an alternative without atoms.
    """

    rows: Places
    limits: Array

    @classmethod
    def of(cls, question: Question, alternatives: Sequence[Alternative]) -> Margins:
        """Return the margins of some alternatives of a question."""
        most = max((len(one.atoms) for one in alternatives), default=0) or 1
        rows = np.zeros((len(alternatives), most), np.int64)
        limits = np.full((len(alternatives), most), np.inf)
        for index, one in enumerate(alternatives):
            if one.atoms:
                own = [row for row, _ in one.atoms]
                rows[index] = own + own[:1] * (most - len(own))
                limits[index] = [float(question.limits[row]) for row in rows[index]]
        return cls(rows, limits)

    def slack(self, values: Array, which: Places) -> Array:
        """Return ``limit - z`` ``(points, atoms)`` of the alternative `which` of each point."""
        return np.asarray(self.limits[which] - np.take_along_axis(values, self.rows[which], axis=1))

    def of_one(self, values: Array, alternative: int) -> Array:
        """Return the margins ``(points,)`` of one alternative, rows' values ``(points, rows)``."""
        which = np.full(len(values), alternative, np.int64)
        return np.asarray(self.slack(values, which).min(axis=1))


def climb(
    question: Question,
    margins: Margins,
    which: Places,
    points: Array,
    lattice: Lattice,
    steps: int,
    deadline: float,
) -> tuple[Array, Array]:
    """Push points up their margin.

    Args:
        question: what is asked.
        margins: of its alternatives.
        which: ``(points,)`` the alternative that each point is for.
        points: ``(points, inputs)`` inside the lattice's box.
        lattice: the points that may be visited.
        steps: number of gradient steps.
        deadline: on `time.monotonic`.

    Returns:
        the best points met ``(points, inputs)`` and their margins ``(points,)``, not replayed.
    """
    network = question.network
    best = lattice.snap(points)
    width = lattice.upper - lattice.lower
    every = np.arange(len(points))
    values = network.trace(best)
    slack = margins.slack(values[network.output], which)
    height = slack.min(axis=1)
    stride = np.full(len(points), 0.1)
    for _ in range(steps):
        if time.monotonic() > deadline or not np.isfinite(height).all():
            break
        seeds = np.zeros((len(points), question.rows))
        seeds[every, margins.rows[which, slack.argmin(axis=1)]] = -1.0
        slope = gradient(network, values, network.output, seeds) * width
        largest = np.abs(slope).max(axis=1, keepdims=True)
        move = np.divide(slope, largest, out=np.zeros_like(slope), where=largest > 0)
        there = lattice.snap(best + stride[:, None] * move * width)
        trial = network.trace(there)
        other = margins.slack(trial[network.output], which)
        level = other.min(axis=1)
        won = level > height
        best, height = np.where(won[:, None], there, best), np.where(won, level, height)
        slack = np.where(won[:, None], other, slack)
        for name, value in values.items():
            value[won] = trial[name][won]
        stride = np.where(won, np.minimum(stride * 1.5, 0.5), stride * 0.5)
    return best, height


def falsify(
    question: Question,
    margins: Margins,
    members: Places,
    lattice: Lattice,
    rng: np.random.Generator,
    deadline: float,
    round_: int = 0,
) -> tuple[Places, Array, Array]:
    """Return promising points of one box, the best first.

    Args:
        question: what is asked.
        margins: of its alternatives.
        members: the alternatives over this box that are to be attacked.
        lattice: of the box.
        rng: source of randomness.
        deadline: on `time.monotonic`.
        round_: how often this was done before.

    Returns:
        for each point the alternative it is for, the points ``(points, inputs)``, their margins.
    """
    # Wide inputs make wide arrays: a few points of many numbers are as dear as many of few.
    count = min(POINTS * 4**round_, MOST_POINTS) // max(1, question.size // 16) + 1
    points = lattice.snap(sample(lattice.lower, lattice.upper, count, rng))
    values = question.network.evaluate(points)
    share = max(count * CLIMBED // POINTS // max(len(members), 1), EACH)
    which, start = [], []
    for member in members:
        found = margins.of_one(values, int(member))
        best = np.argsort(-found, kind="stable")[:share]
        which.append(np.full(best.size, member, np.int64))
        start.append(points[best])
    owners = np.concatenate(which)
    best_points, height = climb(
        question, margins, owners, np.concatenate(start), lattice, STEPS, deadline
    )
    order = np.argsort(-height, kind="stable")
    return owners[order], best_points[order], height[order]
