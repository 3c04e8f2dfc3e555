"""Solvers that lie: each takes HiGHS' raw answer and falsifies it before it is vetted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from secateur.encodings.program import Array, Program
from secateur.engine.solvers.base import Options, Outcome, Restart, Status, vetted
from secateur.engine.solvers.highs import Highs

Lie = Callable[[Outcome], Outcome]


class Liar:
    """A solver with one lie; keeps no model between two solves."""

    def __init__(self, lie: Lie) -> None:
        self._lie = lie

    def session(self, program: Program) -> Restart:
        return Restart(self, program)

    def solve(self, program: Program, options: Options) -> Outcome:
        return vetted(program, self._lie(Highs().solve(program, options)))


def wrong_duals(outcome: Outcome) -> Outcome:
    """Large duals of the wrong sign."""
    duals = outcome.row_duals
    return outcome if duals is None else replace(outcome, row_duals=-10.0 * duals - 3.0)


def nan_everywhere(outcome: Outcome) -> Outcome:
    """NaN wherever a number is due."""

    def broken(values: Array | None) -> Array | None:
        return None if values is None else np.full(values.shape, np.nan)

    return replace(
        outcome,
        objective=np.nan,
        bound=np.nan,
        primal=broken(outcome.primal),
        row_duals=broken(outcome.row_duals),
        reduced_costs=broken(outcome.reduced_costs),
        ray=broken(outcome.ray),
    )


def infeasible_point(outcome: Outcome) -> Outcome:
    """A point far outside, called optimal."""
    if outcome.primal is None:
        return outcome
    return replace(outcome, status=Status.OPTIMAL, primal=outcome.primal + 1e3)


def premature(outcome: Outcome) -> Outcome:
    """An optimum claimed without duals or bound."""
    return replace(outcome, status=Status.OPTIMAL, row_duals=None, bound=np.nan)


def boastful(outcome: Outcome) -> Outcome:
    """A dual bound far beyond the optimum."""
    return replace(outcome, bound=outcome.bound + 1e3)


def empty(outcome: Outcome) -> Outcome:
    """A feasible program called infeasible, with a ray that proves nothing."""
    ray = None if outcome.row_duals is None else np.ones(outcome.row_duals.shape)
    return replace(outcome, status=Status.INFEASIBLE, primal=None, row_duals=None, ray=ray)


LIES = (wrong_duals, nan_everywhere, infeasible_point, premature, boastful, empty)
