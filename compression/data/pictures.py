"""Pictures as files hold them, grey levels from 0 to 255, and as networks take them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import FormatError, InputError
from .dataset import Dataset, Source

LEVELS: Final = 256
"""Levels that a byte tells apart."""

ROWS: Final = 1024
"""Pictures that are scaled at a time: numpy widens their levels to eight bytes meanwhile."""

Levels = NDArray[np.uint8]
Whole = NDArray[np.int64]


class Part(StrEnum):
    """Which rows to read of a set whose publisher sets a test set apart."""

    ALL = "all"
    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a level becomes a number in network units: ``(level / divisor - mean) / deviation``.

    It is computed in float64 and rounded to float32 once.

    Attributes:
        divisor: above 0; 255 for levels from 0 to 1.
        mean, deviation: one for each channel, or one for all of them; no unit; deviations above 0.

    Raises:
        InputError: a number that is not finite, or a divisor or deviation that is not above 0.
    """

    divisor: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        numbers = (self.divisor, *self.mean, *self.deviation)
        if not all(math.isfinite(number) for number in numbers):
            raise InputError(f"scaling {numbers}: give finite numbers")
        if self.divisor <= 0 or min(self.deviation, default=0.0) <= 0 or not self.mean:
            raise InputError(
                f"scaling by {self.divisor}, means {self.mean}, deviations {self.deviation}: give "
                "a mean for each channel and a divisor and deviations above 0"
            )

    def apply(self, levels: Levels) -> NDArray[np.float32]:
        """Return pictures ``(rows, channels, height, width)`` as ``(rows, features)`` float32.

        Raises:
            InputError: means or deviations for another number of channels.
        """
        rows, channels = levels.shape[:2]
        for what, given in (("means", self.mean), ("deviations", self.deviation)):
            if len(given) not in (1, channels):
                raise InputError(
                    f"scaling with {len(given)} {what}: the pictures have {channels} channels; "
                    "give one for each, or one"
                )
        mean = np.broadcast_to(np.array(self.mean), (channels,))
        deviation = np.broadcast_to(np.array(self.deviation), (channels,))
        out = np.empty(levels.shape, dtype=np.float32)
        for channel in range(channels):
            number = (np.arange(LEVELS) / self.divisor - mean[channel]) / deviation[channel]
            single = number.astype(np.float32)
            for begin in range(0, rows, ROWS):
                part = slice(begin, begin + ROWS)
                out[part, channel] = single[levels[part, channel]]
        flat = out.reshape(rows, -1)
        flat.setflags(write=False)
        return flat


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures with their labels, as one part of a set has them.

    Attributes:
        levels: ``(rows, channels, height, width)`` uint8.
        labels: ``(rows,)`` int64.
        source: the files they were read from.
    """

    levels: Levels
    labels: Whole
    source: tuple[Source, ...]


def dataset_of(
    parts: Sequence[Pictures], part: Part, classes: int, name: str, scaling: Scaling
) -> Dataset:
    """Return the pictures of one part, or of the training part and then the test part.

    Args:
        parts: as many as `part` asks for, the training part first; pictures of one shape.
        part: which they are.
        classes: how many there are.
        name: of the set.
        scaling: from levels to network units.
    """
    levels = np.concatenate([one.levels for one in parts]) if len(parts) > 1 else parts[0].levels
    return Dataset(
        scaling.apply(levels),
        levels.shape[1:],
        np.concatenate([one.labels for one in parts]),
        classes=classes,
        name=name,
        source=tuple(dict.fromkeys(source for one in parts for source in one.source)),
        published=0 if part is Part.TEST else len(parts[0].labels),
    )


def check_labels(labels: Whole, classes: int, path: Path | str, what: str = "item") -> None:
    """Raise FormatError, with the file and the place, where a label is no class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        place = int(wrong[0])
        raise FormatError(
            f"{path}: {what} {place} has label {int(labels[place])}: the {classes} classes are "
            f"numbered 0 to {classes - 1}; correct it, or fetch the file again"
        )
