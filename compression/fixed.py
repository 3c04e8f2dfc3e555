"""Fixed point: int8 weights and activations, int32 biases, every scale a power of two.

All products and sums are then whole numbers of one step, and as long as they stay below 2**24
steps float32 holds each of them: the shipped model rounds nowhere but where its `Quantize` layers
say, so what is proved of it in real arithmetic is, bit for bit, what runs. Where a sum could be
larger the weights' step grows until it cannot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import UnsupportedError
from ..engine.network import (
    Affine,
    Concat,
    Input,
    Layer,
    Network,
    Node,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
)
from .calibrate import POWERS, activations
from .exactness import EXACT, Grained
from .form import Compressed, Grid, LayerForm, levels, numbers
from .method import Fit, Int8
from .plain import is_structural, narrow, plain_form, weighted, with_weight
from .quantize import MOST, largest

Array = NDArray[np.float64]

BIAS = 2**31 - 1
"""Largest magnitude of an int32 bias, as symmetric as the weights."""

NARROWER = 3
"""How often a channel's step is halved in search of the least error of its weights."""


def fixed_point(network: Network, method: Int8) -> Compressed:
    """Return the fixed-point network; its inputs are rounded to a grid, its outputs are not.

    Args:
        network: any network with weights.
        method: where activations are looked at, and how steps are chosen.

    Raises:
        InputError: ranges that do not fit the network, see `calibrate.activations`.
        UnsupportedError: a sum of values whose steps are too far apart for float32.
    """
    network = narrow(network)
    weighted(network)  # there are some
    wanted = dict.fromkeys(
        name
        for node in network.nodes
        for name in node.sources
        if not _passes(node.layer) or isinstance(network.by_name[name].layer, Input)
    )
    while True:
        build = _Build(network, method, wanted)
        for node in network.nodes:
            build.add(node)
        if not (large := build.large - wanted.keys()):
            break
        wanted |= dict.fromkeys(sorted(large))
    output = build.renamed.get(network.output, network.output)
    made = Network(tuple(build.nodes), output, network.origin, network.normalisation)
    return Compressed(made, build.forms)


def _passes(layer: Layer) -> bool:
    """Return whether a layer keeps to the step of what it reads, or to a power of two times it."""
    match layer:
        case Affine() if is_structural(layer):
            size = np.abs(layer.operator.weight).ravel()
            part, _ = np.frexp(size[size > 0])
            alike = not size.any() or size.max() == size[size > 0].min()
            return bool((part == 0.5).all() and alike and not layer.bias.any())
        case Piecewise(state=state):
            return not (state == State.LINEAR).any()
        case _:
            return not isinstance(layer, Affine)


class _Build:
    """The fixed-point network under way, node by node.

    `grids` has the nodes whose values are rounded; `large` those whose values would have to be for
    what reads them to stay exact.
    """

    def __init__(self, network: Network, method: Int8, wanted: Collection[str]) -> None:
        self.network, self.fit = network, method.fit
        self.grids = activations(network, method.ranges, method.fit, wanted)
        self.large: set[str] = set()
        self.nodes: list[Node] = []
        self.forms: dict[str, LayerForm] = {}
        self.grain: dict[str, Grained] = {}
        self.renamed: dict[str, str] = {}
        self.taken = set(network.by_name)

    def add(self, node: Node) -> None:
        """Add a node, and the grid of its values where weights read them."""
        sources = tuple(self.renamed.get(name, name) for name in node.sources)
        layer, grain = self._fixed(node, [self.grain[name] for name in sources])
        self.nodes.append(replace(node, layer=layer, sources=sources))
        if grain is not None:
            self._check(node, grain)
            self.grain[node.name] = grain
        if (grid := self.grids.get(node.name)) is None:
            return
        name = f"{node.name}/grid"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        rounding = Quantize.uniform(node.size, grid.scale, grid.low, grid.high)
        self.nodes.append(Node(name, rounding, (node.name,), node.shape))
        ones = np.ones(node.size)
        most = grid.scale * max(-grid.low, grid.high)
        self.grain[name] = Grained(grid.scale * ones, most * ones)
        if node.name != self.network.output:  # the output keeps its values as they are
            self.renamed[node.name] = name

    def _check(self, node: Node, grain: Grained) -> None:
        if grain.exact:
            return
        self.large.update(node.sources)
        if all(name in self.grids for name in node.sources):
            raise UnsupportedError(
                f"{self.network.origin.path}: layer {node.name} adds values whose steps are too "
                "far apart for exact float32 sums; take int8-weights"
            )

    def _fixed(self, node: Node, read: Sequence[Grained]) -> tuple[Layer, Grained | None]:
        match node.layer:
            case Input() as layer:
                return layer, None
            case Affine() as layer:
                return self._affine(node.name, layer, read[0])
            case Piecewise() as layer:
                return _piecewise(layer, read[0])
            case Sum() as layer:
                step = np.min([part.step for part in read], axis=0)
                return layer, Grained(step, np.sum([part.most for part in read], axis=0))
            case Concat() as layer:
                step, most = (
                    np.concatenate([getattr(part, what) for part in read])
                    for what in ("step", "most")
                )
                return layer, Grained(step, most)
            case Select(indices=indices) as layer:
                return layer, Grained(read[0].step[indices], read[0].most[indices])
            case Quantize():
                raise UnsupportedError(
                    f"{self.network.origin.path}: layer {node.name} rounds its values already; "
                    "compress the original network"
                )

    def _affine(self, name: str, layer: Affine, read: Grained) -> tuple[Layer, Grained]:
        """Return the layer on its grid. Where it does not pass, it reads values of one step."""
        weight = layer.operator.weight
        if _passes(layer):
            self.forms[name] = plain_form(layer, rounding=True)
            size = float(np.abs(weight).max())
            return layer, _summed(layer, read, size)
        step, reach = float(read.step[0]), float(read.most[0] / read.step[0])
        run = layer.bias.size // len(weight)
        grid = Grid(_scales(weight, self.fit), -MOST, MOST)
        while True:
            whole = levels(grid, weight)
            scale = np.repeat(grid.scale * step, run)
            added = Grid(scale, -BIAS, BIAS)
            sums = np.abs(whole).reshape(len(weight), -1).sum(axis=1) * reach
            bias = np.rint(layer.bias / scale) + 0.0  # no -0.0
            most = np.repeat(sums, run) + np.abs(bias)
            large = (most >= EXACT).reshape(-1, run).any(axis=1)
            if not large.any():
                break
            grid = replace(grid, scale=np.where(large, 2.0 * grid.scale, grid.scale))
        fixed = Affine(with_weight(layer.operator, numbers(grid, whole)), bias * scale)
        plainly = is_structural(layer)  # stored as the floats that they are
        form = plain_form(fixed, rounding=True) if plainly else LayerForm(grid, added)
        self.forms[name] = form
        return fixed, Grained(scale, most * scale)


def _scales(weight: Array, fit: Fit) -> Array:
    """Return the step ``(channels,)`` of each channel's weights, a power of two.

    Covering: the smallest at which 127 steps reach the largest weight.
    """
    most = largest(weight)
    part, power = np.frexp(most / MOST)
    power = np.where(part == 0.5, power - 1, power)
    power = np.clip(np.where(most > 0.0, power, -7), -POWERS, POWERS)
    if fit is Fit.COVER:
        return np.ldexp(1.0, power)
    flat = weight.reshape(len(weight), -1)
    tried = np.ldexp(1.0, power[:, None] - np.arange(NARROWER + 1))
    errors = [
        np.square(scale * np.clip(np.rint(flat / scale), -MOST, MOST) - flat).sum(axis=1)
        for scale in (tried[:, [index]] for index in range(NARROWER + 1))
    ]
    return np.asarray(tried[np.arange(len(flat)), np.argmin(errors, axis=0)])


def _summed(layer: Affine, read: Grained, size: float) -> Grained:
    """Return what a layer of weights that are 0 or of magnitude `size` gives."""
    operator = layer.operator.magnitude()
    steps = np.full(operator.size_out, read.step.min())
    for step in np.unique(read.step)[::-1]:
        steps[operator.push((read.step == step).astype(np.float64)) > 0.0] = step
    return Grained(steps * (size or 1.0), operator.push(read.most))


def _piecewise(layer: Piecewise, read: Grained) -> tuple[Layer, Grained]:
    """Return the activations; slopes become seven bits and a power of two."""
    linear = layer.state == State.LINEAR
    if not linear.any():
        return layer, read
    step = _scales(np.where(linear, layer.slope, 1.0)[:, None], Fit.COVER)
    slope = step * np.rint(layer.slope / step)
    step = np.where(linear, step * read.step, read.step)
    intercept = step * np.rint(layer.intercept / step)
    size = np.where(linear, np.abs(slope) * read.most + np.abs(intercept), read.most)
    return Piecewise(layer.state, slope, intercept), Grained(step, size)
