"""Replay: the file that was written against the original, in rationals and in onnxruntime."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import Best
from ..engine.errors import MismatchError
from ..engine.formats import load, save
from ..engine.network import Network
from ..engine.region import Lattice
from ..redundancy.guarantee import Outputs, SameBest
from ..redundancy.head import joined
from ..redundancy.plan import Plan

if TYPE_CHECKING:
    from ..engine.formats.onnx_runtime import Runtime

Array = NDArray[np.float64]
Exact = NDArray[np.object_]

EXACT_POINTS = 32
"""Random points on which the written file is compared with the original in rationals."""

DOUBTFUL = 16
"""Points where floats come nearest to breaking the guarantee that are compared as well."""

FLOAT_POINTS = 100_000
"""Points on which both files are run and compared in their own element type, if there is time."""

SECONDS = 10.0
"""Wall time for these, so that a large network does not spend minutes on them."""

_ENTRIES = 4_000_000
"""Numbers of the points that are run at once: bounds the memory."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How the written file compares with the original at points of the region.

    Attributes:
        exact_points: points compared in rationals.
        exact: largest difference of an output there, rational arithmetic, network units.
        float_points: points run through onnxruntime, both files in their element type.
        floats: largest difference of an output there; None where nothing could be run.
        disagreements: how many of these points break the guarantee as the files compute; None
            where outputs are to be equal, which rounding alone breaks anywhere.
    """

    exact_points: int
    exact: Fraction
    float_points: int = 0
    floats: float | None = None
    disagreements: int | None = None


def replay(
    plan: Plan,
    after: Network,
    folder: Path,
    runtime: Runtime | None,
    rng: np.random.Generator,
) -> Replayed:
    """Return how the network that is about to be written compares with the original.

    Float arithmetic may break what holds for real numbers, for both files round, so the points at
    which it does are looked at again in rationals: what fails there is no rounding.

    Args:
        plan: says what is claimed.
        after: as it was read back from its file.
        folder: for files that are needed on the way.
        runtime: of the original's file; None where it has none.
        rng: draws the points.

    Raises:
        MismatchError: the claim fails at a point, in rationals.
    """
    if plan.aim.until is not None:
        after, runtime = _part(plan, after, folder, rng), None
    before, region = plan.phases.network, plan.phases.region
    lattice = region.lattice(before.origin.dtype)
    points = corners_and_more(lattice, EXACT_POINTS, rng)
    found = None if lattice.pins else _floats(plan, after, folder, runtime, rng)
    if found is not None:
        points = np.concatenate([points, found.doubtful])
    exact = lattice.exact(points)
    one, two = (net.evaluate(exact, exact=True) for net in (before, after))
    for point, f, g in zip(points, one, two, strict=True):
        wrong = breach(plan, list(f), list(g))
        if wrong is not None:
            raise MismatchError(
                f"{before.origin.path} over {region.name}: {wrong} at {_shown(point)}: nothing was "
                "written; this is a mistake in secateur, please report it"
            )
    apart = max((abs(a - b) for a, b in zip(one.ravel(), two.ravel(), strict=True)), default=0)
    if found is None:
        return Replayed(len(points), Fraction(apart))
    return Replayed(len(points), Fraction(apart), found.count, found.apart, found.broken)


def breach(plan: Plan, one: list[Fraction], two: list[Fraction]) -> str | None:
    """Return in words how two exact outputs at a point break what is claimed; None if they do not.

    Args:
        plan: says what is claimed.
        one: the original's outputs.
        two: the simplified network's.
    """
    guarantee = plan.aim.guarantee
    if plan.removals and isinstance(guarantee, SameBest):
        sign = 1 if guarantee.best is Best.MAX else -1
        if not guarantee.broken(one, two):
            return None
        f, g = [sign * value for value in one], [sign * value for value in two]
        winner, rival = (max(range(len(f)), key=some.__getitem__) for some in (f, g))
        lead = f[winner] - max(f[:winner] + f[winner + 1 :])
        return (
            f"output {winner} leads by {float(lead):.3g}, and in the simplified file output "
            f"{rival} does"
        )
    allowed = Fraction(plan.fold.distance)
    if plan.removals and isinstance(guarantee, Outputs):
        allowed = guarantee.tolerance
    apart = max(abs(a - b) for a, b in zip(one, two, strict=True))
    if apart <= allowed:
        return None
    return (
        f"the simplified file is {float(apart):.3g} away from the original, proved is "
        f"{float(allowed):.3g},"
    )


def _part(plan: Plan, after: Network, folder: Path, rng: np.random.Generator) -> Network:
    """Return what was made of the head, as a file of its own holds it.

    Raises:
        MismatchError: the written file is not that with what is behind the head.
    """
    assert plan.aim.until is not None
    save(plan.part, folder / "part.onnx")
    part = load(folder / "part.onnx")
    whole = joined(part, plan.original, plan.aim.until)
    lattice = plan.phases.region.lattice(plan.original.origin.dtype)
    points = lattice.exact(corners_and_more(lattice, EXACT_POINTS, rng))
    one, two = (net.evaluate(points, exact=True) for net in (whole, after))
    if (one != two).any():
        raise MismatchError(
            f"{plan.original.origin.path} over {plan.phases.region.name}: behind layer "
            f"{plan.aim.until} the simplified file computes something else: nothing was written; "
            "this is a mistake in secateur, please report it"
        )
    return part


def corners_and_more(lattice: Lattice, count: int, rng: np.random.Generator) -> Array:
    """Return points of a lattice ``(count, inputs)``: its two corners, then random ones."""
    part = rng.random((count, len(lattice.lower)))
    part[:2] = np.array([0.0, 1.0])[: len(part), None]
    return lattice.snap(lattice.lower + part * (lattice.upper - lattice.lower))


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What float evaluation gave: see `Replayed`; `doubtful` are the points to look at again."""

    count: int
    apart: float
    broken: int | None
    doubtful: Array


def _floats(
    plan: Plan, after: Network, folder: Path, runtime: Runtime | None, rng: np.random.Generator
) -> _Found:
    from ..engine.formats.onnx_runtime import Runtime

    before = plan.phases.network
    lattice = plan.phases.region.lattice(before.origin.dtype)
    if runtime is None:
        save(before, folder / "replay-before.onnx")
        runtime = Runtime(folder / "replay-before.onnx")
    save(after, folder / "replay-after.onnx")
    other = Runtime(folder / "replay-after.onnx")
    equal = isinstance(plan.aim.guarantee, Outputs) and plan.aim.guarantee.exact
    chunk, most = 256, max(1, _ENTRIES // before.size_in)
    count, apart, broken = 0, 0.0, 0
    doubtful, slack = np.zeros((0, before.size_in)), np.zeros(0)
    until = time.monotonic() + SECONDS
    while count < FLOAT_POINTS and (not count or time.monotonic() < until):
        points = corners_and_more(lattice, min(chunk, most, FLOAT_POINTS - count), rng)
        one, two = runtime.outputs(points), other.outputs(points)
        left = _slack(plan, one, two)
        count, broken = count + len(points), broken + int((left < 0.0).sum())
        apart = max(apart, float(np.abs(one - two).max()))
        doubtful, slack = np.concatenate([doubtful, points]), np.concatenate([slack, left])
        worst = np.argsort(slack, kind="stable")[:DOUBTFUL]
        doubtful, slack, chunk = doubtful[worst], slack[worst], 4 * chunk
    return _Found(count, apart, None if equal else broken, doubtful)


def _slack(plan: Plan, one: Array, two: Array) -> Array:
    """Return how far float outputs ``(points, outputs)`` are from breaking the guarantee."""
    guarantee = plan.aim.guarantee
    if isinstance(guarantee, Outputs):
        return np.asarray(float(guarantee.tolerance) - np.abs(one - two).max(axis=1))
    winner, lead = guarantee.leads(one)
    signed = two if guarantee.best is Best.MAX else -two
    own = np.take_along_axis(signed, winner[:, None], 1)[:, 0]
    return np.where(lead > float(guarantee.band), own - signed.max(axis=1), np.inf)


def _shown(point: Array) -> str:
    shown = ", ".join(f"{value:.9g}" for value in point[:8])
    return f"the point ({shown}{', ...' if len(point) > 8 else ''})"
