"""A run with a store that a test starts as a process of its own and kills."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import slicing_work

from secateur.slicing.key import Key, Shard
from secateur.slicing.pools import Pool
from secateur.slicing.run_here import Here
from secateur.slicing.run_processes import processes
from secateur.slicing.schedule import Limits, Tally, interruptible, run
from secateur.slicing.store import Store
from secateur.slicing.stored import Stored
from secateur.slicing.work import Cell, Done, Ended, Outcome, Result, Work

KEY = Key("ab" * 32, (("0x1.0p+0", "1/3"),), "cd" * 32, {"samples": 4}, "0.1.0")


def cells(count: int, special: Mapping[int, Any] | None = None) -> Iterator[Cell]:
    """Yield cells whose payload is their number, but for the special ones."""
    for index in range(count):
        yield Cell(index, f"cell {index}", (special or {}).get(index, index))


def pool(way: str, work: Work, workers: int = 2) -> Pool:
    return Here(work) if way == "here" else processes(work, workers)


def work(
    run: Callable[..., list[Any]] = slicing_work.multiply,
    load: Callable[[Any], Any] = slicing_work.load,
) -> Work:
    return Work(load, run, 3)


def gather(
    cells: Iterable[Cell],
    pool: Pool,
    limits: Limits | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Tally, dict[int, Ended]]:
    """Run and return the tally and how each cell ended, by number."""
    found: dict[int, Ended] = {}

    def record(ended: Iterable[Ended]) -> None:
        for one in ended:
            assert one.cell.id not in found
            found[one.cell.id] = one

    return run(cells, pool, limits or Limits(batch=8), record, stop), found


def stored(
    path: Any,
    count: int,
    *,
    workers: int = 2,
    batch: int = 8,
    pause: float = 0.0,
    shard: Shard | None = None,
    way: str = "processes",
    **limits: Any,
) -> Tally:
    """Run over a store, going on with what is there; each cell sleeps so many seconds."""
    payloads = {index: ("pause", (index, pause)) for index in range(count)} if pause else {}
    with (
        Store(path, KEY, count, shard or Shard(), {"seed": 0}, resume=True) as store,
        interruptible() as stop,
    ):
        left = store.left(cells(count, payloads))
        ground = pool(way, work(slicing_work.results), workers)
        return run(left, ground, Limits(batch=batch, **limits), store.record, stop)


def ended(number: int, outcome: Outcome | None = None, identity: str | None = None) -> Ended:
    """Return how a cell ended."""
    cell = Cell(number, identity or f"cell {number}", None)
    return Ended(cell, outcome or Done(Result({"n": number}, b"code")), 1, 0.5)


def filled(
    path: Path,
    numbers: Iterable[int],
    count: int = 12,
    shard: Shard | None = None,
    key: Key = KEY,
    **given: Any,
) -> Path:
    """Return the path of a new store in which these cells are done."""
    with Store(path, key, count, shard, **given) as store:
        store.record([ended(number) for number in numbers])
    return path


def rows(path: Path) -> list[tuple[Any, ...]]:
    """Return what a store holds but for attempts and seconds, so that it can be compared."""
    with Stored(path) as source:
        return [(row.cell, row.key, repr(row.outcome), repr(row.blobs)) for row in source.rows()]


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    tally = stored(**given)
    print(json.dumps({"done": tally.done, "stopped": tally.stopped, "at": time.time()}))
