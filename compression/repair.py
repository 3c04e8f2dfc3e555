"""Repair: a compressed network is changed within its format until a bound of its error is proved.

Each round learns from where the network is far from its original, or may be: it is retrained there,
and its linear layers are fitted there by a program. The proved bound decides what is kept, never a
loss; what comes back is the best network that was certified, or the one that came in.

Source: S. Mo, A. Nejati et al. 2024; other than there, a round goes on from the last one, the
network that is certified is the one that ships, and accuracy is trained beside.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import Effort
from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.pair import fits
from ..engine.region import Region
from .form import Compressed
from .repair_bound import Certified, certified
from .repair_history import Iteration, Stop
from .repair_moves import Candidate, Move, Policy, candidates, healed
from .repair_state import State, key_of, read_state, write_state
from .targets import Samples

Array = NDArray[np.float64]

NEARLY = 2.0
"""A second candidate is certified where the first fails, if an attack finds at most this many
times the distance."""

FAR = 1.5
"""A round goes on from the best network where the last one is this many times as far off."""

GAIN = 0.01
"""Share by which the proved bound must fall for a round to count as one that gained."""

POOL = 4096
"""Points that are remembered, the farthest apart first."""


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """A repaired network and what is proved of it.

    Attributes:
        compressed: the best that was certified, in the forms of the one that came in.
        before: what was certified of the one that came in.
        after: what was certified of it.
        tolerance: what was asked for, output units.
        iterations: what each round came to, the network that came in first.
        stop: why it ended.
        met: the least distance that any network on the way attained at a point: with these forms
            none better is known.
    """

    compressed: Compressed
    before: Certified
    after: Certified
    tolerance: Fraction
    iterations: tuple[Iteration, ...]
    stop: Stop

    @property
    def proved(self) -> bool:
        """Whether no output is farther from the original's than the tolerance."""
        return self.after.within(self.tolerance)

    @property
    def improved(self) -> bool:
        """Whether it is another network than the one that came in."""
        return any(one.best for one in self.iterations[1:])

    @property
    def met(self) -> float:
        """The least of the largest distances met, over all rounds."""
        return min(one.attained for one in self.iterations)


Progress = Callable[[Iteration], None]


def repair(
    original: Network,
    compressed: Compressed,
    region: Region | Sequence[Region],
    tolerance: Fraction | float | int,
    effort: Effort | None = None,
    data: Samples | None = None,
    method: Policy | None = None,
    *,
    state: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Repaired:
    """Return the compressed network repaired until it is proved to be near its original.

    The same seed gives the same network, as long as no time limit ends a step of it.

    Args:
        original: f.
        compressed: g, whose forms are kept.
        region: closed box or boxes, network units.
        tolerance: the distance that every output is to be proved to stay within, output units.
        effort: seconds for all of it, boxes for each certification of a region, seed, threads.
        data: samples whose labels or values are trained beside.
        method: how to go about it.
        state: a file that is replaced after each round, from which a later call goes on.
        resume: go on from that file, where it is there.
        progress: is told of each round.

    Raises:
        InputError: networks or a region that do not fit; a tolerance below 0; a data set that does
            not fit; a state of another repair.
        FileError: the state cannot be read or written.
    """
    effort, method = effort or Effort(), method or Policy()
    regions = (region,) if isinstance(region, Region) else tuple(region)
    tolerance = _checked(original, compressed, regions, tolerance, data)
    work = _Repair(original, compressed, regions, tolerance, effort, data, method)
    key = key_of(original, compressed, regions, tolerance, effort, method, data) if state else ""
    if state is not None and resume and state.exists():
        work.restore(read_state(state, key, compressed))

    def kept() -> None:
        if state is not None:
            write_state(state, key, work.state())

    try:
        return work.run(progress or (lambda _: None), kept)
    except KeyboardInterrupt:
        if work.best is None:
            raise
        return work.result(Stop.INTERRUPTED)


def _checked(
    original: Network,
    compressed: Compressed,
    regions: tuple[Region, ...],
    tolerance: Fraction | float | int,
    data: Samples | None,
) -> Fraction:
    fits(original, compressed.network)
    if not regions:
        raise InputError("there is no region to repair over: give one at least")
    for one in regions:
        one.fit(original)
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance {float(tolerance):g}: give a distance of at least 0")
    if data is not None and data.inputs.shape[1] != original.size_in:
        raise InputError(
            f"the data have {data.inputs.shape[1]} inputs, {original.origin.path} has "
            f"{original.size_in}: give data of the same inputs"
        )
    if data is not None and data.labels is not None and data.labels.size:
        most = int(data.labels.max())
        if most >= original.size_out:
            raise InputError(
                f"the data have the label {most}, {original.origin.path} has the outputs 0 to "
                f"{original.size_out - 1}: give labels that are outputs"
            )
    return Fraction(tolerance)


def accuracy(network: Network, samples: Samples | None) -> float | None:
    """Return the share of samples whose largest output is their label; None without labels."""
    if samples is None or samples.labels is None or not len(samples.labels):
        return None
    right = 0
    for start in range(0, len(samples.labels), 1024):
        some = slice(start, start + 1024)
        outputs = network.evaluate(samples.inputs[some].astype(np.float64))
        right += int((outputs.argmax(axis=1) == samples.labels[some]).sum())
    return right / len(samples.labels)


@dataclass(slots=True, eq=False)
class _Repair:
    """A repair under way."""

    original: Network
    start: Compressed
    regions: tuple[Region, ...]
    tolerance: Fraction
    effort: Effort
    data: Samples | None
    method: Policy
    begun: float = field(default_factory=time.monotonic)
    history: list[Iteration] = field(default_factory=list)
    before: Certified | None = None
    best: tuple[Compressed, Certified] | None = None
    last: tuple[Compressed, Certified] | None = None
    pool: Array = field(init=False)
    rate: float = field(init=False)
    stalled: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.pool = np.zeros((0, self.original.size_in))
        self.rate = self.method.training.rate
        self.rng = np.random.default_rng(self.effort.seed)

    @property
    def deadline(self) -> float:
        return self.begun + self.effort.seconds

    def run(self, progress: Progress, kept: Callable[[], None]) -> Repaired:
        """Go round until there is a reason to end."""
        if self.best is None:
            self._first(progress)
            kept()
        while (stop := self._stop()) is None:
            self._round(progress)
            kept()
        return self.result(stop)

    def result(self, stop: Stop) -> Repaired:
        """Return what is known now."""
        assert self.best is not None
        assert self.before is not None
        return Repaired(
            self.best[0], self.before, self.best[1], self.tolerance, tuple(self.history), stop
        )

    def _stop(self) -> Stop | None:
        assert self.best is not None
        if self.best[1].within(self.tolerance):
            return Stop.PROVED
        if self.best[1].interrupted or (self.last and self.last[1].interrupted):
            return Stop.INTERRUPTED
        if not self.method.movable(self.start):
            return Stop.FIXED
        if self.stalled >= self.method.patience:
            return Stop.STALLED
        if len(self.history) > self.method.iterations:
            return Stop.ROUNDS
        # A round that cannot be certified is lost, and rounds take about as long as each other.
        longest = max((one.seconds for one in self.history[1:]), default=0.0)
        if time.monotonic() + 0.5 * longest >= self.deadline:
            return Stop.TIME
        return None

    def _certified(self, compressed: Compressed) -> Certified:
        left = max(self.deadline - time.monotonic(), 0.0)
        boxes = min(self.effort.boxes, self.method.boxes)
        effort = replace(self.effort, seconds=left, boxes=boxes)
        return certified(self.original, compressed.network, self.regions, self.tolerance, effort)

    def _first(self, progress: Progress) -> None:
        begun = time.monotonic()
        # What comes in may take no more than its part: the rest is for what becomes of it.
        left = replace(self.effort, seconds=self.effort.seconds / 3.0)
        boxes = min(self.effort.boxes, self.method.boxes)
        effort = replace(left, boxes=boxes)
        network = self.start.network
        found = certified(self.original, network, self.regions, self.tolerance, effort)
        self.before, self.best, self.last = found, (self.start, found), (self.start, found)
        self._remember(found.points)
        self._note(Move.NONE, found, True, accuracy(network, self.data), begun, progress)

    def _round(self, progress: Progress) -> None:
        """Make candidates, certify the best of them, and keep it if it is better proved."""
        assert self.best is not None
        assert self.last is not None
        if len(self.history) == 1 and self._heal(progress):
            return
        begun = time.monotonic()
        now, known = self.last
        made = candidates(
            self.original,
            now,
            self.regions,
            (self.pool, known.lower, known.upper),
            self.data,
            replace(self.method, training=replace(self.method.training, rate=self.rate)),
            self.rng,
            (len(self.history) == 1, self.deadline),
        )
        for one in made:
            self._remember(one.points)
        allowed = [one for one in made if self._accurate(one.compressed)]
        tried: list[tuple[Candidate, Certified]] = []
        least = self.best[1].proved
        for one in allowed[:2]:
            if tried and (tried[0][1].proved < least or one.far > NEARLY * allowed[0].far):
                break
            tried.append((one, self._certified(one.compressed)))
            self._remember(tried[-1][1].points)
        if not tried:
            self._failed(Move.NONE, begun, progress)
            return
        one, found = min(tried, key=lambda pair: (pair[1].proved, pair[1].attained))
        better = (found.proved, found.attained) < (least, self.best[1].attained)
        gained = found.proved < least * (1.0 - GAIN)
        self.last = one.compressed, found
        if better:
            self.best = self.last
        elif found.proved > FAR * least:
            self.last = self.best
        self.stalled = 0 if gained else self.stalled + 1
        self.rate *= 1.0 if gained else 0.5
        right = accuracy(one.compressed.network, self.data)
        self._note(one.move, found, better, right, begun, progress)

    def _heal(self, progress: Progress) -> bool:
        """Retrain on the samples where their classes were lost; return whether that was a round."""
        assert self.best is not None
        whole, now = accuracy(self.original, self.data), self.history[0].accuracy
        if self.data is None or whole is None or now is None or now >= whole - self.method.drop:
            return False
        begun = time.monotonic()
        until = begun + 0.5 * (self.deadline - begun)  # the other half is for the distance
        args = (self.original, self.best[0], self.regions, self.data, self.method, self.rng)
        made = healed(*args, until)
        right = accuracy(made.network, self.data)
        if made is self.best[0] or right is None or right <= now:
            return False
        found = self._certified(made)
        self._remember(found.points)
        better = found.proved <= self.best[1].proved
        if better:
            self.best = self.last = (made, found)
        self._note(Move.HEALED, found, better, right, begun, progress)
        return True

    def _failed(self, move: Move, begun: float, progress: Progress) -> None:
        """Note a round none of whose networks could be certified."""
        assert self.best is not None
        self.last, self.stalled, self.rate = self.best, self.stalled + 1, self.rate * 0.5
        right = accuracy(self.best[0].network, self.data)
        self._note(move, self.best[1], False, right, begun, progress)

    def _accurate(self, compressed: Compressed) -> bool:
        """Return whether the samples are classified about as well as by the best on the way."""
        known = [one.accuracy for one in self.history if one.best and one.accuracy is not None]
        if not known:
            return True
        now = accuracy(compressed.network, self.data)
        return now is not None and now >= max(known) - self.method.drop

    def _note(
        self,
        move: Move,
        found: Certified,
        best: bool,
        right: float | None,
        begun: float,
        progress: Progress,
    ) -> None:
        spent = time.monotonic() - begun
        number, boxes = len(self.history), found.boxes
        self.history.append(
            Iteration(number, move, found.attained, found.proved, best, right, boxes, spent)
        )
        progress(self.history[-1])

    def _remember(self, points: Array) -> None:
        """Add points to those that are remembered; the newest come first."""
        every = np.concatenate([points, self.pool])
        first = np.sort(np.unique(every, axis=0, return_index=True)[1])
        self.pool = every[first][:POOL]

    def state(self) -> State:
        """Return what a later call needs to go on."""
        assert self.best is not None
        assert self.last is not None
        assert self.before is not None
        return State(
            tuple(self.history),
            self.before,
            self.best,
            self.last,
            self.pool,
            self.rate,
            self.stalled,
            self.rng.bit_generator.state,
        )

    def restore(self, state: State) -> None:
        """Go on from where an earlier call was."""
        self.history = list(state.history)
        self.before, self.best, self.last = state.before, state.best, state.last
        self.pool, self.rate, self.stalled = state.pool, state.rate, state.stalled
        self.rng.bit_generator.state = state.generator
