"""`secateur verify`: decides a VNN-LIB query, by the solver interface of the standard.

The first line of standard output is sat, unsat, unknown or timed-out, then comes the assignment;
all other words go to standard error.

Source: the VNN-LIB standard, version 2.0, chapter 5.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from ..engine.answer import INTERRUPTED, Answer, Effort
from ..engine.claim import Claim
from ..engine.formats.bind import Files, match_files
from ..engine.formats.vnnlib_claims import read_claim
from ..engine.verdict import Proved, Refuted, Unknown
from .assignment import Assigned, assignment, assignment_record, holds, store
from .clock import OutOfTime, alarm, owns
from .options import Exit, Options, Semantics
from .record import Record, digest, envelope, number, write_record
from .settle import Settled, settle
from .targets import PROOFS, STANDARD_OUTPUT, check_folder, check_targets

if TYPE_CHECKING:
    from .explain import Explained
    from .proof import Made

RESERVE = 0.3
"""Seconds of the time limit that are kept for what follows an answer."""

TIMED_OUT = "timed-out"
LIMIT = "the time limit"
ENDS = {"unsat": Exit.DONE, "sat": Exit.REFUTED, "unknown": Exit.UNKNOWN, TIMED_OUT: Exit.UNKNOWN}

EMPTY = (
    "No input satisfies what the query says of inputs alone, so the answer says nothing about the "
    "network: correct the limits if that was not meant."
)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be verified.

    Attributes:
        query: VNN-LIB file.
        networks: NAME=FILE each, or a single FILE.
        store: folder for the assignment.
        semantics: whose arithmetic is meant.
        limit: wall time, seconds; 0 is answered at once.
        began: when the command did, on `time.monotonic`.
        proof: where a proof goes; None for nowhere.
    """

    query: Path
    networks: tuple[str, ...]
    store: Path | None = None
    semantics: Semantics = Semantics.DECLARED
    limit: float = math.inf
    began: float = field(default_factory=time.monotonic)
    proof: Path | None = None

    def left(self) -> float:
        """Return the seconds that the engines have left."""
        return self.began + self.limit - time.monotonic() - RESERVE


@dataclass(slots=True, eq=False)
class Outcome:
    """What is known so far, also when the work is broken off.

    Attributes:
        word: sat, unsat, unknown or timed-out.
        answer: of the engine.
        reason: why there is none.
        claim: what was asked.
        files: of what.
        settled: how it was answered.
        assigned: the counterexample.
        made: the proof, where one was asked for and there is something to prove.
        kept: what a record says of it.
        explained: why the work was done so, where that was asked for and there was a choice.
    """

    word: str = "unknown"
    answer: Answer = field(default_factory=lambda: Answer(Unknown("")))
    reason: str = ""
    claim: Claim | None = None
    files: Files | None = None
    settled: Settled | None = None
    assigned: Sequence[Assigned] = ()
    made: Made | None = None
    kept: Record | None = None
    explained: Explained | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """A query and what became of it.

    Attributes:
        answer: its verdict is `Proved` where no input satisfies the query, `Refuted` where
            `assigned` does, `Unknown` else.
        settled: which engine answered, about whose arithmetic.
        assigned: of a refuted query the values of all declared tensors, in declared order.
        claim: the query.
        files: what was asked.
    """

    answer: Answer
    settled: Settled
    assigned: tuple[Assigned, ...]
    claim: Claim
    files: Files


def verify(
    query: str | Path,
    networks: str | Path | Mapping[str, str | Path],
    effort: Effort | None = None,
) -> Verified:
    """Return the answer to a VNN-LIB query.

    Args:
        query: VNN-LIB file, version 1 or 2.
        networks: the file of each network that the query declares, by name; a file alone where
            there is one. Files end in .onnx or .nnet.
        effort: how much to spend, and whose arithmetic is meant.

    Raises:
        InputError: the query or a network cannot be used; the message says what to mend.
    """
    effort = effort or Effort()
    end = time.monotonic() + effort.seconds
    claim = read_claim(query)
    if isinstance(networks, Mapping):
        given = [f"{name}={path}" for name, path in networks.items()]
    else:
        given = [str(networks)]
    files = match_files(claim, given)
    settled, assigned = _answered(files, effort, lambda: end - time.monotonic())
    return Verified(settled.answer, settled, assigned, claim, files)


def _answered(
    files: Files, effort: Effort, left: Callable[[], float]
) -> tuple[Settled, tuple[Assigned, ...]]:
    """Return the answer to a query and, where it is refuted, the assignment, evaluated again."""
    settled = settle(files, effort, left)
    if not isinstance(settled.answer.verdict, Refuted):
        return settled, ()
    found = assignment(files, settled)
    if _stands(files, settled, found):
        return settled, tuple(found)
    fallen = Unknown("the counterexample that was found fails when evaluated again")
    return replace(settled, answer=replace(settled.answer, verdict=fallen)), ()


def run(order: Order, options: Options) -> Exit:
    """Print the answer to a query; end DONE if unsat, REFUTED if sat, else UNKNOWN.

    Raises:
        InputError: the query or a network cannot be used.
    """
    sources = [order.query, *(Path(text.partition("=")[2] or text) for text in order.networks)]
    check_targets([("--json", options.json, ()), ("--proof", order.proof, PROOFS)], sources)
    if order.store is not None:
        check_folder("--serialise-assignments", order.store)
    outcome = Outcome()

    def late() -> Exit:
        known = Outcome(TIMED_OUT, reason=LIMIT, claim=outcome.claim, files=outcome.files)
        return _told(order, options, known)

    try:
        with alarm(order.left() + RESERVE / 2, late if owns(order.began) else None):
            _work(order, options, outcome)
            _prove(order, outcome)
    except OutOfTime:
        if outcome.word != "unsat":  # what is known stays known, whatever becomes of its proof
            outcome.word, outcome.reason, outcome.assigned = TIMED_OUT, LIMIT, ()
    except KeyboardInterrupt:
        if outcome.word != "unsat":
            outcome.word, outcome.reason, outcome.assigned = "unknown", INTERRUPTED, ()
    return _told(order, options, outcome)


def _told(order: Order, options: Options, outcome: Outcome) -> Exit:
    """Print and write what became of a query; return how the command ends."""
    end = ENDS[outcome.word]
    if outcome.made is not None and order.proof is not None:
        from .proof import keep

        outcome.kept = keep(outcome.made, order.proof)
    if options.explain:
        from .explain import of_answer

        outcome.explained = of_answer(outcome.answer)
    _show(order, options, outcome)
    if options.json is not None:
        write_record(_record(order, options, outcome, end), options.json)
    return end


def _work(order: Order, options: Options, outcome: Outcome) -> None:
    """Decide the query, noting what is found as it is found."""
    outcome.claim = read_claim(order.query)
    outcome.files = match_files(outcome.claim, order.networks)
    effort = Effort(seed=options.seed, semantics=order.semantics.value, alone=True)
    outcome.settled, outcome.assigned = _answered(outcome.files, effort, order.left)
    outcome.answer = outcome.settled.answer
    match outcome.answer.verdict:
        case Proved():
            outcome.word = "unsat"
        case Refuted():
            outcome.word = "sat"
        case Unknown(reason=reason):
            outcome.word, outcome.reason = "unknown", reason
            if order.left() <= 0.0:
                outcome.word, outcome.reason = TIMED_OUT, LIMIT
        case _ as never:
            assert_never(never)


def _prove(order: Order, outcome: Outcome) -> None:
    """Make the proof that is asked for, where no input satisfies the query."""
    if order.proof is None or outcome.word != "unsat" or outcome.files is None:
        return
    from .proof import patience, proof_of_query

    left = order.left() if math.isfinite(order.limit) else None
    spent = time.monotonic() - order.began
    outcome.made = proof_of_query(outcome.files, patience(spent, left))


def _stands(files: Files, settled: Settled, assigned: Sequence[Assigned]) -> bool:
    """Return whether an assignment satisfies the query where it can be evaluated once more.

    Real values of graphs outside the engine's networks are known as enclosures alone; there the
    general engine's own word stands.
    """
    sure = settled.real is not None or settled.semantics == "computed"
    return not sure or holds(files, assigned)


def _show(order: Order, options: Options, outcome: Outcome) -> None:
    """Print the answer to standard output and words about it to standard error."""
    if options.json != STANDARD_OUTPUT:
        lines = [outcome.word]
        if order.store is None:
            lines += [line for one in outcome.assigned for line in one.lines]
        print("\n".join(lines), flush=True)
    if order.store is not None and outcome.assigned:
        store(outcome.assigned, order.store)
    if not options.silent:  # plain text: a tiny query does not wait for colours and tables
        print("\n".join(_words(order, outcome)), file=sys.stderr)
    if options.explain and not options.silent:
        from .explain import NOTHING, TOO_LATE

        none = NOTHING if outcome.word in ("sat", "unsat") else TOO_LATE
        why = none if outcome.explained is None else outcome.explained.text()
        print(why, file=sys.stderr)


def _words(order: Order, outcome: Outcome) -> list[str]:
    answer, seconds = outcome.answer, time.monotonic() - order.began
    words = []
    if outcome.word == "unsat" and answer.vacuous:
        words.append(EMPTY)
    elif outcome.word == "unsat":
        words.append("Proved: no input satisfies the query.")
    elif outcome.word == "sat":
        words.append("Refuted: this assignment satisfies the query; it was evaluated again.")
        if order.store is not None:
            words.append(f"The assignment is in {order.store}.")
    else:
        words.append(f"Not decided: {outcome.reason or 'the engine gave up'}.")
        if math.isfinite(answer.attained) or math.isfinite(answer.reach):
            words.append(
                f"Margin of the query: {answer.attained:.6g} attained, {answer.reach:.6g} is a "
                "proved bound; sat needs one of at least 0."
            )
    if answer.note:
        words.append(answer.note[0].upper() + answer.note[1:] + ".")
    words.append(f"{answer.boxes} boxes, {seconds:.2f} s.")
    if outcome.kept is not None:
        from .proof import words as of_proof

        words.append(of_proof(outcome.kept))
        if outcome.settled is not None and outcome.settled.semantics != "real":
            words.append("The proof speaks of real arithmetic alone, not of how floats round.")
    return words


def _record(order: Order, options: Options, outcome: Outcome, end: Exit) -> Record:
    claim, files, settled, answer = outcome.claim, outcome.files, outcome.settled, outcome.answer
    names = [declared.name for declared in claim.networks] if claim else []
    method = getattr(answer.verdict, "method", None)
    return envelope(
        "verify",
        options,
        end,
        time.monotonic() - order.began,
        query={
            "path": str(order.query),
            "version": claim.version if claim else None,
            "cases": len(claim.cases) if claim else None,
            "sha256": digest(order.query, options),
        },
        networks=[
            {
                "name": declared.name,
                "relation": declared.relation or None,
                "target": None if declared.target is None else names[declared.target],
                "path": str(files.paths[index]) if files else None,
                "sha256": digest(files.paths[index], options) if files else None,
            }
            for index, declared in enumerate(claim.networks if claim else ())
        ],
        verdict=outcome.word,
        vacuous=answer.vacuous,
        semantics=settled.semantics if settled else None,
        engine=settled.engine if settled else None,
        method=method.value if method else None,
        reason=outcome.reason or None,
        note=answer.note or None,
        boxes=answer.boxes,
        explain=outcome.explained.record() if outcome.explained else None,
        proof_file=outcome.kept,
        attained=number(answer.attained),
        reach=number(answer.reach),
        assignment=assignment_record(outcome.assigned, names) if outcome.assigned else None,
    ) | {"timeout": None if math.isinf(order.limit) else order.limit}
