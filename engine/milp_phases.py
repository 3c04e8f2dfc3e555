"""A question decided by branching over phases, every leaf proved without trust in a solver.

Alternative by alternative: linear bounds of the rows, then a search over the phases of unstable
neurons. Leaves are bounded by multipliers, many at once; what those cannot settle has a linear
program, and so has every leaf where ties are given or inputs are few. A program's bounds are
rebuilt from duals, empty leaves proved by Farkas rays, counterexamples replayed in rationals.
Networks with many inputs, where boxes are not worth bisecting, are decided so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from .assemble import Bounds
from .bounds.interval import interval
from .bounds.leaves import Leaves
from .bounds.linear import linear
from .bounds.multipliers import Spread
from .bounds.neuron import Effort
from .bounds.parted import divisible, parted
from .bounds.phases import Tree
from .bounds.rational import rational_bound
from .errors import SolverError
from .falsify import Margins, falsify
from .milp_case import Candidates, CaseModel, Forms, program_of
from .phase_search import PhaseSearch
from .question import Alternative, Question
from .region import Region
from .rounding import NEAR_ZERO, Array
from .tie import Tie
from .verdict import Method, Proved, Refuted, Unknown, Verdict
from .witness import Witness

Ties = Callable[[Region], Sequence[Tie]]
"""Gives proved differences of a question's pre-activations over a region."""

ROUNDS: Final = (1, 32, 256, 2048, 16_384)
"""Programs or leaves up to which each open alternative is searched, round after round, so that one
that is easily refuted does not wait for a hard one."""

PARTS: Final = {32: 2, 256: 4}
"""In which rounds the bounds of a region are taken anew from its parts, and in how many each input
is cut then. A search that has begun is begun again: it is worth it where it is far from its end."""

FEW: Final = 8
"""Inputs with a width up to which leaves have programs: those are small then, and settle more."""

KEPT: Final = 64
"""Most searches that are kept from round to round; beyond, each starts afresh."""

SLOPES: Final = 8
"""Gradient steps on the slopes of an alternative's linear bounds."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was found out about a question.

    Attributes:
        verdict: Proved only if every alternative asked for was; Refuted by points that were
            replayed in rationals, not yet in a model file's runtime.
        open: alternatives that are neither proved nor refuted.
        trusted: whether a Proved rests on the word of a solver; only on request.
        programs: number of programs solved.
        leaves: number of leaves bounded by multipliers.
    """

    verdict: Verdict
    open: tuple[int, ...] = ()
    trusted: bool = False
    programs: int = 0
    leaves: int = 0


def decide_by_phases(
    question: Question,
    effort: Effort | None = None,
    *,
    which: Sequence[int] | None = None,
    ties: Ties | None = None,
    slopes: int = SLOPES,
    by_programs: bool = False,
) -> Decision:
    """Return whether any input meets an alternative of the question, proved leaf by leaf.

    Args:
        question: what is asked.
        effort: time, programs for each alternative, solver; `stop_at` is not looked at.
        which: the alternatives that are still open; all when absent.
        ties: proved differences of pre-activations, as tightening; asked once for a region.
        slopes: gradient steps on the linear bounds of each region.
        by_programs: solve a program for every leaf, as is done where there are ties or few inputs,
            instead of bounding leaves by multipliers; with many inputs that took 5 to 10 times
            longer.

    Raises:
        InputError: ties that contradict the network, or are none of it.
    """
    return Phased(question, effort or Effort(), which, ties, slopes, by_programs).run()


class Phased:
    """The alternatives of a question on their way to a decision.

    Attributes:
        question: what is asked.
        effort: how far to go.
        open: alternatives that are not decided, in order.
        programs: number of programs solved.
        witness: of the first alternative that was refuted.
        trouble: what keeps an alternative from being searched further, one line each.
    """

    def __init__(
        self,
        question: Question,
        effort: Effort,
        which: Sequence[int] | None = None,
        ties: Ties | None = None,
        slopes: int = SLOPES,
        by_programs: bool = False,
    ) -> None:
        """Start with every alternative asked for open."""
        self.question, self.effort = question, effort
        self.open = list(range(len(question.alternatives)) if which is None else which)
        self.programs = self.leaves = 0
        self.witness: Witness | None = None
        self.trouble: dict[int, str] = {}
        self._method, self._found = Method.INTERVAL, Method.SAMPLE
        self._ties, self._slopes, self._by_programs = ties, slopes, by_programs
        self._regions: dict[object, tuple[Bounds, Sequence[Tie]]] = {}
        self._cuts: dict[object, int] = {}
        self._searches: dict[int, PhaseSearch] = {}

    def run(self, enough: float = math.inf) -> Decision:
        """Go through all steps and return the decision.

        Args:
            enough: rounds of more programs or leaves than this are left out.
        """
        if not self._regions:
            self.bound()
        for most in (*ROUNDS, self.effort.programs):
            if most > enough:
                break
            if not self.open or self.witness is not None:
                break
            if most in PARTS:
                self.divide(PARTS[most])
            for place in list(self.open):
                if self.effort.left <= 0 or self.witness is not None:
                    break
                self._search(place, most)
            if len(self.open) > KEPT:
                self._searches.clear()
            if self.effort.left <= 0 or most >= self.effort.programs:
                break
        return self.decision()

    def decision(self) -> Decision:
        """Return what is known now."""
        verdict: Verdict
        if self.witness is not None:
            verdict = Refuted((self.witness,), self._found)
        elif not self.open:
            verdict = Proved(self._method)
        elif self.effort.left <= 0:
            verdict = Unknown("time limit")
        elif self.trouble:
            verdict = Unknown(next(iter(self.trouble.values())))
        else:
            verdict = Unknown(
                f"{len(self.open)} of {len(self.question.alternatives)} cases open after "
                f"{self.programs} programs: the effort is spent, or a case is met up to rounding"
            )
        return Decision(verdict, tuple(self.open), programs=self.programs, leaves=self.leaves)

    def bound(self) -> None:
        """Settle what linear bounds settle, and try the middle of every box."""
        for place in list(self.open):
            if self.witness is not None or (self.effort.left <= 0 and self._regions):
                return
            case = self.question.alternatives[place]
            if not case.atoms:
                self._any_point(case)
                continue
            bounds, _ = self.region(case.region)
            forms = self.forms(case, bounds)
            excess = forms.below(bounds[self.question.network.output][0])
            if excess.max() >= forms.goal or self._rational(case, forms, bounds, excess):
                self._settle(place, Method.LINEAR)
                continue
            candidates = Candidates(self.question, case, forms)
            candidates.value(0.5 * case.region.lower + 0.5 * case.region.upper)
            self.refute(candidates, Method.SAMPLE)

    def forms(self, case: Alternative, bounds: Bounds) -> Forms:
        """Return the rows of a case, scaled to their bounds."""
        return Forms.of(self.question, case, *bounds[self.question.network.output])

    def region(self, region: Region) -> tuple[Bounds, Sequence[Tie]]:
        """Return the proved bounds ``(size,)`` of every node over a region, and its ties."""
        key = region.exact_lower, region.exact_upper
        if key not in self._regions:
            if len(self._regions) >= KEPT:
                self._regions.clear()
                self._cuts.clear()
            network, box = self.question.network, (region.lower[None], region.upper[None])
            # Past the range of floats bounds become infinite, which is said later.
            with np.errstate(over="ignore", invalid="ignore"):
                found = interval(network, *box)
                if self.effort.left > 0:
                    found = linear(network, *box, known=found)
                if self._slopes and self.effort.left > 0:
                    found = linear(network, *box, steps=self._slopes, known=found)
            bounds = {name: (low[0], high[0]) for name, (low, high) in found.items()}
            self._regions[key] = bounds, () if self._ties is None else self._ties(region)
        return self._regions[key]

    def divide(self, cuts: int) -> None:
        """Tighten the bounds of the open alternatives' regions by their parts, once for `cuts`."""
        network, changed = self.question.network, set()
        for place in self.open:
            region = self.question.alternatives[place].region
            key, box = (region.exact_lower, region.exact_upper), (region.lower, region.upper)
            if self.effort.left > 0 and divisible(network, *box, cuts):
                bounds, ties = self.region(region)
                if self._cuts.get(key, 1) < cuts and _finite(bounds):
                    self._regions[key] = parted(network, *box, bounds, cuts), ties
                    self._cuts[key] = cuts
                    changed.add(key)
            if key in changed:
                self._searches.pop(place, None)

    def attack(self) -> None:
        """Look for a counterexample of every open alternative by gradient steps."""
        question, rng = self.question, np.random.default_rng(self.effort.seed)
        margins = Margins.of(question, question.alternatives)
        for place in self.open:
            case = question.alternatives[place]
            if self.witness is not None or self.effort.left <= 0:
                return
            lattice = case.region.lattice(question.network.origin.dtype)
            late = time.monotonic() + self.effort.left
            with np.errstate(over="ignore", invalid="ignore"):
                _, points, _ = falsify(question, margins, np.array([place]), lattice, rng, late)
            candidates = Candidates(question, case, self.forms(case, self.region(case.region)[0]))
            candidates.value(points[0])
            self.refute(candidates, Method.ATTACK)

    def refute(self, candidates: Candidates, method: Method) -> bool:
        """Keep a witness if the candidates found one; return whether they did."""
        if candidates.witness is None:
            return False
        self.witness, self._found = candidates.witness, method
        return True

    def _settle(self, place: int, method: Method) -> None:
        self.open.remove(place)
        self._searches.pop(place, None)
        self._method = max(self._method, method, key=list(Method).index)

    def _any_point(self, case: Alternative) -> None:
        """Refute by a point of a box that no row limits further."""
        region = case.region
        pairs = zip(region.exact_lower, region.exact_upper, strict=True)
        point = tuple((low + high) / 2 for low, high in pairs)
        lattice = region.lattice(self.question.network.origin.dtype)
        middle = lattice.snap(0.5 * region.lower + 0.5 * region.upper)
        for exact in (tuple(lattice.exact(middle).tolist()), point):
            if self.question.holds(case, exact, ()):
                self.witness, self._found = Witness(exact, Fraction(0)), Method.SAMPLE
                return

    def _rational(self, case: Alternative, forms: Forms, bounds: Bounds, excess: Array) -> bool:
        """Return whether rational bounds settle a case that misses its goal by rounding alone."""
        network = self.question.network
        if not _finite(bounds):
            return False
        batch = {name: (low[None], high[None]) for name, (low, high) in bounds.items()}
        for at in np.flatnonzero(excess >= -NEAR_ZERO).tolist():
            row = np.zeros(network.size_out)
            row[forms.rows[at]] = -1.0
            least = -rational_bound(network, case.region, network.output, row, batch)
            strict = case.atoms[at][1]
            if least > forms.limits[at] or (strict and least == forms.limits[at]):
                return True
        return False

    def _search(self, place: int, most: int) -> None:
        """Search one alternative up to a number of programs or leaves."""
        case = self.question.alternatives[place]
        if not case.atoms or place in self.trouble:
            return
        try:
            if place not in self._searches:
                self._searches[place] = self._begun(case)
            search = self._searches[place]
            before, leaves = search.programs, search.count
            done = search.go(most, self.effort)
        except SolverError as error:
            self.trouble[place] = str(error)
            return
        self.programs += search.programs - before
        self.leaves += search.count - leaves
        method = Method.LP if search.programs <= 1 and search.spread is None else Method.MILP
        if not self.refute(search.candidates, method) and done:
            self._settle(place, method)

    def _begun(self, case: Alternative) -> PhaseSearch:
        """Return the search of a case.

        Raises:
            SolverError: a bound is not finite, or the solver refuses the program.
        """
        bounds, ties = self.region(case.region)
        if not _finite(bounds):
            raise SolverError("the network's values are too large to be bounded")
        network, forms = self.question.network, self.forms(case, bounds)
        assembly, margin = program_of(self.question, case, forms, bounds, ties)
        candidates = Candidates(self.question, case, forms)
        unstable = assembly.unstable

        def model() -> CaseModel:
            return CaseModel(assembly, margin, case.region, candidates, forms.goal, self.effort)

        box, target = (case.region.lower, case.region.upper), network.output

        def judge(low: Array, _: Array) -> Array:
            return np.asarray(forms.below(low).max(axis=-1))

        leaves = Leaves(network, *box, bounds, unstable, target, judge)
        least = float(forms.below(bounds[target][0]).max())
        few = int((box[0] < box[1]).sum()) <= FEW
        if self._by_programs or few or ties or not unstable.node:
            # Where programs are small, bounding a leaf first takes longer than its program.
            tree = Tree(model(), least, None if few else leaves)
            return PhaseSearch(candidates, model, leaves, least, forms.goal, trees=[tree])
        count, attempt = len(unstable.node), candidates.attempt
        spread = Spread(network, *box, target, forms.aim, leaves, count, attempt)
        return PhaseSearch(candidates, model, leaves, least, forms.goal, spread)


def _finite(bounds: Bounds) -> bool:
    return all(np.isfinite(side).all() for pair in bounds.values() for side in pair)
