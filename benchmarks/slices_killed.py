"""Runs over cells whose driver or workers are killed at random moments with SIGKILL.

`python -m secateur.benchmarks.slices_killed [--kills 200] [--seed 0]` prints a Markdown table. A
driver that is killed is begun again on its store; every outcome that it had reported has to be
there, and in the end the store has to hold what an undisturbed run's holds. Workers are killed
under one driver; every cell has to be done, with the right result. The control is one pebble pool
that both workers share.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ..engine.errors import FormatError
from ..slicing.key import Key
from ..slicing.pools import Crew
from ..slicing.run_here import Here
from ..slicing.run_processes import Processes, processes
from ..slicing.schedule import Limits, Tally, run
from ..slicing.store import Store
from ..slicing.stored import Row, Stored
from ..slicing.work import Cell, Done, Ended, Result, Work
from .machine import machine, table

KEY = Key("0" * 64, (("0x0.0p+0", "0x1.0p+0"),), "0" * 64, {"what": "killed"}, "1")
PAUSE = 0.002
"""Seconds that a cell takes."""


def load(pause: float) -> float:
    """Return what a worker needs: the seconds that a cell takes."""
    return pause


def work_on(pause: float, payloads: Sequence[int]) -> list[Result]:
    """Return a result for each number; one in eight is large enough to be cut by a kill."""
    out = []
    for number in payloads:
        time.sleep(pause)
        code = hashlib.sha256(b"%d" % number).digest()
        blobs = {"proof": code * 4096} if number % 8 == 0 else {}
        out.append(Result({"number": number, "root": number**0.5}, code, blobs))
    return out


def cells(number: int) -> Iterator[Cell]:
    """Yield so many cells."""
    return (Cell(index, f"cell {index}", index) for index in range(number))


def drive(path: Path, number: int, way: str) -> Tally:
    """Work on what is left in a store, and print each cell whose outcome is committed."""
    work = Work(load, work_on, PAUSE)
    with Store(path, KEY, number, resume=True, commit_seconds=0.0) as store:

        def record(ended: Sequence[Ended]) -> None:
            store.record(ended)
            if ended:
                print(json.dumps([one.cell.id for one in ended]), flush=True)

        pool = Here(work) if way == "here" else processes(work, 2)
        print("[]", flush=True)
        return run(store.left(cells(number)), pool, Limits(batch=8), record)


@dataclass(slots=True)
class Campaign:
    """What came of killing.

    Attributes:
        kills: how often.
        cells: worked on.
        lost: outcomes that were reported and are not stored.
        wrong: rows or results that differ from those of an undisturbed run.
        again: cells that were begun more than once, where that is known.
        seconds: of wall time.
    """

    kills: int = 0
    cells: int = 0
    lost: int = 0
    wrong: int = 0
    again: int = 0
    seconds: float = 0.0
    note: str = ""


def drivers_killed(kills: int, seed: int, folder: Path, way: str) -> Campaign:
    """Kill a driver so often, one kill in four while it starts; then let it end, and compare."""
    rng, began = random.Random(seed), time.perf_counter()
    number = 64 + 192 * kills
    path, campaign = folder / f"{way}.store", Campaign(cells=number)
    with Store(folder / "quiet.store", KEY, number) as store:
        run(cells(number), Here(Work(load, work_on, 0.0)), Limits(), store.record)
    reported: set[int] = set()
    command = [sys.executable, "-m", __spec__.name, "--drive", str(path), str(number), way]
    while campaign.kills < kills:
        driver = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert driver.stdout is not None
        if rng.random() < 0.75:
            driver.stdout.readline()
        timer = threading.Timer(rng.uniform(0.0, 0.5), driver.kill)
        timer.start()
        heard = driver.stdout.read().splitlines()
        driver.stdout.close()
        timer.join()
        campaign.kills += driver.wait() == -signal.SIGKILL
        for line in heard:
            reported.update(json.loads(line) if line.endswith("]") else ())
        if path.exists():
            campaign.lost += len(reported - _cells_of(path))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    campaign.wrong = _differ(path, folder / "quiet.store", number)
    campaign.seconds = time.perf_counter() - began
    return campaign


def workers_killed(kills: int, seed: int) -> Campaign:
    """Kill one of two workers so often while their driver goes on."""
    rng, began, over = random.Random(seed), time.perf_counter(), threading.Event()
    ground = Processes(Work(load, work_on, PAUSE))
    campaign = Campaign()
    found: dict[int, Ended] = {}

    def record(ended: Sequence[Ended]) -> None:
        for one in ended:
            campaign.wrong += one.cell.id in found
            campaign.wrong += one.outcome != Done(work_on(0.0, [one.cell.payload])[0])
            found[one.cell.id] = one

    def kill() -> None:
        while campaign.kills < kills and not over.wait(rng.uniform(0.2, 1.0)):
            campaign.kills += _kill_one(rng, ground.pids())

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    numbers = takewhile(lambda _: killer.is_alive(), count())
    tally = run(
        (Cell(number, "", number) for number in numbers), Crew(ground, 2), Limits(batch=16), record
    )
    over.set()
    killer.join()
    campaign.cells = tally.done
    campaign.wrong += tally.failed + tally.late + tally.quarantined
    campaign.again = sum(one.attempts > 1 for one in found.values())
    campaign.seconds = time.perf_counter() - began
    return campaign


def shared_killed(kills: int, seed: int, patience: float = 20.0) -> Campaign:
    """Kill one of two workers that share one pebble pool, until the pool stops answering."""
    from pebble import ProcessPool

    rng, campaign, began = random.Random(seed), Campaign(), time.perf_counter()
    pool = ProcessPool(max_workers=2, context=multiprocessing.get_context("spawn"))
    ended: SimpleQueue[Any] = SimpleQueue()
    running, due, last = 0, began + 2.0, began
    while campaign.kills < kills and not campaign.note:
        try:
            while running < 4:
                batch = list(range(16))
                pool.schedule(work_on, args=(PAUSE, batch)).add_done_callback(ended.put)
                running += 1
            campaign.cells += 16 * (ended.get(timeout=0.05).exception() is None)
            running, last = running - 1, time.perf_counter()
        except Empty:
            if time.perf_counter() > last + patience:
                campaign.note = f"no answer for {patience:.0f} s"
        except RuntimeError as error:
            campaign.note = f"refuses further work: {error}"
        if time.perf_counter() > due:
            pids = [one.pid for one in multiprocessing.active_children() if one.pid is not None]
            campaign.kills += _kill_one(rng, pids)
            due = time.perf_counter() + rng.uniform(0.2, 1.0)
    for child in multiprocessing.active_children():
        child.kill()
    campaign.seconds = time.perf_counter() - began
    return campaign


def _kill_one(rng: random.Random, pids: Sequence[int]) -> bool:
    if not pids:
        return False
    try:
        os.kill(rng.choice(pids), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _cells_of(path: Path) -> set[int]:
    try:
        with Stored(path) as stored:
            return {row.cell for row in stored.rows()}
    except FormatError:  # it was killed before the tables were there
        return set()


def _differ(path: Path, other: Path, number: int) -> int:
    """Return how many rows of two stores differ, blobs read, attempts and seconds left out."""

    def shown(stored: Stored, row: Row) -> tuple[object, ...]:
        blobs = {name: stored.blob(row.cell, name) for name in row.blobs}
        return row.cell, row.key, row.outcome, blobs

    with Stored(path) as one, Stored(other) as two:
        pairs = zip(one.rows(), two.rows(), strict=True)
        wrong = sum(shown(one, left) != shown(two, right) for left, right in pairs)
        return wrong + one.progress().left + abs(one.progress().done - number)


def main() -> None:
    """Print the table, or drive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drive", nargs=3, metavar=("STORE", "CELLS", "WAY"))
    given = parser.parse_args()
    if given.drive:
        path, number, way = given.drive
        drive(Path(path), int(number), way)
        return
    kinds: dict[str, Callable[[Path], Campaign]] = {
        "driver, in process": lambda at: drivers_killed(given.kills, given.seed, at, "here"),
        "driver with 2 workers": lambda at: drivers_killed(
            given.kills, given.seed, at, "processes"
        ),
        "2 workers": lambda at: workers_killed(given.kills, given.seed),
        "2 workers of one pebble pool (control)": lambda at: shared_killed(given.kills, given.seed),
    }
    rows = []
    for name, campaign in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            found = campaign(Path(folder))
        rows.append(
            {
                "killed": name,
                "kills": found.kills,
                "cells": found.cells,
                "reported and lost": found.lost,
                "wrong": found.wrong,
                "begun again": found.again or "",
                "wall (s)": f"{found.seconds:.0f}",
                "note": found.note,
            }
        )
    print(table(rows))
    print(f"\nseed {given.seed}; {machine('pebble')}")


if __name__ == "__main__":
    main()
