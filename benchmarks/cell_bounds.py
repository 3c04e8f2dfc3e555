"""How many neurons each kind of bound leaves unstable on cells of a grid, and what it costs.

`python -m secateur.benchmarks.cell_bounds [--net 1_1] [--cells 200] [--lp 200]` draws random cells
of the 8x8x8x8x8 grid (equal halvings of the normalised box) and prints, a row for each method, the
mean number of unstable neurons of 300 and the time a cell: interval; linear by arrays and compiled;
optimised slopes; 32 sub-boxes with linear bounds; triangle LP for every neuron. 200,000 samples a
cell show what no method can get below.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.interval import interval
from ..engine.bounds.kernels import bound_boxes
from ..engine.bounds.linear import linear
from ..engine.bounds.packed import Packed, pack
from ..engine.bounds.tighten import tighten
from ..engine.formats import load
from ..engine.network import Network
from ..engine.stages import stages
from .machine import acas, machine, peak_memory, table

Array = NDArray[np.float64]

LOWER = np.array([-0.328422877, -0.5, -0.5, -0.5, -0.5])
UPPER = np.array([0.679857769, 0.5, 0.5, 0.5, 0.5])
"""The domain of the ACAS Xu networks, network units."""


def cells(count: int, seed: int) -> tuple[Array, Array]:
    """Return the corners ``(count, 5)`` of random cells of the grid."""
    width = (UPPER - LOWER) / 8
    index = np.random.default_rng(seed).integers(0, 8, size=(count, 5))
    lower = LOWER + index * width
    return lower, lower + width


def compiled(net: Packed, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return the compiled bounds ``(boxes, neurons)`` of all pre-activations."""
    boxes, total = len(lower), int(net.offset[-1])
    low, high = np.full((boxes, total), -np.inf), np.full((boxes, total), np.inf)
    wish = np.zeros((boxes, total), np.uint8)
    spare = np.zeros((boxes, lower.shape[1]))
    bound_boxes(net, lower, upper, low, high, wish, spare, np.zeros(boxes, np.int64), spare.copy())
    hidden = slice(int(net.offset[1]), int(net.offset[-2]))
    return low[:, hidden], high[:, hidden]


def hidden(network: Network, bounds: dict[str, tuple[Array, Array]]) -> tuple[Array, Array]:
    """Return the bounds ``(boxes, neurons)`` of all pre-activations."""
    ends = [bounds[node.sources[0]] for node in network.piecewise]
    return np.concatenate([e[0] for e in ends], axis=1), np.concatenate(
        [e[1] for e in ends], axis=1
    )


def in_parts(net: Packed, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return bounds over each box from the 32 boxes it falls into when every input is halved."""
    middle, size = 0.5 * (lower + upper), lower.shape[1]
    low, high = np.full((len(lower), 0), 0.0), np.full((len(lower), 0), 0.0)
    for corner in itertools.product((False, True), repeat=size):
        some = compiled(net, np.where(corner, middle, lower), np.where(corner, upper, middle))
        if not low.size:
            low, high = some
        low, high = np.minimum(low, some[0]), np.maximum(high, some[1])
    return low, high


def by_programs(network: Network, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Return triangle-LP bounds of every neuron, layer by layer, over each box."""
    lows, highs = [], []
    for box in range(len(lower)):
        known: dict[str, tuple[Array, Array]] = {}
        for node in network.piecewise:
            source = node.sources[0]
            wide = linear(
                network, lower[[box]], upper[[box]], known=known, nodes=frozenset({source})
            )
            flat = {name: (low[0], high[0]) for name, (low, high) in wide.items()}
            low, high = flat[source]
            ask = np.flatnonzero((low < 0) & (high > 0))
            if ask.size:
                tight = tighten(network, lower[box], upper[box], flat, source, ask)
                low, high = low.copy(), high.copy()
                low[ask], high[ask] = tight.lower, tight.upper
            known[source] = low[None], high[None]
        ends = [known[node.sources[0]] for node in network.piecewise]
        lows.append(np.concatenate([e[0][0] for e in ends]))
        highs.append(np.concatenate([e[1][0] for e in ends]))
    return np.array(lows), np.array(highs)


def sampled(network: Network, lower: Array, upper: Array, count: int) -> tuple[Array, Array]:
    """Return the range of every pre-activation over random points of each box."""
    rng = np.random.default_rng(1)
    lows, highs = [], []
    for box in range(len(lower)):
        low, high = np.full(network.neurons, np.inf), np.full(network.neurons, -np.inf)
        for _ in range(0, count, 4000):  # few enough points to stay in cache
            values = network.trace(rng.uniform(lower[box], upper[box], size=(4000, lower.shape[1])))
            z = np.concatenate([values[node.sources[0]] for node in network.piecewise], axis=1)
            low, high = np.minimum(low, z.min(axis=0)), np.maximum(high, z.max(axis=0))
        lows.append(low)
        highs.append(high)
    return np.array(lows), np.array(highs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="1_1")
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--lp", type=int, default=200, help="cells bounded by programs too")
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    network = load(acas(given.net))
    net = pack(stages(network))
    lower, upper = cells(given.cells, given.seed)
    compiled(net, lower[:1], upper[:1])  # compiled or read from the cache before it is timed
    rows = []

    def measure(name: str, count: int, bound: Callable[[], tuple[Array, Array]]) -> None:
        start = time.perf_counter()
        low, high = bound()
        wall = time.perf_counter() - start
        open_share = ((low < 0) & (high > 0)).sum(axis=1)
        rows.append(
            {
                "method": name,
                "cells": count,
                "mean unstable of 300": f"{open_share.mean():.1f}",
                "ms a cell": f"{1e3 * wall / count:.3g}",
                "peak memory (MB)": f"{peak_memory():.0f}",
            }
        )

    def chunks(steps: int) -> tuple[Array, Array]:
        parts = [
            hidden(network, linear(network, lower[i : i + 20], upper[i : i + 20], steps=steps))
            for i in range(0, len(lower), 20)
        ]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    some = lower[: given.lp], upper[: given.lp]
    measure("interval", given.cells, lambda: hidden(network, interval(network, lower, upper)))
    measure("linear, arrays", given.cells, lambda: chunks(0))
    measure("linear, compiled", given.cells, lambda: compiled(net, lower, upper))
    measure("optimised slopes, 20 steps", given.cells, lambda: chunks(20))
    measure("linear on 32 sub-boxes, compiled", given.cells, lambda: in_parts(net, lower, upper))
    if given.lp:
        measure("triangle LP", len(some[0]), lambda: by_programs(network, *some))
    floor = f"{given.samples:,} samples (floor)"
    measure(floor, given.cells, lambda: sampled(network, lower, upper, given.samples))
    print(table(rows))
    print(
        f"\nnet {given.net}, seed {given.seed}, one thread; {machine('numpy', 'numba', 'highspy')}"
    )


if __name__ == "__main__":
    main()
