"""Whether the means of two groups differ: Welch's test, and Holm's correction for many of them.

Source: B. L. Welch, The generalization of Student's problem when several different population
variances are involved, Biometrika 34, 1947; S. Holm, A simple sequentially rejective multiple test
procedure, Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError

Array = NDArray[np.float64]

LEVEL = 0.05
"""Of significance, and what intervals leave out. No unit."""

DUST = 2.0**-40
"""Spreads and changes below this, relative to the largest magnitude or to 1, are rounding: values
are differences of shares, which rarely are binary fractions."""


@dataclass(frozen=True, slots=True, eq=False)
class Welch:
    """What the test says of each of several quantities.

    Where neither group varies, equal means have p = 1, others p = 0, and the interval is a point.

    Attributes:
        change: ``(quantities,)`` mean of the second group less that of the first.
        freedom: degrees of freedom; NaN where neither group varies.
        p: two-sided.
        low, high: ends of the interval of confidence ``1 - LEVEL`` of the change.
    """

    change: Array
    freedom: Array
    p: Array
    low: Array
    high: Array


def welch(first: Array, second: Array) -> Welch:
    """Return Welch's test of equal means, quantity by quantity.

    Args:
        first: ``(members, quantities)`` float64, finite.
        second: the same, of as many quantities.

    Raises:
        InputError: fewer than two members in a group; other numbers of quantities; a value that is
            not finite.
    """
    from scipy.special import stdtr, stdtrit

    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1]:
        raise InputError(f"groups of shape {one.shape} and {two.shape}: give a row a member")
    if min(len(one), len(two)) < 2:
        raise InputError(f"{len(one)} and {len(two)} members: a variance takes two or more")
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise InputError("a group holds a value that is not finite: leave that quantity out")
    change = two.mean(axis=0) - one.mean(axis=0)
    parts = [_squared_error(group) for group in (one, two)]
    error = np.sqrt(parts[0] + parts[1])
    dust = DUST * np.maximum(1.0, np.maximum(np.abs(one).max(axis=0), np.abs(two).max(axis=0)))
    still = error <= dust
    change = np.where(still & (np.abs(change) <= dust), 0.0, change)
    safe = np.where(still, 1.0, error)
    shares = [part / safe**2 for part in parts]
    under = shares[0] ** 2 / (len(one) - 1) + shares[1] ** 2 / (len(two) - 1)
    freedom = 1.0 / np.where(still, 1.0, under)
    tested = 2.0 * stdtr(freedom, -np.abs(change / safe))
    p = np.where(still, np.where(change == 0.0, 1.0, 0.0), tested)
    half = np.where(still, 0.0, stdtrit(freedom, 1.0 - LEVEL / 2.0) * error)
    return Welch(change, np.where(still, np.nan, freedom), p, change - half, change + half)


def holm(p: Array) -> Array:
    """Return p-values ``(tests,)`` corrected by Holm's procedure, so that a family errs rarely.

    Rejecting where the corrected value is at most alpha rejects any true hypothesis of the family
    with probability alpha at most.

    Args:
        p: in [0, 1].
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    stepped = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    found = np.empty_like(values)
    found[order] = stepped
    return found


def interval(values: Array) -> tuple[float, float, float]:
    """Return the mean of values ``(members,)`` and the ends of its interval of confidence.

    A single value is its own interval's only known point: its ends are NaN.
    """
    from scipy.special import stdtrit

    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = float(stdtrit(len(values) - 1, 1.0 - LEVEL / 2.0)) * float(_squared_error(values)) ** 0.5
    return mean, mean - half, mean + half


def _squared_error(group: Array) -> Array:
    """Return the squared standard error of the mean along the first axis."""
    return np.asarray(group.var(axis=0, ddof=1) / len(group))
