"""Makes the demo controllers: solves the decision process, trains the networks, writes them.

`python -m secateur.benchmarks.controllers.make --out DIR [--tiny] [--seed N]` writes one ONNX file
per network and `networks.json`, which says all that the files do not: seed, agreement with the
table, inputs and units, normalisation, which output wins, and named regions. The same seed gives
the same bytes on the same machine and libraries.
"""

import argparse
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.formats.onnx_write import write_onnx
from ...engine.network import Network
from .catalogue import LIST, VERSION
from .encounter import TITLES, Advisory
from .problem import ACAS_LIKE, HORIZONTAL, Problem
from .regions import SITUATIONS
from .table import Table, Winner
from .train import train

logger = logging.getLogger(__name__)

POINTS_BETWEEN = 100_000


def agreement(network: Network, table: Table, seed: int) -> dict[str, float]:
    """Return in which share of places a network advises what the table does.

    Args:
        network: normalised inputs and outputs, with the table's normalisation.
        table: what it was fitted to.
        seed: of the random points.

    Returns:
        `nodes`: at all nodes; `between`: at uniformly random points, against the linear mean of
        the nodes around; `commonest`: the share of the table's commonest advisory at its nodes,
        which a network that never changes its mind would reach.
    """
    normal = table.normalisation()
    generator = np.random.default_rng(seed)
    points = generator.uniform(normal.minimum, normal.maximum, (POINTS_BETWEEN, len(table.axes)))
    wanted, wanted_between = table.advisories(), table.winner.of(table.lookup(points))
    said = table.winner.of(network.evaluate(normal.to_network(table.points())))
    said_between = table.winner.of(network.evaluate(normal.to_network(points)))
    return {
        "nodes": round(float((said == wanted).mean()), 4),
        "between": round(float((said_between == wanted_between).mean()), 4),
        "commonest": round(float(np.bincount(wanted).max() / wanted.size), 4),
    }


def described(problem: Problem, table: Table) -> dict[str, Any]:
    """Return what `networks.json` says of a problem as a whole."""
    normal = table.normalisation()
    sign = "minus the" if problem.winner is Winner.LARGEST else "the"
    boxes = [(s, *s.box(table.axes)) for s in SITUATIONS[problem.name]]
    return {
        "title": problem.title,
        "winner": problem.winner.value,
        "score": f"{sign} regret against the best advisory, in near mid-air collisions, "
        f"capped at {problem.cap}",
        "seconds": problem.time,
        "hidden": list(problem.widths),
        "inputs": [
            {
                "name": axis.name,
                "unit": axis.unit,
                "minimum": float(normal.minimum[index]),
                "maximum": float(normal.maximum[index]),
                "mean": float(normal.mean[index]),
                "range": float(normal.range[index]),
            }
            for index, axis in enumerate(table.axes)
        ],
        "regions": [
            {"name": s.name, "title": s.title, "lower": lower.tolist(), "upper": upper.tolist()}
            for s, lower, upper in boxes
        ],
    }


def made(
    problem: Problem, previous: Advisory, table: Table, seed: int, out: Path
) -> dict[str, Any]:
    """Train and write the network of one table and return its entry in `networks.json`."""
    began = time.monotonic()
    weights, biases = train(table, problem.widths, seed, problem.schedule)
    normal = table.normalisation()
    network = Network.dense(weights, biases, normalisation=normal)
    name = f"{problem.name}-{previous.name.lower()}" if len(problem.previous) > 1 else problem.name
    path = out / f"{name}.onnx"
    write_onnx(network, path)
    agrees = agreement(network, table, seed)
    logger.info("%s: %s in %.0f s", name, agrees, time.monotonic() - began)
    return {
        "name": name,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "problem": problem.name,
        "previous": previous.name,
        "output": {"mean": normal.output_mean, "range": normal.output_range},
        "agreement": agrees,
    }


def make(problems: Sequence[Problem], seed: int, out: Path, command: str) -> Path:
    """Solve, train and write, and return the path of the list.

    Args:
        problems: what to make.
        seed: of everything random.
        out: folder to write into; made where missing.
        command: how this was called, for the list.

    Returns:
        The path of `networks.json`.
    """
    out.mkdir(parents=True, exist_ok=True)
    listed: dict[str, Any] = {
        "version": VERSION,
        "command": command,
        "seed": seed,
        "made_with": {name: version(name) for name in ("numpy", "scipy", "torch")},
        "advisories": {advisory.name: TITLES[advisory] for advisory in Advisory},
        "problems": {},
        "networks": [],
    }
    for problem in problems:
        began = time.monotonic()
        tables = problem.tables()
        logger.info("%s: solved in %.0f s", problem.name, time.monotonic() - began)
        listed["problems"][problem.name] = described(problem, tables[problem.previous[0]])
        for previous, table in tables.items():
            listed["networks"].append(made(problem, previous, table, seed, out))
    path = out / LIST
    path.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make the demo controllers.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--tiny", action="store_true", help="coarse grid, short training")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    problems = [HORIZONTAL, ACAS_LIKE]
    if chosen.tiny:
        problems = [problem.tiny() for problem in problems]
    flags = " --tiny" if chosen.tiny else ""
    command = (
        f"python -m secateur.benchmarks.controllers.make --out DIR{flags} --seed {chosen.seed}"
    )
    path = make(problems, chosen.seed, chosen.out, command)
    logger.info("%s", path)


if __name__ == "__main__":
    main()
