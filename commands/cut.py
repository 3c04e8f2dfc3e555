"""A cut: one network simplified over one region, replayed, measured and written."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import Effort as Search
from ..engine.errors import UnsupportedError
from ..engine.formats import load, save
from ..engine.formats.files import read_bytes, replace_with
from ..engine.network import Network, Piecewise, State
from ..engine.region import Region
from ..engine.rounding import float_above
from ..redundancy.aim import Aim
from ..redundancy.chain import chained
from ..redundancy.effect import Effect
from ..redundancy.fold import fold
from ..redundancy.guarantee import Outputs
from ..redundancy.phase import Effort
from ..redundancy.plan import Plan, simplify
from ..redundancy.screen import Screen
from ..redundancy.steps import Progress
from .latency import Latency, latency
from .replay import Replayed, replay

if TYPE_CHECKING:
    from ..engine.formats.onnx_runtime import Runtime

ERROR_SHARE = 0.1
"""Part of the time that the bounds of the error may take."""

COST_POINTS = 1024
"""Random points at which the cost of each removal is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """One network simplified over one region.

    Attributes:
        title: of the region, one line; empty where it has none.
        plan: what was found, and the simplified network as it was folded for the file.
        after: the network that was written.
        target: where to.
        digest: its SHA-256.
        constant: whether the original is proved to give the same outputs on the whole region.
        left_out: removals that were proved and that the file's format could not hold.
        costs: for each removal of the plan how far it alone moves any output at random points.
        error: how far all of them move any output; None where that was not asked. Of this, of the
            costs and of the distance: any value of the aim's layer, where it names one.
        latency: of both networks.
        replayed: the comparison at points.
        seconds: wall time of all of it.
    """

    title: str
    plan: Plan
    after: Network
    target: Path
    digest: str
    constant: bool
    left_out: int
    costs: tuple[float, ...]
    error: Effect | None
    latency: Latency
    replayed: Replayed
    seconds: float

    @property
    def guarantee(self) -> str:
        """What is proved, in one sentence."""
        return self.plan.guarantee

    @property
    def exact(self) -> bool:
        """Whether both networks are proved equal on the region."""
        return not self.plan.removals and self.plan.fold.exact

    @property
    def distance(self) -> float | None:
        """No output is farther than this from the original's; None where nothing is known.

        Where the plan's aim names a layer, that layer's values take the outputs' place.
        """
        rounding = self.plan.fold.distance
        if not self.plan.removals:
            return rounding
        known = []
        if isinstance(self.plan.aim.guarantee, Outputs):
            known.append(self.plan.aim.guarantee.tolerance)
        if self.error is not None and np.isfinite(self.error.searched):
            known.append(Fraction(self.error.searched) + Fraction(rounding))
        return float_above(min(known)) if known else None


def make_cut(
    network: Network,
    region: Region,
    target: Path,
    *,
    effort: Effort,
    runtime: Runtime | None = None,
    aim: Aim | None = None,
    explain: bool = False,
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
        aim: what must stay; equal outputs where absent.
        explain: bound how far outputs move also where only the best one must stay.
        title: of the region, one line for people.
        progress: is told the step, how many neurons are settled, and how many there are.

    Raises:
        RegionError: another number of inputs, or a single point.
        InputError: the best of outputs is to stay, and the network has a single one.
        MismatchError: the file that was written disagrees with the original beyond what is proved.
        FileError: the file cannot be written.
    """
    began, aim = time.monotonic(), aim or Aim()
    outputs = isinstance(aim.guarantee, Outputs)
    measured = explain or (outputs and not aim.guarantee.exact)
    part = ERROR_SHARE * effort.seconds if measured else 0.0
    spent = replace(effort, seconds=effort.seconds - part)
    plan = simplify(network, region, spent, runtime, progress, aim)
    rng = np.random.default_rng(effort.seed)
    with TemporaryDirectory(prefix="secateur-") as folder:
        draft = Path(folder) / f"after{target.suffix.lower()}"
        found = len(plan.removals)
        plan = _saved(plan, draft)
        after = plan.network
        replayed = replay(plan, load(draft), Path(folder), runtime, rng)
        times = latency(network, after, region, Path(folder), rng)
        data = read_bytes(draft)
    error = None
    if measured and plan.removals:
        search = Search(seconds=part, seed=effort.seed, workers=effort.workers)
        error = plan.error(search)
    constant = is_constant(plan, rng)
    costs = _costs(plan, rng)
    replace_with(target, data)
    return Cut(
        title,
        plan,
        after,
        target,
        hashlib.sha256(data).hexdigest(),
        constant,
        found - len(plan.removals),
        costs,
        error,
        times,
        replayed,
        time.monotonic() - began,
    )


def rehearse(network: Network, target: Path) -> None:
    """Raise UnsupportedError where the format of a file cannot hold what a network becomes.

    What comes of a chain of layers can be written as one, so the original stands in for it.
    """
    with TemporaryDirectory(prefix="secateur-") as folder:
        save(network, Path(folder) / f"rehearsal{target.suffix.lower()}")


def is_constant(plan: Plan, rng: np.random.Generator) -> bool:
    """Return whether the original is proved to give the same outputs on the whole region.

    Without a ReLU that is active, what the region sees is one affine function, and that is
    constant if it is so at a corner and one step along every input from there.
    """
    phases = plan.phases
    region, linearised = phases.region, phases.linearised()
    values = linearised.evaluate(_inside(region, 8, rng))
    scale = 1.0 + np.abs(values).max()
    if (np.ptp(values, axis=0) > 1e-9 * scale).any():
        return False
    affine = fold(linearised, region).after  # exact: no tolerance is given
    for node in affine.piecewise:
        assert isinstance(node.layer, Piecewise)
        if (node.layer.state == State.RELU).any():
            return False
    corners = np.array([list(region.exact_lower)] * (region.size + 1), dtype=object)
    for index, upper in enumerate(region.exact_upper):
        corners[index + 1, index] = upper
    found = affine.evaluate(corners, exact=True)
    return bool((found == found[0]).all())


def _inside(region: Region, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return random points ``(count, inputs)`` of a region."""
    part = rng.random((count, region.size))
    return np.asarray(region.lower + part * (region.upper - region.lower))


def _saved(plan: Plan, draft: Path) -> Plan:
    """Write the simplified network; return the plan as it was folded for the file.

    A .nnet file holds a chain of ReLU layers: no edge that passes one by, and no linear unit but
    one that never sees a negative number, which a ReLU stands for. Removals that leave others are
    not made there, for a part of a proved set is not proved.
    """
    try:
        save(plan.network, draft)
    except UnsupportedError:
        if draft.suffix != ".nnet":
            raise
    else:
        return plan
    inline = chained(plan)
    try:
        save(inline.network, draft)
    except UnsupportedError:
        if not plan.removals:
            raise
    else:
        return inline
    alone = replace(
        plan,
        removals=(),
        steps=plan.steps[:1],
        answer=None,
        linearised=plan.phases.linearised(),
        room=Fraction(0),
    )
    inline = chained(alone)
    save(inline.network, draft)
    return inline


def _costs(plan: Plan, rng: np.random.Generator) -> tuple[float, ...]:
    """Return how far each removal alone moves any output at random points."""
    if not plan.removals:
        return ()
    region = plan.phases.region
    points = _inside(region, COST_POINTS, rng)
    screen = Screen(plan.phases.linearised(), plan.aim.guarantee, points)
    return tuple(float(cost) for cost in screen.moves(plan.removals).max(axis=1))
