"""Bounds of polynomials over boxes of their variables, rounded outward.

A polynomial that is linear in each of its variables takes its extremes at vertices (Rikun 1997), so
with few variables the vertices bound it exactly; others are bounded term by term. A linear form
over outputs of a softmax is also bounded as ``form + c (1 - their sum)``, the same number.

Source: A. D. Rikun, A convex envelope formula for multilinear functions, J. Global Optimization 10.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Final

import numpy as np

from ..claim import Polynomial
from ..rounding import SLACK, UNDERFLOW, Array, down, float_above, float_below, gamma
from .enclosure import product_ends, sum_above, sum_below

VERTICES: Final = 6
"""Variables up to which a polynomial is bounded at vertices: 64 of them."""

VARIANTS: Final = 6
"""Multiples of a softmax's sum that are tried for a form."""

Ends = tuple[Array, Array]


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """Affine forms of some variables over symbols that they share, over a batch of boxes.

    Attributes:
        variables: numbers of the variables.
        center: ``(boxes, variables)``.
        slopes: ``(boxes, symbols, variables)``.
        rest: ``(boxes, variables)``.
    """

    variables: tuple[int, ...]
    center: Array
    slopes: Array
    rest: Array

    def lower(self, form: Polynomial) -> Array:
        """Return lower bounds of what a linear form says of these variables."""
        weights = [form.slopes.get(index, Fraction(0)) for index in self.variables]
        near = np.array([float_below(weight) for weight in weights])
        size = np.array([float_above(abs(weight)) for weight in weights])
        reach = np.abs(self.slopes @ near).sum(axis=1) + self.rest @ size
        spread = np.abs(self.center) + np.abs(self.slopes).sum(axis=1) + self.rest
        charge = (spread @ size) * gamma(len(near) + self.slopes.shape[1] + 8) + UNDERFLOW
        return np.asarray(down(self.center @ near - (reach + charge) * SLACK))


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """What is known of the variables of all forms, over a batch of boxes.

    Attributes:
        low, high: ``(boxes, variables)`` of the real values.
        error: ``(boxes, variables)`` how far the value that the forms speak of may lie from it.
        ties: affine forms of the real values; no variable is in two of them.
    """

    low: Array
    high: Array
    error: Array
    ties: tuple[Ties, ...] = ()

    def of(self, index: int) -> Ends:
        """Return bounds of the value that the forms speak of."""
        low, high, error = self.low[:, index], self.high[:, index], self.error[:, index]
        below, above = sum_below(low, -error), sum_above(high, error)
        return np.where(error > 0, below, low), np.where(error > 0, above, high)


class Form:
    """A polynomial over variables of `Ranges`, ready to be bounded.

    Attributes:
        polynomial: what it is.
    """

    def __init__(self, polynomial: Polynomial, simplices: Sequence[frozenset[int]] = ()) -> None:
        """Prepare a polynomial; each simplex is a set of variables that add up to one."""
        self.polynomial = polynomial
        self._linear = polynomial.degree <= 1
        self._variants = [polynomial]
        if self._linear:
            self._variants += _variants(polynomial, simplices)
        powers = [max(Counter(key).values(), default=0) for key in polynomial.terms]
        crossed = sum(len(key) > 1 for key in polynomial.terms) > 0 and len(polynomial.terms) > 1
        self._corners = (
            crossed and max(powers, default=0) == 1 and len(polynomial.variables) <= VERTICES
        )

    def lower(self, ranges: Ranges) -> Array:
        """Return ``(boxes,)`` lower bounds; minus infinity where nothing is known."""
        return self._least(ranges, self.polynomial, self._variants)

    def upper(self, ranges: Ranges) -> Array:
        """Return ``(boxes,)`` upper bounds."""
        turned = [variant.times(Polynomial.constant(-1)) for variant in self._variants]
        return -self._least(ranges, turned[0], turned)

    def _least(self, ranges: Ranges, form: Polynomial, variants: Sequence[Polynomial]) -> Array:
        if not self._linear:
            found = _bounds(form, [ranges.of(i) for i in range(ranges.low.shape[1])])
            if self._corners:
                found = np.maximum(found, _vertices(form, ranges))
            return _known(found)
        pairs = list(zip(ranges.low.T, ranges.high.T, strict=True))
        found = np.full(len(ranges.low), -np.inf)
        for variant in variants:
            found = np.maximum(found, _known(_bounds(variant, pairs)))
            if len(variant.variables) > 1 and ranges.ties:
                found = np.maximum(found, _known(_tied(variant, ranges, pairs)))
        stray = np.zeros(len(found))
        for index, slope in form.slopes.items():
            stray = stray + float_above(abs(slope)) * ranges.error[:, index] * SLACK
        return _known(np.where(stray == 0, found, down(found - stray * SLACK)))


def _tied(form: Polynomial, ranges: Ranges, pairs: Sequence[Ends]) -> Array:
    """Return lower bounds of a linear form by affine forms, term by term where there is none."""
    bounded = {index for ties in ranges.ties for index in ties.variables}
    others = {key: value for key, value in form.terms.items() if not set(key) & bounded}
    total = _bounds(Polynomial(others), pairs)
    for ties in ranges.ties:
        if set(ties.variables) & form.variables:
            total = sum_below(total, ties.lower(form))
    return total


def _known(bounds: Array) -> Array:
    return np.where(np.isnan(bounds), -np.inf, bounds)


def _variants(form: Polynomial, simplices: Sequence[frozenset[int]]) -> list[Polynomial]:
    """Return polynomials equal to the form wherever the simplices' sums are one."""
    found = []
    for simplex in simplices:
        slopes = {form.slopes.get(index, Fraction(0)) for index in simplex}
        if len(form.variables & simplex) < 2:
            continue
        gap = Polynomial({(): Fraction(1), **{(index,): Fraction(-1) for index in simplex}})
        for slope in sorted(slopes, key=abs, reverse=True)[:VARIANTS]:
            if slope:
                found.append(form.plus(gap, slope))
    return found


def _bounds(form: Polynomial, pairs: Sequence[Ends]) -> Array:
    """Return a lower bound, term by term; ``pairs`` bounds each variable."""
    boxes = len(pairs[0][0]) if pairs else 1
    total = np.zeros(boxes)
    for key, coefficient in form.terms.items():
        if key:
            total = sum_below(total, _times(_monomial(key, pairs), _interval(coefficient))[0])
    return sum_below(total, np.full(boxes, float_below(form.offset)))


def _monomial(key: tuple[int, ...], pairs: Sequence[Ends]) -> Ends:
    """Return bounds of a product of powers."""
    found: Ends | None = None
    for index, power in Counter(key).items():
        factor = _power(pairs[index], power)
        found = factor if found is None else _times(found, factor)
    assert found is not None
    return found


def _power(ends: Ends, exponent: int) -> Ends:
    """Return bounds of a power; even ones turn at zero."""
    if exponent == 1:
        return ends
    low, high = ends
    if exponent % 2 == 0:
        low, high = np.maximum(np.maximum(low, -high), 0.0), np.maximum(np.abs(low), np.abs(high))
    return _repeated(low, exponent)[0], _repeated(high, exponent)[1]


def _repeated(value: Array, exponent: int) -> Ends:
    """Return bounds of a number's power."""
    found = (value, value)
    for _ in range(exponent - 1):
        found = _times(found, (value, value))
    return found


def _times(first: Ends, second: Ends) -> Ends:
    """Return bounds of a product; infinite where a factor is."""
    pairs = [product_ends(a, b) for a in first for b in second]
    low, high = pairs[0]
    for below, above in pairs[1:]:
        low, high = np.minimum(low, below), np.maximum(high, above)
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _interval(value: Fraction) -> Ends:
    return np.array(float_below(value)), np.array(float_above(value))


def _vertices(form: Polynomial, ranges: Ranges) -> Array:
    """Return the least value at the vertices of the box of the form's variables."""
    used = sorted(form.variables)
    ends = {index: ranges.of(index) for index in used}
    found: Array | None = None
    for sides in product((0, 1), repeat=len(used)):
        chosen = dict(zip(used, sides, strict=True))
        pairs = [
            (ends[i][chosen[i]],) * 2 if i in chosen else (np.zeros(len(ranges.low)),) * 2
            for i in range(ranges.low.shape[1])
        ]
        value = _bounds(form, pairs)
        found = value if found is None else np.minimum(found, value)
    assert found is not None
    return found
