"""Which candidates to try together: orders of removal under one budget.

Every choice respects the guarantee at the screen's points, reserve included; whether it holds
everywhere is for `joint` to prove.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np

from ..encodings.program import Program, Rows, Sense
from ..engine.solvers.base import Options
from ..engine.solvers.highs import Highs
from .guarantee import Outputs
from .removal import Removal
from .screen import Screen

Choice = Callable[[Screen, Sequence[Removal]], list[Removal]]


class Order(StrEnum):
    """How the removals are chosen."""

    GREEDY = "greedy"
    BUDGET = "budget"
    MILP = "milp"


def greedy(screen: Screen, candidates: Sequence[Removal], rounds: int = 4) -> list[Removal]:
    """Choose candidates that hold together at the screen's points, those of most slack first.

    Each round judges what is left on top of what was taken, so a removal that another one makes
    dear, or possible, is seen. A neuron is taken once.
    """
    base, taken = list(screen.removals), list[Removal]()
    pool = list(candidates)
    for _ in range(rounds):
        scores = screen.judge(pool)
        order = [pool[index] for index in np.argsort(-scores, kind="stable") if scores[index] >= 0]
        fresh: list[Removal] = []
        size, at = max(1, len(order)), 0
        seen = {one.place for one in taken}
        order = _once(order, seen)
        while at < len(order):
            some = order[at : at + size]
            if screen.take([*base, *taken, *fresh, *some]) >= 0.0:
                fresh += some
                at += len(some)
                size *= 2
            elif len(some) == 1:
                at += 1
            else:
                size = len(some) // 2
        if not fresh:
            break
        taken += fresh
        screen.take([*base, *taken])
        gone = {one.place for one in taken}
        pool = [one for one in pool if one.place not in gone]
    return taken


def _once(order: Sequence[Removal], seen: set[tuple[str, int]]) -> list[Removal]:
    out = []
    for one in order:
        if one.place not in seen:
            seen.add(one.place)
            out.append(one)
    return out


def budget(screen: Screen, candidates: Sequence[Removal]) -> list[Removal]:
    """Choose candidates by what each costs alone, cheapest first, without a second look."""
    return greedy(screen, candidates, rounds=1)


def milp(screen: Screen, candidates: Sequence[Removal]) -> list[Removal]:
    """Choose the largest set whose costs, each taken alone and added, stay within the tolerance.

    An integer program with a row for each output; what it chooses is thinned out greedily where
    the costs of all together are more than their sum. Where the guarantee is no tolerance, or the
    solver finds nothing, the choice is greedy.
    """
    guarantee = screen.guarantee
    if not isinstance(guarantee, Outputs) or not candidates:
        return greedy(screen, candidates)
    spent = np.abs(screen.outputs - screen.now).max(axis=0, initial=0.0)
    costs = screen.moves(candidates)
    room = np.maximum(float(guarantee.tolerance) - spent, 0.0)
    places = sorted({one.place for one in candidates})
    rows = np.array([*costs.T, *([one.place == place for one in candidates] for place in places)])
    columns = np.broadcast_to(np.arange(len(candidates)), rows.shape)
    upper = np.concatenate([room, np.ones(len(places))])
    # Of two ways to remove a neuron the cheaper one is worth a little more.
    worth = 1.0 - 1e-3 * costs.max(axis=1) / max(float(costs.max()), 1e-300)
    every = np.ones(len(candidates))
    program = Program(
        lower=np.zeros(len(candidates)),
        upper=every,
        integer=every > 0,
        rows=Rows.full(columns, rows, np.full(len(upper), -np.inf), upper),
        objective=worth,
        sense=Sense.MAXIMIZE,
    )
    outcome = Highs().solve(program, Options(time_limit=10.0))
    if outcome.primal is None:
        return greedy(screen, candidates)
    chosen = [one for one, value in zip(candidates, outcome.primal, strict=True) if value > 0.5]
    return greedy(screen, chosen, rounds=1)


CHOICES: dict[Order, Choice] = {Order.GREEDY: greedy, Order.BUDGET: budget, Order.MILP: milp}
