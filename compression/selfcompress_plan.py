"""What self-compression is asked for, and what it tells of itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from .data import Dataset
from .selfcompress_form import MOST_BITS, CodedNetwork

Show = Callable[[str, int, int], None]
"""Is told of progress: the step, how many are done, of all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    Attributes:
        gamma: weight of the size loss; 0 for none.
        epochs: passes over the training rows.
        batch: rows of a step.
        bits: every weight's at first.
        rate, eps: of Adam on weights and biases.
        bits_rate, bits_eps: of Adam on bits and exponents.
        shrink: by how much the L1 norm's step shrinks the bias of a channel without bits, as a
            multiple of `rate`.
        most_bytes: of the packed file; where it is reached bits are held from then on and the
            weights alone are trained. None to go on to the end.
        seed: of all randomness.

    Raises:
        InputError: a number out of its range.
    """

    gamma: float = 0.01
    epochs: int = 10
    batch: int = 128
    bits: float = 8.0
    rate: float = 1e-3
    eps: float = 1e-5
    bits_rate: float = 0.5
    bits_eps: float = 1e-3
    shrink: float = 4.0
    most_bytes: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rate", "eps", "bits_rate", "bits_eps"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"{name} {value}: give a finite number above 0")
        for name in ("gamma", "shrink"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise InputError(f"{name} {value}: give a finite number of at least 0")
        if self.epochs < 1 or self.batch < 1:
            raise InputError(
                f"{self.epochs} epochs with batches of {self.batch}: give 1 or more of both"
            )
        if not 0 < self.bits <= MOST_BITS:
            raise InputError(f"{self.bits:g} bits: give a number above 0 and at most {MOST_BITS}")
        if self.most_bytes is not None and self.most_bytes < 1:
            raise InputError(f"{self.most_bytes} bytes: give 1 or more")


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """A safety set that a training keeps an eye on.

    Attributes:
        images: the safety set; its rows come from training and validation data alone.
        weight: lambda, of its loss; 0 for none.
        threshold: by how much, as a share of the set, its accuracy may fall below its best so far
            before half of the channels without bits are restored; None never to restore.
        restores: how often at most.
        bits: of a restored channel.

    Raises:
        InputError: a number out of its range; images without labels.
    """

    images: Dataset
    weight: float = 1.0
    threshold: float | None = 0.02
    restores: int = 3
    bits: float = 2.0

    def __post_init__(self) -> None:
        if self.images.labels is None or not len(self.images):
            raise InputError(f"{self.images.name}: a safety set needs images with labels")
        if not (self.weight >= 0 and math.isfinite(self.weight)):
            raise InputError(f"lambda {self.weight}: give a finite number of at least 0")
        if self.threshold is not None and not 0 <= self.threshold < 1:
            raise InputError(
                f"threshold {self.threshold}: give a share from 0 to below 1, such as 0.02"
            )
        if self.restores < 0 or not 0 < self.bits <= MOST_BITS:
            raise InputError("restores must be 0 or more, bits of restored channels above 0")


@dataclass(frozen=True, slots=True)
class Look:
    """What a training was like at the end of an epoch.

    Attributes:
        epoch: from 1; 0 is before the first.
        loss: mean of the task's loss over the epoch's batches; None for epoch 0.
        size: Q of equation 5.
        weight_bits: of all weights, whole bits.
        bytes: of the packed file.
        channels: output channels of each layer that the packed file holds.
        train: accuracy on the epoch's batches as they came; None without labels.
        validation: accuracy on the validation rows, or the mean squared error without labels; None
            where there are none.
        safety: accuracy on the safety set; None without one.
        removed: channels removed at the epoch's end, for good.
        restored: channels given bits again at the epoch's end.
        held: whether bits are held.
    """

    epoch: int
    loss: float | None
    size: float
    weight_bits: int
    bytes: int
    channels: tuple[int, ...]
    train: float | None = None
    validation: float | None = None
    safety: float | None = None
    removed: int = 0
    restored: int = 0
    held: bool = False

    def record(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {**asdict(self), "channels": list(self.channels)}

    @classmethod
    def of(cls, record: dict[str, Any]) -> Look:
        """Return it from what `record` gave."""
        return cls(**{**record, "channels": tuple(record["channels"])})


@dataclass(frozen=True, slots=True, eq=False)
class SelfCompressed:
    """What self-compression gives.

    Attributes:
        coded: the network, without channels that are 0 everywhere.
        curve: a look before the first epoch and one after each.
        complete: whether all epochs were done.
    """

    coded: CodedNetwork
    curve: tuple[Look, ...]
    complete: bool


def accuracy(outputs: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the share of rows whose label's output is above all others; a tie is a miss."""
    rows = np.arange(len(labels))
    others = outputs.copy()
    others[rows, labels] = -np.inf
    return float(np.mean(outputs[rows, labels] > others.max(axis=1))) if len(labels) else 0.0
