"""Methods of compression: what each one takes away, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.operators import frozen
from ..engine.region import Region

Array = NDArray[np.float64]


class Scope(StrEnum):
    """What weights are compared with."""

    GLOBAL = "global"
    """With those of all layers: layers lose different shares."""
    TENSOR = "tensor"
    """With those of their own layer: every layer loses the same share."""


class Norm(StrEnum):
    """How large a row of weights is."""

    ONE = "1"
    """Mean of the magnitudes."""
    TWO = "2"
    """Root of the mean square."""


class Fit(StrEnum):
    """How the step of a grid is chosen."""

    COVER = "cover"
    """The smallest power of two whose grid reaches all values."""
    SQUARES = "squares"
    """The power of two of least squared error; values beyond its grid are clipped."""


@dataclass(frozen=True, slots=True)
class Magnitude:
    """The weights of smallest magnitude become zero.

    Attributes:
        share: of the weights, in [0, 1).
        scope: what they are compared with.

    Raises:
        InputError: a share outside [0, 1).
    """

    share: float
    scope: Scope = Scope.GLOBAL

    def __post_init__(self) -> None:
        _check_share(self.share)


@dataclass(frozen=True, slots=True)
class Random:
    """Weights drawn at random become zero: the control of `Magnitude`.

    Attributes:
        share: of the weights, in [0, 1).
        scope: global draws from all layers together, tensor the same share of each.

    Raises:
        InputError: a share outside [0, 1).
    """

    share: float
    scope: Scope = Scope.GLOBAL

    def __post_init__(self) -> None:
        _check_share(self.share)


@dataclass(frozen=True, slots=True)
class Rows:
    """Neurons and channels with the smallest incoming weights leave the network for good.

    Attributes:
        share: of the rows that can be removed, in [0, 1); each layer keeps one at least.
        scope: what rows are compared with.
        norm: how large a row is.

    Raises:
        InputError: a share outside [0, 1).
    """

    share: float
    scope: Scope = Scope.TENSOR
    norm: Norm = Norm.TWO

    def __post_init__(self) -> None:
        _check_share(self.share)


@dataclass(frozen=True, slots=True)
class Float16:
    """Weights and biases are stored as float16 and computed with in float32."""


@dataclass(frozen=True, slots=True)
class Int8Weights:
    """Weights are stored as int8, a float32 scale for each output channel; all else is float32."""


@dataclass(frozen=True, slots=True)
class ProvedRanges:
    """Activations range as far as linear bounds over a region prove.

    Attributes:
        region: closed box in network units.
    """

    region: Region


@dataclass(frozen=True, slots=True, eq=False)
class SeenRanges:
    """Activations range as far as they do at points.

    Attributes:
        points: ``(points, inputs)`` float64, finite, network units; at least one.

    Raises:
        InputError: no point.
        NetworkError: a NaN or infinite entry.
    """

    points: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", frozen(self.points, "calibration points", 2))
        if not len(self.points):
            raise InputError("no calibration point: give one at least")


@dataclass(frozen=True, slots=True)
class Int8:
    """Weights and activations are int8, biases int32, and every scale is a power of two.

    Attributes:
        ranges: how far activations are expected to range; beyond it they are clipped.
        fit: how steps are chosen. Proved ranges are always covered.
    """

    ranges: ProvedRanges | SeenRanges
    fit: Fit = Fit.COVER


@dataclass(frozen=True, slots=True)
class LowRank:
    """A layer becomes two, of lower rank, wherever that is smaller: truncated SVD.

    Attributes:
        rank: of each layer, at least 1; None where a share says it.
        share: of a layer's weights that its two factors may have, in (0, 1); None with a rank.

    Raises:
        InputError: neither or both of them; a rank below 1; a share outside (0, 1).
    """

    rank: int | None = None
    share: float | None = field(default=None)

    def __post_init__(self) -> None:
        if (self.rank is None) == (self.share is None):
            raise InputError("low rank takes a rank or a share: give one of them")
        if self.rank is not None and self.rank < 1:
            raise InputError(f"rank {self.rank}: give 1 or more")
        if self.share is not None and not 0.0 < self.share < 1.0:
            raise InputError(f"share {self.share:g}: give a number above 0 and below 1")


Method = Magnitude | Random | Rows | Float16 | Int8Weights | Int8 | LowRank


def _check_share(share: float) -> None:
    if not 0.0 <= share < 1.0:
        raise InputError(f"share {share:g}: give a number from 0 to below 1")
