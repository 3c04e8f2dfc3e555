"""What `forget latent` is asked for, and the key that says whether a folder holds the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from ..compression.architectures import Architecture
from ..compression.latent import Settings, Spread
from ..compression.latent_cut import Method
from ..compression.latent_train import Course, Optimiser
from ..engine.errors import InputError
from ..engine.formats.decimals import exact
from ..engine.formats.files import read_text, replace_with

Word = TypeVar("Word", bound=StrEnum)

KEY = "study.json"
"""File of a folder that says which study it holds."""


@dataclass(frozen=True, slots=True)
class Source:
    """The network whose layers are compressed.

    Attributes:
        net: a file; None for an architecture.
        architecture: one of ours; None for a file.
        state: state dict of the architecture; None for weights from the seed.
        width: factor of its channels and units.

    Raises:
        InputError: both or neither of the first two; a state without an architecture.
    """

    net: Path | None
    architecture: Architecture | None
    state: Path | None
    width: float

    def __post_init__(self) -> None:
        if (self.net is None) == (self.architecture is None):
            raise InputError("name a network file, or an --architecture, and not both")
        if self.state is not None and self.architecture is None:
            raise InputError(f"--state {self.state}: goes with --architecture; name it")
        if self.width != 1.0 and (self.net is not None or self.state is not None):
            raise InputError(f"--width {self.width:g}: a file says by itself how wide it is")

    @property
    def is_trained(self) -> bool:
        """Whether a file gives the weights."""
        return self.net is not None or self.state is not None


@dataclass(frozen=True, slots=True)
class Training:
    """How the network is trained, first and where samples are taken.

    Attributes:
        epochs: before all else; None for 5 where no file gives the weights.
        batch: rows in a step.
        rate: of learning.
    """

    epochs: int | None
    batch: int
    rate: float

    def course(self, trained: bool) -> Course:
        """Return the first training."""
        usual = 0 if trained else 5
        return Course(usual if self.epochs is None else self.epochs, self.batch, self.rate)

    def walk(self) -> Course:
        """Return the training whose iterates are samples: plain steps at a constant rate."""
        return Course(0, self.batch, self.rate, Optimiser.SGD)

    def tuning(self, epochs: int) -> Course:
        """Return the fine-tuning."""
        return Course(epochs, self.batch, self.rate)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Where samples of the weights come from.

    Attributes:
        count: how many, 2 or more.
        every: steps between two iterates.
        seeds: whether they are networks of other seeds.
    """

    count: int
    every: int
    seeds: bool

    def __post_init__(self) -> None:
        if self.count < 2 or self.every < 1:
            raise InputError(
                f"--snapshots {self.count} --every {self.every}: give 2 or more, and 1 or more"
            )


@dataclass(frozen=True, slots=True)
class Proving:
    """What is certified.

    Attributes:
        region: as it was typed; None for boxes around test rows.
        around: how many test rows.
        radius: of those boxes, a decimal.
        boxes: to bound for each certificate.
    """

    region: str | None
    around: int
    radius: str
    boxes: int

    def __post_init__(self) -> None:
        if self.boxes < 1 or self.around < 1:
            raise InputError(f"--boxes {self.boxes} --around {self.around}: give 1 or more")
        if self.distance <= 0:
            raise InputError(f"--radius {self.radius}: give a number above 0")

    @property
    def distance(self) -> Fraction:
        """The radius, as the decimal says it."""
        return exact(self.radius, "--radius")


@dataclass(frozen=True, slots=True)
class Order:
    """What `forget latent` is asked for.

    Attributes:
        source: of the network.
        data: a data set by name or file.
        rows: of it to take; None for all.
        training: of the network.
        settings: of the study.
        sampling: of the weights.
        fine_tune: epochs; 0 for none.
        proving: what is certified; None for nothing.
        output: folder for all that is kept.
        resume: whether to go on with what it holds.
        report: where the report goes; None for nowhere.

    Raises:
        InputError: a count out of range.
    """

    source: Source
    data: str
    rows: int | None
    training: Training
    settings: Settings
    sampling: Sampling
    fine_tune: int
    proving: Proving | None
    output: Path
    resume: bool
    report: Path | None

    def __post_init__(self) -> None:
        if self.fine_tune < 0 or (self.rows is not None and self.rows < 10):
            raise InputError("--fine-tune and --rows: give 0 or more epochs, and 10 rows or more")
        if self.sampling.seeds and self.source.is_trained:
            raise InputError("--seeds: trains from other seeds, so leave NET and --state out")
        if self.sampling.seeds and self.training.epochs == 0:
            raise InputError("--seeds: needs --epochs above 0, or all samples are untrained")
        known = self.settings.rank < self.sampling.count
        if Spread.LOWRANK in self.settings.spreads and not known:
            raise InputError(
                f"--rank {self.settings.rank}: {self.sampling.count} snapshots have at most "
                f"{self.sampling.count - 1} directions; give fewer, or more snapshots"
            )


def settings_of(
    methods: str,
    shares: str,
    spreads: str,
    rank: int,
    freedom: float,
    general: bool,
    seed: int,
) -> Settings:
    """Return the settings that lists of words and numbers spell.

    Raises:
        InputError: a word that is none of those there are; a number that is none.
    """
    return Settings(
        methods=_words("--methods", methods, Method),
        shares=tuple(float(exact(one, "--sparsities")) for one in _parts(shares)),
        spreads=_words("--covariance", spreads, Spread),
        rank=rank,
        freedom=freedom,
        general=general,
        seed=seed,
    )


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _words(option: str, text: str, kind: type[Word]) -> tuple[Word, ...]:
    known = {one.value: one for one in kind}
    for part in _parts(text):
        if part not in known:
            raise InputError(f"{option} {part}: is none of {', '.join(known)}")
    return tuple(known[part] for part in _parts(text))


def claim(folder: Path, key: dict[str, Any], resume: bool) -> None:
    """Note in a folder which study it holds, or see that it holds this one.

    Raises:
        InputError: it holds a study and is not to be resumed, or holds another one.
    """
    file = folder / KEY
    text = json.dumps(key, indent=1, sort_keys=True) + "\n"
    if not file.is_file():
        replace_with(file, text.encode())
        return
    if not resume:
        raise InputError(f"{folder}: holds a study already: go on with --resume, or name another")
    held = read_text(file)
    if held != text:
        raise InputError(f"{folder}: holds another study: {_apart(held, key)}; name another folder")


def _apart(held: str, key: dict[str, Any]) -> str:
    """Return what two keys disagree in."""
    try:
        other = json.loads(held)
    except json.JSONDecodeError:
        return f"its {KEY} is no JSON"
    names = [name for name in key if not isinstance(other, dict) or other.get(name) != key[name]]
    return f"{', '.join(names) or 'something'} disagree"
