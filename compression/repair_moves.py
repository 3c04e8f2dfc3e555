"""The moves of a repair: retraining, and the fit of the layers that go linearly to the outputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.region import Region
from .farthest import distances, farthest
from .form import Compressed, Fixed
from .last_layer import LastLayer
from .schooling import Training
from .sums import exact_sums
from .targets import Samples, around, lessons, spread

Array = NDArray[np.float64]


RATES = (1.0, 1.0 / 16.0, 1.0 / 256.0)
"""Shares of a policy's rate that a round tries, as long as none brings the network nearer."""


HEALING, HEALING_RATE = 4, 1e-2
"""Where samples are no longer classified rightly: so many times a round's steps, of this rate at
least, as a share of the weights' root mean square."""


class Move(StrEnum):
    """How the network of a round was made."""

    NONE = "as it was"
    HEALED = "retrained on the samples"
    RETRAINED = "retrained"
    FITTED = "linear layers fitted"
    BOTH = "retrained, then linear layers fitted"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a repair goes about it.

    Attributes:
        damping: targets are ``g + (f - g) / damping``; 1 is plain distillation, 10 the paper's.
        iterations: number of rounds at most.
        patience: rounds in a row that may gain nothing.
        boxes: bounded for each certification of a region, about.
        fit: whether the layers that go linearly to the outputs are fitted by programs.
        drop: by how much the share of samples classified rightly may fall, no unit.
        training: how networks are retrained.
    """

    damping: float = 1.0
    iterations: int = 8
    patience: int = 3
    boxes: float = 20_000
    fit: bool = True
    drop: float = 0.005
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (self.damping >= 1.0 and np.isfinite(self.damping)):
            raise InputError(f"damping {self.damping:g}: give a number of at least 1")
        if self.iterations < 0 or self.patience < 1 or not self.boxes >= 1:
            raise InputError(
                f"{self.iterations} iterations with patience {self.patience} and {self.boxes:g} "
                "boxes: give at least 0, 1 and 1"
            )
        if not 0.0 <= self.drop <= 1.0:
            raise InputError(f"drop {self.drop:g}: give a share from 0 to 1")

    def movable(self, compressed: Compressed) -> bool:
        """Return whether any number of a network may change."""
        return any(
            not isinstance(kind, Fixed)
            for form in compressed.forms.values()
            for kind in (form.weight, form.bias)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network that a round may keep.

    Attributes:
        compressed: the network.
        move: how it was made.
        far: the largest distance from the original that an attack and the points found.
        points: ``(points, inputs)`` that the attack found.
    """

    compressed: Compressed
    move: Move
    far: float
    points: Array


def candidates(
    original: Network,
    compressed: Compressed,
    regions: Sequence[Region],
    hard: tuple[Array, Array, Array],
    samples: Samples | None,
    method: Policy,
    rng: np.random.Generator,
    when: tuple[bool, float],
) -> list[Candidate]:
    """Return changed networks, the one that an attack finds nearest to the original first.

    Args:
        original: f.
        compressed: g.
        regions: closed boxes, network units.
        hard: points where they are far apart, and lower and upper corners of boxes where they may
            be, ``(., inputs)`` each.
        samples: to train beside.
        method: how.
        rng: source of randomness.
        when: whether this is the first round, in which the linear layers of g are fitted as they
            come in too; and a deadline on `time.monotonic`.
    """
    first, deadline = when
    points, lower, upper = hard
    tough, easy = around(points, lower, upper, tuple(regions), rng), spread(tuple(regions), rng)
    every = np.concatenate([tough, easy])
    judge = _Judge(original, regions, every, rng, deadline)
    fitting = _fitting(original, regions, deadline) if method.fit else None
    out: list[Candidate] = []
    if first and fitting is not None:
        fitted, _ = fitting.repaired(compressed, every, rng)
        if fitted is not compressed:
            out.append(judge.of(fitted, Move.FITTED))
    if time.monotonic() < deadline:
        from .training import retrain

        taught = lessons(original, compressed.network, tough, easy, method.damping, samples)
        trained = compressed
        for part in RATES:  # where a network is near already, long steps only lead away
            pace = replace(method.training, rate=part * method.training.rate)
            trained = retrain(compressed, taught, pace, rng, deadline)
            if trained is not compressed:
                break
        if trained is not compressed:
            out.append(judge.of(trained, Move.RETRAINED))
            if fitting is not None:
                fitted, _ = fitting.repaired(trained, every, rng)
                if fitted is not trained:
                    out.append(judge.of(fitted, Move.BOTH))
    if exact_sums(compressed):  # a network that rounds where g did not is none that was certified
        out = [one for one in out if exact_sums(one.compressed)]
    return sorted(out, key=lambda one: one.far)


def healed(
    original: Network,
    compressed: Compressed,
    regions: Sequence[Region],
    samples: Samples,
    method: Policy,
    rng: np.random.Generator,
    deadline: float,
) -> Compressed:
    """Return a network that gives the samples' classes again, or the one that came in.

    It learns from the original at the samples and at points of the regions, on the whole and not
    at the worst points: what is far off everywhere has to come near before the rest can.

    Args:
        original: f.
        compressed: g.
        regions: closed boxes, network units.
        samples: with labels.
        method: how; the steps are `HEALING` times as many.
        rng: source of randomness.
        deadline: on `time.monotonic`.
    """
    from .training import retrain

    pace = replace(
        method.training,
        steps=HEALING * method.training.steps,
        rate=max(method.training.rate, HEALING_RATE),
        power=2,
    )
    points = np.asarray(samples.inputs, dtype=np.float64)
    easy = np.concatenate([points, spread(tuple(regions), rng)])
    taught = lessons(original, compressed.network, points[:0], easy, 1.0, samples)
    return retrain(compressed, taught, pace, rng, deadline)


def _fitting(original: Network, regions: Sequence[Region], deadline: float) -> LastLayer:
    from ..engine.solvers.highs import Highs

    return LastLayer(original, regions, Highs(), deadline=deadline)


@dataclass(frozen=True, slots=True, eq=False)
class _Judge:
    """What measures candidates before any proof: an attack, and points that all share."""

    original: Network
    regions: Sequence[Region]
    points: Array
    rng: np.random.Generator
    deadline: float

    def of(self, compressed: Compressed, move: Move) -> Candidate:
        network = compressed.network
        met, far = farthest(self.original, network, self.regions, self.rng, self.deadline)
        known = float(distances(self.original, network, self.points).max(initial=0.0))
        return Candidate(compressed, move, max(far, known), met)
