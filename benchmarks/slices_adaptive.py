"""Adaptive slices against a grid: neurons left at an equal number of cells, cells at equal saving.

`python -m secateur.benchmarks.slices_adaptive [--net 1_1] [--cells 1024]` cuts the whole domain of
an ACAS Xu network into a grid, as even as the number of cells allows, and by bisection where it
saves most, once to as many cells and once until as much is saved. Neurons left is the mean, over an
evaluation at a random point of the domain, of the ReLUs of its cell that backward linear bounds
leave undecided; bounds are taken of each cell alone, for both alike. Every cover is proved.
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.formats import load
from ..engine.region import Region
from ..slicing.adaptive import Until, adaptive
from ..slicing.cover import cover
from ..slicing.slices import Slices
from ..slicing.split import grid
from ..slicing.undecided import Undecided
from .machine import acas, machine, table
from .whole_domain import LOWER, UPPER

Array = NDArray[np.float64]


def shares(slices: Slices) -> Array:
    """Return the share of the region's volume ``(cells,)`` that each cell has."""
    wide = slices.whole.upper - slices.whole.lower
    return np.asarray(np.prod((slices.upper - slices.lower) / wide, axis=1))


def even(cells: int, inputs: int) -> list[int]:
    """Return powers of two as even as can be whose product is the largest up to a number."""
    halvings = int(np.log2(cells))
    return [2 ** (halvings // inputs + (at < halvings % inputs)) for at in range(inputs)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="1_1")
    parser.add_argument("--cells", type=int, default=1024)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    network = load(acas(given.net))
    whole = Region.box([Fraction(t) for t in LOWER], [Fraction(t) for t in UPPER], "whole domain")
    cost = Undecided(network, given.workers)
    cost(whole.lower[None], whole.upper[None])  # compiled before anything is timed
    rows: list[dict[str, object]] = []

    def measure(name: str, slices: Slices, seconds: float, boxes: int) -> float:
        count = cost(slices.lower, slices.upper)[0]
        left = float(count @ shares(slices))
        start = time.perf_counter()
        proved = cover(slices)
        rows.append(
            {
                "cells made by": name,
                "cells": proved.cells,
                f"neurons left of {network.neurons} per evaluation": f"{left:.1f}",
                "fewest, most in a cell": f"{count.min():.0f}, {count.max():.0f}",
                "depth": slices.depth,
                "boxes bounded": boxes,
                "time to cut (s)": f"{seconds:.2f}",
                "time to prove the cover (s)": f"{time.perf_counter() - start:.3f}",
            }
        )
        return left

    start = time.perf_counter()
    even_cells = grid(whole, even(given.cells, whole.size))
    goal = measure("grid", even_cells, time.perf_counter() - start, 0)
    for name, until in (
        ("bisection, as many cells", Until(cells=even_cells.count)),
        ("bisection, as much saved", Until(cells=even_cells.count, mean=goal)),
    ):
        start = time.perf_counter()
        grown = adaptive(whole, cost, until)
        measure(name, grown.slices, time.perf_counter() - start, grown.boxes)
    print(table(rows))
    print(
        f"\nnet {given.net}, grid {','.join(map(str, even(given.cells, whole.size)))}, "
        f"{given.workers} threads; {machine('numpy', 'numba')}"
    )


if __name__ == "__main__":
    main()
