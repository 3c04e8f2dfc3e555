"""Backward linear bounds of all cells of a grid: ours, auto_LiRPA's and the machine's peak.

`python -m secateur.benchmarks.linear_bounds [--net 1_1] [--cells all] [--threads 2] [--rounds 2]`
bounds every pre-activation of an ACAS Xu network, with fixed slopes, on the cells of the
8x8x8x8x8 grid, or on a random one from each of as many equal runs of it. The compiled loops and
auto_LiRPA's batched CROWN take turns on the same cells with as many threads; the batch is the one
that auto_LiRPA is quickest with on the first cells. Arrays of numpy on some cells are the control.

Floating-point operations are counted twice: those that the loops perform, products and lines and
intervals of live neurons alone, counted on some cells; and those of the plain batched algorithm,
which substitutes both sides of every neuron through every neuron, beginning with the rows of its
own layer. Both are held against the peak: a product of float32 matrices, 2,048 wide, by numpy, on
as many threads. The loops compute in float64, whose peak is half of that, and round outward;
auto_LiRPA computes in float32 and does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.linear import linear
from ..engine.bounds.packed import Packed, pack
from ..engine.formats import load
from ..engine.network import Network
from ..engine.region import Region
from ..engine.stages import stages
from ..slicing.split import grid
from .cell_bounds import compiled
from .linear_work import performed, plain
from .machine import acas, machine, peak_memory, table
from .peers.lirpa import bounds as lirpa
from .peers.solver import THREADS
from .slices_phases import PARTS, drawn
from .whole_domain import LOWER, UPPER

Array = NDArray[np.float64]

TOGETHER = 256
"""Cells in one call of the loops."""

COUNTED = 256
"""Cells, at equal distances, on which operations are counted and arrays are timed."""

BATCHES = (64, 256, 1024, 4096)
"""Among these auto_LiRPA's batch is chosen."""

PEAK = """
import time, numpy as np
a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
times = []
for _ in range(12):
    start = time.perf_counter()
    a @ a
    times.append(time.perf_counter() - start)
print(2 * 2048**3 / np.median(times[2:]))
"""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is measured.

    Attributes:
        net: name of the ACAS Xu network.
        cells: how many of the grid's 32,768, at most all.
        threads: of both.
        rounds: of ours and theirs in turn.
        seed: of the cells drawn.
        alone: whether auto_LiRPA is left out.
    """

    net: str = "1_1"
    cells: int = 32768
    threads: int = 2
    rounds: int = 2
    seed: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Timed:
    """One run: wall time and processor time, both in seconds, and bounds of all hidden neurons."""

    wall: float
    cpu: float
    lower: Array
    upper: Array


def by_loops(net: Packed, lower: Array, upper: Array, threads: int) -> Timed:
    """Return the bounds by the compiled loops, cells shared out among threads."""
    start, cpu = time.perf_counter(), time.process_time()
    parts = [slice(at, at + TOGETHER) for at in range(0, len(lower), TOGETHER)]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda part: compiled(net, lower[part], upper[part]), parts))
    low, high = (np.concatenate([one[side] for one in found]) for side in (0, 1))
    return Timed(time.perf_counter() - start, time.process_time() - cpu, low, high)


def by_lirpa(network: Network, lower: Array, upper: Array, threads: int, batch: int) -> Timed:
    """Return auto_LiRPA's bounds of the hidden neurons, timed in its own process."""
    found = lirpa(network, lower, upper, threads=threads, batch=batch)
    hidden = slice(0, found.lower.shape[1] - network.size_out)
    return Timed(found.seconds, found.cpu_seconds, found.lower[:, hidden], found.upper[:, hidden])


def best_batch(network: Network, lower: Array, upper: Array, threads: int) -> int:
    """Return the batch that auto_LiRPA is quickest with on the first cells."""
    some = slice(0, min(len(lower), 2 * max(BATCHES)))
    seconds = {
        batch: by_lirpa(network, lower[some], upper[some], threads, batch).wall
        for batch in BATCHES
        if batch <= len(lower[some])
    }
    return min(seconds, key=lambda batch: seconds[batch]) if seconds else len(lower)


def peak(threads: int) -> float:
    """Return the float32 operations a second of numpy's product of large matrices."""
    environment = os.environ | dict.fromkeys(THREADS, str(threads))
    words = [sys.executable, "-c", PEAK]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def unstable(found: Timed) -> float:
    """Return the mean number of neurons of a cell whose bounds have zero inside."""
    return float(((found.lower < 0) & (found.upper > 0)).sum(axis=1).mean())


def tighter(ours: Timed, theirs: Timed) -> dict[str, float]:
    """Return how our bounds of neurons that stay unstable compare with theirs."""
    here = (ours.lower < 0) & (ours.upper > 0)
    width = np.stack([(one.upper - one.lower)[here] for one in (ours, theirs)])
    return {
        "mean width, ours to theirs": float((width[0] / width[1]).mean()),
        "as tight or tighter, %": float(100.0 * (width[0] <= width[1] * (1.0 + 1e-4)).mean()),
    }


def measured(asked: Measurement) -> tuple[list[dict[str, object]], dict[str, float]]:
    """Return the rows of the table, and what is compared."""
    network = load(acas(asked.net))
    net = pack(stages(network))
    whole = Region.box([Fraction(t) for t in LOWER], [Fraction(t) for t in UPPER], "whole domain")
    slices = grid(whole, PARTS)
    some = drawn(len(slices.lower), min(asked.cells, len(slices.lower)), asked.seed)
    lower, upper = slices.lower[some], slices.upper[some]
    by_loops(net, lower[:4], upper[:4], asked.threads)  # compiled before anything is timed
    batch = 0 if asked.alone else best_batch(network, lower, upper, asked.threads)
    ours: list[Timed] = []
    theirs: list[Timed] = []
    peaks: list[float] = []
    for _ in range(asked.rounds):
        peaks.append(peak(asked.threads))
        ours.append(by_loops(net, lower, upper, asked.threads))
        if not asked.alone:
            theirs.append(by_lirpa(network, lower, upper, asked.threads, batch))
    control = np.unique(np.linspace(0, len(lower) - 1, COUNTED).astype(int))  # all over the grid
    start = time.perf_counter()
    for at in range(0, len(lower[control]), 32):
        linear(network, lower[control][at : at + 32], upper[control][at : at + 32])
    arrays = (time.perf_counter() - start) / len(lower[control])
    done, asked_for = performed(net, lower[control], upper[control]), plain(net)
    top, wall = float(np.median(peaks)), float(np.median([one.wall for one in ours]))
    rows = [_row("compiled", ours, len(lower), asked.threads)]
    each = wall / len(lower)
    figures = {
        "arrays, one thread, ms a cell": 1e3 * arrays,
        "operations performed a cell": done,
        "operations of the plain algorithm a cell": asked_for,
        "GF/s performed": done / each / 1e9,
        "GF/s, plain": asked_for / each / 1e9,
        "float32 peak, GF/s": top / 1e9,
        "share of the peak performed, %": 100.0 * done / each / top,
        "share of the peak, plain, %": 100.0 * asked_for / each / top,
        "peak memory, MB": peak_memory(),
    }
    if theirs:
        rows.append(_row(f"auto_LiRPA, batch {batch}", theirs, len(lower), asked.threads))
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        ratio = float(np.median([one.wall for one in theirs])) / wall
        figures |= tighter(ours[-1], theirs[-1])
        figures |= {"auto_LiRPA to compiled": ratio, "peak memory of auto_LiRPA, MB": memory}
    return rows, figures


def _row(name: str, found: list[Timed], cells: int, threads: int) -> dict[str, object]:
    wall = float(np.median([one.wall for one in found]))
    return {
        "bounds by": name,
        "cells": cells,
        "threads": threads,
        "wall (s)": f"{wall:.2f}",
        "runs (s)": ", ".join(f"{one.wall:.2f}" for one in found),
        "processor (s)": f"{float(np.median([one.cpu for one in found])):.2f}",
        "us a cell": f"{1e6 * wall / cells:.1f}",
        "mean unstable of 300": f"{unstable(found[-1]):.2f}",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default=Measurement().net)
    parser.add_argument("--cells", default="all", help="a number, or all")
    parser.add_argument("--threads", type=int, default=Measurement().threads)
    parser.add_argument("--rounds", type=int, default=Measurement().rounds)
    parser.add_argument("--seed", type=int, default=Measurement().seed)
    parser.add_argument("--alone", action="store_true", help="without auto_LiRPA")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cells = Measurement().cells if given.cells == "all" else int(given.cells)
    asked = Measurement(given.net, cells, given.threads, given.rounds, given.seed, given.alone)
    rows, figures = measured(asked)
    print(table(rows) + "\n")
    print(table([{"figure": name, "value": f"{value:,.4g}"} for name, value in figures.items()]))
    print(f"\nnet {asked.net}, seed {asked.seed}; {machine('numpy', 'numba')}")
    if given.json:
        given.json.write_text(
            json.dumps({"asked": asdict(asked), "rows": rows, "figures": figures}, indent=1)
        )


if __name__ == "__main__":
    main()
