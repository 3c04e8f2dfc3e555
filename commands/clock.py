"""Wall time: how old the process is, and stops that do not depend on the engines' goodwill.

The bell interrupts the engines, which hand on what they have found. What an interrupt does not
reach, loops being compiled, a solver deep in its own code, is left behind with the process.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

PATIENCE = 0.6
"""Seconds after the bell that a block has to end in before the process is left."""

SAME_START = 0.1
"""Seconds within which two measures of the process's start are the same."""


class OutOfTime(KeyboardInterrupt):
    """The time is over; no error, and so no `Exception` that an engine might handle.

    A search that is interrupted hands on what it has found; the bell is an interrupt like another.
    """


def age() -> float:
    """Return the seconds since this process was started, as far as the system tells."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, AttributeError, IndexError):
        return time.process_time()


def owns(began: float) -> bool:
    """Return whether this process was started for the command that began then, on `monotonic`.

    Only such a process may be left together with the command; one that called it goes on.
    """
    return abs(time.monotonic() - age() - began) < SAME_START


@contextmanager
def alarm(seconds: float, farewell: Callable[[], int] | None = None) -> Iterator[None]:
    """Raise `OutOfTime` in the block when the seconds are over.

    Works in the main thread of systems with interval timers; elsewhere no bell rings.

    Args:
        seconds: of wall time.
        farewell: called from another thread if the block does not end within `PATIENCE` of the
            bell; it says what is known and returns the code with which the process then ends at
            once. Once it is called, the block does not end any more.
    """
    if math.isinf(seconds):
        yield
        return
    if seconds <= 0.0:
        raise OutOfTime
    with _watched(seconds + PATIENCE, farewell), _bell(seconds):
        yield


@contextmanager
def _bell(seconds: float) -> Iterator[None]:
    able = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if not able:
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _watched(seconds: float, farewell: Callable[[], int] | None) -> Iterator[None]:
    if farewell is None:
        yield
        return
    ended, speaking = threading.Event(), threading.Lock()

    def leave() -> None:
        with speaking:  # the block waits here for its end: nobody else speaks any more
            if not ended.is_set():
                code = 1
                try:
                    code = farewell()
                    sys.stdout.flush()
                    sys.stderr.flush()
                finally:
                    os._exit(code)

    watch = threading.Timer(seconds, leave)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        with speaking:
            ended.set()
        watch.cancel()
