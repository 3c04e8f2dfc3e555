"""Which removals hold together: chosen at points, proved by search, corrected by counterexamples.

What is proved is always the whole set: the network without all of it against the original. A
refuted set leaves a point behind, which the next choice must respect; of a set that is not proved
in time a quarter is tried, its safest members, and from there on sets grow again. What is not
proved is not removed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import INTERRUPTED, Answer
from ..engine.answer import Effort as Search
from ..engine.decide import decide
from ..engine.network import Network
from ..engine.question import Question, ask
from ..engine.region import Region
from ..engine.verdict import Proved, Refuted, Unknown
from .bisect import bisect
from .choice import Choice
from .guarantee import Guarantee
from .removal import Removal, without
from .screen import Screen

Array = NDArray[np.float64]

_NEAR = (0.1, 0.03, 0.01, 0.001)
"""Parts of the region's width around a counterexample in which its neighbours are looked for."""

SHARE = 0.25
"""Of the time that is left, what the proof of one set may take before a smaller one is tried."""

SHORT = 1.5
"""Seconds up to which a proof is `bisect`'s, without an attack: the screen has seen many points."""

MANY = 16
"""New removals for which such a proof may take all of its time; fewer take less, a single one a
quarter."""


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
    proved: tuple[Removal, ...] = ()
    answer: Answer | None = None
    boxes: int = 0
    tries: int = 0
    interrupted: bool = False
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    _asked: Question | None = field(init=False, default=None)

    def extend(self, candidates: Sequence[Removal], choose: Choice, deadline: float) -> int:
        """Add as many candidates as can be proved to hold with what is proved; return how many."""
        before = len(self.proved)
        pool, size = list(candidates), len(candidates)
        failed = 0  # sets in a row without a proof
        while time.monotonic() < deadline and pool and not self.interrupted:
            if failed >= self.patience:
                break
            taken = {one.place for one in self.proved}
            self.screen.take(self.proved)
            pool = [one for one in pool if one.place not in taken]
            some = choose(self.screen, pool)[:size]
            if not some:
                break
            # What holds together at the points need not without some of its members.
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
            if len(some) > 1:
                size = max(1, len(some) // 4)
            else:  # too hard alone, here and now
                pool = [one for one in pool if one.place != some[0].place]
        self.screen.take(self.proved)
        return len(self.proved) - before

    def prove(self, removals: Sequence[Removal], deadline: float, share: float = 1.0) -> Answer:
        """Return whether a set of removals keeps the guarantee on the whole region."""
        question = self._question(without(self.network, removals))
        seconds = max(0.05, share * (deadline - time.monotonic()))
        short = seconds <= SHORT
        if short:  # the less a proof would gain, the less it may take
            more = len(removals) - len(self.proved)
            seconds = max(0.05, seconds * math.sqrt(min(1.0, more / MANY)))
        self.tries += 1
        effort = replace(self.effort, seconds=seconds)
        answer = bisect(question, effort) if short else decide(question, effort)
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
