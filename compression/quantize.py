"""Quantization of weights after training: float16, and int8 with a scale for each channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Affine, Network
from .form import Compressed, Grid, Half, LayerForm, nearest
from .plain import narrow, plain, weighted, with_weight

Array = NDArray[np.float64]

MOST = 127
"""Largest magnitude of an int8 weight: -128 stays out, so that a grid is symmetric."""

TINY = 2.0**-100
"""Least scale of a channel: numbers of its grid are then float32 numbers of full precision, and
weights that it rounds to zero are far below all that a float32 sum takes notice of."""


def float16(network: Network) -> Compressed:
    """Return the network with weights and biases rounded to float16; it computes in float32.

    Args:
        network: any network with weights.

    Raises:
        InputError: a number beyond float16; a network without weights.
    """
    half = LayerForm(Half(), Half())
    return formed(narrow(network), {node.name: half for node, _ in weighted(network)})


def int8_weights(network: Network) -> Compressed:
    """Return the network with int8 weights, the largest of each output channel being 127 steps.

    Biases and activations stay float32 (dynamic range quantization).

    Args:
        network: any network with weights.

    Raises:
        InputError: a number beyond float32; a network without weights.
    """
    network = narrow(network)
    before, forms = plain(network).forms, {}
    for node, layer in weighted(network):
        most = largest(layer.operator.weight)
        scale = np.maximum((most / MOST).astype(np.float32).astype(np.float64), TINY)
        forms[node.name] = replace(before[node.name], weight=Grid(scale, -MOST, MOST))
    return formed(network, forms)


def largest(weight: Array) -> Array:
    """Return the largest magnitude ``(channels,)`` in each channel of weights."""
    return np.asarray(np.abs(weight).reshape(len(weight), -1).max(axis=1))


def formed(network: Network, forms: dict[str, LayerForm]) -> Compressed:
    """Return a network with some layers' numbers rounded to the nearest of their forms.

    Args:
        network: of float32 numbers.
        forms: of the layers that are not plain floats.
    """
    layers = {}
    for name, form in forms.items():
        layer = network.by_name[name].layer
        assert isinstance(layer, Affine)
        weight = nearest(form.weight, layer.operator.weight)
        operator = with_weight(layer.operator, weight)
        layers[name] = Affine(operator, nearest(form.bias, layer.bias))
    rounded = network.with_layers(layers)
    return Compressed(rounded, {**plain(rounded).forms, **forms})
