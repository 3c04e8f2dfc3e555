"""A plan whose network is a chain of layers, for formats and methods that know no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..engine.bounds.linear import linear
from ..engine.network import State
from ..engine.rounding import float_below
from .fold import fold
from .plan import Plan
from .relus import activations


def chained(plan: Plan) -> Plan:
    """Return a plan folded so that its network is a chain: no edge passes a layer by.

    Linear units that see no negative number on the region, by proof, are ReLUs there.
    """
    region, original = plan.phases.region, plan.phases.network
    bounds = linear(plan.linearised, region.lower[None], region.upper[None])
    masks = {}
    for node in plan.linearised.piecewise:
        layer, first = activations(node), activations(original.by_name[node.name])
        low = bounds[node.sources[0]][0][0]
        # Where phases alone were removed, their proofs hold of this network too.
        proved = first.state == State.RELU if not plan.removals else np.zeros(node.size, np.bool_)
        masks[node.name] = (layer.state == State.IDENTITY) & (proved | (low >= 0.0))
    folded = fold(plan.linearised, region, float_below(plan.room), masks, chain=True)
    return replace(plan, fold=folded, chain=True)
