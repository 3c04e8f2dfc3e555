"""Any solver that PuLP reaches: CBC, GLPK, SCIP and the commercial ones.

PuLP hands a program over as text with 12 or 13 digits and hides most of what a solver proves:
PuLP 3 calls a run that met its time limit optimal and gives no dual bound. So the optimum of a
program with whole numbers comes without a bound here, and bounds of linear programs are rebuilt
from the duals. Exact files are written by `export`.

Works with PuLP 3.3.1 and later, and with PuLP 4.
"""

from __future__ import annotations

import math
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pulp

from ...encodings.program import Program
from ..errors import SolverError
from ..rounding import MIP_GAP, Array
from .base import Options, Outcome, Restart, Status, vetted

_CLASSES = {
    "cbc": ("COIN_CMD",),
    "glpk": ("GLPK_CMD",),
    "scip": ("SCIP_PY", "SCIP_CMD"),
    "gurobi": ("GUROBI", "GUROBI_CMD"),
    "cplex": ("CPLEX_PY", "CPLEX_CMD"),
    "xpress": ("XPRESS_PY", "XPRESS"),
    "mosek": ("MOSEK",),
    "copt": ("COPT", "COPT_CMD"),
}
_OPTIMAL, _INFEASIBLE, _UNBOUNDED = 1, -1, -2
"""PuLP's codes, the same in its versions 3 and 4."""


class Pulp:
    """One of the solvers that PuLP reaches.

    Attributes:
        name: which one, as in `secateur.engine.solvers.NAMES`.
    """

    def __init__(self, name: str) -> None:
        """Find the solver.

        Raises:
            SolverError: it is not installed.
        """
        self.name = name
        self._backend(mip=True, options=Options())

    def session(self, program: Program) -> Restart:
        """Return a session that starts afresh at each solve."""
        return Restart(self, program)

    def solve(self, program: Program, options: Options) -> Outcome:
        """Return the vetted outcome.

        Raises:
            SolverError: the solver is missing, does not start or answers nonsense.
        """
        began = time.perf_counter()
        problem, variables = _problem(program)
        mip = bool(program.integer.any())
        try:
            answer = problem.solve(self._backend(mip, options))
        except pulp.PulpError as error:
            raise SolverError(f"{self.name} did not run: {error}") from error
        seconds = time.perf_counter() - began
        status, bound, note = _end(problem, answer)
        if status is Status.OPTIMAL and seconds >= options.time_limit:
            status = Status.LIMIT
        return vetted(program, _outcome(program, problem, variables, status, bound, seconds, note))

    def _backend(self, mip: bool, options: Options) -> Any:
        settings: dict[str, Any] = {"mip": mip, "msg": False}
        if math.isfinite(options.time_limit):
            settings["timeLimit"] = options.time_limit
        if self.name == "cbc":
            settings |= {"threads": options.threads, "gapRel": MIP_GAP, "gapAbs": MIP_GAP}
            settings["options"] = [f"randomSeed {options.seed + 1}"]
        known = pulp.listSolvers()
        for name in (name for name in _CLASSES[self.name] if name in known):
            backend = pulp.getSolver(name, **settings)
            if backend.available():
                return backend
        bundled = getattr(pulp, "PULP_CBC_CMD", None)
        if self.name == "cbc" and bundled is not None:
            return pulp.COIN_CMD(path=bundled.pulp_cbc_path, **settings)
        raise SolverError(
            f"the solver {self.name} is not installed, or PuLP does not find it: install it or "
            "take highs"
        )


def _problem(program: Program) -> tuple[Any, list[Any]]:
    """Return the PuLP problem, always a minimisation, and its variables."""
    problem = pulp.LpProblem("program", pulp.LpMinimize)
    variables = [
        problem.add_variable(
            f"x{column}",
            low if math.isfinite(low) else None,
            high if math.isfinite(high) else None,
            pulp.LpInteger if integer else pulp.LpContinuous,
        )
        for column, (low, high, integer) in enumerate(
            zip(
                program.lower.tolist(),
                program.upper.tolist(),
                program.integer.tolist(),
                strict=True,
            )
        )
    ]
    signed = (program.sense.value * program.objective).tolist()
    problem += pulp.lpDot(signed, variables)
    rows = program.rows
    names, values = rows.columns.tolist(), rows.values.tolist()
    starts, lower, upper = rows.starts.tolist(), rows.lower.tolist(), rows.upper.tolist()
    for row, (first, last) in enumerate(pairwise(starts)):
        if first == last:
            continue
        terms = pulp.lpDot(values[first:last], [variables[name] for name in names[first:last]])
        if lower[row] == upper[row]:
            problem += terms == lower[row], f"e{row}"
            continue
        if math.isfinite(lower[row]):
            problem += terms >= lower[row], f"l{row}"
        if math.isfinite(upper[row]):
            problem += terms <= upper[row], f"u{row}"
    return problem, variables


def _end(problem: Any, answer: Any) -> tuple[Status, float, str]:
    """Return how a run ended, the bound on the minimum it states, and PuLP's code.

    PuLP 3 gives a number and puts two codes on the problem, of which the second tells a proved
    optimum from a mere point; PuLP 4 gives an object with one honest code.
    """
    if isinstance(answer, int):
        code, bound = int(problem.status), math.nan
        proved = int(problem.sol_status) == _OPTIMAL
    else:
        code, proved = int(answer.status), bool(answer.has_solution)
        bound = math.nan if answer.best_bound is None else float(answer.best_bound)
    if code == _OPTIMAL:
        return (Status.OPTIMAL if proved else Status.LIMIT), bound, f"code {code}"
    ends = {
        _INFEASIBLE: Status.INFEASIBLE,
        _UNBOUNDED: Status.UNBOUNDED,
        -3: Status.FAILED,
        -12: Status.FAILED,
    }
    return ends.get(code, Status.LIMIT), bound, f"code {code}"


def _outcome(
    program: Program,
    problem: Any,
    variables: list[Any],
    status: Status,
    bound: float,
    seconds: float,
    note: str,
) -> Outcome:
    mip, sign = bool(program.integer.any()), program.sense.value
    values = [variable.varValue for variable in variables]
    primal = (
        None if None in values or status is Status.INFEASIBLE else np.array(values, dtype=float)
    )
    duals = costs = None
    if not mip and status is Status.OPTIMAL:
        duals = sign * _row_duals(program, problem)
        costs = sign * np.array([variable.dj or 0.0 for variable in variables])
    stated = sign * bound + program.offset if mip else math.nan
    return Outcome(
        status,
        bound=stated,
        primal=primal,
        row_duals=duals,
        reduced_costs=costs,
        seconds=seconds,
        note=note,
    )


def _row_duals(program: Program, problem: Any) -> Array:
    duals = np.zeros(program.rows.count)
    for constraint in problem.constraints():
        duals[int(constraint.name[1:])] += constraint.pi or 0.0
    return duals
