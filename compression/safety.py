"""Safety sets: the images on which a compressed network must stay right.

A safety set is the union of three equal shares: images with the strongest evidence for their class
(Grad-CAM), images that the network tells apart worst (softmax margin), and images that stand for
the groups that it sees (k-means on its last convolution's activations). Rows are drawn from
training and validation data alone; test data are never read.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from ..engine.errors import InputError
from ..engine.network import Network
from .data import Dataset, Split, fits
from .grad_cam import Seen, seen

Whole = NDArray[np.int64]
Doubles = NDArray[np.float64]

FITTED: Final = 10_000
"""Rows that centres are fitted to at most; all rows are then given to their nearest centre."""

TRIES: Final = 4
"""Starts of k-means; the one with the least sum of squared distances is kept."""


class Reason(IntEnum):
    """Why an image is in a safety set."""

    EVIDENCE = 0
    """Its Grad-CAM map is among the strongest of its class."""
    MARGIN = 1
    """The softmax of the best class is hardly above that of the next."""
    CENTRE = 2
    """It is near the centre of a cluster."""


@dataclass(frozen=True, slots=True, eq=False)
class SafetySet:
    """A safety set.

    Attributes:
        images: with their labels; `images.rows` are their numbers in the data set as it was read.
        reason: ``(images,)`` int64, a `Reason` each.
        heat: ``(images,)`` float64, the mean of the Grad-CAM map of the label, output units.
        margin: ``(images,)`` float64, softmax of the best class less that of the next, no unit.
        cluster: ``(images,)`` int64.

    Raises:
        InputError: arrays of other lengths; images without labels.
    """

    images: Dataset
    reason: Whole
    heat: Doubles
    margin: Doubles
    cluster: Whole

    def __post_init__(self) -> None:
        if self.images.labels is None:
            raise InputError(f"{self.images.name}: a safety set needs labels")
        for name, dtype in (
            ("reason", np.int64),
            ("heat", np.float64),
            ("margin", np.float64),
            ("cluster", np.int64),
        ):
            array = np.array(getattr(self, name), dtype=dtype)
            if array.shape != (len(self.images),):
                raise InputError(f"a safety set of {len(self.images)} images needs a {name} each")
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.images)

    def count(self) -> dict[Reason, int]:
        """Return how many images are there for each reason."""
        return {reason: int(np.count_nonzero(self.reason == reason)) for reason in Reason}


def safety_set(
    network: Network, data: Split, count: int, seed: int, clusters: int | None = None
) -> SafetySet:
    """Return the safety set of a trained network.

    The three shares are drawn one after the other, each from the images that are left, so all are
    different: evidence with equal numbers for each class, margins over all, centres with equal
    numbers for each cluster as far as these have as many.

    Args:
        network: trained, before it is compressed.
        data: its training and validation parts are drawn from.
        count: images; shares differ by one at most.
        seed: of the centres' starts.
        clusters: of k-means; as many as classes when None.

    Raises:
        InputError: data without labels or with too few rows.
        UnsupportedError: a network that is no chain of dense layers, convolutions and ReLUs.
    """
    pool = joined(data.train, data.validation)
    if pool.labels is None:
        raise InputError(f"{pool.name}: a safety set needs labels: give data with classes")
    fits(pool, network, every_class=False)
    if not 0 < count <= len(pool):
        raise InputError(
            f"a safety set of {count} images: {pool.name} has {len(pool)} rows for training and "
            "validation; ask for 1 to that many"
        )
    groups = pool.classes if clusters is None else clusters
    if not 1 <= groups <= len(pool):
        raise InputError(f"{groups} clusters of {len(pool)} rows: give 1 or more, fewer than rows")
    found = seen(network, pool.inputs, pool.labels)
    margins = margin_of(found)
    cluster, distance = clustered(found.embedding, groups, np.random.default_rng(seed))
    group = {Reason.EVIDENCE: pool.labels, Reason.CENTRE: cluster}
    rank = {Reason.EVIDENCE: -found.heat, Reason.MARGIN: margins, Reason.CENTRE: distance}
    taken = dict[int, Reason]()
    for reason in Reason:
        share = count // len(Reason) + (reason < count % len(Reason))
        left = np.setdiff1d(np.arange(len(pool)), np.array(list(taken), dtype=np.int64))
        groups_left = group.get(reason, np.zeros_like(cluster))[left]
        new = left[in_turn(groups_left, rank[reason][left])[:share]]
        taken |= dict.fromkeys(new.tolist(), reason)
    rows = np.array(list(taken), dtype=np.int64)
    images = pool.subset(rows, f"{pool.name}, safety set")
    reasons = np.array(list(taken.values()), dtype=np.int64)
    return SafetySet(images, reasons, found.heat[rows], margins[rows], cluster[rows])


def random_set(data: Split, count: int, seed: int) -> Dataset:
    """Return as many images drawn at random from the same rows, to compare a safety set with."""
    pool = joined(data.train, data.validation)
    rows = np.random.default_rng(seed).permutation(len(pool))[:count]
    return pool.subset(np.sort(rows), f"{pool.name}, at random")


def joined(train: Dataset, validation: Dataset) -> Dataset:
    """Return the rows of both parts of a set; row numbers stay."""
    if not len(validation):
        return train
    name = train.name.removesuffix(", train")
    return Dataset(
        np.concatenate([train.inputs, validation.inputs]),
        train.shape,
        _both(train.labels, validation.labels),
        None,
        train.classes,
        name,
        train.source,
        np.concatenate([train.rows, validation.rows]),
        train.published,
    )


def margin_of(found: Seen) -> Doubles:
    """Return ``(rows,)``: the softmax of the best class less that of the next, from 0 to 1."""
    outputs = found.outputs.astype(np.float64)
    if outputs.shape[1] < 2:
        raise InputError("a network of one output has no margin: a safety set needs classes")
    power = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    best = np.sort(power / power.sum(axis=1, keepdims=True), axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


def in_turn(group: Whole, rank: Doubles) -> Whole:
    """Return all rows, a row of each group in turn, in each group by rank, the least first.

    Args:
        group: ``(rows,)``, of each row.
        rank: ``(rows,)``; equal ones in the order of the rows.
    """
    order = np.argsort(rank, kind="stable")
    turn = np.empty(len(order), dtype=np.int64)
    for one in np.unique(group):
        mine = order[group[order] == one]
        turn[mine] = np.arange(len(mine))
    return np.lexsort((group, turn))


def clustered(
    values: NDArray[np.float32], count: int, rng: np.random.Generator
) -> tuple[Whole, Doubles]:
    """Return the cluster of each row and the distance to its centre, by k-means.

    Args:
        values: ``(rows, features)``.
        count: clusters; some may stay empty where rows are alike.
        rng: of the starts, drawn as k-means++ has it (Arthur, Vassilvitskii 2007).
    """
    points = values.astype(np.float64)
    some = points
    if len(points) > FITTED:
        some = points[np.sort(rng.permutation(len(points))[:FITTED])]
    best, least = points[:1], np.inf
    for _ in range(TRIES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a cluster may be empty
            centres, _ = kmeans2(some, _starts(some, count, rng), iter=25, minit="matrix")
        total = float(np.square(vq(some, centres)[1]).sum())
        if total < least:
            best, least = centres, total
    cluster, distance = vq(points, best)
    return cluster.astype(np.int64), np.asarray(distance, dtype=np.float64)


def _starts(points: Doubles, count: int, rng: np.random.Generator) -> Doubles:
    chosen = [points[int(rng.integers(len(points)))]]
    far = np.square(points - chosen[0]).sum(axis=1)
    for _ in range(count - 1):
        total = float(far.sum())
        at = rng.choice(len(points), p=far / total) if total > 0 else rng.integers(len(points))
        chosen.append(points[int(at)])
        far = np.minimum(far, np.square(points - chosen[-1]).sum(axis=1))
    return np.stack(chosen)


def _both(first: Whole | None, second: Whole | None) -> Whole | None:
    parts: Sequence[Whole] = [part for part in (first, second) if part is not None]
    return np.concatenate(parts) if len(parts) == 2 else None
