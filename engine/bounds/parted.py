"""Bounds over a box from those over its parts: what is unstable on it may be stable on each.

Every input is cut into equal parts, so this is for few inputs. On cells of ACAS Xu networks 32
parts took as long as three linear programs and left integer programs and searches over phases a
seventh of their work.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

import numpy as np

from ..network import Network
from ..rounding import Array
from ..stages import stages
from .interval import interval
from .kernels import bound_boxes
from .packed import pack

MOST: Final = 1024
"""Parts of a box, at most."""

OPERATIONS: Final = 1_000_000_000
"""Multiplications of matrix entries, parts times those of one evaluation, at most: a second or
so, for the bounds of a part are some evaluations."""


def divisible(network: Network, lower: Array, upper: Array, cuts: int) -> bool:
    """Return whether a box has a width and few enough parts for `parted`; arguments as there."""
    wide = int((lower < upper).sum())
    count = cuts**wide
    return wide > 0 and count <= MOST and count * network.multiply_adds <= OPERATIONS


def parted(
    network: Network,
    lower: Array,
    upper: Array,
    bounds: Mapping[str, tuple[Array, Array]],
    cuts: int,
) -> dict[str, tuple[Array, Array]]:
    """Return bounds of every node, at least as tight as those given.

    Args:
        network: any network that does not round its activations.
        lower: ``(inputs,)`` float64, lower corner of the closed box, network units.
        upper: ``(inputs,)`` float64, upper corner.
        bounds: for every node its values' proved lower and upper bounds ``(size,)`` over the box.
        cuts: parts of every input that has a width, at least 2; the box is `divisible`.
    """
    lows, highs = _parts(lower, upper, cuts)
    staged = stages(network)
    net = pack(staged)
    low, high = np.full(int(net.offset[-1]), -np.inf), np.full(int(net.offset[-1]), np.inf)
    places = {
        stage.name: slice(int(net.offset[at]), int(net.offset[at + 1]))
        for at, stage in enumerate(staged.stages)
        if stage.name in bounds and bounds[stage.name][0].size == stage.size
    }
    for name, place in places.items():
        low[place], high[place] = bounds[name]
    count, none = len(lows), np.zeros(lows.shape)
    low, high = np.tile(low, (count, 1)), np.tile(high, (count, 1))
    wish, worst = np.zeros(low.shape, np.uint8), np.zeros(count, np.int64)
    bound_boxes(net, lows, highs, low, high, wish, none, worst, none.copy())
    known = {name: (low[None], high[None]) for name, (low, high) in bounds.items()}
    for name, place in places.items():
        if name == network.input.name:
            continue
        before = bounds[name]
        known[name] = (
            np.maximum(before[0], low[:, place].min(axis=0))[None],
            np.minimum(before[1], high[:, place].max(axis=0))[None],
        )
    found = interval(network, lower[None], upper[None], known)
    return {name: (low[0], high[0]) for name, (low, high) in found.items()}


def _parts(lower: Array, upper: Array, cuts: int) -> tuple[Array, Array]:
    """Return the corners ``(parts, inputs)`` of parts that cover the box."""
    ends = []
    for low, high in zip(lower.tolist(), upper.tolist(), strict=True):
        marks = np.clip(np.linspace(low, high, cuts + 1), low, high)
        marks[0], marks[-1] = low, high
        ends.append(marks if low < high else np.array([low, high]))
    at = np.array(list(itertools.product(*(range(len(marks) - 1) for marks in ends))))
    return (
        np.stack([marks[place] for marks, place in zip(ends, at.T, strict=True)], axis=1),
        np.stack([marks[place + 1] for marks, place in zip(ends, at.T, strict=True)], axis=1),
    )
