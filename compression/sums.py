"""Whether a fixed-point network's float32 sums are exact, so that what is proved is what runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Affine, Quantize
from .form import Compressed, Grid, affine_layers, levels

Array = NDArray[np.float64]

EXACT = 2.0**24
"""Whole numbers below it, and all partial sums of them, are float32 numbers."""


def exact_sums(compressed: Compressed) -> bool:
    """Return whether every layer of whole numbers, reading whole numbers, sums below `EXACT`.

    Layers with other numbers, or that read values that are not rounded, are not looked at: their
    float32 sums round, as those of any float network do.
    """
    network = compressed.network
    for node, layer in affine_layers(network):
        form = compressed.forms[node.name]
        reads = network.by_name[node.sources[0]].layer
        if not isinstance(reads, Quantize):
            continue
        weight, bias = form.weight, form.bias
        if not (isinstance(weight, Grid) and isinstance(bias, Grid)):
            continue
        if (_sums(layer, weight, bias, reads) >= EXACT).any():
            return False
    return True


def _sums(layer: Affine, weight: Grid, bias: Grid, reads: Quantize) -> Array:
    """Return the largest magnitudes ``(size,)`` of the sums, in steps."""
    reach = np.maximum(-reads.low, reads.high)
    whole = np.abs(levels(weight, layer.operator.weight)).astype(np.float64)
    sums = replace(layer.operator, weight=whole).push(reach)
    return np.asarray(sums + np.abs(levels(bias, layer.bias)), dtype=np.float64)
