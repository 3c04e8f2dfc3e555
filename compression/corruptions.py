"""Common corruptions of pictures and tables: seeded, in five severities.

Pictures are corrupted in shares of the range of their levels, from black to white, and stay in it;
columns of tables in shares of their deviation.

Source: D. Hendrycks, T. Dietterich, Benchmarking neural network robustness to common corruptions
and perturbations, ICLR 2019, for the kinds; N. Mu, J. Gilmer, MNIST-C, 2019, for the translation.
Severities are this project's, for pictures of about 30 by 30, where 1 can hardly be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError

Singles = NDArray[np.float32]
Array = NDArray[np.float64]

SEVERITIES: Final = (1, 2, 3, 4, 5)


class Kind(StrEnum):
    """What is done to an input."""

    NOISE = "noise"
    """Gaussian noise."""
    SHOT = "shot-noise"
    """Poisson noise: so many photons for white."""
    BLUR = "blur"
    """Gaussian blur."""
    CONTRAST = "contrast"
    BRIGHTNESS = "brightness"
    PIXELATE = "pixelate"
    """Means of square blocks in place of pixels."""
    TRANSLATION = "translation"
    """A shift by whole pixels in one of eight directions; black moves in."""
    MISSING = "missing"
    """Values of a table replaced by their column's mean."""


PICTURES: Final = (
    Kind.NOISE,
    Kind.SHOT,
    Kind.BLUR,
    Kind.CONTRAST,
    Kind.BRIGHTNESS,
    Kind.PIXELATE,
    Kind.TRANSLATION,
)
TABLES: Final = (Kind.NOISE, Kind.MISSING)

AMOUNTS: Final = {
    Kind.NOISE: (0.05, 0.1, 0.2, 0.3, 0.4),  # standard deviation
    Kind.SHOT: (60.0, 25.0, 12.0, 5.0, 3.0),  # photons
    Kind.BLUR: (0.4, 0.7, 1.0, 1.5, 2.0),  # standard deviation, pixels
    Kind.CONTRAST: (0.6, 0.4, 0.3, 0.2, 0.1),  # factor on the distance from the picture's mean
    Kind.BRIGHTNESS: (0.1, 0.2, 0.3, 0.4, 0.5),  # added
    Kind.PIXELATE: (2.0, 3.0, 4.0, 5.0, 7.0),  # side of a block, pixels
    Kind.TRANSLATION: (1.0, 2.0, 3.0, 4.0, 6.0),  # pixels
    Kind.MISSING: (0.05, 0.1, 0.2, 0.35, 0.5),  # share of the values
}
"""By severity, from 1 to 5."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What clean inputs look like, from training data.

    Attributes:
        low, high: least and greatest value of any input, network units.
        mean, deviation: ``(features,)`` of each.
    """

    low: float
    high: float
    mean: Array
    deviation: Array

    @classmethod
    def of(cls, inputs: Singles) -> Scale:
        """Return the scale of inputs ``(rows, features)``.

        Raises:
            InputError: no row.
        """
        if not len(inputs):
            raise InputError("no row to take the range of inputs from: give at least one")
        wide = inputs.astype(np.float64)
        return cls(float(wide.min()), float(wide.max()), wide.mean(axis=0), wide.std(axis=0))


def kinds_for(shape: tuple[int, ...]) -> tuple[Kind, ...]:
    """Return what can be done to inputs of a shape: channels, height and width, or a table's."""
    return PICTURES if len(shape) == 3 else TABLES


def corrupted(
    inputs: Singles, shape: tuple[int, ...], kind: Kind, severity: int, scale: Scale, seed: int
) -> Singles:
    """Return corrupted inputs; the same seed gives the same.

    Args:
        inputs: ``(rows, features)`` float32, network units.
        shape: of one input.
        kind: one of those for the shape.
        severity: 1 to 5.
        scale: of clean inputs.
        seed: of the noise.

    Raises:
        InputError: another severity, or a kind that inputs of the shape do not have.
    """
    if severity not in SEVERITIES:
        raise InputError(f"severity {severity}: give a whole number from 1 to {SEVERITIES[-1]}")
    if kind not in kinds_for(shape):
        what = "pictures" if len(shape) == 3 else "tables"
        raise InputError(f"{kind}: {what} have {', '.join(kinds_for(shape))}")
    rng = np.random.default_rng([seed, list(Kind).index(kind), severity])
    amount = AMOUNTS[kind][severity - 1]
    if len(shape) != 3:
        return _table(inputs, kind, amount, scale, rng)
    span = (scale.high - scale.low) or 1.0
    pictures = ((inputs.astype(np.float64) - scale.low) / span).reshape(-1, *shape)
    changed = np.clip(_picture(pictures, kind, amount, rng), 0.0, 1.0)
    return (scale.low + span * changed).astype(np.float32).reshape(inputs.shape)


def _table(
    inputs: Singles, kind: Kind, amount: float, scale: Scale, rng: np.random.Generator
) -> Singles:
    if kind is Kind.MISSING:
        lost = rng.random(inputs.shape) < amount
        return np.where(lost, scale.mean, inputs).astype(np.float32)
    noise = rng.normal(size=inputs.shape) * (amount * scale.deviation)
    return (inputs + noise).astype(np.float32)


def _picture(pictures: Array, kind: Kind, amount: float, rng: np.random.Generator) -> Array:
    """Return pictures ``(rows, channels, height, width)`` of levels from 0 to 1, corrupted."""
    match kind:
        case Kind.NOISE:
            return pictures + amount * rng.normal(size=pictures.shape)
        case Kind.SHOT:
            return rng.poisson(np.clip(pictures, 0.0, 1.0) * amount) / amount
        case Kind.BLUR:
            from scipy.ndimage import gaussian_filter

            blurred: Array = gaussian_filter(pictures, (0.0, 0.0, amount, amount), mode="nearest")
            return blurred
        case Kind.CONTRAST:
            middle = pictures.mean(axis=(1, 2, 3), keepdims=True)
            return np.asarray(middle + amount * (pictures - middle))
        case Kind.BRIGHTNESS:
            return pictures + amount
        case Kind.PIXELATE:
            return _blocks(pictures, int(amount))
        case Kind.TRANSLATION:
            return _shifted(pictures, int(amount), rng)
        case Kind.MISSING:
            raise AssertionError("tables alone have missing values")
        case _ as never:
            assert_never(never)


def _blocks(pictures: Array, side: int) -> Array:
    """Return pictures of the means of square blocks; those at the edge may be cut."""
    changed = pictures
    for axis in (2, 3):
        starts = np.arange(0, pictures.shape[axis], side)
        sizes = np.diff([*starts, pictures.shape[axis]])
        shape = [1, 1, 1, 1]
        shape[axis] = len(sizes)
        means = np.add.reduceat(changed, starts, axis=axis) / sizes.reshape(shape)
        changed = np.repeat(means, sizes, axis=axis)
    return changed


def _shifted(pictures: Array, most: int, rng: np.random.Generator) -> Array:
    """Return each picture moved by so many pixels, up or down, left or right, or both."""
    ways = np.array([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b])
    chosen = ways[rng.integers(0, len(ways), len(pictures))] * most
    height, width = pictures.shape[2:]
    padded = np.pad(pictures, ((0, 0), (0, 0), (most, most), (most, most)))
    down = (most - chosen[:, 0])[:, None] + np.arange(height)
    right = (most - chosen[:, 1])[:, None] + np.arange(width)
    rows = np.arange(len(pictures))[:, None, None]
    moved = padded.transpose(0, 2, 3, 1)[rows, down[:, :, None], right[:, None, :]]
    return np.asarray(moved.transpose(0, 3, 1, 2))
