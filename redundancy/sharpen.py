"""Linear bounds of the neurons of a ledger, layer after layer, within a time limit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..engine.bounds.interval import interval
from ..engine.bounds.linear import bound_rows, lines
from ..engine.network import Piecewise
from ..engine.region import Region
from ..engine.verdict import Method
from .ledger import Ledger

_ROWS = 64
"""Neurons bounded together, between two looks at the clock."""


def sharpen(
    ledger: Ledger, region: Region, method: Method, steps: int, late: Callable[[], bool]
) -> None:
    """Take over linear bounds of neurons whose sign is in doubt.

    Without steps every neuron is bounded that may have both signs. With steps, which are dear, only
    what can settle something is: open neurons, and those of layers below an open one, whose bounds
    the open one stands on.

    Args:
        ledger: takes over the bounds.
        region: closed box in network units.
        method: what to call it.
        steps: gradient steps on the slopes of each bound; 0 for fixed slopes.
        late: whether the time is spent; asked before each group of neurons.
    """
    network, box = ledger.network, (region.lower[None], region.upper[None])
    for place, entry in enumerate(ledger.entries):
        bounds = interval(network, *box, ledger.known())
        ledger.prove(bounds, method)
        relaxed = {
            node.name: lines(node.layer, *bounds[node.sources[0]])
            for node in network.piecewise
            if isinstance(node.layer, Piecewise)
        }
        ask = (entry.low < 0.0) & (entry.high > 0.0)
        if steps and not any(later.open.any() for later in ledger.entries[place + 1 :]):
            ask &= entry.open
        for start in range(0, int(ask.sum()), _ROWS):
            if late():
                return
            some = np.flatnonzero(ask)[start : start + _ROWS]
            rows = np.zeros((1, 2 * some.size, ask.size))
            rows[0, np.arange(some.size), some] = 1.0
            rows[0, some.size + np.arange(some.size), some] = -1.0
            reach = bound_rows(network, entry.source, rows, bounds, relaxed, steps)[0]
            ledger.prove_some(place, some, -reach[some.size :], reach[: some.size], method)
    ledger.prove(interval(network, *box, ledger.known()), method)
