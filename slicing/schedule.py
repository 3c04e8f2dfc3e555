"""Schedule: hand cells to workers in batches until each has exactly one outcome.

A batch that fails, dies or overruns is cut in halves, which are tried by themselves, until the
cell to blame is alone; only a cell that was alone is charged. The schedule knows nothing of
networks. It holds a batch for each worker and the pieces of those that went wrong; further cells
are taken from their iterator when a worker is free.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from types import FrameType
from typing import Any, assert_never

from ..engine.errors import InputError
from .pools import Pool
from .work import WORDS, Cell, Done, Ended, Failed, Late, Outcome, Quarantined
from .worker import Died, Overran, Raised, Reply, Returned

TICK = 0.1
"""Seconds after which a run looks up when nothing happens: whether to stop, whether to commit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may spend on its cells.

    Attributes:
        batch: cells that go to a worker together, 1 or more.
        seconds: of wall time for a cell that is alone, above 0.
        batch_seconds: for a batch, above 0; None for ``seconds`` times its cells. A batch that
            overruns is cut up, so no cell is called late before it was alone.
        deaths: how often a cell alone may kill its worker before it is quarantined, 1 or more.
        errors: how often a cell alone may raise before it has failed, 1 or more.

    Raises:
        InputError: one of them is not in its range.
    """

    batch: int = 64
    seconds: float = 60.0
    batch_seconds: float | None = None
    deaths: int = 3
    errors: int = 1

    def __post_init__(self) -> None:
        for name, least in (("batch", 1), ("deaths", 1), ("errors", 1)):
            if not least <= getattr(self, name):
                raise InputError(f"limits: {name} is {getattr(self, name)}; give {least} or more")
        for name in ("seconds", "batch_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise InputError(f"limits: {name} is {value:g}; give seconds above 0")

    def allowed(self, cells: int) -> float:
        """Return the seconds for a batch of so many cells."""
        if cells == 1 or self.batch_seconds is None:
            return self.seconds * cells
        return self.batch_seconds


@dataclass(frozen=True, slots=True)
class Tally:
    """How a run ended.

    Attributes:
        done, failed, late, quarantined: cells that ended so in this run.
        stopped: whether it was told to stop before the last cell.
    """

    done: int
    failed: int
    late: int
    quarantined: int
    stopped: bool


@dataclass(slots=True)
class _Try:
    """A cell and how often it was begun, and alone raised or killed its worker."""

    cell: Cell
    attempts: int = 0
    errors: int = 0
    deaths: int = 0


_Batch = tuple[_Try, ...]


def run(
    cells: Iterable[Cell],
    pool: Pool,
    limits: Limits,
    record: Callable[[Sequence[Ended]], None],
    stop: Callable[[], bool] = lambda: False,
) -> Tally:
    """Work on every cell and record exactly one outcome for each; the pool is closed at the end.

    Args:
        cells: taken one batch at a time, when a worker is free.
        pool: the workers.
        limits: what may be spent.
        record: given the outcomes as they come, in any order; called at least every `TICK`, also
            with none.
        stop: asked at least every `TICK`; once it says so nothing is begun any more, batches at
            work are given up, and their cells have no outcome.

    Raises:
        InputError: no worker can load.
    """
    told = Counter[type[Outcome]]()
    stopped = False
    running: dict[int, _Batch] = {}
    tickets = count()
    try:
        schedule = _Schedule(iter(cells), limits)
        batch = schedule.next()
        while not (stopped := stop()):
            while batch and pool.free:
                ticket = next(tickets)
                running[ticket] = batch
                pool.begin(ticket, schedule.payloads(batch), limits.allowed(len(batch)))
                batch = schedule.next()
            if not running and not batch:
                break
            ended: list[Ended] = []
            for ticket, reply in pool.wait(TICK):
                ended += schedule.settle(running.pop(ticket), reply)
            told.update(type(one.outcome) for one in ended)
            record(ended)
            batch = batch or schedule.next()
    finally:
        pool.close()
    return Tally(**{word: told[kind] for kind, word in WORDS.items()}, stopped=stopped)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Give the block a `stop` that says whether the process was asked to end.

    SIGINT and SIGTERM ask once; what comes after the first has its usual effect at once. Works
    in the main thread; elsewhere `stop` never says so.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    usual: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        restore()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        usual[number] = signal.signal(number, ask) or signal.SIG_DFL
    try:
        yield asked.is_set
    finally:
        restore()


class _Schedule:
    """The batches that are still to be begun, and what a reply makes of a batch."""

    def __init__(self, cells: Iterator[Cell], limits: Limits) -> None:
        self._cells = cells
        self._limits = limits
        self._pieces: deque[_Batch] = deque()

    def next(self) -> _Batch:
        """Return the batch to begin next, empty if there is none; pieces go before new cells."""
        if self._pieces:
            return self._pieces.popleft()
        return tuple(map(_Try, islice(self._cells, self._limits.batch)))

    def payloads(self, batch: _Batch) -> list[Any]:
        """Return what a batch that begins now is about, and count its attempt."""
        for one in batch:
            one.attempts += 1
        return [one.cell.payload for one in batch]

    def settle(self, batch: _Batch, reply: Reply) -> list[Ended]:
        """Return the cells whose outcome a reply gives; the others will be begun again."""
        if isinstance(reply, Returned):
            share = reply.seconds / len(batch)
            return [
                Ended(one.cell, Done(result), one.attempts, share)
                for one, result in zip(batch, reply.results, strict=True)
            ]
        if len(batch) > 1:
            half = len(batch) // 2
            self._again(batch[half:])
            self._again(batch[:half])
            return []
        return self._alone(batch[0], reply)

    def _alone(self, one: _Try, reply: Raised | Overran | Died) -> list[Ended]:
        """Return how a cell ended that was alone to blame, if it did."""
        outcome: Outcome | None = None
        seconds = 0.0
        match reply:
            case Raised():
                one.errors += 1
                seconds = reply.seconds
                if one.errors >= self._limits.errors:
                    outcome = Failed(reply.reason)
            case Overran():
                seconds = reply.seconds
                outcome = Late(f"not done within {seconds:g} s")
            case Died():
                one.deaths += 1
                if one.deaths >= self._limits.deaths:
                    outcome = Quarantined(f"{reply.reason}, {_times(one.deaths)}")
            case _:
                assert_never(reply)
        if outcome is None:
            self._again((one,))
            return []
        return [Ended(one.cell, outcome, one.attempts, seconds)]

    def _again(self, batch: _Batch) -> None:
        self._pieces.appendleft(batch)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
