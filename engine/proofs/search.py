"""The search for evidence: boxes are halved or phases fixed until all cases are excluded.

Up to `FEW` inputs boxes are halved. With more of them that leads nowhere: there the phases of
neurons are fixed, and what stays open on a box gets multipliers (`climb.py`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .branch import Places, begin, choose, group_of
from .choose import cuts, excluded, mixed, whole
from .climb import Climb
from .evidence import EQUAL, LEAF, Duals, Form, Tree
from .exclusion import Tests, test_of
from .form import Negation
from .judge import together
from .multipliers import Group, Multipliers, duals_of, gather
from .negation import singles
from .opened import Open, Raised
from .phases import Change, clip
from .same import Same
from .system import System
from .thin import Thinner
from .tree import PASSING, by_level

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Truths = NDArray[np.bool_]

SPARE = 1e-9
"""Relative room that a bound must leave, so that it holds again when it is summed otherwise."""

FEW = 16
"""Inputs up to which boxes are halved; with more of them phases are fixed."""

STEPS = 24
"""Steps towards the best multipliers on a box."""

VAIN = 64
"""Bounds that are computed without rounding in vain, before that is given up."""


class Search:
    """A search, and the evidence that it finds."""

    def __init__(
        self,
        system: System,
        negated: Negation,
        forms: Sequence[Form],
        same: Same | None,
        lower: Array,
        upper: Array,
        few: int,
    ) -> None:
        """Begin with a box.

        Args:
            system: the networks.
            negated: what to exclude.
            forms: to try beside the atoms alone.
            same: what makes both networks one, if that is of use.
            lower: ``(inputs,)`` of the box.
            upper: the same.
            few: inputs up to which boxes are halved.
        """
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
        self.inputs, self.many = lower.size, lower.size > few
        self.fixed: list[dict[int, bool]] = [{}]
        self.change = [Change(smaller=True, neurons=())]
        self.helped: list[dict[int, Group]] = [{}]  # multipliers of rows on the box above
        self.left = [np.ones(len(negated.cases), np.bool_)]
        self.known = [self.thinner.nothing(1)[0]]
        self.entries: list[tuple[int, int, Group | None]] = []
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
        for at, node in enumerate(some):
            clip(known[at], self.fixed[node])
        still = self.thinner.still(self.change[node] for node in some)
        bounds, kept = self.thinner.bounds(low, high, known, still=still, moves=not self.many)
        before, first = left.copy(), len(self.entries)
        for at in np.flatnonzero(bounds.empty).tolist():  # any form will do
            cases = np.flatnonzero(left[at]).tolist()
            self.entries += [(some[at], self._form[self.given[one][0]], None) for one in cases]
            left[at] = False
        if self.same is not None:
            equal = self.same.holds(bounds, kept, np.arange(len(some)))
            self.entries += [(some[at], EQUAL, None) for at in np.flatnonzero(equal).tolist()]
            left[equal] = False
        open_ = self._close(some, left, bounds, low, high)
        raised = None
        if self.many and open_.box.size:
            raised = self._raise(some, left, open_, bounds, kept)
            open_ = raised.open
        rest = np.flatnonzero(left.any(axis=1))
        if rest.size:
            # What is excluded on a box that a checker need not bound waits for the boxes inside.
            wait = [at for at in rest.tolist() if self.depth[some[at]] % PASSING]
            left[wait] = before[wait]
            gone = {some[at] for at in wait}
            self.entries[first:] = [one for one in self.entries[first:] if one[0] not in gone]
            if raised is not None:
                axis, cut = self._neurons(some, raised, low, high)
            else:
                axis, cut = self._cuts(open_, bounds, low, high)
            if (axis[rest] < 0).any():
                return False
            passed = self.thinner.passed_on(bounds, kept, known)
            for at in rest.tolist():
                node = some[at]
                first_ = self.depth[node] % PASSING == 0
                onward = passed[at].copy() if first_ else self.known[node]
                helped = raised.groups_of(at) if raised is not None else {}
                self._halve(node, int(axis[at]), float(cut[at]), left[at], onward, helped)
        for node in some:  # free the memory
            self.low[node] = self.high[node] = self.known[node] = np.zeros(0)
            self.left[node] = np.zeros(0, np.bool_)
            self.fixed[node], self.helped[node] = {}, {}
        return True

    def _close(
        self, some: list[int], left: Truths, bounds: Bounds, low: Array, high: Array
    ) -> Open:
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
            found = Open(
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
        return Open.join(parts)

    def _cases(self, group: Index) -> Index:
        return np.array([self.forms[own[0]].case for own in group.tolist()], dtype=np.int64)

    def _strike(self, some: list[int], left: Truths, found: Open) -> Truths:
        """Note entries for what is excluded; return where that is."""
        closed = np.asarray(found.room >= 0.0)
        self._meet(some, found, closed)
        for at in np.flatnonzero(closed).tolist():
            self.entries.append((some[int(found.box[at])], int(found.form[at]), None))
        left[found.box[closed], found.case[closed]] = False
        return closed

    def _meet(self, some: list[int], found: Open, closed: Truths) -> None:
        """Look again, without rounding, at what misses by rounding alone: limits may be met."""
        least, _ = self.tests.limits(found.row)
        most = np.stack([np.maximum(abs(self.low[n]), abs(self.high[n])) for n in some])
        size = 2.0 * np.abs(least) + (np.abs(found.slopes) * most[found.box]).sum(axis=1)
        for at in np.flatnonzero(~closed & (found.room >= -2.0 * SPARE * size)).tolist():
            if self.failed >= VAIN:
                return
            node = some[int(found.box[at])]
            exact, _ = self.thinner.alone(self.low[node], self.high[node], self.fixed[node])
            closed[at] = self.tests.exactly(exact, int(found.row[at]))
            self.failed += not closed[at]

    def _bound(
        self, bounds: Bounds, box: Index, row: Index, more: Multipliers | None = None
    ) -> tuple[Array, Array]:
        """Return how far rows' bounds are above what excludes, and their slopes."""
        least, _ = self.tests.limits(row)
        found, slopes = self.tests.lower(bounds, box, row, more)
        left = np.flatnonzero(~(found > least))
        if left.size and self.system.pairs:
            part = None if more is None else more.take(left)
            again, steep = self.tests.lower(bounds, box[left], row[left], part, twins=False)
            better = again > found[left]
            found[left[better]], slopes[left[better]] = again[better], steep[better]
        with np.errstate(invalid="ignore"):
            room = found - least
            size = (np.abs(slopes) * bounds.most[0][box]).sum(axis=1)
            room -= SPARE * (np.abs(least) + np.abs(found) + size)
        return room, slopes

    def _mix(
        self, found: Open, rooms: Array, slopes: Array, bounds: Bounds, low: Array, high: Array
    ) -> Open:
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
        return Open(found.box, found.case, row, form, room, steep)

    def _sum(self, case: int, weights: Array) -> int:
        """Return the form that is a weighted sum of the forms a case was given."""
        own = self.given[case]
        total = np.zeros(len(own[0].weights), dtype=np.int64)
        for weight, form in zip(whole(weights), own, strict=True):
            total += weight * np.array(form.weights)
        return self._add(Form(case, tuple(total.tolist())))

    def _cuts(self, open_: Open, bounds: Bounds, low: Array, high: Array) -> tuple[Index, Array]:
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

    def _raise(
        self, some: list[int], left: Truths, open_: Open, bounds: Bounds, kept: dict[int, Index]
    ) -> Raised:
        """Exclude cases with multipliers, and strike them from what is left."""
        fixed = [self.fixed[some[at]] for at in open_.box.tolist()]
        groups = [
            self.helped[some[at]].get(row)
            for at, row in zip(open_.box.tolist(), open_.row.tolist(), strict=True)
        ]
        least, _ = self.tests.limits(open_.row)
        places, more = Places(self.thinner, kept), gather(groups, fixed, self.thinner, kept)
        climbs = []
        for part, start in self.tests.begun(open_.row):
            climb = Climb(bounds, start, open_.box[part])
            begin(climb, more.take(part), [fixed[at] for at in part.tolist()], places)
            climb.run(STEPS, least[part] + 4.0 * SPARE * np.abs(least[part]))
            climbs.append((part, climb))
            for form, at in enumerate(part.tolist()):
                groups[at] = group_of(climb, form, places)
        room, slopes = self._bound(
            bounds, open_.box, open_.row, gather(groups, fixed, self.thinner, kept)
        )
        closed = room >= 0.0
        for at in np.flatnonzero(closed).tolist():
            self.entries.append((some[int(open_.box[at])], int(open_.form[at]), groups[at]))
        left[open_.box[closed], open_.case[closed]] = False
        found = replace(open_, room=room, slopes=slopes)
        return Raised(found, ~closed, groups, climbs, places)

    def _neurons(
        self, some: list[int], raised: Raised, low: Array, high: Array
    ) -> tuple[Index, Array]:
        """Return which neuron to fix on each box, or else where to cut it."""
        axis, cut = np.full(len(some), -1), np.zeros(len(some))
        for box in np.unique(raised.open.box[raised.stays]).tolist():
            form, climb = raised.worst(box)
            neuron = choose(climb, form, raised.places)
            if neuron is not None:
                axis[box] = self.inputs + neuron
                self.thinner.held[neuron] = True
                continue
            assert climb.passed is not None
            width = np.abs(climb.passed.inputs[form]) * (high[box] - low[box])
            at = int(np.argmax(width))
            middle = 0.5 * low[box, at] + 0.5 * high[box, at]
            if low[box, at] < middle < high[box, at]:
                axis[box], cut[box] = at, middle
        return axis, cut

    def _halve(
        self,
        node: int,
        axis: int,
        cut: float,
        left: Truths,
        known: Array,
        helped: dict[int, Group],
    ) -> None:
        self.axis[node], self.cut[node], self.child[node] = axis, cut, len(self.axis)
        change, neuron = self.change[node], axis - self.inputs
        if self.depth[node] % PASSING == 0:
            change = Change(smaller=False, neurons=())
        if neuron < 0:
            change = replace(change, smaller=True)
        else:
            change = replace(change, neurons=(*change.neurons, neuron))
        for half in (0, 1):
            lower, upper = self.low[node].copy(), self.high[node].copy()
            if neuron < 0:
                (upper if half == 0 else lower)[axis] = cut
                self.fixed.append(self.fixed[node])
            else:
                self.fixed.append({**self.fixed[node], neuron: half == 1})
            self.change.append(change)
            self.helped.append(helped)
            self.low.append(lower)
            self.high.append(upper)
            self.left.append(left.copy())
            self.known.append(known)
            self.depth.append(self.depth[node] + 1)
            self.open.append(len(self.axis))
            self.axis.append(LEAF)
            self.cut.append(0.0)
            self.child.append(0)

    def evidence(self) -> tuple[tuple[Form, ...], Tree, Duals]:
        """Return the forms in use, and the nodes level by level with their entries."""
        axis, child = np.array(self.axis), np.array(self.child)
        old = by_level(axis, child)
        new = np.empty_like(old)
        new[old] = np.arange(old.size)
        pairs = np.array([one[:2] for one in self.entries], dtype=np.int64).reshape(-1, 2)
        last = np.argsort(new[pairs[:, 0]], kind="stable")
        pairs, groups = pairs[last], [self.entries[at][2] for at in last.tolist()]
        used = np.setdiff1d(pairs[:, 1], [EQUAL])
        form = np.where(pairs[:, 1] == EQUAL, EQUAL, np.searchsorted(used, pairs[:, 1]))
        tree = Tree(
            axis[old].astype(np.int64),
            np.array(self.cut)[old],
            new[pairs[:, 0]],
            form.astype(np.int64),
        )
        return tuple(self.forms[at] for at in used.tolist()), tree, duals_of(groups)
