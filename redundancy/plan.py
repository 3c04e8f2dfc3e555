"""Simplify: which neurons go over a region, together, and what is proved of the network without.

The steps go from cheap to dear: points, phases, neurons that may be zero or the identity though
they are neither everywhere (forward redundancy where outputs may move, result-preserving redundancy
where the best output must stay), neurons that become some other line (relaxed redundancy), and the
fold, which takes them all out of the weights. What is proved in the end is the guarantee between
the original and the network that is written, with all removals made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import Answer
from ..engine.answer import Effort as Search
from ..engine.bounds.linear import linear
from ..engine.network import Network, Node, Piecewise, State
from ..engine.region import Region
from ..engine.rounding import float_below
from ..engine.verdict import Proved
from ..engine.witness import Runtime
from .choice import CHOICES, Choice, Order
from .effect import Effect, effect
from .finding import Finding, Phases
from .fold import Fold, as_relus, fold
from .guarantee import Guarantee, Outputs, SameBest, shown
from .joint import Joint
from .phase import Effort, decide_phases
from .relaxed import output_lines
from .removal import Kind, Removal, line, stored, without
from .screen import Screen
from .seen import look

Progress = Callable[[str, int, int], None]
Masks = Mapping[str, NDArray[np.bool_]]

_PHASE_SHARE = 0.5
"""Part of the time that phases may take where other removals follow."""

_ROOM = Fraction(1, 100)
"""Part of a tolerance that is kept for rounding of folded weights."""

_LEAD_ROOM = Fraction(4, 100)
"""Part of the least lead seen that is kept for it; twice that is less than the screen's reserve."""

_MARGIN = 1e-3
"""Least distance of a neuron's values at the boundary from zero, of their largest: a neuron whose
sign changes nearer to the boundary than that is no candidate to be zero or the identity there."""


class Lines(StrEnum):
    """Which line a relaxed neuron gets."""

    NEAREST = "nearest"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Aim:
    """What to simplify for.

    Attributes:
        guarantee: what must stay.
        order: how removals are chosen.
        lines: which lines relaxed neurons get; `OUTPUT` tries both.
    """

    guarantee: Guarantee = field(default_factory=Outputs)
    order: Order = Order.GREEDY
    lines: Lines = Lines.OUTPUT


@dataclass(frozen=True, slots=True)
class Tally:
    """What one step did.

    Attributes:
        kind: the step.
        asked: neurons that were still there when it began.
        removed: neurons that it removed.
        seconds: wall time.
        tries: sets of removals that a proof was tried of; 0 for phases, which need none.
        boxes: sub-boxes bounded.
    """

    kind: Kind
    asked: int
    removed: int
    seconds: float
    tries: int
    boxes: int


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A simplified network and why it may stand for the original.

    Attributes:
        phases: what was found out about every neuron's phase.
        aim: what was asked for.
        removals: the neurons removed beyond their phases, proved to hold together.
        steps: what each step did.
        answer: of the joint proof; None where phases alone were removed.
        linearised: the network with all removals made, before its weights were folded.
        fold: how the removed neurons left the weights; `fold.after` is the result.
        room: what of the guarantee was left for rounding of folded weights, network output units.
    """

    phases: Phases
    aim: Aim
    removals: tuple[Removal, ...]
    steps: tuple[Tally, ...]
    answer: Answer | None
    linearised: Network
    fold: Fold
    room: Fraction

    @property
    def network(self) -> Network:
        """The simplified network as it is written: where they can, linear units are ReLUs."""
        return as_relus(
            self.fold.after,
            self.phases.network,
            self.fold.nonnegative,
            self.fold.nonpositive,
        )

    @property
    def guarantee(self) -> str:
        """What is proved, in one sentence."""
        where = f"for every input in {self.phases.region.name}, in real arithmetic"
        if not self.removals and self.fold.exact:
            return f"The simplified network equals the original {where}."
        if not self.removals:
            bound = shown(Fraction(self.fold.distance))
            return (
                f"Every output of the simplified network is within {bound} of the "
                f"original's {where} and network units."
            )
        return (
            f"On {self.phases.region.name}, in real arithmetic and network units, the simplified "
            f"network {self.aim.guarantee.text()}."
        )

    def error(self, effort: Search) -> Effect:
        """Return how far the removals move any output: by formula, by bounds and by search."""
        ranges = {(one.layer, one.neuron): (one.lower, one.upper) for one in self.phases.findings}
        places = {one.place for one in self.removals}
        return effect(
            self.phases.linearised(),
            self.linearised,
            self.phases.region,
            {place: ranges[place] for place in places},
            effort,
        )


def simplify(
    network: Network,
    region: Region,
    effort: Effort | None = None,
    runtime: Runtime | None = None,
    progress: Progress | None = None,
    aim: Aim | None = None,
) -> Plan:
    """Return a smaller network that may replace the given one on the region.

    Args:
        network: the network.
        region: closed box in network units, with more than one point.
        effort: how much work to spend.
        runtime: replays the network's file on refuting points; None where there is no file.
        progress: is told the step, how many neurons are settled, and how many there are.
        aim: what must stay, and how removals are chosen; equal outputs where absent.

    Raises:
        InputError: the best of outputs is to stay, and the network has a single one.
        RegionError: another number of inputs, or a single point.
    """
    aim, effort = aim or Aim(), effort or Effort()
    aim.guarantee.fit(network)
    begun = time.monotonic()
    alone = isinstance(aim.guarantee, Outputs) and aim.guarantee.exact
    first = effort if alone else replace(effort, seconds=_PHASE_SHARE * effort.seconds)
    phases = decide_phases(network, region, first, runtime, progress)
    spent = time.monotonic() - begun
    tally = Tally(Kind.PHASE, len(phases.findings), phases.count(Proved), spent, 0, phases.boxes)
    if alone:
        return _folded(phases, aim, (), (tally,), None, Fraction(0))
    work = _Work(phases, aim, effort, begun + effort.seconds, progress)
    work.run()
    joint = work.joint
    steps = (tally, *work.steps)
    return _folded(phases, aim, joint.proved, steps, joint.answer, joint.room)


class _Work:
    """The steps after the phases."""

    def __init__(
        self,
        phases: Phases,
        aim: Aim,
        effort: Effort,
        deadline: float,
        progress: Progress | None,
    ) -> None:
        self.aim, self.deadline, self.progress = aim, deadline, progress
        self.until = deadline  # of the step
        self.rng = np.random.default_rng(effort.seed)
        self.before = phases.linearised()
        self.open = [one for one in phases.findings if one.state == State.RELU]
        self.settled = len(phases.findings) - len(self.open)
        self.seen = look(self.before, phases.region, aim.guarantee, self.rng)
        screen = Screen(self.before, aim.guarantee, self.seen.kept(self.rng))
        self.choose = CHOICES[aim.order]
        self.steps: list[Tally] = []
        self.joint = Joint(
            self.before,
            phases.region,
            aim.guarantee,
            screen,
            self._room(screen),
            Search(seed=effort.seed, workers=effort.workers),
            rng=self.rng,
        )

    def _room(self, screen: Screen) -> Fraction:
        """Return what is kept for rounding: nothing where the best output changes in the region."""
        match self.aim.guarantee:
            case Outputs(tolerance=tolerance):
                return _ROOM * tolerance
            case SameBest(band=band) as guarantee:
                if band > 0 or len(self.seen.boundary):
                    return _ROOM * band
                leads = guarantee.leads(screen.outputs)[1]
                least = max(0.0, float(leads.min()))
                return Fraction(float_below(_LEAD_ROOM * Fraction(least)))

    def run(self) -> None:
        """Remove what can be removed, step by step."""
        kept = isinstance(self.aim.guarantee, Outputs)
        if kept and self.aim.lines is Lines.OUTPUT:  # lines for all can do what no constant can
            self._step(Kind.RELAXED, self._lines(), 0.2, self._all)
        self._step(Kind.FORWARD if kept else Kind.RESULT, self._flat(), 0.6, self.choose)
        if not self.aim.guarantee.exact or not len(self.seen.boundary):
            choose = self._served if self.aim.lines is Lines.OUTPUT else self.choose
            self._step(Kind.RELAXED, self._lines(), 1.0, choose)

    def _step(self, kind: Kind, candidates: list[Removal], share: float, choose: Choice) -> None:
        begun, tries, boxes = time.monotonic(), self.joint.tries, self.joint.boxes
        before = len(self.joint.proved)
        if self.progress is not None:
            self.progress(kind.value, self.settled + before, self.settled + len(self.open))
        self.until = begun + share * (self.deadline - begun)
        gone = {one.place for one in self.joint.proved}
        candidates = [replace(one, kind=kind) for one in candidates if one.place not in gone]
        if not candidates:
            return
        removed = self.joint.extend(candidates, choose, self.until)
        self.steps.append(
            Tally(
                kind,
                len(self.open) - before,
                removed,
                time.monotonic() - begun,
                self.joint.tries - tries,
                self.joint.boxes - boxes,
            )
        )

    def _all(self, screen: Screen, candidates: Sequence[Removal]) -> list[Removal]:
        """Choose all candidates with the lines that serve the outputs, or none."""
        base = screen.removals
        served = output_lines(screen, base, list(candidates), self.until)
        holds = screen.take([*base, *served]) >= 0.0
        screen.take(base)
        return served if holds else []

    def _served(self, screen: Screen, candidates: Sequence[Removal]) -> list[Removal]:
        """Choose candidates, give them the lines that serve the outputs, and choose more."""
        base, taken = screen.removals, list[Removal]()
        rest = list(candidates)
        for _ in range(2):
            screen.take([*base, *taken])
            more = self.choose(screen, rest)
            if not more:
                break
            taken = output_lines(screen, base, [*taken, *more], self.until)
            gone = {one.place for one in taken}
            rest = [one for one in rest if one.place not in gone]
        return taken

    def _flat(self) -> list[Removal]:
        """Return the ways in which open neurons could be zero or the identity."""
        boundary = self.seen.boundary
        exact = self.aim.guarantee.exact and len(boundary) > 0
        values = self.before.trace(boundary) if exact else {}
        found: list[tuple[float, Removal]] = []
        for one in self.open:
            for state, sign in ((State.ZERO, -1.0), (State.IDENTITY, 1.0)):
                away = 0.0
                if exact:
                    z = sign * values[self.before.by_name[one.layer].sources[0]][:, one.neuron]
                    away = float(z.min()) / max(-one.lower, one.upper)
                    if away < _MARGIN:
                        continue
                found.append((away, Removal(one.layer, one.neuron, state, Kind.FORWARD)))
        # Those whose sign changes farthest from the boundary are the easiest to prove.
        return [one for _, one in sorted(found, key=lambda pair: -pair[0])]

    def _lines(self) -> list[Removal]:
        """Return the open neurons with the lines nearest to them."""
        return [
            Removal(
                one.layer,
                one.neuron,
                State.LINEAR,
                Kind.RELAXED,
                *(stored(value, self.before) for value in line(one.lower, one.upper)),
            )
            for one in self.open
            if one.lower < 0.0 < one.upper
        ]


def _folded(
    phases: Phases,
    aim: Aim,
    removals: tuple[Removal, ...],
    steps: tuple[Tally, ...],
    answer: Answer | None,
    room: Fraction,
) -> Plan:
    """Return the plan with the removed neurons folded away."""
    linearised = without(phases.linearised(), removals)
    tolerance = room
    if not removals:  # what the phases leave is equal, and the whole tolerance is there to be spent
        tolerance = aim.guarantee.tolerance if isinstance(aim.guarantee, Outputs) else Fraction(0)
    above, below = _signs(phases, linearised, exact=not removals)
    result = fold(linearised, phases.region, float_below(tolerance), above, nonpositive=below)
    return Plan(phases, aim, removals, steps, answer, linearised, result, tolerance)


def _signs(phases: Phases, linearised: Network, *, exact: bool) -> tuple[Masks, Masks]:
    """Return which identities are proved to see no negative number, and zeros no positive one.

    Args:
        phases: of the original.
        linearised: the network without the removed neurons.
        exact: whether it equals the original, whose phases then hold for it.
    """
    if exact:
        above, below = (
            {node.name: _are(phases.findings, node, state) for node in linearised.piecewise}
            for state in (State.IDENTITY, State.ZERO)
        )
        return above, below
    region = phases.region
    bounds = linear(linearised, region.lower[None], region.upper[None])
    above, below = {}, {}
    for node in linearised.piecewise:
        assert isinstance(node.layer, Piecewise)
        low, high = bounds[node.sources[0]]
        above[node.name] = (low[0] >= 0.0) & (node.layer.state == State.IDENTITY)
        below[node.name] = (high[0] <= 0.0) & (node.layer.state == State.ZERO)
    return above, below


def _are(findings: tuple[Finding, ...], node: Node, state: State) -> NDArray[np.bool_]:
    """Return which neurons of a layer were found to be in a state."""
    out = np.zeros(node.size, np.bool_)
    for one in findings:
        if one.layer == node.name and one.state == state:
            out[one.neuron] = True
    return out
