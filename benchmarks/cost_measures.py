"""What each way of working takes on a drawn network: CPU seconds, peak memory, boxes or leaves.

Seconds are CPU time of one thread, so that other work on the machine moves them little. Peak memory
is the largest resident size during the work, less that before it.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..engine.bounder import bounder
from ..engine.bounds.interval import interval
from ..engine.bounds.linear import linear
from ..engine.bounds.neuron import Effort as Programs
from ..engine.bounds.packed import LOWER, UPPER, pack
from ..engine.bounds.tighten import tighten
from ..engine.branch import Limits, Search
from ..engine.cases import Cases
from ..engine.cost import Way
from ..engine.milp_phases import decide_by_phases
from ..engine.question import Question
from ..engine.replayed import Replays
from ..engine.search import Limits as NeuronLimits
from ..engine.search import Search as NeuronSearch
from ..engine.stages import stages
from ..engine.verdict import Proved
from ..slicing.phases import Effort as CellEffort
from ..slicing.phases import decide_cells
from .cost_networks import Drawn

LIBC: Final = ctypes.CDLL(None)

TOGETHER: Final = 8
"""Boxes that the ways by arrays bound at once; what one takes is a part of that."""

LIMIT: Final = 1.5
"""CPU seconds that a search gets; one that has not settled its question by then says at least."""

STRIDE: Final = 64
"""Boxes between two looks at that clock."""

EPSILON: Final = 1e-9
"""Distance of two networks that no bound keeps, so that none of their rows is left out."""

Row = dict[str, Any]
Measure = Callable[[Drawn], Row]


def timed(work: Callable[[], Any], least: float = 0.02) -> tuple[float, int]:
    """Return the CPU seconds of one call, the least of some, and the bytes of the first's peak."""
    LIBC.malloc_trim(0)  # what was freed is given back, so that it counts again when it is used
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far; see proc(5)
    begun = time.process_time()
    work()
    best = time.process_time() - begun
    grown = max(0, _resident("VmHWM") - before)
    spent = best
    while spent < least:
        begun = time.process_time()
        work()
        now = time.process_time() - begun
        best, spent = min(best, now), spent + max(now, 1e-4)
    return best, grown


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def _of(way: Way, seconds: float, memory: int, count: float = 1.0, settled: bool = True) -> Row:
    key = way.name.lower()
    return {
        f"{key} seconds": seconds,
        f"{key} settle": seconds * count,
        f"{key} bytes": memory,
        f"{key} count": count,
        f"{key} settled": settled,
    }


def by_arrays(one: Drawn) -> Row:
    """Measure interval bounds, linear bounds and optimised slopes of a box, some boxes at once."""
    lower, upper = one.region.lower[None], one.region.upper[None]
    box = np.repeat(lower, TOGETHER, axis=0), np.repeat(upper, TOGETHER, axis=0)
    known = interval(one.network, *box)
    row: Row = {}
    for way, work in (
        (Way.INTERVAL, lambda: interval(one.network, *box)),
        (Way.ARRAYS, lambda: linear(one.network, *box, known=known)),
        (Way.OPTIMISED, lambda: linear(one.network, *box, steps=8, known=known)),
    ):
        seconds, memory = timed(work)
        row |= _of(way, seconds / TOGETHER, memory // TOGETHER)
    return row


def by_boxes(one: Drawn) -> Row:
    """Measure the search over boxes until the question is settled."""
    search = searching(one.question, Limits(workers=1))
    seconds, memory = timed(lambda: _until(search), 0.0)
    settled = not search.waiting and not search.ended
    return {"boxes refuted": search.ended} | _of(
        Way.BOXES, seconds / search.bounded, memory, search.bounded, settled
    )


def by_pairs(one: Drawn) -> Row:
    """Measure difference bounds of two networks on parts of the region, without a search."""
    work = _bounding(one, STRIDE, 1)
    seconds, memory = timed(work)
    return _of(Way.PAIR, seconds / STRIDE, memory)


def _bounding(one: Drawn, count: int, workers: int) -> Callable[[], object]:
    """Return what bounds the distance of two networks on parts of the region, some threads."""
    question = one.pair(EPSILON)
    bounds = bounder(question, workers)
    rng = np.random.default_rng(one.shape.seed)
    width = one.region.upper - one.region.lower
    lower = one.region.lower + 0.5 * width * rng.random((count, one.region.size))
    upper, cut = lower + 0.5 * width, np.full(question.rows, np.inf)
    wanted = np.ones((count, question.rows), np.uint8)

    def work() -> None:
        stable = np.zeros((count, *bounds.flags), np.uint8)
        with ThreadPoolExecutor(workers) as pool:
            bounds.bound(lower, upper, stable, wanted, cut, pool)

    return work


def searching(question: Question, limits: Limits) -> Search:
    """Return a search of a question, as `decide` makes it, without its attack."""
    rng = np.random.default_rng(0)
    goal = Cases(question, Replays(question, ()), None, time.monotonic(), np.inf, rng)
    search = Search(bounder(question, limits.workers), goal, limits)
    search.start(*goal.roots())
    return search


def _until(search: Search) -> None:
    begun = time.process_time()
    while search.waiting > search.stuck and time.process_time() - begun < LIMIT:
        search.run(search.bounded + STRIDE)


def by_phases(one: Drawn) -> Row:
    """Measure the search over phases until the question is settled."""
    decided = []

    def work() -> None:
        effort = Programs(time.process_time() + LIMIT, time.process_time)
        decided.append(decide_by_phases(one.question, effort))

    seconds, memory = timed(work, 0.0)
    count = max(1, decided[0].leaves + decided[0].programs)
    settled = isinstance(decided[0].verdict, Proved)
    return _of(Way.PHASES, seconds / count, memory, count, settled)


def by_programs(one: Drawn) -> Row:
    """Measure linear programs for the output, both ends, the model's building shared by them."""
    box = one.region.lower[None], one.region.upper[None]
    found = linear(one.network, *box, known=interval(one.network, *box))
    bounds = {name: (low[0], high[0]) for name, (low, high) in found.items()}
    output = one.network.output

    def work() -> None:
        tighten(
            one.network, one.region.lower, one.region.upper, bounds, output, np.zeros(1, np.int64)
        )

    seconds, memory = timed(work)
    return _of(Way.LP, seconds / 2, memory)


def by_neurons(one: Drawn) -> Row:
    """Measure boxes of the search for a neuron's sign."""
    net = pack(stages(one.network))
    last = int(net.offset[-2]) - 1
    flat, sides = np.array([last, last]), np.array([UPPER, LOWER], np.uint8)
    search = NeuronSearch(net, flat, sides, NeuronLimits(workers=1))
    search.start(one.region.lower, one.region.upper)
    nothing = np.zeros(2, np.bool_)
    seconds, memory = timed(lambda: search.run(lambda *_: nothing, 2 * STRIDE), 0.0)
    return _of(Way.NEURONS, seconds / max(1, search.bounded), memory, search.bounded)


def by_cells(one: Drawn) -> Row:
    """Measure the phases of a cell, by linear bounds, points and 64 boxes."""
    box = one.region.lower[None], one.region.upper[None]
    effort = CellEffort(points=256, most_points=256, boxes=64, most_boxes=64, workers=1)
    return _of(Way.CELLS, *timed(lambda: decide_cells(one.network, *box, effort)))


MEASURES: Final[tuple[Measure, ...]] = (
    by_arrays,
    by_boxes,
    by_pairs,
    by_phases,
    by_programs,
    by_neurons,
    by_cells,
)


def measured(one: Drawn) -> Row:
    """Return what every way takes on a drawn network."""
    row: Row = {**one.figures.named, "axis": one.shape.axis, "seed": one.shape.seed}
    for measure in MEASURES:
        row |= measure(one)
    return row


def shared(one: Drawn, workers: int = 2) -> float:
    """Return the power of the number of workers by which boxes take less wall time, 0 to 1."""
    times = []
    for threads in (1, workers) * 5:
        work = _bounding(one, 1024, threads)
        begun = time.monotonic()
        work()
        times.append(time.monotonic() - begun)
    ratio = float(np.median(times[::2]) / np.median(times[1::2]))
    return float(np.clip(np.log(ratio) / np.log(workers), 0.0, 1.0))
