"""The family of all cells of an ACAS Xu network: bytes, time to load, and evaluations a second.

`python -m secateur.benchmarks.family [--net 1_1] [--parts 8] [--points 100000]` cuts the network's
domain into 8^5 cells, decides the phases of each with one pass of compiled linear bounds (so the
codes are real ones, though more can be proved with more time), and prints two tables: the family's
file beside one ONNX file a cell, and how fast a point is evaluated, alone and in a batch, by the
family and by the original in onnxruntime and in C. Times are those of one core, of the best of five
runs, and count what the core did, so that other work on the machine does not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.packed import pack
from ..engine.formats import load, save
from ..engine.layers import Piecewise, State
from ..engine.network import Network
from ..engine.region import Region
from ..engine.stages import stages
from ..slicing.c_source import c_cell, c_family, c_network
from ..slicing.evaluate import Element, Evaluator
from ..slicing.family import Family, FamilyWriter
from ..slicing.family_file import load_family, save_family
from ..slicing.folded import folded
from ..slicing.route import Router
from ..slicing.slices import Slices
from ..slicing.split import grid
from .cell_bounds import LOWER, UPPER, compiled
from .machine import acas, machine, table

Array = NDArray[np.float64]

TIMES: Final = 5
"""Runs, of which the best is told: what else the machine does only ever adds time."""

ALONE: Final = 2000
"""Points that are evaluated one call at a time."""

FLAGS: Final = ("-std=c99", "-O3", "-ffp-contract=off")


def made(
    network: Network, slices: Slices, lines: float, rng: np.random.Generator, size: int = 256
) -> Family:
    """Return the family with the phases that one pass of linear bounds proves on each cell.

    Args:
        network: the original.
        slices: the cells.
        lines: share of the open neurons that get random lines of float32 numbers, no two alike.
        rng: draws them.
        size: cells that are bounded together.
    """
    net, writer = pack(stages(network)), FamilyWriter(network, slices)
    for first in range(0, slices.count, size):
        cells = np.arange(first, min(first + size, slices.count))
        low, high = compiled(net, *slices.boxes(cells))
        stable = np.where(low >= 0.0, State.IDENTITY, State.RELU)
        states = np.where(high <= 0.0, State.ZERO, stable).astype(np.int8)
        if not lines:
            writer.add_phases(cells, states)
            continue
        drawn = rng.normal(size=(2, *states.shape)).astype(np.float32).astype(np.float64)
        states[(rng.random(states.shape) < lines) & (states == State.RELU)] = State.LINEAR
        ends = np.cumsum([node.size for node in network.piecewise])[:-1]
        for row, cell in enumerate(cells.tolist()):
            parts = (np.split(one[row], ends) for one in (states, *drawn))
            writer.add_layers(cell, [Piecewise(*one) for one in zip(*parts, strict=True)])
    return writer.finish()


def best(run: Callable[[], object]) -> float:
    """Return the shortest of some runs, in seconds."""
    seconds = []
    for _ in range(TIMES):
        begun = time.process_time()
        run()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def sizes(
    family: Family, folder: Path, sample: int, rng: np.random.Generator
) -> list[dict[str, str]]:
    """Return rows about bytes and about the time to get at them."""
    path, count = folder / "all.family", family.count
    save_family(family, path)
    cells = rng.choice(count, min(sample, count), replace=False).tolist()
    seconds, each = [], []
    for cell in cells:
        begun = time.process_time()
        network = folded(family, cell)
        seconds.append(time.process_time() - begun)
        save(network, folder / "cell.onnx")
        each.append((folder / "cell.onnx").stat().st_size)
    save(family.base, folder / "base.onnx")
    whole, one = path.stat().st_size, float(np.mean(each))
    full = (folder / "base.onnx").stat().st_size
    loading = best(lambda: load_family(path))
    materialise = best(lambda: [family.materialise(cell) for cell in cells]) / len(cells)
    return [
        {"what": "neurons proved a cell, mean", "": f"{100 * share(family):.1f} %"},
        {"what": f"family, {count} cells", "": f"{whole:,} bytes, {whole / count:.1f} a cell"},
        {
            "what": f"{count} folded ONNX files, from {len(cells)} of them",
            "": f"{one * count:,.0f} bytes; the family has {100 * whole / (one * count):.3f} %",
        },
        {
            "what": f"{count} ONNX files of the original's size",
            "": f"{full * count:,} bytes; the family has {100 * whole / (full * count):.3f} %",
        },
        {
            "what": "forms kept of each layer",
            "": ", ".join(str(len(f)) for f in family.codes.forms),
        },
        {"what": "load, every byte checked", "": f"{1e3 * loading:.1f} ms"},
        {"what": "linearised network of a cell", "": f"{1e3 * materialise:.2f} ms"},
        {
            "what": "folded network of a cell, median",
            "": f"{1e3 * float(np.median(seconds)):.1f} ms",
        },
    ]


def share(family: Family) -> float:
    """Return the mean share of neurons that are no ReLUs."""
    return float(family.removed.sum(axis=1).mean()) / family.base.neurons


def speeds(family: Family, folder: Path, points: NDArray[np.float32]) -> Iterator[dict[str, str]]:
    """Yield rows about evaluations a second."""
    save(family.base, folder / "base.onnx")
    session, name = _session(folder / "base.onnx")
    shaped = points.reshape(-1, *family.base.input.shape)
    yield _row(
        "original, onnxruntime",
        best(lambda: [session.run(None, {name: shaped[n : n + 1]}) for n in range(ALONE)]) / ALONE,
        best(lambda: session.run(None, {name: shaped})) / len(points),
    )
    yield _compiled(family, points, "float32")
    yield _compiled(family, points, "float64")
    router = Router(family.slices)
    yield _row(
        "family, python, route alone",
        best(lambda: [router.route(points[n]) for n in range(ALONE)]) / ALONE,
        best(lambda: router.route(points)) / len(points),
    )
    yield _torch(family, points)
    yield from _c(family, folder)


def _compiled(family: Family, points: NDArray[np.float32], element: Element) -> dict[str, str]:
    run, given = Evaluator(family, element), points.astype(element)
    run(given[:1])
    return _row(
        f"family, python, {element}, route and evaluate",
        best(lambda: [run(given[n]) for n in range(ALONE)]) / ALONE,
        best(lambda: run(given)) / len(points),
    )


def _torch(family: Family, points: NDArray[np.float32]) -> dict[str, str]:
    import torch

    from ..slicing.torch_family import FamilyModule

    torch.set_num_threads(1)
    module, given = FamilyModule(family), torch.tensor(points)
    with torch.no_grad():
        alone = best(lambda: [module(given[n : n + 1]) for n in range(ALONE // 10)])
        return _row(
            "family, torch, float32, route and evaluate",
            alone / (ALONE // 10),
            best(lambda: module(given)) / len(points),
        )


def _c(family: Family, folder: Path) -> Iterator[dict[str, str]]:
    """Yield rows of programs in C, which call a function for each point."""
    if shutil.which("cc") is None:
        return
    small = int(np.argmax(family.removed.sum(axis=1)))
    texts = {
        "original, C": c_network(family.base, "timed", family.slices.whole),
        "family, C, route and evaluate": c_family(family, "timed"),
        f"cell {small} alone, folded, C": c_cell(family, small, "timed"),
    }
    for what, text in texts.items():
        (folder / "timed.c").write_text(text)
        for more in ((), ("-march=native",)):
            source, program = str(folder / "timed.c"), str(folder / "timed")
            subprocess.run(["cc", *FLAGS, *more, "-DTIMED_DEMO", source, "-o", program], check=True)
            found = []
            for _ in range(TIMES):
                done = subprocess.run(
                    [program, "200000"], capture_output=True, text=True, check=True
                )
                found.append(1e-9 * float(done.stdout.split("calls, ")[1].split(" ns")[0]))
            yield _row(" ".join([what, *more]), min(found), min(found))


def _session(path: Path) -> tuple[Any, str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session, session.get_inputs()[0].name


def _row(what: str, alone: float, batch: float) -> dict[str, str]:
    return {
        "what": what,
        "one point (µs)": f"{1e6 * alone:.2f}",
        "in a batch (µs a point)": f"{1e6 * batch:.3f}",
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="1_1")
    parser.add_argument("--parts", type=int, default=8, help="cells along each input")
    parser.add_argument("--points", type=int, default=100_000, help="in the batch")
    parser.add_argument("--sample", type=int, default=200, help="cells that are folded")
    parser.add_argument(
        "--lines", type=float, default=0.0, help="share of open neurons that get random lines"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rng = np.random.default_rng(given.seed)
    network = load(acas(given.net))
    slices = grid(Region.box(LOWER, UPPER, f"net {given.net}"), [given.parts] * network.size_in)
    family = made(network, slices, given.lines, rng)
    points = rng.uniform(LOWER, UPPER, (given.points, network.size_in)).astype(np.float32)
    points = slices.whole.lattice("float32").snap(points.astype(np.float64)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        print(table(sizes(family, Path(folder), given.sample, rng)))
        print(f"\n{table(speeds(family, Path(folder), points))}")
    print(
        f"\nnet {given.net}, {family.count} cells, {100 * given.lines:g} % of the open neurons "
        f"with lines, batch of {given.points} random points, seed {given.seed}, one core, C: cc "
        f"{' '.join(FLAGS)}; "
        f"{machine('numpy', 'numba', 'onnxruntime', 'torch')}"
    )


if __name__ == "__main__":
    main()
