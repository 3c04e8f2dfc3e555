"""Phases of every neuron on the cells of the 8x8x8x8x8 grid of an ACAS Xu network.

`python -m secateur.benchmarks.slices_phases [--nets 1_1,5_9] [--cells 512] [--seconds 3600]` takes
a random cell from each of as many equal runs of the grid's 32,768 cells, or all of them, and prints
Markdown tables: neurons proved, refuted and open by layer; what each step added, its wall and
processor time, and the wall time it would take on all cells. The time limit is that of all cells; a
subset has its share of it. Samples, uniform, that know nothing of the search show what no method
can prove: the ceiling. With `--alone SECONDS` what is open after that is searched for cell by cell.
Lahav and Katz report 67.3 % proved for this grid.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.packed import LOWER, UPPER, pack
from ..engine.bounds.points import BLOCK, look_at_cells
from ..engine.bounds.shrink import copied, shrunk
from ..engine.formats import load
from ..engine.network import Network
from ..engine.region import Region
from ..engine.stages import stages
from ..slicing.phases import Effort, decide_cells
from ..slicing.phases_found import CellPhases
from ..slicing.pipeline import Recipe, Stage, first_draft, searched
from ..slicing.split import grid
from .machine import acas, machine, peak_memory, table
from .whole_domain import LOWER as LEAST
from .whole_domain import UPPER as MOST

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

PARTS = (8, 8, 8, 8, 8)


def drawn(cells: int, count: int, seed: int) -> NDArray[np.int64]:
    """Return one random number of 0..cells-1 from each of `count` runs of nearly equal length."""
    ends = np.linspace(0, cells, count + 1).astype(np.int64)
    return np.random.default_rng(seed).integers(ends[:-1], ends[1:])


def refuted(network: Network, lower: Array, upper: Array, samples: int, workers: int) -> Flags:
    """Return which ReLUs ``(cells, neurons)`` uniform samples of each cell show with both signs."""
    staged = stages(network)
    net = pack(staged)
    whole = -(-samples // BLOCK) * BLOCK
    unit = np.random.default_rng(2**31).random((whole, network.size_in))
    shape = len(lower), int(net.offset[-1])
    known, seen = np.zeros((2, *shape), np.uint8)
    points = np.zeros(len(lower), np.int64)

    def look(cell: int) -> None:
        some = slice(cell, cell + 1)
        look_at_cells(
            net,
            copied(net),
            shrunk(net),
            lower[some],
            upper[some],
            unit,
            whole,
            known[some],
            seen[some],
            points[some],
        )

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(look, range(len(lower))))
    starts = [int(net.offset[staged.of[node.name]]) for node in network.piecewise]
    flat = [
        start + np.arange(node.size) for start, node in zip(starts, network.piecewise, strict=True)
    ]
    return np.asarray(seen[:, np.concatenate(flat)] == UPPER | LOWER)


def percent(share: float) -> str:
    """Return a share of 1 in percent."""
    return f"{100 * share:.2f} %"


def by_layer(found: CellPhases, seen: Flags | None) -> list[dict[str, object]]:
    """Return a row for each layer and one for all; `seen` are the neurons that samples refuted."""
    rows: list[dict[str, object]] = []
    ends = np.cumsum([0] + [size for _, size in found.layers])
    parts = [
        (name, slice(start, end))
        for (name, _), (start, end) in zip(
            found.layers, itertools.pairwise(ends.tolist()), strict=True
        )
    ]
    for name, here in [*parts, ("all", slice(0, int(ends[-1])))]:
        asked = len(found.state) * int(found.asked[here].sum())
        proved = int(found.proved[:, here].sum())
        row: dict[str, object] = {
            "layer": name,
            "proved": percent(proved / asked),
            "refuted": percent(int(found.refuted[:, here].sum()) / asked),
            "open": percent(int(found.open[:, here].sum()) / asked),
            "proved of those not refuted": percent(
                proved / max(1, asked - int(found.refuted[:, here].sum()))
            ),
        }
        if seen is not None:
            left = asked - int(seen[:, here].sum())
            row["ceiling by samples"] = percent(left / asked)
            row["proved of the ceiling"] = percent(proved / max(1, left))
        rows.append(row)
    return rows


def by_step(found: CellPhases, cells: int) -> list[dict[str, object]]:
    """Return a row for each step; `cells` is the number of cells of the whole grid."""
    asked, wall, cpu = len(found.state) * int(found.asked.sum()), 0.0, 0.0
    rows: list[dict[str, object]] = []
    for step in found.steps:
        wall, cpu = wall + step.seconds, cpu + step.cpu
        rows.append(
            {
                "after": step.name,
                "cells": step.cells,
                "proved": percent(step.proved / asked),
                "refuted": percent(step.refuted / asked),
                "wall (s)": f"{wall:.1f}",
                "processor (ms a cell)": f"{1e3 * cpu / len(found.state):.2f}",
                "wall for the grid (min)": f"{wall / 60 * cells / len(found.state):.1f}",
            }
        )
    return rows


def alone(
    network: Network,
    regions: Sequence[Region],
    found: CellPhases,
    seen: Flags | None,
    seconds: float,
) -> list[dict[str, object]]:
    """Search each cell for what is open on it; return what that adds, and what nothing can prove.

    Args:
        network: the network.
        regions: the cells.
        found: of all cells together.
        seen: ``(cells, neurons)`` which neurons uniform samples refuted.
        seconds: wall time a cell, at most.
    """
    recipe = Recipe(network, stage=Stage.PHASES, seconds=seconds, alone=True)
    proved, refuted = found.proved.copy(), found.refuted.copy()
    began, times = time.process_time(), []
    for at, region in enumerate(regions):
        start = time.process_time()
        draft = searched(recipe, first_draft(recipe, found, at, region, 0.0))
        times.append(time.process_time() - start)
        known = [draft.known[name] for name, _ in found.layers]
        proved[at] = np.concatenate([one.how >= 0 for one in known]) & found.asked
        refuted[at] = np.concatenate([one.refuted for one in known]) & ~proved[at]
    assert seen is None or not (seen & proved).any()
    rows: list[dict[str, object]] = []
    for name, yes, no in (("together", found.proved, found.refuted), ("alone", proved, refuted)):
        count = len(regions) * int(found.asked.sum())
        row: dict[str, object] = {
            "after": name,
            "proved %": round(100.0 * yes.sum() / count, 2),
            "refuted %": round(100.0 * no.sum() / count, 2),
            "open %": round(100.0 * (count - yes.sum() - no.sum()) / count, 3),
        }
        if seen is not None:
            left = int((found.asked & ~seen).sum())
            row["of what samples leave %"] = round(100.0 * yes.sum() / left, 2)
            row["at most %"] = round(100.0 * (found.asked & ~seen & ~no).sum() / left, 2)
        rows.append(row)
    rows[0]["CPU s"] = ""
    rows[1]["CPU s"] = round(time.process_time() - began, 1)
    rows[0]["longest cell"], rows[1]["longest cell"] = "", round(max(times), 1)
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", "--net", default="1_1,5_9")
    parser.add_argument("--cells", default="512", help="a number, or all")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for all cells")
    parser.add_argument("--samples", type=int, default=100_000, help="a cell; 0 for no ceiling")
    parser.add_argument("--boxes", type=int, default=Effort().most_boxes, help="a cell, at most")
    parser.add_argument("--growth", type=int, default=Effort().growth)
    parser.add_argument("--alone", type=float, default=0.0, help="seconds a cell, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    whole = Region.box([Fraction(t) for t in LEAST], [Fraction(t) for t in MOST], "whole domain")
    slices = grid(whole, PARTS)
    every = len(slices.lower)
    count = every if given.cells == "all" else min(int(given.cells), every)
    some = drawn(every, count, given.seed)
    lower, upper = slices.lower[some], slices.upper[some]
    kept = {}
    for net in given.nets.split(","):
        network = load(acas(net))
        few = Effort(boxes=3, most_boxes=3)
        decide_cells(network, lower[:1], upper[:1], few)  # compiled before anything is timed
        effort = Effort(
            seconds=given.seconds * count / every,
            growth=given.growth,
            most_boxes=given.boxes,
            workers=given.workers,
            seed=given.seed,
        )
        found = decide_cells(network, lower, upper, effort)
        seen = None
        if given.samples:
            seen = refuted(network, lower, upper, given.samples, given.workers)
            wrong = int((seen & found.proved).sum())
            assert not wrong, f"{wrong} proved neurons are refuted by samples"
        layers, steps = by_layer(found, seen), by_step(found, every)
        print(f"\nnet {net}, {count} of {every} cells, {given.samples} samples a cell\n")
        print(table(layers) + "\n\n" + table(steps))
        print(
            f"\nmean of {found.boxes.mean():.0f} sub-boxes and {found.points.mean():.0f} points a "
            f"cell; peak memory {peak_memory():.0f} MB"
        )
        kept[net] = {"cells": count, "layers": layers, "steps": steps}
        if given.alone:
            regions = [slices.region(int(cell)) for cell in some]
            rows = alone(network, regions, found, seen, given.alone)
            print("\n" + table(rows))
            kept[net]["alone"] = rows
    print(f"\nseed {given.seed}, {given.workers} threads; {machine('numpy', 'numba')}")
    if given.json:
        given.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
