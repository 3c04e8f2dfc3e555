"""What a solver answered to one instance, and what it took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Answer(Enum):
    """The answers of the VNN-LIB standard, and what may happen instead of one.

    `TIMEOUT` is said by the solver or is what being stopped at the limit counts as; `ERROR` is a
    process that ended without an answer.
    """

    SAT = "sat"
    UNSAT = "unsat"
    UNKNOWN = "unknown"
    TIMEOUT = "timeout"
    ERROR = "error"

    @property
    def settles(self) -> bool:
        """Whether it decides the instance, rightly or wrongly."""
        return self in (Answer.SAT, Answer.UNSAT)


WORDS: Final[Mapping[str, Answer]] = {
    "sat": Answer.SAT,
    "unsat": Answer.UNSAT,
    "unknown": Answer.UNKNOWN,
    "timeout": Answer.TIMEOUT,
    "timed-out": Answer.TIMEOUT,
}
"""How solvers spell their answers, in lower case."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a solver's output says.

    Attributes:
        answer: the answer; ERROR where none stands there.
        inside: seconds by its own clock, imports left out; None where it does not say.
        witness: values of the inputs that it claims to be a counterexample, as printed.
        boxes: sub-boxes that it bounded; None where it does not say.
    """

    answer: Answer
    inside: float | None = None
    witness: tuple[float, ...] | None = None
    boxes: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One solver's run on one instance.

    Attributes:
        reading: what it said; a process that was stopped has said nothing.
        seconds: wall time of its process from start to end, seen from outside; the start of the
            interpreter and its imports are part of it.
        megabytes: peak resident memory of its process.
        note: the last words of a process that failed.
        cpu: processor seconds of its process.
    """

    reading: Reading
    seconds: float
    megabytes: float = 0.0
    note: str = ""
    cpu: float = 0.0

    def __post_init__(self) -> None:
        inside = self.reading.inside
        times = [self.seconds] if inside is None else [self.seconds, inside]
        if not all(math.isfinite(value) and value >= 0 for value in times):
            raise ValueError(f"a run that took {times} s: give finite times from 0 up")

    def record(self) -> dict[str, Any]:
        """Return it as JSON holds it; the witness stays behind."""
        inside = self.reading.inside
        return {
            "answer": self.reading.answer.value,
            "seconds": round(self.seconds, 4),
            "cpu": round(self.cpu, 4),
            "inside": None if inside is None else round(inside, 4),
            "boxes": self.reading.boxes,
            "megabytes": round(self.megabytes),
            "note": self.note,
        }


def word(text: str) -> Answer | None:
    """Return the answer that a word spells, None for any other text."""
    return WORDS.get(text.strip().lower())
