"""A cut: one network simplified over one region, replayed, measured and written."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import MismatchError, UnsupportedError
from ..engine.formats import load, save
from ..engine.formats.files import read_bytes, replace_with
from ..engine.network import Network, Piecewise, State
from ..engine.region import Region
from ..engine.verdict import Refuted, Unknown
from ..engine.witness import Witness
from ..redundancy.finding import Finding
from ..redundancy.fold import Fold, fold
from ..redundancy.phase import Effort, Progress
from ..redundancy.plan import Plan, simplify
from .record import Record, number, region_record, sizes

EXACT_POINTS = 32
"""Points on which the written file is compared with the original in rationals."""

FLOAT_POINTS = 2048
"""Points on which both files are run and compared in their own element type."""

ROUNDS = 9
"""Times that both networks are timed, in turn; the fastest counts."""

REPEATS = 60
"""Evaluations of one point in a round; their median counts."""

SAMPLE = 6
"""Neurons whose witnesses a record shows, and points of a record."""


Pair = tuple[float, float]
"""A number before and after."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How the written file compares with the original at points of the region.

    Attributes:
        exact_points: points compared in rationals.
        exact: largest difference of an output there, rational arithmetic, network units.
        float_points: points run through onnxruntime, both files in their element type.
        floats: largest difference of an output there; None where nothing could be run.
    """

    exact_points: int
    exact: Fraction
    float_points: int
    floats: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """One network simplified over one region.

    Attributes:
        title: of the region, one line; empty where it has none.
        plan: what was found, and the simplified network.
        fold: how the neurons left the network that was written.
        after: the network that was written.
        target: where to.
        digest: its SHA-256.
        latency: median seconds of one evaluation, before and after.
        batch: seconds for each point of a batch of `FLOAT_POINTS`, before and after.
        replayed: the comparison at points.
        seconds: wall time of all of it.
    """

    title: str
    plan: Plan
    fold: Fold
    after: Network
    target: Path
    digest: str
    latency: Pair
    batch: Pair
    replayed: Replayed
    seconds: float

    @property
    def guarantee(self) -> str:
        """What is proved, in one sentence."""
        return self.plan.guarantee


def make_cut(
    network: Network,
    region: Region,
    target: Path,
    *,
    effort: Effort,
    runtime: Any = None,
    tolerance: float = 0.0,
    title: str = "",
    progress: Progress | None = None,
) -> Cut:
    """Simplify, compare the file with the original, and only then put it in its place.

    Args:
        network: the network.
        region: closed box in network units.
        target: where the simplified network goes, .onnx or .nnet.
        effort: how much work to spend.
        runtime: `formats.onnx_runtime.Runtime` of the network's file, if it has one.
        tolerance: how far an output may move, network units.
        title: of the region, one line for people.
        progress: is told the step, how many neurons are settled, and how many there are.

    Raises:
        RegionError: another number of inputs, or a single point.
        MismatchError: the file that was written disagrees with the original beyond what is proved.
        FileError: the file cannot be written.
    """
    began = time.monotonic()
    plan = simplify(network, region, effort, runtime, progress, tolerance)
    rng = np.random.default_rng(effort.seed)
    with TemporaryDirectory(prefix="secateur-") as folder:
        draft = Path(folder) / f"after{target.suffix.lower()}"
        folded, after = _saved(plan, region, tolerance, draft)
        exact = _replay(network, load(draft), region, Fraction(folded.distance), rng)
        latency, batch, floats = _measure(network, after, region, Path(folder), rng)
        data = read_bytes(draft)
    replayed = Replayed(EXACT_POINTS, exact, FLOAT_POINTS if floats is not None else 0, floats)
    replace_with(target, data)
    return Cut(
        title,
        plan,
        folded,
        after,
        target,
        hashlib.sha256(data).hexdigest(),
        latency,
        batch,
        replayed,
        time.monotonic() - began,
    )


def rehearse(network: Network, target: Path) -> None:
    """Raise UnsupportedError where the format of a file cannot hold what a network becomes.

    What comes of a chain of layers can be written as one, so the original stands in for it.
    """
    with TemporaryDirectory(prefix="secateur-") as folder:
        save(network, Path(folder) / f"rehearsal{target.suffix.lower()}")


def _saved(plan: Plan, region: Region, tolerance: float, draft: Path) -> tuple[Fold, Network]:
    """Write the simplified network; return how its neurons left and what was written.

    A .nnet file holds a chain of ReLU layers and no edge that passes one by. Where the network has
    such edges, its identity neurons stay as ReLUs: on the region they never see a negative number.
    """
    try:
        save(plan.network, draft)
    except UnsupportedError:
        if draft.suffix != ".nnet":
            raise
    else:
        return plan.fold, plan.network
    states = {}
    for node in plan.fold.before.piecewise:
        assert isinstance(node.layer, Piecewise)
        state = np.where(node.layer.state == State.IDENTITY, State.RELU, node.layer.state)
        states[node.name] = Piecewise(state, node.layer.slope, node.layer.intercept)
    folded = fold(plan.fold.before.with_layers(states), region, tolerance)
    save(folded.after, draft)
    return folded, folded.after


def _replay(
    before: Network, after: Network, region: Region, allowed: Fraction, rng: np.random.Generator
) -> Fraction:
    """Return the largest difference of both networks' outputs at points, in rationals.

    Raises:
        MismatchError: it is larger than what is proved.
    """
    lattice = region.lattice(before.origin.dtype)
    points = lattice.exact(_points(lattice, EXACT_POINTS, rng))
    here, there = (net.evaluate(points, exact=True) for net in (before, after))
    apart = max((abs(a - b) for a, b in zip(here.ravel(), there.ravel(), strict=True)), default=0)
    if apart > allowed:
        raise MismatchError(
            f"{before.origin.path} over {region.name}: the simplified file is {float(apart):.3g} "
            f"away from the original at a point, proved is {float(allowed):.3g}: nothing was "
            "written; this is a mistake in secateur, please report it"
        )
    return Fraction(apart)


def _points(lattice: Any, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return points of a lattice ``(count, inputs)``: its two corners, then random ones."""
    share = rng.random((count, len(lattice.lower)))
    share[0], share[1] = 0.0, 1.0
    points: NDArray[np.float64] = lattice.snap(
        lattice.lower + share * (lattice.upper - lattice.lower)
    )
    return points


def _measure(
    before: Network, after: Network, region: Region, folder: Path, rng: np.random.Generator
) -> tuple[Pair, Pair, float | None]:
    """Return latencies, times for each point of a batch, and the largest difference of outputs.

    All as onnxruntime has them. Both networks are written by the same writer, so that only their
    sizes differ, and run in turn, so that a machine that slows down slows down both.
    """
    from ..engine.formats.onnx_runtime import Runtime

    dtype = before.origin.dtype
    lattice = region.lattice(dtype)
    runs = []
    for name, network in (("one", before), ("two", after)):
        save(network, folder / f"{name}.onnx")
        runs.append(Runtime(folder / f"{name}.onnx"))
    # Where no number of the element type lies in the region, the nearest one outside is timed.
    points = _points(lattice, FLOAT_POINTS, rng).astype(dtype).astype(np.float64)
    singles = [[run.latency(points[2], REPEATS, 5) for run in runs] for _ in range(ROUNDS)]
    outputs, batches = [], []
    for _ in range(ROUNDS):
        for run in runs:
            start = time.perf_counter()
            outputs.append(run.outputs(points))
            batches.append((time.perf_counter() - start) / len(points))
    apart = None if lattice.pins else float(np.abs(outputs[0] - outputs[1]).max())
    return (
        (min(one for one, _ in singles), min(two for _, two in singles)),
        (min(batches[::2]), min(batches[1::2])),
        apart,
    )


def cut_record(cut: Cut) -> Record:
    """Return what a record says of a cut."""
    phases, network = cut.plan.phases, cut.plan.phases.network
    return {
        "region": region_record(phases.region, network, cut.title),
        "exact": cut.fold.exact,
        "distance": cut.fold.distance,
        "guarantee": cut.guarantee,
        "phases": _counts(phases.findings),
        "layers": _layers(cut),
        "methods": {method.value: count for method, count in phases.by_method().items()},
        "step_seconds": dict(phases.seconds),
        "boxes": phases.boxes,
        "before": {**sizes(network), **_times(cut, 0)},
        "after": {**sizes(cut.after), **_times(cut, 1)},
        "speedup": cut.latency[0] / cut.latency[1],
        "batch_speedup": cut.batch[0] / cut.batch[1],
        "replayed": {
            "exact_points": cut.replayed.exact_points,
            "exact_difference": float(cut.replayed.exact),
            "float_points": cut.replayed.float_points,
            "float_difference": number(cut.replayed.floats),
        },
        "witnesses": _witnesses(phases.findings),
        "open": [
            {
                "layer": finding.layer,
                "neuron": finding.neuron,
                "lower": number(finding.lower),
                "upper": number(finding.upper),
                "reason": finding.verdict.reason,
            }
            for finding in phases.findings
            if isinstance(finding.verdict, Unknown)
        ],
        "output": {"path": str(cut.target), "sha256": cut.digest},
        "seconds": cut.seconds,
    }


def _times(cut: Cut, which: int) -> Record:
    """Return the times before (0) or after (1), microseconds."""
    return {"latency_us": cut.latency[which] * 1e6, "batch_us": cut.batch[which] * 1e6}


def _counts(findings: tuple[Finding, ...]) -> dict[str, int]:
    out = {"zero": 0, "identity": 0, "active": 0, "open": 0}
    for finding in findings:
        out[kind(finding)] += 1
    return out


def kind(finding: Finding) -> str:
    """Return in a word what is known of a neuron: zero, identity, active or open."""
    match finding.verdict:
        case Refuted():
            return "active"
        case Unknown():
            return "open"
        case _:
            return "zero" if finding.state == State.ZERO else "identity"


def _layers(cut: Cut) -> list[Record]:
    by_layer: Mapping[str, Mapping[str, int]] = cut.plan.phases.by_layer()
    forms = {step.layer: step.form for step in cut.fold.steps}
    return [
        {
            "layer": node.name,
            "neurons": node.size,
            **{
                word: by_layer[node.name].get(word, 0)
                for word in ("zero", "identity", "active", "open")
            },
            "form": forms.get(node.name, "none"),
        }
        for node in cut.plan.phases.network.piecewise
    ]


def _witnesses(findings: tuple[Finding, ...]) -> list[Record]:
    """Return the witnesses of a few active neurons, spread over the layers."""
    seen = [finding for finding in findings if isinstance(finding.verdict, Refuted)]
    picked = seen[:: max(1, -(-len(seen) // SAMPLE))][:SAMPLE]
    return [
        {
            "layer": finding.layer,
            "neuron": finding.neuron,
            "method": finding.verdict.method.value,
            "points": [_witness(witness) for witness in finding.verdict.witnesses],
        }
        for finding in picked
        if isinstance(finding.verdict, Refuted)
    ]


def _witness(witness: Witness) -> Record:
    return {
        "input": witness.floats.tolist(),
        "exact_input": [str(value) for value in witness.point],
        "value": float(witness.value),
        "runtime": number(witness.runtime),
    }
