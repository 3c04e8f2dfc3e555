"""Planted truth: networks whose redundant neurons, and those that just miss it, are known.

`python -m secateur.benchmarks.planted` simplifies them and prints what became of each kind. Every
neuron of interest has an input and an output of its own, so what removing it costs is a number that
can be written down: on its input's range ``[-1, 1]`` it reads ``z`` between -a and b, and passes
``w relu(z)`` on. As zero it errs by ``w b``, as the identity by ``w a``, as the best line by
``w a b / (2 (a + b))``. Near misses are a part of a million away from what is allowed.

What counts as right: a redundant neuron is removed by the first step that may remove it, and
by no earlier one. A near miss of one step is not removed by that step, nor by an earlier one; a
later step may remove it where it is redundant in that sense (a neuron that just misses being zero
within a tolerance may still be a line within it). Where no step may, it stays.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import Best
from ..engine.network import Network
from ..engine.region import Region
from ..engine.verdict import Proved
from ..redundancy.aim import Aim
from ..redundancy.guarantee import Guarantee, Outputs, SameBest
from ..redundancy.phase import Effort
from ..redundancy.plan import Plan, simplify
from ..redundancy.removal import Kind
from .machine import table

Array = NDArray[np.float64]
Place = tuple[str, int]

MISS = 1e-6
"""By how much near misses miss; of z, or of a tolerance, in parts of it."""

TOLERANCE = Fraction(1, 64)
"""Of the networks whose outputs are to stay."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A neuron and the truth about it.

    Attributes:
        what: its kind, in words.
        first: the first step that may remove it; None where none may.
    """

    what: str
    first: Kind | None


@dataclass(frozen=True, slots=True, eq=False)
class Garden:
    """A network with planted neurons.

    Attributes:
        network: the network.
        region: closed box in network units.
        guarantee: what must stay.
        planted: of each neuron.
        joined: neurons that stand for others by folding, since these are their multiples.
    """

    network: Network
    region: Region
    guarantee: Guarantee
    planted: dict[Place, Planted]
    joined: int = 0


@dataclass(frozen=True, slots=True)
class Seed:
    """A neuron to plant: ``weight relu(z)`` with z from low to high.

    Attributes:
        what, first: see `Planted`.
        low, high: of z over the region.
        weight: of its output.
    """

    what: str
    first: Kind | None
    low: float
    high: float
    weight: float


def within_seeds() -> list[Seed]:
    """Return neurons for a network whose outputs may move by `TOLERANCE`."""
    size = float(TOLERANCE)
    beyond = size * (1.0 + MISS)
    return [
        Seed("phase zero", Kind.PHASE, -2.0, 0.0, 1.0),
        Seed("phase identity", Kind.PHASE, 0.0, 2.0, 1.0),
        Seed("phase zero, missed", None, -2.0, MISS, 8.0 * size / MISS),
        Seed("phase identity, missed", None, -MISS, 2.0, 8.0 * size / MISS),
        Seed("forward as zero", Kind.FORWARD, -1.75, 0.25, 2.0 * size),
        Seed("forward as identity", Kind.FORWARD, -0.25, 1.75, 2.0 * size),
        Seed("forward as zero, missed", Kind.RELAXED, -1.75, 0.25, 4.0 * beyond),
        Seed("forward as identity, missed", Kind.RELAXED, -0.25, 1.75, 4.0 * beyond),
        Seed("relaxed", Kind.RELAXED, -1.0, 1.0, 2.0 * size),
        Seed("relaxed, missed", None, -1.0, 1.0, 4.0 * beyond),
    ]


def equal_seeds() -> list[Seed]:
    """Return neurons for a network whose outputs are to be equal."""
    return [
        Seed("phase zero", Kind.PHASE, -2.0, 0.0, 1.0),
        Seed("phase identity", Kind.PHASE, 0.0, 2.0, 1.0),
        Seed("phase zero, missed", None, -2.0, MISS, 1.0),
        Seed("phase identity, missed", None, -MISS, 2.0, 1.0),
    ]


def plant(seeds: Sequence[Seed], guarantee: Guarantee, seed: int = 0) -> Garden:
    """Return a network in which each neuron has its own input and output.

    A layer of neurons that are always active stands in front, so that what is planted is hidden
    behind another layer; places are shuffled, and rows scaled by powers of two.

    Args:
        seeds: the neurons.
        guarantee: what must stay.
        seed: of the shuffling and the scales.
    """
    rng = np.random.default_rng(seed)
    count = len(seeds)
    scale = 2.0 ** rng.integers(-2, 3, count)
    middle = np.array([0.5 * (one.low + one.high) for one in seeds])
    half = np.array([0.5 * (one.high - one.low) for one in seeds])
    weight = np.array([one.weight for one in seeds])
    place = rng.permutation(count)
    # relu(x + 2) - 2 = x on the region.
    second = np.zeros((count, count))
    second[place, np.arange(count)] = half * scale
    bias = np.zeros(count)
    bias[place] = (middle - 2.0 * half) * scale
    third = np.zeros((count, count))
    third[np.arange(count), place] = weight / scale
    network = Network.dense(
        [np.eye(count), second, third], [np.full(count, 2.0), bias, np.zeros(count)]
    )
    planted = {("relu1", at): Planted("in front", Kind.PHASE) for at in range(count)}
    for at, one in zip(place.tolist(), seeds, strict=True):
        planted["relu2", at] = Planted(one.what, one.first)
    return Garden(network, _square(count), guarantee, planted)


def plant_results(best: Best) -> Garden:
    """Return a network of two outputs whose order changes at one value of its first input.

    One neuron changes its sign above that value, one below: as zero and as the identity they change
    an output and never the order. One is active on a part of a millionth of its range, wherever
    the first input is, and moves the boundary a little.
    """
    sign = 1.0 if best is Best.MAX else -1.0
    first = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    bias = np.array([2.0, -0.5, 0.5, MISS - 1.0, -1.0])
    out = np.array([[8.0, 1.0, 1.0, 1.0, 1.0], [-8.0, 0.0, 0.0, 0.0, 0.0]])
    network = Network.dense([first, sign * out], [bias, sign * np.array([-16.0, 16.0])])
    truths = [
        Planted("in front", Kind.PHASE),
        Planted("result-preserving as zero", Kind.RESULT),
        Planted("result-preserving as identity", Kind.RESULT),
        Planted("result-preserving, missed", None),
        Planted("phase zero", Kind.PHASE),
    ]
    planted = {("relu1", at): truth for at, truth in enumerate(truths)}
    return Garden(network, _square(2), SameBest(best), planted)


def plant_twins() -> Garden:
    """Return a network with a neuron, its double, and what is almost its double."""
    first = np.array([[1.0, 0.5], [2.0, 1.0], [2.0, 1.0], [1.0, -1.0]])
    bias = np.array([0.25, 0.5, 0.5 + MISS, 0.0])
    out = np.array([[1.0, 1.0, 0.0, 1.0], [-1.0, 0.0, 1.0, 0.5]])
    network = Network.dense([first, out], [bias, np.zeros(2)])
    words = ("twin", "double", "double, missed", "other")
    planted = {("relu1", at): Planted(word, None) for at, word in enumerate(words)}
    return Garden(network, _square(2), Outputs(), planted, joined=1)


def _square(size: int) -> Region:
    return Region.box([-1.0] * size, [1.0] * size)


def gardens(seed: int = 0) -> dict[str, Garden]:
    """Return networks with planted neurons by what is asked of them."""
    return {
        "outputs within the tolerance": plant(within_seeds(), Outputs(TOLERANCE), seed),
        "outputs equal": plant(equal_seeds(), Outputs(), seed),
        "argmax": plant_results(Best.MAX),
        "argmin": plant_results(Best.MIN),
        "doubles, outputs equal": plant_twins(),
    }


def removed(plan: Plan) -> dict[Place, Kind]:
    """Return the step that removed each neuron that is gone, before folding."""
    gone = {
        (one.layer, one.neuron): Kind.PHASE
        for one in plan.phases.findings
        if isinstance(one.verdict, Proved)
    }
    return gone | {one.place: one.kind for one in plan.removals}


def mistakes(garden: Garden, plan: Plan) -> list[str]:
    """Return what a plan got wrong, a line each."""
    gone = removed(plan)
    out = []
    for place, truth in garden.planted.items():
        step = gone.get(place)
        if step is not truth.first:
            words = [kind.value if kind else "none" for kind in (step, truth.first)]
            out.append(
                f"{truth.what} ({place[0]} {place[1]}): removed by {words[0]}, not {words[1]}"
            )
    joined = sum(step.equal for step in plan.fold.steps)
    if joined != garden.joined:
        out.append(f"{joined} neurons joined with equal ones, not {garden.joined}")
    return out


def main() -> None:
    """Print what became of every planted neuron."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20.0, help="a network")
    given = parser.parse_args()
    rows, wrong = [], 0
    for name, garden in gardens(given.seed).items():
        effort = Effort(seconds=given.seconds, workers=1, seed=given.seed)
        plan = simplify(garden.network, garden.region, effort, aim=Aim(garden.guarantee))
        gone = removed(plan)
        for place, truth in garden.planted.items():
            step = gone.get(place)
            rows.append(
                {
                    "asked": name,
                    "planted": truth.what,
                    "may be removed by": truth.first.value if truth.first else "no step",
                    "removed by": step.value if step else "no step",
                }
            )
        for line in mistakes(garden, plan):
            print(f"{name}: {line}")
            wrong += 1
    print(table(rows))
    print(f"\n{len(rows)} neurons, {wrong} mistakes")


if __name__ == "__main__":
    main()
