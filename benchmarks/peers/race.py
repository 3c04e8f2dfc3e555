"""Several solvers on the same instances, one after the other, each row written as it is found."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...engine.errors import InputError
from ..machine import commit
from .answer import Answer, Run
from .replay import miss
from .solver import Asked, Solver

Row = dict[str, Any]

SAME = ("version", "settings", "limit", "cores")
"""What every row of one solver in one file has in common."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An instance of a race.

    Attributes:
        name: unique among the instances.
        query: VNN-LIB file.
        networks: for each declared network its ONNX file.
        expected: the true answer; None where nobody knows it.
        alone: the same question about two networks put as one about a merged network, for solvers
            that take one; None where there is none.
    """

    name: str
    query: Path
    networks: Mapping[str, Path]
    expected: Answer | None
    alone: Entry | None = None

    def fitting(self, solver: Solver) -> Entry | None:
        """Return the form of it that a solver takes; None if it takes none."""
        return self if solver.pairs or len(self.networks) == 1 else self.alone


def race(
    entries: Sequence[Entry],
    solvers: Sequence[Solver],
    limit: float,
    cores: int,
    store: Path | None,
) -> Iterator[Row]:
    """Yield one row for each instance and solver, interleaved: all solvers, then the next instance.

    Rows that the file has already are yielded from there and not measured again, so a race that was
    broken off goes on where it stopped. Solvers that take one network are asked about two as far as
    there is a merged one.

    Args:
        entries: the instances.
        solvers: installed.
        limit: seconds that each run is told, above 0.
        cores: of this machine that all runs share; runs are never at the same time.
        store: JSON lines; None writes nothing.

    Raises:
        SystemExit: the file holds rows of another version, limit or number of cores.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    common = {
        solver.name: {
            "version": solver.version,
            "settings": solver.settings,
            "limit": limit,
            "cores": cores,
        }
        for solver in solvers
    }
    known = stored(store, common)
    for entry in entries:
        for solver in solvers:
            put = entry.fitting(solver)
            if put is None:
                continue
            row = known.get((put.name, solver.name))
            if row is None:
                asked = Asked(put.query, put.networks, limit, cores)
                row = judged(put, solver.run(asked))
                row = {"solver": solver.name, **row, **common[solver.name], "commit": commit()}
                if store is not None:
                    with store.open("a") as file:
                        file.write(json.dumps(row) + "\n")
            yield row


def judged(entry: Entry, run: Run) -> Row:
    """Return the row of a run: what was expected, whether it is wrong, how far its witness misses.

    A `sat` whose witness holds is right whatever was expected; the row says so.
    """
    missed: float | None = None
    if run.reading.witness is not None:
        try:
            missed = miss(entry.query, entry.networks, run.reading.witness)
        except InputError as error:
            run = replace(run, note=f"no replay: {error}")
    answer, expected = run.reading.answer, entry.expected
    against = expected is not None and answer.settles and answer is not expected
    return {
        "instance": entry.name,
        "expected": None if expected is None else expected.value,
        **run.record(),
        "miss": missed,
        "wrong": against and missed != 0.0,
        "contradicts": against,
    }


def stored(store: Path | None, common: Mapping[str, Row]) -> dict[tuple[str, str], Row]:
    """Return the rows of a file by instance and solver.

    Raises:
        SystemExit: a line that is no row, or a row that was measured under other conditions.
    """
    if store is None or not store.exists():
        return {}
    found: dict[tuple[str, str], Row] = {}
    for number, line in enumerate(store.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            key = row["instance"], row["solver"]
        except (ValueError, KeyError, TypeError):
            raise SystemExit(f"{store}:{number}: no row of a race: name another file") from None
        for name in SAME:
            wanted = common.get(row["solver"], row)
            if row.get(name) != wanted.get(name):
                raise SystemExit(
                    f"{store}:{number}: {row['solver']} was measured with {name} {row.get(name)}, "
                    f"not {wanted.get(name)}: name another file"
                )
        found[key] = row
    return found
