"""The seam to solvers: what they are asked, what they answer, and what of it is believed.

A solver is not trusted. `vetted` looks at every answer: a point that breaks the program, a NaN or
an optimum without a matching bound loses its claim to be optimal, and an answer that contradicts
itself raises. Bounds that end in a proof are rebuilt from the duals in `bounds.dual`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Protocol

import numpy as np

from ...encodings.program import Index, Program, Sense
from ..errors import SolverError
from ..rounding import LP_FEASIBILITY, Array

ACCEPTED: Final = 1000 * LP_FEASIBILITY
"""By how much an accepted point may break a row or miss the stated objective, relative to
max(1, magnitude): solvers meet LP_FEASIBILITY on a scaled program, text files hold 12 digits.
It decides what is called optimal, never what is proved."""


class Status(Enum):
    """How a solver ended."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    LIMIT = "limit"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Options:
    """What a solver is told.

    Attributes:
        time_limit: wall clock, seconds, for one solve; positive.
        threads: at least 1.
        seed: of the solver's own randomness.
        target: objective value that need only be decided: a solve may stop as soon as its dual
            bound is at or beyond it, or, with whole numbers, a point is strictly better; None to go
            on.
    """

    time_limit: float = math.inf
    threads: int = 1
    seed: int = 0
    target: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a solver answered, in the sense of its program; nothing of it is a proof.

    Attributes:
        status: how it ended.
        objective: objective at `primal`, recomputed; NaN without one.
        bound: the solver's own bound on the optimum from the other side; -inf (when minimising) or
            inf (when maximising) where it gives none.
        primal: ``(columns,)``, the best point; None without one.
        row_duals: ``(rows,)`` y, and
        reduced_costs: ``(columns,)`` d, with ``objective = y A + d``; None without them.
        ray: ``(rows,)`` Farkas multipliers of an infeasible linear program; their sign is the
            solver's own; None without them.
        seconds: wall clock.
        note: the solver's word for how it ended.
    """

    status: Status
    objective: float = math.nan
    bound: float = math.nan
    primal: Array | None = None
    row_duals: Array | None = None
    reduced_costs: Array | None = None
    ray: Array | None = None
    seconds: float = 0.0
    note: str = ""


class Session(Protocol):
    """A program that is solved again and again with other objectives and column limits."""

    def ask(self, objective: Array, offset: float = 0.0, sense: Sense = Sense.MINIMIZE) -> None:
        """Take another objective ``(columns,)``."""

    def limit(self, columns: Index, lower: Array, upper: Array) -> None:
        """Take other limits for some columns."""

    def basis(self) -> object:
        """Return where the last solve ended; None where nothing is kept."""

    def begin(self, basis: object) -> None:
        """Begin the next solve where another one ended."""

    def solve(self, options: Options) -> Outcome:
        """Return the vetted outcome for the objective and limits as they are now."""


class Solver(Protocol):
    """Something that solves programs."""

    def solve(self, program: Program, options: Options) -> Outcome:
        """Return the vetted outcome."""

    def session(self, program: Program) -> Session:
        """Return a session on the program."""


class Restart:
    """A session of a solver that keeps nothing between two solves."""

    def __init__(self, solver: Solver, program: Program) -> None:
        """Begin with the program as it is."""
        self._solver = solver
        self._program = program

    def ask(self, objective: Array, offset: float = 0.0, sense: Sense = Sense.MINIMIZE) -> None:
        """Take another objective ``(columns,)``."""
        self._program = self._program.with_objective(objective, offset, sense)

    def limit(self, columns: Index, lower: Array, upper: Array) -> None:
        """Take other limits for some columns."""
        self._program = self._program.with_limits(columns, lower, upper)

    def basis(self) -> object:
        """Return None: nothing is kept."""
        return None

    def begin(self, basis: object) -> None:
        """Do nothing: every solve begins afresh."""

    def solve(self, options: Options) -> Outcome:
        """Return the vetted outcome for the objective and limits as they are now."""
        return self._solver.solve(self._program, options)


def vetted(program: Program, outcome: Outcome) -> Outcome:
    """Return the outcome without what the program itself refutes.

    Args:
        program: the program that was solved.
        outcome: what the solver said.

    Returns:
        The outcome with the objective recomputed, arrays that hold a NaN dropped, and OPTIMAL
        lowered to FAILED where the point is missing or breaks the program, to LIMIT where the
        stated bound is away from the objective.

    Raises:
        SolverError: an array of another size; a feasible point better than the stated bound.
    """
    rows, columns = program.rows.count, program.size
    primal = _sound(outcome.primal, columns, "primal point")
    outcome = replace(
        outcome,
        primal=primal,
        row_duals=_sound(outcome.row_duals, rows, "row duals"),
        reduced_costs=_sound(outcome.reduced_costs, columns, "reduced costs"),
        ray=_sound(outcome.ray, rows, "ray"),
        objective=math.nan if primal is None else program.value(primal),
        bound=-program.sense.value * math.inf if math.isnan(outcome.bound) else outcome.bound,
    )
    claimed = outcome.status is Status.OPTIMAL
    size = 1.0 if primal is None else max(1.0, float(np.abs(primal).max(initial=0.0)))
    if primal is None or not program.feasible(primal, ACCEPTED * size):
        return replace(outcome, status=Status.FAILED) if claimed else outcome
    gap = program.sense.value * (outcome.objective - outcome.bound)
    slack = ACCEPTED * max(1.0, float(np.abs(program.objective) @ np.abs(primal)))
    if gap < -slack:
        raise SolverError(
            f"the solver states the bound {outcome.bound:.12g} and gives a point with the "
            f"objective {outcome.objective:.12g}, which is better: take another solver"
        )
    missed = claimed and math.isfinite(outcome.bound) and gap > slack
    return replace(outcome, status=Status.LIMIT) if missed else outcome


def _sound(values: Array | None, size: int, what: str) -> Array | None:
    if values is None:
        return None
    if values.shape != (size,):
        raise SolverError(f"the solver's {what} has the shape {values.shape} instead of ({size},)")
    return values if bool(np.isfinite(values).all()) else None
