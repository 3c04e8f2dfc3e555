"""Values as affine functions of a program's columns, with a bound on what rounding changed.

The weights of two layers that meet without a kink between them are multiplied. The product is
rounded, so it describes the network only up to an error; that error is carried along and becomes
the width of the rows and the slack of the objectives that are made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encodings.program import Index
from .operators import Diagonal, Operator
from .rounding import SLACK, UNDERFLOW, Array, gamma


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A node's values as an affine function of some columns x, up to a known error.

    Attributes:
        columns: ``(support,)`` int32, each once, rising.
        lower, upper: ``(support,)``, the limits of those columns, finite.
        matrix: ``(size, support)``.
        constant: ``(size,)``.
        error: ``(size,)``, at least |value - matrix x - constant| for the network's own x.
    """

    columns: Index
    lower: Array
    upper: Array
    matrix: Array
    constant: Array
    error: Array

    @property
    def magnitude(self) -> Array:
        """Largest magnitude of each column."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    def take(self, rows: NDArray[Any]) -> Expression:
        """Return some of the values."""
        return self.over(self.matrix[rows], self.constant[rows], self.error[rows])

    def put(self, rows: NDArray[Any], size: int) -> Expression:
        """Return ``size`` values, these at `rows` and 0 elsewhere."""
        matrix = np.zeros((size, self.columns.size))
        constant, error = np.zeros(size), np.zeros(size)
        matrix[rows], constant[rows], error[rows] = self.matrix, self.constant, self.error
        return self.over(matrix, constant, error)

    def over(self, matrix: Array, constant: Array, error: Array) -> Expression:
        """Return other values over the same columns."""
        return Expression(self.columns, self.lower, self.upper, matrix, constant, error)


def trimmed(value: Expression, least: float) -> Expression:
    """Return the values without coefficients of magnitude up to `least`, charged as error.

    Args:
        value: any.
        least: as small as what a solver would drop without a word.
    """
    sizes = np.abs(value.matrix)
    tiny = (sizes <= least) & (sizes > 0.0)
    if not tiny.any():
        return value
    lost = (np.where(tiny, sizes, 0.0) @ value.magnitude) * SLACK * SLACK
    error = value.error + np.where(tiny.any(axis=1), lost + UNDERFLOW, 0.0)
    return value.over(np.where(tiny, 0.0, value.matrix), value.constant, error * SLACK)


def loosened(value: Expression, slack: Array) -> Expression:
    """Return the values with more error, ``(size,)``."""
    if not slack.any():
        return value
    return value.over(value.matrix, value.constant, (value.error + slack) * SLACK)


def scaled(value: Expression, slope: Array, intercept: Array) -> Expression:
    """Return ``slope v + intercept`` for each value v, its rounding added to the error."""
    size = np.abs(slope)
    matrix, constant = slope[:, None] * value.matrix, slope * value.constant + intercept
    error = size * value.error * SLACK
    rounded = (size != 1.0) | ((intercept != 0.0) & (value.constant != 0.0))
    if rounded.any():
        reach = size * (np.abs(value.matrix) @ value.magnitude + np.abs(value.constant))
        error += np.where(rounded, gamma(2) * (reach + np.abs(intercept)) * SLACK + UNDERFLOW, 0.0)
    return value.over(matrix, constant, error)


def composed(operator: Operator, bias: Array, value: Expression) -> Expression:
    """Return ``W v + b``, its rounding added to the error.

    Columns that enter a single value with coefficient 1 or -1 are not rounded.
    """
    if isinstance(operator, Diagonal):
        return scaled(value, operator.weight, bias)
    weight, sizes = operator.matrix(), np.abs(value.matrix)
    entries = np.count_nonzero(sizes, axis=0)
    loose = (entries > 1) | (sizes.sum(axis=0) != entries)
    if entries.max(initial=0) <= 1:
        owner = np.argmax(sizes, axis=0)
        matrix = weight[:, owner] * value.matrix[owner, np.arange(owner.size)]
    else:
        matrix = weight @ value.matrix
    constant = weight @ value.constant + bias
    error = np.zeros(len(weight))
    if loose.any() or value.constant.any() or value.error.any():
        reach = sizes[:, loose] @ value.magnitude[loose] + np.abs(value.constant)
        size = np.abs(weight)
        rounding = gamma(weight.shape[1] + 1) * (size @ reach + np.abs(bias))
        error = (rounding + size @ value.error) * SLACK + UNDERFLOW
    return value.over(matrix, constant, error)


def summed(values: Sequence[Expression]) -> Expression:
    """Return the sum, its rounding added to the error; what meets only zeros is not rounded."""
    if len(values) == 1:
        return values[0]
    joined = np.concatenate([value.columns for value in values])
    columns, first = np.unique(joined, return_index=True)
    lower = np.concatenate([value.lower for value in values])[first]
    upper = np.concatenate([value.upper for value in values])[first]
    shape = (len(values[0].matrix), columns.size)
    matrix, reach, meets = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int32)
    for value in values:
        place = np.searchsorted(columns, value.columns)
        matrix[:, place] += value.matrix
        reach[:, place] += np.abs(value.matrix)
        meets[:, place] += value.matrix != 0.0
    constants = np.stack([value.constant for value in values])
    total = Expression(columns, lower, upper, matrix, constants.sum(axis=0), constants[0])
    slack = np.where(meets > 1, reach, 0.0) @ total.magnitude
    slack += np.where(np.count_nonzero(constants, axis=0) > 1, np.abs(constants).sum(axis=0), 0.0)
    slack = np.where(slack > 0.0, gamma(len(values)) * slack * SLACK + UNDERFLOW, 0.0)
    error = slack + np.stack([value.error for value in values]).sum(axis=0) * SLACK
    return total.over(matrix, total.constant, error)
