"""How long the command takes to start, and what it holds in memory.

`python -m secateur.benchmarks.startup [--runs 15]` starts `secateur --version`, `secateur info` and
`secateur bounds` on a demo network in turn, each in a process of its own, and prints medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from .controllers.catalogue import controller
from .machine import machine, table


def started(words: list[str]) -> tuple[float, float]:
    """Return the wall time (s) and peak memory (MB) of one command."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "secateur", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"secateur {' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    net = str(controller("horizontal-coc").path)
    region = "0.1:0.2,0:0.1,0:0.1"
    verbs = {
        "--version": ["--version"],
        "info": ["info", net],
        "bounds": ["bounds", net, "--region", region],
    }
    runs = [{name: started(words) for name, words in verbs.items()} for _ in range(given.runs)]
    rows = [
        {
            "command": name,
            "median (s)": f"{statistics.median(run[name][0] for run in runs):.3f}",
            "slowest (s)": f"{max(run[name][0] for run in runs):.3f}",
            "peak memory (MB)": f"{max(run[name][1] for run in runs):.0f}",
            "runs": given.runs,
        }
        for name in verbs
    ]
    print(table(rows))
    print(f"\n{machine('numpy', 'onnx', 'onnxruntime')}")


if __name__ == "__main__":
    main()
