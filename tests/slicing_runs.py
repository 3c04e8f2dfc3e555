"""A run with a store that a test starts as a process of its own and kills."""

import json
import sys
import time

import slicing_work

from secateur.slicing.key import Key, Shard
from secateur.slicing.run_here import Here
from secateur.slicing.run_processes import processes
from secateur.slicing.schedule import Limits, interruptible, run
from secateur.slicing.store import Store
from secateur.slicing.stored import Stored
from secateur.slicing.work import Cell, Done, Ended, Result, Work

KEY = Key("ab" * 32, (("0x1.0p+0", "1/3"),), "cd" * 32, {"samples": 4}, "0.1.0")


def cells(count, special=None):
    """Yield cells whose payload is their number, but for the special ones."""
    for index in range(count):
        yield Cell(index, f"cell {index}", (special or {}).get(index, index))


def pool(way, work, workers=2):
    return Here(work) if way == "here" else processes(work, workers)


def work(run=slicing_work.multiply, load=slicing_work.load):
    return Work(load, run, 3)


def gather(cells, pool, limits=None, stop=lambda: False):
    """Run and return the tally and how each cell ended, by number."""
    found = {}

    def record(ended):
        for one in ended:
            assert one.cell.id not in found
            found[one.cell.id] = one

    return run(cells, pool, limits or Limits(batch=8), record, stop), found


def stored(path, count, *, workers=2, batch=8, pause=0.0, shard=None, way="processes", **limits):
    """Run over a store, going on with what is there; each cell sleeps so many seconds."""
    payloads = {index: ("pause", (index, pause)) for index in range(count)} if pause else {}
    with (
        Store(path, KEY, count, shard or Shard(), {"seed": 0}, resume=True) as store,
        interruptible() as stop,
    ):
        left = store.left(cells(count, payloads))
        ground = pool(way, work(slicing_work.results), workers)
        return run(left, ground, Limits(batch=batch, **limits), store.record, stop)


def ended(number, outcome=None, identity=None):
    """Return how a cell ended."""
    cell = Cell(number, identity or f"cell {number}", None)
    return Ended(cell, outcome or Done(Result({"n": number}, b"code")), 1, 0.5)


def filled(path, numbers, count=12, shard=None, key=KEY, **given):
    """Return the path of a new store in which these cells are done."""
    with Store(path, key, count, shard, **given) as store:
        store.record([ended(number) for number in numbers])
    return path


def rows(path):
    """Return what a store holds but for attempts and seconds, so that it can be compared."""
    with Stored(path) as source:
        return [(row.cell, row.key, repr(row.outcome), repr(row.blobs)) for row in source.rows()]


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    tally = stored(**given)
    print(json.dumps({"done": tally.done, "stopped": tally.stopped, "at": time.time()}))
