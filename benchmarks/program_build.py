"""How long it takes to put the big-M program of a whole network into a solver.

`python -m secateur.benchmarks.program_build` builds the program of one ACAS Xu network over its
whole domain in turn (A B C A B C ...): through arrays and one `passModel` (A), as PuLP expressions
that are summed term by term, as PuLP's manual does it (B), and as PuLP expressions made of lists of
pairs, its quickest way (C), which PuLP then hands to HiGHS. Bounds are computed once, before, for
all. Then the programs are solved on a small box and must have the same optimum. Prints one row of
a Markdown table.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pulp
from numpy.typing import NDArray

from ..engine.assemble import BigM, assemble
from ..engine.bounds.interval import interval
from ..engine.errors import InputError
from ..engine.formats.onnx_read import read_onnx
from ..engine.network import Affine, Network, Piecewise
from ..engine.solvers import Options, Session, solver
from ..engine.solvers.base import Status
from .machine import acas, machine, peak_memory, table

Array = NDArray[np.float64]
Bounds = dict[str, tuple[Array, Array]]

LOWER = np.array([-0.328422877, -0.5, -0.5, -0.5, -0.5])
UPPER = np.array([0.679857769, 0.5, 0.5, 0.5, 0.5])
"""The domain of the ACAS Xu networks, network units."""

SIDE = 1 / 32
"""Side of the small box on which both programs are solved, as a share of the domain's."""


Total = Callable[[list[float], list[Any], float], Any]
"""Gives weights times values plus a constant as a PuLP expression."""


def with_arrays(network: Network, lower: Array, upper: Array, bounds: Bounds) -> Session:
    """Return a HiGHS session that holds the program, built through arrays."""
    assembly = assemble(network, lower, upper, bounds, network.output, BigM())
    vector, constant, _ = assembly.row(0)
    session = solver("highs").session(assembly.program)
    session.ask(vector, constant)
    return session


def with_expressions(
    network: Network, lower: Array, upper: Array, bounds: Bounds, total: Total
) -> Any:
    """Return the same program of a chain of dense layers as PuLP expressions.

    Args:
        network: the network.
        lower: ``(inputs,)``, lower corner of the box.
        upper: ``(inputs,)``, upper corner.
        bounds: of every node.
        total: how a weighted sum and a constant become an expression.
    """
    problem = pulp.LpProblem("network", pulp.LpMinimize)
    values: list[Any] = [
        problem.add_variable(f"x{i}", low, high)
        for i, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True))
    ]
    for node in network.nodes[1:]:
        if isinstance(node.layer, Affine):
            rows = zip(node.layer.operator.matrix().tolist(), node.layer.bias.tolist(), strict=True)
            values = [total(row, values, constant) for row, constant in rows]
        elif isinstance(node.layer, Piecewise):
            pairs = zip(*(ends.tolist() for ends in bounds[node.sources[0]]), strict=True)
            values = [
                _relu(problem, f"{node.name}_{i}", z, *ends)
                for i, (z, ends) in enumerate(zip(values, pairs, strict=True))
            ]
    problem += values[0]
    return problem


def summed(weights: list[float], values: list[Any], constant: float) -> Any:
    """Return a weighted sum as PuLP's manual writes it."""
    return pulp.lpSum(w * v for w, v in zip(weights, values, strict=True)) + constant


def listed(weights: list[float], values: list[Any], constant: float) -> Any:
    """Return a weighted sum in PuLP's quickest way, where every value is a variable."""
    if not all(isinstance(value, pulp.LpVariable) for value in values):
        return summed(weights, values, constant)
    make = getattr(pulp.LpAffineExpression, "from_list", pulp.LpAffineExpression)
    return make(list(zip(values, weights, strict=True))) + constant


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


def measured(
    network: Network, lower: Array, upper: Array, bounds: Bounds
) -> tuple[float, float, float, float]:
    """Return the milliseconds of one run of each way, arrays first."""
    arrays, _ = milliseconds(lambda: with_arrays(network, lower, upper, bounds))
    by_sum, _ = milliseconds(lambda: with_expressions(network, lower, upper, bounds, summed))
    by_list, made = milliseconds(lambda: with_expressions(network, lower, upper, bounds, listed))
    passing, _ = milliseconds(lambda: handed_over(made))
    return arrays, by_sum, by_list, by_list + passing


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
    problem = with_expressions(*box, summed)
    problem.solve(pulp.HiGHS(msg=False, threads=1, gapRel=1e-9, gapAbs=1e-9))
    theirs = pulp.value(problem.objective)
    if ours.status is not Status.OPTIMAL or theirs is None:
        raise RuntimeError(f"the small box was not solved: {ours.note}, {theirs}")
    return ours.objective, float(theirs)


def main() -> int:
    """Measure and print; 1 if the two programs differ, 2 if there is no network."""
    parser = argparse.ArgumentParser(description="time the building of programs")
    parser.add_argument("--network", default="1_1", help="which of the 45 networks, such as 1_1")
    parser.add_argument("--pairs", type=int, default=15, help="paired runs")
    parser.add_argument("--seed", type=int, default=0, help="of the small box")
    given = parser.parse_args()
    try:
        network = read_onnx(acas(given.network))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    whole = (network, LOWER, UPPER, bounded(network, LOWER, UPPER))
    with_arrays(*whole)  # Imports and caches are warm for all.
    handed_over(with_expressions(*whole, listed))
    runs = [measured(*whole) for _ in range(given.pairs)]
    ours, theirs = optima(network, given.seed)
    names = ("arrays (ms)", "PuLP by terms (ms)", "PuLP by lists (ms)", "PuLP to HiGHS (ms)")
    ratios = ("ratio, by terms", "ratio, by lists", "ratio, to HiGHS")
    row: dict[str, object] = {"network": given.network}
    for name, times in zip(names, zip(*runs, strict=True), strict=True):
        row[name] = f"{statistics.median(times):.3g}"
    for at, name in enumerate(ratios, start=1):
        row[name] = f"{statistics.median(run[at] / run[0] for run in runs):.1f}"
    row |= {
        "optimum, arrays": f"{ours:.9g}",
        "optimum, PuLP": f"{theirs:.9g}",
        "rounds": given.pairs,
        "peak memory (MB)": f"{peak_memory():.0f}",
    }
    print(table([row]))
    print(f"\nseed {given.seed}; {machine('numpy', 'highspy', 'pulp')}")
    return 0 if abs(ours - theirs) <= 1e-6 * max(1.0, abs(ours)) else 1


if __name__ == "__main__":
    sys.exit(main())
