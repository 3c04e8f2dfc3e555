"""A small network whose numbers are eighths, a region of it, and how far two networks are apart."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
from oracle import extremes

from secateur.engine.network import Network, Normalisation, Origin
from secateur.engine.pair import merge

REGION = "-1/4:3/4,0:1/2,-1/2:0"
LOW, HIGH = [-0.25, 0.0, -0.5], [0.75, 0.5, 0.0]


def tiny(
    dtype: Literal["float16", "float32", "float64"] = "float32",
    normalisation: Normalisation | None = None,
    sizes: Sequence[int] = (3, 8, 6, 2),
    seed: int = 3,
) -> Network:
    """Return a network of eighths, so every element type holds it."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-8, 9, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    biases = [rng.integers(-4, 5, b) / 8 for b in sizes[1:]]
    return Network.dense(weights, biases, Origin(dtype=dtype), normalisation)


def apart(before: Network, after: Network) -> Fraction:
    """Return the largest difference of any output on the region, exactly."""
    network = merge(before, after).network
    ends = extremes(network, np.array(LOW), np.array(HIGH), network.output)
    return max(max(high, -low) for low, high in ends)
