"""Bounds with optimised slopes on random cells, by the compiled loops and by auto_LiRPA in turn.

`python -m secateur.benchmarks.optimised_slopes [--net 1_1] [--cells 64] [--steps 5,10,20,40]` draws
random cells of the 8x8x8x8x8 grid and bounds every pre-activation, for each number of steps by
secateur and by auto_LiRPA's CROWN-Optimized, one after the other, `--rounds` times; 0 steps stand
for plain backward bounds. It prints for each the mean number of unstable neurons of 300, the mean
width, and the time a cell; then, for each setting of auto_LiRPA, the cheapest of ours that leaves
no more neurons unstable and no wider bounds, with the ratio of times, round by round. A unit of
`iteration` there is one evaluation, of ours one step after the first. `--arrays` adds the path by
arrays alone; `--peer no` leaves auto_LiRPA out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.linear import by_arrays
from ..engine.bounds.packed import pack
from ..engine.bounds.slopes import optimise_boxes
from ..engine.formats import load
from ..engine.network import Network
from ..engine.stages import stages
from .cell_bounds import cells, hidden
from .machine import acas, machine, table
from .peers import lirpa

Array = NDArray[np.float64]
Bounds = tuple[Array, Array]


@dataclass(frozen=True, slots=True)
class Spec:
    """What is measured.

    Attributes:
        net: ACAS Xu network, such as 1_1.
        cells: how many.
        steps: numbers of gradient steps of ours, 0 for fixed slopes.
        theirs: numbers of iterations of auto_LiRPA, 0 for CROWN.
        rounds: how often everything is run.
        batch: boxes that auto_LiRPA bounds together.
        rate: its `lr_alpha`; 0.5 as it is shipped.
        threads: of both.
        seed: of the cells.
    """

    net: str
    cells: int
    steps: tuple[int, ...]
    theirs: tuple[int, ...]
    rounds: int
    batch: int
    rate: float
    threads: int
    seed: int


@dataclass(slots=True, eq=False)
class Entry:
    """One setting of one method, and what its runs gave.

    Attributes:
        name: for the table.
        steps: of it.
        run: returns bounds of all hidden pre-activations, wall and processor seconds.
        wall, processor: seconds of each round.
        found: the last bounds.
    """

    name: str
    steps: int
    run: Callable[[], tuple[Bounds, float, float]]
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    found: Bounds = (np.zeros((0, 0)), np.zeros((0, 0)))

    def again(self) -> None:
        """Run it once more."""
        self.found, wall, processor = self.run()
        self.wall.append(wall)
        self.processor.append(processor)


def timed(bound: Callable[[], Bounds]) -> tuple[Bounds, float, float]:
    """Return bounds, wall seconds and processor seconds."""
    start, spent = time.perf_counter(), time.process_time()
    found = bound()
    return found, time.perf_counter() - start, time.process_time() - spent


def compiled(network: Network, lower: Array, upper: Array, steps: int) -> Bounds:
    """Return the compiled bounds of all hidden pre-activations; rows end when they are decided."""
    net = pack(stages(network))
    shape = len(lower), int(net.offset[-1])
    low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
    optimise_boxes(net, lower, upper, low, high, np.zeros(shape, np.uint8), steps, False)
    some = slice(int(net.offset[1]), int(net.offset[-2]))
    return low[:, some], high[:, some]


def entries(spec: Spec, network: Network, box: Bounds, arrays: bool, peer: bool) -> list[Entry]:
    """Return what is run, ours and auto_LiRPA's in turn."""
    out = []

    def ours(steps: int) -> Entry:
        return Entry("secateur", steps, lambda: timed(lambda: compiled(network, *box, steps)))

    def theirs(steps: int) -> Entry:
        method = lirpa.Method.OPTIMIZED if steps else lirpa.Method.CROWN

        def run() -> tuple[Bounds, float, float]:
            done = lirpa.bounds(
                network,
                *box,
                method=method,
                steps=max(1, steps),
                threads=spec.threads,
                batch=spec.batch,
                options={"lr_alpha": spec.rate},
            )
            some = slice(0, network.neurons)
            return (done.lower[:, some], done.upper[:, some]), done.seconds, done.cpu_seconds

        return Entry("auto_LiRPA", steps, run)

    for place in range(max(len(spec.steps), len(spec.theirs))):
        out += [ours(steps) for steps in spec.steps[place : place + 1]]
        out += [theirs(steps) for steps in spec.theirs[place : place + 1] if peer]
    if arrays:

        def plain(steps: int) -> Bounds:
            return hidden(network, by_arrays(network, *box, steps=steps))

        out += [Entry("arrays", 20, lambda: timed(lambda: plain(20)))]
    return out


def looked_at(found: Sequence[Entry]) -> NDArray[np.bool_]:
    """Return the neurons ``(cells, neurons)`` whose width is compared: open after some method."""
    still = [(low < 0) & (high > 0) for low, high in (entry.found for entry in found)]
    return np.asarray(np.logical_or.reduce(still), dtype=np.bool_)


def quality(entry: Entry, compared: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the mean number of unstable neurons and the mean width of those compared."""
    low, high = entry.found
    return float(((low < 0) & (high > 0)).sum(axis=1).mean()), float((high - low)[compared].mean())


def curve(found: Sequence[Entry], compared: NDArray[np.bool_], count: int) -> str:
    """Return the table of all settings."""
    rows = []
    for entry in found:
        unstable, width = quality(entry, compared)
        rows.append(
            {
                "method": entry.name,
                "steps": entry.steps,
                "mean unstable of 300": f"{unstable:.2f}",
                "mean width": f"{width:.3f}",
                "ms a cell": f"{1e3 * np.median(entry.wall) / count:.3g}",
                "processor ms a cell": f"{1e3 * np.median(entry.processor) / count:.3g}",
            }
        )
    return table(rows)


def ratios(found: Sequence[Entry], compared: NDArray[np.bool_]) -> str:
    """Return the table of auto_LiRPA's settings, each beside the cheapest of ours as tight."""
    ours = [entry for entry in found if entry.name == "secateur"]
    rows = []
    for entry in (entry for entry in found if entry.name == "auto_LiRPA"):
        wanted = quality(entry, compared)
        fit = [
            one
            for one in ours
            if all(a <= b for a, b in zip(quality(one, compared), wanted, strict=True))
        ]
        best = min(fit, key=lambda one: float(np.median(one.processor)), default=None)
        row = {"auto_LiRPA steps": str(entry.steps), "secateur steps": "", "wall": "", "cpu": ""}
        if best is not None:
            row |= {
                "secateur steps": str(best.steps),
                "wall": _times(entry.wall, best.wall),
                "cpu": _times(entry.processor, best.processor),
            }
        rows.append(row)
    return table(rows)


def _times(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """Return the median of the rounds' ratios, the least and the greatest."""
    found = np.divide(theirs, ours)
    return f"{np.median(found):.0f} ({found.min():.0f} to {found.max():.0f})"


def measure(spec: Spec, arrays: bool, peer: bool) -> list[Entry]:
    """Return every setting after its rounds."""
    network = load(acas(spec.net))
    box = cells(spec.cells, spec.seed)
    compiled(network, box[0][:1], box[1][:1], 1)  # compiled or read before it is timed
    found = entries(spec, network, box, arrays, peer)
    for _ in range(spec.rounds):
        for entry in found:
            entry.again()
    return found


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a comma-separated list."""
    return tuple(int(word) for word in text.split(","))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="1_1")
    parser.add_argument("--cells", type=int, default=64)
    parser.add_argument("--steps", type=numbers, default=(0, 5, 10, 15, 20, 40, 80))
    parser.add_argument("--theirs", type=numbers, default=(0, 5, 10, 20, 40))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.5, help="lr_alpha of auto_LiRPA")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arrays", action="store_true", help="the path by arrays, 20 steps, too")
    parser.add_argument("--peer", choices=("yes", "no"), default="yes")
    given = parser.parse_args()
    batch = min(given.batch, given.cells)
    spec = Spec(
        given.net,
        given.cells,
        given.steps,
        given.theirs,
        given.rounds,
        batch,
        given.rate,
        1,
        given.seed,
    )
    found = measure(spec, given.arrays, given.peer == "yes")
    compared = looked_at(found)
    print(curve(found, compared, spec.cells))
    if given.peer == "yes":
        print(f"\n{ratios(found, compared)}")
    print(f"\n{spec}  \n{machine('numpy', 'numba')}")


if __name__ == "__main__":
    main()
