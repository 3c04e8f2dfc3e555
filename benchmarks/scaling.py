"""How the work of settling a pair grows with a smaller epsilon and with a larger region.

`python -m secateur.benchmarks.scaling --to scaling.svg` asks a few pairs of ACAS Xu networks the
same question with other values of epsilon, and over the same box shrunk around its centre, and
draws sub-boxes and seconds against both. A hollow mark is a question still open at the limit.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from .chart import Chart, Line, sheet
from .machine import machine, table
from .pair_instances import Asks, Known, PairInstance, pair_instances
from .pairs import WARM_UP, settle

PAIRS = {
    "vnncomp26-iso-june-1062": "ACAS Xu, weights perturbed",
    "verydiff-acas-0804": "ACAS Xu, pruned",
    "reludiff-acas16-0035": "ACAS Xu, 16-bit weights",
    "nnequiv-0586": "ACAS Xu, retrained",
}
"""A pair of each kind, and what it is."""

EPSILONS = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125)
"""Times the pair's own epsilon."""

SIZES = (0.125, 0.25, 0.5, 0.75, 1.0)
"""Width of the box, times the pair's own."""


def variants(instance: PairInstance) -> Iterator[tuple[str, float, PairInstance]]:
    """Yield (axis, its value, question): other epsilons over the whole box, then other boxes.

    Raises:
        SystemExit: a question without epsilon.
    """
    if instance.asks is Asks.TOP or instance.epsilon is None:
        raise SystemExit(f"{instance.name} asks for the same class and has no epsilon: name others")
    for factor in EPSILONS:
        epsilon = instance.epsilon * Fraction(factor)
        yield "epsilon", float(epsilon), instance.within(epsilon)
    for factor in SIZES:
        yield "region", factor, instance.scaled(Fraction(factor))


def measured(instances: Sequence[PairInstance], limit: float, seed: int) -> list[dict[str, Any]]:
    """Return a row for each variant of each question."""
    rows = []
    settle(instances[0], WARM_UP)
    for instance in instances:
        for axis, value, variant in variants(instance):
            row = {"pair": instance.name, "axis": axis, "value": value}
            row |= settle(variant, limit, seed)
            # What is known of the pair says nothing about another epsilon or another box.
            for name in ("known", "contradicts", "known_boxes", "known_seconds"):
                row.pop(name)
            rows.append(row)
            print(
                f"{row['instance']:40} {row['result']:14} {row['seconds']:8.2f} s "
                f"{row['boxes']:9} boxes",
                file=sys.stderr,
                flush=True,
            )
    return rows


def drawn(rows: Sequence[dict[str, Any]], limit: float) -> str:
    """Return the four charts: sub-boxes and seconds, against epsilon and against region size."""
    axes = (
        ("epsilon", "epsilon, network output units"),
        ("region", "width of the box, of its own width"),
    )
    measures: tuple[tuple[str, Callable[[dict[str, Any]], float]], ...] = (
        ("sub-boxes", lambda row: max(1, row["boxes"])),
        ("seconds", lambda row: max(1e-3, row["seconds"])),
    )
    charts = []
    for name, of in measures:
        for axis, label in axes:
            lines = []
            for pair in dict.fromkeys(row["pair"] for row in rows):
                found = [row for row in rows if row["pair"] == pair and row["axis"] == axis]
                points = [(r["value"], of(r), r["result"] != Known.OPEN.value) for r in found]
                lines.append(Line(": ".join(filter(None, (pair, PAIRS.get(pair)))), tuple(points)))
            charts.append(Chart(label, name, tuple(lines)))
    title = f"Proving that pairs of networks stay within epsilon, limit {limit:g} s a question"
    return sheet(title, charts, hollow="still open at the limit: what was spent until then")


def main() -> None:
    """Write the charts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", default=",".join(PAIRS))
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a question")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, required=True, help="the .svg file")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    known = {one.name: one for one in pair_instances()}
    for name in given.pairs.split(","):
        if name not in known:
            raise SystemExit(f"there is no pair {name!r}: see pairs/index.csv")
    chosen = [known[name] for name in given.pairs.split(",")]
    rows = measured(chosen, given.limit, given.seed)
    given.to.write_text(drawn(rows, given.limit))
    print(
        table([{k: v for k, v in row.items() if k not in ("instance", "family")} for row in rows])
    )
    print(f"\nlimit {given.limit:g} s, seed {given.seed}; {machine('numpy', 'numba')}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
