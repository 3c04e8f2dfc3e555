"""Phase redundancy: which ReLUs are zero, or the identity, on a whole region.

The steps go from cheap to dear and each is only given what the earlier ones left open: samples,
interval, linear and optimised bounds, the same in rationals where rounding may have missed zero,
gradient attack, boxes split (all open neurons together,
then one by one), LP, phases split with LP leaves. A neuron ends proved, refuted by two replayed
points, or open with a reason.

Source: Lahav and Katz, FMCAD 2021, section 4.1; the search is our own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.attack import ascend, sample
from ..engine.bounds.interval import interval
from ..engine.bounds.linear import linear
from ..engine.bounds.packed import LOWER, UPPER, pack
from ..engine.bounds.phases import decide_by_phases
from ..engine.bounds.rational import rational_bound
from ..engine.bounds.tighten import Effort as ProgramEffort
from ..engine.bounds.tighten import Side, tighten
from ..engine.errors import RegionError
from ..engine.network import Affine, Network
from ..engine.region import Region
from ..engine.rounding import NEAR_ZERO, float_above
from ..engine.search import Boxes, Limits, Search
from ..engine.stages import stages
from ..engine.verdict import Method
from ..engine.witness import Runtime
from .finding import Phases
from .ledger import Ledger, Wish

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
    workers: int = 2
    seed: int = 0


_TOGETHER = 256
"""Boxes on which all open neurons are bounded together before each goes its own way."""

_FEW_INPUTS = 16
"""Up to this many inputs, boxes are bisected as long as there is time; with more, not at all."""

_POINTS_SHARE = 64
"""Inputs up to which all samples and starts are used; with more, each point costs more and random
ones find less, so there are fewer in proportion."""

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
) -> Phases:
    """Return the phase of every ReLU of the network over the region.

    Args:
        network: the network.
        region: closed box in network units, with more than one point.
        effort: how much work to spend.
        runtime: replays the network's file; None where it has none.
        progress: is told the step, how many neurons are settled, and how many there are.

    Raises:
        RegionError: another number of inputs, or a single point.
    """
    region.fit(network)
    if region.is_point:
        raise RegionError(
            f"{region.name} is a single point: every neuron is constant there; widen an input or "
            "evaluate the network instead"
        )
    return _Work(network, region, effort or Effort(), progress).run(runtime)


class _Work:
    def __init__(
        self, network: Network, region: Region, effort: Effort, progress: Progress | None
    ) -> None:
        self.network, self.region, self.effort, self.progress = network, region, effort, progress
        self.deadline = time.monotonic() + effort.seconds
        self.rng = np.random.default_rng(effort.seed)
        self.lattice = region.lattice(network.origin.dtype)
        self.ledger = Ledger(network, self.lattice)
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
        with self.step(Method.SAMPLE):
            self.ledger.visit(self._points(self._fewer(self.effort.samples)), Method.SAMPLE)
        with self.step(Method.INTERVAL):
            self.ledger.prove(interval(self.network, *box), Method.INTERVAL)
        for method, steps in ((Method.LINEAR, 0), (Method.OPTIMISED, self.effort.slopes)):
            if self.ledger.open and not self.late() and (steps or method == Method.LINEAR):
                with self.step(method):
                    known = self.ledger.known()
                    self.ledger.prove(linear(self.network, *box, steps=steps, known=known), method)
        if self.ledger.open and not self.late():
            with self.step(Method.RATIONAL):
                self._rational()
        if self.ledger.open and not self.late():
            with self.step(Method.ATTACK):
                self._attack()
        if self.ledger.open and not self.late() and self.effort.boxes:
            with self.step(Method.SPLIT):
                self._split()
        if self.ledger.open and not self.late() and self.effort.programs:
            with self.step(Method.LP):
                self._relax()
        if self.ledger.open and not self.late() and self.effort.programs:
            with self.step(Method.MILP):
                self._branch()
        reason = (
            f"time limit of {self.effort.seconds:g} s"
            if self.late()
            else f"limits of {self.effort.boxes} boxes and {self.effort.programs} programs a neuron"
        )
        with self.step(Method.SAMPLE):
            findings = self.ledger.findings(runtime, reason)
        return Phases(self.network, self.region, findings, self.seconds, self.boxes)

    def _fewer(self, count: int) -> int:
        """Return a number of points, scaled down for networks with many inputs."""
        return max(4, min(count, count * _POINTS_SHARE // self.network.size_in))

    def _points(self, count: int) -> Array:
        lattice = self.lattice
        return lattice.snap(sample(lattice.lower, lattice.upper, count, self.rng))

    def _rational(self) -> None:
        """Bound in rationals what misses zero by no more than rounding, layer after layer."""
        box = self.region.lower[None], self.region.upper[None]
        for place, entry in enumerate(self.ledger.entries):
            bounds = interval(self.network, *box, self.ledger.known())
            for wish in [wish for wish in self.ledger.wishes() if wish.place == place]:
                low, high = entry.low[wish.neuron], entry.high[wish.neuron]
                bound = high if wish.side == UPPER else -low
                if bound <= NEAR_ZERO * (high - low) < np.inf:
                    row = np.zeros(entry.asked.size)
                    row[wish.neuron] = wish.sign
                    exact = rational_bound(self.network, self.region, entry.source, row, bounds)
                    self.ledger.prove_one(wish, float_above(exact), Method.RATIONAL)

    def _attack(self) -> None:
        """Climb towards the sign that no point has shown yet, for every open neuron."""
        groups: dict[tuple[int, int], list[Wish]] = {}
        for wish in self.ledger.wishes():
            groups.setdefault((wish.place, wish.side), []).append(wish)
        for wishes in groups.values():
            if not self.late():
                self._climb(wishes, self.effort.starts, 4096)

    def _climb(self, wishes: list[Wish], starts: int, samples: int) -> None:
        """Attack wishes of one layer and side from the best of some samples."""
        entry, sign = self.ledger.entries[wishes[0].place], wishes[0].sign
        neurons = np.array([wish.neuron for wish in wishes])
        starts = self._fewer(starts)
        pool = self._points(max(self._fewer(samples), starts))
        z = sign * self.network.trace(pool, entry.source)[entry.source][:, neurons]
        best = np.argpartition(-z, starts - 1, axis=0)[:starts]
        points = pool[best.T.ravel()]
        points[::starts] = (entry.at_most if sign > 0 else entry.at_least)[neurons]
        there, height = ascend(
            self.network,
            entry.source,
            np.repeat(neurons, starts),
            np.full(len(points), sign),
            points,
            self.lattice,
            self.effort.climbs,
        )
        top = height.reshape(-1, starts).argmax(axis=1) + np.arange(len(neurons)) * starts
        self.ledger.visit(there[top], Method.ATTACK)

    def _split(self) -> None:
        """Bisect boxes: first for all open neurons together, then for each in rounds."""
        dense = sum(
            node.layer.operator.size_in * node.layer.operator.size_out
            for node in self.network.nodes
            if isinstance(node.layer, Affine)
        )
        if dense > _LARGEST_STAGED:
            return
        staged = stages(self.network)
        net = pack(staged)
        starts = [int(net.offset[staged.of[entry.node]]) for entry in self.ledger.entries]
        few = self.network.size_in <= _FEW_INPUTS
        deadline = self.deadline
        limits = Limits(workers=self.effort.workers)

        def searching(wishes: list[Wish]) -> Search:
            flat = np.array([starts[w.place] + w.neuron for w in wishes], dtype=np.int64)
            sides = np.array([w.side for w in wishes], dtype=np.uint8)
            search = Search(net, flat, sides, limits)
            stable = np.zeros(int(net.offset[-1]), dtype=np.uint8)
            for start, entry in zip(starts, self.ledger.entries, strict=True):
                codes = (entry.high <= 0) * UPPER + (entry.low >= 0) * LOWER
                stable[start : start + len(codes)] = codes
            search.start(self.region.lower, self.region.upper, stable)
            return search

        def go(search: Search, wishes: list[Wish], boxes: int, until: float = deadline) -> None:
            before = search.bounded
            search.run(lambda *found: self._refute(wishes, *found), boxes, until)
            self.boxes += search.bounded - before
            still, reach = search.open(), search.reach()
            for column, wish in enumerate(wishes):
                if not self.ledger.refuted(wish):
                    bound = float(reach[column]) if still[column] else 0.0
                    self.ledger.prove_one(wish, bound, Method.SPLIT, int(search.seen[column]))
            self.report(Method.SPLIT)

        together = self.ledger.wishes()
        go(searching(together), together, _TOGETHER if few else 1)
        alone: dict[Wish, Search] = {}
        if not few:  # halving one of many inputs gains little: programs over phases do better
            return
        most = self.effort.boxes
        for budget in (min(budget, most) for budget in _ROUNDS):
            for wish in self.ledger.wishes():
                if time.monotonic() > deadline:
                    return
                if wish in alone:  # it was not settled in a round: attack it again, harder
                    self._climb([wish], 4 * self.effort.starts, 20_000)
                else:
                    alone[wish] = searching([wish])
                if not self.ledger.refuted(wish):
                    go(alone[wish], [wish], budget)
        for place in sorted({wish.place for wish in self.ledger.wishes()}):
            group = [wish for wish in self.ledger.wishes() if wish.place == place]
            left = deadline - time.monotonic()
            if group and left > 0 and most > _ROUNDS[-1]:
                until = time.monotonic() + (left if place == self._last() else _FIRST_SHARE * left)
                go(searching(group), group, most, until)

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
