"""Decides a question in a second or so: boxes are bisected as long as enough of them close."""

from __future__ import annotations

import time

import numpy as np

from ..engine.answer import Answer, Effort
from ..engine.bounder import bounder
from ..engine.branch import Limits, Search
from ..engine.cases import Cases
from ..engine.cost import BISECTED
from ..engine.decide import decide
from ..engine.question import Question
from ..engine.replayed import Replays
from ..engine.verdict import Unknown

_EARLY = 0.25
"""Part of the time after which a search is looked at, and given up where it has little hope."""

_HOPE = 0.2
"""Of the boxes bounded, more than this part must have closed by then. A tree ends where half of
them have; on ACAS Xu, searches with fewer after a third of a second or so had most boxes left in
the end."""


def bisect(question: Question, effort: Effort) -> Answer:
    """Return the answer to a question about real arithmetic, of networks without files.

    What `decide` returns, but without its attack, which takes as long as hundreds of boxes, and
    sooner unknown where few boxes close. Counterexamples are looked for in every box that stays
    open. Questions with too many inputs for boxes are given to `decide`.

    Args:
        question: what is asked.
        effort: how much to spend.
    """
    begun = time.monotonic()
    regions = [one.region for one in question.alternatives]
    if not regions or any((one.lower < one.upper).sum() > BISECTED for one in regions):
        return decide(question, effort)
    deadline, rng = begun + effort.seconds, np.random.default_rng(effort.seed)
    goal = Cases(question, Replays(question, ()), None, begun, deadline, rng)
    search = Search(bounder(question, effort.workers), goal, Limits(workers=effort.workers))
    search.start(*goal.roots())
    hopeless = False
    try:
        search.run(effort.boxes, begun + _EARLY * effort.seconds)
        hopeless = bool(search.waiting) and search.closed <= _HOPE * search.bounded
        if not hopeless:
            search.run(effort.boxes, deadline)
    except KeyboardInterrupt:
        search.interrupted = True
    verdict = goal.verdict(search)
    if hopeless and not search.interrupted and isinstance(verdict, Unknown):
        verdict = Unknown("too few boxes close for the time")
    return Answer(
        verdict,
        boxes=search.bounded,
        seconds=time.monotonic() - begun,
        note=goal.note,
        attained=goal.attained,
        reach=goal.reach(search),
    )
