"""Exemplars that compression forgets: inputs on which two populations of networks disagree.

The modal label of an input is the class that most networks of a population choose. An input is an
exemplar where the modal labels of the original and of the compressed population differ. Where two
classes have as many votes the mode is tied, and ties are not broken: an input is an exemplar where
the labels differ however ties are broken, it is none where they are the same however ties are
broken, and it is undecided otherwise.

Source: S. Hooker, A. Courville, G. Clark, Y. Dauphin, A. Frome, What do compressed deep neural
networks forget?, 2019. The rule for ties is this project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

TIED = -1
"""Stands for a label where several classes have most votes."""


class Outcome(IntEnum):
    """What an input is."""

    KEPT = 0
    """Both populations have the same mode."""
    EXEMPLAR = 1
    UNDECIDED = 2
    """It hangs on how ties are broken."""


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """The modal labels of a population.

    Attributes:
        votes: ``(rows, classes)`` how many networks chose each class.
        leaders: ``(rows, classes)`` the classes with most votes.
        labels: ``(rows,)`` the mode, `TIED` where there are several.
    """

    votes: Whole
    leaders: Flags
    labels: Whole

    @property
    def ties(self) -> int:
        """Number of rows whose mode is tied."""
        return int((self.labels == TIED).sum())


def modes(labels: Whole, classes: int) -> Modes:
    """Return the modal labels of a population.

    Args:
        labels: ``(models, rows)`` the class that each network chooses, from 0.
        classes: how many there are.

    Raises:
        InputError: no network, or a label that is no class.
    """
    if labels.ndim != 2 or not len(labels):
        raise InputError(f"labels of shape {labels.shape}: give a row for each of some networks")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"labels from {labels.min()} to {labels.max()}: the classes are numbered 0 to "
            f"{classes - 1}"
        )
    rows = labels.shape[1]
    places = (np.arange(rows) * classes + labels).ravel()
    votes = np.bincount(places, minlength=rows * classes).reshape(rows, classes).astype(np.int64)
    leaders = votes == votes.max(axis=1, keepdims=True)
    alone = leaders.sum(axis=1) == 1
    return Modes(votes, leaders, np.where(alone, leaders.argmax(axis=1), TIED).astype(np.int64))


def outcomes(original: Modes, compressed: Modes) -> NDArray[np.int8]:
    """Return what each row is, ``(rows,)``, as `Outcome`."""
    apart = ~(original.leaders & compressed.leaders).any(axis=1)
    same = (original.labels == compressed.labels) & (original.labels != TIED)
    found = np.where(same, Outcome.KEPT, Outcome.UNDECIDED)
    return np.where(apart, Outcome.EXEMPLAR, found).astype(np.int8)


def ranked(original: Modes, compressed: Modes) -> Whole:
    """Return the exemplars' places, those first on which both populations are most of one mind."""
    places = np.flatnonzero(outcomes(original, compressed) == Outcome.EXEMPLAR)
    minds = original.votes[places].max(axis=1) + compressed.votes[places].max(axis=1)
    return np.asarray(places[np.argsort(-minds, kind="stable")], dtype=np.int64)
