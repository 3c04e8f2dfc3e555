"""Points where a compressed network is far from its original, by an attack: a lower bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import within
from ..engine.falsify import Margins, falsify
from ..engine.network import Network
from ..engine.question import ask
from ..engine.region import Region

Array = NDArray[np.float64]


def farthest(
    original: Network,
    compressed: Network,
    regions: Sequence[Region],
    rng: np.random.Generator,
    deadline: float = math.inf,
) -> tuple[Array, float]:
    """Return points of the regions where two networks are far apart, and how far.

    Random points are pushed apart by gradient steps, output by output and side by side; the points
    that come of it are numbers of the networks' element type.

    Args:
        original: f.
        compressed: g.
        regions: closed boxes, network units; one at least.
        rng: source of randomness.
        deadline: on `time.monotonic`.

    Returns:
        ``(points, inputs)``, the farthest apart first, and the largest ``|f_i - g_i|`` there in
        float64, output units; nothing of it is proved.
    """
    found = []
    for region in regions:
        question = ask(within(original, compressed, region, Fraction(0)), [original, compressed])
        margins = Margins.of(question, question.alternatives)
        members = np.arange(len(question.alternatives))
        lattice = region.lattice(question.network.origin.dtype)
        _, points, _ = falsify(question, margins, members, lattice, rng, deadline, 1)
        found.append(np.unique(points, axis=0))
    points = np.concatenate(found)
    apart = distances(original, compressed, points)
    order = np.argsort(-apart, kind="stable")
    return points[order], float(apart[order[0]])


def distances(original: Network, compressed: Network, points: Array) -> Array:
    """Return the largest ``|f_i - g_i|`` over the outputs at points, ``(points,)``, in float64."""
    if not len(points):
        return np.zeros(0)
    apart = np.abs(original.evaluate(points) - compressed.evaluate(points)).max(axis=1)
    return np.asarray(apart)
