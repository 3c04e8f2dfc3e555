"""Solvers by name; each library is imported only when its solver is asked for."""

from ..errors import InputError
from .base import Options, Outcome, Session, Solver, Status

NAMES = ("highs", "cbc", "glpk", "scip", "gurobi", "cplex", "xpress", "mosek", "copt")
"""The solvers that can be asked for: HiGHS in process, the others through PuLP."""


def solver(name: str) -> Solver:
    """Return a solver.

    Args:
        name: one of `NAMES`.

    Raises:
        InputError: an unknown name.
        SolverError: a solver that is known but not installed.
    """
    if name not in NAMES:
        raise InputError(f"unknown solver {name!r}: take one of {', '.join(NAMES)}")
    if name == "highs":
        from .highs import Highs

        return Highs()
    from .pulp import Pulp

    return Pulp(name)


__all__ = ["NAMES", "Options", "Outcome", "Session", "Solver", "Status", "solver"]
