"""The tables of a race: how each solver did, and the first one against each other one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]


def standings(rows: Iterable[Row]) -> list[dict[str, str]]:
    """Return one row of a table for each solver, in the order of their first rows.

    Times are wall times of whole processes over all instances, those that were not settled with the
    time they took; a solver's own clock, imports left out, is in a column beside them.
    """
    by_solver: dict[str, list[Row]] = {}
    for row in rows:
        by_solver.setdefault(row["solver"], []).append(row)
    return [_standing(name, found) for name, found in by_solver.items()]


def _standing(name: str, rows: Sequence[Row]) -> dict[str, str]:
    def count(*answers: str) -> str:
        return str(sum(row["answer"] in answers for row in rows))

    seconds = [row["seconds"] for row in rows]
    inside = [row["inside"] for row in rows if row["inside"] is not None]
    misses = [row["miss"] for row in rows if row["miss"] is not None]
    return {
        "solver": f"{name} {rows[0]['version']}",
        "instances": str(len(rows)),
        "settled": count("sat", "unsat"),
        "sat": count("sat"),
        "unsat": count("unsat"),
        "wrong": str(sum(row["wrong"] for row in rows)),
        "unknown": count("unknown"),
        "timeout": count("timeout"),
        "error": count("error"),
        "witnesses that hold": f"{sum(value == 0 for value in misses)} of {count('sat')}",
        "largest miss": f"{max(misses):.1e}" if misses else "",
        "median (s)": f"{statistics.median(seconds):.2f}",
        "mean (s)": f"{statistics.fmean(seconds):.2f}",
        "total (s)": f"{sum(seconds):.0f}",
        "median, own clock (s)": f"{statistics.median(inside):.2f}" if inside else "",
        "peak memory (MB)": str(max(row["megabytes"] for row in rows)),
    }


def paired(rows: Iterable[Row]) -> list[dict[str, str]]:
    """Return a table of the first solver against each other, over instances that both settled.

    A ratio is the other's wall time over the first one's, instance by instance; above 1 the first
    is faster.
    """
    times: dict[str, dict[str, float]] = {}
    for row in rows:
        settled = times.setdefault(row["solver"], {})
        if row["answer"] in ("sat", "unsat"):
            settled[row["instance"]] = row["seconds"]
    if not times:
        return []
    (first, ours), *others = times.items()
    return [_pair(first, ours, name, theirs) for name, theirs in others]


def _pair(
    first: str, ours: dict[str, float], name: str, theirs: dict[str, float]
) -> dict[str, str]:
    both = sorted(ours.keys() & theirs.keys())
    ratios = [theirs[key] / ours[key] for key in both]
    median = mean = totals = ""
    if both:
        median = f"{statistics.median(ratios):.2f}"
        mean = f"{math.exp(statistics.fmean(map(math.log, ratios))):.2f}"
        totals = f"{sum(theirs[key] for key in both) / sum(ours[key] for key in both):.2f}"
    return {
        "pair": f"{name} / {first}",
        "settled by both": str(len(both)),
        f"only {first}": str(len(ours.keys() - theirs.keys())),
        "only the other": str(len(theirs.keys() - ours.keys())),
        "median ratio": median,
        "geometric mean": mean,
        "ratio of totals": totals,
    }
