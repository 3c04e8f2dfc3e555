"""Bounds of the difference of two networks: by difference bounds, and of the merged network.

`python -m secateur.benchmarks.difference_bounds [--pairs 12] [--boxes 256] [--shrink 2]` draws
published pairs, and from the region of each random boxes that are `shrink` times as narrow in
every input. Both ways bound every row of the question from below, in turn, one thread: backward
difference bounds, which follow f - g neuron by neuron, and plain backward bounds of f and g merged,
the control. The table says what each takes a box, and how far below zero each leaves the worst
row of a box (smaller is tighter; at or above zero a box is settled).
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.bounder import Paired, Single, bounder
from ..engine.bounds.packed import pack
from ..engine.formats import load
from ..engine.question import Question, ask
from ..engine.stages import stages
from .machine import machine, peak_memory, table
from .pair_instances import FAMILIES, PairInstance, pair_instances

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is measured.

    Attributes:
        families: of published questions.
        pairs: how many questions, drawn by the seed.
        boxes: random boxes of each.
        shrink: how many times as narrow as the region they are in every input.
        rounds: of both ways in turn.
        seed: of all that is drawn.
    """

    families: tuple[str, ...] = FAMILIES[:3]
    pairs: int = 12
    boxes: int = 256
    shrink: float = 2.0
    rounds: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Timed:
    """What one way did: seconds of each round, and ``(boxes, rows)`` lower bounds."""

    seconds: list[float]
    low: Array


def drawn(asked: Measurement) -> list[PairInstance]:
    """Return the questions, in an order of the seed."""
    every = [one for one in pair_instances() if one.family in asked.families]
    order = np.random.default_rng(asked.seed).permutation(len(every))
    return [every[at] for at in order[: asked.pairs]]


def boxes(question: Question, asked: Measurement, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return random boxes ``(boxes, inputs)`` of the question's first region."""
    region = question.alternatives[0].region
    lower, upper = region.lower, region.upper
    width = (upper - lower) / asked.shrink
    low = lower + rng.random((asked.boxes, len(lower))) * (upper - lower - width)
    return low, np.minimum(low + width, upper)


def bound(way: Single | Paired, lower: Array, upper: Array, rows: int, pool: Executor) -> Array:
    """Return what a way proves of all rows."""
    stable = np.zeros((len(lower), *way.flags), np.uint8)
    wanted = np.ones((len(lower), rows), np.uint8)
    return way.bound(lower, upper, stable, wanted, np.full(rows, np.inf), pool).low


def measured(asked: Measurement) -> list[dict[str, object]]:
    """Return the table's rows, a question each."""
    rng, out = np.random.default_rng(asked.seed), []
    with ThreadPoolExecutor(1) as pool:
        for instance in drawn(asked):
            first, second = load(instance.first), load(instance.second)
            question = ask(instance.claim((first.size_out,)), [first, second])
            paired = bounder(question, 1)
            if not isinstance(paired, Paired):
                continue
            ways: dict[str, Single | Paired] = {
                "merged": Single(pack(stages(question.network, grids=True)), 1),
                "difference": paired,
            }
            lower, upper = boxes(question, asked, rng)
            rows = question.bias.size
            found = {name: Timed([], np.empty(0)) for name in ways}
            for turn in range(asked.rounds + 1):  # the first one loads what was compiled
                for name, way in ways.items():
                    start = time.process_time()
                    low = bound(way, lower, upper, rows, pool)
                    spent = time.process_time() - start
                    if turn:
                        found[name] = Timed([*found[name].seconds, spent], low)
            out.append(_row(instance, found, len(lower)))
    return out


def _row(instance: PairInstance, found: dict[str, Timed], boxes: int) -> dict[str, object]:
    merged, ours = found["merged"], found["difference"]
    took = [1e6 * float(np.median(one.seconds)) / boxes for one in (merged, ours)]
    left = [np.maximum(0.0, -one.low.min(axis=1)) for one in (merged, ours)]
    return {
        "question": instance.name,
        "merged, us a box": f"{took[0]:.0f}",
        "difference, us a box": f"{took[1]:.0f}",
        "time, difference to merged": f"{took[1] / took[0]:.2f}",
        "merged, missing": f"{np.median(left[0]):.4g}",
        "difference, missing": f"{np.median(left[1]):.4g}",
        "merged, settled %": f"{100 * float((left[0] == 0).mean()):.0f}",
        "difference, settled %": f"{100 * float((left[1] == 0).mean()):.0f}",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    standard = Measurement()
    parser.add_argument("--families", default=",".join(standard.families))
    parser.add_argument("--pairs", type=int, default=standard.pairs)
    parser.add_argument("--boxes", type=int, default=standard.boxes)
    parser.add_argument("--shrink", type=float, default=standard.shrink)
    parser.add_argument("--rounds", type=int, default=standard.rounds)
    parser.add_argument("--seed", type=int, default=standard.seed)
    given = parser.parse_args()
    families = tuple(given.families.split(","))
    asked = Measurement(families, given.pairs, given.boxes, given.shrink, given.rounds, given.seed)
    print(table(measured(asked)))
    print(
        f"\nseed {asked.seed}, boxes {asked.shrink:g} times as narrow, processor time of one "
        f"thread; peak memory {peak_memory():.0f} MB; {machine('numpy', 'numba')}"
    )


if __name__ == "__main__":
    main()
