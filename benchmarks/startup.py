"""How long the command takes to start, and what it holds in memory.

`python -m secateur.benchmarks.startup [--runs 15]` starts small commands on a demo network in turn,
each in a process of its own, and prints medians: the version, what a file holds, bounds, a query
that one box proves, one that a point refutes, and how far two networks are apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .controllers.catalogue import controller
from .machine import machine, table

REGION = "0.1:0.2,0:0.1,0:0.1"
OUTPUTS = 5
ENDS = (0, 10, 20)
"""Exit codes of a command that was answered."""


@dataclass(frozen=True, slots=True)
class Started:
    """What one command took.

    Attributes:
        wall, processor: time, s.
        memory: peak, MB.
    """

    wall: float
    processor: float
    memory: float


def started(words: list[str]) -> Started:
    """Return what one command took.

    Raises:
        SystemExit: it was not answered.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "secateur", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ENDS:
        raise SystemExit(f"secateur {' '.join(words)} ended with {process.returncode}")
    wall = time.perf_counter() - start
    return Started(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def query(folder: Path, limit: float) -> str:
    """Return the name of a query: whether the first output can reach a limit on the region."""
    sides = [side.split(":") for side in REGION.split(",")]
    lines = [f"(declare-const X_{i} Real)" for i in range(len(sides))]
    lines += [f"(declare-const Y_{i} Real)" for i in range(OUTPUTS)]
    for i, (low, high) in enumerate(sides):
        lines += [f"(assert (>= X_{i} {low}))", f"(assert (<= X_{i} {high}))"]
    lines.append(f"(assert (>= Y_0 {limit}))")
    path = folder / f"reaches {limit}.vnnlib"
    path.write_text("\n".join(lines))
    return str(path)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    net, other = (str(controller(f"horizontal-{name}").path) for name in ("coc", "wl"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        asked, within = ("--network", f"N={net}"), ("--epsilon", "100")
        verbs = {
            "--version": ["--version"],
            "--help": ["--help"],
            "info": ["info", net],
            "verify, unsat": ["verify", query(place, 10.0), *asked],
            "verify, sat": ["verify", query(place, -10.0), *asked],
            "bounds": ["bounds", net, "--region", REGION],
            "compare": ["compare", net, other, "--region", REGION, *within],
        }
        for words in verbs.values():  # what is compiled is kept from here on
            started(words)
        runs = [{name: started(words) for name, words in verbs.items()} for _ in range(given.runs)]
    rows = [
        {
            "command": name,
            "median (s)": f"{statistics.median(run[name].wall for run in runs):.3f}",
            "slowest (s)": f"{max(run[name].wall for run in runs):.3f}",
            "median CPU (s)": f"{statistics.median(run[name].processor for run in runs):.3f}",
            "peak memory (MB)": f"{max(run[name].memory for run in runs):.0f}",
            "runs": given.runs,
        }
        for name in verbs
    ]
    print(table(rows))
    print(f"\n{machine('numpy', 'numba', 'onnx', 'onnxruntime')}")


if __name__ == "__main__":
    main()
