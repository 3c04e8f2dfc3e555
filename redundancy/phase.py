"""Phase redundancy: which ReLUs are zero, or the identity, on a whole region.

The steps go from cheap to dear and each is only given what the earlier ones left open: samples,
interval and linear bounds, the same in rationals where rounding may have missed zero, a short
gradient attack, optimised bounds, boxes split for all open neurons together, a long attack, boxes
split for one neuron at a time, LP, phases split with LP leaves. An attack on a redundant neuron is
in vain, so the long one comes late. A neuron ends proved, refuted by two replayed points, or open
with a reason.

Source: Lahav and Katz, FMCAD 2021, section 4.1; the search is our own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.interval import interval
from ..engine.bounds.packed import LOWER, UPPER, Packed, pack
from ..engine.bounds.phases import decide_by_phases
from ..engine.bounds.rational import rational_bound
from ..engine.bounds.tighten import Effort as ProgramEffort
from ..engine.bounds.tighten import Side, tighten
from ..engine.cost import BISECTED
from ..engine.errors import RegionError
from ..engine.network import Affine, Network, rounding_refused
from ..engine.region import Region
from ..engine.rounding import NEAR_ZERO, float_above
from ..engine.search import Boxes, Limits, Search
from ..engine.stages import stages
from ..engine.verdict import Method
from ..engine.witness import Runtime
from .climb import Climber
from .finding import Phases
from .known import Known, take_over, with_seen
from .ledger import Ledger, Wish
from .sharpen import sharpen

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work to spend on the phases of one region.

    Attributes:
        seconds: wall time; what is open when it ends stays open.
        samples: points evaluated at first.
        starts: points from which each open neuron is attacked.
        climbs: gradient steps of an attack.
        slopes: gradient steps on the slopes of the optimised bounds; 0 to leave them out.
        boxes: sub-boxes to bound at most, for each open neuron; 0 not to split.
        programs: linear programs to solve at most, for each open neuron; 0 for none.
        patience: sets of removals in a row that may stay without a proof, in what follows the
            phases; a step ends then, though there may be time.
        workers: threads.
        seed: of all randomness.
    """

    seconds: float = 120.0
    samples: int = 20_000
    starts: int = 48
    climbs: int = 60
    slopes: int = 8
    boxes: int = 4_000_000
    programs: int = 500
    patience: float = math.inf
    workers: int = 2
    seed: int = 0


_TOGETHER = 256
"""Boxes on which all open neurons are bounded together before each goes its own way."""

_ROUNDS = (2048, 8192, 32_768)
"""Boxes up to which each open neuron is searched for on its own, round after round. What is open
then is hard, and its boxes are small: neurons of one layer share a tree again from there on."""

_FIRST_SHARE = 0.85
"""Share of the remaining time for the first layer that is still open; the rest is for later ones,
whose neurons are harder."""

_LARGEST_STAGED = 50_000_000
"""Entries of all matrices together above which boxes are not split: 400 MB of float64."""


def decide_phases(
    network: Network,
    region: Region,
    effort: Effort | None = None,
    runtime: Runtime | None = None,
    progress: Progress | None = None,
    known: Known | None = None,
) -> Phases:
    """Return the phase of every ReLU of the network over the region.

    Args:
        network: the network.
        region: closed box in network units, with more than one point.
        effort: how much work to spend.
        runtime: replays the network's file; None where it has none.
        progress: is told the step, how many neurons are settled, and how many there are.
        known: what was proved and seen on the region before.

    Raises:
        RegionError: another number of inputs, or a single point.
        UnsupportedError: a network that rounds its activations.
    """
    if network.rounded:
        path = network.origin.path
        raise rounding_refused("the search for neurons to remove", network.rounded[0], path)
    region.fit(network)
    if region.is_point:
        raise RegionError(
            f"{region.name} is a single point: every neuron is constant there; widen an input or "
            "evaluate the network instead"
        )
    return _Work(network, region, effort or Effort(), progress, known or {}).run(runtime)


class _Work:
    def __init__(
        self,
        network: Network,
        region: Region,
        effort: Effort,
        progress: Progress | None,
        known: Known,
    ) -> None:
        self.network, self.region, self.effort, self.progress = network, region, effort, progress
        self.deadline = time.monotonic() + effort.seconds
        self.lattice = region.lattice(network.origin.dtype)
        self.ledger = Ledger(network, self.lattice)
        self.known = bool(known)
        self.aside = take_over(self.ledger, known)
        rng = np.random.default_rng(effort.seed)
        self.climber = Climber(self.ledger, effort.climbs, rng, self.late)
        self.few = network.size_in <= BISECTED
        self.seconds: dict[str, float] = {}
        self.boxes = 0

    def late(self) -> bool:
        """Return whether the time is spent."""
        return time.monotonic() > self.deadline

    @contextmanager
    def step(self, method: Method) -> Iterator[None]:
        """Time a step and report what is settled after it."""
        start = time.monotonic()
        yield
        self.seconds[method.value] = self.seconds.get(method.value, 0.0) + time.monotonic() - start
        self.report(method)

    def report(self, method: Method) -> None:
        """Tell the listener how many neurons are settled."""
        if self.progress is not None:
            asked = self.ledger.asked
            self.progress(method.value, asked - self.ledger.open, asked)

    def run(self, runtime: Runtime | None) -> Phases:
        """Go through the steps and return what was found."""
        box = self.region.lower[None], self.region.upper[None]
        if self.ledger.open:
            with self.step(Method.SAMPLE):
                self.climber.visit(self.effort.samples)
        with self.step(Method.INTERVAL):
            self.ledger.prove(interval(self.network, *box), Method.INTERVAL)
        starts, climbs = self.effort.starts, self.effort.climbs
        steps: tuple[tuple[Method, Callable[[], None]], ...] = (
            (Method.LINEAR, lambda: self._sharpen(Method.LINEAR, 0)),
            (Method.RATIONAL, self._rational),
            (Method.ATTACK, lambda: self.climber.attack(-(-starts // 8), -(-climbs // 4))),
            (Method.OPTIMISED, lambda: self._sharpen(Method.OPTIMISED, self.effort.slopes)),
            (Method.RATIONAL, self._rational),
            (Method.SPLIT, self._together),
            (Method.ATTACK, lambda: self.climber.attack(starts, climbs)),
            (Method.SPLIT, self._alone),
            (Method.LP, self._relax),
            (Method.MILP, self._branch),
        )
        for method, work in steps:
            bound = self.known and method == Method.LINEAR  # what was known came without bounds
            if (self.ledger.open or bound) and not self.late():
                with self.step(method):
                    work()
        reason = (
            f"time limit of {self.effort.seconds:g} s"
            if self.late()
            else f"limits of {self.effort.boxes} boxes and {self.effort.programs} programs a neuron"
        )
        with self.step(Method.SAMPLE):
            findings = self.ledger.findings(runtime, reason, self.late)
            findings = with_seen(findings, self.ledger, self.aside)
        return Phases(self.network, self.region, findings, self.seconds, self.boxes)

    def _sharpen(self, method: Method, steps: int) -> None:
        if steps or method == Method.LINEAR:
            sharpen(self.ledger, self.region, method, steps, self.late)

    def _rational(self) -> None:
        """Bound in rationals what misses zero by no more than rounding, layer after layer."""
        box = self.region.lower[None], self.region.upper[None]
        for place, entry in enumerate(self.ledger.entries):
            bounds = interval(self.network, *box, self.ledger.known())
            for wish in [wish for wish in self.ledger.wishes() if wish.place == place]:
                low, high = entry.low[wish.neuron], entry.high[wish.neuron]
                bound = high if wish.side == UPPER else -low
                if self.late():
                    return
                if bound <= NEAR_ZERO * (high - low) < np.inf:
                    row = np.zeros(entry.asked.size)
                    row[wish.neuron] = wish.sign
                    exact = rational_bound(self.network, self.region, entry.source, row, bounds)
                    self.ledger.prove_one(wish, float_above(exact), Method.RATIONAL)

    @cached_property
    def packed(self) -> tuple[Packed, list[int]] | None:
        """The network as boxes need it and each layer's first neuron; None if it is too large."""
        dense = sum(
            node.layer.operator.size_in * node.layer.operator.size_out
            for node in self.network.nodes
            if isinstance(node.layer, Affine)
        )
        if dense > _LARGEST_STAGED:
            return None
        staged = stages(self.network)
        net = pack(staged)
        return net, [int(net.offset[staged.of[entry.node]]) for entry in self.ledger.entries]

    def _searching(self, wishes: list[Wish]) -> Search:
        """Return a search over boxes for some wishes, from all that is known."""
        assert self.packed is not None
        net, starts = self.packed
        flat = np.array([starts[w.place] + w.neuron for w in wishes], dtype=np.int64)
        sides = np.array([w.side for w in wishes], dtype=np.uint8)
        search = Search(net, flat, sides, Limits(workers=self.effort.workers))
        stable = np.zeros(int(net.offset[-1]), dtype=np.uint8)
        for start, entry in zip(starts, self.ledger.entries, strict=True):
            codes = (entry.high <= 0) * UPPER + (entry.low >= 0) * LOWER
            stable[start : start + len(codes)] = codes
        search.start(self.region.lower, self.region.upper, stable)
        return search

    def _go(self, search: Search, wishes: list[Wish], boxes: int, until: float) -> None:
        """Let a search go on, and take over what it settles."""
        before = search.bounded
        search.run(lambda *found: self._refute(wishes, *found), boxes, until)
        self.boxes += search.bounded - before
        still, reach = search.open(), search.reach()
        for column, wish in enumerate(wishes):
            if not self.ledger.refuted(wish):
                bound = float(reach[column]) if still[column] else 0.0
                self.ledger.prove_one(wish, bound, Method.SPLIT, int(search.seen[column]))
        self.report(Method.SPLIT)

    def _together(self) -> None:
        """Bisect boxes for all open neurons together."""
        if self.effort.boxes and self.packed is not None:
            together = self.ledger.wishes()
            boxes = _TOGETHER if self.few else 1
            self._go(self._searching(together), together, boxes, self.deadline)

    def _alone(self) -> None:
        """Bisect boxes for each open neuron in rounds, then for those of a layer."""
        most, deadline = self.effort.boxes, self.deadline
        if not (most and self.few and self.packed is not None):
            return  # halving one of many inputs gains little: programs over phases do better
        alone: dict[Wish, Search] = {}
        for budget in (min(budget, most) for budget in _ROUNDS):
            for wish in self.ledger.wishes():
                if time.monotonic() > deadline:
                    return
                if wish in alone:  # it was not settled in a round: attack it again, harder
                    self.climber.climb([wish], 4 * self.effort.starts, 20_000)
                else:
                    alone[wish] = self._searching([wish])
                if not self.ledger.refuted(wish):
                    self._go(alone[wish], [wish], budget, deadline)
        for place in sorted({wish.place for wish in self.ledger.wishes()}):
            group = [wish for wish in self.ledger.wishes() if wish.place == place]
            left = deadline - time.monotonic()
            if group and left > 0 and most > _ROUNDS[-1]:
                until = time.monotonic() + (left if place == self._last() else _FIRST_SHARE * left)
                self._go(self._searching(group), group, most, until)

    def _last(self) -> int:
        """Return the place of the last layer with an open neuron."""
        return max((wish.place for wish in self.ledger.wishes()), default=-1)

    def _refute(self, wishes: list[Wish], corner: Array, boxes: Boxes) -> NDArray[np.bool_]:
        """Try the boxes farthest from settled: where their bound lies, and their middle."""
        worst = np.argsort(-boxes.reach.max(axis=1), kind="stable")[:32]
        middle = 0.5 * (boxes.lower[worst] + boxes.upper[worst])
        self.ledger.visit(self.lattice.snap(np.concatenate([corner[worst], middle])), Method.SPLIT)
        return np.array([self.ledger.refuted(wish) for wish in wishes])

    def _bounds(self) -> Mapping[str, tuple[Array, Array]]:
        box = self.region.lower[None], self.region.upper[None]
        bounds = interval(self.network, *box, self.ledger.known())
        return {name: (low[0], high[0]) for name, (low, high) in bounds.items()}

    def _relax(self) -> None:
        """Bound what is open by linear programs, layer by layer."""
        if not self.effort.programs:
            return
        for place, entry in enumerate(self.ledger.entries):
            wishes = [wish for wish in self.ledger.wishes() if wish.place == place]
            for side in (UPPER, LOWER):
                asked = [wish for wish in wishes if wish.side == side]
                if not asked or self.late():
                    continue
                tight = tighten(
                    self.network,
                    self.region.lower,
                    self.region.upper,
                    self._bounds(),
                    entry.source,
                    np.array([wish.neuron for wish in asked]),
                    sides=Side.UPPER if side == UPPER else Side.LOWER,
                    effort=ProgramEffort(
                        deadline=self.deadline, stop_at=0.0, seed=self.effort.seed
                    ),
                )
                for row, wish in enumerate(asked):
                    bound = tight.upper[row] if side == UPPER else -tight.lower[row]
                    self.ledger.prove_one(wish, float(bound), Method.LP)
                self._candidates(tight.points.reshape(-1, self.network.size_in), Method.LP)

    def _branch(self) -> None:
        """Decide what is open by branching over phases, every leaf rebuilt from duals."""
        if not self.effort.programs:
            return
        for wish in self.ledger.wishes():
            if self.late() or self.ledger.refuted(wish):
                continue
            entry = self.ledger.entries[wish.place]
            upper = wish.side == UPPER
            decided = decide_by_phases(
                self.network,
                self.region.lower,
                self.region.upper,
                self._bounds(),
                entry.source,
                wish.neuron,
                Side.UPPER if upper else Side.LOWER,
                ProgramEffort(
                    deadline=self.deadline,
                    stop_at=0.0,
                    programs=self.effort.programs,
                    seed=self.effort.seed,
                ),
            )
            self.ledger.prove_one(wish, decided.bound if upper else -decided.bound, Method.MILP)
            self._candidates(decided.point[None], Method.MILP)
            self.report(Method.MILP)

    def _candidates(self, points: Array, method: Method) -> None:
        """Visit those of a solver's points that are points."""
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            self.ledger.visit(self.lattice.snap(points), method)
