"""A compressed network with other numbers in its affine layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Affine
from .form import Compressed, affine_layers

Array = NDArray[np.float64]

Numbers = Mapping[tuple[str, bool], Array]
"""For a node and whether its bias is meant, an array of numbers."""


def with_numbers(compressed: Compressed, numbers: Numbers) -> Compressed:
    """Return a compressed network with other numbers in some of its affine layers.

    Args:
        compressed: whose forms stay.
        numbers: in the shapes of those that they replace, and of their forms.

    Raises:
        InputError: numbers that a form does not hold.
    """
    layers = {}
    for node, layer in affine_layers(compressed.network):
        weight = numbers.get((node.name, False), layer.operator.weight)
        bias = numbers.get((node.name, True), layer.bias)
        layers[node.name] = Affine(replace(layer.operator, weight=weight), bias)
    return Compressed(compressed.network.with_layers(layers), compressed.forms)


def numbers_of(compressed: Compressed) -> dict[tuple[str, bool], Array]:
    """Return all numbers of the affine layers; `with_numbers` takes them back."""
    out: dict[tuple[str, bool], Array] = {}
    for node, layer in affine_layers(compressed.network):
        out[node.name, False] = layer.operator.weight
        out[node.name, True] = layer.bias
    return out
