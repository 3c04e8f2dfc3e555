"""Compression by any method, and how large networks are before and after it."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from ..engine.errors import UnsupportedError
from ..engine.network import Network, Quantize
from .fixed import fixed_point
from .form import Compressed, affine_layers, stored_bias
from .lowrank import low_rank
from .method import Float16, Int8, Int8Weights, LowRank, Magnitude, Method, Random, Rows
from .prune import prune
from .quantize import float16, int8_weights
from .rows import prune_rows


def compress(network: Network, method: Method, *, seed: int = 0) -> Compressed:
    """Return a smaller network that computes about the same, and how its numbers are stored.

    What the returned network computes is, in exact arithmetic, what its stored file says; how far
    it is from the original is not proved here.

    Args:
        network: any network with weights that rounds no activations yet.
        method: what is taken away, one of those in `method.py`.
        seed: of weights drawn at random.

    Raises:
        InputError: a network without weights or with numbers beyond the method's; a rank above
            that of every layer; calibration points of another size.
        RegionError: a calibration region of another size.
        UnsupportedError: a network that rounds activations already, or that has no exact fixed
            point.
    """
    for node in network.nodes:
        if isinstance(node.layer, Quantize):
            raise UnsupportedError(
                f"{network.origin.path}: layer {node.name} rounds its values already; compress the "
                "original network"
            )
    match method:
        case Magnitude() | Random():
            return prune(network, method, seed)
        case Rows():
            return prune_rows(network, method)
        case Float16():
            return float16(network)
        case Int8Weights():
            return int8_weights(network)
        case Int8():
            return fixed_point(network, method)
        case LowRank():
            return low_rank(network, method)
        case _ as never:
            assert_never(never)


def nonzero(network: Network) -> int:
    """Return how many weights and biases of a network are not zero."""
    return sum(
        int(np.count_nonzero(layer.operator.weight) + np.count_nonzero(stored_bias(layer)))
        for _, layer in affine_layers(network)
    )
