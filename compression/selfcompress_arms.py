"""Self-compression alone, with a random set and with a safety set, compared at equal bits.

Every run of a seed begins with the same network, the same bits and the same order of rows, goes
down to the same number of bytes, and is then trained on with its bits held. Differences are taken
seed by seed, so what a seed makes easy or hard falls out of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from scipy.stats import t as student

from ..engine.errors import InputError
from ..engine.network import Network
from .data import Dataset, Split
from .safety import SafetySet, random_set
from .selfcompress import Course, selfcompress
from .selfcompress_file import pack
from .selfcompress_plan import Guard, Plan, SelfCompressed, Show, accuracy

LEVEL: Final = 0.95
"""Of confidence intervals."""

MEASURES: Final = ("test", "hard", "safety")


class Arm(StrEnum):
    """How a run is trained."""

    PLAIN = "plain"
    """Self-compression alone."""
    UNSAFE = "unsafe"
    """With the loss on as many images drawn at random, and nothing restored."""
    SAFE = "safe"
    """With the loss on the safety set, and channels restored when its accuracy falls."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to.

    Attributes:
        arm: how it was trained.
        seed: of it.
        reached: whether its file became as small as was asked for.
        bytes: of the packed file.
        weight_bits: of all weights.
        test: accuracy on the test part.
        hard: accuracy on the test rows that the network to begin with tells apart worst.
        safety: accuracy on the safety set.
        restored: channels that were restored.
    """

    arm: Arm
    seed: int
    reached: bool
    bytes: int
    weight_bits: int
    test: float
    hard: float
    safety: float
    restored: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its confidence interval, by Student's t.

    Attributes:
        mean: of the values.
        lower, upper: of the interval; infinite for a single value.
    """

    mean: float
    lower: float
    upper: float


def interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Return the mean of values and its confidence interval.

    Args:
        values: at least one; taken to be normal.
        level: of confidence, between 0 and 1.

    Raises:
        InputError: no value.
    """
    count = len(values)
    if not count:
        raise InputError("an interval of no values: give at least one")
    mean = float(np.mean(values))
    if count == 1:
        return Interval(mean, -math.inf, math.inf)
    spread = float(np.std(values, ddof=1)) / math.sqrt(count)
    reach = float(student.ppf(0.5 + level / 2.0, count - 1)) * spread
    return Interval(mean, mean - reach, mean + reach)


def run_arms(
    start: Callable[[int], Network],
    data: Split,
    plan: Plan,
    safety: SafetySet,
    guard: Guard,
    seeds: Sequence[int],
    hard: float = 0.1,
    show: Show | None = None,
) -> list[Run]:
    """Return a run of each arm for each seed, all brought to the same number of bytes.

    Args:
        start: gives the network to begin with, for a seed; the arms of a seed share it.
        data: to train and to validate on, and to test with.
        plan: how to train; `most_bytes` says the size, its seed is not read.
        safety: drawn from the training and validation part.
        guard: weight, threshold and restores of the safe arm; the unsafe arm has the same weight.
        seeds: of the runs.
        hard: share of the test rows that are called hard, above 0 and at most 1.
        show: is told of progress.

    Raises:
        InputError: a plan without a size, no seeds, test data without rows or labels.
    """
    if plan.most_bytes is None:
        raise InputError("runs at equal bits need a size: give most_bytes")
    if not seeds:
        raise InputError("runs of no seed: give at least one, and two or more for intervals")
    if not len(data.test) or data.test.labels is None:
        raise InputError(f"{data.test.name}: runs are compared on test rows with labels: give some")
    if np.isin(safety.images.rows, data.test.rows).any():
        raise InputError(f"{safety.images.name}: holds test rows: draw it from the same split")
    found = list[Run]()
    for seed in seeds:
        network = start(seed)
        worst = hard_rows(network, data.test, hard)
        guards = {
            Arm.PLAIN: None,
            Arm.UNSAFE: replace(guard, images=random_set(data, len(safety), seed), threshold=None),
            Arm.SAFE: replace(guard, images=safety.images),
        }
        for arm, watched in guards.items():
            done = selfcompress(network, data, replace(plan, seed=seed), watched, Course())
            found.append(_run(arm, seed, done, data.test, worst, safety))
            if show is not None:
                show(f"{arm}, seed {seed}", len(found), len(seeds) * len(guards))
    return found


def _run(
    arm: Arm, seed: int, done: SelfCompressed, test: Dataset, worst: Dataset, safety: SafetySet
) -> Run:
    network = done.coded.network()
    return Run(
        arm,
        seed,
        done.curve[-1].held,
        len(pack(done.coded)),
        done.coded.weight_bits,
        test=_rate(network, test),
        hard=_rate(network, worst),
        safety=_rate(network, safety.images),
        restored=sum(look.restored for look in done.curve),
    )


def _rate(network: Network, data: Dataset) -> float:
    assert data.labels is not None
    return accuracy(network.evaluate(data.inputs), data.labels)


def hard_rows(network: Network, data: Dataset, share: float) -> Dataset:
    """Return the share of rows whose two best outputs of a network are nearest to each other."""
    if not 0 < share <= 1:
        raise InputError(f"a share of {share}: give a number above 0 and at most 1")
    best = np.sort(network.evaluate(data.inputs), axis=1)
    order = np.argsort(best[:, -1] - best[:, -2], kind="stable")
    return data.subset(np.sort(order[: math.ceil(share * len(data))]), f"{data.name}, hard")


def means(runs: Sequence[Run], measure: str) -> dict[Arm, Interval]:
    """Return for each arm the mean of a measure over its seeds.

    Args:
        runs: of `run_arms`.
        measure: a number of a `Run`, by name.
    """
    return {arm: interval([float(v) for v in _of(runs, arm, measure).values()]) for arm in Arm}


def gains(runs: Sequence[Run], measure: str, over: Arm) -> Interval:
    """Return by how much the safe arm is above another one, seed by seed."""
    safe, other = _of(runs, Arm.SAFE, measure), _of(runs, over, measure)
    return interval([safe[seed] - other[seed] for seed in safe])


def _of(runs: Sequence[Run], arm: Arm, measure: str) -> dict[int, float]:
    return {run.seed: getattr(run, measure) for run in runs if run.arm is arm}
