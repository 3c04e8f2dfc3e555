"""What scheduling and storing cost a cell: cells that need no time, in batches of several sizes.

`python -m secateur.benchmarks.slices_overhead [--cells 32768] [--million]` prints three Markdown
tables: wall and driver time a cell by the way to run and the size of a batch, without a store; the
store alone (record, commit, resume, read); with ``--million`` the driver's memory over 1,000,000
cells with a store.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ..slicing.key import Key
from ..slicing.pools import Pool
from ..slicing.run_here import Here
from ..slicing.run_processes import processes
from ..slicing.schedule import Limits, run
from ..slicing.store import Store
from ..slicing.stored import Stored
from ..slicing.work import Cell, Done, Ended, Json, Result, Work
from .machine import machine, peak_memory, table

KEY = Key("0" * 64, (("0x0.0p+0", "0x1.0p+0"),) * 5, "0" * 64, {"what": "overhead"}, "1")
FIGURES: dict[str, Json] = {"neurons": [12, 20, 31, 44, 49, 50], "ceiling": 236, "seconds": 0.2}
SIDES = [(0.125 * index, 0.125 * index + 0.125) for index in range(5)]
"""What a payload is: the limits of a cell of five inputs."""


def load(argument: None) -> bytes:
    """Return a code of 75 bytes: 300 neurons, 2 bits each."""
    return hashlib.shake_256(b"code").digest(75)


def work_on(code: bytes, payloads: Sequence[object]) -> list[Result]:
    """Return for each cell what one really has."""
    return [Result(FIGURES, code) for _ in payloads]


def cells(number: int) -> Iterator[Cell]:
    """Yield so many cells."""
    name = " ".join(f"{low.hex()} {high.hex()}" for low, high in SIDES)
    return (Cell(index, name, SIDES) for index in range(number))


def scheduled(number: int, batch: int, begin: Callable[[], Pool]) -> dict[str, object]:
    """Return the row of one way and batch; the clock runs from the first result to the last."""
    times: list[tuple[float, float, int]] = []

    def record(ended: Sequence[Ended]) -> None:
        if ended:
            times.append((time.perf_counter(), time.process_time(), len(ended)))

    run(cells(number), begin(), Limits(batch=batch), record)
    (wall, busy, first), (end, busy_end, _) = times[0], times[-1]
    timed = max(1, number - first)
    return {
        "batch": batch,
        "cells": number,
        "wall (µs a cell)": f"{(end - wall) / timed * 1e6:.1f}",
        "driver's CPU (µs a cell)": f"{(busy_end - busy) / timed * 1e6:.1f}",
        "wall (µs a batch)": f"{(end - wall) / timed * batch * 1e6:.0f}",
    }


def stored(number: int, folder: Path) -> list[dict[str, object]]:
    """Return the rows of a store of so many cells."""
    path = folder / "a.store"
    code = load(None)
    some = [Ended(cell, Done(Result(FIGURES, code)), 1, 0.2) for cell in cells(number)]
    rows: list[dict[str, object]] = []

    def timed(what: str, count: int, action: Callable[[], object]) -> None:
        start = time.perf_counter()
        action()
        seconds = time.perf_counter() - start
        rows.append(
            {
                "step": what,
                "times": count,
                "all (s)": f"{seconds:.3f}",
                "each (µs)": f"{seconds / count * 1e6:.1f}",
            }
        )

    with Store(path, KEY, number, commit_seconds=1e9) as store:
        timed("record and commit, 1,024 rows a commit", number, partial(_by, store, some, 1024))
    for size, count in ((64, 200), (1, 200)):
        name = f"record and commit, {size} {'row' if size == 1 else 'rows'} a commit"
        with Store(folder / f"{size}.store", KEY, number, commit_seconds=0.0) as store:
            timed(name, count * size, partial(_by, store, some[: count * size], size))

    def resume() -> None:
        with Store(path, KEY, number, resume=True) as store:
            assert not list(store.left(cells(number)))

    def read() -> None:
        with Stored(path) as source:
            assert sum(1 for _ in source.rows()) == number

    timed("resume with nothing left", number, resume)
    timed("read every row", number, read)
    size = path.stat().st_size
    rows.append({"step": "bytes of a row", "times": "", "all (s)": "", "each (µs)": size // number})
    return rows


def million(number: int, folder: Path) -> dict[str, object]:
    """Return the row of a run over very many cells with a store."""
    before, start = _resident(), time.perf_counter()
    path = folder / "million.store"
    with Store(path, KEY, number) as store:
        pool = processes(Work(load, work_on), 2)
        tally = run(store.left(cells(number)), pool, Limits(batch=256), store.record)
    return {
        "cells": tally.done,
        "wall (s)": f"{time.perf_counter() - start:.0f}",
        "driver before (MB)": f"{before:.0f}",
        "driver at its peak (MB)": f"{peak_memory():.0f}",
        "store (MB)": f"{path.stat().st_size / 1e6:.0f}",
    }


def _by(store: Store, some: Sequence[Ended], size: int) -> None:
    for start in range(0, len(some), size):
        store.record(some[start : start + size])
    store.commit()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=32768)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    work = Work(load, work_on)
    found: dict[str, list[dict[str, object]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.million:  # first, so that the peak is its own
            found["memory"] = [million(1_000_000, folder)]
        ways: dict[str, Callable[[], Pool]] = {
            "in process": lambda: Here(work),
            "1 worker process": lambda: processes(work, 1),
            "2 worker processes": lambda: processes(work, 2),
        }
        found["schedule"] = [
            {"way": way, **scheduled(min(given.cells, 512 * batch), batch, begin)}
            for way, begin in ways.items()
            for batch in (1, 16, 64, 256)
        ]
        found["store"] = stored(given.cells, folder)
    print("\n\n".join(table(rows) for rows in found.values()))
    print(f"\n{machine('pebble')}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
