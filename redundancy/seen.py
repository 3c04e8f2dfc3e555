"""Points at which removals are judged before anything is proved: spread out, and where it is close.

Where the best output must stay, what matters lies at the boundaries between two best outputs: pairs
of points on either side are bisected until they all but touch, so that the screen sees whether a
removal moves the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Network
from ..engine.region import Region
from .guarantee import Guarantee, SameBest

Array = NDArray[np.float64]

_SPREAD = 300
_CLOSE = 200
_BOUNDARY = 600
"""Points of each kind that the screen keeps."""

_SAMPLED = 20_000
_PAIRS = 2000
_BISECTIONS = 30

_POINTS_SHARE = 64
"""Inputs up to which all points are used; with more there are fewer in proportion."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Points of a region, all ``(points, inputs)``.

    Attributes:
        spread: anywhere.
        close: where the best output leads least; none where outputs are to stay.
        boundary: pairs on either side of a change of the best output, one after the other; none
            where no change was seen.
    """

    spread: Array
    close: Array
    boundary: Array

    def kept(self, rng: np.random.Generator) -> Array:
        """Return the points for a screen."""
        some = rng.permutation(len(self.boundary))[:_BOUNDARY]
        return np.concatenate([self.spread[:_SPREAD], self.close, self.boundary[some]])


def look(network: Network, region: Region, guarantee: Guarantee, rng: np.random.Generator) -> Seen:
    """Return points to judge removals at.

    Args:
        network: the original.
        region: closed box in network units.
        guarantee: what must stay.
        rng: source of randomness.
    """
    count = max(_SPREAD, _SAMPLED * _POINTS_SHARE // max(_POINTS_SHARE, network.size_in))
    share = rng.random((count, network.size_in))
    share[0], share[1] = 0.0, 1.0
    share[2 : count // 4] = np.round(share[2 : count // 4])  # corners
    rng.shuffle(share)
    points = region.lower + share * (region.upper - region.lower)
    none = np.zeros((0, network.size_in))
    if not isinstance(guarantee, SameBest):
        return Seen(points[:_SPREAD], none, none)
    winner, lead = guarantee.leads(network.evaluate(points))
    close = points[np.argsort(lead, kind="stable")[:_CLOSE]]
    one, two = rng.integers(0, count, (2, 20 * _PAIRS))
    apart = np.flatnonzero(winner[one] != winner[two])[:_PAIRS]
    if not apart.size:
        return Seen(points[:_SPREAD], close, none)
    here, there = points[one[apart]], points[two[apart]]
    own = winner[one[apart]]
    for _ in range(_BISECTIONS):
        middle = 0.5 * (here + there)
        same = (guarantee.leads(network.evaluate(middle))[0] == own)[:, None]
        here, there = np.where(same, middle, here), np.where(same, there, middle)
    return Seen(points[:_SPREAD], close, np.concatenate([here, there]))
