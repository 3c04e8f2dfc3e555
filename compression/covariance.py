"""Covariances of a layer's weights: diagonal, and low rank plus diagonal, with no dense inverse.

They are estimated from samples of the weights (seeds, or iterates of training) or from gradients
(the empirical Fisher information). A multiple of the identity is no estimate: the divergence that
it gives only restates the squared distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError

Array = NDArray[np.float64]

SHRINK: Final = 0.1
"""Share of each weight's variance that the layer's mean replaces: few samples leave zeros."""

DAMPING: Final = 1e-3
"""Prior precision of a Fisher-based covariance, in parts of the mean Fisher information."""


@dataclass(frozen=True, slots=True, eq=False)
class Covariance:
    """``diag(diagonal) + factor factor'``, a covariance of weights.

    Attributes:
        diagonal: ``(weights,)`` float64 above 0, in squared units of a weight.
        factor: ``(weights, rank)`` float64, in units of a weight; rank 0 for a diagonal one.

    Raises:
        InputError: sizes that disagree; a number that is not finite; a diagonal that is not
            above 0.
    """

    diagonal: Array
    factor: Array

    def __post_init__(self) -> None:
        diagonal = np.array(self.diagonal, dtype=np.float64)
        factor = np.array(self.factor, dtype=np.float64)
        if diagonal.ndim != 1 or not diagonal.size or factor.shape[:1] != diagonal.shape:
            raise InputError(
                f"a covariance with a diagonal of shape {diagonal.shape} and a factor of shape "
                f"{factor.shape}: give (weights,) and (weights, rank)"
            )
        if factor.ndim != 2:
            raise InputError(f"a factor of shape {factor.shape}: give (weights, rank)")
        if not (np.isfinite(diagonal).all() and np.isfinite(factor).all()):
            raise InputError("a covariance holds a number that is not finite: take other samples")
        if not diagonal.min() > 0:
            raise InputError(
                f"a covariance's diagonal holds {diagonal.min():g}: every weight must vary; give "
                "more samples, or shrink more"
            )
        for name, array in (("diagonal", diagonal), ("factor", factor)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def of_variances(cls, variances: Array) -> Covariance:
        """Return the diagonal covariance of ``(weights,)`` variances."""
        return cls(variances, np.zeros((len(variances), 0)))

    @property
    def size(self) -> int:
        """Number of weights."""
        return len(self.diagonal)

    @property
    def rank(self) -> int:
        """Columns of the factor."""
        return int(self.factor.shape[1])

    @property
    def is_isotropic(self) -> bool:
        """Whether it is a multiple of the identity and there is more than one weight."""
        flat = np.ptp(self.diagonal) <= 1e-12 * self.diagonal.max()
        return self.size > 1 and bool(flat) and not self.factor.any()

    def times(self, values: Array) -> Array:
        """Return the covariance times ``(weights,)`` or ``(weights, columns)``."""
        scaled = (self.diagonal * values.T).T
        return np.asarray(scaled + self.factor @ (self.factor.T @ values))

    def solve(self, values: Array) -> Array:
        """Return the inverse times ``(weights,)`` or ``(weights, columns)``.

        Source: the identity of Woodbury; a system of `rank` equations is solved.
        """
        scaled = (values.T / self.diagonal).T
        if not self.rank:
            return np.asarray(scaled)
        inner = np.linalg.solve(self._core(), self.factor.T @ scaled)
        return np.asarray(scaled - ((self.factor @ inner).T / self.diagonal).T)

    def quadratic(self, values: Array) -> float:
        """Return ``x' S^-1 x`` for ``(weights,)`` numbers; at least 0.

        Source: Woodbury, as a sum of squares less another; where they cancel to below 0 it is 0.
        """
        whole = float((values * values / self.diagonal).sum())
        if not self.rank:
            return whole
        reduced = self.factor.T @ (values / self.diagonal)
        half = np.linalg.solve(np.linalg.cholesky(self._core()), reduced)
        return max(whole - float(half @ half), 0.0)

    def log_determinant(self) -> float:
        """Return ``ln det S``.

        Source: the matrix determinant lemma, ``det(D + F F') = det(I + F' D^-1 F) det D``.
        """
        core = 2.0 * np.log(np.diag(np.linalg.cholesky(self._core()))).sum() if self.rank else 0.0
        return float(np.log(self.diagonal).sum() + core)

    def trace_under(self, other: Covariance) -> float:
        """Return ``tr(other^-1 S)``; both are of the same weights."""
        shares = self.diagonal / other.diagonal
        total = float(shares.sum() + (self.factor**2 / other.diagonal[:, None]).sum())
        if not other.rank:
            return total
        # other^-1 = D^-1 - D^-1 F core^-1 F' D^-1, so what is taken off is tr(core^-1 G' S G).
        scaled = other.factor / other.diagonal[:, None]
        inner = scaled.T @ self.times(scaled)
        return total - float(np.trace(np.linalg.solve(other._core(), inner)))

    def largest(self) -> float:
        """Return the largest eigenvalue, never less: the inverse of the precision's smallest.

        For a value above the diagonal's largest entry, S has an eigenvalue beyond it exactly where
        ``F' (value - D)^-1 F`` has one above 1; the value is bisected, and its upper end given.
        """
        low = float(self.diagonal.max())
        if not self.rank:
            return low
        high = low + float(np.linalg.eigvalsh(self.factor.T @ self.factor)[-1]) * (1.0 + 1e-12)
        while high - low > 1e-9 * high:
            middle = 0.5 * (low + high)
            if middle in (low, high):
                break
            core = (self.factor / (middle - self.diagonal)[:, None]).T @ self.factor
            if np.linalg.eigvalsh(core)[-1] > 1.0:
                low = middle
            else:
                high = middle
        return high * (1.0 + 1e-12)

    def _core(self) -> Array:
        """Return ``I + F' D^-1 F``, ``(rank, rank)``."""
        inner = (self.factor / self.diagonal[:, None]).T @ self.factor
        return np.asarray(np.eye(self.rank) + inner)


def from_samples(samples: Array, rank: int = 0, shrink: float = SHRINK) -> Covariance:
    """Return a covariance of weights from samples of them: seeds, or iterates of training.

    Its diagonal is the samples' own variance, of which a share is replaced by the mean over the
    layer. With a rank it has the samples' strongest directions beside that; what they explain is
    taken off the diagonal, so that the variance of each weight is the same with any rank.

    Args:
        samples: ``(samples, weights)``, at least 2 of them.
        rank: directions to keep, at most one less than there are samples; 0 for a diagonal.
        shrink: share of the mean variance, in (0, 1): 1 would leave a multiple of the identity.

    Raises:
        InputError: fewer samples than that; a rank or a share out of range; samples that are equal.
    """
    given = np.asarray(samples)
    if given.ndim != 2 or len(given) < 2:
        raise InputError(f"samples of shape {given.shape}: give (samples, weights), 2 or more")
    if not 0 <= rank < len(given):
        raise InputError(f"rank {rank} from {len(given)} samples: give 0 to {len(given) - 1}")
    if not 0 < shrink < 1:
        raise InputError(f"shrink {shrink:g}: give a share above 0 and below 1")
    apart = np.asarray(given - given.mean(axis=0), dtype=np.float64) / np.sqrt(len(given) - 1)
    variances = (apart**2).sum(axis=0)
    mean = float(variances.mean())
    if not mean > 0:
        raise InputError("the samples of a layer are all equal: take iterates farther apart")
    factor = np.zeros((given.shape[1], 0))
    if rank:
        # The right singular vectors, through the small product of samples with samples.
        values, vectors = np.linalg.eigh(apart @ apart.T)
        strong = np.argsort(-values, kind="stable")[:rank]
        factor = apart.T @ vectors[:, strong]
    left = np.maximum(variances - (factor**2).sum(axis=1), 0.0)
    return Covariance((1.0 - shrink) * left + shrink * mean, np.sqrt(1.0 - shrink) * factor)


def from_fisher(information: Array, count: int, damping: float = DAMPING) -> Covariance:
    """Return the covariance that the empirical Fisher information gives by Laplace's approximation.

    ``variance_i = 1 / (count (F_i + damping mean F))``: weights that the loss depends on may vary
    little.

    Args:
        information: ``(weights,)`` at least 0: the mean over examples of the squared derivative of
            an example's log-likelihood.
        count: examples that the weights were trained on.
        damping: precision that every weight has beside, in parts of the mean information.

    Raises:
        InputError: negative information; none at all; a count or a damping that is not above 0.
    """
    found = np.asarray(information, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all() or (found < 0).any():
        raise InputError("Fisher information must be finite and at least 0, (weights,)")
    if count < 1 or not damping > 0:
        raise InputError(f"count {count} and damping {damping:g}: give both above 0")
    mean = float(found.mean())
    if not mean > 0:
        raise InputError("a layer's Fisher information is 0: the loss does not depend on it here")
    return Covariance.of_variances(1.0 / (count * (found + damping * mean)))
