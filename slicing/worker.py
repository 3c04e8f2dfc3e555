"""Worker: the side of a run that works; it loads once and answers batch after batch.

It imports nothing heavy itself: the variables that keep numerical libraries to one thread are
set before the work's own modules are read.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .work import Work, line_of

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Variables that say how many threads a numerical library starts; read when it is loaded."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The results of a batch, one for each payload, and the seconds that they took."""

    results: tuple[Any, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Raised:
    """A batch, or the loading, ended in an error after so many seconds."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Overran:
    """A batch was not answered within the seconds that it had; its worker is gone."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Died:
    """A batch's worker ended without an answer."""

    reason: str


Reply = Returned | Raised | Overran | Died


class Bench:
    """What a worker keeps from batch to batch: the work, and what it loaded for it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._loaded = False
        self._setting: Any = None

    def load(self) -> Returned | Raised:
        """Load what the work needs, unless that is done; return how it went."""
        start = time.perf_counter()
        try:
            if not self._loaded:
                self._setting = self._work.load(self._work.argument)
                self._loaded = True
        except (Exception, SystemExit) as error:
            return Raised(line_of(error), time.perf_counter() - start)
        return Returned((), time.perf_counter() - start)

    def answer(self, payloads: Sequence[Any]) -> Returned | Raised:
        """Work on a batch and return what came of it; whatever it raises is an answer too."""
        loaded = self.load()
        if isinstance(loaded, Raised):
            return loaded
        start = time.perf_counter()
        try:
            results = tuple(self._work.run(self._setting, payloads))
            if len(results) != len(payloads):
                raise ValueError(f"{len(results)} results for {len(payloads)} cells")
        except (Exception, SystemExit) as error:
            return Raised(line_of(error), time.perf_counter() - start)
        return Returned(results, time.perf_counter() - start)


class Packed:
    """A bench that is spoken to in bytes, so that nothing which cannot be sent stops a channel.

    It keeps the libraries that are loaded from now on to one thread.
    """

    def __init__(self, work: bytes) -> None:
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        self._work = work
        self._bench: Bench | None = None

    def load(self) -> bytes:
        """Load what the work needs; return the packed `Returned` or `Raised`."""
        start = time.perf_counter()
        if self._bench is None:
            try:
                self._bench = Bench(pickle.loads(self._work))
            except Exception as error:
                return pickle.dumps(Raised(line_of(error), time.perf_counter() - start))
        return pickle.dumps(self._bench.load())

    def answer(self, payloads: bytes) -> bytes:
        """Work on packed payloads; return the packed `Returned` or `Raised`."""
        start = time.perf_counter()
        if self._bench is None and isinstance(unpacked(self.load()), Raised):
            os._exit(1)  # no cell is to blame; the worker after this one says what is wrong
        assert self._bench is not None
        try:
            return pickle.dumps(self._bench.answer(pickle.loads(payloads)))
        except Exception as error:  # a payload or a result that cannot be packed
            return pickle.dumps(Raised(line_of(error), time.perf_counter() - start))


def unpacked(reply: bytes) -> Returned | Raised:
    """Return what a `Packed` bench said."""
    try:
        said: Returned | Raised = pickle.loads(reply)
    except Exception as error:
        return Raised(f"a result cannot be read back: {line_of(error)}", 0.0)
    return said


_bench: Packed | None = None


def begin(work: bytes) -> None:
    """Make this process a worker: it answers `load` and `answer`, and ends with its parent."""
    global _bench
    _end_with_parent()
    _be_first_to_go()
    _bench = Packed(work)


def load() -> bytes:
    """Return what `Packed.load` says in this worker."""
    assert _bench is not None
    return _bench.load()


def answer(payloads: bytes) -> bytes:
    """Return what `Packed.answer` says in this worker."""
    assert _bench is not None
    return _bench.answer(payloads)


@contextmanager
def starting() -> Iterator[None]:
    """Let processes that the block starts have one numerical thread, and no ears for Ctrl-C.

    A terminal sends that to all of them; the driver alone decides what it means.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    masks = hasattr(signal, "pthread_sigmask")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, even if that was killed.

    A thread waits for it. Linux also sends the signal by itself, which reaches a worker that is
    deep in compiled code and lets no thread run.
    """
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True, name="parent").start()
    if sys.platform == "linux":
        import ctypes

        death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)
        if os.getppid() != parent.pid:
            os.kill(os.getpid(), signal.SIGKILL)


def _be_first_to_go() -> None:
    """Let Linux end this process before its driver when memory runs out."""
    try:
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError:  # another system, or it is set higher already
        return
