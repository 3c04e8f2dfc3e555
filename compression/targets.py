"""What a compressed network is to learn: points, the values it should have there, and samples.

Source: S. Mo, A. Nejati et al. 2024, on damped targets at counterexamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.region import Region

Array = NDArray[np.float64]

SPREAD = 8192
"""Random points of the regions in a lesson; fewer where inputs are wide, see `spread`."""

NUMBERS = 2**21
"""Numbers that the random points of a lesson hold together, about: 16 MB of float64."""

NEAR = 0.02
"""How far the points around a counterexample lie from it, as a share of the region's width."""


class Samples(Protocol):
    """A data set, as far as retraining reads it."""

    @property
    def inputs(self) -> NDArray[np.float32]:
        """``(samples, inputs)``, network units."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """``(samples,)`` the right class, which the largest output should name."""

    @property
    def targets(self) -> Array | None:
        """``(samples, outputs)`` the right outputs."""


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Points and what a network should compute there.

    Attributes:
        points: ``(points, inputs)`` float64, network units.
        targets: ``(points, outputs)`` float64.
        hard: how many of the first points are counterexamples or near one; a batch takes half of
            its points from them.
        samples: of a data set, learned beside; None without one.
    """

    points: Array
    targets: Array
    hard: int
    samples: Samples | None = None


def damped(original: Array, compressed: Array, damping: float) -> Array:
    """Return the targets ``g + (f - g) / damping``.

    Args:
        original: f at points, ``(points, outputs)``.
        compressed: g there, the same shape.
        damping: at least 1; 1 gives f itself, the plain distillation.

    Raises:
        InputError: a damping below 1, or none.
    """
    if not (damping >= 1.0 and np.isfinite(damping)):
        raise InputError(f"damping {damping:g}: give a number of at least 1")
    if damping == 1.0:
        return original
    return compressed + (original - compressed) / damping


def spread(regions: tuple[Region, ...], rng: np.random.Generator) -> Array:
    """Return random points of all regions ``(points, inputs)``, most inside, some on faces."""
    count = int(np.clip(NUMBERS // regions[0].size, 512, SPREAD)) // len(regions) + 1
    parts = []
    for region in regions:
        share = rng.random((count, region.size))
        # Distances are largest on faces more often than chance would have it.
        side = rng.random((count, region.size)) < rng.random((count, 1)) ** 2
        share = np.where(side, np.round(share), share)
        parts.append(inside(region, region.lower + share * (region.upper - region.lower)))
    return np.concatenate(parts)


def around(
    points: Array, lower: Array, upper: Array, regions: tuple[Region, ...], rng: np.random.Generator
) -> Array:
    """Return counterexamples, points near them, and points of boxes that stayed open.

    Args:
        points: ``(points, inputs)`` of the regions.
        lower: ``(boxes, inputs)`` in the regions.
        upper: the same.
        regions: at least one; what leaves the first that holds a point is moved back into it.
        rng: source of randomness.

    Returns:
        ``(3 points + 4 boxes, inputs)``.
    """
    low = np.array([region.lower for region in regions])
    high = np.array([region.upper for region in regions])
    holds = ((points[:, None] >= low) & (points[:, None] <= high)).all(axis=2)
    home = holds.argmax(axis=1)
    parts = [points]
    for _ in range(2):
        moved = points + NEAR * rng.normal(size=points.shape) * (high - low)[home]
        parts.append(np.clip(moved, low[home], high[home]))
    for _ in range(4):
        share = rng.random(lower.shape)
        parts.append(np.clip(lower + share * (upper - lower), lower, upper))
    return np.concatenate(parts)


def inside(region: Region, points: Array) -> Array:
    """Return points moved into a region."""
    return np.asarray(np.clip(points, region.lower, region.upper))


def lessons(
    original: Network,
    compressed: Network,
    hard: Array,
    easy: Array,
    damping: float = 1.0,
    samples: Samples | None = None,
) -> Lessons:
    """Return what a compressed network is to learn next.

    Args:
        original: f.
        compressed: g, from which damped targets set out.
        hard: ``(points, inputs)`` where they are far apart.
        easy: ``(points, inputs)`` anywhere in the region.
        damping: see `damped`.
        samples: to learn beside.
    """
    points = np.concatenate([hard, easy])
    values = original.evaluate(points)
    if damping != 1.0:
        values = damped(values, compressed.evaluate(points), damping)
    return Lessons(points, values, len(hard), samples)
