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

_SAMPLED = 10_000
_PAIRS = 2000
_BLOCK = 1024

_ROUNDS = 64
"""Rounds of the search for a boundary, two of which halve a segment at least; for most pairs of
ACAS Xu about six do."""

_BESIDE = 1e-3
"""Part of a segment by which the second step of a round goes beyond the first."""

_CLOSE_ENOUGH = 2.0**-30
"""Part of the way between two points at which a boundary is found."""

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
    winner, lead = guarantee.leads(_outputs(network, points))
    close = points[np.argsort(lead, kind="stable")[:_CLOSE]]
    one, two = rng.integers(0, count, (2, 20 * _PAIRS))
    apart = np.flatnonzero(winner[one] != winner[two])[:_PAIRS]
    if not apart.size:
        return Seen(points[:_SPREAD], close, none)
    pairs = points[one[apart]], points[two[apart]]
    return Seen(points[:_SPREAD], close, _boundary(network, guarantee, *pairs))


def _outputs(network: Network, points: Array) -> Array:
    """Return the outputs at points, some at a time, so that layers' values stay in cache."""
    parts = [points[at : at + _BLOCK] for at in range(0, len(points), _BLOCK)]
    return np.concatenate([network.evaluate(part) for part in parts])


def _boundary(network: Network, guarantee: SameBest, here: Array, there: Array) -> Array:
    """Return points on either side of a change of the best output, ``(2 pairs, inputs)``.

    Along a segment the lead of the output that is best `here` is piecewise linear. A round looks
    where it would vanish if it were linear between the ends, and then a little beyond, on the side
    of the other end: once both ends stand on one piece, that takes the segment to a thousandth.
    Where a round has not halved it, the next one begins in the middle.

    Args:
        network: the original.
        guarantee: says which output is best.
        here: ``(pairs, inputs)``.
        there: the same, where another output is best.
    """
    own = guarantee.leads(network.evaluate(here))[0]
    leads = np.stack([guarantee.lead_of(network.evaluate(end), own) for end in (here, there)])
    shares = np.stack([np.zeros(len(here)), np.ones(len(here))])  # of the way, of the two ends
    slow = np.zeros(len(here), np.bool_)
    left = np.arange(len(here))
    for _ in range(_ROUNDS):
        (near, far), width = shares[:, left], shares[1, left] - shares[0, left]
        ahead, behind = leads[:, left]
        zero = np.divide(ahead, ahead - behind, out=np.full(left.size, 0.5), where=ahead > behind)
        zero = np.where(slow[left], 0.5, np.clip(zero, _BESIDE, 1.0 - _BESIDE))
        share = near + zero * width
        for step in (0.0, _BESIDE):
            kept = shares[0, left] == share  # the last step stayed on the first side
            share = np.clip(share + np.where(kept, step, -step) * width, near, far)
            points = here[left] + share[:, None] * (there[left] - here[left])
            outputs = network.evaluate(points)
            lead = guarantee.lead_of(outputs, own[left])
            side = (guarantee.leads(outputs)[0] != own[left]).astype(np.int64)  # ties have one too
            inside = (share > shares[0, left]) & (share < shares[1, left])
            shares[side[inside], left[inside]] = share[inside]
            leads[side[inside], left[inside]] = lead[inside]
        slow[left] = shares[1, left] - shares[0, left] > 0.5 * width
        left = left[shares[1, left] - shares[0, left] > _CLOSE_ENOUGH]
        if not left.size:
            break
    ends = [here + share[:, None] * (there - here) for share in shares]
    return np.concatenate(ends)
