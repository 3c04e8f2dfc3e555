"""Difference bounds: what two networks of one shape do to the difference of their activations.

For a neuron let x be its pre-activation in f, y in g, ``d = x - y``, and ``D = act(x) - act(y)``.
Over a box each network is a zonotope and d a third one that shares its symbols:

- ``x = X e + A a + c``, ``y = Y e + B b + c``, ``d = G e + A' a + B' b + H h + c``, with e the
  inputs in [-1, 1], a and b what the ReLUs of f and g add, h what the differences add;
- ``a = (relu(x) - slope x - half) / half`` is *defined* so: it is the same number wherever it
  stands, which is why x and d may share it.

Weights that differ little make d small where x and y are wide.

Source: S. Teuber, P. Kern, M. Janzen, B. Beckert, Revisiting differential verification, TACAS
2025; B. Paulsen, J. Wang, C. Wang, ReluDiff, ICSE 2020. The rules that share symbols between a
network and the difference are this project's.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..network import State
from ..rounding import UNDERFLOW, UNIT
from ..stages import Stage, Stages
from .compiled import njit
from .packed import grids

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

KAPPA = 0.75
"""Two unstable neurons: a fresh symbol is taken when its radius is at most this share of what the
shared symbols would add."""

# Entries of what `pair_rule` gives: D = d_ d + x_ x + y_ y + constant + a_ a + b_ b + h_ h.
OF_D, OF_X, OF_Y, CONSTANT, OF_A, OF_B, OF_H = range(7)


@njit(cache=True, nogil=True)
def line_of(state, slope, intercept, low, high):
    """Return an activation over [low, high] as ``slope z + shift + half (1 + symbol)``.

    Args:
        state: as `State`.
        slope: of a LINEAR neuron.
        intercept: of a LINEAR neuron.
        low: proved lower bound of the pre-activation.
        high: proved upper bound.

    Returns:
        slope, shift, half; half is 0 where the activation is that line exactly.
    """
    if state == 1 or (state == 0 and high <= 0.0):
        return 0.0, 0.0, 0.0
    if state == 2 or (state == 0 and low >= 0.0):
        return 1.0, 0.0, 0.0
    if state == 3:
        return slope, intercept, 0.0
    steep = high / (high - low)
    height = max(-steep * low, (1.0 - steep) * high) * (1.0 + 8.0 * UNIT) + UNDERFLOW
    return steep, 0.0, 0.5 * height


@njit(cache=True, nogil=True)
def pair_rule(slope1, shift1, half1, slope2, shift2, half2, low, high, rule):
    """Fill the linear rule of D for one pair of neurons.

    Args:
        slope1: of f's line, with shift1 and half1 as `line_of` gives them.
        shift1: see slope1.
        half1: see slope1.
        slope2: of g's line, with shift2 and half2.
        shift2: see slope2.
        half2: see slope2.
        low: proved lower bound of d.
        high: proved upper bound of d.
        rule: ``(7,)`` filled: D lies in ``OF_D d + OF_X x + OF_Y y + CONSTANT + OF_A a + OF_B b +
            OF_H [-1, 1]`` up to the rounding of the entries themselves.
    """
    rule[:] = 0.0
    if half1 > 0.0 and half2 > 0.0:
        if low >= 0.0:
            share = 1.0
        elif high <= 0.0:
            share = 0.0
        else:
            share = high / (high - low)
        slope = min(share, 1.0 - share)
        most = max(0.0, max(-slope * low, (1.0 - slope) * high))
        least = min(0.0, min((1.0 - slope) * low, -slope * high))
        radius = 0.5 * (most - least) * (1.0 + 8.0 * UNIT) + UNDERFLOW
        if radius <= KAPPA * (half1 + half2):
            rule[OF_D], rule[CONSTANT], rule[OF_H] = slope, 0.5 * (most + least), radius
            return
    if half1 == 0.0 and half2 > 0.0 and slope1 != 0.0:
        rule[OF_D], rule[OF_Y] = slope1, slope1 - slope2
    elif slope1 == 0.0:
        rule[OF_Y] = -slope2
    elif slope2 == 0.0:
        rule[OF_X] = slope1
    else:
        rule[OF_D], rule[OF_X] = slope2, slope1 - slope2
    rule[CONSTANT] = (shift1 + half1) - (shift2 + half2)
    rule[OF_A], rule[OF_B] = half1, -half2


class PackedPair(NamedTuple):
    """Two networks of one shape as flat arrays; stage 0 is the input.

    Matrices are stored transposed, ``(size of source, size of stage)``, one after the other.

    Attributes:
        sizes: neurons a stage.
        offset: first neuron of each stage; one more at the end.
        start: where each stage's matrix begins.
        first, second: the matrices of f and of g.
        change: f's minus g's, rounded once.
        bias1, bias2: ``(neurons,)``.
        change_bias: f's minus g's, rounded once.
        state, slope, intercept: ``(2, neurons)``.
        step, least, most: ``(2, neurons)`` grids of the activations; a step of 0 for none.
        operations: a bound on the roundings on the way of one row to the input.
        shared: the last stage whose pre-activations are the same in f and g, whatever the input: up
            to there nothing is computed twice. 0 where already the first matrices differ.
    """

    sizes: Integers
    offset: Integers
    start: Integers
    first: Array
    second: Array
    change: Array
    bias1: Array
    bias2: Array
    change_bias: Array
    state: NDArray[np.int8]
    slope: Array
    intercept: Array
    step: Array
    least: Array
    most: Array
    operations: int
    shared: int


def pack_pair(first: Stages, second: Stages) -> PackedPair:
    """Return two chains of the same sizes, as `aligned` gives them, as flat arrays."""
    steps = list(zip(first.stages, second.stages, strict=True))
    sizes = np.array([one.size for one, _ in steps], dtype=np.int64)
    matrices = [(one.edges[0].weight, two.edges[0].weight) for one, two in steps[1:]]
    lengths = [0, 0, *(one.size for one, _ in matrices)]
    bias1 = np.concatenate([one.bias for one, _ in steps])
    bias2 = np.concatenate([two.bias for _, two in steps])

    def flat(parts: list[Array]) -> Array:
        return np.concatenate([np.ascontiguousarray(part.T).ravel() for part in parts])

    def both(name: str) -> NDArray[np.float64]:
        sides = [[getattr(pair[side].layer, name) for pair in steps] for side in (0, 1)]
        return np.array([np.concatenate(side) for side in sides])

    sides = [grids(chain.stages) for chain in (first, second)]
    return PackedPair(
        sizes=sizes,
        offset=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        start=np.cumsum(lengths).astype(np.int64),
        first=flat([one for one, _ in matrices]),
        second=flat([two for _, two in matrices]),
        change=flat([one - two for one, two in matrices]),
        bias1=bias1,
        bias2=bias2,
        change_bias=bias1 - bias2,
        state=both("state").astype(np.int8),
        slope=both("slope"),
        intercept=both("intercept"),
        step=np.array([sides[0][0], sides[1][0]]),
        least=np.array([sides[0][1], sides[1][1]]),
        most=np.array([sides[0][2], sides[1][2]]),
        operations=int(32 * sizes.sum() + 64),
        shared=_shared(steps),
    )


def _shared(steps: list[tuple[Stage, Stage]]) -> int:
    """Return the last stage up to which two chains of the same sizes compute the same."""
    for k, (one, two) in enumerate(steps[1:], start=1):
        alike = k == 1 or steps[k - 1][0].acts_as(steps[k - 1][1])
        alike = alike and np.array_equal(one.edges[0].weight, two.edges[0].weight)
        if not (alike and np.array_equal(one.bias, two.bias)):
            return k - 1
    return len(steps) - 1


class PairRows(NamedTuple):
    """Rows over the outputs of two networks.

    Attributes:
        first, second, apart: ``(rows, outputs)`` coefficients of x, y and d, exact.
        direct: ``(rows, inputs)``.
        bias: ``(rows,)``.
    """

    first: Array
    second: Array
    apart: Array
    direct: Array
    bias: Array


def pair_rows(first: Array, second: Array, direct: Array, bias: Array) -> PairRows:
    """Return rows over x and y with all that can be said of d said of d.

    Where coefficients a of x and b of y have opposite signs, the smaller magnitude m goes to d:
    ``a x + b y = (a - m) x + (b + m) y + m (x - y)``, as long as that is exact.

    Args:
        first: ``(rows, outputs)``.
        second: ``(rows, outputs)``.
        direct: ``(rows, inputs)``.
        bias: ``(rows,)``.
    """
    apart = np.where(first * second < 0.0, np.sign(first), 0.0)
    apart = apart * np.minimum(np.abs(first), np.abs(second))
    whole = np.minimum(np.abs(first), np.abs(second)) == np.abs(apart)
    rest1, rest2 = first - apart, second + apart
    exact = whole & (rest1 + apart == first) & (rest2 - apart == second)
    exact &= (rest1 == 0.0) | (rest2 == 0.0)
    integers = (np.floor(first) == first) & (np.floor(second) == second)
    exact &= integers & (np.abs(first) < 2.0**52) & (np.abs(second) < 2.0**52)
    kept = np.where(exact, apart, 0.0)
    return PairRows(first - kept, second + kept, kept, direct, bias)


assert [int(state) for state in State] == [0, 1, 2, 3]  # `line_of` spells them
