"""Hypothesis strategies for sliced regions, and what their cells are by definition alone."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from secateur.engine.region import Region
from secateur.slicing.slices import LEAF, Slices

rationals = st.one_of(
    st.integers(-16, 16).map(lambda n: Fraction(n, 8)),
    st.fractions(-2, 2, max_denominator=50),
    st.floats(-2, 2, allow_subnormal=False).map(Fraction),
)


@st.composite
def regions(draw: st.DrawFn, size: int | None = None) -> Region:
    """Draw a region of rational limits; some inputs have no width, some a single float64 inside."""
    inputs = draw(st.integers(1, 4)) if size is None else size
    lower, upper = [], []
    for _ in range(inputs):
        low, high = sorted((draw(rationals), draw(rationals)))
        match draw(st.sampled_from(["wide", "wide", "wide", "point", "thin"])):
            case "point":
                high = low
            case "thin":
                low = Fraction(np.nextafter(float(low), -np.inf))
                high = Fraction(np.nextafter(np.nextafter(float(low), np.inf), np.inf))
        lower.append(low)
        upper.append(high)
    return Region(tuple(lower), tuple(upper), "drawn")


@st.composite
def sliced(draw: st.DrawFn, size: int | None = None, cells: int = 20) -> Slices:
    """Draw slices: any leaf is cut anywhere, in the middle, or next to a limit."""
    whole = draw(regions(size))
    axis, cut, child = [LEAF], [0.0], [0]
    boxes = {0: (whole.lower, whole.upper)}
    for _ in range(draw(st.integers(0, cells - 1))):
        node = draw(st.sampled_from(sorted(boxes)))
        at = draw(st.integers(0, whole.size - 1))
        low, high = boxes[node]
        share = draw(st.sampled_from([0.5, 0.5, 0.25, 0.0, 1.0, 1 / 3]))
        where = low[at] + share * (high[at] - low[at])
        where = min(max(where, np.nextafter(low[at], np.inf)), np.nextafter(high[at], -np.inf))
        if not low[at] < where < high[at]:
            continue
        del boxes[node]
        axis[node], cut[node], child[node] = at, where, len(axis)
        for half in (0, 1):
            ends = low.copy(), high.copy()
            ends[1 - half][at] = where
            boxes[len(axis)] = ends
            axis.append(LEAF)
            cut.append(0.0)
            child.append(0)
    arrays = np.array(axis), np.array(cut), np.array(child)
    return Slices.of_nodes(whole, *arrays)[0]


def owners(whole: Region, cells: Sequence[Region], point: Sequence[Fraction]) -> list[int]:
    """Return the numbers of the cells that own a point of Fractions, by the rule of `cover.py`."""
    found = []
    for number, cell in enumerate(cells):
        limits = zip(cell.exact_lower, cell.exact_upper, whole.exact_upper, point, strict=True)
        if all(low <= x and (x < high or x == high == top) for low, high, top, x in limits):
            found.append(number)
    return found


def telling(cells: Sequence[Region]) -> list[list[Fraction]]:
    """Return for each input values on and between all limits: no others tell cells apart."""
    out = []
    for at in range(cells[0].size):
        marks = sorted({v for c in cells for v in (c.exact_lower[at], c.exact_upper[at])})
        between = [(a + b) / 2 for a, b in pairwise(marks)]
        out.append(sorted(marks + between))
    return out


def near(slices: Slices) -> list[NDArray[np.float64]]:
    """Return for each input float64 values on, just below and just above every cell's limits."""
    out = []
    for at in range(slices.whole.size):
        marks = np.unique(np.concatenate([slices.lower[:, at], slices.upper[:, at]]))
        some = [marks, np.nextafter(marks, -np.inf), np.nextafter(marks, np.inf)]
        out.append(np.unique(np.concatenate(some)))
    return out
