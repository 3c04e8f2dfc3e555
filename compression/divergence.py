"""How far a layer's weights are from its compressed ones: AP2 and AP3, and what links them.

AP2 is a squared distance of projected weights. AP3 is the divergence of Kullback and Leibler of two
distributions about the two sets of weights, always that of the original from the compressed one:
``KL(P || P~) = E_P[ln p - ln p~]``.

Source: Mozafari-Nia and Sekeh 2024. Their step from AP3 back to AP2 is not right; `distance_limit`
has one that is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from .covariance import Covariance

Array = NDArray[np.float64]

DRAWS: Final = 20_000
"""Pairs of points of a Monte Carlo estimate."""

NORMAL: Final = 1.959963984540054
"""Quantile of the normal distribution that leaves 2.5 % above."""


class Projection(StrEnum):
    """What of the weights AP2 compares."""

    NONE = "none"
    """The weights as they are."""
    UNIT = "unit"
    """Each set of weights on the unit sphere, ``w / |w|``: scale is no damage."""
    INPUTS = "inputs"
    """Each row on the span of the strongest directions of the layer's own inputs."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that was estimated from draws.

    Attributes:
        value: the mean.
        low, high: ends of a 95 % confidence interval for what it estimates.
    """

    value: float
    low: float
    high: float


def ap2(
    original: Array,
    compressed: Array,
    projection: Projection = Projection.NONE,
    basis: Array | None = None,
) -> float:
    """Return the squared distance of the projected weights, in squared units of a weight.

    With `Projection.UNIT` it has no unit; weights that are all 0 stay at 0.

    Args:
        original: ``(outputs, inputs)``, a kernel as one row for each output channel.
        compressed: in the same shape.
        projection: what of them is compared.
        basis: ``(inputs, directions)`` with orthonormal columns, for `Projection.INPUTS` alone.

    Raises:
        InputError: shapes that disagree; a basis that is missing.
    """
    if original.shape != compressed.shape or original.ndim != 2:
        raise InputError(
            f"weights of shapes {original.shape} and {compressed.shape}: give two matrices of one "
            "shape"
        )
    match projection:
        case Projection.NONE:
            apart = original - compressed
        case Projection.UNIT:
            apart = _unit(original) - _unit(compressed)
        case Projection.INPUTS:
            if basis is None or basis.shape[0] != original.shape[1]:
                raise InputError("AP2 on a layer's inputs needs their directions, (inputs, some)")
            apart = (original - compressed) @ basis
        case _ as never:
            assert_never(never)
    return float((apart * apart).sum())


def _unit(weights: Array) -> Array:
    norm = float(np.linalg.norm(weights))
    return weights / norm if norm else weights


def input_directions(inputs: Array, most: int = 32, share: float = 0.95) -> Array:
    """Return the strongest directions of a layer's inputs, ``(inputs, directions)``.

    The columns are orthonormal and as few as hold a share of the inputs' sum of squares, about 0
    and not about the mean, for a layer multiplies the inputs themselves.

    Args:
        inputs: ``(samples, inputs)``.
        most: directions at most.
        share: of the sum of squares, in (0, 1].
    """
    _, values, rows = np.linalg.svd(np.asarray(inputs, dtype=np.float64), full_matrices=False)
    power = np.cumsum(values**2)
    if not power.size or not power[-1] > 0:
        return np.zeros((inputs.shape[1], 0))
    needed = int(np.searchsorted(power, share * power[-1])) + 1
    return np.ascontiguousarray(rows[: min(needed, most, len(rows))].T)


def same_covariance(difference: Array, covariance: Covariance) -> float:
    """Return ``KL(N(w, S) || N(w~, S)) = 1/2 (w - w~)' S^-1 (w - w~)``, nats.

    Args:
        difference: ``(weights,)``, w less w~.
        covariance: S, of the same weights.

    Raises:
        InputError: other sizes; S is a multiple of the identity, with which this is AP2 again.
    """
    _fits(difference, covariance)
    return 0.5 * covariance.quadratic(difference)


def gaussian(difference: Array, first: Covariance, second: Covariance) -> float:
    """Return ``KL(N(w, S) || N(w~, S~))``, nats; at least 0 up to rounding.

    ``1/2 (tr(S~^-1 S) + (w - w~)' S~^-1 (w - w~) - n + ln det S~ - ln det S)``.

    Args:
        difference: ``(weights,)``, w less w~.
        first: S, about the original.
        second: S~, about the compressed weights.

    Raises:
        InputError: other sizes; a covariance that is a multiple of the identity.
    """
    _fits(difference, first)
    _fits(difference, second)
    spread = first.trace_under(second) - first.size
    volumes = second.log_determinant() - first.log_determinant()
    return 0.5 * (spread + second.quadratic(difference) + volumes)


def student(
    difference: Array, covariance: Covariance, freedom: float, seed: int, draws: int = DRAWS
) -> Estimate:
    """Return ``KL(t(w, S) || t(w~, S))`` of two multivariate Student distributions, nats.

    In coordinates in which the scale S is the identity, and turned so that the difference lies
    along the first axis, the ratio of the densities depends on three numbers of a draw: its part
    along that axis, the squared rest, and the divisor. These are drawn instead of all weights, so
    the estimate is as cheap for millions of weights as for one. Each draw is taken with its mirror
    image along the axis; the mean over such pairs varies less.

    Args:
        difference: ``(weights,)``, w less w~.
        covariance: the scale S of both; the covariance of each is ``freedom / (freedom - 2)`` S.
        freedom: degrees of freedom, above 0.
        seed: of the draws.
        draws: number of pairs, at least 100.

    Raises:
        InputError: sizes, freedom or draws out of range; a scale that is a multiple of the
            identity.
    """
    _fits(difference, covariance)
    return student_at(covariance.quadratic(difference), covariance.size, freedom, seed, draws)


def student_at(square: float, size: int, freedom: float, seed: int, draws: int = DRAWS) -> Estimate:
    """Return what `student` does, from the squared distance ``(w - w~)' S^-1 (w - w~)``.

    Args:
        square: at least 0, no unit.
        size: number of weights.
        freedom: degrees of freedom, above 0.
        seed: of the draws.
        draws: number of pairs, at least 100.
    """
    if not (freedom > 0 and math.isfinite(freedom)):
        raise InputError(f"{freedom:g} degrees of freedom: give a number above 0")
    if draws < 100:
        raise InputError(f"{draws} draws: give 100 or more, or the interval means nothing")
    rng = np.random.default_rng(seed)
    along = rng.standard_normal(draws)
    rest = rng.chisquare(size - 1, draws) if size > 1 else np.zeros(draws)
    shrunk = freedom / rng.chisquare(freedom, draws)  # the squared stretch of a normal draw
    inside = freedom + shrunk * (along**2 + rest)
    cross = 2.0 * np.sqrt(square * shrunk) * along
    ratios = [np.log1p((square + sign * cross) / inside) for sign in (1.0, -1.0)]
    values = 0.5 * (freedom + size) * 0.5 * (ratios[0] + ratios[1])
    mean = float(values.mean())
    room = NORMAL * float(values.std(ddof=1)) / math.sqrt(draws)
    return Estimate(mean, mean - room, mean + room)


def distance_limit(divergence: float, covariance: Covariance) -> float:
    """Return the largest ``|w - w~|^2`` that a divergence of equal covariances leaves possible.

    ``1/2 d' S^-1 d <= eps`` gives ``|d|^2 <= 2 eps / lambda_min(S^-1) = 2 eps lambda_max(S)``.

    Args:
        divergence: eps, nats, at least 0.
        covariance: S.
    """
    if not divergence >= 0:
        raise InputError(f"a divergence of {divergence:g}: give 0 or more")
    return 2.0 * divergence * covariance.largest()


def _fits(difference: Array, covariance: Covariance) -> None:
    if difference.shape != (covariance.size,):
        raise InputError(
            f"a difference of shape {difference.shape} and a covariance of {covariance.size} "
            "weights: give both of the same layer"
        )
    if covariance.is_isotropic:
        raise InputError(
            "a covariance that is a multiple of the identity: with it AP3 only restates AP2; "
            "estimate it from samples or from gradients"
        )
