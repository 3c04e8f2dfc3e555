"""Where two networks choose different classes: proved boxes, and their share of a region.

A box is settled as soon as bounds leave no class that both networks may choose on it, or one class
that both must. What stays open lies along the borders of classes; there, planes below the margins
settle a part of each box. So the share of a region where the classes differ is enclosed from both
sides.

The class is the best output, the one of lower number where several are best, as numpy's argmax and
ONNX's ArgMax have it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import Best, same_best
from ..engine.bounder import Planes, bounder
from ..engine.branch import Boxes, Judged, Limits, Search
from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.question import Question, ask
from ..engine.region import Region
from ..engine.rounding import float_above, float_below
from .disagreement_planes import Margins, margins_of, settled_by_planes
from .volumes import Shares, box_shares

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]
Whole = NDArray[np.int64]

MIXED = -1
"""Stands for a class where a network may choose several on a box."""

SEARCHED = 2 / 3
"""Share of the time that boxes are searched; planes on those that stay open have the rest."""

LEAST = 0.5
"""Seconds that planes have however long the search took: without them little is settled."""

TRIES = 20
"""Points that are evaluated in rationals until one is a witness; each takes a moment."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What a search may spend.

    Attributes:
        seconds: of wall time; inf for none, and the answer then hangs on no clock.
        boxes: that are bounded at most.
        workers: threads.
        gap: width of the enclosure of the share at which the search ends.
    """

    seconds: float = np.inf
    boxes: float = np.inf
    workers: int = 1
    gap: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Boxes on which it is proved whether classes differ.

    Attributes:
        lower, upper: ``(boxes, inputs)`` closed, network units; no two share an inner point.
        first, second: ``(boxes,)`` the class of each network, `MIXED` where it may be several.
    """

    lower: Array
    upper: Array
    first: Whole
    second: Whole

    def __len__(self) -> int:
        return len(self.lower)


@dataclass(frozen=True, slots=True, eq=False)
class Disagreement:
    """Where two networks choose different classes over a region.

    Shares are of the region's volume in those inputs that have a width, exact.

    Attributes:
        region: closed box, network units.
        best: which output is the class.
        differ: the share proved to differ.
        agree: the share proved to agree.
        differing, agreeing: the boxes proved as a whole.
        lower, upper: ``(boxes, inputs)`` the boxes that are not; parts of them may be in the
            shares.
        changes: the share proved to change from a class to another one, ``{(from, to): share}``,
            where both are known; the largest first.
        bounded: boxes that were bounded.
        seconds: wall time spent.
        interrupted: whether it was broken off from the keyboard.
    """

    region: Region
    best: Best
    differ: Fraction
    agree: Fraction
    differing: Settled
    agreeing: Settled
    lower: Array
    upper: Array
    changes: dict[tuple[int, int], Fraction]
    bounded: int
    seconds: float
    interrupted: bool = False

    @property
    def least(self) -> float:
        """The share that differs is at least this; rounded down."""
        return float_below(self.differ) + 0.0  # no -0.0

    @property
    def most(self) -> float:
        """The share that differs is at most this; rounded up."""
        return float_above(1 - self.agree) + 0.0


def disagreement(
    first: Network,
    second: Network,
    region: Region,
    best: Best = Best.MAX,
    spending: Spending | None = None,
    show: Callable[[float, float], None] | None = None,
) -> Disagreement:
    """Return where the classes of two networks are proved to differ over a region.

    Args:
        first: the original.
        second: the compressed network, with as many inputs and outputs.
        region: closed box, network units.
        best: whether the largest or the smallest output is the class.
        spending: limits of the search; one of its seconds, boxes and gap ends it.
        show: is told the share proved to differ and to agree as they grow.

    Raises:
        InputError: another number of inputs or outputs; a single output; no limit at all.
        RegionError: another number of inputs.
    """
    spending = spending or Spending(boxes=10_000)
    if not (np.isfinite(spending.seconds) or np.isfinite(spending.boxes) or spending.gap > 0):
        raise InputError("the search would not end: give it seconds, boxes or a gap")
    begun = time.monotonic()
    if second is first:  # a question takes one object for one network
        second = replace(second)
    question = ask(same_best(first, second, region, best), [first, second])
    goal = _Borders(question, best, region, spending.gap, show)
    bounds = bounder(question, spending.workers)
    search = Search(bounds, goal, Limits(workers=spending.workers))
    count = 2 * first.size_out
    search.start(region.lower[None], region.upper[None], np.ones((1, count), np.uint8))
    search.run(spending.boxes, begun + SEARCHED * spending.seconds)
    differing, agreeing = _joined(goal.differing, region), _joined(goal.agreeing, region)
    shares = [box_shares(region, one.lower, one.upper) for one in (differing, agreeing)]
    differ, agree = (one.total for one in shares)
    changes = _changes(differing, shares[0])
    parts = [part for part in search.open_boxes() if len(part)]
    left = Boxes.join(parts) if parts else None
    if left is not None and not search.interrupted:
        limit = max(begun + spending.seconds, time.monotonic() + LEAST)
        for chosen, share in settled_by_planes(
            left, region, bounds, goal.margins, spending.workers, limit
        ).items():
            if chosen[0] == chosen[1]:
                agree += share
            else:
                differ += share
                changes[chosen] = changes.get(chosen, Fraction(0)) + share
    empty = np.zeros((0, region.size))
    return Disagreement(
        region,
        best,
        differ,
        agree,
        differing,
        agreeing,
        empty if left is None else left.lower,
        empty if left is None else left.upper,
        dict(sorted(changes.items(), key=lambda item: (-item[1], item[0]))),
        search.bounded,
        time.monotonic() - begun,
        search.interrupted,
    )


def classes(network: Network, points: Array, best: Best) -> Whole:
    """Return the class of points ``(points, inputs)`` by float64 evaluation, ``(points,)``."""
    outputs = network.evaluate(points)
    chosen = outputs.argmax(axis=-1) if best is Best.MAX else outputs.argmin(axis=-1)
    return np.asarray(chosen, dtype=np.int64)


def class_there(network: Network, point: tuple[Fraction, ...], best: Best) -> int:
    """Return the class at a point in exact rationals."""
    outputs = network.evaluate(np.array(point, dtype=object)[None], exact=True)[0].tolist()
    wanted = max(outputs) if best is Best.MAX else min(outputs)
    return int(outputs.index(wanted))


@dataclass(slots=True, eq=False)
class _Borders:
    """The goal of settling boxes; its questions are which classes each network may choose.

    The first half of the questions are f's classes, the second half g's.
    """

    question: Question
    best: Best
    region: Region
    gap: float
    show: Callable[[float, float], None] | None
    margins: Margins = field(init=False)
    better: Whole = field(init=False)
    worse: Whole = field(init=False)
    differing: list[Settled] = field(init=False, default_factory=list)
    agreeing: list[Settled] = field(init=False, default_factory=list)
    shares: list[float] = field(init=False, default_factory=lambda: [0.0, 0.0])

    def __post_init__(self) -> None:
        """Note of each row which class leads where it is above 0, and which one it passes."""
        assert not any(self.question.limits), "a difference of two outputs has no offset"
        self.margins = margins_of(self.question.weights, self.best is Best.MAX)
        ordered = sorted(self.margins.rows, key=self.margins.rows.__getitem__)
        self.better, self.worse = np.array(ordered, dtype=np.int64).T

    @property
    def outputs(self) -> int:
        """Number of classes."""
        return self.margins.outputs

    @property
    def cut(self) -> Array:
        """``(rows,)`` a bound above 0 settles a row."""
        return np.full(self.question.rows, np.nextafter(0.0, 1.0))

    @property
    def scale(self) -> Array:
        """``(questions,)`` reaches are volumes already."""
        return np.ones(2 * self.outputs)

    def wanted(self, open_: Flags) -> Flags:
        """Return the rows that compare two classes which are both possible."""
        return np.asarray(open_[:, self.better] & open_[:, self.worse], dtype=np.uint8)

    def judge(self, boxes: Boxes, planes: Planes) -> Judged:
        """Return which classes stay possible, and note the boxes that are settled."""
        possible = boxes.open.copy()
        lead = self.better < self.worse  # the class of lower number may be equal
        beaten = np.where(lead, planes.low >= 0.0, planes.low > 0.0)
        for row, worse in enumerate(self.worse.tolist()):
            possible[beaten[:, row], worse] = 0
        first, second = possible[:, : self.outputs] > 0, possible[:, self.outputs :] > 0
        differ = ~(first & second).any(axis=1)
        alone = (first.sum(axis=1) == 1) & (second.sum(axis=1) == 1)
        agree = planes.equal | (alone & ~differ)
        self._note(boxes, first, second, differ & ~planes.equal, agree)
        settled = differ | agree
        open_ = np.where(settled[:, None], 0, possible).astype(np.uint8)
        width = boxes.upper - boxes.lower
        contested = (self.wanted(open_) > 0)[:, :, None]
        moved = np.abs(planes.slopes) * width[:, None] + planes.parts
        with np.errstate(invalid="ignore", over="ignore"):
            blame = np.where(contested, moved, 0.0).sum(axis=1)
        volume = self._volume(boxes.lower, boxes.upper)
        reach = np.broadcast_to(volume[:, None], possible.shape)
        middle = 0.5 * boxes.lower + 0.5 * boxes.upper
        return Judged(open_, reach, blame, boxes.lower, boxes.upper, middle)

    def visit(self, points: Array, boxes: Boxes) -> bool:
        """Let large boxes come first; end the search at the gap."""
        boxes.promise[:] = self._volume(boxes.lower, boxes.upper)
        if self.show is not None:
            self.show(*self.shares)
        return 1.0 - sum(self.shares) < self.gap * (1.0 - 1e-6)

    def _note(
        self,
        boxes: Boxes,
        first: NDArray[np.bool_],
        second: NDArray[np.bool_],
        differ: NDArray[np.bool_],
        agree: NDArray[np.bool_],
    ) -> None:
        volume = self._volume(boxes.lower, boxes.upper)
        for place, (which, notes) in enumerate(((differ, self.differing), (agree, self.agreeing))):
            if which.any():
                sides = [_only(side[which]) for side in (first, second)]
                notes.append(Settled(boxes.lower[which], boxes.upper[which], *sides))
                self.shares[place] += float(volume[which].sum())

    def _volume(self, lower: Array, upper: Array) -> Array:
        """Return about what share of the region boxes are; steers the search and proves nothing."""
        wide = np.array(self.region.exact_lower) < np.array(self.region.exact_upper)
        whole = (self.region.upper - self.region.lower)[wide]
        return np.asarray(((upper - lower)[:, wide] / whole).prod(axis=1))


def _only(possible: NDArray[np.bool_]) -> Whole:
    """Return the one class that is possible on each box, `MIXED` where there are more."""
    alone = possible.sum(axis=1) == 1
    return np.where(alone, possible.argmax(axis=1), MIXED).astype(np.int64)


def _joined(parts: list[Settled], region: Region) -> Settled:
    none = np.zeros((0, region.size)), np.zeros(0, np.int64)
    start = Settled(none[0], none[0], none[1], none[1])
    every = [start, *parts]
    names = ("lower", "upper", "first", "second")
    return Settled(*(np.concatenate([getattr(one, name) for one in every]) for name in names))


def _changes(differing: Settled, shares: Shares) -> dict[tuple[int, int], Fraction]:
    known = (differing.first != MIXED) & (differing.second != MIXED)
    found: dict[tuple[int, int], int] = {}
    chosen = np.flatnonzero(known).tolist()
    for box in chosen:
        key = int(differing.first[box]), int(differing.second[box])
        found[key] = found.get(key, 0) + shares.inside[box]
    return {key: Fraction(count, shares.denominator) for key, count in found.items()}


@dataclass(frozen=True, slots=True)
class Sample:
    """Classes at random points.

    Attributes:
        points: how many were drawn from the box, evenly.
        differ: at how many of them the classes differ by float64 evaluation.
        witness: one where they differ in exact rationals; None where none was found.
        first, second: the classes there.
    """

    points: int
    differ: int
    witness: tuple[Fraction, ...] | None = None
    first: int = MIXED
    second: int = MIXED


def sampled(
    first: Network, second: Network, region: Region, best: Best, count: int, seed: int
) -> Sample:
    """Return what random points show; an estimate, but for the witness.

    Args:
        first: the original.
        second: the compressed network.
        region: closed box, network units.
        best: whether the largest or the smallest output is the class.
        count: number of points.
        seed: of the points.
    """
    rng = np.random.default_rng(seed)
    lattice = region.lattice(min(first.origin.dtype, second.origin.dtype))
    points = region.lower + rng.random((count, region.size)) * (region.upper - region.lower)
    points = lattice.snap(points)
    apart = classes(first, points, best) != classes(second, points, best)
    found = int(apart.sum())
    for place in np.flatnonzero(apart)[:TRIES].tolist():
        point = tuple(lattice.exact(points[place]).tolist())
        one, two = (class_there(network, point, best) for network in (first, second))
        if one != two and region.contains(point):
            return Sample(count, found, point, one, two)
    return Sample(count, found)
