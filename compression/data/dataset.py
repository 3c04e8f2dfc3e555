"""A data set: inputs with their labels or targets, and which file each came from."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import InputError
from .draw import drawn

Singles = NDArray[np.float32]
Whole = NDArray[np.int64]
Doubles = NDArray[np.float64]

PARTS: Final = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)

CHUNK: Final = 1 << 22
"""Numbers that are checked at a time, so that the check needs little memory beside the data."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read.

    Attributes:
        path: as it was named.
        sha256: of the file's bytes as they lie there, packed ones packed; hexadecimal.
    """

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path, data: bytes) -> Source:
        """Return the source that a file's bytes make."""
        return cls(str(path), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Rows to train on, to measure with or to look at; checked and read-only.

    Attributes:
        inputs: ``(rows, features)`` float32, network units, C order.
        shape: of one input as a network with convolutions takes it; its product is `features`.
        labels: ``(rows,)`` int64 from 0 to ``classes - 1``, or None.
        targets: ``(rows, outputs)`` float64, network units, or None.
        classes: how many there are; 0 where there are no labels.
        name: how to speak of it.
        source: the files it was read from, in order.
        rows: ``(rows,)`` int64, each row's number in the set as it was read; from 0 when none
            are given.
        published: rows that are numbered this or more are the publisher's test set; None where the
            publisher sets none apart.

    Raises:
        InputError: sizes that disagree, a number that is not finite, a label out of range; names
            the row.
    """

    inputs: Singles
    shape: tuple[int, ...]
    labels: Whole | None = None
    targets: Doubles | None = None
    classes: int = 0
    name: str = "data"
    source: tuple[Source, ...] = ()
    rows: Whole = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    published: int | None = None

    def __post_init__(self) -> None:
        numbers = self.rows if len(self.rows) else np.arange(len(self.inputs))
        arrays: dict[str, tuple[NDArray[Any] | None, type, int]] = {
            "inputs": (self.inputs, np.float32, 2),
            "labels": (self.labels, np.int64, 1),
            "targets": (self.targets, np.float64, 2),
            "rows": (numbers, np.int64, 1),
        }
        for name, (array, dtype, axes) in arrays.items():
            if array is not None:
                held = _held(array, dtype, axes, f"{self.name}: {name}")
                _check_length(held, len(self.inputs), f"{self.name}: {name}")
                object.__setattr__(self, name, held)
        if math.prod(self.shape) != self.features or not self.shape:
            raise InputError(
                f"{self.name}: an input of shape {self.shape} does not hold the {self.features} "
                "features of a row: give the shape of one row"
            )
        for name in ("inputs", "targets"):
            _check_finite(getattr(self, name), f"{self.name}: {name}")
        self._check_labels()

    def _check_labels(self) -> None:
        if self.labels is None:
            if self.classes:
                raise InputError(
                    f"{self.name}: {self.classes} classes but no labels: give both or neither"
                )
            return
        if self.classes < 1:
            raise InputError(f"{self.name}: {self.classes} classes: give 1 or more with labels")
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= self.classes))
        if wrong.size:
            row = int(wrong[0])
            raise InputError(
                f"{self.name}: row {int(self.rows[row])} has label {int(self.labels[row])}: the "
                f"{self.classes} classes are numbered 0 to {self.classes - 1}; correct the label "
                "or the number of classes"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def features(self) -> int:
        """Numbers in one input."""
        return int(self.inputs.shape[1])

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers: inputs, shape, labels, targets and classes; not of the name."""
        state = hashlib.sha256(repr((self.shape, self.classes)).encode())
        for array in (self.inputs, self.labels, self.targets):
            if array is None:
                state.update(b"none")
                continue
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            state.update(repr((little.dtype.str, little.shape)).encode())
            state.update(little.data)
        return state.hexdigest()

    def count(self) -> Whole:
        """Return how many rows each class has, ``(classes,)`` int64."""
        labels = np.zeros(0, dtype=np.int64) if self.labels is None else self.labels
        return np.bincount(labels, minlength=self.classes).astype(np.int64)

    def subset(self, indices: NDArray[np.integer], name: str | None = None) -> Dataset:
        """Return some of the rows.

        Args:
            indices: ``(some,)`` whole numbers from 0 to ``len(self) - 1``, in the order wanted.
            name: of the subset; this set's when None.

        Raises:
            InputError: an index that is no whole number or that is out of range.
        """
        chosen = np.asarray(indices)
        if chosen.ndim != 1 or (chosen.size and not np.issubdtype(chosen.dtype, np.integer)):
            raise InputError(
                f"{self.name}: indices of shape {chosen.shape} and type {chosen.dtype}: give a "
                "list of whole numbers"
            )
        chosen = chosen.astype(np.int64)
        wrong = chosen[(chosen < 0) | (chosen >= len(self))]
        if wrong.size:
            raise InputError(
                f"{self.name}: there is no row {int(wrong[0])}: rows are numbered 0 to "
                f"{len(self) - 1}"
            )
        return Dataset(
            _taken(self.inputs, chosen),
            self.shape,
            None if self.labels is None else _taken(self.labels, chosen),
            None if self.targets is None else _taken(self.targets, chosen),
            self.classes,
            self.name if name is None else name,
            self.source,
            _taken(self.rows, chosen),
            self.published,
        )

    def split(self, shares: tuple[float, float, float], seed: int) -> Split:
        """Return three parts that share no row, drawn class by class, each in the set's order.

        Of a class with m rows a part gets its share of m, rounded down or up, and the rounding is
        such that the parts' sizes stay close to their shares of the whole. Where the publisher
        sets a test set apart, the test part is that, whole, and the first two shares divide the
        other rows.

        Args:
            shares: of the train, validation and test part, in proportion: (8, 1, 1) is
                (0.8, 0.1, 0.1).
            seed: of the draw; the same seed gives the same parts.

        Raises:
            InputError: shares that are negative, not finite or all 0; a part with a share that
                gets no row; a set of the publisher's test rows alone.
        """
        exact = _exact(shares)
        apart = self._set_apart()
        parts = np.where(apart, TEST, TRAIN)
        if apart.any():
            exact[TEST] = Fraction(0)
            if not any(exact):
                raise InputError(
                    f"shares {shares}: {self.name} has a test set of its own and the first two "
                    "divide its other rows: give one of them a share"
                )
        others = np.flatnonzero(~apart)
        labels = np.zeros(len(self), np.int64) if self.labels is None else self.labels
        parts[others] = drawn(labels[others], exact, seed)
        found = [np.flatnonzero(parts == part) for part in (TRAIN, VALIDATION, TEST)]
        for name, share, rows in zip(PARTS, exact, found, strict=True):
            if share and not rows.size:
                raise InputError(
                    f"{self.name}: its {len(self)} rows leave none for the {name} part: give more "
                    "rows or a larger share"
                )
        train, validation, test = (
            self.subset(rows, f"{self.name}, {name}")
            for name, rows in zip(PARTS, found, strict=True)
        )
        return Split(train, validation, test)

    def _set_apart(self) -> NDArray[np.bool_]:
        """Return which rows are the publisher's test set."""
        if self.published is None:
            return np.zeros(len(self), dtype=np.bool_)
        apart = self.rows >= self.published
        if len(self) and apart.all():
            raise InputError(
                f"{self.name}: all rows are of the publisher's test set, which is not for "
                "training: read the training rows too"
            )
        return np.asarray(apart)


@dataclass(frozen=True, slots=True)
class Split:
    """Three parts of a data set that share no row.

    Attributes:
        train: to fit on.
        validation: to choose among iterates and settings with.
        test: to measure with, once.
    """

    train: Dataset
    validation: Dataset
    test: Dataset


def _held(given: NDArray[Any], dtype: type, axes: int, what: str) -> NDArray[Any]:
    """Return a read-only array in C order; one that is so already is not copied.

    Raises:
        InputError: another number of axes, or numbers that the type does not hold.
    """
    array = np.asarray(given)
    if array.ndim != axes:
        raise InputError(f"{what} have shape {array.shape}: give {axes} axes")
    if array.dtype == dtype and array.flags.c_contiguous and not array.flags.writeable:
        return array
    if dtype is np.int64 and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{what} are of type {array.dtype}: give whole numbers")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        held: NDArray[Any] = np.array(array, dtype=dtype, order="C")
    held.setflags(write=False)
    return held


def _exact(shares: tuple[float, float, float]) -> list[Fraction]:
    """Return shares as the rationals that their decimals spell."""
    try:
        exact = [Fraction(str(share)) for share in shares]
    except ValueError:
        exact = []
    if len(exact) != 3 or min(exact) < 0 or not any(exact):
        raise InputError(
            f"shares {tuple(shares)}: give three numbers of at least 0, for train, validation and "
            "test, and not all 0"
        )
    return exact


def _taken(array: NDArray[Any], indices: Whole) -> NDArray[Any]:
    taken = array[indices]
    taken.setflags(write=False)
    return taken


def _check_length(array: NDArray[Any], count: int, what: str) -> None:
    if len(array) != count:
        raise InputError(f"{what} are {len(array)}, inputs {count}: give one of each for every row")


def _check_finite(array: NDArray[Any] | None, what: str) -> None:
    if array is None or not array.size:
        return
    step = max(1, CHUNK // array.shape[1])
    for begin in range(0, len(array), step):
        part = array[begin : begin + step]
        finite = np.isfinite(part)
        if not finite.all():
            row, column = (int(place) for place in np.argwhere(~finite)[0])
            raise InputError(
                f"{what} hold {part[row, column]} in row {begin + row}, column {column}: every "
                f"number must be finite in {array.dtype}"
            )
