"""Affine forms: what intervals lose, the ties between the entries of a tensor, kept by symbols.

Over a box an entry's real value is ``center + sum_j slopes_j s_j + d`` with all symbols ``s_j`` in
[-1, 1] and ``|d| <= rest``; the symbols of the inputs come first. Its float error is written the
same way over symbols of its own. A linear operator moves both exactly, signs included, so rounding
errors of one layer cancel in the next as they really do, where intervals would add them up.

Source: J. Stolfi and L. H. de Figueiredo, Self-validated numerical methods, chapter 3; G. Singh et
al., Fast and effective robustness certification (2018), for ReLU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..rounding import FORMATS, SLACK, UNDERFLOW, Array, down, gamma, up
from .enclosure import Enclosure, enclose

MOST_SYMBOLS: Final = 640
"""Symbols of a form; beyond it what is new stays in the rest."""

MOST_FRESH: Final = 160
"""Entries of a tensor up to which its rest becomes symbols in front of a sum of products."""

Ends = tuple[Array, Array]

Map = Callable[[Array], Array]
"""Applies a linear map to tensors ``(some, *shape)``, each on its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A sum of symbols with an interval: the value of a tensor, or its error.

    Attributes:
        names: ``(symbols,)`` ascending numbers of the symbols.
        slopes: ``(boxes, symbols, *shape)``.
        rest: ``(boxes, *shape)``, at least 0.
    """

    names: NDArray[np.int64]
    slopes: Array
    rest: Array

    @property
    def radius(self) -> Array:
        """At least the largest absolute value."""
        return np.asarray((np.abs(self.slopes).sum(axis=1) + self.rest) * SLACK)

    def moved(self, change: Map) -> Part:
        """Return it with the tensor's entries rearranged."""
        boxes, symbols = self.slopes.shape[:2]
        rest = change(self.rest)
        if not symbols:
            return Part(self.names, np.zeros((boxes, 0, *rest.shape[1:])), rest)
        flat = change(self.slopes.reshape(boxes * symbols, *self.slopes.shape[2:]))
        return Part(self.names, flat.reshape(boxes, symbols, *flat.shape[1:]), rest)

    def scaled(self, factor: Array) -> Part:
        """Return it times a factor for each entry ``(boxes, *shape)``; rounding is not charged."""
        return Part(self.names, self.slopes * factor[:, None], self.rest * np.abs(factor) * SLACK)

    def widened(self, more: Array) -> Part:
        """Return it with a larger rest."""
        return Part(self.names, self.slopes, (self.rest + more) * SLACK)

    def over(self, names: NDArray[np.int64]) -> Array:
        """Return the slopes over a larger set of symbols."""
        if len(names) == len(self.names):
            return self.slopes
        shape = (self.slopes.shape[0], len(names), *self.slopes.shape[2:])
        wide = np.zeros(shape)
        wide[:, np.searchsorted(names, self.names)] = self.slopes
        return wide


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """What is known of a tensor: its value and its error as affine forms.

    Attributes:
        center: ``(boxes, *shape)``.
        value: the rest of the real value.
        error: of float evaluation; its center is zero.
    """

    center: Array
    value: Part
    error: Part

    @classmethod
    def of(cls, x: Enclosure, names: NDArray[np.int64] | None = None) -> Form:
        """Return the form of an enclosure, with a symbol for each entry if they are named."""
        center = 0.5 * x.low + 0.5 * x.high
        radius = np.where(x.low == x.high, 0.0, up(np.maximum(x.high - center, center - x.low)))
        none = np.zeros(0, dtype=np.int64)
        empty = np.zeros((len(center), 0, *x.shape))
        error = Part(none, empty, x.error)
        if names is None:
            return cls(center, Part(none, empty, radius), error)
        slopes = np.zeros((len(center), len(names), *x.shape))
        flat = slopes.reshape(len(center), len(names), -1)
        at = np.arange(len(names))
        flat[:, at, at] = radius.reshape(len(center), -1)
        return cls(center, Part(names, slopes, np.zeros_like(radius)), error)

    def moved(self, change: Map) -> Form:
        """Return it with the tensor's entries rearranged."""
        return Form(change(self.center), self.value.moved(change), self.error.moved(change))

    def tightened(self, x: Enclosure) -> Enclosure:
        """Return an enclosure of the same tensor, cut down to what the form allows."""
        radius = self.value.radius
        low = np.fmax(x.low, down(self.center - radius))
        high = np.fmin(x.high, up(self.center + radius))
        crossed = low > high  # by rounding alone; both hold
        low, high = np.where(crossed, x.low, low), np.where(crossed, x.high, high)
        error = np.fmin(x.error, self.error.radius)
        unknown = ~(np.isfinite(x.low) & np.isfinite(x.high))
        low, high = np.where(unknown, x.low, low), np.where(unknown, x.high, high)
        return enclose(low, high, np.where(np.isfinite(x.error), error, np.inf), x.kind)


def linear(x: Form, fresh: int, change: Map, size: Map, terms: int) -> Form:
    """Return a linear map of a form, binary64 rounding charged, float rounding not.

    Args:
        x: the form.
        fresh: number of the first symbol that is free.
        change: the map.
        size: the map with absolute values for its coefficients.
        terms: products in each sum, at most.
    """
    return Form(
        change(x.center),
        _through(x.value, fresh, change, size, terms, np.abs(x.center)),
        _through(x.error, fresh, change, size, terms, np.zeros_like(x.center)),
    )


def _through(x: Part, fresh: int, change: Map, size: Map, terms: int, beside: Array) -> Part:
    """Return a linear map of a part; ``beside`` is what else is mapped with rounding."""
    entries = int(np.prod(x.rest.shape[1:], dtype=np.int64))
    charge = size(beside + x.radius) * gamma(terms + 4) * SLACK + UNDERFLOW
    if not x.rest.any():
        moved = x.moved(change)
        return Part(moved.names, moved.slopes, charge)
    if entries > MOST_FRESH or len(x.names) + entries > MOST_SYMBOLS:
        moved = Part(x.names, x.slopes, np.zeros_like(x.rest)).moved(change)
        return Part(moved.names, moved.slopes, (size(x.rest) + charge) * SLACK)
    names = np.concatenate([x.names, np.arange(fresh, fresh + entries)])
    own = np.zeros((len(x.rest), entries, *x.rest.shape[1:]))
    at = np.arange(entries)
    own.reshape(len(own), entries, entries)[:, at, at] = x.rest.reshape(len(own), -1)
    slopes = np.concatenate([x.slopes, own], axis=1)
    moved = Part(names, slopes, np.zeros_like(x.rest)).moved(change)
    return Part(names, moved.slopes, charge)


def total(x: Form, y: Form, sign: float) -> Form:
    """Return ``x + sign y`` for tensors that broadcast; binary64 rounding charged."""
    center = x.center + sign * y.center
    size = np.abs(x.center) + np.abs(y.center)
    return Form(
        center,
        _total(x.value, y.value, sign, size),
        _total(x.error, y.error, sign, np.zeros_like(size)),
    )


def _total(x: Part, y: Part, sign: float, beside: Array) -> Part:
    names = np.union1d(x.names, y.names)
    charge = (x.radius + y.radius + beside) * gamma(4) + UNDERFLOW
    slopes = x.over(names) + sign * y.over(names)
    return Part(names, slopes, (x.rest + y.rest + charge) * SLACK)


def relu(x: Form, before: Enclosure) -> Form:
    """Return the form of ``max(x, 0)``.

    Where the sign is open: the value lies between ``slope x`` and ``slope x`` plus a constant, and
    the error is ``t e`` with t in [0, 1].

    Args:
        x: the form of the operand.
        before: an enclosure of the operand.
    """
    low, high = before.low, before.high
    open_ = (low < 0) & (high > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(open_, np.clip(high / (high - low), 0.0, 1.0), (low >= 0) * 1.0)
    # relu(z) - slope z lies in [0, max(-slope low, (1 - slope) high)] over [low, high]
    gap = np.where(open_, np.maximum(-slope * low, (1 - slope) * high) * SLACK, 0.0)
    value = x.value.scaled(slope)
    rounding = (np.abs(x.center) + x.value.radius + gap) * gamma(4) + UNDERFLOW
    value = value.widened(0.5 * gap + np.where(open_, rounding, 0.0))
    center = x.center * slope + 0.5 * gap
    same = before.least >= 0
    gone = before.most <= 0
    part = np.where(same, 1.0, np.where(gone, 0.0, 0.5))
    stray = np.where(same | gone, 0.0, 0.5 * np.fmin(before.error, x.error.radius))
    return Form(center, value, x.error.scaled(part).widened(stray))


def curved(x: Form, before: Enclosure, ends: Ends, steep: Ends) -> Form:
    """Return the form of a rising function, as its least slope times x plus what is left.

    With ``s`` at most the slope everywhere, ``f(x) - s x`` rises too and lies between its ends. The
    error is ``t e`` with t between the slopes.

    Args:
        x: the form of the operand.
        before: an enclosure of the operand.
        ends: bounds of the function at the operand's ends.
        steep: bounds of its slope over real and computed values, the lower at least 0.
    """
    slope = steep[0]
    size = np.maximum(np.abs(ends[0]), np.abs(ends[1])) + slope * before.magnitude
    rounding = (size + slope * (np.abs(x.center) + x.value.radius)) * gamma(8) + UNDERFLOW
    bottom, top = ends[0] - slope * before.low, ends[1] - slope * before.high
    value = x.value.scaled(slope).widened(np.maximum(0.5 * (top - bottom), 0.0) + rounding)
    stray = 0.5 * (steep[1] - steep[0]) * np.fmin(before.error, x.error.radius)
    middle = 0.5 * (steep[0] + steep[1])
    stray = stray + middle * x.error.radius * gamma(4) + UNDERFLOW
    error = x.error.scaled(middle).widened(stray)
    return Form(slope * x.center + 0.5 * (bottom + top), value, error)


def rounded(x: Form, local: Array, kind: str) -> Form:
    """Return the form with what its operation rounds in float added to the error."""
    if kind not in FORMATS:
        return x
    return Form(x.center, x.value, x.error.widened(local))
