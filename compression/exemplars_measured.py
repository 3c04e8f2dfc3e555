"""What a compressed population lost beside accuracy: on exemplars, by class, when corrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .exemplars import Modes, Outcome, modes, outcomes, ranked
from .welch import Welch, holm, interval, welch

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

DRAWS = 200
"""Random sets of rows that stand beside the exemplars."""

Mean = tuple[float, float, float]
"""A mean over networks and the ends of its interval of confidence; ends are NaN for one network."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often networks are right on some rows.

    Attributes:
        rows: how many there are.
        original, compressed: mean over the networks of a population, from 0 to 1.
    """

    rows: int
    original: Mean
    compressed: Mean


@dataclass(frozen=True, slots=True)
class ByChance:
    """How often networks are right on random sets of as many rows as there are exemplars.

    Attributes:
        rows: of a set.
        draws: number of sets.
        original, compressed: mean over sets and networks, and the 2.5 and 97.5 per cent points over
            sets of the mean over networks.
    """

    rows: int
    draws: int
    original: Mean
    compressed: Mean


@dataclass(frozen=True, slots=True, eq=False)
class Forgotten:
    """What one compressed population forgot, against the original one.

    Attributes:
        original, compressed: the modal labels.
        outcome: ``(rows,)`` as `Outcome`.
        order: the exemplars' places, the clearest first.
        overall: accuracy on all rows.
        on_exemplars, elsewhere: on the exemplars and on the rows that are none for sure; None where
            there are no such rows.
        by_chance: on random sets; None without exemplars.
        classes: Welch's test, class by class, of recall less the network's own accuracy; NaN for
            classes without a row.
        corrected: its p-values by Holm, over the classes.
    """

    original: Modes
    compressed: Modes
    outcome: NDArray[np.int8]
    order: Whole
    overall: Accuracy
    on_exemplars: Accuracy | None
    elsewhere: Accuracy | None
    by_chance: ByChance | None
    classes: Welch
    corrected: Array

    def count(self, outcome: Outcome) -> int:
        """Return how many rows have an outcome."""
        return int((self.outcome == outcome).sum())


def forgotten(
    original: Whole, compressed: Whole, truth: Whole, classes: int, seed: int
) -> Forgotten:
    """Return what a compressed population forgot.

    Args:
        original: ``(models, rows)`` labels that the original networks choose; two networks or more.
        compressed: the same of the compressed ones.
        truth: ``(rows,)`` the labels of the data.
        classes: how many there are.
        seed: of the random sets.

    Raises:
        InputError: fewer than two networks in a population; a label that is no class.
    """
    before, after = modes(original, classes), modes(compressed, classes)
    outcome = outcomes(before, after)
    right = original == truth, compressed == truth
    found, kept = outcome == Outcome.EXEMPLAR, outcome == Outcome.KEPT
    tested, corrected = by_class(*right, truth, classes)
    return Forgotten(
        before,
        after,
        outcome,
        ranked(before, after),
        _accuracy(*right, np.ones(len(truth), np.bool_)),
        _accuracy(*right, found) if found.any() else None,
        _accuracy(*right, kept) if kept.any() else None,
        _by_chance(*right, int(found.sum()), seed) if found.any() else None,
        tested,
        corrected,
    )


def by_class(
    original: NDArray[np.bool_], compressed: NDArray[np.bool_], truth: Whole, classes: int
) -> tuple[Welch, Array]:
    """Return Welch's test of each class, and its p-values corrected by Holm.

    What is tested is a network's recall of a class less its accuracy on all rows, so that a class
    counts as changed only where it lost or gained more than the others did.

    Args:
        original: ``(models, rows)`` whether each network is right.
        compressed: the same.
        truth: ``(rows,)`` the labels of the data.
        classes: how many there are.
    """
    seen = np.flatnonzero(np.bincount(truth, minlength=classes))
    groups = [
        np.stack([right[:, truth == label].mean(axis=1) for label in seen], axis=1)
        - right.mean(axis=1, keepdims=True)
        for right in (original, compressed)
    ]
    tested = welch(*groups)
    every = np.full((6, classes), np.nan)
    names = ("change", "freedom", "p", "low", "high")
    for place, values in enumerate([*(getattr(tested, name) for name in names), holm(tested.p)]):
        every[place, seen] = values
    return Welch(*every[:5]), every[5]


def brittleness(
    clean: Sequence[Array], corrupted: Sequence[Sequence[Array]]
) -> tuple[Welch, Array]:
    """Return Welch's test of how much more a compressed population loses to each corruption.

    What is tested is a network's accuracy on corrupted rows less that on clean ones.

    Args:
        clean: ``(models,)`` accuracies of the original and of the compressed networks.
        corrupted: the same for each corruption.
    """
    groups = [np.stack([case[side] - clean[side] for case in corrupted], axis=1) for side in (0, 1)]
    tested = welch(*groups)
    return tested, holm(tested.p)


def _accuracy(
    original: NDArray[np.bool_], compressed: NDArray[np.bool_], which: NDArray[np.bool_]
) -> Accuracy:
    means = (interval(right[:, which].mean(axis=1)) for right in (original, compressed))
    return Accuracy(int(which.sum()), *means)


def _by_chance(
    original: NDArray[np.bool_], compressed: NDArray[np.bool_], size: int, seed: int
) -> ByChance:
    rng = np.random.default_rng([seed, size])
    rows = original.shape[1]
    sets = np.stack([rng.choice(rows, size, replace=False) for _ in range(DRAWS)])
    found: list[Mean] = []
    for right in (original, compressed):
        each = right.mean(axis=0)[sets].mean(axis=1)
        low, high = np.quantile(each, [0.025, 0.975]).tolist()
        found.append((float(each.mean()), low, high))
    return ByChance(size, DRAWS, *found)
