"""Phase redundancy of whole ACAS Xu networks over their whole domain, decided.

`python -m secateur.benchmarks.whole_domain [--nets 5_9,1_1,2_4,3_3] [--seconds 110]` decides every
one of the 300 ReLUs of each network, each network in a process of its own, and prints a Markdown
table: neurons proved (zero, identity), refuted by two replayed points, undecided; sub-boxes, wall
time, peak memory. The reference run (Lahav and Katz 2021) proved 13 neurons of 5_9 in 2 h 04 min
of Gurobi MILP.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from ..engine.formats import load
from ..engine.formats.onnx_runtime import Runtime
from ..engine.region import Region
from ..engine.verdict import Proved, Refuted, Unknown
from ..redundancy.phase import Effort, decide_phases
from .machine import acas, machine, peak_memory, table

LOWER = ["-0.328422877", "-0.5", "-0.5", "-0.5", "-0.5"]
UPPER = ["0.679857769", "0.5", "0.5", "0.5", "0.5"]
"""The domain of the ACAS Xu networks, network units, as decimals."""


def decide(name: str, seconds: float, seed: int) -> dict[str, object]:
    """Return the row of one network."""
    from fractions import Fraction

    path = acas(name)
    network = load(path)
    box = [Fraction(text) for text in LOWER], [Fraction(text) for text in UPPER]
    region = Region.box(*box, "whole domain")
    start = time.perf_counter()
    effort = Effort(seconds=seconds, seed=seed)
    phases = decide_phases(network, region, effort, Runtime(path))
    wall = time.perf_counter() - start
    both = [f.verdict for f in phases.findings if isinstance(f.verdict, Refuted)]
    replayed = sum(
        all(w.runtime is not None and w.runtime * float(w.value) > 0 for w in verdict.witnesses)
        for verdict in both
    )
    counts = sum(phases.by_layer().values(), start=type(next(iter(phases.by_layer().values())))())
    return {
        "network": name,
        "proved": phases.count(Proved),
        "zero": counts["zero"],
        "identity": counts["identity"],
        "refuted": phases.count(Refuted),
        "of these with both signs seen in onnxruntime too": replayed,
        "undecided": phases.count(Unknown),
        "sub-boxes": phases.boxes,
        "wall (s)": f"{wall:.1f}",
        "peak memory (MB)": f"{peak_memory():.0f}",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", default="5_9,1_1,2_4,3_3")
    parser.add_argument("--seconds", type=float, default=110.0, help="time limit a network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for name in given.nets.split(","):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows.append(pool.submit(decide, name, given.seconds, given.seed).result())
    print(table(rows))
    print(f"\nseed {given.seed}; {machine('numpy', 'numba', 'highspy', 'onnxruntime')}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
