"""Decides a question: looks for a counterexample, and proves box by box that there is none."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .answer import Answer, Effort
from .bounder import bounder
from .branch import Limits, Search
from .cases import Cases
from .question import Question
from .replayed import Replayer, Replays
from .verdict import Method, Proved, Refuted, Unknown, Verdict

__all__ = ["Replayer", "decide"]

Array = NDArray[np.float64]

BISECTED: Final = 16
"""Inputs with a width up to which boxes are bisected; above, phases are branched on instead."""


def decide(
    question: Question,
    effort: Effort | None = None,
    replayers: Sequence[Replayer | None] = (),
    errors: Array | None = None,
) -> Answer:
    """Return the answer to a question.

    Args:
        question: what is asked.
        effort: how much to spend.
        replayers: of the question's sources' files; a counterexample must also hold in them, as far
            as it can be replayed there.
        errors: ``(rows,)`` proved bounds of how far float evaluation takes a row from its real
            value; given where the question is about float evaluation. A counterexample is then one
            in the replayers' arithmetic, and a proof leaves that much room.
    """
    effort = effort or Effort()
    begun = time.monotonic()
    if not question.alternatives:
        return Answer(Proved(Method.INTERVAL, 0), vacuous=True, reach=-math.inf)
    rng = np.random.default_rng(effort.seed)
    deadline = begun + effort.seconds
    goal = Cases(question, Replays(question, replayers), errors, begun, deadline, rng)
    if effort.seconds <= 0.0:
        return Answer(Unknown("the time limit is 0"))
    search = Search(bounder(question, effort.workers), goal, Limits(workers=effort.workers))
    lower, upper, open_ = goal.roots()
    search.start(lower, upper, open_)
    verdict = None
    try:
        # What bounds settle at once needs no attack; what they leave open is attacked first.
        search.run(min(len(lower), effort.boxes), deadline)
        verdict = goal.attack(search) if search.waiting and not search.interrupted else None
        # Phases do not say what a rounded network computes; its boxes are bisected, however wide.
        wide = _wide(lower, upper) and not question.network.rounded
        if verdict is None and wide and errors is None and not goal.found:
            verdict = _by_phases(question, effort, goal, search, deadline)
        elif verdict is None:
            search.run(effort.boxes, deadline)
    except KeyboardInterrupt:
        search.interrupted = True
    verdict = verdict or goal.verdict(search)
    return Answer(
        verdict,
        boxes=search.bounded,
        seconds=time.monotonic() - begun,
        note=goal.note,
        attained=goal.attained,
        reach=goal.reach(search),
    )


def _wide(lower: Array, upper: Array) -> bool:
    """Return whether boxes have too many inputs with a width to be bisected."""
    return bool(((lower < upper).sum(axis=1) > BISECTED).any())


def _by_phases(
    question: Question, effort: Effort, goal: Cases, search: Search, deadline: float
) -> Verdict | None:
    """Return the verdict of a search over phases on what is open; None where it finds none."""
    if search.interrupted or goal.found is not None:
        return None
    from .bounds.neuron import Effort as Phased
    from .milp_phases import decide_by_phases

    open_ = np.zeros(len(question.alternatives), np.bool_)
    for boxes in search.open_boxes():
        open_ |= boxes.open.any(axis=0)
    which = np.flatnonzero(open_).tolist()
    if not which:
        return None
    decision = decide_by_phases(question, Phased(deadline, seed=effort.seed), which=which)
    match decision.verdict:
        case Proved():
            return decision.verdict
        case Refuted(witnesses=witnesses):
            for witness in witnesses:
                for index in which:
                    found = goal.replays.replay_exact(question.alternatives[index], witness.point)
                    if found is not None and goal.take(found):
                        return goal.verdict(search)
            return None
        case Unknown():
            if time.monotonic() < deadline:
                return decision.verdict
            return Unknown("the time limit")
