"""What was found out about one neuron, and about all neurons of a network over a region."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..engine.network import Network, Piecewise, State
from ..engine.region import Region
from ..engine.verdict import Method, Proved, Refuted, Unknown, Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a neuron keeps one phase over a region.

    Attributes:
        layer: name of the `Piecewise` node.
        neuron: index in the layer.
        state: ZERO if z <= 0 was proved, IDENTITY if z >= 0 was proved, else RELU.
        verdict: Proved (of `state`), Refuted (with a point where z > 0 and one where z < 0) or
            Unknown.
        lower, upper: proved bounds of the pre-activation z over the region, network units.
    """

    layer: str
    neuron: int
    state: State
    verdict: Verdict
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases of all ReLU neurons over a region.

    Attributes:
        network: the network asked about.
        region: in network units.
        findings: one for each neuron in state RELU, layer after layer.
        seconds: wall time by step of the work.
        boxes: sub-boxes bounded in all.
    """

    network: Network
    region: Region
    findings: tuple[Finding, ...]
    seconds: Mapping[str, float]
    boxes: int

    def count(self, kind: type[Proved] | type[Refuted] | type[Unknown]) -> int:
        """Return how many findings have a verdict of this kind."""
        return sum(isinstance(finding.verdict, kind) for finding in self.findings)

    def by_layer(self) -> dict[str, Counter[str]]:
        """Return for each layer how many neurons are zero, identity, active and open."""
        out = {node.name: Counter[str]() for node in self.network.piecewise}
        for finding in self.findings:
            match finding.verdict:
                case Proved():
                    word = "zero" if finding.state == State.ZERO else "identity"
                case Refuted():
                    word = "active"
                case Unknown():
                    word = "open"
            out[finding.layer][word] += 1
        return out

    def by_method(self) -> Counter[Method]:
        """Return how many neurons each method proved."""
        return Counter(f.verdict.method for f in self.findings if isinstance(f.verdict, Proved))

    def linearised(self) -> Network:
        """Return the network with every proved neuron set to its state; equal on the region."""
        layers = {}
        for node in self.network.piecewise:
            assert isinstance(node.layer, Piecewise)
            state = node.layer.state.copy()
            for finding in self.findings:
                if finding.layer == node.name:
                    state[finding.neuron] = finding.state
            layers[node.name] = Piecewise(state, node.layer.slope, node.layer.intercept)
        return self.network.with_layers(layers)
