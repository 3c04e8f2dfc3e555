"""How much memory searches hold: a million boxes bounded, and a million boxes that wait at once.

`python -m secateur.benchmarks.memory` runs each job in a process of its own and reads its largest
resident memory from outside. Each job is run twice, with few boxes and with many: what is there
whatever is searched (Python, libraries, compiled loops) is in both, so the difference is what boxes
take. `--boxes 1000000` is the measure that is stated; `--only waiting` leaves out the jobs that
bound as many boxes as they hold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import within
from ..engine.bounder import bounder
from ..engine.bounds.packed import LOWER, UPPER, pack
from ..engine.branch import Limits, Search
from ..engine.cases import Cases
from ..engine.formats import load
from ..engine.formats.bind import bind, match_files
from ..engine.formats.vnnlib_claims import read_claim
from ..engine.network import Network
from ..engine.question import Question, ask
from ..engine.region import Region
from ..engine.replayed import Replays
from ..engine.search import Limits as NeuronLimits
from ..engine.search import Search as NeuronSearch
from ..engine.stages import stages
from .machine import acas, data, machine, table

Array = NDArray[np.float64]

FEW = 1000
"""Boxes of the run that shows what is there anyway."""

STEPS = 2000
"""Boxes that are bounded while the others wait."""

NETWORK, OTHER = "3_3", "1_1"
"""ACAS Xu networks: property 2 of 3_3 is a hard one that holds; 1_1 is searched for neurons."""

LOWER_LIMITS = (-0.328422877, -0.5, -0.5, -0.5, -0.5)
UPPER_LIMITS = (0.679857769, 0.5, 0.5, 0.5, 0.5)


def property_two() -> Question:
    """Return property 2 of the hard network."""
    claim = read_claim(data() / "acasxu" / "prop_2.vnnlib")
    bound = bind(match_files(claim, [str(acas(NETWORK))]))
    return ask(bound.claim, [model.network for model in bound.models])


def perturbed(network: Network, seed: int) -> Network:
    """Return a chain of the same shape whose weights differ by a thousandth."""
    rng = np.random.default_rng(seed)
    edges = [(stage.edges[0].weight, stage.bias) for stage in stages(network).stages[1:]]
    weights = [weight * (1.0 + 1e-3 * rng.standard_normal(weight.shape)) for weight, _ in edges]
    return Network.dense(weights, [bias for _, bias in edges])


def pair() -> Question:
    """Return whether a network and its perturbed copy are within a distance that is not kept."""
    network = load(acas(OTHER))
    chain = perturbed(network, 0), perturbed(network, 1)
    region = Region.box(list(LOWER_LIMITS), list(UPPER_LIMITS))
    return ask(within(*chain, region, Fraction(1, 10**6)), list(chain))


def searching(question: Question, limits: Limits) -> tuple[Search, Cases]:
    """Return a search of a question without attack."""
    rng = np.random.default_rng(0)
    goal = Cases(question, Replays(question, ()), None, time.monotonic(), np.inf, rng)
    return Search(bounder(question, limits.workers), goal, limits), goal


def bounded(boxes: int) -> dict[str, int]:
    """Bound boxes of the hard property, as `verify` does."""
    search, goal = searching(property_two(), Limits(workers=1))
    search.start(*goal.roots())
    most = 0
    while search.bounded < boxes and search.waiting:
        search.run(min(boxes, search.bounded + 16_384))
        most = max(most, search.waiting)
    return {"bounded": search.bounded, "waiting": most}


def waiting(question: Question, boxes: int) -> dict[str, int]:
    """Let boxes wait at once, side by side over the question's region, and bound some of them."""
    limits = Limits(workers=1, frontier=10 * boxes)
    search, goal = searching(question, limits)
    lower, upper, open_ = goal.roots()
    low, high = cut(lower[0], upper[0], boxes)
    for at in range(0, len(low), 65_536):
        part = slice(at, at + 65_536)
        search.start(low[part], high[part], np.repeat(open_[:1], len(low[part]), axis=0))
    search.run(STEPS)
    return {"bounded": search.bounded, "waiting": search.waiting}


def cut(lower: Array, upper: Array, least: int) -> tuple[Array, Array]:
    """Return at least so many boxes, equal parts of one: lower and upper ``(boxes, inputs)``."""
    sides = np.ones(lower.size, np.int64)
    while int(np.prod(sides)) < least:
        sides[int(np.argmin(np.where(lower < upper, sides, np.iinfo(np.int64).max)))] *= 2
    place = np.indices(tuple(sides)).reshape(lower.size, -1).T
    step = (upper - lower) / sides
    return lower + place * step, np.minimum(lower + (place + 1) * step, upper)


def neurons(boxes: int) -> dict[str, int]:
    """Bisect the whole domain for the signs of a layer's neurons, all boxes waiting."""
    network = load(acas(OTHER))
    net = pack(stages(network))
    flat = np.repeat(np.arange(net.offset[2], net.offset[2] + 8), 2)
    sides = np.tile(np.array([UPPER, LOWER], np.uint8), 8)
    search = NeuronSearch(net, flat, sides, NeuronLimits(frontier=10 * boxes, workers=1))
    search.start(np.array(LOWER_LIMITS), np.array(UPPER_LIMITS))
    # Boxes are taken breadth first; nothing is refuted, so that most of them stay.
    while search.open_boxes < boxes and any(len(part) for part in search.waiting()):
        search.run(lambda *_: np.zeros(len(flat), np.bool_), search.bounded + 16_384)
    return {"bounded": search.bounded, "waiting": search.open_boxes}


def cells(boxes: int) -> dict[str, int]:
    """Slice a network into cells and store them, as the command does it: the driver's memory."""
    from .. import __main__ as main

    sides = ",".join("8" for _ in LOWER_LIMITS)
    region = ",".join(f"{a}:{b}" for a, b in zip(LOWER_LIMITS, UPPER_LIMITS, strict=True))
    count = max(8, boxes // 10_000)
    with tempfile.TemporaryDirectory() as folder:
        words = ["slice", str(acas(OTHER)), f"--region={region}", "--grid", sides]
        words += ["--stage", "phases", "--workers", "1", "--cells", f"random:{count}", "--quiet"]
        main.run([*words, "-o", str(Path(folder) / "family")])
    return {"bounded": 0, "waiting": count}


JOBS: dict[str, Callable[[int], dict[str, int]]] = {
    "waiting": lambda boxes: waiting(property_two(), boxes),
    "waiting pair": lambda boxes: waiting(pair(), boxes),
    "neurons": neurons,
    "bounded": bounded,
    "slice": cells,
}
"""What is measured, by name; a job takes the number of boxes and gives back what it did."""


def measured(name: str, boxes: int) -> dict[str, Any]:
    """Return what a job did in a process of its own, its largest memory and its CPU time."""
    command = [sys.executable, "-m", __spec__.name, "--job", name, "--boxes", str(boxes)]
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{name} with {boxes} boxes ended with {process.returncode}")
        out.seek(0)
        did = json.loads(out.read().splitlines()[-1])
    seconds = usage.ru_utime + usage.ru_stime
    return {**did, "mib": usage.ru_maxrss / 1024, "cpu_seconds": seconds}


def main() -> None:
    """Print a row for each job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--only", help="comma-separated names of jobs; all when absent")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        print(json.dumps(JOBS[given.job](given.boxes)))
        return
    rows = []
    for name in given.only.split(",") if given.only else JOBS:
        few, many = measured(name, FEW), measured(name, given.boxes)
        more = many["waiting"] - few["waiting"]
        each = (many["mib"] - few["mib"]) * 2**20 / more if more > 0 else 0.0
        rows.append(
            {
                "job": name,
                "boxes bounded": many["bounded"],
                "waiting at most": many["waiting"],
                "peak (MiB)": round(many["mib"]),
                f"peak with {FEW} (MiB)": round(few["mib"]),
                "bytes a waiting box": round(each),
                "CPU (s)": round(many["cpu_seconds"], 1),
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    print(table(rows))
    print(f"\n{machine('numpy', 'numba')}")
    if given.json:
        given.json.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
