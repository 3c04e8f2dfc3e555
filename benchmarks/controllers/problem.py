"""The two problems that ship: what is solved, at which nodes, and which networks are fitted.

`HORIZONTAL` has three inputs and one network per advisory in force; the largest score wins.
`ACAS_LIKE` adds both speeds, so one network of five inputs serves all speeds; like the networks
of ACAS Xu it states costs, of which the smallest wins.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from .encounter import Advisory, Costs, Encounter
from .mdp import Grid, solve
from .table import Axis, Singles, Table, Winner, closed, regrets

# Share of the steps over which the learning rate rises.
WARM_UP = 0.1


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how hard to train.

    Attributes:
        epochs: passes over all rows, at least 1.
        batch: rows per step, at least 1.
        rate: largest learning rate of Adam; it rises over the first steps and falls to zero along
            a cosine.
        weight: how much more an error in the dangerous direction counts, at least 1; what it
            exceeds 1 by is multiplied, for the best advisory, by the number of the others.

    Raises:
        ValueError: one of them lies outside its stated range.
    """

    epochs: int = 60
    batch: int = 512
    rate: float = 1e-2
    weight: float = 3.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.epochs, self.batch) < 1 or not self.rate > 0.0 or not self.weight >= 1.0:
            raise ValueError(
                f"schedule: epochs {self.epochs}, batch {self.batch}, rate {self.rate}, weight "
                f"{self.weight}; give 1 or more, 1 or more, above 0, 1 or more"
            )

    def rate_at(self, progress: float) -> float:
        """Return the learning rate after this share, in [0, 1], of all steps."""
        if progress < WARM_UP:
            return self.rate * (0.1 + 0.9 * progress / WARM_UP)
        return 0.5 * self.rate * (1.0 + math.cos(math.pi * (progress - WARM_UP) / (1.0 - WARM_UP)))


@dataclass(frozen=True, slots=True)
class Problem:
    """What is solved and which networks are fitted to the solution.

    Attributes:
        name: short name, part of file names.
        title: one line for people.
        ranges: ft, strictly increasing from 0.
        angles: number of bearings and of headings.
        own_speeds: speeds of the ownship, ft/s; more than one makes it an input.
        intruder_speeds: speeds of the intruder, ft/s; likewise, as many kinds of input.
        time: whole seconds until vertical separation is lost.
        dwell: seconds that the aircraft then stay at equal altitude.
        previous: advisories in force for which there is a network.
        cap: largest regret that is told apart, in near mid-air collisions.
        winner: which output is the advisory.
        widths: neurons of each hidden layer.
        schedule: how to train.
    """

    name: str
    title: str
    ranges: tuple[float, ...]
    angles: int
    own_speeds: tuple[float, ...]
    intruder_speeds: tuple[float, ...]
    time: int
    dwell: int
    previous: tuple[Advisory, ...]
    cap: float
    winner: Winner
    widths: tuple[int, ...]
    schedule: Schedule

    def tiny(self) -> Self:
        """Return the same problem on a coarse grid with short training, for trials and tests."""
        return replace(
            self,
            ranges=(*self.ranges[:-1:2], self.ranges[-1]),
            angles=24,
            own_speeds=self.own_speeds[:: max(1, len(self.own_speeds) - 1)],
            intruder_speeds=self.intruder_speeds[:: max(1, len(self.intruder_speeds) - 1)],
            dwell=30,
            schedule=replace(self.schedule, epochs=6),
        )

    def axes(self) -> tuple[Axis, ...]:
        """Return the inputs of the networks, in order."""
        seen = (
            Axis("range", "ft", np.array(self.ranges)),
            Axis.angle("bearing", self.angles),
            Axis.angle("heading", self.angles),
        )
        if len(self.own_speeds) * len(self.intruder_speeds) == 1:
            return seen
        return (
            *seen,
            Axis("own speed", "ft/s", np.array(self.own_speeds)),
            Axis("intruder speed", "ft/s", np.array(self.intruder_speeds)),
        )

    def tables(self) -> dict[Advisory, Table]:
        """Solve the problem and return the scores for each advisory in force."""
        grid = Grid(np.array(self.ranges), self.angles, self.angles)
        solved: dict[Advisory, list[Singles]] = {previous: [] for previous in self.previous}
        speeds = [(own, other) for own in self.own_speeds for other in self.intruder_speeds]
        for own, other in speeds:
            encounter = Encounter(own_speed=own, intruder_speed=other)
            scores = solve(grid, encounter, Costs(), (self.time,), self.dwell)[self.time]
            for previous, found in solved.items():
                found.append(closed(regrets(scores[previous], self.cap, self.winner), (1, 2)))
        axes = self.axes()
        shape = (*(axis.nodes.size for axis in axes), len(Advisory))
        return {
            previous: Table(axes, np.stack(found, axis=3).reshape(shape), self.winner)
            for previous, found in solved.items()
        }


# Nodes stand on both sides of the near mid-air collision range, so the jump there stays sharp.
NEAR = (0.0, 250.0, 499.0, 501.0, 750.0, 1000.0, 1250.0, 1500.0, 2000.0, 2500.0, 3000.0, 3500.0)
MIDDLE = (4000.0, 5000.0, 6000.0, 7000.0, 8000.0, 9000.0, 10000.0, 12000.0)

HORIZONTAL = Problem(
    name="horizontal",
    title="equal constant speeds, vertical separation lost in 5 s, one network per advisory",
    ranges=(*NEAR, *MIDDLE, 14000.0, 16000.0, 18000.0, 21000.0, 24000.0),
    angles=72,
    own_speeds=(200.0,),
    intruder_speeds=(200.0,),
    time=5,
    dwell=60,
    previous=tuple(Advisory),
    cap=0.01,
    winner=Winner.LARGEST,
    widths=(25,) * 5,
    schedule=Schedule(epochs=80),
)

ACAS_LIKE = Problem(
    name="acas-like",
    title="all speeds, vertical separation lost now, clear of conflict in force",
    ranges=(*NEAR, *MIDDLE, 14000.0, 16000.0, 18000.0, 21000.0, 25000.0, 30000.0),
    angles=40,
    own_speeds=(100.0, 200.0, 300.0, 400.0, 500.0),
    intruder_speeds=(100.0, 200.0, 300.0, 400.0, 500.0),
    time=0,
    dwell=60,
    previous=(Advisory.COC,),
    cap=0.01,
    winner=Winner.SMALLEST,
    widths=(50,) * 6,
    schedule=Schedule(epochs=30, batch=1024, rate=5e-3),
)
