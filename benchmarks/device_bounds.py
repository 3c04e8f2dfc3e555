"""Bounds of many cells at once on a torch device, held against the compiled loops of the processor.

`python -m secateur.benchmarks.device_bounds [--device cuda] [--net 1_1] [--cells all]` takes cells
of the 8x8x8x8x8 grid of an ACAS Xu network and prints Markdown tables:

- backward linear bounds with fixed slopes: cells a second on the device and by the compiled loops
  on one thread, in turn (A B A B), medians; unstable neurons of both, and by how much their bounds
  differ; then slopes optimised in 20 steps, beside the array path of the processor;
- the whole phase stage (intervals, linear bounds, points, bisection up to --boxes sub-boxes a
  cell): wall time and neurons proved and refuted after each step, on the device; and, on --check
  of the cells, the same on the processor.

It ends with an error where the two contradict each other, or where bounds differ by more than
rounding. On the processor itself (--device cpu) the same torch code runs, on fewer cells.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ..engine.bounds.batched import bound_batch
from ..engine.bounds.device import Placed, described, place
from ..engine.bounds.linear import linear
from ..engine.bounds.packed import Packed, pack
from ..engine.formats import load
from ..engine.network import Network
from ..engine.stages import stages
from ..slicing.phases import Effort, decide_cells
from ..slicing.phases_device import decide_cells_on
from ..slicing.phases_found import CellPhases
from .cell_bounds import LOWER, UPPER, compiled, hidden
from .machine import acas, machine, peak_memory, table

Array = NDArray[np.float64]
Pair = tuple[Array, Array]

GRID: Final = 8
SAME: Final = 1e-6
"""Difference of two bounds, relative to a neuron's range, that rounding explains: that of tens of
thousands of operations on values thousands of times larger."""

STEPS: Final = 20
FEW: Final = 24
"""Cells whose slopes the array path optimises."""

SLOPED: Final = 4096
"""Cells whose slopes an accelerator optimises."""


def drawn(count: int, seed: int) -> Pair:
    """Return the corners ``(count, 5)`` of different cells of the grid, in its order."""
    every = GRID ** len(LOWER)
    some = np.random.default_rng(seed).permutation(every)[:count]
    place_ = np.stack(np.unravel_index(np.sort(some), (GRID,) * len(LOWER)), axis=1)
    width = (UPPER - LOWER) / GRID
    lower = LOWER + place_ * width
    return lower, lower + width


def on_device(net: Placed, lower: Array, upper: Array, steps: int = 0) -> Pair:
    """Return the bounds ``(boxes, neurons)`` of all pre-activations, computed on a device."""
    rows = 2 * net.widest * net.total
    size = net.together(4 * rows if steps else 0)
    inner, ends = slice(net.offset[1], net.offset[-2]), []
    with torch.inference_mode():
        low, high = net.tensor(lower), net.tensor(upper)
        for start in range(0, len(lower), size):
            here = slice(start, start + size)
            found = bound_batch(net, low[here], high[here], steps=steps)
            ends.append((found.low[:, inner].cpu().numpy(), found.high[:, inner].cpu().numpy()))
    return np.concatenate([end[0] for end in ends]), np.concatenate([end[1] for end in ends])


def timed(work: Callable[[], Pair]) -> tuple[float, Pair]:
    """Return the wall seconds of some work, and what it gave."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def difference(one: Pair, two: Pair) -> float:
    """Return the largest difference of bounds of unstable neurons, relative to their ranges."""
    open_ = (two[0] < 0) & (two[1] > 0)
    spread = np.maximum(1.0, two[1] - two[0])
    apart = np.maximum(np.abs(one[0] - two[0]), np.abs(one[1] - two[1])) / spread
    return float(apart[open_].max(initial=0.0))


def unstable(bounds: Pair) -> float:
    """Return the mean number of unstable neurons a box."""
    return float(((bounds[0] < 0) & (bounds[1] > 0)).sum(axis=1).mean())


def fixed(
    net: Placed, packed: Packed, cells: Pair, few: int, rounds: int
) -> list[dict[str, object]]:
    """Return a row for the device and one for the compiled loops, measured in turn.

    Args:
        net: on the device.
        packed: the same network for the compiled loops.
        cells: for the device.
        few: how many of them the compiled loops get.
        rounds: how often each is measured.
    """
    some = cells[0][:few], cells[1][:few]
    on_device(net, *some), compiled(packed, *some)  # warmed up
    walls: dict[str, list[float]] = {"device": [], "compiled": []}
    found: dict[str, Pair] = {}
    for _ in range(rounds):
        wall, found["device"] = timed(lambda: on_device(net, *cells))
        walls["device"].append(wall)
        wall, found["compiled"] = timed(lambda: compiled(packed, *some))
        walls["compiled"].append(wall)
    apart = difference((found["device"][0][:few], found["device"][1][:few]), found["compiled"])
    if not apart <= SAME:
        raise SystemExit(f"bounds of the device and of the compiled loops differ by {apart:.2g}")
    rows = []
    for name, count in (("device", len(cells[0])), ("compiled", few)):
        wall = statistics.median(walls[name])
        rows.append(
            {
                "fixed slopes": name,
                "cells": count,
                "cells a second": f"{count / wall:.0f}",
                "ms a cell": f"{1e3 * wall / count:.4g}",
                "mean unstable of 300": f"{unstable(found[name]):.1f}",
                "largest difference": f"{apart:.1e}",
            }
        )
    return rows


def sloped(network: Network, net: Placed, cells: Pair, few: int) -> list[dict[str, object]]:
    """Return the same for optimised slopes; the processor takes the array path."""
    some = cells[0][:few], cells[1][:few]
    on_device(net, *some, STEPS)
    wall, found = timed(lambda: on_device(net, *cells, STEPS))
    slow, other = timed(lambda: hidden(network, linear(network, *some, steps=STEPS)))
    return [
        {
            f"slopes, {STEPS} steps": name,
            "cells": count,
            "cells a second": f"{count / seconds:.1f}",
            "ms a cell": f"{1e3 * seconds / count:.4g}",
            "mean unstable of 300": f"{unstable(bounds):.1f}",
        }
        for name, count, seconds, bounds in (
            ("device", len(cells[0]), wall, found),
            ("arrays", few, slow, other),
        )
    ]


def by_step(name: str, found: CellPhases) -> list[dict[str, object]]:
    """Return a row for each step of a phase stage."""
    asked, wall, rows = len(found.state) * int(found.asked.sum()), 0.0, []
    for step in found.steps:
        wall += step.seconds
        rows.append(
            {
                "phases": name,
                "after": step.name,
                "cells": step.cells,
                "proved": f"{100 * step.proved / asked:.2f} %",
                "refuted": f"{100 * step.refuted / asked:.2f} %",
                "wall (s)": f"{wall:.2f}",
                "cells a second": f"{len(found.state) / wall:.0f}",
                "sub-boxes a cell": f"{found.boxes.mean():.0f}",
            }
        )
    return rows


def held_against(one: CellPhases, two: CellPhases) -> None:
    """End with an error where two answers about the same cells contradict each other."""
    wrong = int((one.proved & two.refuted).sum() + (two.proved & one.refuted).sum())
    wrong += int((one.state != two.state)[one.proved & two.proved].sum())
    if wrong:
        raise SystemExit(f"device and processor contradict each other on {wrong} neurons")


def memory(device: torch.device) -> str:
    """Return the peak of the memory in use, in words."""
    host = f"{peak_memory():.0f} MB of the host"
    if device.type != "cuda":
        return host
    return f"{torch.cuda.max_memory_allocated(device) / 2**20:.0f} MB of the device, {host}"


def staged_phases(
    network: Network, device: str, cells: Pair, some: NDArray[np.int64], effort: Effort
) -> list[list[dict[str, object]]]:
    """Return tables of the phase stage: on the device of all cells and of some, compiled of some.

    Args:
        network: the network.
        device: as torch names it.
        cells: all of them.
        some: places of those that the processor decides too.
        effort: how much work to spend.
    """
    little = Effort(boxes=3, most_boxes=3, workers=1)
    decide_cells_on(device, network, cells[0][:1], cells[1][:1], little)  # warmed up
    decide_cells(network, cells[0][:1], cells[1][:1], little)
    whole = decide_cells_on(device, network, *cells, effort)
    part = cells[0][some], cells[1][some]
    here = decide_cells(network, *part, effort)
    there = decide_cells_on(device, network, *part, effort)
    held_against(there, here)
    return [
        by_step("device", whole),
        by_step("device, the same cells", there),
        by_step("compiled, one thread", here),
    ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--net", default="1_1")
    parser.add_argument("--cells", default="", help="a number, or all; 128 on the processor")
    parser.add_argument("--boxes", type=int, default=512, help="sub-boxes a cell, at most")
    parser.add_argument("--check", type=int, default=256, help="cells for the processor, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    network = load(acas(given.net))
    staged = stages(network)
    net, packed = place(staged, given.device), pack(staged)
    alone, every = net.device.type == "cpu", GRID ** len(LOWER)
    asked = given.cells or ("128" if alone else "all")
    lower, upper = drawn(every if asked == "all" else min(every, int(asked)), given.seed)
    few = min(given.check, len(lower))
    mixed = np.random.default_rng(given.seed).permutation(len(lower))  # easy and hard ones alike
    most = mixed[: FEW if alone else SLOPED]
    first = min(Effort().boxes, given.boxes)
    effort = Effort(boxes=first, most_boxes=given.boxes, seed=given.seed, workers=1)
    tables = [
        fixed(net, packed, (lower[mixed], upper[mixed]), few, given.rounds),
        sloped(network, net, (lower[most], upper[most]), min(FEW, len(most))),
        *staged_phases(network, given.device, (lower, upper), np.sort(mixed[:few]), effort),
    ]
    for rows in tables:
        print(table(rows) + "\n")
    print(
        f"net {given.net}, device {described(net.device)}, seed {given.seed}; peak memory "
        f"{memory(net.device)}; {machine('numpy', 'numba', 'torch')}"
    )
    if given.json:
        given.json.write_text(json.dumps(tables, indent=1))


if __name__ == "__main__":
    main()
