"""Tables of numbers as CSV: a row a line, cells parted by commas, a line of headings if wanted."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import FormatError
from ...engine.formats.files import as_text, read_bytes
from .dataset import Dataset, Source
from .packed import LARGEST, unpacked
from .table import Table, Units, dataset_of_table

LABELS: Final = ("label", "labels", "class")
"""Headings of a column of labels, in any case."""

TARGET: Final = "target"
"""How the heading of a column of targets begins, in any case."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns are not inputs; all others are, in their order.

    A column is named by its heading, or by its number, from 0, or from -1 at the end backwards.

    Attributes:
        labels: the column of labels, None where there is none.
        targets: the columns of targets, in the order of a network's outputs.
    """

    labels: str | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """The cells of a CSV file.

    Attributes:
        values: ``(rows, columns)`` float64, finite.
        names: the headings; None where the file has none.
        lines: the line of each row, from 1.
        source: the file.
    """

    values: Doubles
    names: tuple[str, ...] | None
    lines: Sequence[int]
    source: Source


def read_csv(path: Path, columns: Columns | None, classes: int | None, units: Units) -> Dataset:
    """Return the rows of a CSV file.

    Args:
        path: of the file, plain or gzipped.
        columns: which are labels and targets; None to go by the headings: ``label`` or ``class``,
            and those that begin with ``target``.
        classes: how many there are; one more than the largest label when None.
        units: of the inputs and targets.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: a cell that is no finite number, a line with another number of cells, a label
            that is no class, columns that are not there.
    """
    held = read_numbers(path)
    chosen = _by_headings(held, path) if columns is None else columns
    label = None if chosen.labels is None else _place(chosen.labels, held, path)
    targets = [_place(name, held, path) for name in chosen.targets]
    others = [*targets, *([] if label is None else [label])]
    if len(set(others)) != len(others):
        raise FormatError(f"{path}: one column is named twice: name each once")
    inputs = [place for place in range(held.values.shape[1]) if place not in others]
    if not inputs:
        raise FormatError(f"{path}: no column is left for the inputs: add them or name fewer")
    table = Table(
        held.values[:, inputs],
        None if label is None else held.values[:, label],
        held.values[:, targets] if targets else None,
    )
    return dataset_of_table(
        table, path, held.source, classes, units, lambda row: f"{path}:{held.lines[row]}"
    )


def read_numbers(path: Path) -> Numbers:
    """Return the cells of a CSV file, plain or gzipped.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: a cell that is no finite number, or a line with another number of cells.
    """
    data = read_bytes(path, LARGEST)
    lines = as_text(unpacked(data, path), path).splitlines()
    kept = [number for number, line in enumerate(lines, start=1) if line.strip()]
    names = None
    if kept and (headings := _headings(lines[kept[0] - 1])) is not None:
        names, kept = headings, kept[1:]
    if not kept:
        raise FormatError(f"{path}: holds no row of numbers: give at least one")
    rows = [lines[number - 1] for number in kept]
    width = None if names is None else len(names)
    try:
        values = np.loadtxt(rows, delimiter=",", quotechar='"', comments=None, ndmin=2)
        fault = not np.isfinite(values).all() or (width or values.shape[1]) != values.shape[1]
    except ValueError:
        fault = True
    if fault:
        raise _fault(path, kept, rows, width)
    return Numbers(values, names, kept, Source.of(path, data))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line]), [])]


def _number(cell: str) -> float | None:
    """Return the number that a cell spells; None where it spells none."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _headings(line: str) -> tuple[str, ...] | None:
    """Return the cells of a first line none of which is a number; None where one is."""
    cells = _cells(line)
    return tuple(cells) if all(_number(cell) is None for cell in cells) else None


def _fault(path: Path, kept: Sequence[int], rows: Sequence[str], width: int | None) -> FormatError:
    """Return the error for the first line that is at fault."""
    for number, row in zip(kept, rows, strict=True):
        cells = _cells(row)
        width = len(cells) if width is None else width
        if len(cells) != width:
            return FormatError(
                f"{path}:{number}: has {len(cells)} cells, the lines before {width}: give every "
                "line as many, parted by commas"
            )
        for column, cell in enumerate(cells):
            value = _number(cell)
            if value is None or not np.isfinite(value):
                return FormatError(
                    f"{path}:{number}: column {column} holds {cell[:40]!r}: give a finite number"
                )
    return FormatError(f"{path}: is no table of numbers parted by commas: give one")


def _by_headings(held: Numbers, path: Path) -> Columns:
    """Return the columns that headings of the usual names mark."""
    lower = [name.lower() for name in held.names or ()]
    labels = [str(place) for place, name in enumerate(lower) if name in LABELS]
    targets = tuple(str(place) for place, name in enumerate(lower) if name.startswith(TARGET))
    if len(labels) > 1 or not (labels or targets):
        raise FormatError(
            f"{path}: its headings do not say which column holds the labels or the targets: name "
            f"them, or head one {LABELS[0]!r} or some {TARGET!r}"
        )
    return Columns(labels[0] if labels else None, targets)


def _place(column: str, held: Numbers, path: Path) -> int:
    """Return the place of a column, from 0."""
    width = int(held.values.shape[1])
    if held.names is not None and column in held.names:
        if held.names.count(column) > 1:
            raise FormatError(f"{path}: two columns are headed {column!r}: name it by its number")
        return held.names.index(column)
    try:
        place = int(column)
    except ValueError:
        place = width
    if not -width <= place < width:
        headed = "" if held.names is None else f", headed {', '.join(held.names[:10])}"
        raise FormatError(f"{path}: there is no column {column!r}; it has {width}{headed}")
    return place % width
