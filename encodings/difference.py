"""Rows that tie two ReLUs by bounds on the difference of their pre-activations.

For two networks read together, x is a pre-activation of the first and y one of the second. The box
bounds of x and y may be wide while ``x - y`` hardly moves; a relaxation that treats the two ReLUs
apart forgets this, the rows below remember it.

As in `relu`, a neuron has a positive part p = max(x, 0) and a negative part n = max(-x, 0). Where a
part is known to be 0 it has no column; its place holds `NONE`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .program import Array, Index, Rows
from .relu import check_unstable

NONE: Final = -1
"""Stands for the column of a part that is 0."""

LEAST_SHARE: Final = 2.0**-26
"""Least share that one of two difference bounds has of the other in a row's coefficients; a smaller
one is moved outward to it, or solvers would drop its coefficient without a word."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The columns of some neurons' parts.

    Attributes:
        positive: ``(neurons,)`` columns p, the outputs; `NONE` for inactive neurons.
        negative: ``(neurons,)`` columns n; `NONE` for active neurons.
    """

    positive: Index
    negative: Index


def difference(first: Parts, second: Parts, lower: Array, upper: Array) -> Rows:
    """Return the rows that hold what bounds of x - y say about both ReLUs.

    Args:
        first: columns p, n of x, ``(pairs,)`` each.
        second: columns q, m of y, ``(pairs,)`` each; none of them in `first`.
        lower: ``(pairs,)`` bounds ld of x - y, finite, closed.
        upper: ``(pairs,)`` bounds ud of x - y.

    Requires:
        ld <= ud; p - n = x and q - m = y by other rows. Below, D = p - q is the difference of the
        outputs and E = n - m what it lacks of the difference of the inputs: D - E = x - y.
    Rows:
        ``ld <= D - E <= ud``. Where ld < 0 < ud: ``-ld D + ud E <= -ld ud`` and
        ``-ud D + ld E <= -ld ud``, that is D <= ud (d - ld) / (ud - ld) and
        D >= -ld (d - ud) / (ud - ld) with d = x - y. Where ld >= 0: ``D >= 0`` and ``E <= 0``.
        Where ud <= 0: ``D <= 0`` and ``E >= 0``. Three a pair, scaled by powers of two.
    Exact or relaxes:
        Relaxes: D lies between 0 and d whatever the phases, and the rows are the convex hull of
        this over [ld, ud], widened to `LEAST_SHARE`. Only right sides are rounded, outward.
    Source:
        B. Paulsen, J. Wang, C. Wang, ReluDiff: differential verification of deep neural networks,
        ICSE 2020 (bounds of differences); the hull as rows is ours.
    """
    check_difference(lower, upper)
    count = lower.size
    crossing = (lower < 0.0) & (upper > 0.0)
    scale = np.ldexp(1.0, -np.frexp(np.maximum(np.abs(lower), np.abs(upper)))[1])
    low = np.where(crossing, np.minimum(lower * scale, -LEAST_SHARE), lower * scale)
    high = np.where(crossing, np.maximum(upper * scale, LEAST_SHARE), upper * scale)
    rising = np.where(lower >= 0.0, 1.0, -1.0)  # D >= 0 and E <= 0, or the other way round
    outputs = np.concatenate([np.ones(count), np.where(crossing, -low, -rising), -high * crossing])
    lacks = np.concatenate([-np.ones(count), high * crossing, np.where(crossing, low, rising)])
    side = np.where(crossing, np.nextafter(-low * (high / scale), np.inf), 0.0)
    names = [first.positive, second.positive, first.negative, second.negative]
    columns = np.stack([np.tile(name, 3) for name in names], axis=1)
    values = np.stack([outputs, -outputs, lacks, -lacks], axis=1)
    absent = columns == NONE
    return Rows.full(
        np.where(absent, 0, columns),
        np.where(absent, 0.0, values),
        np.concatenate([lower, np.full(2 * count, -np.inf)]),
        np.concatenate([upper, side, side]),
    )


def coupled(
    first: Parts,
    second: Parts,
    first_phase: Index,
    second_phase: Index,
    boxes: tuple[Array, Array, Array, Array],
    lower: Array,
    upper: Array,
) -> Rows:
    """Return the rows that couple the binaries of two unstable ReLUs.

    Args:
        first: columns p, n of x, ``(pairs,)`` each, none of them `NONE`.
        second: columns q, m of y.
        first_phase: ``(pairs,)`` columns t, whole numbers in [0, 1], 1 where x > 0.
        second_phase: ``(pairs,)`` columns s, the same for y.
        boxes: bounds l1, u1 of x and l2, u2 of y, ``(pairs,)`` each.
        lower: ``(pairs,)`` bounds ld of x - y, finite, closed.
        upper: ``(pairs,)`` bounds ud of x - y.

    Requires:
        l1 < 0 < u1, l2 < 0 < u2, finite; ld <= ud; the rows of `relu.big_m` for both.
    Rows:
        From x <= y + ud: where ud <= 0, ``t <= s``, ``n >= -ud (1 - s)`` and ``q >= -ud t``; where
        ud > 0, ``p <= ud + (u1 - ud) s`` if u1 > ud and ``m <= ud + (-l2 - ud) (1 - t)`` if
        -l2 > ud. From y <= x - ld the same with the two neurons exchanged and -ld for ud.
    Exact or relaxes:
        Exact: no phase pair that some x and y within all bounds have is cut off. Differences of
        bounds are rounded outward.
    Source:
        The implications x > 0 => y > -ud and y < 0 => x < ud; ours.
    """
    check_difference(lower, upper)
    l1, u1, l2, u2 = boxes
    check_unstable(l1, u1)
    check_unstable(l2, u2)
    one = _implied(first, second, first_phase, second_phase, u1, l2, upper)
    other = _implied(second, first, second_phase, first_phase, u2, l1, -lower)
    return Rows.join([one, other])


def _implied(
    first: Parts,
    second: Parts,
    first_phase: Index,
    second_phase: Index,
    most: Array,
    least: Array,
    gap: Array,
) -> Rows:
    """Return the rows that follow from ``x <= y + gap``, with x <= most and y >= least."""
    below = gap <= 0.0
    strictly = gap < 0.0
    up = np.nextafter(most - gap, np.inf)
    down = np.nextafter(-least - gap, np.inf)
    p, n, t = first.positive, first.negative, first_phase
    q, m, s = second.positive, second.negative, second_phase
    blocks = [
        (below, t, s, np.ones(gap.size), -np.ones(gap.size), np.zeros(gap.size)),
        (strictly, n, s, -np.ones(gap.size), gap, gap),  # -n + gap s <= gap
        (strictly, q, t, -np.ones(gap.size), -gap, np.zeros(gap.size)),  # -q - gap t <= 0
        (~below & (most > gap), p, s, np.ones(gap.size), -up, gap),
        # m + (-l2 - gap) t <= -l2, where gap + down is at least -l2
        (~below & (-least > gap), m, t, np.ones(gap.size), down, np.nextafter(gap + down, np.inf)),
    ]
    return Rows.join(
        [
            Rows.full(
                np.stack([one, other], axis=1)[keep],
                np.stack([left, right], axis=1)[keep],
                np.full(int(keep.sum()), -np.inf),
                side[keep],
            )
            for keep, one, other, left, right, side in blocks
        ]
    )


def check_difference(lower: Array, upper: Array) -> None:
    """Raise ValueError unless ``-inf < ld <= ud < inf`` everywhere."""
    fine: NDArray[np.bool_] = (lower > -np.inf) & (lower <= upper) & (upper < np.inf)
    if not fine.all():
        place = int(np.argmin(fine))
        raise ValueError(
            f"pair {place} has the difference bounds {lower[place]} and {upper[place]}: they must "
            "be finite, the lower one at most the upper one"
        )
