"""The goal of settling every alternative of a question: no box with a point that satisfies one."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .alike import impossible
from .answer import INTERRUPTED
from .bounder import Planes
from .branch import Boxes, Judged, Search
from .closing import excluded
from .falsify import Margins, climb, falsify
from .noise import noise
from .pairings import Group, Pairings, grouped
from .question import Alternative, Question
from .region import Lattice
from .replayed import Found, Replays
from .rounding import NEAR_ZERO, float_above, up
from .verdict import Method, Proved, Refuted, Unknown, Verdict
from .witness import Witness

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]
Places = NDArray[np.int64]
Truths = NDArray[np.bool_]

ATTACKED: Final = 64
"""Alternatives of one box that an attack takes on together; the others wait for the search."""

ATTACK_SHARE: Final = 0.15
"""Of the time spent so far, what attacks during the search may have taken."""

ATTACK_VISITS: Final = 8
"""Without a time limit: batches of boxes before the first attack during the search. Each round
takes four times more points than the one before, and waits for four times more batches."""

LIKELY: Final = 1e-6
"""Margins this far below 0, in units of the rows, are replayed: the float64 margin is rounded too,
and a point nearby may do. Steers effort, not soundness."""

TIES: Final = 64
"""Boxes that are taken to rationals in vain, beyond as many as were settled by it, before that is
tried once a batch alone."""

_LOST: Final = 2.0**-48
"""Part of the magnitudes that are summed which a bound in float64 may lose by rounding outward."""


@dataclass(slots=True, eq=False)
class Cases:
    """The goal of settling every alternative of a question on every box."""

    question: Question
    replays: Replays
    errors: Array | None
    begun: float
    deadline: float
    rng: np.random.Generator
    cut: Array = field(init=False)
    found: Witness | None = field(init=False, default=None)
    marginal: Witness | None = field(init=False, default=None)
    attained: float = field(init=False, default=-math.inf)
    note: str = field(init=False, default="")
    _margins: Margins = field(init=False)
    _lattices: list[Lattice] = field(init=False)
    _boxes: list[list[int]] = field(init=False)
    _cuts: list[Array] = field(init=False)
    _rows: list[NDArray[np.int64]] = field(init=False)
    _groups: list[Group] = field(init=False)
    _near: Array = field(init=False)  # an alternative's margins that may be zero but for rounding
    _closed: int = field(init=False, default=0)
    _failed: int = field(init=False, default=0)
    _same: Truths = field(init=False)  # alternatives that fail where both networks are equal
    _visits: int = field(init=False, default=0)
    _rounds: int = field(init=False, default=0)
    _attacking: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        question = self.question
        dtype = question.network.origin.dtype
        self._margins = Margins.of(question, question.alternatives)
        places: dict[tuple[tuple[Fraction, ...], tuple[Fraction, ...]], list[int]] = {}
        for index, one in enumerate(question.alternatives):
            key = (one.region.exact_lower, one.region.exact_upper)
            places.setdefault(key, []).append(index)
        self._boxes = list(places.values())
        lattices = {
            members[0]: question.alternatives[members[0]].region.lattice(dtype)
            for members in self._boxes
        }
        first = {index: members[0] for members in self._boxes for index in members}
        self._lattices = [lattices[first[index]] for index in range(len(first))]
        self._same = np.array(
            [impossible(question, one) for one in question.alternatives], np.bool_
        )
        self._rows, self._cuts = [], []
        self.cut = np.full(question.rows, -np.inf)
        for one in question.alternatives:
            self._rows.append(np.array([row for row, _ in one.atoms], dtype=np.int64))
            cuts = [self._cut(row, strict) for row, strict in one.atoms]
            self._cuts.append(np.array(cuts))
            for (row, _), cut in zip(one.atoms, cuts, strict=True):
                self.cut[row] = max(self.cut[row], cut)
        self._groups = grouped(self._rows, self._cuts)
        sizes = [1.0 + np.abs(question.bias[rows]).max(initial=0.0) for rows in self._rows]
        self._near = np.maximum(NEAR_ZERO * np.array(sizes), self._noise())

    def _noise(self) -> Array:
        """Return what bounds of alternatives may lose by rounding where large numbers cancel."""
        regions = [one.region for one in self.question.alternatives]
        middle = np.array([0.5 * one.lower + 0.5 * one.upper for one in regions])
        with np.errstate(over="ignore", invalid="ignore"):
            far = noise(self.question.network, middle, _LOST)
        found = [far[at, rows].max(initial=0.0) for at, rows in enumerate(self._rows)]
        return np.asarray(np.nan_to_num(np.array(found), nan=0.0, posinf=0.0))

    def _cut(self, row: int, strict: bool) -> float:
        """Return the least float that a row's value must reach so that the atom fails."""
        limit = self.question.limits[row]
        if self.errors is not None:
            if not np.isfinite(self.errors[row]):
                return math.inf
            limit += Fraction(float(self.errors[row]))
        cut = float_above(limit)
        return cut if strict or Fraction(cut) > limit else float(np.nextafter(cut, np.inf))

    def roots(self) -> tuple[Array, Array, Flags]:
        """Return a box for each region of the alternatives, and which of them are open there."""
        open_ = np.zeros((len(self._boxes), len(self.question.alternatives)), np.uint8)
        for box, members in enumerate(self._boxes):
            open_[box, members] = 1
        firsts = [self.question.alternatives[members[0]].region for members in self._boxes]
        lower, upper = [r.lower for r in firsts], [r.upper for r in firsts]
        return np.array(lower), np.array(upper), open_

    @property
    def scale(self) -> Array:
        """``(alternatives,)`` margins are compared as they are."""
        return np.ones(len(self.question.alternatives))

    def wanted(self, open_: Flags) -> Flags:
        """Return the rows of the open alternatives."""
        out = np.zeros((len(open_), self.question.rows), np.uint8)
        for index, rows in enumerate(self._rows):
            out[:, rows] |= open_[:, index, None]
        return out

    def judge(self, boxes: Boxes, planes: Planes) -> Judged:
        """Return which alternatives stay open, where, and whom to blame."""
        count, inputs = boxes.lower.shape
        open_, reach = boxes.open.copy(), np.full(boxes.open.shape, -np.inf)
        if self.errors is None:
            open_[np.ix_(planes.equal, self._same)] = 0
        count, inputs = boxes.lower.shape
        blame = np.zeros((count, inputs))
        lower, upper = np.full((count, inputs), np.inf), np.full((count, inputs), -np.inf)
        corners = 0.5 * boxes.lower + 0.5 * boxes.upper
        worst = np.full(count, -np.inf)
        for group in self._groups:
            found = group.pair(open_, boxes.lower, boxes.upper, planes)
            empty = found.empty()
            if self.errors is None:
                empty |= self._ties(found, empty)
            here, kept = np.flatnonzero(~empty), found.box[~empty]
            open_[:, group.members] = 0
            open_[kept, found.alternative[here]] = 1
            reach[found.box, found.alternative] = up(found.missing)
            np.minimum.at(lower, kept, found.lower[here])
            np.maximum.at(upper, kept, found.upper[here])
            if not group.rows.shape[1]:
                continue
            missing, row = found.missing[here], found.row[here]
            np.add.at(blame, kept, planes.parts[kept, row] / missing[:, None])
            # The corner that the farthest alternative points to: of several the last one stays.
            order = np.argsort(missing, kind="stable")
            order = order[missing[order] >= worst[kept[order]]]
            slope = planes.slopes[kept, row]
            corner = np.where(slope > 0.0, boxes.lower[kept], boxes.upper[kept])
            corner = np.where(slope == 0.0, corners[kept], corner)
            corners[kept[order]], worst[kept[order]] = corner[order], missing[order]
        if self._same.any():  # a box is also settled where both networks are equal
            blame = _parts(blame) + _parts(planes.doubt)
        return Judged(open_, reach, blame, lower, upper, corners)

    def _ties(self, found: Pairings, empty: Truths) -> Truths:
        """Return which boxes that miss by rounding alone are settled in rationals."""
        out = np.zeros(empty.size, np.bool_)
        near = np.flatnonzero((found.missing <= self._near[found.alternative]) & ~empty)
        for at in near:
            if self._failed >= TIES + self._closed or time.monotonic() > self.deadline:
                break
            alternative = self.question.alternatives[found.alternative[at]]
            out[at] = excluded(self.question, alternative, found.lower[at], found.upper[at])
            self._closed += int(out[at])
            self._failed += int(not out[at])
        self._failed = min(self._failed, TIES + self._closed - 1)  # once a batch
        return out

    def visit(self, points: Array, boxes: Boxes) -> bool:
        """Evaluate a point in each box, push the best ones on, and replay likely violations."""
        self._visits += 1
        values = self.question.network.evaluate(points)
        boxes.promise[:] = -np.inf
        best: dict[int, tuple[Array, Array]] = {}
        for index in np.flatnonzero(boxes.open.any(axis=0)).tolist():
            here = np.flatnonzero(boxes.open[:, index])
            found = self._margins.of_one(values[here], index)
            boxes.promise[here] = np.maximum(boxes.promise[here], found)
            first = np.argsort(-found, kind="stable")[:8]
            best[index] = points[here[first]], found[first]
            self._note(float(found[first[0]]))
        if self._visits % 4 == 1:
            self._push_on(best)
        if any(self._try(index, *found) for index, found in best.items()):
            return True
        # The next round takes four times as long as all before.
        due = 4.0 * self._attacking < ATTACK_SHARE * (time.monotonic() - self.begun)
        if self.deadline == math.inf:  # nothing may hang on the clock: a seed gives one answer
            due = self._visits >= ATTACK_VISITS * 4**self._rounds
        return bool(due and self._rounds and self._attack(np.asarray(boxes.open.any(axis=0))))

    def _push_on(self, best: dict[int, tuple[Array, Array]]) -> None:
        """Push the points of alternatives that are not met yet up their margins, in place."""
        for members in self._boxes:
            low = [index for index in members if index in best and not best[index][1][0] >= 0.0]
            low = sorted(low, key=lambda index: -best[index][1][0])[:ATTACKED]
            if not low:
                continue
            sizes = [len(best[index][1]) for index in low]
            points, height = climb(
                self.question,
                self._margins,
                np.repeat(np.array(low, np.int64), sizes),
                np.concatenate([best[index][0] for index in low]),
                self._lattices[members[0]],
                10,
                self.deadline,
            )
            ends = np.cumsum(sizes)[:-1]
            parts = zip(np.split(points, ends), np.split(height, ends), strict=True)
            best.update(zip(low, parts, strict=True))

    def attack(self, search: Search) -> Verdict | None:
        """Look for a counterexample among the alternatives that are open."""
        open_ = np.zeros(len(self.question.alternatives), np.bool_)
        for boxes in search.open_boxes():
            open_ |= boxes.open.any(axis=0)
        return self._refuted() if self.found is not None or self._attack(open_) else None

    def _attack(self, open_: NDArray[np.bool_]) -> bool:
        """Attack open alternatives box by box, with more points each time."""
        begun = time.monotonic()
        for members in self._boxes:
            asked = np.array([index for index in members if open_[index]], np.int64)[:ATTACKED]
            if not asked.size or time.monotonic() > self.deadline:
                continue
            which, points, height = falsify(
                self.question,
                self._margins,
                asked,
                self._lattices[members[0]],
                self.rng,
                self.deadline,
                self._rounds,
            )
            for index in dict.fromkeys(which.tolist()):
                own = np.flatnonzero(which == index)[:4]
                if self._try(int(index), points[own], height[own]):
                    return True
        self._rounds += 1
        self._attacking += time.monotonic() - begun
        return False

    def verdict(self, search: Search) -> Verdict:
        """Return the verdict of a search that has ended."""
        if self.found is not None:
            return self._refuted()
        if self.marginal is not None and self.errors is None:
            self.note = "the counterexample holds in rationals; the file's float runtime differs"
            return Refuted((self.marginal,), Method.ATTACK)
        if not search.waiting:
            return Proved(Method.LINEAR if search.bounded == 1 else Method.SPLIT, search.closed)
        if search.waiting == search.stuck:
            return Unknown("the rounding of float64 hides the answer near the limit")
        if search.interrupted:
            return Unknown(INTERRUPTED)
        if time.monotonic() > self.deadline:
            return Unknown("the time limit")
        return Unknown("the number of boxes")

    def reach(self, search: Search) -> float:
        """Return a proved bound of the margin over all alternatives."""
        if self.found is not None or self.marginal is not None:
            return math.inf
        return float(max(search.reach(len(self.question.alternatives)).max(initial=-np.inf), 0.0))

    def _refuted(self) -> Refuted:
        assert self.found is not None
        return Refuted((self.found,), Method.ATTACK)

    def _note(self, height: float) -> None:
        self.attained = max(self.attained, height)

    def _try(self, index: int, points: Array, height: Array) -> bool:
        """Replay the points that look like counterexamples, the best of them first."""
        order = np.argsort(-height, kind="stable")
        if order.size:
            self._note(float(height[order[0]]))
        for place in order[:4]:
            if not height[place] >= -self._spare(index):
                break
            if self._replay(self.question.alternatives[index], index, points[place]):
                return True
        return False

    def _spare(self, index: int) -> float:
        """Return how far below 0 a float64 margin may be and yet be worth a replay."""
        rows = self._rows[index]
        if self.errors is None or not rows.size:
            return LIKELY
        return LIKELY + float(np.minimum(self.errors[rows], 1e30).max())

    def _replay(self, alternative: Alternative, index: int, point: Array) -> bool:
        """Return whether a point is a counterexample, by rationals and by the files' runtimes."""
        found = self.replays.replay(alternative, self._lattices[index], point)
        return found is not None and self.take(found)

    def take(self, found: Found) -> bool:
        """Return whether a replayed point is a counterexample in the arithmetic asked about."""
        if self.errors is not None:
            counts = bool(found.computed)
        else:
            counts = found.real and found.computed is not False
            if found.real and not counts and self.marginal is None:
                self.marginal = found.witness
        if counts:
            self.found = found.witness
        return counts


def _parts(blame: Array) -> Array:
    """Return each box's blame ``(boxes, inputs)`` in parts of 1; zeros stay."""
    whole = blame.sum(axis=1, keepdims=True)
    usable = (whole > 0.0) & (whole < np.inf)
    return np.asarray(np.divide(blame, whole, out=np.zeros_like(blame), where=usable))
