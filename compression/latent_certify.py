"""The certified discrepancy of a network and its compressed one over regions around data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from torch import nn

from ..engine.answer import Effort
from ..engine.discrepancy import Norm, discrepancy
from ..engine.errors import InputError
from ..engine.formats.torch_module import read_torch
from ..engine.network import Network
from ..engine.region import Region
from .data import Dataset


@dataclass(frozen=True, slots=True)
class Certified:
    """The largest ``|f - g|`` of any output over all points of some regions, enclosed.

    Attributes:
        attained: at a point of a region, from rationals; rounded down.
        proved: no point has a larger one; rounded up.
        closed: whether every region's search ended.
    """

    attained: float
    proved: float
    closed: bool


@dataclass(slots=True, eq=False)
class Judge:
    """What bounds compressed networks against their original.

    Attributes:
        module: the original.
        shape: of one input.
        regions: closed boxes, network units, at least one.
        effort: for each region; a limit of boxes makes it repeatable.
    """

    module: nn.Module
    shape: tuple[int, ...]
    regions: Sequence[Region]
    effort: Effort
    _network: Network = field(init=False)

    def __post_init__(self) -> None:
        if not self.regions:
            raise InputError("no region to certify over: give one")
        self._network = read_torch(self.module, self.shape)

    def __call__(self, compressed: nn.Module) -> Certified:
        """Return how far a module of the same inputs and outputs is from the original."""
        other = read_torch(compressed, self.shape)
        attained = proved = 0.0
        closed = True
        for region in self.regions:
            found = discrepancy(self._network, other, region, self.effort)
            span = found.norms[Norm.INF]
            attained, proved = max(attained, span.attained), max(proved, span.proved)
            closed = closed and found.closed
        return Certified(attained, proved, closed)


def balls(data: Dataset, count: int, radius: Fraction) -> list[Region]:
    """Return the boxes of all inputs within a radius of the first rows, in every number.

    They are cut to the range of the data.

    Args:
        data: the rows.
        count: how many, from 1.
        radius: above 0, network units.

    Raises:
        InputError: a count or a radius out of range.
    """
    if not 1 <= count <= len(data):
        raise InputError(f"{data.name}: {count} rows to certify around: give 1 to {len(data)}")
    if radius <= 0:
        raise InputError(f"radius {float(radius):g}: give a number above 0")
    least, most = Fraction(float(data.inputs.min())), Fraction(float(data.inputs.max()))
    regions = []
    for row in range(count):
        middle = [Fraction(float(value)) for value in np.asarray(data.inputs[row])]
        lower = [max(value - radius, least) for value in middle]
        upper = [min(value + radius, most) for value in middle]
        regions.append(Region.box(lower, upper, f"row {row} within {float(radius):g}"))
    return regions
