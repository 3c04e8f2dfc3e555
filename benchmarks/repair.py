"""Compressed controllers before and after repair: proved and attained distance, at equal size.

Each setting is a network, a region and a method; it is compressed, certified, repaired and
certified again, with as many boxes before as after. A row is a line of JSON; settings that a file
has already are not run again.

    python -m secateur.benchmarks.repair out.jsonl --settings acas:prop1:* --boxes 20000
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..compression.compress import compress
from ..compression.method import (
    Float16,
    Int8,
    Int8Weights,
    LowRank,
    Magnitude,
    Method,
    Scope,
    SeenRanges,
)
from ..compression.packed import pack
from ..compression.repair import Repaired, repair
from ..compression.repair_moves import Policy
from ..compression.schooling import Training
from ..engine.answer import Effort
from ..engine.formats import load
from ..engine.network import Network
from ..engine.region import Region
from .controllers import controller
from .machine import acas, machine

CALIBRATION = 4096
"""Random points at which int8 looks at activations."""

REGIONS = {
    "prop1": Region.box(
        [0.6, -0.5, -0.5, 0.45, -0.5], [0.679857769, 0.5, 0.5, 0.5, -0.45], "prop1"
    ),
    "whole": Region.box(
        [-0.328422877, -0.5, -0.5, -0.5, -0.5], [0.679857769, 0.5, 0.5, 0.5, 0.5], "whole"
    ),
}
"""Closed boxes of ACAS Xu in network units: like that of property 1, and the whole domain."""

DEMO = {"prop1": "head-on-close", "whole": "whole-domain"}
"""The regions of the embedded controller that stand for them."""


def taken(net: str, region: str) -> tuple[Network, Region]:
    """Return a network, ACAS Xu 1_1 or an embedded controller, and one of its regions."""
    if net == "acas":
        return load(acas("1_1")), REGIONS[region]
    entry = controller("horizontal-coc")
    return entry.network(), entry.region(DEMO[region]).to_network(entry.normalisation)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is compressed, how, and where it is repaired.

    Attributes:
        net: acas or demo.
        region: a name of `REGIONS`.
        name: of the method.
    """

    net: str
    region: str
    name: str

    @property
    def title(self) -> str:
        """Its name in a file of rows."""
        return f"{self.net}:{self.region}:{self.name}"

    def method(self, region: Region) -> Method:
        """Return the method of compression; every layer loses the same share of its weights."""
        points = np.random.default_rng(0).uniform(
            region.lower, region.upper, (CALIBRATION, region.size)
        )
        kinds: dict[str, Method] = {
            "pruned 5 %": Magnitude(0.05, Scope.TENSOR),
            "pruned 10 %": Magnitude(0.1, Scope.TENSOR),
            "pruned 30 %": Magnitude(0.3, Scope.TENSOR),
            "pruned 50 %": Magnitude(0.5, Scope.TENSOR),
            "float16": Float16(),
            "int8 weights": Int8Weights(),
            "int8": Int8(SeenRanges(points)),
            "low rank 80 %": LowRank(share=0.8),
            "low rank 40 %": LowRank(share=0.4),
        }
        return kinds[self.name]


NAMES = (
    "pruned 5 %",
    "pruned 10 %",
    "pruned 30 %",
    "pruned 50 %",
    "float16",
    "int8 weights",
    "int8",
    "low rank 80 %",
    "low rank 40 %",
)
SETTINGS = tuple(
    Setting(net, region, name) for net in ("acas", "demo") for region in REGIONS for name in NAMES
)


def measured(setting: Setting, effort: Effort, how: Policy) -> dict[str, Any]:
    """Return the row of a setting.

    Args:
        setting: what is done to which network.
        effort: of the repair, seconds for all of it.
        how: the repair goes about it.
    """
    begun = time.monotonic()
    network, region = taken(setting.net, setting.region)
    compressed = compress(network, setting.method(region))
    found = repair(network, compressed, region, 0, effort, None, how)
    return {
        "setting": setting.title,
        "seconds": time.monotonic() - begun,
        "before": _interval(found, True),
        "after": _interval(found, False),
        "times_less": found.before.proved / found.after.proved,
        "rounds": len(found.iterations) - 1,
        "moves": [one.move.value for one in found.iterations if one.best][1:],
        "stop": found.stop.value,
        "boxes": how.boxes,
        "bytes": {"before": len(pack(compressed)), "after": len(pack(found.compressed))},
        "machine": machine("numpy", "torch", "highspy"),
    }


def _interval(found: Repaired, before: bool) -> dict[str, float]:
    one = found.before if before else found.after
    return {"attained": one.attained, "proved": one.proved}


def chosen(patterns: list[str], done: set[str]) -> Iterator[Setting]:
    """Yield the settings that some patterns name and that are not done."""
    for setting in SETTINGS:
        if setting.title not in done and any(
            fnmatch.fnmatchcase(setting.title, pattern) for pattern in patterns
        ):
            yield setting


def main() -> None:
    """Measure settings and append their rows to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path, help="file of rows, one JSON object a line")
    parser.add_argument("--settings", nargs="+", default=["*"], help="patterns of titles")
    parser.add_argument("--boxes", type=int, default=20_000)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each setting")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    lines = asked.rows.read_text().splitlines() if asked.rows.exists() else []
    done = {json.loads(line)["setting"] for line in lines}
    how = Policy(
        iterations=asked.iterations, boxes=asked.boxes, training=Training(steps=asked.steps)
    )
    for setting in chosen(asked.settings, done):
        row = measured(setting, Effort(asked.seconds, 0, asked.workers), how)
        with asked.rows.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(
            f"{row['setting']:28} proved {row['before']['proved']:.4g} to "
            f"{row['after']['proved']:.4g}, attained {row['before']['attained']:.4g} to "
            f"{row['after']['attained']:.4g}, {row['seconds']:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
