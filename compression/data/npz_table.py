"""Tables as NPZ files: arrays under names.

- ``inputs`` ``(rows, ...)``, and beside them ``labels`` ``(rows,)``, ``targets`` ``(rows,
  outputs)`` and ``classes`` (one number) where there are such. Inputs that are bytes are pictures,
  ``(rows, height, width)`` or ``(rows, channels, height, width)``, and are scaled as pictures are.
- ``x_train``, ``y_train``, ``x_test`` and ``y_test``: pictures ``(rows, height, width)`` of bytes
  and their labels, as Keras packs MNIST.
- A score table: see `score_table.py`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import FormatError, InputError
from ...engine.formats.files import read_bytes
from .dataset import Dataset, Source
from .packed import LARGEST
from .pictures import Part, Pictures, Scaling, check_labels, dataset_of
from .score_table import SCORES, read_scores
from .table import Table, Units, dataset_of_table

Arrays = Mapping[str, NDArray[Any]]

KERAS: Final = ("x_train", "y_train", "x_test", "y_test")


def read_npz(
    path: Path, part: Part, classes: int | None, units: Units, scaling: Scaling
) -> Dataset:
    """Return the rows of an NPZ file in one of the forms on top of this file.

    Args:
        path: of the file.
        part: which rows, where the file sets test rows apart.
        classes: how many there are; what the file states, or one more than the largest label, when
            None.
        units: of inputs and targets that are not bytes; a score table has its own when None.
        scaling: of inputs that are bytes.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: it is no NPZ file, lacks an array, or holds sizes or labels that disagree.
        InputError: the training or test part of a file that sets none apart.
    """
    data = read_bytes(path, LARGEST)
    arrays, source = _arrays(data, path), Source.of(path, data)
    if all(name in arrays for name in KERAS):
        return _read_keras(arrays, path, source, part, classes, scaling)
    whole_only(part, path.name)
    if all(name in arrays for name in SCORES):
        return read_scores(arrays, path, source, units)
    if "inputs" not in arrays:
        raise FormatError(
            f"{path}: holds {', '.join(arrays) or 'no array'}: give `inputs` with `labels` or "
            f"`targets`, or {', '.join(KERAS)}"
        )
    return _read_plain(arrays, path, source, classes, units, scaling)


def whole_only(part: Part, name: str) -> None:
    """Raise InputError where a part is asked for of a set that has none.

    Args:
        part: what is asked for.
        name: of the set.
    """
    if part is not Part.ALL:
        raise InputError(f"{name}: has no {part} part of its own: read all of it and split it")


def _arrays(data: bytes, path: Path) -> Arrays:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (MemoryError, NotImplementedError) as error:
        raise FormatError(
            f"{path}: states arrays too large to hold, or is packed in a way that is not known: "
            "write it anew with numpy.savez"
        ) from error
    except (
        *(AttributeError, TypeError, ValueError, OSError, EOFError, KeyError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        why = " ".join(str(error).split())
        raise FormatError(
            f"{path}: is no sound NPZ file ({why}): write it anew with numpy.savez"
        ) from error


def _read_plain(
    arrays: Arrays,
    path: Path,
    source: Source,
    classes: int | None,
    units: Units,
    scaling: Scaling,
) -> Dataset:
    labels, targets = arrays.get("labels"), arrays.get("targets")
    if labels is not None:
        _check_array(labels, "labels", (1,), path)
    if targets is not None:
        _check_array(targets, "targets", (2,), path)
        targets = targets.astype(np.float64)
    if "classes" in arrays and classes is None and labels is not None:
        stated = arrays["classes"]
        if stated.shape or stated.dtype.kind not in "iu":
            raise FormatError(f"{path}: `classes` is no whole number: give one")
        classes = int(stated)
    if (inputs := arrays["inputs"]).dtype == np.uint8 and inputs.ndim in (3, 4):
        levels = inputs[:, None] if inputs.ndim == 3 else inputs
        inputs, shape, units = scaling.apply(levels), levels.shape[1:], None
    else:
        _check_array(inputs, "inputs", tuple(range(2, 6)), path)
        shape = inputs.shape[1:]
    flat = inputs.reshape(len(inputs), -1).astype(np.float64)
    table = Table(flat, labels, targets)
    made = dataset_of_table(table, path, source, classes, units, lambda row: f"{path}, row {row}")
    return replace(made, shape=shape)


def _read_keras(
    arrays: Arrays,
    path: Path,
    source: Source,
    part: Part,
    classes: int | None,
    scaling: Scaling,
) -> Dataset:
    wanted = ["train", "test"] if part is Part.ALL else [str(part)]
    parts = []
    for one in wanted:
        levels, labels = arrays[f"x_{one}"], arrays[f"y_{one}"]
        if levels.dtype != np.uint8 or levels.ndim != 3:
            raise FormatError(
                f"{path}: x_{one} holds {levels.dtype} numbers of shape {levels.shape}: give "
                "bytes, (rows, height, width)"
            )
        if labels.dtype.kind not in "iu" or labels.shape != levels.shape[:1] or not labels.size:
            raise FormatError(
                f"{path}: x_{one} has {len(levels)} pictures and y_{one} {labels.dtype} numbers "
                f"of shape {labels.shape}: give a whole number for each, and one at least"
            )
        parts.append(Pictures(levels[:, None], labels.astype(np.int64), (source,)))
    if len({one.levels.shape[1:] for one in parts}) > 1:
        raise FormatError(f"{path}: x_train and x_test differ in shape: give pictures of one size")
    if classes is None:
        classes = max(int(one.labels.max()) for one in parts) + 1
    for name, pictures in zip(wanted, parts, strict=True):
        check_labels(pictures.labels, max(classes, 1), f"{path}, y_{name}")
    return dataset_of(parts, part, classes, path.name, scaling)


def _check_array(array: NDArray[Any], name: str, axes: tuple[int, ...], path: Path) -> None:
    """Raise FormatError unless an array holds real numbers on one of some counts of axes."""
    if array.dtype.kind not in "iuf" or array.ndim not in axes or not array.size:
        raise FormatError(
            f"{path}: `{name}` has {array.dtype} numbers of shape {array.shape}: give real numbers "
            f"on {' or '.join(str(count) for count in axes)} axes, and at least one row"
        )
