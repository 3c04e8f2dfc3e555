"""Branch and bound over boxes of inputs, with points tried on the way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..rounding import Array
from ..verdict import Method, Proved, Refuted, Unknown, Verdict
from ..witness import Witness
from .problem import Problem
from .settle import Judge, Judged

BATCH: Final = 256
"""Boxes bounded together."""

FIRST: Final = 64
"""Points tried at random in a fresh root, and corners at most."""

ATTACKED: Final = 64
"""Roots that are attacked at length before boxes are halved."""

ROUNDS: Final = 12
"""Rounds of the attack on a root; each halves how far it looks from its best points."""

FEW_INPUTS: Final = 32
"""Inputs up to which each one's influence on a bound is measured before a box is cut."""

STUCK: Final = 256
"""Boxes of single points that cannot be settled, after which a search is given up."""

MEMORY: Final = 2**28
"""Bytes that waiting boxes may fill."""


@dataclass(slots=True, eq=False)
class Search:
    """The search for a point at which some case holds, or the proof that there is none.

    Attributes:
        problem: what is asked.
        deadline: on the monotonic clock.
        rng: of the points.
        bounded: boxes bounded so far.
    """

    problem: Problem
    deadline: float
    rng: np.random.Generator
    bounded: int = 0
    _judge: Judge = field(init=False)
    _stuck: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._judge = Judge(self.problem)

    def run(self) -> Verdict:
        """Return the verdict."""
        problem = self.problem
        if not problem.roots:
            return Proved(Method.INTERVAL, 0)
        lower = np.array([root.lower for root in problem.roots])
        upper = np.array([root.upper for root in problem.roots])
        roots = np.arange(len(problem.roots))
        judged = self._judge.judge(lower, upper, roots)
        left = judged.open.any(axis=1)
        self.bounded = len(roots) - int(left.sum())
        for root in roots[left][:ATTACKED].tolist():
            if time.monotonic() > self.deadline:
                break
            witness = self._attack(root)
            if witness is not None:
                return Refuted((witness,), Method.ATTACK)
        return self._search(lower[left], upper[left], roots[left])

    def _search(self, lower: Array, upper: Array, roots: NDArray[np.int64]) -> Verdict:
        """Return the verdict of halving boxes, those nearest to a counterexample first."""
        rank = np.full(len(lower), -np.inf)
        most = MEMORY // (16 * lower.shape[1] + 16)
        depth = 0
        while len(lower):
            if time.monotonic() > self.deadline:
                return Unknown(f"the time is up with {len(lower)} boxes open{self._trouble()}")
            if len(lower) > most:
                return Unknown(f"memory: {len(lower)} boxes are open{self._trouble()}")
            if self._stuck >= STUCK:
                return Unknown(f"{self._stuck} boxes of single points are not resolvable")
            chosen = np.zeros(len(lower), dtype=bool)
            size = min(BATCH, len(lower))
            chosen[np.argpartition(rank, size - 1)[:size]] = True
            low, high, root = lower[chosen], upper[chosen], roots[chosen]
            lower, upper, roots, rank = (
                lower[~chosen],
                upper[~chosen],
                roots[~chosen],
                rank[~chosen],
            )
            judged = self._judge.judge(low, high, root)
            self.bounded += len(low)
            left = judged.open.any(axis=1)
            if not left.any():
                continue
            low, high, root = low[left], high[left], root[left]
            judged = Judged(judged.open[left], judged.slack[left], judged.critical[left])
            witness = self._try(0.5 * low + 0.5 * high, root)
            if witness is not None:
                return Refuted((witness,), Method.SPLIT)
            depth += 1
            low, high, root, key = self._halved(low, high, root, judged, depth)
            lower, upper = np.concatenate([lower, low]), np.concatenate([upper, high])
            roots, rank = np.concatenate([roots, root]), np.concatenate([rank, key])
        if self._stuck:
            return Unknown(f"{self._stuck} boxes of single points are not resolvable")
        gap = next((root.open for root in self.problem.roots if root.open), ())
        if gap:
            return Unknown(f"input {gap[0]} has no limits: nothing can be proved of all its values")
        return Proved(Method.SPLIT if depth else Method.INTERVAL, self.bounded)

    def _trouble(self) -> str:
        return f", {self._stuck} of them single points" if self._stuck else ""

    def _halved(
        self,
        lower: Array,
        upper: Array,
        roots: NDArray[np.int64],
        judged: Judged,
        depth: int,
    ) -> tuple[Array, Array, NDArray[np.int64], Array]:
        """Return both halves of each box and their ranks; single points are counted and dropped."""
        slack = np.where(judged.open, judged.slack, np.inf)
        case = slack.argmin(axis=1)
        rank = slack.min(axis=1)
        form = np.take_along_axis(judged.critical, case[:, None], axis=1)[:, 0]
        scale = self._widths()[roots]
        share = (upper - lower) / np.where(scale > 0, scale, 1.0)
        order = share
        if lower.shape[1] <= FEW_INPUTS and lower.shape[1] > 1:
            gain = self._judge.slopes(lower, upper, form)
            helps = gain > 0
            # now and then the widest of the inputs that matter, for bounds that gain late
            order = np.where(helps, share if depth % 4 == 0 else gain, 0.0) + share * 1e-9
        halves: list[tuple[Array, Array, int, float]] = []
        for index in range(len(lower)):
            cut = self._cut(lower[index], upper[index], order[index])
            if cut is None:
                self._stuck += 1
                continue
            column, end, start = cut
            first, second = upper[index].copy(), lower[index].copy()
            first[column], second[column] = end, start
            halves.append((lower[index], first, int(roots[index]), float(rank[index])))
            halves.append((second, upper[index], int(roots[index]), float(rank[index])))
        if not halves:
            none = np.zeros((0, lower.shape[1]))
            return none, none, np.zeros(0, dtype=np.int64), np.zeros(0)
        lows, highs, owners, ranks = zip(*halves, strict=True)
        return np.array(lows), np.array(highs), np.array(owners), np.array(ranks)

    def _cut(self, lower: Array, upper: Array, order: Array) -> tuple[int, float, float] | None:
        """Return the column to cut and where, or None if the box is a point."""
        for column in np.argsort(-order, kind="stable").tolist():
            low, high = float(lower[column]), float(upper[column])
            if low == high:
                continue
            end, start = self.problem.columns.parted(0.5 * low + 0.5 * high, column)
            if low <= end < high and low < start <= high:
                return column, end, start
        return None

    def _widths(self) -> Array:
        return np.array([root.upper - root.lower for root in self.problem.roots])

    def _attack(self, root: int) -> Witness | None:
        """Return a witness from corners, random points and their neighbourhoods."""
        box = self.problem.roots[root]
        inputs = len(box.first)
        width = box.last - box.first
        middle = 0.5 * box.first + 0.5 * box.last
        sides = self.rng.integers(0, 2, (FIRST, inputs))
        if 2**inputs <= FIRST:
            sides = np.array(list(np.ndindex(*(2,) * inputs))).reshape(-1, inputs)
        corners = np.where(sides, box.last, box.first)
        random = box.first + self.rng.random((FIRST, inputs)) * width
        zero = np.clip(np.zeros((1, inputs)), box.first, box.last)
        points = np.concatenate([middle[None], corners, zero, random])
        best = np.zeros((0, inputs))
        for turn in range(ROUNDS):
            own = np.full(len(points), root)
            points, miss = self._missing(points, own)
            witness = self._try(points, own, snapped=True)
            if witness is not None or time.monotonic() > self.deadline:
                return witness
            best = points[np.argsort(miss, kind="stable")[:8]]
            step = width * 0.5 ** (turn + 1)
            shift = self.rng.uniform(-1.0, 1.0, (8, len(best), inputs)) * step
            some = self.rng.random((8, len(best), inputs)) < max(0.5, 1.0 / inputs)
            near = best[None] + np.where(some, shift, 0.0)
            points = np.concatenate([best, near.reshape(-1, inputs)])
        return None

    def _missing(self, points: Array, roots: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return points moved to the grids and how far each is from satisfying a case."""
        points = self._snapped(points, roots)
        judged = self._judge.judge(*self._hulls(points, roots), roots)
        own = self._judge.roots[None, :] == roots[:, None]
        return points, np.where(own, judged.slack, np.inf).min(axis=1)

    def _try(
        self, points: Array, roots: NDArray[np.int64], snapped: bool = False
    ) -> Witness | None:
        """Return the first witness among points, tried where enclosures leave a case open."""
        if not snapped:
            points = self._snapped(points, roots)
        judged = self._judge.judge(*self._hulls(points, roots), roots)
        for index in np.flatnonzero(judged.open.any(axis=1)).tolist():
            if time.monotonic() > self.deadline:
                return None
            witness = self._judge.at(points[index], int(roots[index]))
            if witness is not None:
                return witness
        return None

    def _snapped(self, points: Array, roots: NDArray[np.int64]) -> Array:
        """Return points moved to the grids, inside their roots."""
        first = np.array([root.first for root in self.problem.roots])[roots]
        last = np.array([root.last for root in self.problem.roots])[roots]
        return np.clip(self.problem.columns.snap(np.clip(points, first, last)), first, last)

    def _hulls(self, points: Array, roots: NDArray[np.int64]) -> tuple[Array, Array]:
        low, high = points.copy(), points.copy()
        for number, root in enumerate(self.problem.roots):
            own = roots == number
            if root.pins and own.any():
                low[own], high[own] = root.hull(points[own])
        return low, high
