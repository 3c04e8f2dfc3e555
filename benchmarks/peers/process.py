"""One process under a wall-time limit, stopped together with everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LAST_WORDS = 400
"""Characters of a failed process's standard error that are kept."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended.

    Attributes:
        code: exit status; negative for a signal.
        stopped: whether it was stopped at the limit.
        output, errors: what it wrote.
        seconds: wall time from start to end.
        megabytes: its peak resident memory; that of its own children is not in it.
        cpu: processor seconds, user and system, of it and of the children that it waited for.
    """

    code: int
    stopped: bool
    output: str
    errors: str
    seconds: float
    megabytes: float
    cpu: float = 0.0

    @property
    def last_words(self) -> str:
        """The end of its standard error, on one line."""
        return " ".join(self.errors.split())[-LAST_WORDS:]


def finish(
    command: Sequence[str], limit: float, scratch: Path, environment: Mapping[str, str]
) -> Finished:
    """Return a command's process after it ended or was stopped.

    It gets a process group of its own; at the limit, and in any case after its end, the whole group
    is killed, so that no worker goes on and disturbs the next measurement.

    Args:
        command: program and arguments.
        limit: seconds of wall time, above 0.
        scratch: an empty folder; it is the working directory and holds what the process writes.
        environment: variables added to this process's own.

    Raises:
        OSError: the program cannot be started.
    """
    stopped = threading.Event()
    with (scratch / "stdout").open("wb") as output, (scratch / "stderr").open("wb") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=scratch,
            env={**os.environ, **environment},
            start_new_session=True,
        )

        def stop() -> None:
            stopped.set()
            _kill(process.pid)

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            timer.cancel()
            _kill(process.pid)
    return Finished(
        process.returncode,
        stopped.is_set(),
        (scratch / "stdout").read_text(errors="replace"),
        (scratch / "stderr").read_text(errors="replace"),
        seconds,
        usage.ru_maxrss / 1024,
        usage.ru_utime + usage.ru_stime,
    )


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
