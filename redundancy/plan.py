"""Simplify: decide what can go over a region, take it out, and say what then holds."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.network import Network
from ..engine.region import Region
from ..engine.witness import Runtime
from .finding import Phases
from .fold import Fold, as_relus, fold
from .phase import Effort, Progress, decide_phases


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A simplified network and why it may stand for the original.

    Attributes:
        phases: what was found out about every neuron.
        fold: how the proved neurons left the weights; `fold.after` is the result.
    """

    phases: Phases
    fold: Fold

    @property
    def network(self) -> Network:
        """The simplified network as it is written: linear units stand under their layer's ReLU."""
        return as_relus(self.fold.after, self.phases.network)

    @property
    def guarantee(self) -> str:
        """What is proved, in one sentence."""
        where = f"for every input in {self.phases.region.name}"
        if self.fold.exact:
            return f"The simplified network equals the original {where}, in real arithmetic."
        return (
            f"Every output of the simplified network is within {self.fold.distance:.3g} of the "
            f"original's {where}, in real arithmetic and network units."
        )


def simplify(
    network: Network,
    region: Region,
    effort: Effort | None = None,
    runtime: Runtime | None = None,
    progress: Progress | None = None,
    tolerance: float = 0.0,
) -> Plan:
    """Return a smaller network that may replace the given one on the region.

    Args:
        network: the network.
        region: closed box in network units, with more than one point.
        effort: how much work to spend.
        runtime: replays the network's file on refuting points; None where there is no file.
        progress: is told the step, how many neurons are settled, and how many there are.
        tolerance: how far an output may move through rounding of folded weights, network units.

    Raises:
        RegionError: another number of inputs, or a single point.
    """
    phases = decide_phases(network, region, effort, runtime, progress)
    return Plan(phases, fold(phases.linearised(), region, tolerance))
