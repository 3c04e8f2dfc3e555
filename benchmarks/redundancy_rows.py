"""One cell of a network's grid simplified, measured, and attacked at random points.

What is attacked is the network that would be written, against the original network and the
guarantee as it was asked for, by evaluation alone: points that come near to breaking it in float64
are judged in rationals.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import Best
from ..engine.answer import Effort as Search
from ..engine.errors import InputError
from ..engine.formats import load, save
from ..engine.network import Network
from ..engine.region import Region
from ..engine.verdict import Proved
from ..redundancy.aim import Aim, Lines
from ..redundancy.choice import Order
from ..redundancy.guarantee import Guarantee, Outputs, SameBest
from ..redundancy.phase import Effort
from ..redundancy.plan import Plan, simplify
from ..redundancy.removal import Kind
from .cell_bounds import cells
from .controllers.catalogue import controller
from .controllers.table import Winner
from .machine import acas

Array = NDArray[np.float64]
Row = dict[str, Any]

PARTS = 8
"""Cells of a grid along each input."""

VALUES = 2_000_000
"""Values of a layer that are evaluated at a time: bounds the memory."""

JUDGED = 64
"""Points judged in rationals, the nearest to breaking the guarantee."""

ROUNDING = 1e-9
"""Distances to breaking the guarantee below this part of the outputs' size may be rounding."""

ROUNDS = 9
"""Times that both networks are timed, in turn; the fastest counts."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network and where it is to be simplified.

    Attributes:
        name: of an ACAS Xu network such as 5_9, of a demo controller, or another one.
        network: the network.
        best: which of its outputs is its choice.
        cells: regions, such as random cells of a grid over its inputs.
    """

    name: str
    network: Network
    best: Best
    cells: tuple[Region, ...]


def subject(name: str, count: int, seed: int) -> Subject:
    """Return a network and random cells of the grid of `PARTS` parts an input.

    Args:
        name: of an ACAS Xu network, or of a demo controller.
        count: cells; fewer of them are the first ones of more.
        seed: of the drawing.

    Raises:
        SystemExit: there is no such network.
    """
    if name[:1].isdigit():
        path = acas(name)
        if not path.exists():
            raise SystemExit(f"there is no network {path}: name one from 1_1 to 5_9")
        return Subject(name, load(path), Best.MIN, _boxes(name, *cells(count, seed)))
    try:
        made = controller(name)
    except InputError as error:
        raise SystemExit(str(error)) from None
    network = made.network()
    whole = made.region("whole-domain").to_network(made.normalisation)
    width = (whole.upper - whole.lower) / PARTS
    index = np.random.default_rng(seed).integers(0, PARTS, size=(count, width.size))
    lower = whole.lower + index * width
    best = Best.MAX if made.winner is Winner.LARGEST else Best.MIN
    upper = np.minimum(lower + width, whole.upper)
    return Subject(name, network, best, _boxes(name, lower, upper))


def _boxes(name: str, lower: Array, upper: Array) -> tuple[Region, ...]:
    """Return cells by their corners ``(cells, inputs)``."""
    corners = zip(lower, upper, strict=True)
    return tuple(Region.box(*ends, f"{name} cell {at}") for at, ends in enumerate(corners))


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of every cell.

    Attributes:
        keep: outputs, argmin, argmax, or best for what the network's choice is.
        tolerance: of outputs, or the band of ties, network output units.
        order: of removals.
        lines: of relaxed neurons.
        seconds: wall time for a cell.
        points: at which the result is attacked.
        seed: of the search; the cells have their own.
    """

    keep: str = "argmin"
    tolerance: float = 0.0
    order: Order = Order.GREEDY
    lines: Lines = Lines.OUTPUT
    seconds: float = 20.0
    points: int = 100_000
    seed: int = 0

    def guarantee(self, best: Best) -> Guarantee:
        """Return what must stay of a network's outputs."""
        exact = Fraction(str(self.tolerance))
        if self.keep == "outputs":
            return Outputs(exact)
        named = {"argmin": Best.MIN, "argmax": Best.MAX}
        return SameBest(named.get(self.keep, best), exact)

    def words(self) -> Row:
        """Return what a row says of it."""
        return {
            "keep": self.keep,
            "tolerance": self.tolerance,
            "order": self.order.value,
            "lines": self.lines.value,
            "seconds_allowed": self.seconds,
            "points": self.points,
            "search_seed": self.seed,
        }


def measure(one: Subject, index: int, asked: Asked) -> Row:
    """Return what became of a cell."""
    region, guarantee = one.cells[index], asked.guarantee(one.best)
    begun, spent = time.monotonic(), time.process_time()
    effort = Effort(seconds=asked.seconds, workers=1, seed=asked.seed)
    plan = simplify(
        one.network, region, effort, aim=Aim(guarantee, order=asked.order, lines=asked.lines)
    )
    seconds, spent = time.monotonic() - begun, time.process_time() - spent
    after = plan.network
    removed, spans = {kind.value: 0 for kind in Kind}, {kind.value: 0.0 for kind in Kind}
    for tally in plan.steps:  # a kind may have several
        removed[tally.kind.value] += tally.removed
        spans[tally.kind.value] += tally.seconds
    rng = np.random.default_rng([asked.seed, index])
    broken, nearest = attack(one.network, after, region, guarantee, asked.points, rng)
    return {
        "net": one.name,
        "cell": index,
        **asked.words(),
        "neurons": len(plan.phases.findings),
        "removed": removed,
        "left": plan.fold.after.neurons,
        "step_seconds": spans,
        "tries": sum(tally.tries for tally in plan.steps),
        "boxes": sum(tally.boxes for tally in plan.steps),
        "proved": proved(plan),
        "guarantee": plan.guarantee,
        "seconds": seconds,
        "processor_seconds": spent,
        "multiply_adds": [one.network.multiply_adds, after.multiply_adds],
        "latency_us": [1e6 * value for value in latency(one.network, after, region)],
        "violations": broken,
        "least_slack": nearest,
        "error": _error(plan, asked),
    }


def proved(plan: Plan) -> bool:
    """Return whether what stays is proved of all removals together; phases alone need no more."""
    return not plan.removals or (
        plan.answer is not None and isinstance(plan.answer.verdict, Proved)
    )


def _error(plan: Plan, asked: Asked) -> Row | None:
    """Return how far the removals move the outputs, where these are to stay."""
    if not isinstance(plan.aim.guarantee, Outputs):
        return None
    if not plan.removals:
        return {"analytic": 0.0, "difference": 0.0, "searched": 0.0, "attained": 0.0}
    found = plan.error(Search(seconds=asked.seconds / 4, seed=asked.seed, workers=1))
    return {
        "analytic": found.analytic,
        "difference": found.difference,
        "searched": found.searched,
        "attained": found.attained,
    }


def attack(
    before: Network,
    after: Network,
    region: Region,
    guarantee: Guarantee,
    points: int,
    rng: np.random.Generator,
) -> tuple[int, float]:
    """Return how many random points break a guarantee, and how near float64 sees one come.

    Args:
        before: the original.
        after: what may stand for it.
        region: closed box in network units.
        guarantee: what must stay.
        points: to look at.
        rng: source of randomness.

    Returns:
        The count, of points that break it by more than rounding in float64 or break it in
        rationals; and the least distance to breaking it, network output units, negative behind it.
    """
    broken, least = 0, np.inf
    near, distances = np.zeros((0, region.size)), np.zeros(0)
    lattice = region.lattice("float64")
    widest = max(node.size for network in (before, after) for node in network.nodes)
    for some in _chunks(points, max(100, VALUES // widest)):
        drawn = rng.uniform(region.lower, region.upper, (some, region.size))
        drawn = np.clip(drawn, lattice.lower, lattice.upper)
        first, second = before.evaluate(drawn), after.evaluate(drawn)
        slack = distance_to_break(guarantee, first, second)
        sure = slack < -ROUNDING * (1.0 + np.abs(first).max(axis=1))
        broken += int(sure.sum())
        least = min(least, float(slack.min(initial=np.inf)))
        near = np.concatenate([near, drawn[~sure]])
        distances = np.concatenate([distances, slack[~sure]])
        keep = np.argsort(distances, kind="stable")[:JUDGED]
        near, distances = near[keep], distances[keep]
    exact = lattice.exact(near)
    ends = [network.evaluate(exact, exact=True).tolist() for network in (before, after)]
    broken += sum(guarantee.broken(one, two) for one, two in zip(*ends, strict=True))
    return broken, least


def distance_to_break(guarantee: Guarantee, first: Array, second: Array) -> Array:
    """Return how far outputs ``(points, outputs)`` are from breaking a guarantee, each point."""
    match guarantee:
        case Outputs(tolerance=tolerance):
            return np.asarray(float(tolerance) - np.abs(first - second).max(axis=1))
        case SameBest(best=best, band=band):
            sign = 1.0 if best is Best.MAX else -1.0
            rows = np.arange(len(first))
            winner = (sign * first).argmax(axis=1)
            ends = []
            for outputs in (sign * first, sign * second):
                own = outputs[rows, winner]
                rest = outputs.copy()
                rest[rows, winner] = -np.inf
                ends.append(own - rest.max(axis=1))
            return np.where(ends[0] > float(band), ends[1], np.inf)


def _chunks(count: int, most: int) -> Iterator[int]:
    for start in range(0, count, most):
        yield min(most, count - start)


def latency(before: Network, after: Network, region: Region) -> tuple[float, float]:
    """Return the median seconds of one evaluation in onnxruntime, before and after.

    Both are written by the same writer and run in turn, so that a machine that slows down slows
    down both; the fastest of several rounds counts.
    """
    from ..engine.formats.onnx_runtime import Runtime

    # The nearest numbers of the files' element type; being outside by rounding changes no time.
    middle = 0.5 * region.lower + 0.5 * region.upper
    point = middle.astype(before.origin.dtype).astype(np.float64)
    with TemporaryDirectory(prefix="secateur-") as folder:
        runs = []
        for name, network in (("one", before), ("two", after)):
            path = Path(folder) / f"{name}.onnx"
            save(network, path)
            runs.append(Runtime(path))
        rounds = [[run.latency(point, 60, 5) for run in runs] for _ in range(ROUNDS)]
    return min(one for one, _ in rounds), min(two for _, two in rounds)
