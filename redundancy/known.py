"""What is known of phases before the work on a region begins, such as from many regions at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.network import State
from ..engine.verdict import Proved, Refuted, Unknown
from .finding import Finding, Phases
from .ledger import METHODS, Ledger
from .relus import activations

SEEN = Unknown("points that were looked at before show both signs")
"""The verdict on a neuron whose points are not at hand any more."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownLayer:
    """What is known of the neurons of one layer over a region; all arrays are ``(size,)``.

    Attributes:
        state: int8, ZERO or IDENTITY where that was proved, else anything.
        how: int8, the place in `ledger.METHODS` of what proved it; -1 where nothing did.
        refuted: whether points of the region show both signs; nobody asks about these again.
    """

    state: NDArray[np.int8]
    how: NDArray[np.int8]
    refuted: NDArray[np.bool_]


Known = Mapping[str, KnownLayer]
"""By the name of the `Piecewise` node."""


def known_of(phases: Phases) -> Known:
    """Return what the findings on a region say, to begin other work on the same region with."""
    out = {}
    for node in phases.network.piecewise:
        state = activations(node).state.copy()
        out[node.name] = state, np.full(node.size, -1, np.int8), np.zeros(node.size, np.bool_)
    for one in phases.findings:
        state, how, refuted = out[one.layer]
        match one.verdict:
            case Proved(method=method):
                state[one.neuron], how[one.neuron] = one.state, METHODS.index(method)
            case Refuted():
                refuted[one.neuron] = True
            case Unknown():
                refuted[one.neuron] = one.verdict is SEEN
            case _ as never:
                assert_never(never)
    return {name: KnownLayer(*arrays) for name, arrays in out.items()}


def take_over(ledger: Ledger, known: Known) -> list[tuple[int, int]]:
    """Tell a ledger what is known; return place and index of neurons that are asked about no more.

    Their bounds are still found, and `with_seen` puts them among the findings.
    """
    aside = []
    for place, entry in enumerate(ledger.entries):
        one = known.get(entry.node)
        if one is None:
            continue
        for number, method in enumerate(METHODS):
            some = np.flatnonzero(entry.asked & (one.how == number))
            zero = one.state[some] == State.ZERO
            low, high = np.where(zero, -np.inf, 0.0), np.where(zero, 0.0, np.inf)
            ledger.prove_some(place, some, low, high, method)
        seen = entry.asked & one.refuted & (one.how < 0)
        aside += [(place, neuron) for neuron in np.flatnonzero(seen).tolist()]
        entry.asked &= ~seen
    return aside


def with_seen(
    findings: tuple[Finding, ...], ledger: Ledger, aside: list[tuple[int, int]]
) -> tuple[Finding, ...]:
    """Return findings with those of neurons that were set aside, layer after layer."""
    if not aside:
        return findings
    places = {entry.node: place for place, entry in enumerate(ledger.entries)}
    found = {(places[one.layer], one.neuron): one for one in findings}
    for place, neuron in aside:
        entry = ledger.entries[place]
        low, high = float(entry.low[neuron]), float(entry.high[neuron])
        found[place, neuron] = Finding(entry.node, neuron, State.RELU, SEEN, low, high)
    return tuple(found[key] for key in sorted(found))
