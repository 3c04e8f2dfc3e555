"""What compression lost, as points show it; nothing is proved here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..compression.form import Compressed
from ..engine.network import Network
from ..engine.region import Region
from .replay import corners_and_more

if TYPE_CHECKING:
    from ..compression.data.dataset import Dataset

Array = NDArray[np.float64]

POINTS = 10_000
"""Points at which both networks are compared, at most."""

WORK = 2_000_000_000
"""Multiply-adds that the comparison may take, so that a large network sees fewer points."""

CHUNK = 256


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """How far two networks were seen apart.

    Attributes:
        points: how many were looked at.
        outputs: ``(outputs,)`` largest difference of each.
        mean: mean difference of an output.
        largest: ``(outputs,)`` largest magnitude of the original's, to measure it by.
        same: share of points with the same largest and the same smallest output.
        accuracy: share of rows that get their label, before and after; None without labels.
    """

    points: int
    outputs: Array
    mean: float
    largest: Array
    same: tuple[float, float]
    accuracy: tuple[float, float] | None


def loss(
    before: Network,
    after: Compressed,
    region: Region | None,
    data: Dataset | None,
    rng: np.random.Generator,
) -> Loss | None:
    """Return how far the networks are apart at points of a region, or else of a data set.

    Args:
        before: the original.
        after: the compressed network.
        region: closed box in network units, or None.
        data: whose labels are looked at, and where there is no region its points; or None.
        rng: draws points and rows.

    Returns:
        What was seen; None where there is neither a region nor data.
    """
    cost = max(1, before.multiply_adds + after.network.multiply_adds)
    most = max(CHUNK, min(POINTS, WORK // cost))
    rows = None
    if data is not None:
        count = len(data.inputs)
        rows = np.sort(rng.permutation(count)[:most]) if count > most else np.arange(count)
    if region is not None:
        points = corners_and_more(region.lattice("float32"), most, rng)
    elif data is not None:
        points = data.inputs[rows].astype(np.float64)
    else:
        return None
    one, two = (_outputs(network, points) for network in (before, after.network))
    apart = np.abs(one - two)
    same = tuple(float((ends(one) == ends(two)).mean()) for ends in (_largest, _smallest))
    accuracy = None
    if data is not None and data.labels is not None:
        labels, inputs = data.labels[rows], data.inputs[rows].astype(np.float64)
        given = [_outputs(network, inputs) for network in (before, after.network)]
        before_it, after_it = (float((_largest(out) == labels).mean()) for out in given)
        accuracy = before_it, after_it
    return Loss(
        len(points),
        apart.max(axis=0),
        float(apart.mean()),
        np.abs(one).max(axis=0),
        (same[0], same[1]),
        accuracy,
    )


def _outputs(network: Network, points: Array) -> Array:
    parts = [
        network.evaluate(points[start : start + CHUNK]) for start in range(0, len(points), CHUNK)
    ]
    return np.concatenate(parts)


def _largest(outputs: Array) -> NDArray[np.int64]:
    return np.asarray(outputs.argmax(axis=1))


def _smallest(outputs: Array) -> NDArray[np.int64]:
    return np.asarray(outputs.argmin(axis=1))
