"""Tables of rows: inputs with labels or targets, in raw units or in a network's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import FormatError, InputError
from ...engine.network import Normalisation
from .dataset import Dataset, Source

Doubles = NDArray[np.float64]

Units = Normalisation | None
"""What brings a table's raw numbers into network units; None where they are in them already."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """The columns of a table.

    Attributes:
        inputs: ``(rows, features)`` float64.
        labels: ``(rows,)`` of any type of numbers, or None.
        targets: ``(rows, outputs)`` float64, or None.
    """

    inputs: Doubles
    labels: NDArray[Any] | None = None
    targets: Doubles | None = None


def dataset_of_table(
    table: Table,
    path: Path,
    source: Source,
    classes: int | None,
    units: Units,
    place: Callable[[int], str],
) -> Dataset:
    """Return the data set that a table holds.

    Args:
        table: as it was read.
        path: of its file, for its name.
        source: its file.
        classes: how many there are; one more than the largest label when None.
        units: of inputs and targets.
        place: says where a row stands, for errors.

    Raises:
        FormatError: a label that is no class; columns of different lengths.
        InputError: units of another number of inputs.
    """
    labels, found = None, 0
    if table.labels is not None:
        labels = _whole(table.labels, place)
        found = int(labels.max(initial=-1)) + 1 if classes is None else classes
        wrong = np.flatnonzero((labels < 0) | (labels >= found))
        if wrong.size:
            raise FormatError(
                f"{place(int(wrong[0]))}: the label is {int(labels[wrong[0]])}: the {found} "
                f"classes are numbered 0 to {found - 1}; correct it or the number of classes"
            )
    inputs, targets = table.inputs, table.targets
    for what, column in (("labels", labels), ("targets", targets)):
        if column is not None and len(column) != len(inputs):
            raise FormatError(
                f"{path}: holds {len(inputs)} inputs and {len(column)} {what}: give one for each"
            )
    if not len(inputs):
        raise FormatError(f"{path}: holds no row: give at least one")
    if units is not None:
        if units.mean.size != inputs.shape[1]:
            raise InputError(
                f"{path}: a row has {inputs.shape[1]} inputs and the normalisation states "
                f"{units.mean.size}: give the table of that network"
            )
        inputs = units.to_network(inputs)
        if targets is not None:
            targets = (targets - units.output_mean) / units.output_range
    with np.errstate(over="ignore", under="ignore"):
        narrow = inputs.astype(np.float32)
    narrow.setflags(write=False)
    return Dataset(
        narrow,
        inputs.shape[1:],
        labels,
        targets,
        found,
        path.name,
        (source,),
    )


def _whole(labels: NDArray[Any], place: Callable[[int], str]) -> NDArray[np.int64]:
    """Return labels as whole numbers.

    Raises:
        FormatError: one is none.
    """
    if np.issubdtype(labels.dtype, np.floating):
        wrong = np.flatnonzero(~np.isfinite(labels) | (labels != np.rint(labels)))
        if wrong.size:
            row = int(wrong[0])
            raise FormatError(
                f"{place(row)}: the label is {labels[row]:g}: give a whole number from 0"
            )
        labels = np.clip(labels, -1, 2**53)
    return np.asarray(labels, dtype=np.int64)
