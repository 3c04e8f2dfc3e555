"""ACAS Xu, the 186 instances of VNN-COMP, by secateur and by other verifiers in the same run.

`python -m secateur.benchmarks.acas --solvers secateur,vibecheck --sample 20 --json rows.jsonl` asks
every solver every instance in turn (A B, A B, ...), each as a process of its own with the same time
limit on the same cores, and prints how each did and the paired ratios. `--solvers` may name
secateur, marabou, neuralsat and vibecheck; what is missing is installed first, each in an
environment of its own (see `peers/environment.py`). A run that was broken off goes on with the same
`--json` file.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from ..engine.errors import SolverError
from .acas_instances import AcasInstance, acas_instances
from .machine import machine, table
from .peers import Solver, named
from .peers.race import Entry, Row, race
from .peers.solver import GRACE
from .peers.standing import paired, standings

LIMIT = 116.0
"""Seconds that the competition allows an ACAS Xu instance."""


def chosen(
    instances: Sequence[AcasInstance], names: str | None, sample: int | None, seed: int
) -> list[AcasInstance]:
    """Return the instances to run, in their own order.

    Args:
        instances: all.
        names: comma-separated ``network:property``, either of them ``*`` for all; None for all.
        sample: how many of these to draw without replacement; None for all.
        seed: of the drawing.

    Raises:
        SystemExit: a name that no instance has.
    """
    found = list(instances)
    if names is not None:
        wanted: set[AcasInstance] = set()
        for name in names.split(","):
            network, _, prop = name.partition(":")
            fits = [
                one
                for one in instances
                if network in ("*", one.network) and prop in ("*", str(one.prop))
            ]
            if not fits:
                raise SystemExit(f"there is no instance {name!r}: write 5_9:2, *:3 or 1_1:*")
            wanted.update(fits)
        found = [one for one in instances if one in wanted]
    if sample is not None and sample < len(found):
        drawn = set(random.Random(seed).sample(found, sample))
        found = [one for one in found if one in drawn]
    return found


def installed(solvers: Sequence[Solver]) -> list[Solver]:
    """Return the solvers that are there or could be installed; say of the others why not."""
    out = []
    for solver in solvers:
        try:
            solver.make()
        except SolverError as error:
            print(error, file=sys.stderr)
        else:
            out.append(solver)
    return out


def notes(solvers: Sequence[Solver], limit: float, cores: int) -> list[str]:
    """Return the lines below a table: conditions, settings, versions, machine."""
    lines = [f"limit {limit:g} s, stopped {GRACE:g} s after it; {cores} cores, one run at a time"]
    for solver in solvers:
        below = solver.environment.packages() if solver.environment else {}
        with_ = ", ".join(f"{name} {below[name]}" for name in ("torch", "numpy") if name in below)
        lines.append(
            f"{solver.name} {solver.version}: {solver.settings}{'; ' + with_ if with_ else ''}"
        )
    return [*lines, machine("numpy", "onnxruntime")]


def report(rows: Sequence[Row], solvers: Sequence[Solver], limit: float, cores: int) -> None:
    """Print the tables of a race, what contradicts the known verdicts, and the notes."""
    print(table(standings(rows)))
    if ratios := paired(rows):
        print(f"\n{table(ratios)}")
    for row in rows:
        if row["contradicts"]:
            held = "" if row["wrong"] else ", and its witness holds in onnxruntime"
            print(
                f"\n{row['solver']} says {row['answer']} on {row['instance']}, known to be "
                f"{row['expected']}{held}"
            )
    print("\n" + "  \n".join(notes(solvers, limit, cores)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--solvers", default="secateur")
    parser.add_argument("--instances", help="such as 5_9:2,*:3; all by default")
    parser.add_argument("--sample", type=int, help="so many of them at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds an instance")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    given = parser.parse_args()
    solvers = installed(named(given.solvers.split(",")))
    instances = chosen(acas_instances(), given.instances, given.sample, given.seed)
    entries = [Entry(one.name, one.query, {"N": one.file}, one.expected) for one in instances]
    rows = []
    for row in race(entries, solvers, given.limit, given.cores, given.json):
        rows.append(row)
        print(
            f"{row['instance']:8} {row['solver']:10} {row['answer']:8} {row['seconds']:8.2f} s",
            file=sys.stderr,
            flush=True,
        )
    if rows:
        report(rows, solvers, given.limit, given.cores)


if __name__ == "__main__":
    main()
