"""What `compress` is asked to take away, from its words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..compression.method import (
    Fit,
    Float16,
    Int8,
    Int8Weights,
    LowRank,
    Magnitude,
    Method,
    ProvedRanges,
    Random,
    Rows,
    Scope,
    SeenRanges,
)
from ..engine.errors import InputError
from ..engine.region import Region
from .compress_words import Ranges, Span, Step, Way

Array = NDArray[np.float64]

TAKEN = {
    "--share": (Way.MAGNITUDE, Way.RANDOM, Way.ROWS, Way.LOWRANK),
    "--scope": (Way.MAGNITUDE, Way.RANDOM, Way.ROWS),
    "--rank": (Way.LOWRANK,),
    "--ranges": (Way.INT8,),
    "--fit": (Way.INT8,),
}
"""The methods that an option goes with."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be taken away.

    Attributes:
        way: the method.
        share, scope, rank, ranges, fit: its options; None where they are not given.

    Raises:
        InputError: an option that does not go with the method, or is missing or out of range.
    """

    way: Way
    share: float | None = None
    scope: Span | None = None
    rank: int | None = None
    ranges: Ranges | None = None
    fit: Step | None = None

    def __post_init__(self) -> None:
        """Check that the options go with the method, and their numbers."""
        for option, ways in TAKEN.items():
            value = getattr(self, option[2:])
            if value is not None and self.way not in ways:
                raise InputError(
                    f"{option} {value}: goes with --method {' or '.join(ways)}; leave it out with "
                    f"{self.way.value}"
                )
        if self.way is Way.LOWRANK:
            if (self.rank is None) == (self.share is None):
                raise InputError("--method lowrank: give --rank or --share, one of them")
            if self.rank is not None and self.rank < 1:
                raise InputError(f"--rank {self.rank}: give 1 or more")
        elif self.way in TAKEN["--share"] and self.share is None:
            raise InputError(f"--method {self.way.value}: say how much goes with --share")
        if self.share is not None and not 0.0 < self.share < 1.0:
            raise InputError(
                f"--share {self.share:g}: give a number above 0 and below 1; secateur simplify "
                "makes networks smaller without loss"
            )
        if self.ranges is Ranges.PROVED and self.fit is Step.SQUARES:
            raise InputError(
                "--fit squares: needs points to take errors at; leave it out with --ranges proved"
            )

    def method(self, region: Region | None, points: Array | None) -> Method:
        """Return the method.

        Args:
            region: where activations are looked at; None where none is given.
            points: ``(points, inputs)`` at which they are; None likewise.

        Raises:
            InputError: int8 without what its ranges need.
        """
        scope = None if self.scope is None else Scope(self.scope.value)
        share = self.share or 0.0
        match self.way:
            case Way.MAGNITUDE:
                return Magnitude(share, scope or Scope.GLOBAL)
            case Way.RANDOM:
                return Random(share, scope or Scope.GLOBAL)
            case Way.ROWS:
                return Rows(share, scope or Scope.TENSOR)
            case Way.FLOAT16:
                return Float16()
            case Way.INT8_WEIGHTS:
                return Int8Weights()
            case Way.LOWRANK:
                return LowRank(self.rank, self.share)
            case Way.INT8:
                return self._int8(region, points)

    def _int8(self, region: Region | None, points: Array | None) -> Int8:
        if self.ranges is Ranges.PROVED:
            if region is None:
                raise InputError("--ranges proved: say where with --region")
            return Int8(ProvedRanges(region), Fit.COVER)
        if points is None:
            raise InputError(
                "--method int8: it has to look at activations; give --region, or --data with points"
            )
        return Int8(SeenRanges(points), Fit((self.fit or Step.SQUARES).value))
