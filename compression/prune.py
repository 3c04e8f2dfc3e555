"""Pruning of single weights: those of smallest magnitude, or drawn at random, become zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Affine, Network
from .form import Compressed
from .method import Magnitude, Random, Scope
from .plain import narrow, plain, weighted, with_weight

Array = NDArray[np.float64]
Masks = dict[str, NDArray[np.bool_]]


def prune(network: Network, method: Magnitude | Random, seed: int = 0) -> Compressed:
    """Return the network without some of its weights, the others rounded to float32.

    Biases stay. Where weights are alike the first ones go, so the same network always loses the
    same ones.

    Args:
        network: any network with weights.
        method: which weights go, and how many.
        seed: of those drawn at random.

    Raises:
        InputError: a network without weights, or with numbers beyond float32.
    """
    network = narrow(network)
    rng = np.random.default_rng(seed)
    scores: dict[str, Array] = {}
    for node, layer in weighted(network):
        weight = layer.operator.weight
        drawn = isinstance(method, Random)
        scores[node.name] = rng.random(weight.shape) if drawn else np.abs(weight)
    return plain(masked(network, masks(scores, method.share, method.scope)))


def masks(scores: Mapping[str, NDArray[Any]], share: float, scope: Scope) -> Masks:
    """Return for each layer which weights stay: those of the larger scores.

    Args:
        scores: an array of each layer, in the shape of its weights.
        share: of the weights that go, rounded down to a whole number of them.
        scope: whether that is so of all layers together, or of each.
    """
    if scope is Scope.TENSOR:
        return {name: _largest(score, share) for name, score in scores.items()}
    kept = _largest(np.concatenate([score.ravel() for score in scores.values()]), share)
    out, start = {}, 0
    for name, score in scores.items():
        out[name] = kept[start : start + score.size].reshape(score.shape)
        start += score.size
    return out


def masked(network: Network, kept: Mapping[str, NDArray[np.bool_]]) -> Network:
    """Return the network with zeros where a layer's mask is False.

    Args:
        network: any network.
        kept: for some of its affine layers, bool in the shape of the weights.
    """
    layers = {}
    for name, mask in kept.items():
        layer = network.by_name[name].layer
        assert isinstance(layer, Affine)
        weight = np.where(mask, layer.operator.weight, 0.0)
        layers[name] = Affine(with_weight(layer.operator, weight), layer.bias)
    return network.with_layers(layers)


def _largest(scores: NDArray[Any], share: float) -> NDArray[np.bool_]:
    kept = np.ones(scores.size, np.bool_)
    kept[np.argsort(scores, axis=None, kind="stable")[: int(share * scores.size)]] = False
    return kept.reshape(scores.shape)
