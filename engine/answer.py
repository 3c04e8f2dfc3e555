"""What became of a question, and how much to spend on one; importing this is cheap."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from .cost import Choice
from .verdict import Verdict

INTERRUPTED: Final = "interrupted"
"""Reason of what stays unknown because the search was broken off from the keyboard."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to spend on a question.

    Attributes:
        seconds: wall time.
        seed: of all randomness.
        workers: threads.
        semantics: whose arithmetic the question is about: the declared element type's, or one said
            here.
        boxes: number of boxes to bound.
        alone: whether the question is all that the process is asked, so that what takes long to
            load is loaded only for a search that needs it.
    """

    seconds: float = math.inf
    seed: int = 0
    workers: int = 2
    semantics: Literal["declared", "real", "float32"] = "declared"
    boxes: float = math.inf
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question.

    Attributes:
        verdict: proved, that no counterexample exists; refuted, by one; or unknown.
        vacuous: whether no input satisfies what is said of inputs alone, so that "proved" says
            nothing about the networks.
        boxes: number of boxes that were bounded.
        seconds: wall time spent.
        note: one line, where there is more to say; else empty.
        attained: the largest margin ``limit - z`` met at a point, least over an alternative's
            atoms; -inf if none was looked at. Computed in float64, not replayed.
        reach: proved: no point has a margin above it; at most 0 where proved.
        choice: which way went first and why; None where bounds alone, a point or no search at all
            gave the answer, or where nothing was there to choose from. No part of what makes two
            answers equal.
        searched: of `seconds`, those after that choice: without the bounds and the attack before.
    """

    verdict: Verdict
    vacuous: bool = False
    boxes: int = 0
    seconds: float = 0.0
    note: str = ""
    attained: float = -math.inf
    reach: float = math.inf
    choice: Choice | None = field(default=None, compare=False)
    searched: float = field(default=0.0, compare=False)
