"""Bounds of linear programs that do not trust the solver: rebuilt from its duals.

For any multipliers y and the reduced costs d = c - y A, every feasible x has
``c x = y (A x) + d x``, which is at least the sum of the least y_i times a limit of row i and the
least d_j times a limit of column j. The sum is taken with outward rounding; y may be anything.

Source: A. Neumaier, O. Shcherbina, Safe bounds in linear and mixed-integer linear programming,
Mathematical Programming 99, 2004.
"""

import numpy as np

from ...encodings.program import Program
from ..rounding import LARGEST, SLACK, UNDERFLOW, Array, gamma


def safe_lower_bound(
    program: Program, objective: Array, row_duals: Array, offset: float = 0.0
) -> float:
    """Return a proved lower bound of ``objective x + offset`` over the feasible points.

    Integrality, the program's own objective and its sense are not looked at.

    Args:
        program: its columns and rows.
        objective: ``c``, ``(columns,)`` float64, finite.
        row_duals: ``y``, ``(rows,)`` float64, any values; good ones have y_i >= 0 where row i is at
            its lower limit. Where y_i asks for a limit that is infinite, 0 is taken for it.
        offset: a constant, finite.

    Returns:
        The bound; -inf where a dual is not finite, a magnitude passes LARGEST, or a column without
        a limit keeps a reduced cost.

    Source: Neumaier and Shcherbina 2004, equations 4 and 5.
    """
    rows = program.rows
    if not np.isfinite(row_duals).all():
        return -np.inf
    side = np.where(row_duals > 0, rows.lower, rows.upper)
    usable = np.isfinite(side)
    duals, side = np.where(usable, row_duals, 0.0), np.where(usable, side, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        least, most = _reduced(program, objective, duals)
        # A NaN here, from magnitudes past the largest float, survives into `size` and ends in -inf.
        corners = [_times(d, x) for d in (least, most) for x in (program.lower, program.upper)]
        terms = np.concatenate([duals * side, np.stack(corners).min(axis=0), [offset]])
        size = float(np.abs(terms).sum())
    if not size <= LARGEST:
        return -np.inf
    error = (gamma(terms.size + 1) * size + UNDERFLOW) * SLACK
    return float(np.nextafter(terms.sum() - error, -np.inf))


def safe_infeasible(program: Program, ray: Array) -> bool:
    """Return whether multipliers prove that no point is feasible, whatever they are.

    Args:
        program: its columns and rows.
        ray: ``(rows,)`` Farkas multipliers, of either sign.

    Source: Neumaier and Shcherbina 2004, section 5.
    """
    none = np.zeros(program.size)
    return safe_lower_bound(program, none, ray) > 0.0 or safe_lower_bound(program, none, -ray) > 0.0


def _reduced(program: Program, objective: Array, duals: Array) -> tuple[Array, Array]:
    """Return bounds of ``c - y A``; a column that no dual reaches is not rounded."""
    rows = program.rows
    weights = rows.values * np.repeat(duals, np.diff(rows.starts))
    reduced = objective - np.bincount(rows.columns, weights, program.size)
    reach = np.bincount(rows.columns, np.abs(weights), program.size)
    entries = int(np.bincount(rows.columns, minlength=1).max())
    slack = gamma(entries + 1) * (np.abs(objective) + reach) * SLACK + UNDERFLOW
    used = np.repeat(duals != 0.0, np.diff(rows.starts))
    touched = np.bincount(rows.columns, used, program.size) > 0
    least = np.where(touched, np.nextafter(reduced - slack, -np.inf), objective)
    return least, np.where(touched, np.nextafter(reduced + slack, np.inf), objective)


def _times(values: Array, limits: Array) -> Array:
    """Return the products, where 0 times an absent limit is 0."""
    return np.where((values == 0.0) & np.isinf(limits), 0.0, values * limits)
