"""A process that calls one function of a paired spec, run after run, and times it.

It stays open between the runs of its arm, so that what is loaded once is loaded once, and it can be
killed without harm to the arms beside it.
"""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from .row import Status

READY: Final = 900.0
"""Seconds that making an instance ready, and one run that is not timed, may take."""


@dataclass(frozen=True, slots=True)
class Timed:
    """What became of one call.

    Attributes:
        status: how it ended.
        answer: what the function returned.
        wall, cpu: seconds of the call alone.
        megabytes: peak resident memory of the process since the instance was begun.
        note: what went wrong.
    """

    status: Status
    answer: str = ""
    wall: float = 0.0
    cpu: float = 0.0
    megabytes: float = 0.0
    note: str = ""


def target(path: str) -> Callable[..., Any]:
    """Return the function of ``module:function``; from a dot on, below `secateur.benchmarks`."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module, __package__), name)
    return found


def timed(
    path: str, instance: str, seed: int, warm: bool, begin: Callable[[], None] = lambda: None
) -> Timed:
    """Return one call in this process; where it is not ``warm`` yet, after one that is not timed.

    ``begin`` is called just before the clock starts. An error of the function is a row like any
    other; a package that is not there makes it MISSING.
    """
    _forget_peak()
    try:
        task = target(path)(instance, seed)
        if not warm:
            task()
        gc.collect()
        begin()
        cpu, wall = time.process_time(), time.perf_counter()
        answer = task()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    except ModuleNotFoundError as error:
        return Timed(Status.MISSING, note=str(error))
    except Exception as error:
        note = " ".join(f"{type(error).__name__}: {error}".split())
        return Timed(Status.FAILED, megabytes=_peak(), note=note)
    return Timed(Status.DONE, str(answer), wall, cpu, _peak())


class Worker:
    """The process of one function.

    It is started by the first call, and again by the first one after it was killed.
    """

    def __init__(self, path: str) -> None:
        """Take the function as ``module:function``."""
        self._path = path
        self._process: Any = None
        self._end: Connection | None = None

    def call(self, instance: str, seed: int, limit: float) -> Timed:
        """Return one call; its process is killed after the limit, or where it is not READY."""
        warm = self._end is not None
        end = self._end or self._started()
        end.send((instance, seed, warm))
        try:
            if not end.poll(READY):
                return self._ended(Timed(Status.TIMEOUT, note=f"not ready after {READY:g} s"))
            found: Timed | None = end.recv()
            if found is None:
                if not end.poll(limit):
                    return self._ended(Timed(Status.TIMEOUT, wall=limit))
                found = end.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            status = Status.KILLED if code < 0 else Status.FAILED
            return self._ended(Timed(status, note=f"its process ended with {code}"))
        return found or Timed(Status.FAILED, note="it began twice")

    def close(self) -> None:
        """End the process."""
        self._ended(Timed(Status.DONE))

    def _started(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, self._path), daemon=True)
        self._process.start()
        there.close()
        self._end = here
        return here

    def _ended(self, last: Timed) -> Timed:
        if self._end is not None:
            self._process.kill()
            self._process.join()
            self._end.close()
            self._end = None
        return last


def _serve(end: Connection, path: str) -> None:
    """Answer calls until the other end is closed."""
    with suppress(EOFError):
        while True:
            instance, seed, warm = end.recv()
            end.send(timed(path, instance, seed, warm, partial(end.send, None)))


def _forget_peak() -> None:
    """Let the system count peak memory from now on, where it can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """Return the peak resident memory of this process in MB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
