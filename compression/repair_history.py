"""What the rounds of a repair came to, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .repair_moves import Move


class Stop(StrEnum):
    """Why a repair ended."""

    PROVED = "the bound is proved"
    ROUNDS = "the number of iterations is spent"
    TIME = "the time is spent"
    STALLED = "nothing betters it any more"
    INTERRUPTED = "interrupted"
    FIXED = "no number of it may change"


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one round came to.

    Attributes:
        number: 0 for the network that came in.
        move: how its network was made.
        attained: the largest distance met, rounded down, output units.
        proved: what no distance passes, rounded up; inf without a bound.
        best: whether it was the best so far.
        accuracy: share of the samples with the right class; None without labels.
        boxes: number of boxes that were bounded.
        seconds: wall time of the round.
    """

    number: int
    move: Move
    attained: float
    proved: float
    best: bool
    accuracy: float | None
    boxes: int
    seconds: float
