"""In process: batches are worked on where the run is, one after the other; for debugging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..engine.errors import InputError
from .work import Work
from .worker import Bench, Overran, Raised, Reply


class Here:
    """A pool without workers.

    Nothing can be killed: a cell that hangs hangs the run, and one that ends the process ends
    the run. A batch that took longer than it had is Overran all the same, once it has ended.

    Raises:
        InputError: the work cannot load.
    """

    def __init__(self, work: Work) -> None:
        self._bench = Bench(work)
        self._batch: tuple[int, Sequence[Any], float] | None = None
        loaded = self._bench.load()
        if isinstance(loaded, Raised):
            raise InputError(f"the work cannot begin: {loaded.reason}")

    @property
    def free(self) -> int:
        """1 if no batch waits, else 0."""
        return int(self._batch is None)

    def begin(self, ticket: int, payloads: Sequence[Any], seconds: float) -> None:
        """Take a batch; `wait` works on it."""
        self._batch = ticket, payloads, seconds

    def wait(self, seconds: float) -> list[tuple[int, Reply]]:
        """Work on the batch, however long it takes, and return its reply."""
        if self._batch is None:
            return []
        (ticket, payloads, allowed), self._batch = self._batch, None
        reply = self._bench.answer(payloads)
        return [(ticket, Overran(allowed) if reply.seconds > allowed else reply)]

    def close(self) -> None:
        """Forget the batch that waits."""
        self._batch = None
