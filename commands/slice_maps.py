"""Maps of a family: what is removed over pairs of inputs, the mean over all other inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Network
from ..slicing.slices import Slices
from .record import Record

Array = NDArray[np.float64]

TILES: Final = 32
"""Tiles along an input; where there are more cuts than that, tiles are equal parts."""

PAIRS: Final = 10
"""Pairs of inputs that are shown: all of five inputs."""

PER: Final = 512 * 1024
"""Numbers held at a time while cells are laid on tiles."""


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """The cells along one input.

    Attributes:
        edges: ``(tiles + 1,)`` where tiles begin and end, network units.
        share: ``(cells, tiles)`` the part of each cell's width that is on each tile.
    """

    edges: Array
    share: Array


def maps_of(
    slices: Slices, known: NDArray[np.bool_], value: Array, network: Network
) -> list[Record]:
    """Return for pairs of inputs that are cut the mean of a value over all other inputs.

    The mean is by volume, over those cells alone of which the value is known.

    Args:
        slices: the cells.
        known: ``(cells,)`` of which cells the value is known.
        value: ``(cells,)`` of each cell; any number where it is not known.
        network: says how raw units come about.
    """
    some = np.flatnonzero(known)
    inputs = slices.inputs.tolist()
    if len(inputs) < 2 or not some.size:
        return []
    lower, upper = slices.boxes(some)
    wide = slices.whole.upper - slices.whole.lower
    cut = np.array(inputs)
    volume = ((upper - lower)[:, cut] / wide[cut]).prod(axis=1)
    laid = {at: _laid(slices, at, lower[:, at], upper[:, at]) for at in inputs}
    worth = value[some]
    pairs = list(combinations(inputs, 2))[:PAIRS]
    return [_map(one, two, laid[one], laid[two], volume, worth, network) for one, two in pairs]


def _laid(slices: Slices, at: int, lower: Array, upper: Array) -> Laid:
    """Return the cells along an input."""
    low, high = slices.whole.lower[at], slices.whole.upper[at]
    edges = np.unique(np.concatenate([slices.cut[slices.axis == at], [low, high]]))
    if edges.size > TILES + 1:
        edges = np.linspace(low, high, TILES + 1)
    left = np.maximum(lower[:, None], edges[None, :-1])
    right = np.minimum(upper[:, None], edges[None, 1:])
    share = np.maximum(right - left, 0.0) / (upper - lower)[:, None]
    return Laid(edges, share)


def _map(
    across: int,
    along: int,
    first: Laid,
    second: Laid,
    volume: Array,
    value: Array,
    network: Network,
) -> Record:
    """Return one map: tiles row by row along the second input, null where nothing is known."""
    weight = second.share.T @ (first.share * volume[:, None])
    total = second.share.T @ (first.share * (volume * value)[:, None])
    tiles = np.where(weight > 0.0, total / np.where(weight > 0.0, weight, 1.0), np.nan)
    return {
        "across": _side(across, first.edges, network),
        "along": _side(along, second.edges, network),
        "tiles": [None if np.isnan(one) else round(one, 6) for one in tiles.ravel().tolist()],
    }


def _side(at: int, edges: Array, network: Network) -> Record:
    normal = network.normalisation
    raw = None
    if normal is not None:
        shown = edges * float(normal.range[at]) + float(normal.mean[at])
        dust = np.abs(shown) < 1e-9 * (shown[-1] - shown[0])  # units there and back leave it
        raw = np.where(dust, 0.0, shown).tolist()
    return {"input": at, "edges": edges.tolist(), "raw_edges": raw}
