"""A question asked of a solver's integer search, all alternatives of a box in one program.

What the solver says is not a proof. A point it gives is replayed in rationals; where it says that
there is none, the alternatives are proved by branching over phases, which begins before it is
asked: most questions are proved sooner than the solver answers. Only a caller who takes the
solver's word asks it first, and then the decision says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from ..encodings.claim import alternative, conjunction, selected
from ..encodings.program import Draft, Index, Program, Rows
from .assemble import MERGED, BigM, assemble
from .bounds.neuron import Effort
from .errors import SolverError
from .expression import trimmed
from .milp_case import Candidates, Forms
from .milp_phases import SLOPES, Decision, Phased, Ties
from .question import Question
from .solvers import Options, Status
from .solvers.base import ACCEPTED
from .tie import extended, tied
from .verdict import Method, Proved

TARGET: Final = 2 * ACCEPTED
"""Excess at which the solver stops: past 0 by what is accepted of its points, so that a stop
decides."""

FIRST: Final = 256
"""Programs for each alternative in the search over phases before the solver's integer search."""

SHARE: Final = 0.25
"""Of the time spent so far, what the integer search may take for each box where its word is not
taken: it can only find a counterexample then, and the attack has found most."""


def decide_by_milp(
    question: Question,
    effort: Effort | None = None,
    *,
    which: Sequence[int] | None = None,
    ties: Ties | None = None,
    slopes: int = SLOPES,
    trust: bool = False,
) -> Decision:
    """Return whether any input meets an alternative of the question, by programs.

    Args:
        question: what is asked.
        effort: time, programs for each alternative in the proof, solver.
        which: the alternatives that are still open; all when absent.
        ties: proved differences of pre-activations, as tightening; asked once for a region.
        slopes: gradient steps on the linear bounds of each region.
        trust: take the solver's word that no point meets an alternative. HiGHS 1.15.1 was seen to
            state bounds beyond values that networks attain.

    Returns:
        The decision; `trusted` where a Proved rests on the solver's word.

    Raises:
        InputError: ties that contradict the network, or are none of it.
    """
    work = Phased(question, effort or Effort(), which, ties, slopes)
    work.bound()
    work.attack()
    if trust:
        work.divide(2)
    else:
        # What the solver excludes would have to be proved so again: it comes where that is hard.
        began = time.monotonic()
        work.run(FIRST)
        seconds = time.monotonic() - began
    if work.witness is not None or not work.open:
        return work.decision()
    excluded = _excluded(work, math.inf if trust else SHARE * seconds)
    if work.witness is not None:
        return work.decision()
    if trust and excluded and set(work.open) <= set(excluded):
        return Decision(Proved(Method.MILP), (), trusted=True, programs=work.programs)
    return work.run()


def _excluded(work: Phased, seconds: float) -> list[int]:
    """Return the alternatives that the solver says no input meets; keep a witness if it has one.

    Args:
        work: the question so far.
        seconds: for each box, at most.
    """
    groups: dict[object, list[int]] = {}
    for place in work.open:
        case = work.question.alternatives[place]
        if case.atoms:
            key = case.region.exact_lower, case.region.exact_upper
            groups.setdefault(key, []).append(place)
    found: list[int] = []
    for places in groups.values():
        if work.effort.left <= 0 or work.witness is not None:
            break
        try:
            if _asked(work, places, seconds):
                found += places
        except SolverError:
            continue  # what the integer search cannot do, the search over phases may still
    return found


def _asked(work: Phased, places: list[int], seconds: float) -> bool:
    """Return whether the solver says that no input meets any of some alternatives of one box."""
    question, network = work.question, work.question.network
    region = question.alternatives[places[0]].region
    bounds, ties = work.region(region)
    if not all(np.isfinite(side).all() for pair in bounds.values() for side in pair):
        raise SolverError("the network's values are too large to be bounded")
    assembly = assemble(network, region.lower, region.upper, bounds, network.output, BigM())
    if ties:
        assembly = tied(network, assembly, bounds, ties)
    cases = [question.alternatives[place] for place in places]
    forms = [work.forms(case, bounds) for case in cases]
    lower, upper = bounds[network.output]
    above = [form.above(upper) for form in forms]
    least = min(-float(high.max()) for high in above)
    most = max(-float(form.below(lower).max()) for form in forms)
    draft, first = Draft(), assembly.program.size
    # A limit of the margin is a cut-off that presolve and every node see.
    cut = min(max(least, -TARGET), most)
    draft.columns(np.array([cut]), np.array([most]))
    outputs, rows = assembly.values[network.output], list[Rows]()
    selectors = np.zeros(0, np.int32)
    if len(cases) > 1:
        made = draft.columns(np.zeros(len(cases)), np.ones(len(cases)), integer=True)
        selectors = np.asarray(made + first, dtype=np.int32)
        rows.append(selected(selectors))
    for at, form in enumerate(forms):
        value = trimmed(form.expression(outputs), MERGED)
        what = (value.matrix, value.columns, value.constant, value.error, first)
        if len(cases) == 1:
            rows.append(conjunction(*what))
            continue
        size = np.abs(value.matrix) @ value.magnitude + np.abs(value.constant)
        rows.append(alternative(*what, int(selectors[at]), size * (1 + ACCEPTED) + most))
    program = extended(assembly.program, draft, rows)
    objective = np.zeros(program.size)
    objective[first] = -1.0
    program = program.with_objective(objective)
    return _solved(work, places, forms, assembly.inputs, program, seconds)


def _solved(
    work: Phased,
    places: list[int],
    forms: list[Forms],
    inputs: Index,
    program: Program,
    seconds: float,
) -> bool:
    """Return whether the solver's bound excludes all cases; replay the point it gives."""
    effort, region = work.effort, work.question.alternatives[places[0]].region
    limit = max(min(effort.left, seconds), 0.0)
    options = Options(limit, effort.threads, effort.seed, TARGET)
    outcome = effort.solver.solve(program, options)
    work.programs += 1
    if outcome.primal is not None:
        point = np.clip(outcome.primal[inputs], region.lower, region.upper)
        for place, form in zip(places, forms, strict=True):
            candidates = Candidates(work.question, work.question.alternatives[place], form)
            candidates.value(point)
            if work.refute(candidates, Method.MILP):
                return False
    return outcome.status is Status.INFEASIBLE or outcome.bound > ACCEPTED
