"""Rows of a claim's negation: conjunctions of linear forms, and disjunctions of those.

A case asks for a point where ``form <= 0`` for all its forms. Asked as a plain feasibility problem,
a solver's tolerance decides near the threshold; so the forms share a margin t that is maximised:
``form + t <= 0``. The case can be met exactly if the greatest t is at least 0 (above 0 where the
inequalities are strict), and a proved upper bound of t below 0 proves that it cannot.
"""

import numpy as np

from .program import Array, Index, Rows


def conjunction(weight: Array, columns: Index, constant: Array, error: Array, margin: int) -> Rows:
    """Return the rows of one case.

    Args:
        weight: ``W``, ``(forms, support)`` float64.
        columns: ``(support,)``, the columns of x, each once.
        constant: ``b``, ``(forms,)``.
        error: ``(forms,)``, at least 0: by how much a form may differ from ``W x + b``.
        margin: column t, not among `columns`.

    Requires:
        Finite numbers.
    Rows:
        ``W x + t <= -b + error``, one a form.
    Exact or relaxes:
        Exact where `error` is 0; else relaxed by it, the right side rounded upward.
    Source:
        The definition of a conjunction; the margin is the slack of the worst form.
    """
    count = len(weight)
    names = np.concatenate([np.broadcast_to(columns, weight.shape), np.full((count, 1), margin)], 1)
    values = np.concatenate([weight, np.ones((count, 1))], axis=1)
    return Rows.full(names, values, np.full(count, -np.inf), _side(constant, error))


def alternative(
    weight: Array,
    columns: Index,
    constant: Array,
    error: Array,
    margin: int,
    selector: int,
    most: Array,
) -> Rows:
    """Return the rows of one case of several, which hold only where its selector is 1.

    Args:
        weight: ``W``, ``(forms, support)`` float64, as in `conjunction`.
        columns: ``(support,)``.
        constant: ``b``, ``(forms,)``.
        error: ``(forms,)``.
        margin: column t, shared by all cases.
        selector: column s, a whole number in [0, 1].
        most: ``(forms,)``, upper bounds M of ``form + t`` over all points of the program.

    Requires:
        Finite numbers: there is no default big-M. One row `selected` over all cases.
    Rows:
        ``W x + t + M s <= M - b + error`` where M > 0, and without s where M <= 0: the form can
        never break it then. One a form.
    Exact or relaxes:
        As `conjunction` where s is 1, no restriction where it is 0.
    Source:
        E. Balas, Disjunctive programming, 1979; the big-M form.

    Raises:
        ValueError: a bound M that is not finite.
    """
    if not np.isfinite(most).all():
        place = int(np.argmin(np.isfinite(most)))
        raise ValueError(
            f"form {place} has the upper bound {most[place]}: it must be finite; there is no "
            "default big-M"
        )
    count, used = len(weight), np.maximum(most, 0.0)
    names = np.concatenate(
        [np.broadcast_to(columns, weight.shape), np.tile([margin, selector], (count, 1))], axis=1
    )
    values = np.concatenate([weight, np.ones((count, 1)), used[:, None]], axis=1)
    side = _side(constant, error)
    return Rows.full(
        names,
        values,
        np.full(count, -np.inf),
        np.where(used > 0, np.nextafter(side + used, np.inf), side),
    )


def selected(selectors: Index) -> Rows:
    """Return the row that asks for at least one case.

    Args:
        selectors: ``(cases,)`` columns s, whole numbers in [0, 1].

    Requires:
        At least one case.
    Rows:
        ``sum s >= 1``.
    Exact or relaxes:
        Exact for whole s.
    Source:
        The definition of a disjunction.
    """
    names, ones = selectors[None, :], np.ones((1, selectors.size))
    return Rows.full(names, ones, np.ones(1), np.full(1, np.inf))


def _side(constant: Array, error: Array) -> Array:
    """Return ``-b + error``, rounded upward where it is rounded."""
    return np.where(error > 0.0, np.nextafter(error - constant, np.inf), 0.0 - constant)
