"""IDX files, and the folders of four in which MNIST and its kin are published.

An IDX file is two zero bytes, a byte for the type of its numbers, a byte for the count of axes, the
length of each axis as four bytes, and the numbers, all of them with the highest byte first.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database, "file formats".
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import FileError, FormatError
from ...engine.formats.files import read_bytes
from .dataset import Dataset, Source
from .packed import LARGEST, first
from .pictures import Part, Pictures, Scaling, check_labels, dataset_of

TYPES: Final = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""The types of numbers, by the byte that states them."""

PREFIX: Final = {Part.TRAIN: "train", Part.TEST: "t10k"}
CLASSES: Final = 10
"""Of MNIST and of the sets made to take its place."""

WITHIN: Final = ("", "raw", "MNIST/raw", "FashionMNIST/raw")
"""Where in a folder the four files may lie; the longer ones are torchvision's."""


def read_idx(path: Path) -> tuple[NDArray[Any], Source]:
    """Return the array that an IDX file holds, and where it came from.

    Args:
        path: of the file, plain or gzipped.

    Raises:
        FileError: it is missing or cannot be read.
        FormatError: it is no IDX file, is cut short, or holds more than it states.
    """
    data = read_bytes(path, LARGEST)
    head = first(data, 4, path)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or not head[3]:
        raise FormatError(
            f"{path}: begins with the bytes {head.hex(' ') or '(none)'}: an IDX file begins with "
            f"00 00, a type ({', '.join(f'{code:02x}' for code in TYPES)}) and the number of axes; "
            "name an IDX file, or fetch it again"
        )
    axes, dtype = head[3], np.dtype(TYPES[head[2]])
    lengths = first(data, 4 + 4 * axes, path)[4:]
    if len(lengths) < 4 * axes:
        raise FormatError(f"{path}: is cut short within its head: fetch it again")
    shape = struct.unpack(f">{axes}I", lengths)
    size = math.prod(shape) * dtype.itemsize
    if size > LARGEST:
        raise FormatError(
            f"{path}: states the shape {shape}, which is more than {LARGEST >> 20} MiB: it is "
            "damaged; fetch it again"
        )
    body = first(data, 4 + 4 * axes + size + 1, path)[4 + 4 * axes :]
    if len(body) != size:
        held = f"only {len(body)}" if len(body) < size else "more"
        raise FormatError(
            f"{path}: states the shape {shape}, {size} bytes, and holds {held}: it is damaged; "
            "fetch it again"
        )
    return np.frombuffer(body, dtype).reshape(shape), Source.of(path, data)


def read_idx_folder(folder: Path, name: str, part: Part, scaling: Scaling) -> Dataset:
    """Return the pictures of a folder with the four files of MNIST or of one of its kin.

    Args:
        folder: with train-images-idx3-ubyte, train-labels-idx1-ubyte and the like for t10k, each
            plain or with the ending .gz.
        name: of the set, as `secateur fetch` knows it.
        part: the training files, the test files, or both.
        scaling: from levels to network units.

    Raises:
        FileError: one of the files is missing or cannot be read.
        FormatError: one of them is damaged, has another kind of numbers or another count of rows
            than its fellow, or a label that is no class.
    """
    wanted = [Part.TRAIN, Part.TEST] if part is Part.ALL else [part]
    parts = [_read_part(folder, PREFIX[one], name) for one in wanted]
    if len({one.levels.shape[1:] for one in parts}) > 1:
        shapes = " and ".join(str(one.levels.shape[2:]) for one in parts)
        raise FormatError(
            f"{folder}: its training and test pictures have shapes {shapes}: they are of two "
            "sets; fetch one of them again"
        )
    return dataset_of(parts, part, CLASSES, name, scaling)


def _read_part(folder: Path, prefix: str, name: str) -> Pictures:
    images = _find(folder, f"{prefix}-images", "idx3-ubyte", name)
    labels = _find(folder, f"{prefix}-labels", "idx1-ubyte", name)
    levels, from_images = _read_bytes_of(images, 3)
    classed, from_labels = _read_bytes_of(labels, 1)
    if len(levels) != len(classed):
        raise FormatError(
            f"{images}: holds {len(levels)} pictures, {labels} {len(classed)} labels: they are of "
            "two sets; fetch them again"
        )
    if not levels.size:
        raise FormatError(f"{images}: holds no picture: fetch it again")
    numbers = classed.astype(np.int64)
    check_labels(numbers, CLASSES, labels)
    return Pictures(levels[:, None], numbers, (from_images, from_labels))


def _read_bytes_of(path: Path, axes: int) -> tuple[NDArray[np.uint8], Source]:
    array, source = read_idx(path)
    if array.ndim != axes or array.dtype != np.uint8:
        raise FormatError(
            f"{path}: holds {array.dtype.name} numbers on {array.ndim} axes: bytes on {axes} are "
            "needed; put the file of that name there"
        )
    return array, source


def _find(folder: Path, stem: str, kind: str, name: str) -> Path:
    """Return the first of a file's usual names and places that is there.

    Raises:
        FileError: none is.
    """
    spelt = [f"{stem}{dot}{kind}{packed}" for packed in ("", ".gz") for dot in ("-", ".")]
    for path in (folder / within / file for within in WITHIN for file in spelt):
        if path.is_file():
            return path
    raise FileError(
        f"{folder}: there is no {stem}-{kind}, nor with .gz: put it there, or run `secateur fetch "
        f"{name} --to {folder}`"
    )
