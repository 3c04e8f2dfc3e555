"""The program of a minimax fit: numbers v that make the largest ``|t - A v|`` least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..encodings.program import Draft, Program, Rows

Array = NDArray[np.float64]


def minimax(
    matrix: Array, goal: Array, lower: Array, upper: Array, integer: NDArray[np.bool_]
) -> Program:
    """Return the program whose columns are v and, last, the largest miss, which it minimises.

    Requires: finite matrix and goal.

    Rows: ``A v + m >= t`` and ``A v - m <= t``, with ``m >= 0``.

    Exact: the least m of the program is the least largest miss.

    Source: any book on linear programming, Chebyshev approximation.

    Args:
        matrix: A, ``(rows, numbers)``.
        goal: t, ``(rows,)``.
        lower: ``(numbers,)`` limits of v, closed.
        upper: the same.
        integer: ``(numbers,)`` which of them are whole.
    """
    draft = Draft()
    draft.columns(lower, upper)
    draft.columns(np.zeros(1), np.full(1, np.inf))
    ones, inf = np.ones((len(matrix), 1)), np.full(len(matrix), np.inf)
    columns = np.tile(np.arange(draft.size), (len(matrix), 1))
    draft.add(Rows.full(columns, np.hstack([matrix, ones]), goal, inf))
    draft.add(Rows.full(columns, np.hstack([matrix, -ones]), -inf, goal))
    objective = np.zeros(draft.size)
    objective[-1] = 1.0
    made = draft.program()
    return Program(made.lower, made.upper, np.append(integer, False), made.rows, objective)
