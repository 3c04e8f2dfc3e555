"""The draw of rows into parts, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]


def drawn(labels: Whole, shares: Sequence[Fraction], seed: int) -> Whole:
    """Return the part of each row, ``(rows,)`` int64, numbered as the shares are.

    A part gets its share of a class's rows, rounded down; the rows that are left go, one a part, to
    the parts that lag most behind their share of all rows so far. So each part has its share of
    each class to within one row.

    Args:
        labels: ``(rows,)``, the class of each row.
        shares: of the parts, in proportion; at least 0, and one above 0.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    whole = sum(shares, Fraction(0))
    parts = np.zeros(len(labels), dtype=np.int64)
    lag = [Fraction(0)] * len(shares)
    for label in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == label))
        wanted = [share / whole * len(places) for share in shares]
        given = [int(want) for want in wanted]
        lag = [late + want - have for late, want, have in zip(lag, wanted, given, strict=True)]
        left = len(places) - sum(given)
        open_to = [part for part, want in enumerate(wanted) if want > given[part]]
        for part in sorted(open_to, key=lambda part: -lag[part])[:left]:
            given[part] += 1
            lag[part] -= 1
        parts[places] = np.repeat(np.arange(len(shares)), given)
    return parts
