"""What compression forgets, measured: populations on data, and regions of an embedded controller.

`python -m secateur.benchmarks.exemplars populations RUN.json...` prints the records of `secateur
forget exemplars` as tables. `python -m secateur.benchmarks.exemplars regions [--seconds S]` prunes
and quantizes an embedded controller and encloses the share of each of its named regions on which
the compressed network gives another advisory.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..commands.terminal import above, below
from ..compression.compress import compress
from ..compression.disagreement import Spending, disagreement, sampled
from ..compression.method import Int8, Int8Weights, Magnitude, Method, ProvedRanges
from ..engine.agreement import Best
from ..engine.formats import load
from ..engine.network import Network
from ..engine.region import Region
from .machine import ROOT, machine, table

NETWORKS: Final = ROOT / "benchmarks" / "controllers" / "networks"
POINTS: Final = 100_000
"""Random points that stand beside an enclosure."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A named region of an embedded controller.

    Attributes:
        name: of it.
        region: network units.
    """

    name: str
    region: Region


def places(network: Network, problem: str) -> list[Place]:
    """Return the named regions of a controller's problem."""
    told = json.loads((NETWORKS / "networks.json").read_text())["problems"][problem]
    normal = network.normalisation
    assert normal is not None
    found = []
    for one in told["regions"]:
        lower, upper = (normal.to_network(np.array(one[side])) for side in ("lower", "upper"))
        found.append(Place(one["name"], Region.box(lower, upper, one["name"])))
    return found


def methods(region: Region) -> dict[str, Method]:
    """Return what is done to the controller."""
    return {
        "pruned 5 %": Magnitude(0.05),
        "pruned 30 %": Magnitude(0.3),
        "int8 weights": Int8Weights(),
        "int8": Int8(ProvedRanges(region)),
    }


def regions(seconds: float, workers: int, only: str | None = None) -> None:
    """Print the enclosed shares of the horizontal controller, on all named regions or on one."""
    network = load(NETWORKS / "horizontal-coc.onnx")
    rows = []
    for place in places(network, "horizontal"):
        if only not in (None, place.name):
            continue
        for name, method in methods(place.region).items():
            small = compress(network, method).network
            found = disagreement(
                network, small, place.region, Best.MAX, Spending(seconds, workers=workers, gap=1e-4)
            )
            seen = sampled(network, small, place.region, Best.MAX, POINTS, 0)
            rows.append(
                {
                    "region": place.name,
                    "compressed": name,
                    "differs on at least (%)": below(100 * found.least, 5),
                    "at most (%)": above(100 * found.most, 5),
                    f"of {POINTS} points (%)": f"{100 * seen.differ / seen.points:.4f}",
                    "boxes": found.bounded,
                    "wall (s)": f"{found.seconds:.1f}",
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
    print(table(rows))


def populations(paths: list[Path]) -> None:
    """Print records of `secateur forget exemplars` as tables."""
    for path in paths:
        record = json.loads(path.read_text())
        print(f"`{record['command']}`\n")
        print(table([_row(one) for one in record["populations"]]))


def _row(one: dict[str, Any]) -> dict[str, object]:
    def share(part: dict[str, Any] | None, side: str) -> str:
        return "-" if part is None else f"{100 * part[side]['mean']:.1f}"

    worse = [case for case in one["corruptions"] if case["changed"] and case["change"] < 0]
    return {
        "population": one["name"],
        "accuracy (%)": share(one["overall"], "compressed"),
        "exemplars": one["exemplars"],
        "undecided": one["undecided"],
        "on exemplars: originals (%)": share(one["on_exemplars"], "original"),
        "compressed (%)": share(one["on_exemplars"], "compressed"),
        "on others: originals (%)": share(one["elsewhere"], "original"),
        "compressed on others (%)": share(one["elsewhere"], "compressed"),
        "random rows: compressed (%)": share(one["by_chance"], "compressed"),
        "classes changed": sum(case["changed"] for case in one["classes"]),
        "corruptions worse": f"{len(worse)} of {len(one['corruptions'])}",
    }


def main(words: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    first = verbs.add_parser("populations")
    first.add_argument("runs", nargs="+", type=Path)
    second = verbs.add_parser("regions")
    second.add_argument("--seconds", type=float, default=10.0)
    second.add_argument("--workers", type=int, default=1)
    second.add_argument("--region", help="the name of one; all by default")
    given = parser.parse_args(words)
    if given.verb == "populations":
        populations(given.runs)
    else:
        regions(given.seconds, given.workers, given.region)
    print(f"\n{machine('numpy', 'torch', 'numba')}")


if __name__ == "__main__":
    main()
