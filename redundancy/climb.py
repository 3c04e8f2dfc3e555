"""The attack on the signs of neurons that no point has shown yet, within a time limit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..engine.attack import ascend, sample
from ..engine.rounding import NEAR_ZERO
from ..engine.verdict import Method
from .ledger import Ledger, Wish

Array = NDArray[np.float64]

_POINTS_SHARE = 64
"""Inputs up to which all samples and starts are used; with more, each point costs more and random
ones find less, so there are fewer in proportion."""


class Climber:
    """Points for a ledger: random ones, and ones that climb towards a sign not seen yet.

    Attributes:
        ledger: what is known of the neurons; visits the points.
        steps: gradient steps of an ascent.
        rng: source of randomness.
        late: whether the time is spent; asked between steps.
    """

    def __init__(
        self, ledger: Ledger, steps: int, rng: np.random.Generator, late: Callable[[], bool]
    ) -> None:
        self.ledger, self.steps, self.rng, self.late = ledger, steps, rng, late

    def fewer(self, count: int) -> int:
        """Return a number of points, scaled down for networks with many inputs."""
        return max(4, min(count, count * _POINTS_SHARE // self.ledger.network.size_in))

    def points(self, count: int) -> Array:
        """Return points ``(count, inputs)`` of the lattice."""
        lattice = self.ledger.lattice
        return lattice.snap(sample(lattice.lower, lattice.upper, count, self.rng))

    def visit(self, count: int) -> None:
        """Visit about so many random points; some of them even when it is late."""
        points = self.points(self.fewer(count))
        for start in range(0, len(points), self.ledger.together):
            self.ledger.visit(points[start : start + self.ledger.together], Method.SAMPLE)
            if self.late():
                return

    def attack(self, starts: int, steps: int) -> None:
        """Climb some steps from several points for every open side of every neuron; none from 0."""
        groups: dict[tuple[int, int], list[Wish]] = {}
        if not starts:
            return
        for wish in self.ledger.wishes():
            groups.setdefault((wish.place, wish.side), []).append(wish)
        for wishes in groups.values():
            if self.late():
                return
            self.climb(wishes, starts, 4096, steps)

    def climb(
        self, wishes: list[Wish], starts: int, samples: int, steps: int | None = None
    ) -> None:
        """Attack wishes of one layer and side from the best of some samples.

        Args:
            wishes: of one layer and side.
            starts: points to start from, for each wish.
            samples: points they are chosen from.
            steps: gradient steps of an ascent; those of the climber where absent.
        """
        entry, sign = self.ledger.entries[wishes[0].place], wishes[0].sign
        starts = self.fewer(starts)
        pool = self.points(max(self.fewer(samples), starts))
        z = sign * self._values(pool, entry.source)
        batch = max(1, self.ledger.together // starts)
        left = list(wishes)
        while left and not self.late():
            some, left = left[:batch], left[batch:]
            neurons = np.array([wish.neuron for wish in some])
            best = np.argpartition(-z[:, neurons], starts - 1, axis=0)[:starts]
            points = pool[best.T.ravel()]
            points[::starts] = (entry.at_most if sign > 0 else entry.at_least)[neurons]
            # A height that rounding alone can make would be given up in rationals later on.
            enough = NEAR_ZERO * np.maximum(np.abs(entry.most), np.abs(entry.least))[neurons]
            there, height = ascend(
                self.ledger.network,
                entry.source,
                np.repeat(neurons, starts),
                np.full(len(points), sign),
                points,
                self.ledger.lattice,
                self.steps if steps is None else steps,
                enough=np.repeat(enough, starts),
                late=self.late,
            )
            top = height.reshape(-1, starts).argmax(axis=1) + np.arange(len(neurons)) * starts
            self.ledger.visit(there[top], Method.ATTACK)
            left = [wish for wish in left if not self.ledger.refuted(wish)]

    def _values(self, points: Array, node: str) -> Array:
        """Return a node's values ``(points, size)``."""
        size = self.ledger.together
        parts = [points[start : start + size] for start in range(0, len(points), size)]
        return np.concatenate([self.ledger.network.trace(part, node)[node] for part in parts])
