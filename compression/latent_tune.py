"""AP3 along fine-tuning: the whole network compressed, then trained within its compression.

Of *approximately AP3* the paper says that a compressed network's distribution comes near the
original's while it is fine-tuned. Here that is a curve: after each epoch the divergence of the
original's weights from those of the network as it is then, layer by layer, and what the network
loses on data then. Weights that went stay 0, and a layer of low rank keeps its rank.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from .latent import Basis, Settings, Spread, compressed, divergences
from .latent_cut import Cut, Method, truncated
from .latent_samples import Layer, layers_of, parameter_of, put, weights_of
from .latent_train import Course, Lesson, Performance, performance, train


@dataclass(frozen=True, slots=True)
class Epoch:
    """A compressed network after some epochs of fine-tuning.

    Attributes:
        epoch: how many; 0 is as it was compressed.
        ap3: for each kind of covariance, of each layer by name: that of normal distributions of
            equal covariance, nats.
        performance: on test rows.
    """

    epoch: int
    ap3: Mapping[Spread, Mapping[str, float]]
    performance: Performance

    def total(self, spread: Spread) -> float:
        """Return the sum over the layers: AP3 of all weights, the layers taken as independent."""
        return sum(self.ap3[spread].values())


@dataclass(frozen=True, slots=True)
class Curve:
    """A fine-tuning.

    Attributes:
        method, share: what went of every layer.
        epochs: from 0 on.
    """

    method: Method
    share: float
    epochs: tuple[Epoch, ...]


def fine_tune(
    module: nn.Module,
    what: tuple[Method, float],
    settings: Settings,
    basis: Basis,
    lesson: Lesson,
    test: Lesson,
    course: Course,
) -> Curve:
    """Return what becomes of AP3 and of the performance while a compressed network is fine-tuned.

    Args:
        module: the original; stays as it is.
        what: method and share, of every layer.
        settings: its seed is that of the draws and of the training.
        basis: covariances of the original.
        lesson: rows to train on.
        test: rows to measure with.
        course: of the fine-tuning.
    """
    method, share = what
    layers = layers_of(module)
    tuned = copy.deepcopy(module)
    cuts: dict[Layer, Cut] = {}
    for layer in layers:
        cuts[layer] = compressed(module, layer, method, share, settings.seed)[1]
        put(tuned, layer, cuts[layer].weights)
    epochs = [_look(0, module, tuned, layers, settings, basis, test)]
    kept = _kept(tuned, cuts)

    def after(epoch: int) -> None:
        for layer, one in cuts.items():
            if one.rank is not None:
                put(tuned, layer, truncated(weights_of(tuned, layer), one.rank))
        epochs.append(_look(epoch, module, tuned, layers, settings, basis, test))

    train(tuned, lesson, course, settings.seed, kept=kept, after_epoch=after)
    return Curve(method, share, tuple(epochs))


def _kept(module: nn.Module, cuts: Mapping[Layer, Cut]) -> dict[str, torch.Tensor]:
    """Return masks of the parameters that have weights which went."""
    masks = {}
    for layer, one in cuts.items():
        if one.rank is None:
            parameter = parameter_of(module, layer)
            mask = torch.from_numpy(one.kept).reshape(layer.shape)
            masks[f"{layer.name}.weight" if layer.name else "weight"] = mask.to(parameter)
    return masks


def _look(
    epoch: int,
    module: nn.Module,
    tuned: nn.Module,
    layers: tuple[Layer, ...],
    settings: Settings,
    basis: Basis,
    test: Lesson,
) -> Epoch:
    ap3: dict[Spread, dict[str, float]] = {spread: {} for spread in basis.covariances}
    for layer in layers:
        found = divergences(
            weights_of(module, layer), weights_of(tuned, layer), layer, basis, settings
        )
        for spread, one in found.items():
            ap3[spread][layer.name] = one.gaussian
    return Epoch(epoch, ap3, performance(tuned, test))
