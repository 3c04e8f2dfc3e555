"""`secateur compare`: how far two networks are apart over a region, or whether they agree there."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from ..engine.agreement import Best, same_best, within
from ..engine.answer import INTERRUPTED, Answer, Effort
from ..engine.claim import Claim
from ..engine.errors import InputError
from ..engine.formats.decimals import exact
from ..engine.verdict import Proved, Refuted, Unknown
from .clock import OutOfTime, alarm, owns
from .comparison import (
    GAP,
    UNBOUNDED,
    Errors,
    Pair,
    apart,
    decided,
    output_errors,
    pair_of,
)
from .options import Arithmetic, Exit, Options, Pick, Side, cores
from .record import write_record
from .targets import PROOFS, check_targets
from .terminal import Terminal

if TYPE_CHECKING:
    from ..engine.discrepancy import Discrepancy
    from .explain import Explained
    from .proof import Made

ROOM = Fraction(1, 2**20)
"""Part by which the distance that a proof states is larger than the one that was found: what is
attained is not shown again by bounds that round."""

RESERVE = 0.3
"""Seconds of the time limit that are kept for what follows an answer."""

EXTRA = 0.4
"""Seconds beyond the limit after which a search for enclosures is broken off."""

LIMIT = "the time limit"
SMALLEST = "boxes whose corners are neighbours in float64 are left"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be compared, and what is asked.

    Attributes:
        first: file of f.
        second: file of g.
        region: as it was typed.
        units: of the region's limits.
        epsilon: distance that is asked for, as it was typed; None to ask for none.
        outputs: which outputs are to be within it; none stands for all.
        top1: which output is to be the same; None to ask for none.
        band: by how much f must prefer it, as it was typed.
        gap: relative width at which an enclosure is good enough; None for the usual one.
        semantics: whose arithmetic is meant.
        workers: threads; None for as many as cores.
        limit: wall time, seconds; 0 is answered at once.
        began: when the command did, on `time.monotonic`.
        proof: where a proof goes; None for nowhere.
    """

    first: Path
    second: Path
    region: str
    units: Side = Side.NETWORK
    epsilon: str | None = None
    outputs: tuple[int, ...] = ()
    top1: Pick | None = None
    band: str | None = None
    gap: float | None = None
    semantics: Arithmetic = Arithmetic.REAL
    workers: int | None = None
    limit: float = math.inf
    began: float = field(default_factory=time.monotonic)
    proof: Path | None = None

    def __post_init__(self) -> None:
        """Check that the options ask one question, and their numbers."""
        if self.epsilon is not None and self.top1 is not None:
            raise InputError("--epsilon and --top1 ask two questions: take one of them")
        if self.outputs and self.epsilon is None:
            raise InputError(f"--output {self.outputs[0]}: goes with --epsilon; give that too")
        if self.band is not None and self.top1 is None:
            raise InputError(f"--band {self.band}: goes with --top1; give that too")
        if self.gap is not None and not (self.epsilon is None and self.top1 is None):
            raise InputError(
                f"--gap {self.gap:g}: is for the enclosure of a distance; leave it out with "
                "--epsilon and --top1"
            )
        if self.gap is not None and not (self.gap >= 0 and math.isfinite(self.gap)):
            raise InputError(f"--gap {self.gap:g}: give a share that is 0 or more")
        if self.proof is not None and self.semantics is not Arithmetic.REAL:
            raise InputError(
                f"--proof {self.proof}: proofs speak of real arithmetic; take --semantics real"
            )
        if self.workers is not None and not 1 <= self.workers <= 1024:
            raise InputError(f"--workers {self.workers}: give a number from 1 to 1024")
        distance("--epsilon", self.epsilon)
        distance("--band", self.band)

    @property
    def asks(self) -> bool:
        """Whether a claim is asked about, not how far the networks are apart."""
        return self.epsilon is not None or self.top1 is not None

    def left(self) -> float:
        """Return the seconds that the engines have left."""
        return self.began + self.limit - time.monotonic() - RESERVE

    def patience(self) -> float:
        """Return the seconds after which whatever runs is broken off; 0 if they are over."""
        left = self.left()
        if left + RESERVE <= 0.0:
            return 0.0
        # The search for enclosures heeds its own limit, and what it found is worth a moment more.
        return left + (RESERVE / 2 if self.asks else RESERVE + EXTRA)

    def effort(self, options: Options) -> Effort:
        """Return what the engines may spend from now on."""
        workers = self.workers or min(32, cores())
        seconds = max(self.left(), 0.0)
        return Effort(seconds, options.seed, workers, self.semantics.value)


def distance(option: str, text: str | None) -> Fraction | None:
    """Return the distance that a text writes, exactly.

    Raises:
        InputError: no finite number, or one below 0.
    """
    if text is None:
        return None
    if text.strip().lower().lstrip("+-") in ("inf", "infinity", "nan"):
        raise InputError(f"{option} {text}: give a finite distance of at least 0")
    value = exact(text, option)
    if value < 0:
        raise InputError(f"{option} {text}: give a distance of at least 0")
    return value


@dataclass(slots=True, eq=False)
class Outcome:
    """What is known so far, also when the work is broken off.

    Attributes:
        end: how the command ends.
        reason: why it does not end with an answer; empty where it does.
        pair: of what.
        claim: what was asked, where a claim was.
        errors: of f's and of g's float evaluation, where it is meant.
        answer: to the claim.
        found: the enclosures, where these were asked for.
        made: the proof, where one was asked for and there is something to prove.
        explained: why the work was done so, where that was asked for and there was a choice.
    """

    end: Exit = Exit.UNKNOWN
    reason: str = ""
    pair: Pair | None = None
    claim: Claim | None = None
    errors: Errors | None = None
    answer: Answer | None = None
    found: Discrepancy | None = None
    made: Made | None = None
    explained: Explained | None = None


def run(order: Order, options: Options) -> Exit:
    """Compare two networks and print what is known of them.

    Ends DONE if the enclosures are as narrow as asked for or the claim is proved, REFUTED if it is
    refuted, else UNKNOWN.

    Raises:
        InputError: a file, a region or a number that cannot be used.
    """
    from .comparison_record import comparison_record, say

    files = [Path(order.region)] if Path(order.region).suffix else []
    check_targets(
        [("--json", options.json, ()), ("--proof", order.proof, PROOFS)],
        [order.first, order.second, *files],
    )
    outcome = Outcome()

    def told(outcome: Outcome) -> Exit:
        terminal = Terminal.of(options)
        if options.explain:
            outcome.explained = _explained(order, outcome)
        record = comparison_record(order, options, outcome)
        record["proof_file"] = None
        say(order, outcome, record, terminal)
        if outcome.explained is not None:
            outcome.explained.tell(terminal)
        if outcome.made is not None and order.proof is not None:
            from .proof import keep, words

            record["proof_file"] = kept = keep(outcome.made, order.proof)
            terminal.say(words(kept))
        write_record(record, options.json)
        return outcome.end

    def late() -> Exit:
        pair, claim, errors = outcome.pair, outcome.claim, outcome.errors
        return told(Outcome(reason=LIMIT, pair=pair, claim=claim, errors=errors))

    try:
        with alarm(order.patience(), late if owns(order.began) else None):
            _work(order, options, outcome)
            _prove(order, outcome)
    except OutOfTime:
        outcome.reason = "" if outcome.end in (Exit.DONE, Exit.REFUTED) else LIMIT
    except KeyboardInterrupt:
        outcome.reason = "" if outcome.end in (Exit.DONE, Exit.REFUTED) else INTERRUPTED
    return told(outcome)


def _explained(order: Order, outcome: Outcome) -> Explained | None:
    """Return why the comparison was done as it was; None where nothing was to be chosen."""
    from .explain import of_answer, of_networks, of_pair

    if outcome.answer is not None:
        return of_answer(outcome.answer)
    if outcome.found is None or outcome.pair is None:
        return None
    workers = order.workers or min(32, cores())
    figures = of_networks(outcome.pair.networks, outcome.pair.region, workers)
    return of_pair(figures, outcome.found.boxes, outcome.found.seconds)


def _work(order: Order, options: Options, outcome: Outcome) -> None:
    """Answer what is asked, noting what is found as it is found."""
    pair = pair_of(order.first, order.second, order.region, order.units.value)
    outcome.pair = pair
    epsilon, band = distance("--epsilon", order.epsilon), distance("--band", order.band)
    if epsilon is not None:
        chosen = list(dict.fromkeys(order.outputs)) or None
        outcome.claim = within(*pair.networks, pair.region, epsilon, chosen)
    elif order.top1 is not None:
        best = Best(order.top1.value)
        outcome.claim = same_best(*pair.networks, pair.region, best, band or 0)
    if order.semantics is Arithmetic.FLOAT32:
        outcome.errors = output_errors(pair)
    if outcome.claim is not None:
        effort = order.effort(options)
        outcome.answer = decided(pair, outcome.claim, effort, outcome.errors)
    if outcome.answer is not None:
        _judge(order, outcome, outcome.answer)
        return
    gap = GAP if order.gap is None else order.gap
    outcome.found = apart(pair, gap, order.effort(options), outcome.errors)
    if not all(math.isfinite(span.proved) for span in outcome.found.outputs) and outcome.errors:
        outcome.reason = UNBOUNDED
    elif outcome.found.closed:
        outcome.end = Exit.DONE
    else:
        open_ = INTERRUPTED if outcome.found.interrupted else SMALLEST
        outcome.reason = open_ if order.left() > 0.0 else LIMIT


def _prove(order: Order, outcome: Outcome) -> None:
    """Make the proof that is asked for, of what was found."""
    if order.proof is None or outcome.pair is None or outcome.end is not Exit.DONE:
        return
    from ..engine.proofs.form import SameBest, Within
    from .proof import patience, proof_of_pair

    claims: list[Within | SameBest]
    size = outcome.pair.first.network.size_out
    if order.epsilon is not None:
        chosen = tuple(dict.fromkeys(order.outputs)) or tuple(range(size))
        claims = [Within(distance("--epsilon", order.epsilon) or Fraction(0), chosen)]
    elif order.top1 is not None:
        sign = 1 if order.top1 is Pick.MAX else -1
        claims = [SameBest(sign, distance("--band", order.band) or Fraction(0), size)]
    else:
        assert outcome.found is not None
        claims = [
            Within(Fraction(span.proved) * (1 + ROOM), (index,))
            for index, span in enumerate(outcome.found.outputs)
        ]
    spent = time.monotonic() - order.began
    left = order.left() if math.isfinite(order.limit) else None
    outcome.made = proof_of_pair(outcome.pair, claims, patience(spent, left))


def _judge(order: Order, outcome: Outcome, answer: Answer) -> None:
    match answer.verdict:
        case Proved():
            outcome.end = Exit.DONE
        case Refuted():
            outcome.end = Exit.REFUTED
        case Unknown(reason=reason):
            outcome.reason = LIMIT if order.left() <= 0.0 else reason
        case _ as never:
            assert_never(never)
