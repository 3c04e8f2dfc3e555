"""Layers stored as plain float32: which of them methods work on, and what their form is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Affine, Layer, Network, Node, Origin, Piecewise, Quantize
from ..engine.operators import Convolution, Dense, Diagonal, Operator
from .form import Compressed, Fixed, Free, LayerForm, Masked, Values, affine_layers

Array = NDArray[np.float64]

WORTH = 1 / 32
"""Share of exact zeros from which on a layer's zeros are a mask. A mask costs a bit a weight, the
32nd part of a float32: with fewer zeros it does not pay, and they may be there by chance."""


def is_structural(layer: Affine) -> bool:
    """Return whether a layer is there for its form: a scale, a pool, a sum or a difference.

    That is every `Diagonal`, and a layer without bias whose weights, more than one of them, are
    zero or of one magnitude. Methods leave it as it is.
    """
    if isinstance(layer.operator, Diagonal):
        return True
    sizes = np.abs(layer.operator.weight)
    most = sizes.max()
    return bool(sizes.size > 1 and not layer.bias.any() and ((sizes == most) | (sizes == 0)).all())


def weighted(network: Network) -> list[tuple[Node, Affine]]:
    """Return the layers that methods work on, with their nodes, in order.

    Raises:
        InputError: there is none.
    """
    found = [(node, layer) for node, layer in affine_layers(network) if not is_structural(layer)]
    if not found:
        raise InputError(f"{network.origin.path} has no layer with weights: nothing to compress")
    return found


def plain_form(layer: Affine, *, rounding: bool = False) -> LayerForm:
    """Return the form of a layer whose numbers are stored as floats, from the numbers alone.

    Structural layers and biases that are zero everywhere are fixed; zeros are a mask where they
    are a share of `WORTH` or more; what is no float32 is fixed.

    Args:
        layer: the layer.
        rounding: whether its network rounds activations: the biases of structural layers are then
            on the grid of what they are added to, and fixed too.
    """
    free = layer.bias.any() and is_single(layer.bias)
    if rounding and is_structural(layer):
        free = False
    bias: Values = Free() if free else Fixed()
    weight = layer.operator.weight
    if is_structural(layer) or not is_single(weight):
        return LayerForm(Fixed(), bias)
    kept = weight != 0.0
    if np.count_nonzero(kept) > (1.0 - WORTH) * weight.size:
        return LayerForm(Free(), bias)
    return LayerForm(Masked(kept), bias)


def plain(network: Network) -> Compressed:
    """Return a network as it is, with the forms of plain floats."""
    rounding = any(isinstance(node.layer, Quantize) for node in network.nodes)
    layers = affine_layers(network)
    return Compressed(network, {n.name: plain_form(one, rounding=rounding) for n, one in layers})


def narrow(network: Network) -> Network:
    """Return the network with every number rounded to float32, as a float32 file computes it.

    A scale that is a sum of two float32 stays: a file holds it as two.

    Raises:
        InputError: a number beyond float32.
    """
    layers: dict[str, Layer] = {}
    for node in network.nodes:
        match node.layer:
            case Affine(operator=operator, bias=bias):
                weight = _single(operator.weight, node.name)
                if isinstance(operator, Diagonal):
                    rest = operator.weight - weight
                    weight = np.where(_singles(rest) == rest, operator.weight, weight)
                layers[node.name] = Affine(with_weight(operator, weight), _single(bias, node.name))
            case Piecewise(state=state, slope=slope, intercept=intercept):
                layers[node.name] = Piecewise(
                    state, _single(slope, node.name), _single(intercept, node.name)
                )
            case _:
                pass
    return replace(network.with_layers(layers), origin=Origin(network.origin.path, dtype="float32"))


def with_weight(operator: Operator, weight: Array) -> Operator:
    """Return an operator of the same kind with another weight.

    Args:
        operator: gives the kind and, for a convolution, its window.
        weight: for a convolution a kernel of the same height and width.
    """
    match operator:
        case Dense():
            return Dense(weight)
        case Diagonal():
            return Diagonal(weight)
        case Convolution():
            return replace(operator, weight=weight)


def is_single(values: Array) -> bool:
    """Return whether all numbers are float32 numbers."""
    return bool((_singles(values) == values).all())


def _singles(values: Array) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float32).astype(np.float64)


def _single(values: Array, name: str) -> Array:
    out = _singles(values)
    if not np.isfinite(out).all():
        worst = float(np.abs(values).max())
        raise InputError(f"layer {name} holds {worst:g}, which float32 does not reach")
    return out
