"""Decides a question by some thousand boxes: they are bisected as long as enough of them close.

Work is counted in boxes and not in seconds, so that what is removed does not hang on what else the
machine does; a limit of time ends it as well.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import Answer, Effort
from ..engine.bounder import Paired, Single, bounder
from ..engine.branch import Limits, Search
from ..engine.cases import Cases
from ..engine.cost import BISECTED
from ..engine.decide import decide
from ..engine.question import Question
from ..engine.replayed import Replays
from ..engine.verdict import Unknown

BATCH = 256
"""Boxes bounded together, at most: one at a time looks whether there is hope and time."""

_EARLY = 0.25
"""Part of the boxes after which a search is looked at, and given up where it has little hope."""

_HOPE = 0.2
"""Of the boxes bounded, more than this part must have closed by then. A tree ends where half of
them have; on ACAS Xu, searches with fewer had most boxes left in the end."""


@dataclass(frozen=True, slots=True)
class Tried(Answer):
    """The answer of a search that may have stayed without one.

    Attributes:
        doubts: for each neuron whose function differs, flat over all stages, on which of the boxes
            that stayed open ``(boxes,)`` its sign is not known that makes both functions one; None
            where no signs make the networks equal.
    """

    doubts: dict[int, NDArray[np.bool_]] | None = None


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
    rng = np.random.default_rng(effort.seed)
    # Without a deadline of their own neither goal nor search look at the clock.
    goal = Cases(question, Replays(question, ()), None, begun, math.inf, rng)
    net = bounder(question, effort.workers)
    search = Search(net, goal, Limits(batch=BATCH, workers=effort.workers))
    search.start(*goal.roots())
    hopeless = late = False
    while search.waiting > search.stuck and search.bounded < effort.boxes:
        early = search.bounded >= _EARLY * effort.boxes
        hopeless = early and search.closed <= _HOPE * search.bounded
        late = time.monotonic() - begun > effort.seconds
        if hopeless or late or search.ended or search.interrupted:
            break
        search.run(search.bounded + 1)
    verdict = goal.verdict(search)
    if isinstance(verdict, Unknown) and not search.interrupted and (hopeless or late):
        verdict = Unknown("too few boxes close" if hopeless else "the time limit")
    return Tried(
        verdict,
        boxes=search.bounded,
        seconds=time.monotonic() - begun,
        note=goal.note,
        attained=goal.attained,
        reach=goal.reach(search),
        doubts=_doubts(net, search) if isinstance(verdict, Unknown) else None,
    )


def _doubts(net: Single | Paired, search: Search) -> dict[int, NDArray[np.bool_]] | None:
    """Return which neurons are in doubt on the open boxes."""
    alike = net.alike if isinstance(net, Paired) else None
    if alike is None:
        return None
    parts = [
        (boxes.stable[:, 0, alike.places] | boxes.stable[:, 1, alike.places]) & alike.signs == 0
        for boxes in search.open_boxes()
        if len(boxes)
    ]
    if not parts:
        return None
    doubts = np.concatenate(parts)
    return {place: doubts[:, at] for at, place in enumerate(alike.places.tolist())}
