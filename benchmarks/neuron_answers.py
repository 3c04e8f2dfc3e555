"""Answers questions about single neurons, one after another: ours, and PuLP's big-M program.

`python -m secateur.benchmarks.neuron_answers WAY` is asked as `peers/warm.py` says. The ways:
`boxes` is what `secateur verify` does with few inputs; `programs` is `decide_by_milp`, whose proofs
are rebuilt from duals; `trusted` is the same with HiGHS taken at its word; `pulp` is a big-M
program with interval bounds, every row an expression, solved by HiGHS.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

import numpy as np
import pulp
from numpy.typing import NDArray

from ..engine.answer import Effort
from ..engine.bounds.neuron import Effort as Programs
from ..engine.claim import Atom, Claim, Declared, Part, Polynomial, Tensor
from ..engine.decide import decide
from ..engine.milp import decide_by_milp
from ..engine.network import Network
from ..engine.question import Question, ask
from ..engine.verdict import Proved, Refuted, Verdict
from .program_build import bounded, listed, with_expressions

Arrays = Mapping[str, NDArray[Any]]
Found = dict[str, Any]


def network_of(held: Arrays) -> Network:
    """Return the layers up to the neuron."""
    layers = range(int(held["layers"]))
    return Network.dense([held[f"weight{k}"] for k in layers], [held[f"bias{k}"] for k in layers])


def question_of(held: Arrays) -> Question:
    """Return the question whether any input of the box gives the neuron a value above 0."""
    network = network_of(held)
    size = network.size_in
    tensors = (
        Tensor("X", 0, Part.INPUT, "real", (size,), 0),
        Tensor("Y", 0, Part.OUTPUT, "real", (1,), size),
    )
    atoms = []
    for at, (low, high) in enumerate(zip(held["lower"], held["upper"], strict=True)):
        atoms.append(Atom(Polynomial({(at,): Fraction(-1), (): Fraction(float(low))})))
        atoms.append(Atom(Polynomial({(at,): Fraction(1), (): -Fraction(float(high))})))
    atoms.append(Atom(Polynomial({(size,): Fraction(-1)}), strict=True))
    return ask(Claim((Declared("N"),), tensors, (tuple(atoms),), "neuron"), [network])


def _ours(verdict: Verdict, note: str) -> Found:
    says = "open"
    if isinstance(verdict, Proved | Refuted):
        says = "proved" if isinstance(verdict, Proved) else "refuted"
    return {"says": says, "bound": None, "point": [], "note": note}


def boxes(question: Question, limit: float) -> Found:
    """Return what the search over boxes finds."""
    answer = decide(question, Effort(seconds=limit, workers=1))
    return _ours(answer.verdict, f"{answer.boxes} boxes")


def programs(question: Question, limit: float) -> Found:
    """Return what programs find, every proof rebuilt."""
    effort = Programs(deadline=time.monotonic() + limit, programs=sys.maxsize)
    decision = decide_by_milp(question, effort)
    return _ours(decision.verdict, f"{decision.programs} programs")


def trusted(question: Question, limit: float) -> Found:
    """Return what one integer program says, HiGHS taken at its word."""
    effort = Programs(deadline=time.monotonic() + limit, programs=0)
    decision = decide_by_milp(question, effort, trust=True)
    return _ours(decision.verdict, f"trusted: {decision.trusted}")


def by_pulp(held: Arrays, limit: float) -> tuple[Found, float]:
    """Return what PuLP's program says, and the seconds until it was built."""
    began = time.perf_counter()
    network = network_of(held)
    box = (network, held["lower"], held["upper"])
    problem = with_expressions(*box, bounded(*box), listed)
    problem.sense = pulp.LpMaximize
    built = time.perf_counter() - began
    problem.solve(pulp.HiGHS(msg=False, threads=1, timeLimit=max(limit - built, 0.01)))
    told = problem.variablesDict()  # none where an input reaches no row
    point = [
        told[name].varValue if (name := f"x{at}") in told else low
        for at, low in enumerate(held["lower"].tolist())
    ]
    # PuLP gives HiGHS the negated objective to minimise, and keeps the constant to itself.
    dual = problem.solverModel.getInfo().mip_dual_bound
    found: Found = {
        "bound": problem.objective.constant - dual,
        "point": [] if None in point else point,
        "note": pulp.LpStatus[problem.status],
    }
    return found, built


WAYS: Final[Mapping[str, Callable[[Question, float], Found]]] = {
    "boxes": boxes,
    "programs": programs,
    "trusted": trusted,
}


def answer(way: str, held: Arrays, limit: float) -> Found:
    """Return what a way says of a question, with its times."""
    began, spent = time.perf_counter(), time.process_time()
    if way == "pulp":
        found, built = by_pulp(held, limit)
    else:
        question = question_of(held)
        built = time.perf_counter() - began
        found = WAYS[way](question, limit - built)
    ended = time.perf_counter()
    return found | {
        "build": built,
        "seconds": ended - began,
        "cpu": time.process_time() - spent,
    }


def main() -> None:
    """Answer until there is nothing more asked."""
    if len(sys.argv) != 2 or sys.argv[1] not in (*WAYS, "pulp"):
        raise SystemExit(f"name one of {', '.join((*WAYS, 'pulp'))}")
    for line in sys.stdin:
        asked = json.loads(line)
        with np.load(asked["file"]) as held:
            arrays = dict(held)
        print(json.dumps(answer(sys.argv[1], arrays, asked["limit"])), flush=True)


if __name__ == "__main__":
    main()
