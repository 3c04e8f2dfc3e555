"""Pairs of networks of one shape, rows over them, boxes, and what bounds of rows have to obey."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import boxes
from twins import twins

from secateur.engine.bounds.aligned import aligned
from secateur.engine.bounds.difference import PackedPair, PairRows, pack_pair, pair_rows
from secateur.engine.bounds.pairs import bound_pairs
from secateur.engine.bounds.pairs_linear import bound_pairs_linear
from secateur.engine.bounds.rows import bound_rows
from secateur.engine.network import Network
from secateur.engine.stages import Stages, stages

Array = NDArray[np.float64]

coefficients = st.sampled_from([0.0, 0.0, 1.0, -1.0, 2.0, -3.0, 1 / 3, -0.1, 1e-9])


def bounded(
    kernel: str,
    net: Any,
    rows: PairRows | None,
    lower: Array,
    upper: Array,
    stable: NDArray[np.uint8] | None = None,
    cut: Array | None = None,
    wanted: NDArray[np.uint8] | None = None,
) -> tuple[Array, Array, Array, NDArray[np.uint8]]:
    """Return low, base, slopes and flags; `rows` is None for one network's outputs."""
    count, asked = len(lower), net.sizes[-1] if rows is None else len(rows.bias)
    if stable is None:
        sides = 1 if rows is None else 2
        stable = np.zeros((count, sides, int(net.offset[-1])), np.uint8)
    if wanted is None:
        wanted = np.ones((count, asked), np.uint8)
    cut = np.full(asked, np.inf) if cut is None else cut
    low, base = np.full((count, asked), np.nan), np.full((count, asked), np.nan)
    slopes, parts = (np.zeros((count, asked, lower.shape[1])) for _ in range(2))
    out = (low, base, slopes, parts)
    if rows is None:
        bound_rows(net, lower, upper, stable, wanted, cut, *out)
    elif kernel == "linear":
        watched, doubt = np.zeros(0, np.int64), np.zeros(lower.shape)
        bound_pairs_linear(net, rows, lower, upper, stable, wanted, cut, *out, watched, doubt)
    else:
        bound_pairs(net, rows, lower, upper, stable, wanted, cut, kernel == "deep", *out)
    assert not any(np.isnan(array).any() for array in out)
    return low, base, slopes, stable


def exact_rows(rows: PairRows, x: Any, y: Any, place: Any) -> list[Fraction]:
    """Return the rows' values at rational outputs x and y."""
    found = []
    for row in range(len(rows.bias)):
        total = Fraction(float(rows.bias[row]))
        for at in range(len(x)):
            a, b, c = (Fraction(float(m[row, at])) for m in (rows.first, rows.second, rows.apart))
            total += a * x[at] + b * y[at] + c * (x[at] - y[at])
        for weight, value in zip(rows.direct[row], place, strict=True):
            total += Fraction(float(weight)) * Fraction(float(value))
        found.append(total)
    return found


def plane(base: float, slopes: Array, lower: Array, upper: Array, place: Array) -> Fraction:
    """Return the exact value of a plane at a point."""
    total = Fraction(float(base))
    for slope, low, high, value in zip(slopes, lower, upper, place, strict=True):
        corner = low if slope > 0 else high
        total += Fraction(float(abs(slope))) * abs(Fraction(float(value)) - Fraction(float(corner)))
    return total


def corners(lower: Array, upper: Array) -> Array:
    """Return the corners of a box."""
    return np.array(list(product(*zip(lower, upper, strict=True))))


@st.composite
def pairs(
    draw: st.DrawFn, /, **kind: Any
) -> tuple[Network, Network, tuple[Stages, Stages], PackedPair]:
    """Draw two networks of the same sizes, packed, with the chains that they became."""
    f, g = draw(twins(**kind))
    found = aligned(stages(f), stages(g))
    if found is None:
        reject()
    return f, g, found, pack_pair(*found)


@st.composite
def rows_over(draw: st.DrawFn, outputs: int, inputs: int, count: int = 3) -> PairRows:
    """Draw rows over the outputs of two networks."""

    def matrix(rows: int, columns: int) -> Array:
        return np.array([[draw(coefficients) for _ in range(columns)] for _ in range(rows)])

    direct = matrix(count, inputs) * draw(st.sampled_from([0.0, 1.0]))
    bias = matrix(1, count)[0]
    return pair_rows(matrix(count, outputs), matrix(count, outputs), direct, bias)


@st.composite
def corners_of_boxes(draw: st.DrawFn, inputs: int, count: int = 2) -> tuple[Array, Array]:
    """Draw boxes side by side; the first may be a point, or have equal sides."""
    found = [draw(boxes(inputs)) for _ in range(count)]
    lower, upper = (np.array([box[side] for box in found]) for side in (0, 1))
    match draw(st.integers(0, 5)):
        case 0:
            upper[0] = lower[0]
        case 1:
            upper[0, 0] = lower[0, 0]
    return lower, upper


def sized(
    generator: np.random.Generator, widths: Sequence[int], scale: float = 1.0
) -> tuple[list[Array], list[Array]]:
    """Return weights and biases of a chain of layers of these widths."""
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    weights = [scale * generator.normal(size=s) / np.sqrt(s[1]) for s in shapes]
    return weights, [0.1 * generator.normal(size=s[0]) for s in shapes]
