"""Two hundred questions about single neurons: ours, OMLT's big-M program and PuLP's, side by side.

`python -m secateur.benchmarks.neuron_programs --json rows.jsonl` asks every question of
`neuron_questions` in turn of every way (A B C D, ...), each a warm process of its own, killed where
it does not keep the limit, and prints how each did and the paired ratios. Reading the question is
not timed; building a model is, and is told apart. A run that was broken off goes on with the same
file. `--sample 20` draws some of the questions.

OMLT and PuLP maximise z with their own interval bounds and settle a question if the solver's bound
is at most 0, or if the network itself gives a value above 0 at the solver's point. Their proofs are
HiGHS' word. Those of `boxes` and `programs` are not: bounds are rounded outward, or rebuilt from
duals, and refutations are replayed in rationals.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..engine.bounds.linear import linear
from ..engine.errors import SolverError
from .machine import commit, machine, table
from .neuron_answers import network_of
from .neuron_questions import SLOPES, Asked, questions
from .peers import omlt
from .peers.solver import THREADS
from .peers.warm import Warm

LIMIT: Final = 20.0
"""Seconds a question."""

OURS: Final = ("boxes", "programs", "trusted")
ALL: Final = (*OURS, "omlt", "omlt-bounds", "pulp")

Row = dict[str, Any]


def ways(names: Sequence[str], stack: ExitStack) -> list[Warm]:
    """Return the ways of these names, ready to be asked.

    Raises:
        SystemExit: a name that is not known.
        SolverError: OMLT cannot be installed.
    """
    out = []
    for name in names:
        if name not in ALL:
            raise SystemExit(f"there is no way {name!r}: name some of {', '.join(ALL)}")
        if name.startswith("omlt"):
            omlt.ENVIRONMENT.make()
            command = omlt.command(name == "omlt-bounds")
        else:
            command = [sys.executable, "-m", "secateur.benchmarks.neuron_answers", name]
        one = dict.fromkeys(THREADS, "1")
        out.append(stack.enter_context(Warm(name, command, one)))
    return out


def written(asked: Asked, folder: Path) -> Path:
    """Return the file of a question's arrays and of bounds with optimised slopes."""
    weights, biases = asked.chain()
    held: dict[str, Any] = {"lower": asked.lower, "upper": asked.upper, "layers": len(weights)}
    for at, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        held |= {f"weight{at}": weight, f"bias{at}": bias}
    network = network_of(held)
    bounds = linear(network, asked.lower[None], asked.upper[None], steps=SLOPES)
    for at in range(len(weights)):
        low, high = bounds[f"affine{at + 1}"]
        held |= {f"low{at}": low[0], f"high{at}": high[0]}
    file = folder / f"{asked.name.replace(':', '-')}.npz"
    np.savez(file, **held)
    return file


def judged(found: Row | None, file: Path, limit: float) -> Row:
    """Return what counts of what a way says: its answer and its times.

    Args:
        found: what it says; None where it was killed.
        file: of the question.
        limit: seconds.
    """
    if found is None:
        return {"answer": "killed", "seconds": limit, "build": math.nan, "cpu": math.nan}
    if "says" in found:  # ours was replayed in rationals
        says = found["says"]
    elif found["point"] and value(file, found["point"]) > 0.0:
        says = "refuted"
    elif found["bound"] is not None and found["bound"] <= 0.0:
        says = "proved"
    else:
        says = "open"
    times = {key: found[key] for key in ("seconds", "build", "cpu")}
    return {"answer": says, "bound": found["bound"], "note": found["note"]} | times


def value(file: Path, point: Sequence[float]) -> float:
    """Return what the network gives at a point, moved into the box."""
    with np.load(file) as held:
        inside = np.clip(np.array(point), held["lower"], held["upper"])
        return float(network_of(held).evaluate(inside)[0])


def race(
    asked: Sequence[Asked], names: Sequence[str], limit: float, out: Path | None
) -> Iterator[Row]:
    """Yield a row for each question and way, those of an earlier run first."""
    done: dict[tuple[str, str], Row] = {}
    if out is not None and out.exists():
        for line in out.read_text().splitlines():
            row = json.loads(line)
            done[row["question"], row["way"]] = row
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        entrants = ways(names, stack)
        for one in asked:
            if all((one.name, way.name) in done for way in entrants):
                yield from (done[one.name, way.name] for way in entrants)
                continue
            file = written(one, Path(folder))
            for way in entrants:
                row = done.get((one.name, way.name))
                if row is None:
                    head = {"question": one.name, "layer": one.layer, "way": way.name}
                    row = head | judged(way.ask(file, limit), file, limit)
                    row |= {"limit": limit, "commit": commit()}
                    if out is not None:
                        with out.open("a") as held:
                            held.write(json.dumps(row) + "\n")
                yield row


def standings(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return a line for each way."""
    out = []
    for name in names:
        own = [row for row in rows if row["way"] == name]
        said = [row["answer"] for row in own]
        seconds = [row["seconds"] for row in own]
        build = [row["build"] for row in own if not math.isnan(row["build"])]
        cpu = [row["cpu"] for row in own if not math.isnan(row["cpu"])]
        out.append(
            {
                "way": name,
                "asked": len(own),
                "proved": said.count("proved"),
                "refuted": said.count("refuted"),
                "open at the limit": said.count("open"),
                "killed": said.count("killed"),
                "median (s)": f"{statistics.median(seconds):.3f}",
                "total (s)": f"{sum(seconds):.1f}",
                "CPU, total (s)": f"{sum(cpu):.1f}",
                "building, median (ms)": f"{1e3 * statistics.median(build or [math.nan]):.0f}",
            }
        )
    return out


def ratios(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return how much longer other ways take than each of ours; open ones count as they ended."""
    times = {(row["way"], row["question"]): row["seconds"] for row in rows}
    every = list(dict.fromkeys(row["question"] for row in rows))
    out = []
    for ours in [name for name in names if name in OURS]:
        for other in [name for name in names if name not in OURS]:
            pairs = [(times[other, one], times[ours, one]) for one in every]
            logs = [math.log(theirs / own) for theirs, own in pairs]
            out.append(
                {
                    "pair": f"{other} / {ours}",
                    "ratio of totals": f"{sum(a for a, _ in pairs) / sum(b for _, b in pairs):.1f}",
                    "ratio of medians": f"{_ratio(pairs):.1f}",
                    "median ratio": f"{math.exp(statistics.median(logs)):.1f}",
                    "geometric mean": f"{math.exp(statistics.fmean(logs)):.1f}",
                    "ours slower": sum(b > a for a, b in pairs),
                }
            )
    return out


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs)


def contradictions(rows: Sequence[Row]) -> list[str]:
    """Return the questions that one way proves and another refutes; refutations were replayed."""
    out = []
    for name in dict.fromkeys(row["question"] for row in rows):
        said = {row["way"]: row["answer"] for row in rows if row["question"] == name}
        if {"proved", "refuted"} <= set(said.values()):
            out.append(f"{name}: {', '.join(f'{way} says {what}' for way, what in said.items())}")
    return out


def main() -> int:
    """Print the tables; 1 where one of ours contradicts a replayed refutation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", default="boxes,programs,omlt,pulp", help="|".join(ALL))
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds a question")
    parser.add_argument("--sample", type=int, help="so many of the questions at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    given = parser.parse_args()
    names, asked = given.ways.split(","), list(questions())
    if given.sample is not None:
        drawn = set(random.Random(given.seed).sample(range(len(asked)), given.sample))
        asked = [one for at, one in enumerate(asked) if at in drawn]
    rows = []
    try:
        for row in race(asked, names, given.limit, given.json):
            rows.append(row)
            text = f"{row['question']:20} {row['way']:12} {row['answer']:8} {row['seconds']:8.3f} s"
            print(text, file=sys.stderr, flush=True)
    except SolverError as error:
        raise SystemExit(str(error)) from error
    print(table(standings(rows, names)))
    if found := ratios(rows, names):
        print(f"\n{table(found)}")
    against = contradictions(rows)
    print("\n" + ("\n".join(against) or "no contradictions"))
    print(f"\nlimit {given.limit:g} s, one thread each, seed {given.seed}; {omlt.versions()}")
    print(machine("numpy", "numba", "highspy", "pulp"))
    return 1 if any(f"{one} says proved" in line for line in against for one in OURS) else 0


if __name__ == "__main__":
    sys.exit(main())
