"""The small networks of a family's cells, with what was linearised gone from the weights.

It stands apart from the family, which is read, routed and evaluated without what folding needs.
"""

from __future__ import annotations

from ..engine.bounds.linear import linear
from ..engine.network import Network, State
from ..redundancy.fold import Fold, fold
from ..redundancy.relus import activations, as_relus
from .family import Family


def fold_of(family: Family, cell: int, tolerance: float = 0.0) -> Fold:
    """Return how a cell's linearised neurons leave its weights.

    Args:
        family: the networks.
        cell: its number.
        tolerance: how far the outputs may move on the cell through rounding of weights, network
            output units; 0 for folds that are exact.

    Raises:
        RegionError: there is no such cell.
    """
    network, region = family.materialise(cell), family.region(cell)
    bounds = linear(network, region.lower[None], region.upper[None])
    above, below = {}, {}
    for node in network.piecewise:
        low, high = bounds[node.sources[0]]
        above[node.name] = (low[0] >= 0.0) & (activations(node).state == State.IDENTITY)
        below[node.name] = (high[0] <= 0.0) & (activations(node).state == State.ZERO)
    return fold(network, region, tolerance, above, nonpositive=below)


def folded(family: Family, cell: int, tolerance: float = 0.0) -> Network:
    """Return the small network of a cell: on the cell it computes what `materialise` gives.

    Units that are proved to be non-negative on the cell are written as ReLUs, so outside of the
    cell it may be another function.

    Args:
        family: the networks.
        cell: its number.
        tolerance: as for `fold_of`.

    Raises:
        RegionError: there is no such cell.
    """
    found = fold_of(family, cell, tolerance)
    return as_relus(found.after, family.base, found.nonnegative, found.nonpositive)
