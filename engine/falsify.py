"""Falsification: points of an alternative's box at which all its rows fall to their limits.

The margin of a point is the least of ``limit - z`` over the alternative's atoms; a point with a
margin of at least 0 is a counterexample. Points are pushed up their margin by gradient steps on the
atom that holds it down, and stay on the number lattice of the network's element type.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from .attack import gradient, sample
from .question import Alternative, Question
from .region import Lattice

Array = NDArray[np.float64]

POINTS = 2048
"""Points sampled in a box in the first round; each round takes four times more."""

CLIMBED = 48
"""Of these, the best ones are pushed on."""

MOST_POINTS = 2**17
"""Largest number of points of a round."""

STEPS = 40
"""Gradient steps."""


def margins(question: Question, alternative: Alternative, values: Array) -> Array:
    """Return the margins ``(points,)`` for rows' values ``(points, rows)``; inf without atoms."""
    rows = np.array([row for row, _ in alternative.atoms], dtype=np.int64)
    limits = np.array([float(question.limits[row]) for row in rows])
    return np.asarray((limits - values[:, rows]).min(axis=1, initial=np.inf))


def climb(
    question: Question,
    alternative: Alternative,
    points: Array,
    lattice: Lattice,
    steps: int,
    deadline: float,
) -> tuple[Array, Array]:
    """Push points up their margin.

    Args:
        question: what is asked.
        alternative: one of its alternatives.
        points: ``(points, inputs)`` inside the lattice's box.
        lattice: the points that may be visited.
        steps: number of gradient steps.
        deadline: on `time.monotonic`.

    Returns:
        the best points met ``(points, inputs)`` and their margins ``(points,)``, not replayed.
    """
    network = question.network
    rows = np.array([row for row, _ in alternative.atoms], dtype=np.int64)
    limits = np.array([float(question.limits[row]) for row in rows])
    best = lattice.snap(points)
    if not rows.size:
        return best, np.full(len(best), np.inf)
    width = lattice.upper - lattice.lower
    every = np.arange(len(points))
    values = network.trace(best)
    slack = limits - values[network.output][:, rows]
    height = slack.min(axis=1)
    stride = np.full(len(points), 0.1)
    for _ in range(steps):
        if time.monotonic() > deadline:
            break
        seeds = np.zeros((len(points), question.rows))
        seeds[every, rows[slack.argmin(axis=1)]] = -1.0
        slope = gradient(network, values, network.output, seeds) * width
        largest = np.abs(slope).max(axis=1, keepdims=True)
        move = np.divide(slope, largest, out=np.zeros_like(slope), where=largest > 0)
        there = lattice.snap(best + stride[:, None] * move * width)
        trial = network.trace(there)
        other = limits - trial[network.output][:, rows]
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
    alternative: Alternative,
    lattice: Lattice,
    rng: np.random.Generator,
    deadline: float,
    round_: int = 0,
) -> tuple[Array, Array]:
    """Return promising points ``(points, inputs)`` and margins ``(points,)``, the best first.

    Args:
        question: what is asked.
        alternative: one of its alternatives.
        lattice: of its region.
        rng: source of randomness.
        deadline: on `time.monotonic`.
        round_: how often this was done before.
    """
    # Wide inputs make wide arrays: a few points of many numbers are as dear as many of few.
    share = max(1, question.size // 16)
    count = min(POINTS * 4**round_, MOST_POINTS) // share + 1
    points = lattice.snap(sample(lattice.lower, lattice.upper, count, rng))
    found = margins(question, alternative, question.network.evaluate(points))
    best = np.argsort(-found, kind="stable")[: max(count * CLIMBED // POINTS, 8)]
    points, found = climb(question, alternative, points[best], lattice, STEPS, deadline)
    order = np.argsort(-found, kind="stable")
    return points[order], found[order]
