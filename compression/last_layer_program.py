"""The minimax fit of numbers that may be whole multiples of a step: by LP, MILP and local search.

What is minimised is the largest ``|t_p - A_p v|`` over rows p. Rows are many and few of them bind,
so the program holds a part of them and takes more where its answer breaks them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..engine.minimax import minimax
from ..engine.solvers.base import Options, Solver, Status

Array = NDArray[np.float64]
Truths = NDArray[np.bool_]

ROUNDS = 30
"""How often broken rows are added before a fit is taken as it is."""

MOST_WHOLE = 24
"""Whole numbers of a program up to which its optimum is searched for; more of them take a solver
minutes, and are rounded instead."""

PARTS = 8
"""Parts in which numbers are rounded, the program solved again after each."""

MOVES = 60
"""Steps of a local search."""

WORTH = 1e-3
"""Share by which a step of it must lower the miss."""

PAIRED = 600
"""Rows, the farthest off, at which moves of two numbers at a time are tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The problem of numbers v that make the largest ``|t - A v|`` least.

    Attributes:
        matrix: A, ``(rows, numbers)`` float64.
        goal: t, ``(rows,)``.
        start: ``(numbers,)`` where v is now.
        lower, upper: ``(numbers,)`` limits of v.
        base, step: ``(numbers,)``; where the step is not 0, v is ``base + k step`` with a whole k.
        half: ``(numbers,)`` which of them are float16; their steps are those near the optimum that
            they have without steps, so they are 0 to begin with.
    """

    matrix: Array
    goal: Array
    start: Array
    lower: Array
    upper: Array
    base: Array
    step: Array
    half: Truths

    @property
    def whole(self) -> Truths:
        """Which numbers go in steps."""
        return np.asarray(self.step > 0.0)

    def miss(self, v: Array) -> float:
        """Return the largest ``|t - A v|``."""
        return float(np.abs(self.goal - self.matrix @ v).max(initial=0.0))

    def held(self, v: Array) -> Array:
        """Return the numbers with those that are float16 rounded to one."""
        return np.where(self.half, v.astype(np.float16).astype(np.float64), v)

    def near(self, v: Array) -> Fit:
        """Return the problem with the steps that float16 numbers have near v."""
        base = np.where(self.half, self.held(v), self.base)
        step = np.spacing(np.abs(base).astype(np.float16)).astype(np.float64)
        return replace(self, base=base, step=np.where(self.half, step, self.step))


def fitted(fit: Fit, solver: Solver, options: Options) -> tuple[Array, float]:
    """Return numbers with a small largest miss, and a lower bound of what any could have.

    The numbers are optimal without steps, and with few of them where the solver ends in time; else
    they are rounded one part after another and moved as long as that betters them. An answer that
    a time limit broke off is not used, so that it does not hang on the clock.

    Args:
        fit: the problem.
        solver: of the programs.
        options: a time limit for each program.

    Returns:
        ``(numbers,)`` and the miss of the relaxed program, as the solver found it; -inf where it
        found none. Never worse than the start.
    """
    best, least = fit.start, fit.miss(fit.start)
    active = _first(fit)
    relaxed = _solved(fit, active, solver, options, fit.lower, fit.upper, whole=False)
    if relaxed is None:
        return best, -np.inf
    bound = relaxed[1]
    fit = fit.near(relaxed[0])
    if not fit.whole.any():
        return (relaxed[0] if fit.miss(relaxed[0]) < least else best), bound
    found = [fit.start, _dive(fit, active, solver, options, relaxed[0])]
    if np.count_nonzero(fit.whole) <= MOST_WHOLE:
        exact = _solved(fit, active, solver, options, fit.lower, fit.upper, whole=True)
        if exact is not None:
            found.append(snapped(fit, exact[0]))
            bound = max(bound, exact[1])
    for candidate in found:
        moved = _moved(fit, candidate)
        tied = np.where(fit.whole, moved, fit.lower), np.where(fit.whole, moved, fit.upper)
        again = _solved(fit, active, solver, options, *tied, whole=False)
        for one in (moved, *([] if again is None else [np.where(fit.whole, moved, again[0])])):
            if (miss := fit.miss(held := fit.held(one))) < least:
                best, least = held, miss
    return best, bound


def snapped(fit: Fit, v: Array) -> Array:
    """Return the numbers with those that go in steps at the nearest one within the limits."""
    step = np.where(fit.whole, fit.step, 1.0)
    low, high = _range(fit)
    whole = np.clip(np.rint((v - fit.base) / step), low, high)
    return np.where(fit.whole, fit.base + whole * step, np.clip(v, fit.lower, fit.upper))


def _range(fit: Fit) -> tuple[Array, Array]:
    """Return the least and the greatest k of each number that goes in steps."""
    step = np.where(fit.whole, fit.step, 1.0)
    slack = 1e-6  # limits that are numbers of the grid are kept whatever their quotient rounds to
    low = np.ceil((fit.lower - fit.base) / step - slack)
    return low, np.maximum(np.floor((fit.upper - fit.base) / step + slack), low)


def _first(fit: Fit) -> list[int]:
    """Return the rows to begin with: those farthest off."""
    off = np.abs(fit.goal - fit.matrix @ fit.start)
    worst: list[int] = np.argsort(-off, kind="stable")[: 4 * fit.start.size + 8].tolist()
    return worst


def _solved(
    fit: Fit,
    active: list[int],
    solver: Solver,
    options: Options,
    lower: Array,
    upper: Array,
    whole: bool,
) -> tuple[Array, float] | None:
    """Return the optimum over all rows and its miss; None where a program was not solved.

    Args:
        fit: the problem.
        active: rows that programs hold; grows.
        solver: of the programs.
        options: of each.
        lower: ``(numbers,)`` limits instead of the problem's own.
        upper: the same.
        whole: whether numbers go in steps.
    """
    low, high, steps = lower, upper, fit.whole & whole
    if whole:
        least, most = _range(fit)
        low, high = np.where(steps, least, lower), np.where(steps, most, upper)
    base, size = np.where(steps, fit.base, 0.0), np.where(steps, fit.step, 1.0)
    matrix = fit.matrix * size
    for _ in range(ROUNDS):
        some, goal = matrix[active], fit.goal[active] - fit.matrix[active] @ base
        outcome = solver.solve(minimax(some, goal, low, high, steps), options)
        if outcome.status is not Status.OPTIMAL or outcome.primal is None:
            return None
        v = outcome.primal[:-1]
        v = np.where(steps, base + np.rint(v) * size, v)
        off = np.abs(fit.goal - fit.matrix @ v)
        if off.max(initial=0.0) <= outcome.objective * (1.0 + 1e-6) + 1e-12:
            break
        held = np.zeros(off.size, np.bool_)
        held[active] = True
        order = np.argsort(-np.where(held, -1.0, off), kind="stable")[: 2 * v.size + 8]
        fresh = [row for row in order.tolist() if not held[row] and off[row] > outcome.objective]
        if not fresh:
            break
        active.extend(fresh)
    return v, float(outcome.objective)


def _dive(fit: Fit, active: list[int], solver: Solver, options: Options, v: Array) -> Array:
    """Return numbers rounded in parts, the nearest to their steps first, the rest fitted anew."""
    lower, upper = fit.lower.copy(), fit.upper.copy()
    left = np.flatnonzero(fit.whole)
    some = max(1, -(-left.size // PARTS))
    while left.size:
        near = snapped(fit, v)
        order = np.argsort(np.abs(near - v)[left] / fit.step[left], kind="stable")
        now = left[order[:some]]
        lower[now] = upper[now] = near[now]
        left = left[np.isin(left, now, invert=True)]
        solved = _solved(fit, active, solver, options, lower, upper, whole=False)
        if solved is None:
            return snapped(fit, near)
        v = np.clip(solved[0], lower, upper)
    return v


def _moved(fit: Fit, v: Array) -> Array:
    """Return numbers that no move of one of them, or of two, by a step betters."""
    steps = np.flatnonzero(fit.whole)
    low, high = _range(fit)
    k = np.rint((v - fit.base)[steps] / fit.step[steps])
    moves = fit.matrix[:, steps] * fit.step[steps]
    off = fit.goal - fit.matrix @ v
    low, high = low[steps], high[steps]
    for _ in range(MOVES):
        now = np.abs(off).max(initial=0.0)
        top = np.argsort(-np.abs(off), kind="stable")[:PAIRED]
        both = np.hstack([moves, -moves])
        room = np.concatenate([k < high, k > low])
        alone = np.abs(off[:, None] - both).max(axis=0, initial=0.0)
        alone = np.where(room, alone, np.inf)
        best = int(alone.argmin())
        change = [best]
        if not alone[best] < now * (1.0 - WORTH):
            change = _two(off[top], both[top], room, now)
            if not change or np.abs(off - both[:, change].sum(axis=1)).max() >= now * (1 - WORTH):
                break
        for one in change:
            off = off - both[:, one]
            k[one % steps.size] += 1 if one < steps.size else -1
    out = v.copy()
    out[steps] = fit.base[steps] + k * fit.step[steps]
    return out


def _two(off: Array, both: Array, room: Truths, now: float) -> list[int]:
    """Return the pair of moves that leaves the least miss on some rows, if that is less."""
    found, least = [], now
    size = both.shape[1] // 2
    for one in np.flatnonzero(room).tolist():
        with_one = np.abs((off - both[:, one])[:, None] - both).max(axis=0)
        with_one = np.where(room, with_one, np.inf)
        with_one[[one, (one + size) % both.shape[1]]] = np.inf
        other = int(with_one.argmin())
        if with_one[other] < least:
            found, least = [one, other], float(with_one[other])
    return found
