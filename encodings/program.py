"""The mixed-integer program as arrays: columns, sparse rows, objective; frozen once built.

Nothing here knows a network or a solver. Blocks of rows are joined by concatenation alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int32]


class Sense(Enum):
    """Which end of the objective is asked for."""

    MINIMIZE = 1
    MAXIMIZE = -1


def _frozen(values: ArrayLike, dtype: Any, what: str) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    if array.ndim != 1:
        raise ValueError(f"{what} has shape {array.shape}: it must have one axis")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Constraints ``lower <= A x <= upper`` with A compressed by rows.

    Sizes are checked here, entries when a `Program` is made of them.

    Attributes:
        lower, upper: ``(rows,)`` float64, closed; infinite where a side is absent.
        starts: ``(rows + 1,)`` int32, where each row begins in `columns`.
        columns: ``(entries,)`` int32.
        values: ``(entries,)`` float64.

    Raises:
        ValueError: sizes that do not belong together.
    """

    lower: Array
    upper: Array
    starts: Index
    columns: Index
    values: Array

    def __post_init__(self) -> None:
        """Check the sizes and make the arrays read-only."""
        for name, dtype in _ROW_FIELDS:
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype, name))
        if self.lower.size != self.upper.size or self.starts.size != self.lower.size + 1:
            raise ValueError(
                f"{self.lower.size} lower, {self.upper.size} upper limits and {self.starts.size} "
                "starts: give one of each for every row, and one more start"
            )
        if self.columns.size != self.values.size:
            raise ValueError(f"{self.columns.size} columns for {self.values.size} values")

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.lower.size)

    @classmethod
    def full(cls, columns: NDArray[Any], values: Array, lower: Array, upper: Array) -> Rows:
        """Return the rows of a matrix that names its columns entry by entry.

        Args:
            columns: ``(rows, entries)`` integers.
            values: ``(rows, entries)``; zeros are left out.
            lower: ``(rows,)``, closed.
            upper: ``(rows,)``, closed.
        """
        keep = values != 0.0
        starts = np.zeros(len(values) + 1, dtype=np.int32)
        np.cumsum(np.count_nonzero(keep, axis=1), out=starts[1:])
        if starts[-1] == values.size:
            return cls(lower, upper, starts, columns.ravel(), values.ravel())
        return cls(lower, upper, starts, columns[keep], values[keep])

    @classmethod
    def join(cls, blocks: Sequence[Rows]) -> Rows:
        """Return the blocks one below the other."""
        if not blocks:
            none = np.zeros(0)
            return cls(none, none, np.zeros(1, np.int32), np.zeros(0, np.int32), none)
        if len(blocks) == 1:
            return blocks[0]
        offsets = np.cumsum([0, *(block.columns.size for block in blocks)])
        starts = [block.starts[:-1] + at for block, at in zip(blocks, offsets[:-1], strict=True)]
        return cls(
            np.concatenate([block.lower for block in blocks]),
            np.concatenate([block.upper for block in blocks]),
            np.concatenate([*starts, offsets[-1:]]),
            np.concatenate([block.columns for block in blocks]),
            np.concatenate([block.values for block in blocks]),
        )

    def owner(self) -> NDArray[np.intp]:
        """Return for each entry the row it belongs to."""
        return np.repeat(np.arange(self.count), np.diff(self.starts))

    def activity(self, point: Array) -> Array:
        """Return ``A x``.

        Args:
            point: ``(columns,)``.
        """
        return gathered(self.owner(), self.values * point[self.columns], self.count)

    def transposed(self, duals: Array, size: int) -> Array:
        """Return ``y A``.

        Args:
            duals: ``y``, ``(rows,)``.
            size: number of columns.
        """
        return gathered(self.columns, self.values * np.repeat(duals, np.diff(self.starts)), size)


def gathered(place: NDArray[Any], values: NDArray[Any], size: int) -> Array:
    """Return for each place from 0 to size - 1 the sum of its values."""
    return np.asarray(np.bincount(place, values, size), dtype=np.float64)


_ROW_FIELDS = (
    ("lower", np.float64),
    ("upper", np.float64),
    ("starts", np.int32),
    ("columns", np.int32),
    ("values", np.float64),
)
_COLUMN_FIELDS = (("lower", float), ("upper", float), ("integer", bool), ("objective", float))


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """The least or the greatest ``c x + offset`` with x in a box, on rows, some x whole numbers.

    Attributes:
        lower, upper: ``(columns,)`` float64, closed; may be infinite.
        integer: ``(columns,)`` bool, which columns are whole numbers.
        rows: the constraints.
        objective: ``c``, ``(columns,)`` float64.
        offset: a constant added to the objective.
        sense: which end is asked for.

    Raises:
        ValueError: sizes that do not belong together, a NaN, a lower limit above its upper limit, a
            coefficient that is not finite, a column outside the program or twice in one row.
    """

    lower: Array
    upper: Array
    integer: NDArray[np.bool_]
    rows: Rows
    objective: Array
    offset: float = 0.0
    sense: Sense = Sense.MINIMIZE

    def __post_init__(self) -> None:
        """Check everything once and make the arrays read-only."""
        for name, dtype in _COLUMN_FIELDS:
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype, name))
        if not self.lower.size == self.upper.size == self.integer.size:
            raise ValueError(
                f"{self.lower.size} lower limits, {self.upper.size} upper limits and "
                f"{self.integer.size} integer flags: give one of each for every column"
            )
        _check_limits(self.lower, self.upper, "column")
        _check_limits(self.rows.lower, self.rows.upper, "row")
        _check_objective(self)
        _check_entries(self.rows, self.size)

    @property
    def size(self) -> int:
        """Number of columns."""
        return int(self.lower.size)

    def with_objective(
        self, objective: Array, offset: float = 0.0, sense: Sense = Sense.MINIMIZE
    ) -> Program:
        """Return the program with another objective ``(columns,)``; only that is checked."""
        vector = _frozen(objective, float, "objective")
        other = self._copy(objective=vector, offset=offset, sense=sense)
        _check_objective(other)
        return other

    def with_limits(self, columns: Index, lower: Array, upper: Array) -> Program:
        """Return the program with other limits for some columns; only they are checked."""
        lowers, uppers = self.lower.copy(), self.upper.copy()
        lowers[columns], uppers[columns] = lower, upper
        _check_limits(lowers, uppers, "column")
        lowers.setflags(write=False)
        uppers.setflags(write=False)
        return self._copy(lower=lowers, upper=uppers)

    def relaxed(self) -> Program:
        """Return the program without integrality."""
        return self._copy(integer=_frozen(np.zeros(self.size), bool, "integer"))

    def _copy(self, **changed: Any) -> Program:
        other = object.__new__(Program)
        for field in fields(Program):
            value = changed.get(field.name, getattr(self, field.name))
            object.__setattr__(other, field.name, value)
        return other

    def value(self, point: Array) -> float:
        """Return the objective at a point ``(columns,)``."""
        return float(self.objective @ point) + self.offset

    def violations(self, point: Array) -> Array:
        """Return by how much a point breaks each column and then each row, at least 0.

        Args:
            point: ``(columns,)``.

        Returns:
            ``(columns + rows,)``; for a column also its distance to the nearest whole number
            where it must be one. NaN where the point is NaN.
        """
        activity = self.rows.activity(point)
        limits = np.maximum(self.lower - point, point - self.upper)
        fraction = np.where(self.integer, np.abs(point - np.round(point)), 0.0)
        rows = np.maximum(self.rows.lower - activity, activity - self.rows.upper)
        worst: Array = np.maximum(np.concatenate([np.maximum(limits, fraction), rows]), 0.0)
        return worst

    def feasible(self, point: Array, tolerance: float) -> bool:
        """Return whether no column or row is broken by more than an absolute ``tolerance``."""
        return bool((self.violations(point) <= tolerance).all())


def _check_limits(lower: Array, upper: Array, what: str) -> None:
    fine = (lower <= upper) & (lower < np.inf) & (upper > -np.inf)
    if not fine.all():
        place = int(np.argmin(fine))
        raise ValueError(
            f"{what} {place} has the limits {lower[place]} and {upper[place]}: they must be "
            "numbers, the lower one at most the upper one"
        )


def _check_objective(program: Program) -> None:
    if program.objective.size != program.size:
        raise ValueError(f"{program.objective.size} objective entries for {program.size} columns")
    if not (np.isfinite(program.objective).all() and np.isfinite(program.offset)):
        raise ValueError("the objective holds an entry that is not finite")


def _check_entries(rows: Rows, size: int) -> None:
    rising = rows.starts[0] == 0 and bool((np.diff(rows.starts) >= 0).all())
    if not rising or rows.starts[-1] != rows.columns.size:
        raise ValueError("the rows' starts must rise from 0 to the number of entries")
    if not np.isfinite(rows.values).all():
        place = int(np.argmin(np.isfinite(rows.values)))
        raise ValueError(f"row entry {place} is {rows.values[place]}: coefficients must be finite")
    if rows.columns.size and not 0 <= rows.columns.min() <= rows.columns.max() < size:
        raise ValueError(f"a row names a column outside 0 to {size - 1}")
    keys = rows.owner() * size + rows.columns
    if (np.diff(keys) <= 0).any() and np.unique(keys).size != keys.size:
        raise ValueError("a row names one column twice: add the two coefficients")


class Draft:
    """A program in the making: columns and blocks of rows are only collected.

    Attributes:
        size: number of columns so far.
        count: number of rows so far.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.size = 0
        self.count = 0
        self._lower: list[Array] = []
        self._upper: list[Array] = []
        self._integer: list[NDArray[np.bool_]] = []
        self._rows: list[Rows] = []

    def columns(self, lower: Array, upper: Array, integer: bool = False) -> Index:
        """Return the indices of new columns.

        Args:
            lower: ``(new,)``, closed.
            upper: ``(new,)``, closed.
            integer: whether they are whole numbers.
        """
        first, self.size = self.size, self.size + lower.size
        self._lower.append(lower)
        self._upper.append(upper)
        self._integer.append(np.full(lower.size, integer))
        return np.arange(first, self.size, dtype=np.int32)

    def add(self, rows: Rows) -> Index:
        """Take a block of rows and return their indices."""
        first, self.count = self.count, self.count + rows.count
        self._rows.append(rows)
        return np.arange(first, self.count, dtype=np.int32)

    def program(self) -> Program:
        """Return the program, with a zero objective; checked once, here."""
        none = np.zeros(0)
        return Program(
            np.concatenate([none, *self._lower]),
            np.concatenate([none, *self._upper]),
            np.concatenate([none.astype(bool), *self._integer]),
            Rows.join(self._rows),
            np.zeros(self.size),
        )
