"""Worker processes of this machine, on pebble.

Every worker is a pebble pool of its own. In a pool of several workers all of them share two pipes
and their locks, and one that is killed while it holds a lock, or halfway through a message, stops
the others and the pool for good. Here it stops itself alone, and its pool goes with it.
"""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any

from pebble import ProcessExpired, ProcessPool

from ..engine.errors import InputError
from . import worker
from .pools import Crew, Worker
from .work import Work, line_of
from .worker import Died, Raised, Returned, unpacked

LEAVING = 5.0
"""Seconds that a run waits at its end for the pools of its workers to be taken down."""

ANSWERING = 1.0
"""Seconds that the last words of a worker that has ended may be on their way."""

Heard = tuple[Worker, Returned | Raised | Died]


def processes(work: Work, workers: int) -> Crew:
    """Return a pool of worker processes on this machine, each with one thread.

    The thread that calls this, and later `Crew.wait`, has to live as long as the run: on Linux
    the workers end with it.

    Args:
        work: what is done to the cells.
        workers: how many processes; at least 1.

    Raises:
        InputError: too few workers, or the work cannot be pickled.
    """
    return Crew(Processes(work), workers)


class Processes:
    """The ground that is this machine; see `pools.Ground`.

    Raises:
        InputError: the work cannot be pickled.
    """

    def __init__(self, work: Work) -> None:
        try:
            self._work = pickle.dumps(work)
        except Exception as error:
            raise InputError(
                f"the work cannot be sent to a worker ({line_of(error)}): its functions have to "
                "stand in modules"
            ) from error
        self._heard: SimpleQueue[Heard] = SimpleQueue()
        self._started: list[_Process] = []

    def start(self) -> Worker:
        """Return a new worker, which begins to load."""
        self._started = [one for one in self._started if not one.left]
        self._started.append(_Process(self._work, self._heard))
        return self._started[-1]

    def hear(self, seconds: float) -> list[Heard]:
        """Return the replies that came, after this many seconds at the latest."""
        for process in self._started:
            process.look()
        heard: list[Heard] = []
        try:
            heard.append(self._heard.get(timeout=seconds))
            while True:
                heard.append(self._heard.get_nowait())
        except Empty:
            return heard

    def close(self) -> None:
        """End every worker and wait a little for what belongs to it."""
        until = time.monotonic() + LEAVING
        for process in self._started:
            process.kill()
        for process in self._started:
            process.leave(until - time.monotonic())

    def pids(self) -> list[int]:
        """Return the processes that are alive, for measurements that kill them."""
        return [pid for process in self._started for pid in process.pids()]


class _Process:
    """A worker: one process in one pool of its own."""

    def __init__(self, work: bytes, heard: SimpleQueue[Heard]) -> None:
        self._heard = heard
        self._context = _Context()
        self._leaving: threading.Thread | None = None
        self._asked = False
        self._gone: float | None = None
        self._pool = ProcessPool(
            max_workers=1, initializer=worker.begin, initargs=(work,), context=self._context
        )
        with worker.starting():  # the first call starts the process, in this thread
            self._call(worker.load)

    def give(self, payloads: Sequence[Any]) -> None:
        """Send it a batch."""
        try:
            data = pickle.dumps(tuple(payloads))
        except Exception as error:
            self._heard.put((self, Raised(line_of(error), 0.0)))
        else:
            self._call(worker.answer, data)

    def kill(self) -> None:
        """End it at once, and begin to take its pool down.

        That never ends where the worker died halfway through a message, so nobody waits for it.
        """
        if self._leaving is None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            for process in tuple(self._context.started):
                if process.pid is not None:
                    process.kill()
            self._leaving = threading.Thread(target=self._pool.join, daemon=True)
            self._leaving.start()

    def look(self) -> None:
        """Say that it died, if it ended without an answer and pebble does not say so.

        pebble passes over a process that ended with code 0, though a batch was at work in it.
        """
        if self._asked and self._leaving is None and not self._context.started[0].is_alive():
            now = time.monotonic()
            self._gone = self._gone or now
            if now > self._gone + ANSWERING:
                self._answered(Died("its worker ended without an answer"))

    def leave(self, seconds: float) -> None:
        """Wait this long at most until its pool is taken down."""
        if self._leaving is not None:
            self._leaving.join(max(0.0, seconds))

    @property
    def left(self) -> bool:
        """Whether it was killed and nothing of it is there any more."""
        return self._leaving is not None and not self._leaving.is_alive()

    def pids(self) -> list[int]:
        """Return its processes that are alive; there is a second where the first has died."""
        return [one.pid for one in tuple(self._context.started) if one.pid and one.is_alive()]

    def _call(self, function: Callable[..., bytes], *given: bytes) -> None:
        self._asked = True
        try:
            future = self._pool.schedule(function, args=given)
        except RuntimeError as error:  # it died while it had nothing to do
            self._answered(Died(line_of(error)))
        else:
            future.add_done_callback(self._done)

    def _done(self, future: Future[bytes]) -> None:
        error = future.exception()
        self._answered(unpacked(future.result()) if error is None else Died(_reason(error)))

    def _answered(self, reply: Returned | Raised | Died) -> None:
        self._asked = False
        self._heard.put((self, reply))


class _Context:
    """The start method that takes nothing over from this process, and what it has started.

    pebble asks its context for pipes, locks and processes, and names the processes to nobody.
    """

    def __init__(self) -> None:
        self._spawn = multiprocessing.get_context("spawn")
        self.Pipe = self._spawn.Pipe
        self.RLock = self._spawn.RLock
        self.get_start_method = self._spawn.get_start_method
        self.started: list[BaseProcess] = []

    def Process(self, **given: Any) -> BaseProcess:  # noqa: N802 - the name that pebble calls
        process = self._spawn.Process(**given)
        self.started.append(process)
        return process


def _reason(error: BaseException) -> str:
    """Return why a worker gave no answer; a negative exit code is the signal that ended it."""
    if isinstance(error, ProcessExpired):
        code = error.exitcode
        return (
            f"its worker was ended by signal {-code}" if code < 0 else f"its worker ended ({code})"
        )
    return line_of(error)
