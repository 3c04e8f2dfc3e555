"""A layer's weights, compressed by themselves: five ways to choose what goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError

Array = NDArray[np.float64]


class Method(StrEnum):
    """What of a layer's weights goes."""

    LOWEST = "lowest"
    """The weights of lowest magnitude become 0."""
    HIGHEST = "highest"
    """Those of highest magnitude: what pruning must not do."""
    RANDOM = "random"
    """Any, as the control."""
    ROWS = "rows"
    """The outputs with the smallest Euclidean norm, whole: neurons, or channels of a kernel."""
    LOWRANK = "lowrank"
    """The smallest singular values: two factors, with the share of numbers left."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Compressed weights.

    Attributes:
        weights: ``(outputs, inputs)`` float64, every one a float32 number.
        kept: ``(outputs, inputs)`` bool, which may be other than 0; all with low rank.
        rank: of the weights with low rank, else None.
        stored: numbers that are left to store, by the numbers there were.
    """

    weights: Array
    kept: NDArray[np.bool_]
    rank: int | None
    stored: float


def check_share(share: float) -> None:
    """Raise InputError unless a share of weights may go."""
    if not (0 < share < 1 and math.isfinite(share)):
        raise InputError(f"sparsity {share:g}: give a share above 0 and below 1")


def cut(weights: Array, method: Method, share: float, rng: np.random.Generator) -> Cut:
    """Return weights of which a share went.

    Counts are rounded down; of weights or rows of equal size the first goes first.

    Args:
        weights: ``(outputs, inputs)``, a kernel as one row for each output channel.
        method: what goes.
        share: of the weights, in (0, 1): of the rows with `Method.ROWS`; with `Method.LOWRANK` as
            many as leave two factors with at most the other share, but at least rank 1.
        rng: of `Method.RANDOM` alone.

    Raises:
        InputError: a share out of range.
    """
    check_share(share)
    kept = np.ones(weights.shape, dtype=np.bool_)
    count = int(share * weights.size)
    match method:
        case Method.LOWEST:
            kept.flat[np.argsort(np.abs(weights), axis=None, kind="stable")[:count]] = False
        case Method.HIGHEST:
            kept.flat[np.argsort(-np.abs(weights), axis=None, kind="stable")[:count]] = False
        case Method.RANDOM:
            kept.flat[rng.permutation(weights.size)[:count]] = False
        case Method.ROWS:
            norms = np.linalg.norm(weights, axis=1)
            gone = int(share * len(weights))
            kept[np.argsort(norms, kind="stable")[:gone]] = False
        case Method.LOWRANK:
            rank = rank_of(weights.shape, share)
            return Cut(
                truncated(weights, rank), kept, rank, rank * sum(weights.shape) / weights.size
            )
        case _ as never:
            assert_never(never)
    return Cut(np.where(kept, weights, 0.0), kept, None, float(kept.mean()))


def rank_of(shape: tuple[int, ...], share: float) -> int:
    """Return the largest rank whose two factors have at most ``1 - share`` of the numbers, or 1."""
    outputs, inputs = shape
    return max(1, int((1.0 - share) * outputs * inputs / (outputs + inputs)))


def truncated(weights: Array, rank: int) -> Array:
    """Return the nearest weights of a rank, rounded to float32.

    Source: Eckart and Young 1936. The product of the factors is rounded, as a layer stores it.
    """
    left, values, right = np.linalg.svd(weights, full_matrices=False)
    product = (left[:, :rank] * values[:rank]) @ right[:rank]
    return np.asarray(product.astype(np.float32), dtype=np.float64)
