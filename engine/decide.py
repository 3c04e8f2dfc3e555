"""Decides a question: looks for a counterexample, and proves box by box that there is none."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .answer import Answer, Effort
from .bounder import Paired, bounder
from .branch import Limits, Search
from .cases import Cases
from .cost import (
    TRIAL,
    Choice,
    Figures,
    Way,
    boxes_or_phases,
    by_inputs,
    few,
)
from .question import Question
from .replayed import Replayer, Replays
from .verdict import Method, Proved, Refuted, Unknown, Verdict

__all__ = ["Replayer", "decide"]

Array = NDArray[np.float64]

TIGHTEST: Final = 1e3
"""How tight a question counts at most: near its limit, what is left is a matter of rounding."""

LEAVES: Final = 10_000
"""Leaves, and programs, of a search over phases that nothing else follows."""


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
    rows = bounder(question, effort.workers, alone=effort.alone)
    search = Search(rows, goal, Limits(workers=effort.workers))
    lower, upper, open_ = goal.roots()
    search.start(lower, upper, open_)
    verdict, choice, chosen = None, None, math.inf
    try:
        # What bounds settle at once needs no attack; what they leave open is attacked first.
        search.run(min(len(lower), effort.boxes), deadline)
        verdict = goal.attack(search) if search.waiting and not search.interrupted else None
        if verdict is None and search.waiting and not search.interrupted and goal.found is None:
            choice = _chosen(question, search, goal, effort, fixed=errors is not None)
            chosen = time.monotonic()
            verdict = _searched(question, effort, goal, search, deadline, choice)
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
        choice=choice,
        searched=max(0.0, time.monotonic() - chosen),
    )


def _chosen(
    question: Question, search: Search, goal: Cases, effort: Effort, *, fixed: bool
) -> Choice:
    """Return which way goes first, by what the bounds of the roots and the attack left.

    Args:
        question: what is asked.
        search: its roots are bounded.
        goal: of the search.
        effort: says the number of workers.
        fixed: whether boxes alone say anything: phases do not say what float evaluation computes.
    """
    figures = figures_of(question, search, goal, effort.workers)
    if fixed or question.network.rounded:
        return Choice(
            figures, Way.BOXES, (), "phases do not say what an arithmetic that rounds computes"
        )
    if not search.bounded:  # nothing is known to predict from
        return Choice(figures, few(figures), (), by_inputs(figures))
    if isinstance(search.bounder, Paired):  # the laws are of one network's bounds
        return Choice(figures, few(figures), (), f"two networks alike; {by_inputs(figures)}")
    return boxes_or_phases(figures)


def figures_of(question: Question, search: Search, goal: Cases, workers: int) -> Figures:
    """Return the figures of a search whose roots are bounded."""
    widths = [int((one.region.lower < one.region.upper).sum()) for one in question.alternatives]
    relus, unstable = search.bounder.relus, 0
    open_ = np.zeros(len(question.alternatives), np.bool_)
    for boxes in search.open_boxes():
        loose = np.count_nonzero((boxes.stable == 0) & relus, axis=(1, 2))
        unstable, open_ = max(unstable, int(loose.max())), open_ | boxes.open.any(axis=0)
    far, near = goal.reach(search), -goal.attained
    tight = (far + near) / near if 0.0 < near < math.inf and far < math.inf else TIGHTEST
    return Figures(
        inputs=max(widths),
        neurons=question.network.neurons,
        weights=question.network.multiply_adds,
        unstable=unstable,
        tight=min(max(tight, 1.0), TIGHTEST),
        workers=workers,
        cases=int(open_.sum()),
    )


def _searched(
    question: Question,
    effort: Effort,
    goal: Cases,
    search: Search,
    deadline: float,
    choice: Choice,
) -> Verdict | None:
    """Return the verdict of the search that was chosen; None where that of the boxes says it.

    A way that was chosen against the number of inputs is given a few times what it is predicted to
    need, in boxes or leaves and not in seconds, and the other one goes on from there.
    """
    usual = choice.chosen is few(choice.figures)
    if choice.chosen is Way.BOXES:
        most = effort.boxes
        if not usual and choice.others:
            most = min(most, search.bounded + TRIAL * choice.of(Way.BOXES).count)
        search.run(most, deadline)
        if usual or not choice.others or not search.waiting:
            return None
        return _by_phases(question, effort, goal, search, deadline, LEAVES)
    leaves = LEAVES if usual else int(TRIAL * choice.of(Way.PHASES).count)
    verdict = _by_phases(question, effort, goal, search, deadline, leaves)
    if usual or not isinstance(verdict, Unknown | None):
        return verdict
    search.run(effort.boxes, deadline)
    return None


def _by_phases(
    question: Question,
    effort: Effort,
    goal: Cases,
    search: Search,
    deadline: float,
    leaves: int,
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
    spent = Phased(deadline, programs=max(1, leaves), seed=effort.seed)
    decision = decide_by_phases(question, spent, which=which)
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
