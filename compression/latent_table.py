"""Rank correlations of a study's rows: what predicts the damage, by method and share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from .latent import Row
from .latent_cut import Method
from .latent_rank import RESAMPLES, Correlations, Rank, correlations

Array = NDArray[np.float64]

CERTIFIED: Final = "certified"
"""The predictor that the others are compared with where it is there: the proved discrepancy."""


class Damage(StrEnum):
    """What is lost on data."""

    LOSS = "loss"
    """Rise of the mean loss."""
    ACCURACY = "accuracy"
    """Fall of the accuracy."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are correlated together.

    Attributes:
        method: of the rows; None for those of all methods.
        share: of the rows; None for those of all shares.
        damage: what is to be predicted.
        rank: which coefficient.
        found: for every predictor.
    """

    method: Method | None
    share: float | None
    damage: Damage
    rank: Rank
    found: Correlations


def predictors(rows: Sequence[Row]) -> dict[str, Array]:
    """Return what may predict the damage of rows, by name; those that every row has.

    `cut` is the control: numbers taken out, as a share of the layer's, known without any network.
    """
    if not rows:
        return {}
    found = {"cut": np.array([1.0 - row.stored for row in rows])}
    for kind in rows[0].ap2:
        if all(kind in row.ap2 for row in rows):
            found[f"ap2 {kind}"] = np.array([row.ap2[kind] for row in rows])
    for spread in rows[0].ap3:
        found[f"ap3 {spread}"] = np.array([row.ap3[spread].gaussian for row in rows])
        found[f"student {spread}"] = np.array([row.ap3[spread].student.value for row in rows])
        general = [row.ap3[spread].general for row in rows]
        if all(value is not None for value in general):
            found[f"general {spread}"] = np.array(general, dtype=np.float64)
    judged = [row.certified for row in rows if row.certified is not None]
    if len(judged) == len(rows):
        found[CERTIFIED] = _finite(np.array([one.proved for one in judged]))
        found["attained"] = np.array([one.attained for one in judged])
    return found


def _finite(values: Array) -> Array:
    """Return the values with those that are infinite above all others, for ranks alone."""
    known = values[np.isfinite(values)]
    most = float(known.max()) if known.size else 0.0
    return np.where(np.isfinite(values), values, 2.0 * most + 1.0)


def groups(rows: Sequence[Row], seed: int, resamples: int = RESAMPLES) -> list[Group]:
    """Return the correlations of every method and share, of every method, and of all rows.

    Args:
        rows: of a study.
        seed: of the resamples.
        resamples: how many.
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    shares = list(dict.fromkeys(row.share for row in rows))
    kinds: list[tuple[Method | None, float | None]] = [(m, s) for m in methods for s in shares]
    if len(shares) > 1:
        kinds += [(method, None) for method in methods]
    if len(methods) > 1:
        kinds.append((None, None))
    found = []
    for method, share in kinds:
        chosen = [
            row for row in rows if method in (None, row.method) and share in (None, row.share)
        ]
        sides, layers = predictors(chosen), [row.layer for row in chosen]
        for damage in Damage:
            lost = _lost(chosen, damage)
            if lost is None:
                continue
            found += [
                Group(
                    method,
                    share,
                    damage,
                    rank,
                    correlations(sides, lost, layers, rank, seed, CERTIFIED, resamples),
                )
                for rank in Rank
            ]
    return found


def _lost(rows: Sequence[Row], damage: Damage) -> Array | None:
    match damage:
        case Damage.LOSS:
            return np.array([row.loss for row in rows])
        case Damage.ACCURACY:
            known = [row.accuracy for row in rows if row.accuracy is not None]
            return np.array(known) if len(known) == len(rows) else None
        case _ as never:
            assert_never(never)
