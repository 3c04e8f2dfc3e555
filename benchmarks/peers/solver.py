"""A solver as the measurements see it: how it is asked, and how its answer is read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .answer import Answer, Reading, Run
from .environment import Environment
from .process import Finished, finish

GRACE = 5.0
"""Seconds beyond the limit that a process may take to start and to say what it has found."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What numerical libraries read their number of threads from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question for a solver.

    Attributes:
        query: VNN-LIB file.
        networks: for each declared network its ONNX file; version 1 knows one, `N`.
        limit: seconds that the solver is told to take at most.
        cores: threads that it is told to use.
    """

    query: Path
    networks: Mapping[str, Path]
    limit: float
    cores: int

    def __post_init__(self) -> None:
        if not self.networks or self.limit <= 0 or self.cores < 1:
            raise ValueError(
                f"{self.query}: {len(self.networks)} networks, {self.limit} s and {self.cores} "
                "cores: give at least one network, a limit above 0 and a core"
            )

    @property
    def network(self) -> Path:
        """The file of the only network.

        Raises:
            ValueError: there are several.
        """
        if len(self.networks) != 1:
            raise ValueError(f"{self.query} speaks of {len(self.networks)} networks, not of one")
        return next(iter(self.networks.values()))


@dataclass(frozen=True, slots=True)
class Solver:
    """A verifier that is asked as a process.

    Attributes:
        name: how tables call it.
        environment: where it is installed; None for the running one.
        pairs: whether it takes questions about two networks (VNN-LIB 2).
        command: of a question, given an empty folder for what it writes.
        read: what it says, from the process and that folder.
        settings: what it is told beside the question, for the table's notes.
    """

    name: str
    environment: Environment | None
    pairs: bool
    command: Callable[[Asked, Path], Sequence[str]]
    read: Callable[[Finished, Path], Reading]
    settings: str

    @property
    def version(self) -> str:
        """Its version."""
        if self.environment is not None:
            return self.environment.version
        from importlib.metadata import version

        return version(self.name)

    def make(self) -> None:
        """Install it where it is not; raises SolverError as `Environment.make`."""
        if self.environment is not None:
            self.environment.make()

    def run(self, asked: Asked, grace: float = GRACE) -> Run:
        """Return its run on a question.

        It is told the limit and killed ``grace`` seconds after it. An answer given until then
        counts; a process that is killed has timed out, whatever it wrote before.

        Raises:
            OSError: its program is not there; `make` it first.
        """
        threads = str(asked.cores)
        # The numerical libraries of every solver get the same number of threads, stated openly.
        environment = dict.fromkeys(THREADS, threads)
        with tempfile.TemporaryDirectory(prefix="secateur-peer-") as folder:
            scratch = Path(folder)
            end = finish(self.command(asked, scratch), asked.limit + grace, scratch, environment)
            reading = Reading(Answer.TIMEOUT) if end.stopped else self.read(end, scratch)
        failed = reading.answer is Answer.ERROR
        note = f"exit {end.code}: {end.last_words}" if failed else ""
        return Run(reading, end.seconds, end.megabytes, note, end.cpu)
