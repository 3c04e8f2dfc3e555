"""Rank correlations of predictors with damage, with bootstrap intervals.

What is drawn again, with replacement, are layers and not rows: the rows of one layer, under several
methods and shares, are not independent of each other. A resample is a count for each row, and both
coefficients are computed from counts, exactly as on the repeated rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError

Array = NDArray[np.float64]

RESAMPLES: Final = 2000
LEAST: Final = 3
"""Layers below which no correlation is stated."""

ENOUGH: Final = 5
"""Layers below which no interval is stated: too few different resamples to tell anything."""


class Rank(StrEnum):
    """A rank correlation."""

    SPEARMAN = "spearman"
    """That of mid-ranks."""
    KENDALL = "kendall"
    """tau-b: concordant less discordant pairs, with ties in both counted off."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A rank correlation and its interval.

    Attributes:
        value: in [-1, 1]; None where one side is constant or there are too few rows.
        low, high: 95 % percentile interval over the resamples; None where there is no value, where
            less than half of the resamples have one, or with fewer than `ENOUGH` layers.
        resamples: those in which neither side was constant.
    """

    value: float | None
    low: float | None
    high: float | None
    resamples: int


@dataclass(frozen=True, slots=True)
class Correlations:
    """What predictors say of one damage.

    Attributes:
        each: of every predictor.
        over: of every predictor but `against`, its value less that of `against`, over the same
            resamples: an interval above 0 says that it predicts better.
        rows: how many there are.
        layers: how many different ones.
    """

    each: Mapping[str, Correlation]
    over: Mapping[str, Correlation]
    rows: int
    layers: int


def correlations(
    predictors: Mapping[str, Array],
    damage: Array,
    layers: Sequence[str],
    rank: Rank,
    seed: int,
    against: str | None = None,
    resamples: int = RESAMPLES,
) -> Correlations:
    """Return how well each predictor orders the rows as the damage does.

    Args:
        predictors: ``(rows,)`` finite numbers each.
        damage: ``(rows,)`` finite numbers.
        layers: of each row; what is drawn again.
        rank: which coefficient.
        seed: of the resamples; all predictors share them.
        against: a predictor that the others are compared with.
        resamples: how many.

    Raises:
        InputError: sizes that disagree, or a number that is not finite.
    """
    names, which = np.unique(np.asarray(layers), return_inverse=True)
    for name, values in {**predictors, "damage": damage}.items():
        if values.shape != (len(layers),) or not np.isfinite(values).all():
            raise InputError(f"{name}: give one finite number for each of the {len(layers)} rows")
    if len(names) < LEAST:
        nothing = Correlation(None, None, None, 0)
        others = {name: nothing for name in predictors if against in predictors}
        others.pop(against or "", None)
        return Correlations(dict.fromkeys(predictors, nothing), others, len(layers), len(names))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), resamples)
    counts = np.concatenate([np.ones((1, len(layers))), drawn[:, which]])
    if len(names) < ENOUGH:
        counts = counts[:1]
    found = {name: _coefficients(x, damage, counts, rank) for name, x in predictors.items()}
    over = {}
    if against in found:
        base = found[against]
        over = {name: _stated(values - base) for name, values in found.items() if name != against}
    each = {name: _stated(values) for name, values in found.items()}
    return Correlations(each, over, len(layers), len(names))


def _stated(values: Array) -> Correlation:
    """Return the first value, and the interval of the others; NaN is none."""
    if np.isnan(values[0]):
        return Correlation(None, None, None, 0)
    drawn = values[1:][~np.isnan(values[1:])]
    if 2 * drawn.size < values.size - 1 or not drawn.size:
        return Correlation(float(values[0]), None, None, drawn.size)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Correlation(float(values[0]), float(low), float(high), drawn.size)


def _coefficients(x: Array, y: Array, counts: Array, rank: Rank) -> Array:
    """Return ``(resamples,)`` coefficients of rows that are there `counts` times; NaN is none."""
    match rank:
        case Rank.SPEARMAN:
            return _pearson(_ranks(x, counts), _ranks(y, counts), counts)
        case Rank.KENDALL:
            one, two = (np.sign(v[:, None] - v[None, :]) for v in (x, y))
            joint, left, right = (
                ((counts @ pairs) * counts).sum(axis=1)
                for pairs in (one * two, np.abs(one), np.abs(two))
            )
            return _ratio(joint, left, right)
        case _ as never:
            assert_never(never)


def _ranks(values: Array, counts: Array) -> Array:
    """Return ``(resamples, rows)`` mid-ranks among rows that are there `counts` times."""
    below = (values[:, None] < values[None, :]) + 0.5 * (values[:, None] == values[None, :])
    return np.asarray(counts @ below)


def _pearson(x: Array, y: Array, counts: Array) -> Array:
    total = counts.sum(axis=1, keepdims=True)
    x, y = (v - (counts * v).sum(axis=1, keepdims=True) / total for v in (x, y))
    joint, left, right = ((counts * v).sum(axis=1) for v in (x * y, x * x, y * y))
    return _ratio(joint, left, right)


def _ratio(joint: Array, left: Array, right: Array) -> Array:
    whole = np.sqrt(left * right)
    # Ranks are multiples of a half, so what is constant is 0 up to rounding.
    real = (left > 1e-9) & (right > 1e-9)
    out = np.full(len(joint), np.nan)
    out[real] = np.clip(joint[real] / whole[real], -1.0, 1.0)
    return out
