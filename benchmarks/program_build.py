"""How long it takes to put the big-M program of a whole network into a solver.

`python -m secateur.benchmarks.program_build` builds the program of one ACAS Xu network over its
whole domain twice, in turn (A B A B ...): through arrays and one `passModel` (A), and as PuLP
expressions, one a row, which PuLP then hands to HiGHS (B). Bounds are computed once, before, for
both. Then both programs are solved on a small box and must have the same optimum. Prints one row
of a Markdown table.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pulp
from numpy.typing import NDArray

from ..engine.assemble import BigM, assemble
from ..engine.bounds.interval import interval
from ..engine.formats.onnx_read import read_onnx
from ..engine.network import Affine, Network, Piecewise
from ..engine.solvers import Options, Session, solver
from ..engine.solvers.base import Status

Array = NDArray[np.float64]
Bounds = dict[str, tuple[Array, Array]]

LOWER = np.array([-0.328422877, -0.5, -0.5, -0.5, -0.5])
UPPER = np.array([0.679857769, 0.5, 0.5, 0.5, 0.5])
"""The domain of the ACAS Xu networks, network units."""

SIDE = 1 / 32
"""Side of the small box on which both programs are solved, as a share of the domain's."""

COLUMNS = (
    "network",
    "arrays (ms)",
    "PuLP expressions (ms)",
    "PuLP handed to HiGHS (ms)",
    "ratio, expressions",
    "ratio, handed over",
    "optimum arrays",
    "optimum PuLP",
    "pairs",
    "seed",
    "peak memory (MB)",
    "machine and versions",
)


def with_arrays(network: Network, lower: Array, upper: Array, bounds: Bounds) -> Session:
    """Return a HiGHS session that holds the program, built through arrays."""
    assembly = assemble(network, lower, upper, bounds, network.output, BigM())
    vector, constant, _ = assembly.row(0)
    session = solver("highs").session(assembly.program)
    session.ask(vector, constant)
    return session


def with_expressions(network: Network, lower: Array, upper: Array, bounds: Bounds) -> Any:
    """Return the same program as PuLP expressions: a chain of dense layers, stable or not."""
    problem = pulp.LpProblem("network", pulp.LpMinimize)
    values: list[Any] = [
        problem.add_variable(f"x{i}", low, high)
        for i, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True))
    ]
    for node in network.nodes[1:]:
        if isinstance(node.layer, Affine):
            rows = zip(node.layer.operator.matrix().tolist(), node.layer.bias.tolist(), strict=True)
            values = [_sum(row, values, constant) for row, constant in rows]
        elif isinstance(node.layer, Piecewise):
            pairs = zip(*(ends.tolist() for ends in bounds[node.sources[0]]), strict=True)
            values = [
                _relu(problem, f"{node.name}_{i}", z, *ends)
                for i, (z, ends) in enumerate(zip(values, pairs, strict=True))
            ]
    problem += values[0]
    return problem


def _sum(weights: list[float], values: list[Any], constant: float) -> Any:
    if all(isinstance(value, pulp.LpVariable) for value in values):
        pairs = list(zip(values, weights, strict=True))
        make = getattr(pulp.LpAffineExpression, "from_list", pulp.LpAffineExpression)
        return make(pairs) + constant
    return pulp.lpDot(weights, values) + constant


def _relu(problem: Any, name: str, z: Any, lower: float, upper: float) -> Any:
    if upper <= 0:
        return 0.0
    if lower >= 0:
        return z
    positive = problem.add_variable(f"p_{name}", 0.0, upper)
    negative = problem.add_variable(f"n_{name}", 0.0, -lower)
    phase = problem.add_variable(f"t_{name}", cat=pulp.LpBinary)
    problem += positive - negative == z
    problem += positive <= upper * phase
    problem += negative <= -lower * (1 - phase)
    return positive


def handed_over(problem: Any) -> None:
    """Let PuLP pass the problem to HiGHS, without solving it."""
    backend = pulp.HiGHS(msg=False)
    backend.createAndConfigureSolver(problem)
    backend.buildSolverModel(problem)


def milliseconds(task: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long a task took, and what it gave."""
    gc.collect()
    began = time.perf_counter()
    made = task()
    return 1e3 * (time.perf_counter() - began), made


def bounded(network: Network, lower: Array, upper: Array) -> Bounds:
    """Return interval bounds of every node over one box."""
    found = interval(network, lower[None], upper[None])
    return {name: (low[0], high[0]) for name, (low, high) in found.items()}


def optima(network: Network, seed: int) -> tuple[float, float]:
    """Return the least first output on a small box, by both programs.

    Raises:
        RuntimeError: one of them was not solved.
    """
    generator = np.random.default_rng(seed)
    side = SIDE * (UPPER - LOWER)
    lower = generator.uniform(LOWER, UPPER - side)
    box = (network, lower, lower + side, bounded(network, lower, lower + side))
    ours = with_arrays(*box).solve(Options())
    problem = with_expressions(*box)
    problem.solve(pulp.HiGHS(msg=False, threads=1, gapRel=1e-9, gapAbs=1e-9))
    theirs = pulp.value(problem.objective)
    if ours.status is not Status.OPTIMAL or theirs is None:
        raise RuntimeError(f"the small box was not solved: {ours.note}, {theirs}")
    return ours.objective, float(theirs)


def main() -> int:
    """Measure and print; 1 if the two programs differ."""
    parser = argparse.ArgumentParser(description="time the building of programs")
    parser.add_argument("--network", default="1_1", help="which of the 45 networks, such as 1_1")
    parser.add_argument("--pairs", type=int, default=15, help="paired runs")
    parser.add_argument("--seed", type=int, default=0, help="of the small box")
    given = parser.parse_args()
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SECATEUR_DATA") or default)
    file = folder / "acasxu" / f"ACASXU_run2a_{given.network}_batch_2000.onnx"
    network = read_onnx(file)
    whole = (network, LOWER, UPPER, bounded(network, LOWER, UPPER))
    with_arrays(*whole)  # Imports and caches are warm for both.
    handed_over(with_expressions(*whole))
    arrays, expressions, passed = [], [], []
    for _ in range(given.pairs):
        arrays.append(milliseconds(lambda: with_arrays(*whole))[0])
        spent, problem = milliseconds(lambda: with_expressions(*whole))
        expressions.append(spent)
        passed.append(spent + milliseconds(lambda made=problem: handed_over(made))[0])
    ours, theirs = optima(network, given.seed)
    pairs = list(zip(arrays, expressions, passed, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    named = ("highspy", "numpy", "pulp")
    row = (
        f"ACAS {given.network}, {len(network.nodes)} nodes",
        f"{statistics.median(arrays):.2f}",
        f"{statistics.median(expressions):.1f}",
        f"{statistics.median(passed):.1f}",
        f"{statistics.median(b / a for a, b, _ in pairs):.1f}",
        f"{statistics.median(c / a for a, _, c in pairs):.1f}",
        f"{ours:.9g}",
        f"{theirs:.9g}",
        str(given.pairs),
        str(given.seed),
        f"{peak:.0f}",
        f"{platform.machine()}, {os.cpu_count()} cores, python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in named),
    )
    for line in (COLUMNS, ["---"] * len(COLUMNS), row):
        sys.stdout.write("| " + " | ".join(line) + " |\n")
    return 0 if abs(ours - theirs) <= 1e-6 * max(1.0, abs(ours)) else 1


if __name__ == "__main__":
    sys.exit(main())
