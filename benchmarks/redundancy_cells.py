"""Joint redundancy on random cells of a grid: what each step removes, what it costs, if it holds.

`python -m secateur.benchmarks.redundancy_cells --nets 1_1,5_9 --cells 50 --json rows.jsonl`
simplifies random cells of the 8^5 grid of ACAS Xu networks (or of the grid of a demo controller, by
its name) and attacks each result at random points. With `--curve` the tolerance of `--keep outputs`
varies, and the shares removed are drawn against it and against the proved error; with `--compare`
the orders and lines of removals do. A run that was broken off goes on with the same `--json` file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..redundancy.aim import Lines
from ..redundancy.choice import Order
from ..redundancy.removal import Kind
from .chart import Chart, Line, sheet
from .machine import commit, machine, table
from .redundancy_rows import Asked, Row, Subject, measure, subject

KEY = ("net", "cell", "keep", "tolerance", "order", "lines")
"""What tells rows of one file apart."""

SAME = ("seed", "seconds_allowed", "points", "search_seed")
"""What all rows of one file have in common."""


def race(
    subjects: Sequence[Subject],
    every: Sequence[Asked],
    seed: int,
    store: Path | None,
) -> Iterator[Row]:
    """Yield the rows of all cells, each cell with everything that is asked, measured or stored.

    Args:
        subjects: networks with as many cells each.
        every: what is asked of each cell.
        seed: of the cells.
        store: JSON lines; None writes nothing.

    Raises:
        SystemExit: the file holds something else, or rows measured otherwise.
    """
    known = stored(store, {"seed": seed, **every[0].words()})
    for index in range(len(subjects[0].cells)):
        for one in subjects:
            for asked in every:
                words = {"net": one.name, "cell": index, **asked.words()}
                row = known.get(tuple(words[name] for name in KEY))
                if row is None:
                    row = {"seed": seed, **measure(one, index, asked), "commit": commit()}
                    if store is not None:
                        with store.open("a") as file:
                            file.write(json.dumps(row) + "\n")
                yield row


def stored(store: Path | None, common: Mapping[str, object]) -> dict[tuple[object, ...], Row]:
    """Return the rows of a file by what tells them apart.

    Raises:
        SystemExit: the file holds something else, or rows that were measured otherwise.
    """
    found: dict[tuple[object, ...], Row] = {}
    if store is None or not store.exists():
        return found
    for number, text in enumerate(store.read_text().splitlines(), start=1):
        try:
            row = json.loads(text)
            key = tuple(row[name] for name in KEY)
            for name in SAME:
                if row[name] != common[name]:
                    raise SystemExit(
                        f"{store}:{number}: was measured with {name} {row[name]}, not "
                        f"{common[name]}: name another file"
                    )
        except (ValueError, KeyError, TypeError):
            raise SystemExit(f"{store}:{number}: no row of a cell: name another file") from None
        found[key] = row
    return found


def summary(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return a line for each network and each thing asked: means, and the median time."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in KEY if name != "cell"), []).append(row)
    return [
        {
            "net": str(some[0]["net"]),
            "keep": f"{some[0]['keep']} {some[0]['tolerance']:g}",
            "order, lines": f"{some[0]['order']}, {some[0]['lines']}",
            "cells": str(len(some)),
            **{
                kind.value: f"{100 * _mean(share(row, kind) for row in some):.1f} %"
                for kind in Kind
            },
            "removed": f"{100 * _mean(share(row) for row in some):.1f} %",
            "gone when folded": f"{100 * _mean(folded(row) for row in some):.1f} %",
            "proved": f"{sum(row['proved'] for row in some)}/{len(some)}",
            "violations": str(sum(row["violations"] for row in some)),
            "multiply-adds": _pair(some, "multiply_adds"),
            "latency": f"{_mean(row['latency_us'][0] / row['latency_us'][1] for row in some):.2f}x",
            "median s": f"{np.median([row['seconds'] for row in some]):.1f}",
            "most s": f"{max(row['seconds'] for row in some):.1f}",
        }
        for some in groups.values()
    ]


def share(row: Row, kind: Kind | None = None) -> float:
    """Return which part of its neurons a cell lost to a step, or to all steps."""
    removed = row["removed"]
    lost = removed[kind.value] if kind is not None else sum(removed.values())
    return float(lost / max(1, row["neurons"]))


def folded(row: Row) -> float:
    """Return which part of its neurons a cell lost in the end: those that nothing reads too."""
    return 1.0 - float(row["left"] / max(1, row["neurons"]))


def _mean(values: Iterator[float]) -> float:
    return float(np.mean(list(values)))


def _pair(rows: Sequence[Row], name: str) -> str:
    before, after = np.mean([row[name] for row in rows], axis=0)
    return f"{before:.0f} to {after:.0f}"


def curve(rows: Sequence[Row]) -> tuple[list[dict[str, str]], str]:
    """Return the table and the figure of what is removed against tolerance and proved error.

    What a tolerance of 0 removes has no place on a logarithmic axis and stands in the table alone.
    """
    groups: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        if row["error"] is not None:
            groups.setdefault((row["net"], row["tolerance"]), []).append(row)
    lines: list[dict[str, str]] = []
    drawn: dict[str, list[tuple[float, float, float, bool]]] = {}
    for (net, tolerance), some in sorted(groups.items()):
        removed = 100 * _mean(share(row) for row in some)
        errors = {
            name: _mean(row["error"][name] for row in some)
            for name in ("analytic", "difference", "searched", "attained")
        }
        lines.append(
            {
                "net": net,
                "tolerance": f"{tolerance:g}",
                "cells": str(len(some)),
                "removed": f"{removed:.1f} %",
                **{f"{name} error": f"{value:.3g}" for name, value in errors.items()},
            }
        )
        if tolerance > 0 and removed > 0:
            whole = all(row["proved"] for row in some)
            point = (tolerance, errors["searched"], removed, whole)
            drawn.setdefault(net, []).append(point)
    panels = []
    for at, what in enumerate(("tolerance", "proved output error, mean")):
        marks = tuple(
            Line(
                net,
                tuple(
                    (point[at], point[2], point[3])
                    for point in points
                    if point[at] > 0 and math.isfinite(point[at])
                ),
            )
            for net, points in drawn.items()
        )
        if any(one.points for one in marks):
            panels.append(Chart(f"{what} (network output units)", "neurons removed (%)", marks))
    return lines, sheet("Neurons removed against output error", panels) if panels else ""


def main() -> None:
    """Print the tables, and draw the curve."""
    given = _arguments()
    first = Asked(keep=given.keep, tolerance=given.tolerance, seconds=given.seconds)
    first = replace(first, points=given.points, seed=given.search_seed)
    every = [first]
    if given.curve:
        every = [replace(first, keep="outputs", tolerance=value) for value in given.curve]
    elif given.compare:
        every = [replace(first, order=order, lines=line) for order in Order for line in Lines]
    subjects = [subject(name, given.cells, given.seed) for name in given.nets.split(",")]
    rows = []
    try:
        for row in race(subjects, every, given.seed, given.json):
            rows.append(row)
            print(
                f"{row['net']:8} {row['cell']:3} {row['keep']} {row['tolerance']:g} "
                f"{row['order']:6} {row['lines']:7} {100 * share(row):5.1f} % "
                f"{row['seconds']:6.1f} s  {row['violations']} violations",
                file=sys.stderr,
                flush=True,
            )
    except KeyboardInterrupt:
        print("broken off", file=sys.stderr)
    if not rows:
        return
    print(table(summary(rows)))
    if given.curve:
        lines, figure = curve(rows)
        print(f"\n{table(lines)}")
        if figure:
            given.svg.write_text(figure)
    print(
        f"\ncells of seed {given.seed}, {given.seconds:g} s a cell, one thread, {given.points:,} "
        f"points attacked a cell; {machine('numpy', 'numba', 'onnxruntime')}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", default="1_1,5_9", help="of ACAS Xu, or demo controllers")
    parser.add_argument("--cells", type=_count, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the cells")
    parser.add_argument(
        "--keep",
        choices=("outputs", "argmin", "argmax", "best"),
        default="argmin",
        help="best: the network's own choice",
    )
    parser.add_argument("--tolerance", type=tolerance_of, default=0.0, help="network output units")
    parser.add_argument("--seconds", type=_seconds, default=20.0, help="a cell")
    parser.add_argument("--points", type=_count, default=100_000, help="attacked a cell")
    parser.add_argument("--search-seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--curve", type=_tolerances, help="tolerances for --keep outputs")
    which.add_argument("--compare", action="store_true", help="all orders and lines")
    parser.add_argument("--svg", type=Path, default=Path("redundancy-curve.svg"))
    return parser.parse_args()


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: give 1 or more")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text}: give a finite number above 0")
    return value


def tolerance_of(text: str) -> float:
    """Return the tolerance that a word of the command line writes."""
    value = float(text)
    if not (value >= 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text}: give a finite number that is 0 or more")
    return value


def _tolerances(text: str) -> list[float]:
    return [tolerance_of(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
