"""What each way of working costs, measured on drawn networks and fitted: `engine/cost_table.py`.

`python -m secateur.benchmarks.cost_models --write --plot cost.svg --json rows.jsonl` measures, fits
laws that are products of powers, prints them with their spread over what was held out, says what
the choice by these laws would have cost on the drawn questions beside the choice by the number of
inputs alone, and writes the table that the product reads. With `--rows FILE` it fits rows that were
measured before.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ..engine.cost import BISECTED, Figures, Law, Way, yardstick
from .chart import Chart, Line, sheet
from .cost_fit import fitted
from .cost_measures import measured, shared
from .cost_networks import MIDDLE, SWEEPS, drawn, shapes
from .machine import ROOT, machine, table

Row = dict[str, Any]

SIZE: Final = ("weights", "inputs", "unstable")
HARD: Final = ("weights", "inputs", "unstable", "tight")
EACH: Final = 64
"""A search with fewer boxes or leaves says what it takes to begin, not what one of them takes."""

LEAST: Final = 16
"""Fewer such searches than this are not fitted alone."""

SHORTEST: Final = 5e-3
"""Seconds below which a search counts as this: what it takes to begin."""

SMALLEST: Final = 2**16
"""Bytes below which a peak counts as this: pages and allocators round it."""

FOLDS: Final = 4
"""Parts of the questions, each judged by laws that were fitted to the others."""

OTHERS: Final = (8, 12, 20, 24)
"""Numbers of inputs that might stand in place of the rule's."""

TABLE: Final = ROOT / "engine" / "cost_table.py"


def laws(rows: Sequence[Row]) -> tuple[dict[str, Law], list[Row]]:
    """Return the laws by name, and a row on each for people."""
    found: dict[str, Law] = {}
    told: list[Row] = []

    def add(name: str, rows: Sequence[Row], names: Sequence[str], **how: Any) -> None:
        law, within, least = fitted(rows, name, names, **how)
        found[name] = law
        powers = ", ".join(f"{name}^{power:g}" for name, power in law.powers.items())
        told.append(
            {
                "law": name,
                "where all are 1": f"{math.exp(law.constant):.3g}",
                "powers": powers,
                "spread": f"{within:.2f}",
                "held out": f"{law.spread:.2f}",
                "runs": law.runs,
                "at least": least,
            }
        )

    for way in Way:
        key = way.name.lower()
        many = way in (Way.BOXES, Way.PHASES, Way.NEURONS)
        used = [row for row in rows if row[f"{key} count"] >= EACH] if many else rows
        used = used if len(used) >= LEAST else rows
        add(f"{key} seconds", used, SIZE)
        add(f"{key} bytes", rows, SIZE, least=SMALLEST / (8 if way in ARRAYS else 1))
    asked = [row for row in rows if not row["boxes refuted"]]
    for way in (Way.BOXES, Way.PHASES):
        key = way.name.lower()
        add(f"{key} count", asked, HARD, settled=f"{key} settled")
        add(f"{key} settle", asked, HARD, settled=f"{key} settled", least=SHORTEST)
    return found, told


ARRAYS: Final = (Way.INTERVAL, Way.ARRAYS, Way.OPTIMISED)


def written(
    rows: Sequence[Row], found: dict[str, Law], power: float, unit: float, note: str
) -> str:
    """Return the text of the table that the product reads."""
    ranges = [
        f'    "{name}": ({min(r[name] for r in rows)!r}, {max(r[name] for r in rows)!r}),'
        for name in HARD
    ]
    lines = []
    for name, law in found.items():
        powers = ", ".join(f'"{key}": {value!r}' for key, value in law.powers.items())
        parts = (str(law.constant), f"{{{powers}}}", str(law.spread), str(law.runs))
        lines += [f'    "{name}": (', *(f"        {part}," for part in parts), "    ),"]
    return f'''"""Laws of what ways of working cost, as written by `benchmarks/cost_models.py`.

{note}
"""

from typing import Final

LAWS: Final[dict[str, tuple[float, dict[str, float], float, int]]] = {{
{chr(10).join(lines)}
}}
"""Of each way and quantity: natural logarithm of the value where all figures are 1, exponents by
figure, the factor by which what was held out differs (one standard deviation), number of runs."""

MEASURED: Final[dict[str, tuple[float, float]]] = {{
{chr(10).join(ranges)}
}}
"""Least and greatest figures among these; beyond them a law is a guess."""

SHARED: Final = {power!r}
"""Boxes take the number of workers to this power less wall time."""

YARDSTICK: Final = {unit!r}
"""CPU seconds of `cost.yardstick` on the machine that was measured on."""
'''


def regret(rows: Sequence[Row]) -> list[Row]:
    """Return the CPU seconds that rules of choice take on the drawn questions, beside the best.

    Laws judge each question by a fit to the other folds; a search that was stopped counts with
    what it spent.
    """
    asked = [row for row in rows if not row["boxes refuted"]]
    ratios = _ratios(asked)
    few = [row["inputs"] <= BISECTED for row in asked]
    rules = {
        f"boxes up to {BISECTED} inputs": few,
        "the laws beyond their spread": [
            ratio > 1.0 if max(ratio, 1.0 / ratio) > doubt else usual
            for (ratio, doubt), usual in zip(ratios, few, strict=True)
        ],
        "the laws whatever their spread": [ratio > 1.0 for ratio, _ in ratios],
        **{f"boxes up to {most} inputs": [r["inputs"] <= most for r in asked] for most in OTHERS},
        "boxes always": [True] * len(asked),
        "phases always": [False] * len(asked),
        "the best afterwards": [row["boxes settle"] <= row["phases settle"] for row in asked],
    }
    best = [min(row["boxes settle"], row["phases settle"]) for row in asked]
    out = []
    for name, boxes in rules.items():
        words = ["boxes" if one else "phases" for one in boxes]
        spent = [row[f"{word} settle"] for row, word in zip(asked, words, strict=True)]
        done = [bool(row[f"{word} settled"]) for row, word in zip(asked, words, strict=True)]
        twice = sum(s > 2 * b + 0.05 for s, b in zip(spent, best, strict=True))
        out.append(
            {
                "choice": name,
                "CPU (s)": f"{sum(spent):.1f}",
                "settled": f"{sum(done)} of {len(asked)}",
                "against the rule": sum(x != y for x, y in zip(boxes, few, strict=True)),
                "more than twice the best": twice,
            }
        )
    return out


def _ratios(asked: Sequence[Row]) -> list[tuple[float, float]]:
    """Return for each question phases' seconds over boxes' by the other folds, and the spread."""
    out = [(1.0, math.inf)] * len(asked)
    for fold in range(FOLDS if len(asked) >= 2 * FOLDS else 0):
        rest = [row for at, row in enumerate(asked) if at % FOLDS != fold]
        boxes, phases = (
            fitted(rest, f"{key} settle", HARD, settled=f"{key} settled", least=SHORTEST)[0]
            for key in ("boxes", "phases")
        )
        doubt = math.exp(math.hypot(math.log(boxes.spread), math.log(phases.spread)))
        for at in range(fold, len(asked), FOLDS):
            row = asked[at]
            figures = Figures(
                inputs=int(row["inputs"]),
                neurons=int(row["neurons"]),
                weights=int(row["weights"]),
                unstable=int(row["unstable"]),
                tight=float(row["tight"]),
            )
            out[at] = phases.at(figures) / boxes.at(figures), doubt
    return out


def pictures(rows: Sequence[Row]) -> str:
    """Return the sweeps as charts: seconds to settle, and seconds of one box or program."""
    charts = []
    settle = {"boxes settle": "boxes of inputs", "phases settle": "phases of neurons"}
    for axis, of in (("inputs", "inputs"), ("unstable", "unstable"), ("tight", "tight")):
        lines = []
        for column, name in settle.items():
            points = [
                (row[of], max(row[column], 1e-3), row[column.split()[0] + " settled"])
                for row in rows
                if row["axis"] == axis
            ]
            lines.append(Line(name, tuple(points)))
        charts.append(Chart(f"{of} (the rest as in the middle)", "CPU seconds", tuple(lines)))
    lines = []
    for way in Way:
        column = f"{way.name.lower()} seconds"
        points = [(r["weights"], max(r[column], 1e-7), True) for r in rows if r["axis"] == "width"]
        lines.append(Line(str(way), tuple(points)))
    charts.append(Chart("multiply-adds of the network", "CPU seconds of one", tuple(lines)))
    said = ", ".join(f"{key} {value:g}" for key, value in MIDDLE.items())
    return sheet(f"What ways of working take; middle: {said}", charts, hollow="stopped before")


def gathered(joint: int, seed: int, most: int | None = None) -> list[Row]:
    """Return a row for each shape; the first shape is done twice, for it compiles."""
    rows: list[Row] = []
    for at, shape in enumerate(islice(shapes(joint, seed), most)):
        one = drawn(shape)
        if not at:
            measured(one)
        rows.append(measured(one))
        print(f"{at + 1}: {one.figures}", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Measure, fit, tell and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--joint", type=int, default=160, help="shapes drawn in all figures")
    parser.add_argument("--shapes", type=int, help="the first so many of all alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, help="rows that were measured before")
    parser.add_argument("--json", type=Path, help="where measured rows go")
    parser.add_argument("--plot", type=Path, help="where the charts go")
    parser.add_argument("--write", action="store_true", help="write the product's table")
    given = parser.parse_args()
    if given.rows:
        rows = [json.loads(line) for line in given.rows.read_text().splitlines()]
    else:
        rows = gathered(given.joint, given.seed, given.shapes)
    if given.json:
        given.json.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, told = laws(rows)
    print(table(told), table(regret(rows)), sep="\n\n")
    said = f"{len(rows)} drawn networks, seed {given.seed}; {machine('numpy', 'numba', 'highspy')}"
    print(f"\n{said}")
    if given.plot:
        given.plot.write_text(pictures(rows))
    if given.write:
        middle = replace(next(shapes(0, 0)), width=96, depth=4, inputs=5)
        power, unit = round(shared(drawn(middle)), 2), yardstick()
        print(f"Boxes by workers: {power}; yardstick {unit:.3g} s.")
        TABLE.write_text(
            written(rows, found, power, unit, said.replace("; ", ";\n").replace(", c", ",\nc"))
        )


__all__ = ["SWEEPS", "gathered", "laws", "main", "pictures", "regret", "written"]

if __name__ == "__main__":
    main()
