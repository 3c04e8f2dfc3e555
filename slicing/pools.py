"""Pools: workers that are given batches, watched, and replaced when they die or hang.

A pool stands on a ground, which says where workers live: processes of this machine
(`run_processes`) or actors of a cluster (`run_ray`). `run_here` is a pool without workers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..engine.errors import InputError
from .worker import Died, Overran, Raised, Reply, Returned

FIRST_DEATHS = 3
"""Workers that may die while they load, one after the other, before any has loaded; no unit."""

LATER_DEATHS = 10
"""The same once the work is known to load: a machine short of memory may yet recover."""

LOADING = 900.0
"""Seconds in which a worker has to have loaded: loops are compiled, clusters grow."""


class Pool(Protocol):
    """What takes batches and hands back one reply for each."""

    @property
    def free(self) -> int:
        """How many batches can be begun now."""

    def begin(self, ticket: int, payloads: Sequence[Any], seconds: float) -> None:
        """Begin a batch under a number of the caller's; it has so many seconds."""

    def wait(self, seconds: float) -> list[tuple[int, Reply]]:
        """Return the replies that came, after this many seconds at the latest."""

    def close(self) -> None:
        """End every worker at once, whatever it does."""


class Worker(Protocol):
    """One worker of a ground; it is loading when it is handed out."""

    def give(self, payloads: Sequence[Any]) -> None:
        """Send it a batch."""

    def kill(self) -> None:
        """End it at once; no reply of it is heard any more."""


class Ground(Protocol):
    """Where workers live."""

    def start(self) -> Worker:
        """Return a new worker; its first reply says that it has loaded."""

    def hear(self, seconds: float) -> list[tuple[Worker, Returned | Raised | Died]]:
        """Return the replies that came, after this many seconds at the latest."""

    def close(self) -> None:
        """End every worker and what belongs to the ground itself."""


@dataclass(slots=True)
class _Place:
    """A worker and what it does.

    Attributes:
        ready: whether it has loaded.
        ticket: of its batch; None if it has none.
        begun: when it was started or given the batch, on `time.monotonic`.
        seconds: how long it may take.
    """

    worker: Worker
    begun: float
    seconds: float = LOADING
    ready: bool = False
    ticket: int | None = None


class Crew:
    """A pool of a fixed number of workers on some ground.

    Raises:
        InputError: the number of workers is below 1.
    """

    def __init__(self, ground: Ground, workers: int) -> None:
        if workers < 1:
            raise InputError(f"{workers} workers: give 1 or more")
        self._ground = ground
        self._deaths = 0
        self._ever = False
        self._places: list[_Place] = []
        try:
            for _ in range(workers):
                self._places.append(_Place(ground.start(), time.monotonic()))
        except BaseException:
            ground.close()
            raise

    @property
    def free(self) -> int:
        """How many workers are loaded and have nothing to do."""
        return sum(place.ready and place.ticket is None for place in self._places)

    def begin(self, ticket: int, payloads: Sequence[Any], seconds: float) -> None:
        """Give a batch to a free worker; there must be one.

        Args:
            ticket: the number under which the reply comes back.
            payloads: of the cells.
            seconds: after which the worker is killed.
        """
        place = next(place for place in self._places if place.ready and place.ticket is None)
        place.ticket, place.begun, place.seconds = ticket, time.monotonic(), seconds
        place.worker.give(payloads)

    def wait(self, seconds: float) -> list[tuple[int, Reply]]:
        """Return the replies that came, after this many seconds at the latest.

        Raises:
            InputError: workers cannot load, or die before they have.
        """
        now = time.monotonic()
        busy = [place for place in self._places if place.ticket is not None]
        nearest = min((place.begun + place.seconds - now for place in busy), default=seconds)
        replies: list[tuple[int, Reply]] = []
        for worker, reply in self._ground.hear(max(0.0, min(seconds, nearest))):
            place = next((one for one in self._places if one.worker is worker), None)
            if place is not None:
                replies += self._heard(place, reply)
        now = time.monotonic()
        for place in self._places:
            if now < place.begun + place.seconds:
                continue
            if place.ticket is not None:
                replies.append((place.ticket, Overran(place.seconds)))
                self._replace(place)
            elif not place.ready:
                self._lost(place, f"not ready within {LOADING:.0f} s")
        return replies

    def close(self) -> None:
        """End every worker at once, whatever it does."""
        for place in self._places:
            place.worker.kill()
        self._places = []
        self._ground.close()

    def _heard(self, place: _Place, reply: Returned | Raised | Died) -> list[tuple[int, Reply]]:
        ticket = place.ticket
        if ticket is not None:
            place.ticket = None
            self._deaths = 0
            if isinstance(reply, Died):
                self._replace(place)
            return [(ticket, reply)]
        match reply:
            case Returned():
                place.ready = self._ever = True
                self._deaths = 0
            case Raised():
                raise InputError(f"a worker cannot begin: {reply.reason}")
            case Died() if place.ready:
                self._replace(place)
            case Died():
                self._lost(place, reply.reason)
        return []

    def _lost(self, place: _Place, reason: str) -> None:
        """Replace a worker that has not loaded, unless too many have not."""
        self._deaths += 1
        if self._deaths >= (LATER_DEATHS if self._ever else FIRST_DEATHS):
            raise InputError(
                f"{self._deaths} workers died while they loaded ({reason}): give them more "
                "memory, or take fewer"
            )
        self._replace(place)

    def _replace(self, place: _Place) -> None:
        place.worker.kill()
        place.worker, place.ready, place.ticket = self._ground.start(), False, None
        place.begun, place.seconds = time.monotonic(), LOADING
