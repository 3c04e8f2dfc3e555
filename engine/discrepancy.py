"""How far two networks are apart over a region: per output, and in the inf, 1 and 2 norms.

Each answer is an interval: what a point of the region attains, replayed in rationals, and what is
proved of all points. One tree of boxes serves all; a box is left when it can no longer widen any of
them by more than the gap that is asked for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .agreement import within
from .answer import Effort
from .bounder import Planes, bounder
from .branch import Boxes, Judged, Limits, Search
from .falsify import Margins, climb, falsify
from .halves import Half, contracted
from .leads import Aim, Farthest, Leads
from .network import Network
from .question import Question, ask
from .region import Lattice, Region
from .replayed import Replayer
from .rounding import UNDERFLOW, UNIT, float_below, gamma

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]

LESS = 1.0 - 4.0 * UNIT
"""Factor that makes a computed square root a lower bound."""

STRIDE = 64
"""Boxes of a steady search between two looks at the clock, at most."""

WORK = 2**21
"""Weights times boxes between them: large networks take long for a box."""


class Norm(StrEnum):
    """A norm of the difference of the outputs."""

    INF = "inf"
    ONE = "1"
    TWO = "2"


@dataclass(frozen=True, slots=True)
class Span:
    """A largest value, enclosed.

    Attributes:
        attained: a lower bound of the value at `point`, from rationals, rounded down.
        proved: no point of the region has a larger value; rounded up; inf without a bound.
        point: ``(inputs,)`` Fractions, where; empty if no point was looked at.
        runtime: the value there as the files' runtimes compute it, if they could be asked.
    """

    attained: float
    proved: float
    point: tuple[Fraction, ...] = ()
    runtime: float | None = None


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """How far two networks are apart.

    Attributes:
        outputs: of each output, the largest ``|f_i - g_i|``.
        norms: the largest norm of ``f - g``.
        boxes: number of boxes that were bounded.
        seconds: wall time spent.
        closed: whether every span is within the gap that was asked for.
        interrupted: whether the search was broken off from the keyboard.
        leads: where the distance is large; None where they were not asked for.
    """

    outputs: tuple[Span, ...]
    norms: Mapping[Norm, Span]
    boxes: int
    seconds: float
    closed: bool
    interrupted: bool = False
    leads: Leads | None = None


def discrepancy(
    first: Network,
    second: Network,
    region: Region,
    effort: Effort | None = None,
    replayers: Sequence[Replayer | None] = (),
    gap: float = 0.01,
    floor: float = 1e-6,
    aim: Aim | None = None,
) -> Discrepancy:
    """Return how far two networks are apart over a region.

    Args:
        first: f.
        second: g, with as many inputs and outputs.
        region: closed box, network units.
        effort: how much to spend.
        replayers: of the networks' files, for the witnesses.
        gap: relative width at which a span is good enough.
        floor: absolute width, output units, at which a span is good enough.
        aim: what else is asked.

    Raises:
        InputError: another number of inputs or outputs.
    """
    effort, aim = effort or Effort(), aim or Aim()
    begun = time.monotonic()
    question = ask(within(first, second, region, 0), [first, second])
    goal = _Extremes(question, first.size_out, gap, floor, begun + effort.seconds, aim)
    limits = Limits(workers=effort.workers)
    stride = max(1, min(STRIDE, WORK // max(1, question.network.parameters)))
    if aim.steady:
        limits = replace(limits, batch=4 * stride)
    search = Search(bounder(question, effort.workers), goal, limits)
    # Before anything can break off: what is no box of the search counts as proved.
    search.start(region.lower[None], region.upper[None], goal.asked[None])
    try:
        goal.sample(np.random.default_rng(effort.seed))
        _run(search, effort.boxes, begun + effort.seconds, stride if aim.steady else 0)
    except KeyboardInterrupt:
        search.interrupted = True
    try:
        outputs, norms = goal.spans(search, replayers)
    except KeyboardInterrupt:  # a replay was broken off; what is known is still there
        search.interrupted = True
        outputs, norms = goal.spans(search, replayers)
    seconds, closed = time.monotonic() - begun, not search.waiting
    leads = goal.leads(search) if aim.keep else None
    return Discrepancy(outputs, norms, search.bounded, seconds, closed, search.interrupted, leads)


def _run(search: Search, boxes: float, deadline: float, stride: int) -> None:
    """Bound and bisect; with a stride, look at the clock after so many boxes alone.

    The first of these are bounded however late it is: without them nothing at all is proved.
    """
    if not stride:
        search.run(boxes, deadline)
        return
    before = -1
    while before < search.bounded < boxes:
        before = search.bounded
        search.run(min(boxes, before + stride if before else 1))
        if search.interrupted or time.monotonic() > deadline:
            return


@dataclass(slots=True, eq=False)
class _Extremes:
    """The goal of enclosing every quantity: the signed rows, then the 1 and the 2 norm."""

    question: Question
    outputs: int
    gap: float
    floor: float
    deadline: float
    aim: Aim
    count: int = field(init=False)
    best: Array = field(init=False)
    points: list[Array | None] = field(init=False)
    closed: Array = field(init=False)
    asked: Flags = field(init=False)
    _far: Farthest = field(init=False)
    _margins: Margins = field(init=False)
    _lattice: Lattice = field(init=False)
    _visits: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        dtype = self.question.network.origin.dtype
        self._lattice = self.question.alternatives[0].region.lattice(dtype)
        self.count = 2 * self.outputs + 2
        self.best = np.zeros(self.count)
        self.points = [None] * self.count
        self.closed = np.zeros(self.count)
        self.asked = np.ones(self.count, np.uint8)
        if not self.aim.sums:
            self.asked[-2:] = 0
        self._far = Farthest(self.question.size, self.aim.keep)
        self._margins = Margins.of(self.question, self.question.alternatives)

    @property
    def target(self) -> Array:
        """``(quantities,)`` what need not be bettered."""
        wide = np.maximum(self.best * (1.0 + self.gap), self.best + self.floor)
        return np.asarray(np.maximum(wide, self.aim.enough))

    @property
    def scale(self) -> Array:
        """``(quantities,)`` by what they are compared."""
        return np.asarray(np.maximum(self.target, self.floor))

    @property
    def cut(self) -> Array:
        """``(rows,)`` bounds that need not be bettered: inf, for the norms need all rows."""
        return np.full(self.question.rows, np.inf)

    def wanted(self, open_: Flags) -> Flags:
        """Return the open rows, and all where a norm is open."""
        out = open_[:, : self.question.rows].copy()
        out[open_[:, self.question.rows :].any(axis=1)] = 1
        return out

    def judge(self, boxes: Boxes, planes: Planes) -> Judged:
        """Return which quantities may still pass their target on boxes."""
        rows = self.question.rows
        target = self.target
        upper = np.where(boxes.open > 0, np.inf, -np.inf)
        upper[:, :rows] = np.where(boxes.open[:, :rows] > 0, -planes.low, -np.inf)
        pairs = (-planes.low).reshape(len(boxes), self.outputs, 2)
        sides = np.maximum(pairs.max(axis=2), 0.0)
        spare = 1.0 + gamma(4 * self.outputs + 8)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            one = sides.sum(axis=1) * spare
            most = sides.max(axis=1)  # squares of shares of it do not underflow
            two = most * np.sqrt(((sides / most[:, None]) ** 2).sum(axis=1)) * spare + UNDERFLOW
            two = np.where(most == 0.0, 0.0, two)
        for place, norm in ((rows, one), (rows + 1, two)):
            upper[:, place] = np.where(boxes.open[:, place] > 0, norm, -np.inf)
        upper = np.where(np.isnan(upper), np.inf, upper)  # says nothing, closes nothing
        open_ = np.where(upper > target, boxes.open, 0).astype(np.uint8)
        shut = (boxes.open > 0) & (open_ == 0)
        self.closed = np.maximum(self.closed, np.where(shut, upper, 0.0).max(axis=0))
        return self._located(boxes, planes, open_, np.where(open_ > 0, upper, -np.inf))

    def _located(self, boxes: Boxes, planes: Planes, open_: Flags, reach: Array) -> Judged:
        rows, target = self.question.rows, self.target
        lower = np.full(boxes.lower.shape, np.inf)
        upper, blame = np.full(boxes.lower.shape, -np.inf), np.zeros(boxes.lower.shape)
        norms = np.asarray(open_[:, rows:].any(axis=1))
        lower[norms], upper[norms] = boxes.lower[norms], boxes.upper[norms]
        for row in range(rows):
            here = np.flatnonzero((open_[:, row] > 0) | norms)
            if not here.size:
                continue
            far = reach[here, row] / self.scale[row]
            weight = np.where(open_[here, row] > 0, np.maximum(far, 0.0), 0.0)
            weight = np.where(np.isfinite(weight), weight, 1.0) + norms[here]
            part = planes.parts[here, row]
            whole = part.sum(axis=1, keepdims=True)
            blame[here] += weight[:, None] * np.divide(
                part, whole, out=np.zeros_like(part), where=whole > 0
            )
            half = Half(planes.base[here, row], planes.slopes[here, row], -float(target[row]))
            low, high = contracted(boxes.lower[here], boxes.upper[here], [half])
            empty = np.asarray((low > high).any(axis=1))
            low[empty], high[empty] = np.inf, -np.inf
            use = np.asarray((open_[here, row] > 0) & ~norms[here])
            lower[here[use]] = np.minimum(lower[here[use]], low[use])
            upper[here[use]] = np.maximum(upper[here[use]], high[use])
            less = np.asarray(((low > boxes.lower[here]) | (high < boxes.upper[here])).any(axis=1))
            lost = (use & less) | ((open_[here, row] > 0) & empty)
            if lost.any():  # what is cut off may come up to the target
                self.closed[row] = max(self.closed[row], float(target[row]))
            open_[here[empty], row] = 0
        row = np.argmax(np.where(open_[:, :rows] > 0, reach[:, :rows], -np.inf), axis=1)
        slope = planes.slopes[np.arange(len(row)), row]
        middle = 0.5 * boxes.lower + 0.5 * boxes.upper
        corners = np.where(slope > 0.0, boxes.lower, np.where(slope < 0.0, boxes.upper, middle))
        return Judged(open_, reach, blame, lower, upper, corners)

    def sample(self, rng: np.random.Generator) -> None:
        """Look for points far apart before any proof."""
        members = np.arange(len(self.question.alternatives))
        _, points, _ = falsify(
            self.question, self._margins, members, self._lattice, rng, self.deadline
        )
        self._look(points)

    def visit(self, points: Array, boxes: Boxes) -> bool:
        """Evaluate one point a box; now and then push the farthest ones on."""
        self._visits += 1
        promise = self._look(points)
        boxes.promise[:] = promise
        if self._visits % 4 == 1:
            open_ = boxes.open[:, : self.question.rows].any(axis=0)
            for row in np.flatnonzero(open_):
                best = np.argsort(-promise, kind="stable")[:4]
                which = np.full(best.size, row, np.int64)
                pushed, _ = climb(
                    self.question,
                    self._margins,
                    which,
                    points[best],
                    self._lattice,
                    10,
                    self.deadline,
                )
                self._look(pushed)
        return False

    def _look(self, points: Array) -> Array:
        """Note the best points; return each one's largest share of a target."""
        points = self._lattice.snap(points)
        values = -self.question.network.evaluate(points)
        sides = np.maximum(values.reshape(len(points), self.outputs, 2).max(axis=2), 0.0)
        found = np.column_stack([values, sides.sum(axis=1), np.sqrt((sides**2).sum(axis=1))])
        found = np.where(np.isfinite(found), found, -np.inf)
        top = found.argmax(axis=0)
        for place, at in enumerate(top):
            if found[at, place] > self.best[place] or self.points[place] is None:
                self.best[place] = max(self.best[place], float(found[at, place]))
                self.points[place] = points[at]
        if self.aim.keep:
            self._far.add(points, found[:, : self.question.rows].max(axis=1))
        return np.asarray((found / self.scale).max(axis=1))

    def leads(self, search: Search) -> Leads:
        """Return where the distance is large, each output's farthest point among them."""
        met = [point for point in self.points[: self.question.rows] if point is not None]
        if met:
            points = np.array(met)
            far = -self.question.network.evaluate(points)
            self._far.most += len(met)
            self._far.add(points, far.max(axis=1))
        return self._far.leads(search.open_boxes(), self.question.rows)

    def spans(
        self, search: Search, replayers: Sequence[Replayer | None]
    ) -> tuple[tuple[Span, ...], dict[Norm, Span]]:
        """Return the spans of the outputs and of the norms."""
        rows = self.question.rows
        proved = np.maximum(self.closed, search.reach(self.count))
        proved[self.asked == 0] = np.inf
        seen = self._replayed(replayers)
        outputs = []
        for output in range(self.outputs):
            pair = (2 * output, 2 * output + 1)
            far = float(proved[list(pair)].max())
            outputs.append(_joined([seen[place] for place in pair], far))
        norms = {
            Norm.INF: _joined(seen[:rows], float(proved[:rows].max())),
            Norm.ONE: _joined([seen[rows]], float(proved[rows])),
            Norm.TWO: _joined([seen[rows + 1]], float(proved[rows + 1])),
        }
        return tuple(outputs), norms

    def _replayed(self, replayers: Sequence[Replayer | None]) -> list[Span]:
        """Return what each quantity's best point attains in rationals."""
        met = [point for point in self.points if point is not None]
        if not met:
            return [Span(0.0, math.inf)] * self.count
        # Points are many quantities' best, and exact weights are dear to make: one evaluation.
        points, place = np.unique(np.array(met), axis=0, return_inverse=True)
        exact = self._lattice.exact(points)
        rows = self.question.network.evaluate(exact, exact=True)
        floats: list[list[float]] = []
        if not self._lattice.pins and len(replayers) == 2 and all(replayers):
            one, two = (replayer.outputs(points) for replayer in replayers if replayer)
            floats = (one - two).tolist()
        spans, at = [], iter(place.ravel().tolist())
        for quantity, point in enumerate(self.points):
            if point is None:
                spans.append(Span(0.0, math.inf))
                continue
            here = next(at)
            apart = [abs(rows[here][2 * output]) for output in range(self.outputs)]
            below = self._below(quantity, apart, rows[here])
            runtime = self._quantity(quantity, floats[here]) if floats else None
            spans.append(Span(below, math.inf, tuple(exact[here].tolist()), runtime))
        return spans

    def _below(self, place: int, apart: list[Fraction], rows: Sequence[Fraction]) -> float:
        if place < self.question.rows:
            return float_below(max(-rows[place], Fraction(0)))
        if place == self.question.rows:
            return float_below(sum(apart, Fraction(0)))
        return math.sqrt(float_below(sum((a * a for a in apart), Fraction(0)))) * LESS

    def _quantity(self, place: int, apart: list[float]) -> float:
        if place < self.question.rows:
            return apart[place // 2] if place % 2 == 0 else -apart[place // 2]
        if place == self.question.rows:
            return float(sum(abs(a) for a in apart))
        return math.sqrt(sum(a * a for a in apart))


def _joined(spans: Sequence[Span], proved: float) -> Span:
    best = max(spans, key=lambda span: span.attained)
    attained = best.attained + 0.0  # no -0.0
    return Span(attained, max(proved, attained), best.point, best.runtime)
