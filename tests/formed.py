"""Small compressed networks of every form, and cases whose least discrepancy is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from secateur.compression.form import (
    Compressed,
    Fixed,
    Free,
    Grid,
    Half,
    LayerForm,
    Masked,
    affine_layers,
    nearest,
)
from secateur.engine.network import Affine, Network
from secateur.engine.operators import Dense
from secateur.engine.region import Region

Array = NDArray[np.float64]
Case = tuple[Network, Compressed, Region, float]
"""A network, a compressed one, a region, and the least distance that its forms allow there."""


def dense(seed: int, sizes: tuple[int, ...] = (3, 6, 5, 2)) -> Network:
    """Return a chain of float32 numbers."""
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.normal(size=s) / np.sqrt(s[1]) for s in shapes]
    biases = [0.3 * rng.normal(size=s[0]) for s in shapes]
    return Network.dense(
        [w.astype(np.float32).astype(float) for w in weights],
        [b.astype(np.float32).astype(float) for b in biases],
    )


def layer_form(kind: str, layer: Affine, seed: int = 0) -> LayerForm:
    """Return the forms of a layer by a word."""
    weight = layer.operator.weight
    match kind:
        case "free":
            return LayerForm(Free(), Free())
        case "half":
            return LayerForm(Half(), Half())
        case "fixed":
            return LayerForm(Fixed(), Fixed())
        case "masked":
            rng = np.random.default_rng(seed)
            return LayerForm(Masked(rng.random(weight.shape) < 0.7), Free())
        case "grid":
            most = np.abs(weight).reshape(len(weight), -1).max(axis=1) + 1e-3
            scale = (most / 7).astype(np.float32).astype(float)
            return LayerForm(Grid(scale, -7, 7), Free())
    raise AssertionError(kind)


def compressed(network: Network, kind: str) -> Compressed:
    """Return a network with all its numbers in a form."""
    forms = {
        node.name: layer_form(kind, layer, at)
        for at, (node, layer) in enumerate(affine_layers(network))
    }
    return rounded(network, forms)


def rounded(network: Network, forms: Mapping[str, LayerForm]) -> Compressed:
    """Return a network with its numbers rounded to their forms."""
    layers = {}
    for node, layer in affine_layers(network):
        form, operator = forms[node.name], layer.operator
        weight = nearest(form.weight, operator.weight)
        assert isinstance(operator, Dense)
        layers[node.name] = Affine(Dense(weight), nearest(form.bias, layer.bias))
    return Compressed(network.with_layers(layers), forms)


# --- cases whose least discrepancy is known -------------------------------------------------------


def between_grid_numbers(count: int = 4, step: float = 0.125) -> Case:
    """Weights that lie half a step from two numbers of the grid, and are all rounded down.

    The output is off by the sum of ``e_j relu(x_j)``, each e_j half a step or more. With as many up
    as down its largest magnitude is a quarter of the count in steps, and never less: were fewer
    than half up or down, the others would add up to more.
    """
    weight: Array = np.asarray((np.arange(count) - 0.5)[None] * step, np.float64)
    network = Network.dense([np.eye(count), weight], [np.zeros(count), np.zeros(1)])
    forms = {
        "affine1": LayerForm(Fixed(), Fixed()),
        "affine2": LayerForm(Grid(np.array([step])), Fixed()),
    }
    down = Affine(Dense(np.asarray(np.floor(weight / step) * step)), np.zeros(1))
    start = Compressed(network.with_layers({"affine2": down}), forms)
    return network, start, Region.box([-1] * count, [1] * count), count * step / 4


def between_halves(count: int = 4) -> Case:
    """The same with float16 numbers, which are ``2^-10`` apart between 1 and 2."""
    step = 2.0**-10
    weight: Array = np.asarray(1.0 + (np.arange(count)[None] + 0.5) * step, np.float64)
    network = Network.dense([np.eye(count), weight], [np.zeros(count), np.zeros(1)])
    forms = {
        "affine1": LayerForm(Fixed(), Fixed()),
        "affine2": LayerForm(Half(), Fixed()),
    }
    down = Affine(Dense(np.asarray(weight - step / 2)), np.zeros(1))
    start = Compressed(network.with_layers({"affine2": down}), forms)
    return network, start, Region.box([-1] * count, [1] * count), count * step / 4


def grid_with_bias(step: float = 0.25) -> Case:
    """One weight half a step off, and a free bias, which takes half of what is left."""
    network = Network.dense([np.eye(1), np.full((1, 1), 2.5 * step)], [np.zeros(1), np.zeros(1)])
    forms = {
        "affine1": LayerForm(Fixed(), Fixed()),
        "affine2": LayerForm(Grid(np.array([step])), Free()),
    }
    start = rounded(network, forms)
    return network, start, Region.box([-1], [1]), step / 4


def cut_feature() -> Case:
    """A mask that cuts one feature out: a free bias stands for half of what it was.

    Where the other features are 0 the output spans 3/4 over the cut one, and the compressed network
    is constant there; so no network of the form is nearer than 3/8.
    """
    weight = np.array([[0.75, -0.5, 0.25]])
    network = Network.dense([np.eye(3), weight], [np.zeros(3), np.zeros(1)])
    forms = {
        "affine1": LayerForm(Fixed(), Fixed()),
        "affine2": LayerForm(Masked(np.array([[False, True, True]])), Free()),
    }
    return network, rounded(network, forms), Region.box([-1] * 3, [1] * 3), 0.375


def cut_input() -> Case:
    """A mask that cuts an input out of the first layer, all else free.

    The output spans 1 over that input wherever the others are, so nothing that does not read it is
    nearer than 1/2; the rest of the network can be kept as it is.
    """
    first = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 1.0]])
    second = np.array([[1.0, 0.5, -0.25, 0.75]])
    network = Network.dense([first, second], [np.array([0.0, 0.0, 0.0, -0.5]), np.full(1, 0.25)])
    forms = {
        "affine1": LayerForm(Masked(np.array([[False, True]] * 4)), Free()),
        "affine2": LayerForm(Free(), Free()),
    }
    return network, rounded(network, forms), Region.box([-1] * 2, [1] * 2), 0.5


PLANTED: dict[str, Callable[[], Case]] = {
    "between grid numbers": between_grid_numbers,
    "six between grid numbers": lambda: between_grid_numbers(6, 2.0**-6),
    "between halves": between_halves,
    "grid with bias": grid_with_bias,
    "cut feature": cut_feature,
    "cut input": cut_input,
}
