"""Rows of y = max(z, 0) for given bounds l <= z <= u.

An unstable neuron (l < 0 < u) has two columns: its positive part p = max(z, 0), which is its
output, and its negative part n = max(-z, 0), so that z = p - n and p, n >= 0. Both faces ``y >= 0``
and ``y >= z`` of the ReLU are then column limits instead of rows, fixing a phase caps one column at
0, and the dense row ``p - n = W x + b`` appears once.

A stable neuron costs no column and no row: y is z (l >= 0) or 0 (u <= 0). So it is with the states
IDENTITY, ZERO and LINEAR, which are substitutions; `linear` is for where the output of a LINEAR
neuron must be a column.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .program import Array, Index, Rows


class Phase(IntEnum):
    """Which side of its kink a ReLU is on over the whole box."""

    INACTIVE = -1
    UNSTABLE = 0
    ACTIVE = 1


def phases(lower: Array, upper: Array) -> NDArray[np.int8]:
    """Return the `Phase` of each neuron.

    Args:
        lower: ``(neurons,)``, bounds l of z, closed.
        upper: ``(neurons,)``, bounds u of z, closed; u = 0 counts as inactive.

    Raises:
        ValueError: a NaN, or a lower bound above its upper bound.
    """
    if not (lower <= upper).all():
        place = int(np.argmin(lower <= upper))
        raise ValueError(
            f"neuron {place} has the bounds {lower[place]} and {upper[place]}: they must be "
            "numbers, the lower one at most the upper one"
        )
    stable = np.where(upper <= 0, int(Phase.INACTIVE), int(Phase.ACTIVE))
    return np.where((lower < 0) & (upper > 0), int(Phase.UNSTABLE), stable).astype(np.int8)


def check_unstable(lower: Array, upper: Array) -> None:
    """Raise ValueError unless ``-inf < l < 0 < u < inf`` everywhere: there is no default big-M."""
    fine = (lower > -np.inf) & (lower < 0) & (upper > 0) & (upper < np.inf)
    if not fine.all():
        place = int(np.argmin(fine))
        raise ValueError(
            f"unstable neuron {place} has the bounds {lower[place]} and {upper[place]}: they must "
            "be finite and lie on both sides of 0; there is no default big-M"
        )


def triangle(positive: Index, negative: Index, lower: Array, upper: Array) -> Rows:
    """Return the upper face of the convex hull of each ReLU over its bounds.

    Args:
        positive: ``(neurons,)`` columns p.
        negative: ``(neurons,)`` columns n.
        lower: ``(neurons,)`` bounds l of z = p - n.
        upper: ``(neurons,)`` bounds u of z.

    Requires:
        l < 0 < u, finite; columns with p in [0, u] and n in [0, -l]; rows p - n = z.
    Rows:
        ``-l p + u n <= -l u``, that is p / u + n / -l <= 1, or y <= u (z - l) / (u - l); one a
        neuron, scaled by a power of two.
    Exact or relaxes:
        Relaxes to the triangle; only the right side is rounded, upward.
    Source:
        R. Ehlers, Formal verification of piece-wise linear feed-forward neural networks, ATVA 2017.
    """
    check_unstable(lower, upper)
    scale = np.ldexp(1.0, -np.frexp(np.maximum(-lower, upper))[1])
    low, high = -lower * scale, upper * scale
    return Rows.full(
        np.stack([positive, negative], axis=1),
        np.stack([low, high], axis=1),
        np.full(lower.size, -np.inf),
        np.nextafter(low * upper, np.inf),
    )


def big_m(positive: Index, negative: Index, phase: Index, lower: Array, upper: Array) -> Rows:
    """Return the ReLUs with one binary each.

    Args:
        positive: ``(neurons,)`` columns p.
        negative: ``(neurons,)`` columns n.
        phase: ``(neurons,)`` columns t, whole numbers in [0, 1]; 1 is the active side.
        lower: ``(neurons,)`` bounds l of z = p - n.
        upper: ``(neurons,)`` bounds u of z.

    Requires:
        l < 0 < u, finite; columns with p in [0, u] and n in [0, -l]; rows p - n = z.
    Rows:
        ``p - u t <= 0`` and ``n - l t <= -l``: y <= u t and y <= z - l (1 - t), with y >= 0 and
        y >= z in the column limits; two a neuron.
    Exact or relaxes:
        Exact for whole t, without rounding; with t in [0, 1] it is the triangle.
    Source:
        V. Tjeng, K. Xiao, R. Tedrake, Evaluating robustness of neural networks with mixed integer
        programming, ICLR 2019.
    """
    check_unstable(lower, upper)
    size = lower.size
    names, values = np.empty((2 * size, 2), np.int32), np.ones((2 * size, 2))
    names[:size, 0], names[size:, 0] = positive, negative
    names[:size, 1], names[size:, 1] = phase, phase
    values[:size, 1], values[size:, 1] = -upper, -lower
    sides = np.zeros(2 * size)
    sides[size:] = -lower
    return Rows.full(names, values, np.full(2 * size, -np.inf), sides)


def partitioned(
    positive: Index,
    negative: Index,
    phase: Index,
    on: Index,
    off: Index,
    bias: Array,
    part_lower: Array,
    part_upper: Array,
    unit: Array,
) -> Rows:
    """Return the rows that spread each ReLU over a partition of its inputs.

    Args:
        positive: ``(neurons,)`` columns p, as in `big_m`.
        negative: ``(neurons,)`` columns n, as in `big_m`.
        phase: ``(neurons,)`` columns t, as in `big_m`.
        on: ``(neurons, parts)`` columns: the part's sum where the neuron is active, else 0.
        off: ``(neurons, parts)`` columns: the part's sum where it is not, else 0.
        bias: ``(neurons,)``, b of z = sum of the parts + b.
        part_lower: ``(neurons, parts)``, bounds L of the parts' sums.
        part_upper: ``(neurons, parts)``, bounds U of the parts' sums.
        unit: ``(neurons, parts)`` powers of two, in which the columns on and off are measured.

    Requires:
        Finite L <= U; rows of `parts`, which tie on + off to the inputs; rows of `big_m`.
    Rows:
        ``p - sum(unit on) - b t = 0``, ``n + sum(unit off) - b t = -b``, and for each part
        ``L t <= unit on <= U t``, ``L (1 - t) <= unit off <= U (1 - t)``, divided by the unit.
    Exact or relaxes:
        Exact for whole t. With t in [0, 1] it lies between the triangle (one part) and the convex
        hull over the box of inputs (one part an input: ideal).
    Source:
        C. Tsay, J. Kronqvist, A. Thebelt, R. Misener, Partition-based formulations for
        mixed-integer optimization of trained ReLU neural networks, NeurIPS 2021, section 3
        (extended form).
    """
    count, size = on.shape
    names, values = np.empty((2 * count, size + 2), np.int32), np.ones((2 * count, size + 2))
    names[:, 0], names[:, 1] = np.concatenate([positive, negative]), np.tile(phase, 2)
    names[:count, 2:], names[count:, 2:] = on, off
    values[:, 1] = np.tile(-bias, 2)
    values[:count, 2:], values[count:, 2:] = -unit, unit
    sides = np.concatenate([np.zeros(count), -bias])
    sums = Rows.full(names, values, sides, sides)
    low, high, none = (part_lower / unit).ravel(), (part_upper / unit).ravel(), np.zeros(on.size)
    endless = np.full(on.size, np.inf)
    columns = np.concatenate([on, on, off, off]).ravel()
    limits = Rows.full(
        np.stack([np.tile(np.repeat(phase, size), 4), columns], axis=1),
        np.stack([np.concatenate([-low, -high, low, high]), np.ones(4 * on.size)], axis=1),
        np.concatenate([none, -endless, low, -endless]),
        np.concatenate([endless, none, endless, high]),
    )
    return Rows.join([sums, limits])


def parts(
    weight: Array,
    columns: Index,
    group: NDArray[np.int64],
    on: Index,
    off: Index,
    error: Array,
    unit: Array,
) -> Rows:
    """Return the rows that tie each part of a partition to its inputs.

    Args:
        weight: ``W``, ``(neurons, inputs)``.
        columns: ``(inputs,)``, the columns of x, each once.
        group: ``(neurons, inputs)``, which part an input belongs to, from 0.
        on: ``(neurons, parts)`` columns, as in `partitioned`.
        off: ``(neurons, parts)`` columns, as in `partitioned`.
        error: ``(neurons,)``, by how much the true z may differ from ``W x + b``.
        unit: ``(neurons, parts)`` powers of two, as in `partitioned`.

    Requires:
        Finite numbers; bounds of part 0 widened by `error`.
    Rows:
        ``-error <= unit (on + off) - sum over the part of W x <= error`` for part 0, and with 0 for
        error for the others, divided by the unit; one a part.
    Exact or relaxes:
        Exact where `error` is 0, else a band.
    Source:
        As `partitioned`.
    """
    count, size = on.shape
    member = group[:, None, :] == np.arange(size)[None, :, None]
    spread = np.where(member, 0.0 - weight[:, None, :], 0.0) / unit[:, :, None]
    slack = np.zeros((count, size))
    slack[:, 0] = error / unit[:, 0]
    spread = spread.reshape(count * size, -1)
    return Rows.full(
        np.hstack([np.broadcast_to(columns, spread.shape), on.reshape(-1, 1), off.reshape(-1, 1)]),
        np.hstack([spread, np.ones((count * size, 2))]),
        -slack.ravel(),
        slack.ravel(),
    )


def linear(output: Index, source: Index, slope: Array, intercept: Array) -> Rows:
    """Return the rows of LINEAR neurons whose output and source are columns.

    Args:
        output: ``(neurons,)`` columns y.
        source: ``(neurons,)`` columns z.
        slope: ``(neurons,)``.
        intercept: ``(neurons,)``.

    Requires:
        Finite numbers.
    Rows:
        ``y - slope z = intercept``, one a neuron.
    Exact or relaxes:
        Exact.
    Source:
        The definition of the state.
    """
    values = np.stack([np.ones(slope.size), 0.0 - slope], axis=1)
    return Rows.full(np.stack([output, source], axis=1), values, intercept, intercept)
