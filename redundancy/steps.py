"""The steps after the phases: each names candidates, and what holds together of them is removed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..engine.answer import Effort as Search
from ..engine.network import State
from ..engine.rounding import float_below
from .aim import Aim, Lines
from .choice import CHOICES, Choice
from .finding import Phases
from .guarantee import Outputs, SameBest
from .joint import PARTED, SHARE, Joint
from .leading import leading
from .phase import Effort
from .relaxed import output_lines
from .removal import Kind, Removal, line, stored
from .screen import Screen
from .seen import look
from .slim import slim

Progress = Callable[[str, int, int], None]

_ROOM = Fraction(1, 100)
"""Part of a tolerance that is kept for rounding of folded weights."""

_LEAD_ROOM = Fraction(4, 100)
"""Part of the least lead seen that is kept for it; twice that is less than the screen's reserve."""

_USUAL, _MOST = 10.0, 1 << 22
"""Seconds of effort for which a region is parted into the usual number of boxes, in proportion; and
boxes at most."""

_MARGIN = 1e-3
"""Least distance of a neuron's values at the boundary from zero, of their largest: a neuron whose
sign changes nearer to the boundary than that is no candidate to be zero or the identity there."""


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


class Steps:
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
        self.slim = slim(phases.linearised())  # what all that follows speaks of
        self.before = self.slim.network
        self.open = [
            replace(one, neuron=self.slim.place(one.layer, one.neuron))
            for one in phases.findings
            if one.state == State.RELU
        ]
        self.settled = len(phases.findings) - len(self.open)
        self.seen = look(self.before, phases.region, aim.guarantee, self.rng)
        screen = Screen(self.before, aim.guarantee, self.seen.kept(self.rng))
        self.choose = CHOICES[aim.order]
        self.steps: list[Tally] = []
        room = self._room(screen)
        self.joint = Joint(
            self.before,
            phases.region,
            aim.guarantee,
            screen,
            room,
            Search(seed=effort.seed, workers=effort.workers),
            effort.patience,
            leading(self.before, phases.region, aim.guarantee, room),
            math.ceil(min(effort.seconds / _USUAL * PARTED, _MOST)),
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

    @property
    def proved(self) -> tuple[Removal, ...]:
        """The removals that hold together, proved, as those of the network given."""
        return tuple(map(self.slim.back, self.joint.proved))

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

    def _soon(self) -> float:
        """Return when lines must have been chosen, for the proof of them takes as long again."""
        now = time.monotonic()
        return now + SHARE * (self.until - now)

    def _all(self, screen: Screen, candidates: Sequence[Removal]) -> list[Removal]:
        """Choose all candidates with the lines that serve the outputs, or none."""
        base = screen.removals
        served = output_lines(screen, base, list(candidates), self._soon())
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
            taken = output_lines(screen, base, [*taken, *more], self._soon())
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
