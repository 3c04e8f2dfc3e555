"""Recording evidence: boxes are halved until the checker's own bounds exclude every case on them.

What the engine proved by whatever method is proved again here by the bounds that a checker will
compute, so a lemma that is given back holds for the checker too. The engine's search is not needed
for that, but tells that the time is well spent.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .choose import cuts, excluded, mixed, whole
from .exclusion import Tests, test_of
from .form import EQUAL, LEAF, Form, Lemma, Negation, Tree
from .judge import box_of, together
from .model import Model
from .negation import negation, singles
from .same import Same, same_of
from .system import System, system_of
from .thin import Thinner
from .tree import PASSING

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Truths = NDArray[np.bool_]

SPARE = 1e-9
"""Relative room that a bound must leave, so that it holds again when it is summed otherwise."""

VAIN = 64
"""Bounds that are computed without rounding in vain, before that is given up."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What recording took.

    Attributes:
        nodes: boxes bounded.
        leaves: boxes that were not split.
        seconds: wall time.
    """

    nodes: int
    leaves: int
    seconds: float


def record(
    lemma: Lemma, models: Sequence[Model], seconds: float, most: int = 2_000_000
) -> tuple[Lemma | None, Spent]:
    """Return a lemma with evidence for its claim, or None where none was found in time.

    Args:
        lemma: says what is to be proved; its tree does not count. Its forms are used beside the
            atoms alone and the sums of them that are found on the way.
        models: of its files.
        seconds: wall time.
        most: boxes.

    Raises:
        FormatError: it speaks of what is not there.
    """
    begun = time.monotonic()
    system, negated = system_of(lemma, models), negation(lemma.claim)
    same = same_of(lemma, models, system)
    search = _Search(system, negated, lemma.forms, same, *box_of(lemma))
    done = search.run(begun + seconds, most)
    spent = Spent(len(search.axis), search.axis.count(LEAF), time.monotonic() - begun)
    if not done:
        return None, spent
    forms, tree = search.evidence()
    return replace(lemma, forms=forms, tree=tree), spent


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """Cases that are open on boxes of a batch, and a row of each that was bounded there.

    Attributes:
        box, case, row, form: ``(pairs,)``.
        room: ``(pairs,)`` how far the bound is above what excludes the case.
        slopes: ``(pairs, inputs)`` of the plane that the bound is the least of.
    """

    box: Index
    case: Index
    row: Index
    form: Index
    room: Array
    slopes: Array

    def take(self, which: Truths | Index) -> _Open:
        """Return some of the pairs."""
        return _Open(*(getattr(self, name)[which] for name in self.__slots__))

    @staticmethod
    def join(parts: Sequence[_Open]) -> _Open:
        """Return all pairs of the parts."""
        names = _Open.__slots__
        return _Open(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class _Search:
    def __init__(
        self,
        system: System,
        negated: Negation,
        forms: Sequence[Form],
        same: Same | None,
        lower: Array,
        upper: Array,
    ) -> None:
        self.system, self.negated, self.same = system, negated, same
        self.tests = Tests(system)
        self.forms: list[Form] = []  # and the row of each
        self.rows: list[int] = []
        self._seen: dict[tuple[object, ...], int] = {}
        self._form: dict[Form, int] = {}
        for form in (*singles(negated), *forms):
            self._add(form)
        self.given = [
            [form for form in self.forms if form.case == case] for case in range(len(negated.cases))
        ]
        # Cases by how many forms they were given.
        several: dict[int, list[list[int]]] = {}
        for case in range(len(negated.cases)):
            own = [at for at, form in enumerate(self.forms) if form.case == case]
            several.setdefault(len(own), []).append(own)
        self.groups = [np.array(own, dtype=np.int64) for own in several.values()]
        self.thinner = Thinner(system, self.tests.nodes)
        self.low, self.high = [lower], [upper]
        self.axis, self.cut, self.child, self.depth = [LEAF], [0.0], [0], [0]
        self.left = [np.ones(len(negated.cases), np.bool_)]
        self.known = [self.thinner.nothing(1)[0]]
        self.entries: list[tuple[int, int]] = []
        self.failed = 0  # bounds without rounding, in vain
        self.open = [0] if negated.cases else []

    def _add(self, form: Form) -> int:
        """Add a form if it is new; return its index."""
        at = self._form.get(form)
        if at is not None:
            return at
        test = test_of(self.system, self.negated, form)
        parts = sorted(test.start.coefficients.items())
        key = (test.least, test.above, *((node, row.tobytes()) for node, row in parts))
        if key not in self._seen:
            self._seen[key] = self.tests.add(test)
        self._form[form] = len(self.forms)
        self.forms.append(form)
        self.rows.append(self._seen[key])
        return len(self.forms) - 1

    def run(self, until: float, most: int) -> bool:
        """Split until all is excluded; return whether it is."""
        size = together(self.system)
        while self.open:
            if time.monotonic() > until or len(self.axis) > most:
                return False
            some, self.open = self.open[-size:], self.open[:-size]
            if not self._look(some):
                return False
        return True

    def _look(self, some: list[int]) -> bool:
        """Bound boxes, note what is excluded, and split the others; False where one cannot be."""
        low, high = np.stack([self.low[n] for n in some]), np.stack([self.high[n] for n in some])
        known = np.stack([self.known[n] for n in some])
        left = np.stack([self.left[n] for n in some])
        bounds, kept = self.thinner.bounds(low, high, known, moves=True)
        before, first = left.copy(), len(self.entries)
        if self.same is not None:
            equal = self.same.holds(bounds, kept, np.arange(len(some)))
            self.entries += [(some[at], EQUAL) for at in np.flatnonzero(equal).tolist()]
            left[equal] = False
        open_ = self._close(some, left, bounds, low, high)
        rest = np.flatnonzero(left.any(axis=1))
        if rest.size:
            # What is excluded on a box that a checker need not bound waits for the boxes inside.
            wait = [at for at in rest.tolist() if self.depth[some[at]] % PASSING]
            left[wait] = before[wait]
            gone = {some[at] for at in wait}
            self.entries[first:] = [one for one in self.entries[first:] if one[0] not in gone]
            axis, cut = self._cuts(open_, bounds, low, high)
            if (axis[rest] < 0).any():
                return False
            passed = self.thinner.passed_on(bounds, kept, known)
            for at in rest.tolist():
                node = some[at]
                onward = passed[at].copy() if self.depth[node] % PASSING == 0 else self.known[node]
                self._halve(node, int(axis[at]), float(cut[at]), left[at], onward)
        for node in some:  # free the memory
            self.low[node] = self.high[node] = self.known[node] = np.zeros(0)
            self.left[node] = np.zeros(0, np.bool_)
        return True

    def _close(
        self, some: list[int], left: Truths, bounds: Bounds, low: Array, high: Array
    ) -> _Open:
        """Exclude cases on boxes, and strike them from what is left; return those that stay."""
        rows = np.array(self.rows)
        wanted = np.zeros((len(some), len(self.tests.tests)), np.bool_)
        for group in self.groups:
            box, place = np.nonzero(left[:, self._cases(group)])
            wanted[box[:, None], rows[group[place]]] = True
        box, row = np.nonzero(wanted)
        at = np.zeros(wanted.shape, dtype=np.int64)
        at[box, row] = np.arange(box.size)
        room, slopes = self._bound(bounds, box, row)
        parts = []
        for group in self.groups:
            box, place = np.nonzero(left[:, self._cases(group)])
            forms = group[place]
            planes = at[box[:, None], rows[forms]]
            rooms = room[planes]
            best = rooms.argmax(axis=1)
            each = np.arange(box.size)
            form = forms[each, best]
            found = _Open(
                box,
                self._cases(group)[place],
                rows[form],
                form,
                rooms[each, best],
                slopes[planes[each, best]],
            )
            stay = ~self._strike(some, left, found)
            if group.shape[1] > 1 and stay.any():
                found, rooms, steep = found.take(stay), rooms[stay], slopes[planes[stay]]
                found = self._mix(found, rooms, steep, bounds, low, high)
                stay = ~self._strike(some, left, found)
            parts.append(found.take(stay))
        return _Open.join(parts)

    def _cases(self, group: Index) -> Index:
        return np.array([self.forms[own[0]].case for own in group.tolist()], dtype=np.int64)

    def _strike(self, some: list[int], left: Truths, found: _Open) -> Truths:
        """Note entries for what is excluded; return where that is."""
        closed = np.asarray(found.room >= 0.0)
        self._meet(some, found, closed)
        for at in np.flatnonzero(closed).tolist():
            self.entries.append((some[int(found.box[at])], int(found.form[at])))
        left[found.box[closed], found.case[closed]] = False
        return closed

    def _meet(self, some: list[int], found: _Open, closed: Truths) -> None:
        """Look again, without rounding, at what misses by rounding alone: limits may be met."""
        least, _ = self.tests.limits(found.row)
        most = np.stack([np.maximum(abs(self.low[n]), abs(self.high[n])) for n in some])
        size = 2.0 * np.abs(least) + (np.abs(found.slopes) * most[found.box]).sum(axis=1)
        for at in np.flatnonzero(~closed & (found.room >= -2.0 * SPARE * size)).tolist():
            if self.failed >= VAIN:
                return
            node = some[int(found.box[at])]
            exact = self.thinner.alone(self.low[node], self.high[node])
            closed[at] = self.tests.exactly(exact, int(found.row[at]))
            self.failed += not closed[at]

    def _bound(self, bounds: Bounds, box: Index, row: Index) -> tuple[Array, Array]:
        """Return how far rows' bounds are above what excludes, and their slopes."""
        least, _ = self.tests.limits(row)
        found, slopes = self.tests.lower(bounds, box, row)
        left = np.flatnonzero(~(found > least))
        if left.size and self.system.pairs:
            again, steep = self.tests.lower(bounds, box[left], row[left], twins=False)
            better = again > found[left]
            found[left[better]], slopes[left[better]] = again[better], steep[better]
        with np.errstate(invalid="ignore"):
            room = found - least
            size = (np.abs(slopes) * bounds.most[0][box]).sum(axis=1)
            room -= SPARE * (np.abs(least) + np.abs(found) + size)
        return room, slopes

    def _mix(
        self, found: _Open, rooms: Array, slopes: Array, bounds: Bounds, low: Array, high: Array
    ) -> _Open:
        """Return pairs with sums of their case's atoms, weighted so that the sum is high."""
        low, high = low[found.box], high[found.box]
        usable = np.asarray(np.isfinite(rooms).all(axis=1))
        rooms = np.where(usable[:, None], rooms, -1.0)
        corner = np.where(slopes > 0.0, low[:, None], high[:, None])
        constant = rooms - (slopes * corner).sum(axis=2)
        weights = mixed(constant, slopes, low, high)
        form = found.form.copy()
        for at in np.flatnonzero(usable).tolist():
            form[at] = self._sum(int(found.case[at]), weights[at])
        row = np.array(self.rows)[form]
        room, steep = self._bound(bounds, found.box, row)
        return _Open(found.box, found.case, row, form, room, steep)

    def _sum(self, case: int, weights: Array) -> int:
        """Return the form that is a weighted sum of the forms a case was given."""
        own = self.given[case]
        total = np.zeros(len(own[0].weights), dtype=np.int64)
        for weight, form in zip(whole(weights), own, strict=True):
            total += weight * np.array(form.weights)
        return self._add(Form(case, tuple(total.tolist())))

    def _cuts(self, open_: _Open, bounds: Bounds, low: Array, high: Array) -> tuple[Index, Array]:
        """Return where to cut each box; see `choose.cuts`."""
        blame, (boxes, inputs) = np.zeros(low.shape), low.shape
        begin, end = np.ones((boxes, inputs)), np.zeros((boxes, inputs))
        box = open_.box
        one, two = excluded(open_.room, open_.slopes, low[box], high[box])
        np.minimum.at(begin, box, one)
        np.maximum.at(end, box, two)
        for some, begun in self.tests.begun(open_.row):
            found = bounds.blame(begun, box[some])
            np.add.at(blame, box[some], found / np.maximum(-open_.room[some], 1e-300)[:, None])
        return cuts(begin, end, blame, low, high)

    def _halve(self, node: int, axis: int, cut: float, left: Truths, known: Array) -> None:
        self.axis[node], self.cut[node], self.child[node] = axis, cut, len(self.axis)
        for half in (0, 1):
            lower, upper = self.low[node].copy(), self.high[node].copy()
            (upper if half == 0 else lower)[axis] = cut
            self.low.append(lower)
            self.high.append(upper)
            self.left.append(left.copy())
            self.known.append(known)
            self.depth.append(self.depth[node] + 1)
            self.open.append(len(self.axis))
            self.axis.append(LEAF)
            self.cut.append(0.0)
            self.child.append(0)

    def evidence(self) -> tuple[tuple[Form, ...], Tree]:
        """Return the forms in use, and the nodes level by level with their entries."""
        axis, child = np.array(self.axis), np.array(self.child)
        order, level = [], np.array([0])
        while level.size:
            order.append(level)
            first = child[level[axis[level] != LEAF]]
            level = np.stack([first, first + 1], axis=1).ravel()
        old = np.concatenate(order)
        new = np.empty_like(old)
        new[old] = np.arange(old.size)
        entries = np.array(self.entries, dtype=np.int64).reshape(-1, 2)
        entries = entries[np.argsort(new[entries[:, 0]], kind="stable")]
        used = np.unique(entries[:, 1])
        used = used[used != EQUAL]
        form = np.where(entries[:, 1] == EQUAL, EQUAL, np.searchsorted(used, entries[:, 1]))
        tree = Tree(
            axis[old].astype(np.int64),
            np.array(self.cut)[old],
            new[entries[:, 0]],
            form.astype(np.int64),
        )
        return tuple(self.forms[at] for at in used.tolist()), tree
