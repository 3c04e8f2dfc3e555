"""Simplify: which neurons go over a region, together, and what is proved of the network without.

The steps go from cheap to dear: points, phases, neurons that may be zero or the identity though
they are neither everywhere (forward redundancy where outputs may move, result-preserving redundancy
where the best output must stay), neurons that become some other line (relaxed redundancy), and the
fold, which takes them all out of the weights. What is proved in the end is the guarantee between
the original and the network that is written, with all removals made.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import Answer
from ..engine.answer import Effort as Search
from ..engine.bounds.linear import linear
from ..engine.network import Network, Node, Piecewise, State
from ..engine.region import Region
from ..engine.rounding import float_above, float_below
from ..engine.verdict import Proved
from ..engine.witness import Runtime
from .aim import Aim
from .effect import Effect, effect
from .finding import Finding, Phases
from .fold import Fold, as_relus, fold
from .guarantee import Outputs, shown
from .head import put_back
from .known import Known
from .phase import Effort, decide_phases
from .removal import Kind, Removal, without
from .steps import Progress, Steps, Tally

Masks = Mapping[str, NDArray[np.bool_]]

_PHASE_SHARE = 0.5
"""Part of the time that phases may take where other removals follow."""

_KNOWN_SHARE = 0.05
"""The same where a search has been over before: what it left open is hard. On ACAS Xu a second of
the removals that follow gains more neurons than a second on these."""


_BOUNDS_ALONE: Mapping[str, int] = dict.fromkeys(
    ("samples", "starts", "slopes", "boxes", "programs"), 0
)
"""The effort on phases where a search has been over before and the best output is to stay: of what
is open then, bounds alone are wanted. A neuron that keeps its phase keeps it where outputs tie, so
the removals that follow find it, and are quicker about it."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A simplified network and why it may stand for the original.

    Where the aim names a layer, all but `original` and `network` speak of the head up to there.

    Attributes:
        original: the network given.
        phases: what was found out about every neuron's phase.
        aim: what was asked for.
        removals: the neurons removed beyond their phases, proved to hold together.
        steps: what each step did.
        answer: of the joint proof; None where phases alone were removed.
        linearised: the network with all removals made, before its weights were folded.
        fold: how the removed neurons left the weights; `fold.after` is the result.
        room: what of the guarantee was left for rounding of folded weights, network output units.
        chain: whether no edge may pass a layer by.
    """

    original: Network
    phases: Phases
    aim: Aim
    removals: tuple[Removal, ...]
    steps: tuple[Tally, ...]
    answer: Answer | None
    linearised: Network
    fold: Fold
    room: Fraction
    chain: bool = False

    @property
    def network(self) -> Network:
        """The simplified network as it is written: where they can, linear units are ReLUs."""
        if self.aim.until is None:
            return self.part
        region = self.phases.region
        return put_back(self.fold, self.original, self.aim.until, region, chain=self.chain)

    @property
    def part(self) -> Network:
        """What of `network` is up to the aim's layer; all of it where there is none."""
        return as_relus(
            self.fold.after,
            self.phases.network,
            self.fold.nonnegative,
            self.fold.nonpositive,
        )

    @property
    def guarantee(self) -> str:
        """What is proved, in one sentence."""
        where = f"for every input in {self.phases.region.name}, in real arithmetic"
        layer, bound = self.aim.until, shown(Fraction(self.fold.distance))
        if not self.removals and self.fold.exact:
            return f"The simplified network equals the original {where}."
        if layer is not None:
            assert isinstance(self.aim.guarantee, Outputs)
            if self.removals:
                bound = shown(self.aim.guarantee.tolerance)
            return (
                f"The simplified network computes its outputs, as the original does, from values "
                f"of layer {layer} that are each within {bound} of the original's {where}."
            )
        if not self.removals:
            return (
                f"Every output of the simplified network is within {bound} of the "
                f"original's {where} and network units."
            )
        return (
            f"On {self.phases.region.name}, in real arithmetic and network units, the simplified "
            f"network {self.aim.guarantee.text()}."
        )

    def error(self, effort: Search) -> Effect:
        """Return how far the removals move any output: by formula, by bounds and by search."""
        ranges = {(one.layer, one.neuron): (one.lower, one.upper) for one in self.phases.findings}
        places = {one.place for one in self.removals}
        found = effect(
            self.phases.linearised(),
            self.linearised,
            self.phases.region,
            {place: ranges[place] for place in places},
            effort,
        )
        if self.removals and isinstance(self.aim.guarantee, Outputs):  # proved already
            most = float_above(self.aim.guarantee.tolerance - self.room)
            return replace(found, searched=min(found.searched, most))
        return found


def simplify(
    network: Network,
    region: Region,
    effort: Effort | None = None,
    runtime: Runtime | None = None,
    progress: Progress | None = None,
    aim: Aim | None = None,
    known: Known | None = None,
) -> Plan:
    """Return a smaller network that may replace the given one on the region.

    Args:
        network: the network.
        region: closed box in network units, with more than one point.
        effort: how much work to spend.
        runtime: replays the network's file on refuting points; None where there is no file.
        progress: is told the step, how many neurons are settled, and how many there are.
        aim: what must stay, and how removals are chosen; equal outputs where absent.
        known: what was proved and seen of phases on the region before.

    Raises:
        InputError: the best of outputs is to stay, and the network has a single one; the aim's
            layer is none that everything passes through.
        RegionError: another number of inputs, or a single point.
    """
    effort = effort or Effort()
    aim, part = (aim or Aim()).fit(network)
    begun = time.monotonic()
    alone = isinstance(aim.guarantee, Outputs) and aim.guarantee.exact
    share = _KNOWN_SHARE if known else _PHASE_SHARE
    first = effort if alone else replace(effort, seconds=share * effort.seconds)
    if known and not isinstance(aim.guarantee, Outputs):
        first = replace(first, **_BOUNDS_ALONE)
    file = runtime if part is network else None  # a file shows its outputs alone
    phases = decide_phases(part, region, first, file, progress, known)
    spent = time.monotonic() - begun
    tally = Tally(Kind.PHASE, len(phases.findings), phases.count(Proved), spent, 0, phases.boxes)
    if alone:
        return _folded(network, phases, aim, (), (tally,), None, Fraction(0))
    work = Steps(phases, aim, effort, begun + effort.seconds, progress)
    work.run()
    joint = work.joint
    steps = (tally, *work.steps)
    return _folded(network, phases, aim, work.proved, steps, joint.answer, joint.room)


def _folded(
    network: Network,
    phases: Phases,
    aim: Aim,
    removals: tuple[Removal, ...],
    steps: tuple[Tally, ...],
    answer: Answer | None,
    room: Fraction,
) -> Plan:
    """Return the plan with the removed neurons folded away."""
    linearised = without(phases.linearised(), removals)
    tolerance = room
    if not removals:  # what the phases leave is equal, and the whole tolerance is there to be spent
        tolerance = aim.guarantee.tolerance if isinstance(aim.guarantee, Outputs) else Fraction(0)
    above, below = _signs(phases, linearised, exact=not removals)
    result = fold(linearised, phases.region, float_below(tolerance), above, nonpositive=below)
    return Plan(network, phases, aim, removals, steps, answer, linearised, result, tolerance)


def _signs(phases: Phases, linearised: Network, *, exact: bool) -> tuple[Masks, Masks]:
    """Return which identities are proved to see no negative number, and zeros no positive one.

    Args:
        phases: of the original.
        linearised: the network without the removed neurons.
        exact: whether it equals the original, whose phases then hold for it.
    """
    if exact:
        above, below = (
            {node.name: _are(phases.findings, node, state) for node in linearised.piecewise}
            for state in (State.IDENTITY, State.ZERO)
        )
        return above, below
    region = phases.region
    bounds = linear(linearised, region.lower[None], region.upper[None])
    above, below = {}, {}
    for node in linearised.piecewise:
        assert isinstance(node.layer, Piecewise)
        low, high = bounds[node.sources[0]]
        above[node.name] = (low[0] >= 0.0) & (node.layer.state == State.IDENTITY)
        below[node.name] = (high[0] <= 0.0) & (node.layer.state == State.ZERO)
    return above, below


def _are(findings: tuple[Finding, ...], node: Node, state: State) -> NDArray[np.bool_]:
    """Return which neurons of a layer were found to be in a state."""
    out = np.zeros(node.size, np.bool_)
    for one in findings:
        if one.layer == node.name and one.state == state:
            out[one.neuron] = True
    return out
