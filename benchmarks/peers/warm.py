"""A process that answers one question after another, so that its imports are paid once.

It reads a line of JSON from standard input, ``{"file": PATH, "limit": SECONDS}``, and writes one
to standard output. It should keep the limit; where it does not, it is killed from outside with
everything that it started, and the next question gets a fresh one.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

START: Final = 120.0
"""Seconds beyond its limit that a fresh process has for its first answer."""


class Warm:
    """One program that answers, started when it is first asked.

    Attributes:
        name: how tables call it.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], grace: float = 5.0
    ) -> None:
        """Take a command.

        Args:
            name: how tables call it.
            command: program and arguments.
            environment: variables added to this process's own.
            grace: seconds beyond the limit after which it is killed.
        """
        self.name = name
        self._command, self._environment = list(command), {**os.environ, **environment}
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill the process."""
        self._kill()

    def ask(self, file: Path, limit: float) -> dict[str, Any] | None:
        """Return what it says of a question; None where it was killed or ended.

        A fresh process is asked the question once before, and that answer is not looked at.

        Args:
            file: the question's arrays.
            limit: wall time, seconds.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
                start_new_session=True,
            )
            if self._said(file, min(limit, 1.0), START) is None:
                return None
        return self._said(file, limit, self._grace)

    def _said(self, file: Path, limit: float, grace: float) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line, late = b"", time.monotonic() + limit + grace
        try:
            self._process.stdin.write(
                json.dumps({"file": str(file), "limit": limit}).encode() + b"\n"
            )
            self._process.stdin.flush()
            output = self._process.stdout.fileno()
            while not line.endswith(b"\n"):
                ready, _, _ = select.select([output], [], [], max(late - time.monotonic(), 0.0))
                part = os.read(output, 1 << 16) if ready else b""
                if not part:  # late, or it has ended
                    self._kill()
                    return None
                line += part
        except BrokenPipeError:
            self._kill()
            return None
        found: dict[str, Any] = json.loads(line)
        return found

    def _kill(self) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._process = None
