"""Runs a command of secateur under a thread that samples its stacks, for want of py-spy.

`main` takes the words ``STACKS -- slice ...`` and writes folded stacks to a file. A sample weighs
what the process spent on its processors since the one before, so that a thread that waits counts
for little; where several threads run, they share it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY = 0.005
"""Seconds between samples, at least: a loop that holds the interpreter's lock delays them."""

_WAITS = ("wait", "acquire", "_wait_for_tstate_lock", "join", "get", "result", "_worker", "select")
"""Innermost functions of threads that only wait."""


class Sampler(threading.Thread):
    """Samples all other threads until it is told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.weights: Counter[str] = Counter()
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample."""
        before = time.process_time_ns()
        while not self._ended.wait(EVERY):
            now = time.process_time_ns()
            stacks = [
                stack(frame)
                for thread, frame in sys._current_frames().items()
                if thread != self.ident and frame.f_code.co_name not in _WAITS
            ]
            for one in stacks:
                self.weights[one] += (now - before) // len(stacks)
            before = now

    def end(self) -> None:
        """End sampling."""
        self._ended.set()
        self.join()


def stack(frame: FrameType | None) -> str:
    """Return a thread's frames, the outermost first, with semicolons between them."""
    out: list[str] = []
    while frame is not None:
        code = frame.f_code
        out.append(f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})")
        frame = frame.f_back
    return ";".join(reversed(out))


def main() -> None:
    """Run the command, and write what was sampled whatever it ends with."""
    target, _, *words = sys.argv[1:]
    sampler = Sampler()
    sampler.start()
    from ..__main__ import main as command

    sys.argv = ["secateur", *words]
    try:
        command()
    finally:
        sampler.end()
        text = "".join(f"{one} {weight}\n" for one, weight in sampler.weights.items())
        Path(target).write_text(text)
