"""How far rounding takes a network's outputs, about: it steers effort, and proves nothing."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from .network import Affine, Array, Concat, Input, Network, Piecewise, Quantize, Select, Sum


def noise(network: Network, inputs: Array, unit: float) -> Array:
    """Return how far rounding can take each output from its real value at points, about.

    To first order: each sum rounds by at most as many units as it has terms, of the magnitudes that
    it sums. It tells a large cancellation from a mistake, and proves nothing.

    Args:
        network: any.
        inputs: ``(points, inputs)``.
        unit: of the element type that is computed in: the distance of 1 to the next number.

    Returns:
        ``(points, outputs)``.
    """
    values, far = network.trace(inputs), dict[str, Array]()
    for node in network.nodes:
        reads = [far[name] for name in node.sources]
        size = [np.abs(values[name]) for name in node.sources]
        match node.layer:
            case Input():
                out = np.zeros_like(values[node.name])
            case Affine(operator=operator, bias=bias):
                weight = np.abs(operator.weight)
                terms = operator.multiply_adds / operator.size_out + 2
                sums = operator.push(size[0], weight) + np.abs(bias)
                out = operator.push(reads[0], weight) + unit * terms * sums
            case Piecewise(slope=slope):
                out = reads[0] * np.maximum(1.0, np.abs(slope)) + unit * np.abs(values[node.name])
            case Quantize(scale=scale):
                # Only a value near a tie can go to the other side, and then by whole steps.
                ratio = values[node.sources[0]] / scale
                wobble = reads[0] / scale + unit * np.abs(ratio)
                steps = np.ceil(wobble - np.abs(ratio - np.floor(ratio) - 0.5))
                out = scale * np.maximum(steps, 0.0)
            case Sum():
                total = sum(size[1:], start=size[0])
                out = sum(reads[1:], start=reads[0]) + unit * len(size) * total
            case Concat():
                out = np.concatenate(reads, axis=-1)
            case Select(indices=indices):
                out = reads[0][..., indices]
            case _ as never:
                assert_never(never)
        far[node.name] = out
    return far[network.output]
