"""Decides claims about any graphs and with any polynomials, by enclosures and bisection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..answer import Answer, Effort
from ..claim import Claim
from ..rounding import RUNTIME_ASSUMPTION
from ..verdict import Method, Proved, Refuted, Unknown
from .problem import Problem, prepare
from .search import Search


def decide_general(claim: Claim, files: Mapping[str, Path], effort: Effort | None = None) -> Answer:
    """Return the answer to a claim about ONNX files with any operators that are enclosed.

    A tensor declared with an element type has the values that a float evaluation of the file
    computes; one declared real has those of real arithmetic. Proofs about computed values hold for
    every evaluation that errs as little as `rounding.RUNTIME_ASSUMPTION` says; a counterexample is
    a point of the element types at which onnxruntime's values satisfy the formula exactly. For real
    tensors the formula holds throughout their enclosure at the point.

    Args:
        claim: what is asked.
        files: model files by the names of the claim's networks.
        effort: how much to spend; one thread is used.

    Raises:
        InputError: a network without file, or declarations that do not fit the file.
        UnsupportedError: an operator or a construct that is not handled.
    """
    effort = effort or Effort()
    begun = time.monotonic()
    problem = prepare(claim, files, effort.semantics)
    if not problem.roots:
        answer = Proved(Method.INTERVAL, 0)
        return Answer(answer, vacuous=True, seconds=time.monotonic() - begun)
    search = Search(problem, begun + effort.seconds, np.random.default_rng(effort.seed))
    verdict = search.run() if effort.seconds > 0 else Unknown("the time limit is 0")
    return Answer(
        verdict,
        boxes=search.bounded,
        seconds=time.monotonic() - begun,
        note=_note(problem, verdict),
    )


def _note(problem: Problem, verdict: Proved | Refuted | Unknown) -> str:
    """Return what the answer rests on, or what kept it from being found."""
    gaps = next((root.gaps for root in problem.roots if root.gaps), ())
    if isinstance(verdict, Unknown) and gaps:
        kind = problem.columns.kinds[gaps[0]]
        return f"input {gaps[0]} has no {kind} number between its limits: declare it real"
    computed = any(place.tensor and place.computed for place in problem.places)
    if isinstance(verdict, Proved) and computed:
        return RUNTIME_ASSUMPTION
    return ""
