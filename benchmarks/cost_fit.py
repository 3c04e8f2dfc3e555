"""Laws that are products of powers, fitted to measurements by least squares of logarithms.

A run that was stopped before its question was settled says at least. It takes part with its
expected value under the law so far, again and again until the law stays.

Source: J. Schmee, G. Hahn, A simple method for regression analysis with censored data,
Technometrics 21(4), 1979.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.cost import Law

Array = NDArray[np.float64]
Row = dict[str, Any]

ROUNDS: Final = 60
"""Rounds of replacing what is only known to be at least."""

HELD: Final = 4
"""Every fourth measurement is held out when the spread is taken."""

RIDGE: Final = 1e-3
"""Weight that keeps exponents of figures that go together from running apart."""


def fitted(
    rows: Sequence[Row], of: str, names: Sequence[str], settled: str | None = None, least: float = 0
) -> tuple[Law, float, int]:
    """Return a law, its spread over what it was fitted to, and how many rows say at least.

    The law's own spread is that over rows held out from a fit to the others.

    Args:
        rows: of `cost_measures.measured`.
        of: the measured value.
        names: the figures that matter.
        settled: column that says whether a value is the whole; all are where absent.
        least: values below count as this.
    """
    figures = np.array([[math.log(max(1.0, row[name])) for name in names] for row in rows])
    matrix = np.column_stack([np.ones(len(rows)), figures])
    values = np.log([max(float(row[of]), least, 1e-12) for row in rows])
    whole = np.array([settled is None or bool(row[settled]) for row in rows])
    held = np.arange(len(rows)) % HELD == HELD - 1
    part, _ = _solved(matrix[~held], values[~held], whole[~held])
    test = held & whole
    spread = _spread(values[test] - matrix[test] @ part)
    powers, _ = _solved(matrix, values, whole)
    within = _spread(values[whole] - matrix[whole] @ powers)
    named = {name: round(float(p), 3) for name, p in zip(names, powers[1:], strict=True)}
    law = Law(round(float(powers[0]), 3), named, round(max(spread, within), 3), len(rows))
    return law, within, int((~whole).sum())


def _spread(residuals: Array) -> float:
    return float(np.exp(np.sqrt(np.mean(residuals**2)))) if residuals.size else math.inf


def _solved(matrix: Array, values: Array, whole: NDArray[np.bool_]) -> tuple[Array, float]:
    """Return constant and exponents, and the deviation of the logarithms."""
    target, deviation = values.copy(), 1.0
    powers: Array = np.zeros(matrix.shape[1])
    penalty = RIDGE * len(matrix) * np.diag([0.0] + [1.0] * (matrix.shape[1] - 1))
    for _ in range(1 if whole.all() else ROUNDS):
        normal = matrix.T @ matrix + penalty
        powers = np.asarray(np.linalg.solve(normal, matrix.T @ target), dtype=np.float64)
        rest = target - matrix @ powers
        deviation = max(float(np.sqrt(np.mean(rest[whole] ** 2))), 1e-3)
        guess = matrix[~whole] @ powers
        far = (values[~whole] - guess) / deviation
        target[~whole] = guess + deviation * np.array([_beyond(float(z)) for z in far])
    return powers, deviation


def _beyond(z: float) -> float:
    """Return the mean of a standard normal number that is at least z."""
    tail = 0.5 * math.erfc(z / math.sqrt(2.0))
    if tail < 1e-12:
        return z + 1.0 / max(z, 1.0)
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) / tail
