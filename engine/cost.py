"""What a way of working costs, predicted from a network's and a region's figures.

A law is a product of powers, fitted to measurements over drawn networks (`cost_table.py` says when
and where; `python -m secateur.benchmarks.cost_models --write` makes it anew). It says which way is
likely the quicker one and about how long it takes. Nothing is proved by it: a wrong prediction
costs time, never an answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cache

import numpy as np

from .cost_table import LAWS, MEASURED, SHARED, YARDSTICK


class Way(StrEnum):
    """A way of bounding or of searching."""

    INTERVAL = "interval bounds"
    ARRAYS = "linear bounds"
    OPTIMISED = "optimised slopes"
    LP = "linear program"
    BOXES = "boxes of inputs"
    PHASES = "phases of neurons"
    PAIR = "boxes, two networks"
    NEURONS = "boxes, one neuron"
    CELLS = "phases of a cell"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a prediction knows of a network and a region; all at least 1 when used.

    Attributes:
        inputs: those with a width in the region.
        neurons: hidden ReLUs, of both networks where there are two.
        weights: multiply-adds of one evaluation.
        unstable: ReLUs whose phase linear bounds leave open on the region.
        tight: at least 1, how much of the way to the best point bounds must go: the distance of the
            linear bound from that point, over the distance of the limit from it.
        workers: threads.
        cases: alternatives of the question that are open; phases are searched for each of them.
    """

    inputs: int
    neurons: int
    weights: int
    unstable: int
    tight: float = 1.0
    workers: int = 1
    cases: int = 1

    @property
    def named(self) -> dict[str, float]:
        """The figures by name, no unit."""
        return {one.name: float(getattr(self, one.name)) for one in fields(self)}


@dataclass(frozen=True, slots=True)
class Law:
    """``exp(constant) * product of figure ** power``.

    Attributes:
        constant: natural logarithm of the value where every figure is 1.
        powers: exponent of each figure that matters, by name.
        spread: factor by which a held-out measurement differs from the law, one standard deviation.
        runs: measurements that it was fitted to.
    """

    constant: float
    powers: Mapping[str, float]
    spread: float
    runs: int

    def at(self, figures: Figures) -> float:
        """Return the predicted value; a figure below 1 counts as 1."""
        named = figures.named
        total = self.constant
        for name, power in self.powers.items():
            total += power * math.log(max(1.0, named[name]))
        return math.exp(min(total, 600.0))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a way is predicted to take.

    Attributes:
        way: which.
        count: of what is done: boxes, leaves, programs or cells; 1 where nothing is searched.
        seconds: of all of them, on the machine of the table.
        memory: bytes beside what every command holds.
        spread: factor by which `seconds` may be off, one standard deviation.
    """

    way: Way
    count: float
    seconds: float
    memory: float
    spread: float


@cache
def law(way: Way, of: str) -> Law:
    """Return a law of the table.

    Args:
        way: of what.
        of: ``seconds`` of one; ``bytes`` at the peak; ``count`` and ``settle``, number and seconds
            of all, until a question is settled.
    """
    constant, powers, spread, runs = LAWS[f"{way.name.lower()} {of}"]
    return Law(constant, powers, spread, runs)


def once(way: Way, figures: Figures, count: float = 1.0) -> Estimate:
    """Return what doing something a known number of times takes."""
    seconds = law(way, "seconds")
    return Estimate(
        way, count, count * seconds.at(figures), law(way, "bytes").at(figures), seconds.spread
    )


def searched(way: Way, figures: Figures) -> Estimate:
    """Return what it takes until a question is settled by a way that searches."""
    whole, number = law(way, "settle"), max(1.0, law(way, "count").at(figures))
    times = figures.workers**-SHARED if way is Way.BOXES else float(max(1, figures.cases))
    memory = law(way, "bytes").at(figures) + waiting_bytes(way, figures, number)
    return Estimate(way, number, whole.at(figures) * times, memory, whole.spread)


FRONTIER = 40_000
"""Boxes that wait at most, about: from there on a search goes depth first; see `branch.Limits`."""


def waiting_bytes(way: Way, figures: Figures, count: float) -> float:
    """Return the bytes of the boxes or leaves that wait in a search of so many, with one question.

    Counted from what is stored; `benchmarks/memory.py` measures it.
    """
    if way is Way.PHASES:  # a leaf: phases, slopes, pressures
        return count * (17.0 * figures.unstable + 200.0)
    return min(count, FRONTIER) * (16.0 * figures.inputs + figures.neurons / 4.0 + 32.0)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which way goes first, and why.

    Attributes:
        figures: what it rests on.
        chosen: the way.
        others: the estimate of each way that was looked at, the chosen one's among them.
        why: one sentence.
    """

    figures: Figures
    chosen: Way
    others: tuple[Estimate, ...]
    why: str

    def of(self, way: Way) -> Estimate:
        """Return the estimate of a way."""
        return next(one for one in self.others if one.way is way)


BISECTED = 16
"""Inputs with a width up to which boxes are bisected first where the laws cannot tell."""


TRIAL = 4.0
"""Times the predicted boxes or leaves that a way gets which goes first against the rule by inputs;
what it has not settled by then is left to the other way."""


def boxes_or_phases(figures: Figures) -> Choice:
    """Return whether boxes of inputs are bisected first, or phases of neurons branched on.

    The quicker by prediction, where the two differ by more than the laws' spread and the figures
    are among those that were measured; else by the number of inputs.
    """
    both = searched(Way.BOXES, figures), searched(Way.PHASES, figures)
    # By the work of one thread: the number of workers must not change what is found.
    alone = replace(figures, workers=1)
    boxes, phases = searched(Way.BOXES, alone), searched(Way.PHASES, alone)
    ratio = phases.seconds / boxes.seconds
    doubt = math.exp(math.hypot(math.log(boxes.spread), math.log(phases.spread)))
    if not measured(figures):
        why = f"figures like these were not measured, and {by_inputs(figures)}"
        return Choice(figures, few(figures), both, why)
    if ratio > doubt:
        return Choice(figures, Way.BOXES, both, f"predicted {ratio:.3g} times quicker than phases")
    if ratio < 1.0 / doubt:
        quicker = 1.0 / ratio
        return Choice(
            figures, Way.PHASES, both, f"predicted {quicker:.3g} times quicker than boxes"
        )
    why = f"the predictions are within their spread of {doubt:.2g} times, and {by_inputs(figures)}"
    return Choice(figures, few(figures), both, why)


def measured(figures: Figures) -> bool:
    """Return whether the laws were fitted to figures like these."""
    named = figures.named
    return all(low <= max(1.0, named[name]) <= high for name, (low, high) in MEASURED.items())


def few(figures: Figures) -> Way:
    """Return the way that the number of inputs alone speaks for."""
    return Way.BOXES if figures.inputs <= BISECTED else Way.PHASES


def by_inputs(figures: Figures) -> str:
    """Return that in words."""
    few = "at most" if figures.inputs <= BISECTED else "more than"
    return f"{figures.inputs} inputs with a width are {few} {BISECTED}"


def pace(repeats: int = 5) -> float:
    """Return how many times longer than the table's machine this one takes, by a yardstick.

    Measured in a few milliseconds; the choice of a way needs ratios alone and does not ask for it.
    """
    return yardstick(repeats) / YARDSTICK


def yardstick(repeats: int = 5) -> float:
    """Return the CPU seconds of a fixed piece of work, the least of some."""
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 96, 96))
    best = math.inf
    for _ in range(repeats):
        begun = time.thread_time()
        for _ in range(20):
            two = np.maximum(one @ two, 0.0)
            two /= np.abs(two).max()
        best = min(best, time.thread_time() - begun)
    return best
