"""Runs a spec: every run becomes a row, whatever becomes of the run."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, assert_never

from ..engine.errors import SecateurError
from .machine import commit, data, processor, versions
from .peers import Answer, Asked, named
from .peers.process import Finished, finish
from .peers.race import judged
from .peers.solver import THREADS
from .row import Conditions, Row, Status
from .spec import Arm, Call, Command, Paired, Table, Verifier, absent, digest
from .worker import Timed, Worker, target

PACKAGES: Final = ("numpy", "numba", "highspy", "onnxruntime")
"""Whose versions every row says."""

GRACE: Final = 1.0
"""Seconds beyond the limit after which a command is killed."""

TABLE: Final = "table"
"""The one arm of a table."""


def conditions(spec: Paired | Table) -> Conditions:
    """Return what all rows of a spec will have in common."""
    seed = spec.seed if isinstance(spec, Paired) else 0
    return Conditions(
        spec.name,
        digest(spec),
        seed,
        spec.limit,
        spec.threads,
        processor(),
        versions(*PACKAGES),
        commit(),
    )


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Keep this process, and what it starts, to as many cores, and their libraries to as many."""
    before = {name: os.environ.get(name) for name in THREADS}
    cores = os.sched_getaffinity(0)
    os.environ.update(dict.fromkeys(THREADS, str(count)))
    os.sched_setaffinity(0, sorted(cores)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def instances(spec: Paired) -> list[str]:
    """Return the names of a spec's instances, in order.

    Raises:
        SystemExit: what they are drawn from is not there.
    """
    found = list(target(spec.instances)(spec.seed))
    return found if spec.count is None else found[: spec.count]


def paired(spec: Paired, known: Sequence[Row] = ()) -> Iterator[Row]:
    """Yield a row for each round, instance and arm, in this order, the arms in turn.

    Args:
        spec: what to run.
        known: rows measured before, under the same conditions; they are yielded again and not
            measured again.
    """
    shared, before = conditions(spec), {row.key: row for row in known}
    if why := absent(spec):
        yield from (
            _row(shared, arm.name, "", 0, Timed(Status.MISSING, note=why)) for arm in spec.arms
        )
        return
    workers = {arm.name: Worker(arm.target) for arm in spec.arms if isinstance(arm, Call)}
    try:
        with threads(spec.threads):
            for turn in range(spec.rounds):
                for instance in instances(spec):
                    control: Row | None = None
                    for arm in spec.arms:
                        row = before.get((arm.name, instance, turn))
                        if row is None:
                            run = _run(spec, arm, instance, workers.get(arm.name))
                            row = _row(shared, arm.name, instance, turn, run, _version(arm))
                            row = _held_against(control, row, spec.agree)
                        control = control or row
                        yield row
    finally:
        for worker in workers.values():
            worker.close()


@dataclass(frozen=True, slots=True)
class Printed:
    """A row of a table, and what its process wrote."""

    row: Row
    output: str
    errors: str


def printed(spec: Table, turn: int = 0) -> Printed:
    """Return the run of a table's module as a process, and what it printed."""
    shared = conditions(spec)
    if why := absent(spec):
        return Printed(_row(shared, TABLE, "", turn, Timed(Status.MISSING, note=why)), "", "")
    words = [sys.executable, "-m", f"secateur.benchmarks.{spec.path}", *spec.words]
    with threads(spec.threads), tempfile.TemporaryDirectory(prefix="secateur-table-") as folder:
        end = finish(words, spec.limit, Path(folder), {})
    return Printed(_row(shared, TABLE, "", turn, _ended(end, "")), end.output, end.errors)


def _row(
    shared: Conditions, arm: str, instance: str, turn: int, run: Timed, version: str = ""
) -> Row:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Row(
        shared,
        arm,
        instance,
        turn,
        run.status,
        at,
        version,
        run.answer,
        round(run.wall, 6),
        round(run.cpu, 6),
        round(run.megabytes, 1),
        run.note,
    )


def _version(arm: Arm) -> str:
    match arm:
        case Verifier(name=name):
            return named([name])[0].version
        case Call() | Command():
            return ""
        case _ as never:
            assert_never(never)


def _run(spec: Paired, arm: Arm, instance: str, worker: Worker | None) -> Timed:
    match arm:
        case Call(target=path):
            found = worker or Worker(path)
            return found.call(instance, spec.seed, spec.limit)
        case Command(words=words):
            filled = [word.replace("{instance}", instance) for word in words]
            if any("{data}" in word for word in filled):
                filled = [word.replace("{data}", str(data())) for word in filled]
            with tempfile.TemporaryDirectory(prefix="secateur-arm-") as folder:
                end = finish([sys.executable, *filled], spec.limit + GRACE, Path(folder), {})
            return _ended(end, f"exit {end.code}")
        case Verifier():
            return _asked(spec, arm, instance)
        case _ as never:
            assert_never(never)


def _ended(end: Finished, answer: str) -> Timed:
    """Return what became of a process, of which the exit codes of the command line are answers."""
    told = (0, 10, 20) if answer else (0,)
    if end.stopped:
        status, note = Status.TIMEOUT, ""
    elif end.code < 0:
        status, note = Status.KILLED, f"signal {-end.code}"
    elif end.code in told:
        return Timed(Status.DONE, answer, end.seconds, end.cpu, end.megabytes)
    else:
        status, note = Status.FAILED, f"exit {end.code}: {end.last_words}"
    return Timed(status, "", end.seconds, end.cpu, end.megabytes, note)


ENDS: Final = {
    Answer.SAT: Status.DONE,
    Answer.UNSAT: Status.DONE,
    Answer.UNKNOWN: Status.OPEN,
    Answer.TIMEOUT: Status.TIMEOUT,
    Answer.ERROR: Status.FAILED,
}


def _asked(spec: Paired, arm: Verifier, instance: str) -> Timed:
    """Return what became of a question to a verifier; its witness is replayed by `judged`."""
    (solver,) = named([arm.name])
    if solver.environment is not None and not solver.environment.ready:
        what = f"{solver.environment.package} {solver.environment.version}"
        return Timed(Status.MISSING, note=f"{what} is not installed: --install installs it")
    entry = target(arm.entries)(instance).fitting(solver)
    if entry is None:
        return Timed(Status.MISSING, note="it takes no question about two networks")
    try:
        run = solver.run(Asked(entry.query, entry.networks, spec.limit, spec.threads))
        found = judged(entry, run)
    except (OSError, SecateurError) as error:
        return Timed(Status.FAILED, note=" ".join(str(error).split()))
    status = Status.WRONG if found["wrong"] else ENDS[run.reading.answer]
    note = found["note"]
    if status is Status.WRONG:
        note = f"known to be {found['expected']}"
    elif found["miss"]:
        note = f"its witness misses by {found['miss']:.1e}"
    return Timed(status, found["answer"], run.seconds, run.cpu, run.megabytes, note)


def _held_against(control: Row | None, row: Row, agree: float | None) -> Row:
    """Return a row that is WRONG where its answer is not the control's."""
    both = control is not None and control.status is row.status is Status.DONE
    if agree is None or control is None or not both:
        return row
    same = row.answer == control.answer
    try:
        ours, theirs = float(control.answer), float(row.answer)
    except ValueError:
        pass
    else:
        same = same or math.isclose(ours, theirs, rel_tol=agree, abs_tol=agree)
    if same:
        return row
    return replace(row, status=Status.WRONG, note=f"the control says {control.answer}")
