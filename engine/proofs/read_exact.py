"""Arithmetic of float64 arrays that tells whether it rounded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DIGITS = 53
"""Bits of a float64 number."""

SMALLEST = 2.0**-1022
"""From here up in magnitude a float64 number has all its bits."""

BLOCK = 2**18
"""Entries that are looked at together, which bounds memory."""


def exact_sum(a: Array, b: Array) -> Array | None:
    """Return ``a + b`` if float64 holds every entry, else None.

    Source: Knuth, The Art of Computer Programming 2, 4.2.2: the sum's error is itself a float64
    number, and what is computed for it is exact where nothing overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.asarray(a + b)
        part = total - a
        rest = (a - (total - part)) + (b - part)
        return total if bool((rest == 0).all()) else None


def exact_product(a: Array, b: Array) -> Array | None:
    """Return ``a b`` if float64 is sure to hold every entry, else None.

    The odd parts of two numbers multiply to an odd number of at most as many bits as both have,
    and of as many as one of them has where the other is 1. So a product is exact if that is at most
    53 and it does not leave the range of full numbers.

    Args:
        a: ``(rows, ...)``.
        b: ``(rows, ...)``, of as many axes; each is of the size in ``a``, or 1 behind the first.
    """
    product = np.empty(a.shape)
    block = max(1, BLOCK // max(1, a[:1].size))
    for start in range(0, len(a), block):
        some = slice(start, start + block)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            product[some] = a[some] * b[some]
        if not _exact(a[some], b[some], product[some]):
            return None
    return product


def _exact(a: Array, b: Array, product: Array) -> bool:
    finite, none = np.isfinite(product), (a == 0) | (b == 0)
    first, second = _bits(a), _bits(b)
    short = (first + second <= DIGITS) | (first == 1) | (second == 1)
    full = none | (short & (np.abs(product) >= SMALLEST))
    same = (np.abs(a) == 1) | (np.abs(b) == 1)
    return bool((finite & (full | same)).all())


def exact_reciprocal(a: Array) -> Array | None:
    """Return ``1 / a`` if every entry is a power of two that float64 can invert, else None."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if not (np.abs(np.frexp(a)[0]) == 0.5).all():
            return None
        inverse = np.asarray(1.0 / a)
    return inverse if bool(np.isfinite(inverse).all()) else None


def _bits(values: Array) -> NDArray[np.int64]:
    """Return how many bits the odd part of each finite number has; 0 of zero."""
    finite = np.where(np.isfinite(values), values, 0.0)
    whole = np.abs(np.frexp(finite)[0] * 2.0**DIGITS).astype(np.int64)
    lowest = (whole & -whole).astype(np.float64)  # a power of two, 2 ** (exponent - 1)
    bits = DIGITS + 1 - np.frexp(lowest)[1].astype(np.int64)
    return np.where(whole == 0, 0, bits)
