"""Rows of y = max over a group of x_j, for given bounds l_j <= x_j <= u_j.

An input whose upper bound is at most the greatest lower bound of the group never matters; only the
others, the contenders, have rows above y.
"""

import numpy as np
from numpy.typing import NDArray

from .program import Array, Index, Rows


def contenders(lower: Array, upper: Array) -> NDArray[np.intp]:
    """Return the inputs that can be the greatest alone, and one that always can.

    Args:
        lower: ``(inputs,)`` bounds l, finite, closed.
        upper: ``(inputs,)`` bounds u.

    Raises:
        ValueError: no inputs, a bound that is not finite, or l above u.
    """
    fine = np.isfinite(lower) & np.isfinite(upper) & (lower <= upper)
    if not fine.all() or not fine.size:
        place = int(np.argmin(fine)) if fine.size else 0
        said = f"the bounds {lower[place]} and {upper[place]}" if fine.size else "no bounds"
        raise ValueError(
            f"pool input {place} has {said}: they must be finite, the lower one at most the upper "
            "one; there is no default big-M"
        )
    top = int(np.argmax(lower))
    keep = upper > lower[top]
    keep[top] = True
    return np.flatnonzero(keep)


def relaxed(output: int, inputs: Index, lower: Array, upper: Array) -> Rows:
    """Return the relaxed maximum.

    Args:
        output: column y.
        inputs: ``(inputs,)`` columns x, each once.
        lower: ``(inputs,)`` bounds l, finite.
        upper: ``(inputs,)`` bounds u.

    Requires:
        l <= u; the column y in [max l, max u].
    Rows:
        ``y - x_j >= 0`` for each contender j, and with L = max l over the contenders
        ``y - sum k_j x_j <= L - sum k_j l_j``, where k_j = (u_j - L) / (u_j - l_j).
    Exact or relaxes:
        Relaxes: y = L + max_j max(x_j - L, 0) is at most L plus the sum of the triangles of
        max(x_j - L, 0). Right sides are rounded outward.
    Source:
        R. Ehlers, ATVA 2017 (the triangles); A. Boopathy et al., CNN-Cert, AAAI 2019 (pools).
    """
    some = contenders(lower, upper)
    low, high = lower[some], upper[some]
    level = low.max()
    below = _above(output, inputs[some])
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(high > level, (high - level) / (high - low), 0.0)
    slope[low == level] = np.where(high[low == level] > level, 1.0, 0.0)
    # Each triangle's own shift, for the slope as it was rounded: the greatest of
    # max(x - L, 0) - k x over [l, u], which lies at an end.
    shift = np.maximum(
        np.nextafter(-slope * low, np.inf),
        np.nextafter(
            np.nextafter(high - level, np.inf) - np.nextafter(slope * high, -np.inf), np.inf
        ),
    )
    side = np.array([_sum_up(np.append(shift, level))])
    names = np.concatenate([inputs[some], [output]]).astype(np.int32)[None, :]
    values = np.append(-slope, 1.0)[None, :]
    return Rows.join([below, Rows.full(names, values, np.array([-np.inf]), side)])


def exact(output: int, inputs: Index, selectors: Index, lower: Array, upper: Array) -> Rows:
    """Return the maximum with one binary for each contender.

    Args:
        output: column y.
        inputs: ``(inputs,)`` columns x, each once.
        selectors: ``(contenders,)`` columns s, whole numbers in [0, 1], as `contenders` orders
            them: 1 for the input that y is.
        lower: ``(inputs,)`` bounds l, finite.
        upper: ``(inputs,)`` bounds u.

    Requires:
        l <= u.
    Rows:
        ``y - x_j >= 0`` and ``y - x_j + (U_j - l_j) s_j <= U_j - l_j`` for each contender j, where
        U_j is the greatest u of the other contenders, at least l_j; ``sum s = 1``.
    Exact or relaxes:
        Exact for whole s. The differences are rounded upward.
    Source:
        V. Tjeng, K. Xiao, R. Tedrake, ICLR 2019, section 4.1 (maximum).
    """
    some = contenders(lower, upper)
    low, high = lower[some], upper[some]
    if selectors.size != some.size:
        raise ValueError(f"{selectors.size} selectors for {some.size} contenders: give one each")
    others = np.where(np.eye(some.size, dtype=bool), -np.inf, high).max(axis=1)
    reach = np.nextafter(np.maximum(others, low) - low, np.inf)
    count = some.size
    names = np.stack([np.full(count, output), inputs[some], selectors], axis=1)
    values = np.stack([np.ones(count), -np.ones(count), reach], axis=1)
    rows = Rows.full(names, values, np.full(count, -np.inf), reach)
    one = Rows.full(selectors[None, :], np.ones((1, count)), np.ones(1), np.ones(1))
    return Rows.join([_above(output, inputs[some]), rows, one])


def _above(output: int, inputs: Index) -> Rows:
    """Return ``y - x_j >= 0``."""
    names = np.stack([np.full(inputs.size, output), inputs], axis=1)
    values = np.tile([1.0, -1.0], (inputs.size, 1))
    return Rows.full(names, values, np.zeros(inputs.size), np.full(inputs.size, np.inf))


def _sum_up(values: Array) -> float:
    """Return the sum, rounded upward after each addition."""
    total = 0.0
    for value in values.tolist():
        total = float(np.nextafter(total + value, np.inf))
    return total
