"""How far float evaluation of a file strays from real arithmetic over a box: proved bounds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from ..errors import RegionError
from ..rounding import Array
from .affine import MOST_SYMBOLS
from .graph import Graph

PARTS: Final = 256
"""Boxes into which a region is cut unless told: magnitudes shrink with the boxes, and errors with
the magnitudes. About a second for a network of 300 ReLUs."""

CHUNK: Final = 2**20
"""Entries of the largest tensor over all boxes that are enclosed together."""


def float_error(
    source: str | Path | bytes | Graph,
    lower: Array,
    upper: Array,
    tensors: Sequence[str],
    *,
    parts: int = PARTS,
    tied: bool | None = None,
) -> dict[str, Array]:
    """Return bounds on ``|computed - real|`` for tensors of an ONNX graph over a box.

    The computed value is that of any evaluation in the file's element types which rounds each
    elementary operation to nearest and sums in any order, with or without fused multiply-add; for
    exponential functions see `rounding.RUNTIME_ASSUMPTION`. Both values are those at the same
    input, a number of the element type.

    Args:
        source: the file, its bytes, or its graph.
        lower: ``(inputs,)`` float64, closed limits of all inputs, one after the other.
        upper: the same.
        tensors: names of tensors of the graph.
        parts: boxes into which the region is cut at most; more give smaller bounds.
        tied: whether to follow affine forms, in which errors of one layer cancel in the next; for
            small graphs unless told.

    Returns:
        For each name ``(size,)`` float64, flat in C order; infinite where nothing can be said.

    Raises:
        RegionError: limits for another number of inputs, or inverted.
        InputError: a name that is no tensor; and what `Graph.read` raises.
    """
    graph = source if isinstance(source, Graph) else Graph.read(source)
    if not (lower.shape == upper.shape == (graph.size,)) or not (lower <= upper).all():
        raise RegionError(
            f"{graph.model.path}: limits of shape {list(lower.shape)} and {list(upper.shape)}: "
            f"give {graph.size} lower limits at most the upper ones"
        )
    tied = graph.small if tied is None else tied
    lows, highs = cells(lower, upper, parts)
    widest = max(graph.ports[name].size for name in graph.moving) * (MOST_SYMBOLS if tied else 1)
    step = max(1, min(len(lows), CHUNK // max(widest, 1)))
    worst: dict[str, Array] = {}
    for first in range(0, len(lows), step):
        own = slice(first, first + step)
        found = graph.enclose(lows[own], highs[own], tensors, tied=tied)
        for name, value in found.items():
            here = value.error.reshape(len(value.error), -1).max(axis=0)
            worst[name] = np.maximum(worst[name], here) if name in worst else here
    return worst


def cells(lower: Array, upper: Array, parts: int) -> tuple[Array, Array]:
    """Return the boxes ``(boxes, inputs)`` of a grid that covers a box, at most ``parts`` of them.

    All sides are cut into equally many pieces, and some into one more as long as there is room.
    """
    wide = np.flatnonzero(upper > lower)
    counts = np.ones(len(lower), dtype=np.int64)
    if len(wide) and 2 ** len(wide) <= parts:
        counts[wide] = int(parts ** (1 / len(wide)) + 1e-9)
        for side in wide:
            more = counts.copy()
            more[side] += 1
            if np.prod(more, dtype=np.float64) <= parts:
                counts = more
    else:
        counts[wide[: max(int(np.log2(max(parts, 1))), 0)]] = 2
    cuts = []
    for low, high, count in zip(lower, upper, counts, strict=True):
        at = low + (high - low) * (np.arange(count + 1) / count)
        at[0], at[-1] = low, high
        cuts.append(list(pairwise(np.clip(at, low, high).tolist())))
    # Only the sides that are cut have an axis: an array has no more than 64 of them.
    cut = np.flatnonzero(counts > 1)
    if not cut.size:
        return lower[None], upper[None]
    some = np.indices(tuple(counts[cut])).reshape(cut.size, -1).T
    grid = np.zeros((len(some), counts.size), dtype=np.int64)
    grid[:, cut] = some
    ends = [np.array(column)[grid[:, index]] for index, column in enumerate(cuts)]
    return np.stack([e[:, 0] for e in ends], axis=1), np.stack([e[:, 1] for e in ends], axis=1)
