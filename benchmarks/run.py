"""Runs a measurement of the registry by its name.

`python -m secateur.benchmarks.run NAME... [--smoke] [--json FILE] [--plot FILE.svg] [--rounds N]`
runs specs as the registry has them and prints their tables; `--list` prints what there is. A paired
spec runs its arms in turn on every instance (A B A B), each row is written as it is found, and with
the same `--json` file a run that was broken off goes on. What fails is a row too; the exit code is
1 where something answered wrongly, crashed or was killed. `docs/benchmarks.md` says how to read it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from .machine import machine, table
from .measure import PACKAGES, conditions, paired, printed
from .peers.catalogue import named as verifiers
from .plots import plot
from .ratios import against, standing
from .registry import SPECS, named
from .row import Row, add, stored
from .spec import Paired, Spec, Table, Verifier, absent


def listed(specs: Sequence[Spec]) -> str:
    """Return the table of the registry."""
    return table(
        {
            "name": spec.name,
            "arms": ", ".join(arm.name for arm in spec.arms) if isinstance(spec, Paired) else "",
            "measures": spec.measures,
            "here": absent(spec) or "yes",
        }
        for spec in specs
    )


def changed(spec: Spec, given: argparse.Namespace) -> Spec:
    """Return a spec as the command line wants it.

    Raises:
        SystemExit: an arm that it has not, or an option that a table does not take.
    """
    if given.smoke:
        spec = spec.smallest()
    if given.limit is not None:
        spec = replace(spec, limit=given.limit)
    if given.threads is not None:
        spec = replace(spec, threads=given.threads)
    if isinstance(spec, Table):
        if given.arms or given.instances is not None or given.seed is not None:
            raise SystemExit(
                f"{spec.name} is a table: it has no arms, instances or seed here; "
                f"`python -m secateur.benchmarks.{spec.path} --help` says what it takes"
            )
        return spec
    if given.arms:
        wanted = given.arms.split(",")
        known = {arm.name: arm for arm in spec.arms}
        if not set(wanted) <= set(known):
            raise SystemExit(f"{spec.name} has the arms {', '.join(known)}, not all of {wanted}")
        smoke = replace(spec.smoke, arms=(wanted[0],))
        spec = replace(spec, arms=tuple(known[name] for name in wanted), smoke=smoke)
    if given.instances is not None:
        spec = replace(spec, count=given.instances)
    if given.seed is not None:
        spec = replace(spec, seed=given.seed)
    return spec if given.rounds is None else replace(spec, rounds=given.rounds)


def install(spec: Spec) -> None:
    """Install the peers of a spec where they are not.

    Raises:
        SolverError: one cannot be installed.
    """
    for arm in spec.arms if isinstance(spec, Paired) else ():
        if isinstance(arm, Verifier):
            verifiers([arm.name])[0].make()


def of_paired(spec: Paired, store: Path | None) -> list[Row]:
    """Return the rows of a paired spec, after printing each as it is found, and the tables."""
    known = stored(store, conditions(spec)) if store is not None else []
    before = {row.key for row in known}
    rows = []
    for row in paired(spec, known):
        rows.append(row)
        if row.key not in before:
            add(store, [row])
        print(
            f"{row.instance:8} {row.round} {row.arm:16} {row.status.value:8} {row.answer:8} "
            f"{row.wall:9.4f} s {row.note}".rstrip(),
            file=sys.stderr,
            flush=True,
        )
    print(table(standing(rows)))
    if ratios := against(rows, spec.seed):
        print(f"\n{table(ratios)}")
    return rows


def of_table(spec: Table, rounds: int, store: Path | None) -> list[Row]:
    """Return the rows of a table's runs, after printing what they print."""
    rows = []
    for turn in range(rounds):
        made = printed(spec, turn)
        rows.append(made.row)
        add(store, [made.row])
        print(made.output, end="")
        if made.row.note or made.row.status.broken:
            print(f"{spec.name}: {made.row.status.value}: {made.row.note}", file=sys.stderr)
    return rows


def settings(spec: Spec) -> list[str]:
    """Return how the verifiers of a spec are told to work, and what their environments hold."""
    lines = []
    for arm in spec.arms if isinstance(spec, Paired) else ():
        if isinstance(arm, Verifier):
            (solver,) = verifiers([arm.name])
            there = solver.environment is not None and solver.environment.ready
            below = solver.environment.packages() if there and solver.environment else {}
            found = [f"{name} {below[name]}" for name in ("torch", "numpy") if name in below]
            lines.append("; ".join([f"{arm.name} {solver.version}: {solver.settings}", *found]))
    return lines


def measured(spec: Spec, given: argparse.Namespace) -> list[Row]:
    """Return the rows of a spec, after printing its tables."""
    print(f"## {spec.name}: {spec.measures}\n", flush=True)
    match spec:
        case Paired():
            rows = of_paired(spec, given.json)
        case Table():
            rows = of_table(spec, given.rounds or 1, given.json)
        case _ as never:
            assert_never(never)
    said = rows[0].conditions
    for line in settings(spec):
        print(f"\n{line}")
    print(
        f"\nspec {said.digest}, seed {said.seed}, limit {said.limit:g} s, threads {said.threads}; "
        f"{machine(*PACKAGES)}\n",
        flush=True,
    )
    return rows


def main(words: Sequence[str] | None = None) -> int:
    """Run what is named; return 1 where a row is broken, else 0."""
    parser = argparse.ArgumentParser(prog="secateur.benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of specs; `all` for each")
    parser.add_argument("--list", action="store_true", help="print the registry")
    parser.add_argument("--smoke", action="store_true", help="the smallest honest version")
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    parser.add_argument("--plot", type=Path, help="an .svg file, of one paired spec")
    parser.add_argument("--rounds", type=int, help="how often all is repeated")
    parser.add_argument("--arms", help="some of the arms, the control first")
    parser.add_argument("--instances", type=int, help="so many, from the first")
    parser.add_argument("--limit", type=float, help="seconds a run")
    parser.add_argument("--threads", type=int, help="of every arm")
    parser.add_argument("--seed", type=int, help="of what is drawn")
    parser.add_argument("--install", action="store_true", help="install peers that are missing")
    given = parser.parse_args(words)
    specs = list(SPECS) if given.names == ["all"] else named(given.names)
    if given.list or not given.names:
        print(listed(specs or SPECS))
        return 0
    specs = [changed(spec, given) for spec in specs]
    if given.plot is not None and (len(specs) != 1 or not isinstance(specs[0], Paired)):
        parser.error("--plot takes one paired spec")
    for file in (given.json, given.plot):
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"there is no folder {file.absolute().parent} for {file.name}")
    broken = False
    for spec in specs:
        if given.install:
            install(spec)
        rows = measured(spec, given)
        broken = broken or any(row.status.broken for row in rows)
        if given.plot is not None:
            given.plot.write_text(plot(f"{spec.name}: {spec.measures}", rows))
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
