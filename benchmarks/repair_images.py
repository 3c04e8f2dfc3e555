"""MNIST classifiers, compressed and repaired: accuracy on rows held out, and certified distance.

A network of 784-256-64-10 is trained on a part of MNIST's 5,000 images, compressed to int8 weights
and activations, and pruned to a tenth of its weights. Both are repaired over infinity balls around
images of the training part, cut to [0, 1], with the training rows beside; accuracy is told of rows
that neither training nor repair has seen.

    python -m secateur.benchmarks.repair_images [--data mnist5k] [--balls 4] [--seconds 240]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..compression.compress import compress
from ..compression.data.load import load_data
from ..compression.method import Int8, Magnitude, Method, Scope, SeenRanges
from ..compression.packed import pack
from ..compression.repair import accuracy, repair
from ..compression.repair_moves import Policy
from ..compression.schooling import Training
from ..compression.selfcompress_fresh import trained
from ..compression.selfcompress_plan import Plan
from ..engine.answer import Effort
from ..engine.region import Region
from .machine import machine, table


def main() -> None:
    """Measure both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mnist5k")
    parser.add_argument("--balls", type=int, default=4)
    parser.add_argument("--radius", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--rate", type=float, default=2e-2, help="of retraining")
    parser.add_argument("--methods", default="int8,pruned 90 %")
    parser.add_argument("--boxes", type=int, default=4, help="of each ball, about")
    parser.add_argument("--seconds", type=float, default=240.0, help="for each repair")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    split = load_data(given.data).split((0.7, 0.1, 0.2), given.seed)
    plan = Plan(gamma=0.0, epochs=given.epochs, seed=given.seed)
    network = trained(split.train, (), (256, 64), plan)
    regions: list[Region] = []
    for image in split.train.inputs[: given.balls].astype(np.float64):
        low, high = np.maximum(image - given.radius, 0.0), np.minimum(image + given.radius, 1.0)
        regions.append(Region.box(low.tolist(), high.tolist(), f"ball {len(regions)}"))
    points = split.train.inputs[:1024].astype(np.float64)
    methods: dict[str, Method] = {
        "int8": Int8(SeenRanges(points)),
        "pruned 90 %": Magnitude(0.9, Scope.TENSOR),
    }
    rows: list[dict[str, Any]] = []
    for name in given.methods.split(","):
        method = methods[name]
        begun = time.monotonic()
        made = compress(network, method)
        how = Policy(
            iterations=given.iterations,
            boxes=given.boxes,
            training=Training(steps=given.steps, rate=given.rate),
        )
        effort = Effort(given.seconds, given.seed, 1)
        found = repair(network, made, regions, 0, effort, split.train, how)
        row: dict[str, Any] = {"method": name}
        for part, data in (("train", split.train), ("test", split.test)):
            each = (network, made.network, found.compressed.network)
            shares = [100.0 * (accuracy(one, data) or 0.0) for one in each]
            row[f"accuracy on {part}, float / compressed / repaired (%)"] = " / ".join(
                f"{one:.1f}" for one in shares
            )
        for when, one in (("before", found.before), ("after", found.after)):
            row[f"proved distance {when}"] = f"{one.proved:.4g}"
            row[f"met {when}"] = f"{one.attained:.4g}"
        row["rounds"], row["bytes"] = len(found.iterations) - 1, len(pack(found.compressed))
        row["s"] = round(time.monotonic() - begun)
        rows.append(row)
        print(row, flush=True)
    print(table(rows))
    print(f"\n{given.balls} balls of radius {given.radius}, seed {given.seed}")
    print(machine("numpy", "torch", "highspy"))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
