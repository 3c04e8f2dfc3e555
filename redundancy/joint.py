"""Which removals hold together: chosen at points, proved by search, corrected by counterexamples.

What is proved is always the whole set: the network without all of it against the original. A
refuted set leaves a point behind, which the next choice must respect; of a set that is not proved
those members are tried next that hindered the proof least, or a quarter, its safest ones, and from
there on sets grow again. What is not proved is not removed.

Where the best output is to stay, the region is parted first (see `leading.py`): what changes its
sign where outputs tie is known then, and sets of the others are proved by the parts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import INTERRUPTED, Answer
from ..engine.answer import Effort as Search
from ..engine.decide import decide
from ..engine.network import Network, State
from ..engine.question import Question, ask
from ..engine.region import Region
from ..engine.verdict import Proved, Refuted, Unknown
from .bisect import Tried, bisect
from .choice import Choice
from .guarantee import Guarantee
from .leading import Kept, Leading
from .removal import Removal, without
from .screen import Screen

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_NEAR = (0.1, 0.03, 0.01, 0.001)
"""Parts of the region's width around a counterexample in which its neighbours are looked for."""

SHARE = 0.25
"""Of the time that is left, what the proof of one set may take before a smaller one is tried."""

SHORT = 1.5
"""Seconds up to which a proof is `bisect`'s, without an attack: the screen has seen many points.
It may then take all the time that is left, for what it takes is counted in boxes."""

BOXES = 1024
"""Sub-boxes that such a proof may bound. On ACAS Xu, sets of what does not hinder need some
hundreds, or are not proved with ten times as many."""

MANY = 16
"""New removals for which it may take all of them; fewer take less, a single one a quarter."""

LATER = 3
"""Of what hindered a set and was put off, such a part is tried together once no more is left."""

PARTED = 16_384
"""Boxes into which the region is parted by which output leads; as many may be bounded to prove a
set. Half as many find a tenth fewer removals on boundary cells of ACAS Xu."""

PARTING = 0.5
"""Of the time that is left, what parting may take where boxes are slow."""

HINDERED = 0.25
"""Part of the boxes left open by a set on which those of its members that are tried next may be in
doubt."""


@dataclass(slots=True, eq=False)
class Joint:
    """The removals proved so far, and what it took.

    Attributes:
        network: the original.
        region: on which the guarantee is to hold.
        guarantee: what must stay.
        screen: points at which sets are judged before they are proved.
        room: how far every output may still be moved afterwards.
        effort: seed and workers of the proofs.
        patience: sets in a row that may stay without a proof before no more are tried.
        leading: the network ready to be parted by which output leads; None to do without.
        parted: boxes that parting may bound, and as many again a proof by the parts.
        proved: the removals that hold together, proved.
        answer: of their proof; None before the first.
        boxes: bounded in all proofs.
        tries: sets that a proof was tried of.
        interrupted: whether it was broken off from the keyboard; nothing is tried after that.
    """

    network: Network
    region: Region
    guarantee: Guarantee
    screen: Screen
    room: Fraction
    effort: Search
    patience: float = math.inf
    leading: Leading | None = None
    parted: int = PARTED
    proved: tuple[Removal, ...] = ()
    answer: Answer | None = None
    boxes: int = 0
    tries: int = 0
    interrupted: bool = False
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    _asked: Question | None = field(init=False, default=None)

    def extend(self, candidates: Sequence[Removal], choose: Choice, deadline: float) -> int:
        """Add as many candidates as can be proved to hold with what is proved; return how many.

        Where the region can be parted by which output leads, those that keep their sign wherever
        outputs tie come first, and the others only where patience has no end.
        """
        before = len(self.proved)
        pool = self._sure(candidates, deadline)
        self._extend(pool, choose, deadline)
        if pool is not candidates and math.isinf(self.patience):
            self._extend([one for one in candidates if one not in pool], choose, deadline)
        return len(self.proved) - before

    def _sure(self, candidates: Sequence[Removal], deadline: float) -> Sequence[Removal]:
        """Return the candidates that keep their sign wherever outputs tie; all, if not known."""
        if self.leading is None or self.leading.covers(candidates):
            return candidates
        if self.leading.equal and any(one.state == State.LINEAR for one in candidates):
            return candidates
        bounded = self.leading.boxes
        try:
            now = time.monotonic()
            until = now + PARTING * (deadline - now)
            return self.leading.part(candidates, self.parted, until)
        except KeyboardInterrupt:
            self.interrupted = True
            return []
        finally:
            self.boxes += self.leading.boxes - bounded

    def _extend(self, candidates: Sequence[Removal], choose: Choice, deadline: float) -> None:
        """Add as many of some candidates as can be proved to hold with what is proved."""
        pool, size = list(candidates), len(candidates)
        later: list[Removal] = []  # those that kept boxes open, the easiest first
        failed = 0  # sets in a row without a proof
        while time.monotonic() < deadline and not self.interrupted and failed < self.patience:
            taken = {one.place for one in self.proved}
            self.screen.take(self.proved)
            pool = [one for one in pool if one.place not in taken]
            some = choose(self.screen, pool)[:size] if pool else []
            if not some:
                if not later:
                    break
                size = math.ceil(len(later) / LATER)
                pool, later = later[:size], later[size:]
                continue
            # What holds together at the points need not without some of its members.
            easy: list[Removal] = []
            if self.screen.take([*self.proved, *some]) >= 0.0:
                answer = self.prove([*self.proved, *some], deadline, SHARE)
                match answer.verdict:
                    case Proved():
                        self.proved, self.answer = (*self.proved, *some), answer
                        size, failed = 2 * size, 0
                        continue
                    case Refuted(witnesses=witnesses):
                        if self._learn(witnesses[0].floats, some):
                            continue
                    case Unknown(reason=reason):
                        if reason == INTERRUPTED:
                            self.interrupted = True
                            break
                        failed += 1
                        if isinstance(answer, Tried) and len(some) > 1:
                            easy = self._easy(some, answer.doubts or {})
                        if isinstance(answer, Kept) and answer.point is not None:
                            self.screen.add(answer.point[None])
                            easy = [one for one in some if one not in answer.hindering]
            if easy:
                hard = [one for one in some if one not in easy]
                later = [*(one for one in later if one not in hard), *hard]
                pool, size = [one for one in pool if one not in hard], len(easy)
            elif len(some) > 1:
                size = max(1, len(some) // 4)
            else:  # too hard alone, here and now
                pool = [one for one in pool if one.place != some[0].place]
        self.screen.take(self.proved)

    def _easy(self, some: Sequence[Removal], doubts: Mapping[int, Flags]) -> list[Removal]:
        """Return at most half of a set that stayed without a proof: those that hindered it least.

        Where the networks are equal a box closes, so what hinders are neurons whose signs are not
        known on boxes that stayed open. Together, those returned are in doubt on few of them.
        """
        found = {one: doubts[place] for one in some if (place := self._flat(one)) in doubts}
        if len(found) < len(some):
            return []
        some = sorted(some, key=lambda one: int(found[one].sum()))
        easy, hindered = some[:1], found[some[0]]
        for one in some[1 : len(some) // 2]:
            hindered = hindered | found[one]
            if hindered.mean() > HINDERED:
                break
            easy.append(one)
        return easy

    def _flat(self, one: Removal) -> int:
        """Return the place of a neuron, flat over all stages."""
        staged = self.screen.staged
        return sum(stage.size for stage in staged.stages[: staged.of[one.layer]]) + one.neuron

    def prove(self, removals: Sequence[Removal], deadline: float, share: float = 1.0) -> Answer:
        """Return whether a set of removals keeps the guarantee on the whole region."""
        if self.leading is not None and self.leading.covers(removals):
            return self._led(self.leading, removals, deadline)
        question = self._question(without(self.network, removals))
        left = max(0.05, deadline - time.monotonic())
        effort = replace(self.effort, seconds=max(0.05, share * left))
        self.tries += 1
        if effort.seconds <= SHORT:  # the less a proof would gain, the less it may take
            part = math.sqrt(min(1.0, (len(removals) - len(self.proved)) / MANY))
            boxes = min(effort.boxes, math.ceil(part * BOXES))
            answer = bisect(question, replace(effort, seconds=left, boxes=boxes))
        else:
            answer = decide(question, effort)
        self.boxes += answer.boxes
        return answer

    def _led(self, led: Leading, removals: Sequence[Removal], deadline: float) -> Answer:
        """Return whether a set keeps it, by the parts of the region."""
        self.tries += 1
        try:
            answer = led.prove(removals, self.parted, deadline)
        except KeyboardInterrupt:
            return Answer(Unknown(INTERRUPTED))
        self.boxes += answer.boxes
        return answer

    def _question(self, after: Network) -> Question:
        """Return whether a network keeps the guarantee; the claim is the same for all of them."""
        if self._asked is None:
            claim = self.guarantee.claim(self.network, after, self.region, self.room)
            self._asked = ask(claim, [self.network, after])
        return self._asked.of([self.network, after])

    def _learn(self, point: Array, more: Sequence[Removal]) -> bool:
        """Add a counterexample and the worst points around it to the screen.

        Returns:
            Whether the screen sees the refuted set break there. Where it does not, by rounding or
            for what is held in reserve, the same set would be chosen again.
        """
        low, high = self.region.lower, self.region.upper
        parts = [
            point + scale * (high - low) * self.rng.uniform(-1.0, 1.0, (64, point.size))
            for scale in _NEAR
        ]
        points = np.clip(np.concatenate([point[None], *parts]), low, high)
        probe = Screen(self.network, self.guarantee, points)
        probe.take([*self.proved, *more])
        slack = probe.slack()
        worst = np.argsort(slack)[:16]
        worst = worst[slack[worst] < 0.0]
        self.screen.add(points[np.unique(np.append(worst, 0))])
        return self.screen.take([*self.proved, *more]) < 0.0
