"""Wall time: how old the process is, and a stop that does not depend on the engines' goodwill."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


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


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the block when the seconds are over.

    Works in the main thread of systems with interval timers; elsewhere the block just runs on.
    """
    able = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if not able or math.isinf(seconds):
        yield
        return
    if seconds <= 0.0:
        raise OutOfTime

    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
