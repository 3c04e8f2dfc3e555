"""What an answer is: Proved, Refuted or Unknown; never a bool, never None."""

from dataclasses import dataclass
from enum import Enum

from .witness import Witness


class Method(Enum):
    """By what a bound or a verdict was established; the order is that of effort."""

    SAMPLE = "sample"
    INTERVAL = "interval"
    LINEAR = "linear"
    RATIONAL = "rational"
    OPTIMISED = "optimised"
    ATTACK = "attack"
    SPLIT = "split"
    LP = "lp"
    MILP = "milp"


@dataclass(frozen=True, slots=True)
class Proved:
    """The claim holds on the whole region.

    Attributes:
        method: the dearest method that the proof needed; each one's bounds are float64 rounded
            outward, those of LP and MILP rebuilt from duals.
        boxes: number of sub-boxes over which the proof is spread; 1 when it was not split.
    """

    method: Method
    boxes: int = 1


@dataclass(frozen=True, slots=True)
class Refuted:
    """The claim fails at points of the region that were replayed exactly.

    Attributes:
        witnesses: the points and what was replayed there, one for each way the claim was asked.
        method: what found the last of them.
    """

    witnesses: tuple[Witness, ...]
    method: Method


@dataclass(frozen=True, slots=True)
class Unknown:
    """Neither proved nor refuted.

    Attributes:
        reason: one line: time, memory, effort or numerical trouble.
    """

    reason: str


Verdict = Proved | Refuted | Unknown
