"""HiGHS in process, through arrays."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import highspy
import numpy as np

from ...encodings.program import Index, Program, Sense
from ..errors import SolverError
from ..rounding import LP_FEASIBILITY, MIP_GAP, Array
from .base import Options, Outcome, Status, vetted

_ENDS = {
    highspy.HighsModelStatus.kOptimal: Status.OPTIMAL,
    highspy.HighsModelStatus.kInfeasible: Status.INFEASIBLE,
    highspy.HighsModelStatus.kUnbounded: Status.UNBOUNDED,
    highspy.HighsModelStatus.kObjectiveBound: Status.LIMIT,
    highspy.HighsModelStatus.kObjectiveTarget: Status.LIMIT,
    highspy.HighsModelStatus.kTimeLimit: Status.LIMIT,
    highspy.HighsModelStatus.kIterationLimit: Status.LIMIT,
    highspy.HighsModelStatus.kSolutionLimit: Status.LIMIT,
    highspy.HighsModelStatus.kInterrupt: Status.LIMIT,
    highspy.HighsModelStatus.kMemoryLimit: Status.LIMIT,
}
_SETTINGS = {
    "output_flag": False,
    "primal_feasibility_tolerance": LP_FEASIBILITY,
    "dual_feasibility_tolerance": LP_FEASIBILITY,
    # Between HiGHS' own 1e-6 and the tightest 1e-9, both of which went wrong more often.
    "mip_feasibility_tolerance": 100 * LP_FEASIBILITY,
    "mip_abs_gap": MIP_GAP,
    "mip_rel_gap": MIP_GAP,
}
_ROWWISE, _MINIMIZE = 2, 1
_DUAL, _PRIMAL = 1, 4


class Highs:
    """The HiGHS solver.

    Source: Q. Huangfu, J. A. J. Hall, Parallelizing the dual revised simplex method, Mathematical
    Programming Computation 2018.
    """

    def solve(self, program: Program, options: Options) -> Outcome:
        """Return the vetted outcome."""
        return self.session(program).solve(options)

    def session(self, program: Program) -> HighsSession:
        """Return a session that keeps one warm model."""
        return HighsSession(program)


class HighsSession:
    """One HiGHS model, changed in place; the last basis is the next start.

    The model minimises: a program that maximises is passed with its signs turned.
    """

    def __init__(self, program: Program) -> None:
        """Pass the program.

        Raises:
            SolverError: HiGHS refuses it.
        """
        self._program = program
        self._all = np.arange(program.size, dtype=np.int32)
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in _SETTINGS.items():
            self._set(name, value)
        self._integer = bool(program.integer.any())
        self._options: Options | None = None
        sign, rows = program.sense.value, program.rows
        status = self._highs.passModel(
            program.size,
            rows.count,
            rows.values.size,
            _ROWWISE,
            _MINIMIZE,
            sign * program.offset,
            sign * program.objective,
            program.lower,
            program.upper,
            rows.lower,
            rows.upper,
            rows.starts,
            rows.columns,
            rows.values,
            program.integer.astype(np.int32),
        )
        if status == highspy.HighsStatus.kError:
            raise SolverError(
                f"HiGHS refuses a program of {program.size} columns and {rows.count} rows; it "
                "takes no coefficient of magnitude 1e15 and above: scale the network"
            )

    def ask(self, objective: Array, offset: float = 0.0, sense: Sense = Sense.MINIMIZE) -> None:
        """Take another objective ``(columns,)``; the last point stays feasible for a warm start."""
        self._program = self._program.with_objective(objective, offset, sense)
        self._highs.changeColsCost(self._all.size, self._all, sense.value * self._program.objective)
        self._highs.changeObjectiveOffset(sense.value * offset)
        self._set("simplex_strategy", _PRIMAL)

    def limit(self, columns: Index, lower: Array, upper: Array) -> None:
        """Take other limits for some columns; the last duals stay feasible for a warm start."""
        self._program = self._program.with_limits(columns, lower, upper)
        lowers, uppers = self._program.lower[columns], self._program.upper[columns]
        self._highs.changeColsBounds(columns.size, columns, lowers, uppers)
        self._set("simplex_strategy", _DUAL)

    def basis(self) -> object:
        """Return where the last solve ended; None where it has no basis."""
        basis: highspy.HighsBasis = self._highs.getBasis()  # a copy
        return basis if basis.valid else None

    def begin(self, basis: object) -> None:
        """Begin the next solve where another one ended."""
        if isinstance(basis, highspy.HighsBasis):
            self._highs.setBasis(basis)

    def solve(self, options: Options) -> Outcome:
        """Return the vetted outcome for the objective and limits as they are now."""
        began = time.perf_counter()
        end = self._run(options)
        if end not in _ENDS and time.perf_counter() - began < options.time_limit:
            # A warm start can end in numerical trouble that a fresh start does not have.
            self._highs.clearSolver()
            end = self._run(options)
        status, note = _ENDS.get(end, Status.FAILED), str(self._highs.modelStatusToString(end))
        outcome = self._mixed(status) if self._integer else self._linear(status)
        outcome = replace(outcome, seconds=time.perf_counter() - began, note=note)
        return vetted(self._program, outcome)

    def _set(self, name: str, value: bool | int | float | str) -> None:
        if self._highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise SolverError(f"HiGHS refuses the value {value!r} for its option {name}")

    def _run(self, options: Options) -> highspy.HighsModelStatus:
        # For linear programs HiGHS counts the limit from the first run of the model on.
        spent = 0.0 if self._integer else self._highs.getRunTime()
        self._set("time_limit", spent + options.time_limit)
        self._set("threads", options.threads)
        self._set("random_seed", options.seed)
        if not self._integer:  # the dual simplex method stops there
            goal = math.inf
            if options.target is not None:
                goal = self._program.sense.value * options.target
            self._set("objective_bound", goal)
        watch = self._watch(options.target)
        if self._integer and watch is not None:
            self._highs.cbMipInterrupt += watch
        try:
            self._highs.run()
        finally:
            if self._integer and watch is not None:
                self._highs.cbMipInterrupt -= watch
        end: highspy.HighsModelStatus = self._highs.getModelStatus()
        return end

    def _watch(self, target: float | None) -> Callable[[Any], None] | None:
        if target is None:
            return None
        goal = self._program.sense.value * target

        def interrupt(event: Any) -> None:
            if event.data_out.mip_dual_bound >= goal or event.data_out.mip_primal_bound < goal:
                event.interrupt()

        return interrupt

    def _linear(self, status: Status) -> Outcome:
        solution, sign = self._highs.getSolution(), self._program.sense.value
        ray = None
        if status is Status.INFEASIBLE:
            _, exists, found = self._highs.getDualRay()
            ray = np.array(found) if exists else None
        duals = solution.dual_valid
        optimal = status is Status.OPTIMAL
        return Outcome(
            status,
            bound=sign * self._highs.getInfo().objective_function_value if optimal else math.nan,
            primal=np.array(solution.col_value) if solution.value_valid else None,
            row_duals=sign * np.array(solution.row_dual) if duals else None,
            reduced_costs=sign * np.array(solution.col_dual) if duals else None,
            ray=ray,
        )

    def _mixed(self, status: Status) -> Outcome:
        solution, info = self._highs.getSolution(), self._highs.getInfo()
        return Outcome(
            status,
            bound=self._program.sense.value * info.mip_dual_bound,
            primal=np.array(solution.col_value) if solution.value_valid else None,
        )
