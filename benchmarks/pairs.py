"""Published questions about two networks, settled and compared with what is known.

`python -m secateur.benchmarks.pairs --families verydiff-acas --limit 116 --json rows.jsonl` settles
every question, writes one row each, and prints one line a family: what was settled, what
contradicts a published result, and sub-boxes against the published counts.
`--solvers secateur,vibecheck` asks verifiers the same questions as processes (see
`acas.py`): as VNN-LIB 2 files those that take two networks, the others about the one network f - g.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, assert_never

from ..engine.answer import Effort
from ..engine.decide import decide
from ..engine.formats import load
from ..engine.formats.onnx_runtime import Runtime
from ..engine.question import ask
from ..engine.verdict import Proved, Refuted, Unknown, Verdict
from .acas import installed, report
from .machine import commit, machine, peak_memory, table
from .pair_files import entry
from .pair_instances import FAMILIES, Known, PairInstance, pair_instances
from .peers import named
from .peers.race import race

Row = dict[str, Any]

WARM_UP = 1.0
"""Seconds of a search that is not measured: the first one may compile the engine's inner loops."""


def settle(instance: PairInstance, limit: float, seed: int = 0) -> Row:
    """Return the row of one question: what was found, seconds with loading, boxes.

    Args:
        instance: the question.
        limit: seconds of search.
        seed: of the search.
    """
    start = time.perf_counter()
    networks = load(instance.first), load(instance.second)
    question = ask(instance.claim((networks[0].size_out,)), networks)
    files = {id(networks[0]): instance.first, id(networks[1]): instance.second}
    replayers = [Runtime(files[id(source.network)]) for source in question.sources]
    answer = decide(question, Effort(seconds=limit, seed=seed), replayers)
    found = result(answer.verdict)
    settled = Known.OPEN not in (found, instance.known)
    return {
        "instance": instance.name,
        "family": instance.family,
        "result": found.value,
        "known": instance.known.value,
        "contradicts": settled and found is not instance.known,
        "seconds": round(time.perf_counter() - start, 4),
        "boxes": answer.boxes,
        "known_boxes": instance.known_boxes,
        "known_seconds": instance.known_seconds,
        "reason": answer.verdict.reason if isinstance(answer.verdict, Unknown) else "",
    }


def result(verdict: Verdict) -> Known:
    """Return a verdict in the words of the published results."""
    match verdict:
        case Proved():
            return Known.EQUIVALENT
        case Refuted():
            return Known.DIFFERENT
        case Unknown():
            return Known.OPEN
        case _ as never:
            assert_never(never)


def totals(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return one line a family, and one of all."""
    families = [name for name in FAMILIES if any(row["family"] == name for row in rows)]
    lines = [_total(name, [row for row in rows if row["family"] == name]) for name in families]
    return [*lines, _total("all", rows)] if len(families) > 1 else lines


def _total(name: str, rows: Sequence[Row]) -> dict[str, str]:
    """Return a line; boxes are compared where both sides proved equivalence and count boxes."""

    def count(of: Iterable[bool]) -> str:
        return str(sum(of))

    equal, unknown = Known.EQUIVALENT.value, Known.OPEN.value
    both = [
        (row["known_boxes"], row["boxes"])
        for row in rows
        if row["result"] == row["known"] == equal and row["known_boxes"] and row["boxes"]
    ]
    theirs, ours = sum(pair[0] for pair in both), sum(pair[1] for pair in both)
    seconds = [row["seconds"] for row in rows]
    return {
        "family": name,
        "questions": str(len(rows)),
        "settled": count(row["result"] != unknown for row in rows),
        "equivalent": count(row["result"] == equal for row in rows),
        "different": count(row["result"] == Known.DIFFERENT.value for row in rows),
        "open": count(row["result"] == unknown for row in rows),
        "settled here alone": count(
            row["known"] == unknown and row["result"] != unknown for row in rows
        ),
        "settled there alone": count(
            row["known"] != unknown and row["result"] == unknown for row in rows
        ),
        "contradictions": count(row["contradicts"] for row in rows),
        "median (s)": f"{statistics.median(seconds):.2f}",
        "total (s)": f"{sum(seconds):.0f}",
        "boxes, published": f"{theirs} on {len(both)}" if both else "",
        "boxes here": str(ours) if both else "",
        "ratio": f"{theirs / ours:.1f}" if both else "",
    }


def drawn(
    instances: Sequence[PairInstance], families: Sequence[str], sample: int | None, seed: int
) -> list[PairInstance]:
    """Return the questions of some families, or a random part of each in its own order.

    Raises:
        SystemExit: a family that is not there.
    """
    found = []
    for family in families:
        if family not in FAMILIES:
            raise SystemExit(f"there is no family {family!r}: name some of {', '.join(FAMILIES)}")
        members = [one for one in instances if one.family == family]
        if sample is not None and sample < len(members):
            kept = set(random.Random(seed).sample(range(len(members)), sample))
            members = [one for place, one in enumerate(members) if place in kept]
        found.extend(members)
    return found


def measured(instances: Sequence[PairInstance], given: argparse.Namespace) -> list[Row]:
    """Return a row for each question; those that the file has already are not asked again."""
    conditions = {"limit": given.limit, "seed": given.seed}
    known: dict[str, Row] = {}
    if given.json is not None and given.json.exists():
        for number, line in enumerate(given.json.read_text().splitlines(), 1):
            row = json.loads(line)
            if any(row.get(name) != value for name, value in conditions.items()):
                raise SystemExit(
                    f"{given.json}:{number}: measured with another limit or seed: name another file"
                )
            known[row["instance"]] = row
    rows = []
    if any(one.name not in known for one in instances):
        settle(instances[0], WARM_UP)
    for one in instances:
        row = known.get(one.name)
        if row is None:
            row = {**settle(one, given.limit, given.seed), **conditions, "commit": commit()}
            if given.json is not None:
                with given.json.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        rows.append(row)
        print(
            f"{one.name:26} {row['result']:14} {row['seconds']:8.2f} s {row['boxes']:9} boxes"
            f"  known: {row['known']} {row['known_boxes'] or ''}",
            file=sys.stderr,
            flush=True,
        )
    return rows


def raced(instances: Sequence[PairInstance], given: argparse.Namespace) -> None:
    """Ask solvers the same questions as processes, and print how each did."""
    solvers = installed(named(given.solvers.split(",")))
    with tempfile.TemporaryDirectory(prefix="secateur-pairs-") as folder:
        entries = [entry(one, Path(folder)) for one in instances]
        rows = list(race(entries, solvers, given.limit, given.cores, given.json))
    if rows:
        report(rows, solvers, given.limit, given.cores)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--sample", type=int, help="so many questions of each family at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=116.0, help="seconds a question")
    parser.add_argument("--solvers", help="ask these as processes instead")
    parser.add_argument("--cores", type=int, default=2, help="for --solvers")
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    given = parser.parse_args()
    instances = drawn(pair_instances(), given.families.split(","), given.sample, given.seed)
    if given.solvers:
        raced(instances, given)
        return
    rows = measured(instances, given)
    print(table(totals(rows)))
    for row in rows:
        if row["contradicts"]:
            print(f"\n{row['instance']}: {row['result']} here, {row['known']} published")
    print(
        f"\nlimit {given.limit:g} s, seed {given.seed}, peak memory {peak_memory():.0f} MB; "
        f"{machine('numpy', 'numba', 'onnxruntime')}"
    )


if __name__ == "__main__":
    main()
