"""Latency: how long both networks take in onnxruntime, measured in turn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..engine.formats import save
from ..engine.network import Network
from ..engine.region import Region
from .replay import corners_and_more

BATCH = 2048
"""Points of a batch."""

ROUNDS = 9
"""Times that both networks are timed, in turn; the fastest counts."""

REPEATS = 60
"""Evaluations of one point in a round; their median counts."""

Pair = tuple[float, float]
"""A number before and after."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long evaluation takes, before and after, on one thread.

    Attributes:
        single: median seconds of one evaluation of one point.
        batch: seconds for each point of a batch of `BATCH`.
    """

    single: Pair
    batch: Pair


def latency(
    before: Network, after: Network, region: Region, folder: Path, rng: np.random.Generator
) -> Latency:
    """Return the times of two networks on points of a region, as onnxruntime has them.

    Both are written by the same writer, so that only their sizes differ, and run in turn, so that
    a machine that slows down slows down both.

    Args:
        before: the original.
        after: the simplified network.
        region: closed box in network units.
        folder: for their files.
        rng: draws the points.
    """
    from ..engine.formats.onnx_runtime import Runtime

    dtype = before.origin.dtype
    runs = []
    for name, network in (("one", before), ("two", after)):
        save(network, folder / f"{name}.onnx")
        runs.append(Runtime(folder / f"{name}.onnx"))
    # Where no number of the element type lies in the region, the nearest one outside is timed.
    points = corners_and_more(region.lattice(dtype), BATCH, rng).astype(dtype).astype(np.float64)
    singles = [[run.latency(points[2], REPEATS, 5) for run in runs] for _ in range(ROUNDS)]
    batches: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for run, seconds in zip(runs, batches, strict=True):
            start = time.perf_counter()
            run.outputs(points)
            seconds.append((time.perf_counter() - start) / len(points))
    return Latency(
        (min(one for one, _ in singles), min(two for _, two in singles)),
        (min(batches[0]), min(batches[1])),
    )
