"""What every verb is told, how it ends, and the words that its options take."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path

from ..engine.errors import InputError


class Exit(IntEnum):
    """How a command ends, as the shell sees it."""

    DONE = 0
    """Done, or proved."""
    WRONG = 2
    """A usage or input error."""
    REFUTED = 10
    UNKNOWN = 20
    """Neither proved nor refuted in the time given."""


class Device(StrEnum):
    """Where to compute."""

    CPU = "cpu"
    CUDA = "cuda"


class Side(StrEnum):
    """Which side of the normalisation the numbers of a region speak of."""

    NETWORK = "network"
    RAW = "raw"


class Keep(StrEnum):
    """What of the outputs must stay."""

    OUTPUTS = "outputs"
    ARGMIN = "argmin"
    ARGMAX = "argmax"


class Choosing(StrEnum):
    """How the neurons to remove together are chosen."""

    GREEDY = "greedy"
    """Those that leave most of the guarantee, judged again after every few."""
    BUDGET = "budget"
    """By what each costs alone, the cheapest first."""
    MILP = "milp"
    """The largest set whose costs add up to no more than the tolerance."""


class Line(StrEnum):
    """Which line a relaxed neuron gets."""

    NEAREST = "nearest"
    """The one nearest to the neuron."""
    OUTPUT = "output"
    """The one that moves the outputs least, where that is better."""


class How(StrEnum):
    """How to bound."""

    INTERVAL = "interval"
    LINEAR = "linear"
    OPTIMISED = "optimised"
    LP = "lp"


class Semantics(StrEnum):
    """Whose arithmetic a query is about."""

    DECLARED = "declared"
    """That of each tensor's declared element type."""
    REAL = "real"
    FLOAT32 = "float32"


class Arithmetic(StrEnum):
    """Whose arithmetic a comparison is about."""

    REAL = "real"
    FLOAT32 = "float32"
    """That of the files' element types, as their runtimes compute."""


class Pick(StrEnum):
    """Which output is a network's choice."""

    MIN = "min"
    MAX = "max"


TIES = (
    "It fails where an output of f passes all others by more than the band and another output of g "
    "passes g's value of that output; where f has a tie nothing is asked of g, and a tie of g "
    "between its best and f's best is allowed."
)
"""What the same best output means where two are equally good."""


class Amount(StrEnum):
    """How much work to spend on a region."""

    QUICK = "quick"
    USUAL = "usual"
    LONG = "long"


class Family(StrEnum):
    """A family of embedded controllers."""

    HORIZONTAL = "horizontal"
    ACAS = "acas"


class Collection(StrEnum):
    """What can be fetched."""

    ACASXU = "acasxu"
    """The ACAS Xu benchmark of VNN-COMP: 45 networks and 10 properties."""
    MNIST = "mnist"
    FASHION_MNIST = "fashion-mnist"
    CIFAR10 = "cifar10"
    CIFAR100 = "cifar100"


@dataclass(frozen=True, slots=True)
class Options:
    """What every verb is told.

    Attributes:
        json: where the machine-readable result goes; ``-`` is standard output; None for nowhere.
        timeout: wall time for the whole command, seconds; None for the verb's own measure.
        seed: of all randomness.
        device: where to compute.
        quiet: print errors alone.
        command: the command line as it was typed.
        explain: say why the work was done as it was, and what it was predicted to take.
    """

    json: Path | None = None
    timeout: float | None = None
    seed: int = 0
    device: Device = Device.CPU
    quiet: bool = False
    command: str = "secateur"
    explain: bool = False

    def __post_init__(self) -> None:
        """Check the numbers and the device."""
        if self.timeout is not None and not (self.timeout > 0 and math.isfinite(self.timeout)):
            raise InputError(
                f"--timeout {self.timeout:g}: no time to work with; give seconds above 0"
            )
        if not 0 <= self.seed < 2**63:
            raise InputError(f"--seed {self.seed}: give a whole number from 0 to 2**63 - 1")
        if self.device is Device.CUDA:
            _require_cuda()

    @property
    def silent(self) -> bool:
        """Whether standard output is kept free of words for people."""
        return self.quiet or self.json == Path("-")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _require_cuda() -> None:
    """Raise InputError unless torch sees a CUDA device."""
    import torch

    if not torch.cuda.is_available():
        raise InputError(
            f"--device cuda: torch {torch.__version__} sees no CUDA device here; install a torch "
            "with CUDA on a machine that has one, or take --device cpu"
        )
