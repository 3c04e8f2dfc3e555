"""CIFAR-10 and CIFAR-100 in their binary version, as a folder or as the archive.

A record is one label byte (two in CIFAR-100: the coarse one, then the fine one, which is the label
here) and 3,072 levels: red, green, blue, each 32 rows of 32.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009, and
https://www.cs.toronto.edu/~kriz/cifar.html, "binary version".
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ...engine.errors import FileError, FormatError
from ...engine.formats.files import read_bytes
from .dataset import Dataset, Source
from .packed import LARGEST
from .pictures import Part, Pictures, Scaling, check_labels, dataset_of

SHAPE: Final = (3, 32, 32)
LEVELS: Final = 3 * 32 * 32
SUFFIXES: Final = (".gz", ".tgz", ".tar")


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two sets.

    Attributes:
        name: under which `secateur fetch` knows it.
        classes: how many there are.
        marks: label bytes of a record; the last one is the label.
        files: the names of the files of each part, in order.
        inside: the folder that the archive makes.
        archive: its name.
    """

    name: str
    classes: int
    marks: int
    files: dict[Part, tuple[str, ...]]
    inside: str
    archive: str


CIFAR10: Final = Kind(
    "cifar10",
    10,
    1,
    {
        Part.TRAIN: tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        Part.TEST: ("test_batch.bin",),
    },
    "cifar-10-batches-bin",
    "cifar-10-binary.tar.gz",
)
CIFAR100: Final = Kind(
    "cifar100",
    100,
    2,
    {Part.TRAIN: ("train.bin",), Part.TEST: ("test.bin",)},
    "cifar-100-binary",
    "cifar-100-binary.tar.gz",
)

Held = tuple[bytes, str, Source]
"""The bytes of a file, how to name it in an error, and what was read."""


def read_cifar(path: Path, kind: Kind, part: Part, scaling: Scaling) -> Dataset:
    """Return the pictures of one of the sets.

    Args:
        path: of a folder with the files, with the folder that the archive makes, or with the
            archive; or of the archive itself.
        kind: which set.
        part: the training files, the test file, or both.
        scaling: from levels to network units.

    Raises:
        FileError: a file is missing or cannot be read.
        FormatError: a file or the archive is damaged, or a label is no class.
    """
    wanted = [Part.TRAIN, Part.TEST] if part is Part.ALL else [part]
    get = _getter(path, kind, {name for one in wanted for name in kind.files[one]})
    parts = [_read_part([get(name) for name in kind.files[one]], kind) for one in wanted]
    return dataset_of(parts, part, kind.classes, kind.name, scaling)


def _read_part(files: list[Held], kind: Kind) -> Pictures:
    size = kind.marks + LEVELS
    records = []
    for data, path, _ in files:
        if not data or len(data) % size:
            raise FormatError(
                f"{path}: holds {len(data)} bytes, which is not a number of records of {size}: it "
                "is cut short or no file of this set; fetch it again"
            )
        rows = np.frombuffer(data, np.uint8).reshape(-1, size)
        check_labels(rows[:, kind.marks - 1].astype(np.int64), kind.classes, path, "record")
        records.append(rows)
    every = np.concatenate(records) if len(records) > 1 else records[0]
    levels = every[:, kind.marks :].reshape(-1, *SHAPE)
    sources = tuple(source for _, _, source in files)
    return Pictures(levels, every[:, kind.marks - 1].astype(np.int64), sources)


def _getter(path: Path, kind: Kind, names: set[str]) -> Callable[[str], Held]:
    """Return what gives the bytes of a file by its name."""
    first = next(iter(sorted(names)))
    for folder in (path, path / kind.inside):
        if (folder / first).is_file():
            return lambda name: _from_folder(folder, name)
    archive = path / kind.archive if path.is_dir() else path
    if archive.is_file() and archive.suffix in SUFFIXES:
        return _from_archive(archive, kind, names)
    raise FileError(
        f"{path}: there is no {first} and no {kind.archive}: put one of them there, or run "
        f"`secateur fetch {kind.name} --to {path if path.is_dir() else kind.name}`"
    )


def _from_folder(folder: Path, name: str) -> Held:
    data = read_bytes(folder / name, LARGEST)
    return data, str(folder / name), Source.of(folder / name, data)


def _from_archive(archive: Path, kind: Kind, names: set[str]) -> Callable[[str], Held]:
    """Return what gives the bytes of a file of the archive; nothing is written to disk."""
    packed = read_bytes(archive, LARGEST)
    source = Source.of(archive, packed)
    held: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:*") as tar:
            for member in tar:
                name = member.name.rsplit("/", 1)[-1]
                stream = tar.extractfile(member) if member.isreg() and name in names else None
                if stream is not None and name not in held:
                    held[name] = stream.read(LARGEST)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise FormatError(
            f"{archive}: is no sound archive ({error}): it is damaged or cut short; fetch it again"
        ) from error

    def get(name: str) -> Held:
        if name not in held:
            raise FormatError(
                f"{archive}: holds no {name}: take the binary version of the set, {kind.archive}"
            )
        return held[name], f"{archive}, {name}", source

    return get
