"""Judging a lemma: every entry of its tree is bounded again, and nothing else is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .evidence import EQUAL, check_duals, check_tree
from .exact import Exact, Sides
from .exclusion import Tests, test_of
from .form import Lemma
from .model import FormatError, Model
from .multipliers import Groups, Multipliers, gather
from .negation import negation
from .phases import Phases, clip
from .same import Same, same_of
from .system import Activation, System, system_of
from .thin import Thinner
from .tree import boxes, left_over, outward, passing

Array = NDArray[np.float64]
Index = NDArray[np.int64]

ENTRIES = 600_000
"""Coefficients that one neuron's form may have on all boxes taken together: bounds the memory."""

MOST = 256
"""Boxes taken together at most."""

MET = 20_000
"""Boxes on which floats may leave it to rationals whether a limit is met."""


class ProofError(ValueError):
    """A proof that does not prove what it says, in one line."""


def together(system: System) -> int:
    """Return how many boxes are bounded at once."""
    widest = max(
        (
            size
            for node, size in zip(system.nodes, system.sizes, strict=True)
            if isinstance(node, Activation)
        ),
        default=1,
    )
    return max(1, min(MOST, ENTRIES // (widest * max(system.sizes))))


def judge(
    lemma: Lemma,
    models: Sequence[Model],
    *,
    exact: bool = False,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Check that a lemma's evidence proves its claim.

    Args:
        lemma: what is said, and why.
        models: of the files, in order.
        exact: whether to compute every bound in rational numbers; very slow.
        watch: called now and then; what it raises ends the check.

    Raises:
        FormatError: it speaks of what is not there.
        ProofError: its evidence is not enough.
    """
    system = system_of(lemma, models)
    negated = negation(lemma.claim)
    lower, upper = box_of(lemma)
    neurons = sum(
        size
        for node, size in zip(system.nodes, system.sizes, strict=True)
        if isinstance(node, Activation)
    )
    check_tree(lemma.tree, lemma.forms, lower.size, neurons)
    check_duals(lemma.duals, lemma.tree, neurons)
    missing = left_over(lemma.tree, lemma.forms, len(negated.cases))
    if missing is not None:
        raise ProofError(f"case {missing} is not excluded on every part of the box")
    tests = Tests(system)
    for form in lemma.forms:
        watch()
        tests.add(test_of(system, negated, form))
    same = same_of(lemma, models, system)
    if same is None and (lemma.tree.form == EQUAL).any():
        raise ProofError("an entry says that two networks are one where that shows nothing")
    walk = _Walk(lemma, system, tests, same, *boxes(lemma.tree, lower, upper), exact, watch)
    walk.run()


class _Walk:
    """Bounds what entries speak of, and before that the boxes that pass something on to them."""

    def __init__(
        self,
        lemma: Lemma,
        system: System,
        tests: Tests,
        same: Same | None,
        low: Array,
        high: Array,
        exact: bool,
        watch: Callable[[], None],
    ) -> None:
        self.forms, self.tests, self.low, self.high = lemma.forms, tests, low, high
        self.same, self.met = same, 0
        self.exact, self.watch, self.size = exact, watch, together(system)
        self.thinner = Thinner(system, tests.nodes)
        self.phases = Phases(lemma.tree, low.shape[1])
        self.thinner.held[self.phases.neurons()] = True
        self.groups = Groups(lemma.duals)
        self.passed: dict[int, dict[int, Sides]] = {}  # without rounding, if that is asked for
        self.above = passing(lemma.tree)
        order = np.argsort(lemma.tree.node, kind="stable")
        self.entry = order
        self.node, self.form = lemma.tree.node[order], lemma.tree.form[order]
        needed = np.zeros(lemma.tree.axis.size, np.bool_)
        used = np.unique(self.node)
        shown = used
        while used.size:  # boxes that pass something on to what is looked at
            used = np.unique(self.above[used])
            used = used[used >= 0]
            used = used[~needed[used]]
            needed[used] = True
        self.needed = needed
        self.shown = _Grouped.by(shown[~needed[shown]], self.above)
        self.passing = _Grouped.by(np.flatnonzero(needed), self.above)

    def run(self) -> None:
        """Raise ProofError where an entry does not hold."""
        nothing = self.thinner.nothing(1)
        root = np.array([-1])
        self._below(self.shown.of(root), root, nothing)
        left = [(nodes, nothing) for nodes in self._batches(self.passing.of(root))]
        while left:
            nodes, known = left.pop()
            self.watch()
            bounds, kept = self._bounds(nodes, known)
            self._show(nodes, bounds, kept)
            known = self.thinner.passed_on(bounds, kept, known)
            self._below(self.shown.of(nodes), nodes, known)
            for some in self._batches(self.passing.of(nodes)):
                left.append((some, known[np.searchsorted(nodes, self.above[some])]))

    def _batches(self, nodes: Index) -> list[Index]:
        return [nodes[at : at + self.size] for at in range(0, nodes.size, self.size)]

    def _below(self, shown: Index, above: Index, known: Array) -> None:
        """Check the entries of nodes, with what is known on boxes above them."""
        for nodes in self._batches(shown):
            self.watch()
            there = known[np.searchsorted(above, self.above[nodes])]
            bounds, kept = self._bounds(nodes, there)
            self._show(nodes, bounds, kept)

    def _bounds(self, nodes: Index, known: Array) -> tuple[Bounds, dict[int, Index]]:
        """Return bounds on nodes, with what is known above them and what their phases say."""
        still: frozenset[int] = frozenset()
        if self.phases.some:
            known = known.copy() if len(known) == nodes.size else np.repeat(known, nodes.size, 0)
            for at, node in enumerate(nodes.tolist()):
                clip(known[at], self.phases.of(node))
            still = self.thinner.still(
                self.phases.since(node, int(self.above[node])) for node in nodes.tolist()
            )
        return self.thinner.bounds(self.low[nodes], self.high[nodes], known, still=still)

    def _show(self, nodes: Index, bounds: Bounds, kept: dict[int, Index]) -> None:
        """Check the entries of nodes by bounds on their boxes."""
        first, last = (np.searchsorted(self.node, nodes, side) for side in ("left", "right"))
        count = last - first
        box = np.repeat(np.arange(nodes.size), count)
        skip = np.repeat(first - (np.cumsum(count) - count), count)
        entry = skip + np.arange(box.size)
        form, more = self.form[entry], self._multipliers(nodes, box, entry, kept)
        holds = np.zeros(box.size, np.bool_)
        rest = np.flatnonzero(form != EQUAL)
        some = None if more is None else more.take(rest)
        holds[rest] = self.tests.passed(bounds, box[rest], form[rest], some)
        equal = np.flatnonzero(form == EQUAL)
        if self.same is not None and equal.size:
            holds[equal] = self.same.holds(bounds, kept, box[equal])
        holds |= bounds.empty[box]
        self._near(nodes, box, form, holds, entry)
        if self.exact and holds.all():
            holds = self._exactly(nodes, bounds, kept, box, form, more)
        if not holds.all():
            at = int(np.flatnonzero(~holds)[0])
            if form[at] == EQUAL:
                raise ProofError(
                    f"node {int(nodes[box[at]])}: the networks are not shown to be one function"
                )
            raise ProofError(
                f"node {int(nodes[box[at]])}: the bound of form {int(form[at])} does not exclude "
                f"case {self.forms[int(form[at])].case}"
            )

    def _multipliers(
        self, nodes: Index, box: Index, entry: Index, kept: dict[int, Index]
    ) -> Multipliers | None:
        """Return what entries come with; None where that is nothing."""
        if not self.groups:
            return None
        groups = [self.groups.of(int(self.entry[at])) for at in entry.tolist()]
        fixed: list[dict[int, bool]] = [{}] * len(groups)
        for at, group in enumerate(groups):
            if group is None:
                continue
            fixed[at] = self.phases.of(int(nodes[box[at]]))
            for neuron in group.split.tolist():
                if neuron not in fixed[at]:
                    raise ProofError(
                        f"node {int(nodes[box[at]])}: a multiplier speaks of the phase of neuron "
                        f"{neuron}, which is not fixed there"
                    )
        return gather(groups, fixed, self.thinner, kept)

    def _near(
        self, nodes: Index, box: Index, form: Index, holds: NDArray[np.bool_], entry: Index
    ) -> None:
        """Look again, without rounding, at entries that floats do not show: limits may be met."""
        for at in np.unique(box[~holds & (form != EQUAL)]).tolist():
            self.watch()
            self.met += 1
            if self.met > MET:
                raise ProofError(
                    f"more than {MET} boxes need rational numbers: that takes too long"
                )
            fixed = self.phases.of(int(nodes[at]))
            exact, kept = self.thinner.alone(self.low[nodes[at]], self.high[nodes[at]], fixed)
            for one in np.flatnonzero(~holds & (form != EQUAL) & (box == at)).tolist():
                few = np.array([one])
                more = self._multipliers(nodes, box[few], entry[few], kept)
                holds[one] = exact.empty or self.tests.exactly(exact, int(form[one]), more)
                if not holds[one]:
                    return

    def _exactly(
        self,
        nodes: Index,
        bounds: Bounds,
        kept: dict[int, Index],
        box: Index,
        form: Index,
        more: Multipliers | None,
    ) -> NDArray[np.bool_]:
        """Return which entries hold without rounding."""
        holds = np.zeros(box.size, np.bool_)
        for at, node in enumerate(nodes.tolist()):
            self.watch()
            above = int(self.above[node])
            known = self.passed.get(above, {}) if above >= 0 else {}
            fixed = self.thinner.fixed(self.phases.of(node), kept) if self.phases.some else {}
            exact = Exact(bounds, at, self.thinner.known(known, kept), fixed)
            for entry in np.flatnonzero(box == at).tolist():
                if exact.empty:
                    holds[entry] = True
                elif form[entry] != EQUAL:
                    own = None if more is None else more.take(np.array([entry]))
                    holds[entry] = self.tests.exactly(exact, int(form[entry]), own)
                elif self.same is not None:
                    holds[entry] = self.same.exactly(exact, kept)
            if self.needed[node]:
                self.passed[node] = self.thinner.known_on(known, exact, kept)
        return holds


@dataclass(frozen=True, slots=True, eq=False)
class _Grouped:
    """Nodes by the box above them.

    Attributes:
        above: sorted.
        nodes: the same way.
    """

    above: Index
    nodes: Index

    @classmethod
    def by(cls, nodes: Index, above: Index) -> _Grouped:
        order = np.argsort(above[nodes], kind="stable")
        return cls(above[nodes][order], nodes[order])

    def of(self, above: Index) -> Index:
        """Return the nodes below some boxes, sorted."""
        first = np.searchsorted(self.above, above, "left")
        last = np.searchsorted(self.above, above, "right")
        parts = [self.nodes[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True)]
        return np.sort(np.concatenate(parts)) if parts else self.nodes[:0]


def box_of(lemma: Lemma) -> tuple[Array, Array]:
    """Return the least float64 box around a lemma's.

    Raises:
        FormatError: it is none.
    """
    if len(lemma.lower) != len(lemma.upper) or not lemma.lower:
        raise FormatError("the box has no inputs, or not as many lower limits as upper ones")
    if any(a > b for a, b in zip(lemma.lower, lemma.upper, strict=True)):
        raise FormatError("the box is empty: a lower limit is above the upper one")
    try:
        return outward(lemma.lower, lemma.upper)
    except OverflowError:
        raise FormatError("a limit of the box is beyond float64") from None
