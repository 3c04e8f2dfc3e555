"""A self-compressed network as it ships: whole numbers of few bits, and a scale a channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Network, Normalisation
from ..engine.operators import Dense, Shape
from .form import Compressed, Free, Grid, LayerForm, affine_layers, numbers
from .selfcompress_chain import Link, network_of

Whole = NDArray[np.int64]

MOST_BITS = 24
"""Bits of a weight at most: float32 holds all whole numbers of that many."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A layer whose weights are ``scale k``, with a whole number k of as many bits as its channel.

    Attributes:
        link: the layer with the weights that they make; float32 biases.
        levels: int64 in the shape of the weights, from ``-2^(bits-1)`` to ``2^(bits-1) - 1``; 0 in
            a channel of 0 bits.
        scale: ``(channels,)`` float32 above 0; 1 in a channel of 0 bits.
        bits: ``(channels,)`` int64 from 0 to 24.

    Raises:
        InputError: arrays that do not fit each other, or a level that needs more bits.
    """

    link: Link
    levels: Whole
    scale: NDArray[np.float32]
    bits: Whole

    def __post_init__(self) -> None:
        count = self.link.channels
        for name, dtype in (("levels", np.int64), ("scale", np.float32), ("bits", np.int64)):
            array = np.array(getattr(self, name), dtype=dtype, order="C")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.scale.shape != (count,) or self.bits.shape != (count,):
            raise InputError(f"a layer of {count} channels needs as many scales and bit depths")
        if ((self.bits < 0) | (self.bits > MOST_BITS)).any():
            raise InputError(f"bits from 0 to {MOST_BITS}: a channel has {int(self.bits.max())}")
        rows = self.levels.reshape(count, -1)
        high = np.where(self.bits > 0, 2.0 ** (self.bits - 1) - 1, 0)[:, None]
        low = np.where(self.bits > 0, -(2.0 ** (self.bits - 1)), 0)[:, None]
        if ((rows < low) | (rows > high)).any():
            raise InputError("a weight needs more bits than its channel has")
        made = numbers(Grid(self.scale.astype(np.float64), *self._ends()), self.levels)
        object.__setattr__(self, "link", replace_weight(self.link, made))

    def _ends(self) -> tuple[int, int]:
        most = int(self.bits.max(initial=0))
        return (0, 0) if most == 0 else (-(2 ** (most - 1)), 2 ** (most - 1) - 1)

    @property
    def form(self) -> LayerForm:
        """What numbers the layer may hold; a grid is as wide as its widest channel."""
        low, high = self._ends()
        return LayerForm(Grid(self.scale.astype(np.float64), low, high), Free())

    @property
    def weight_bits(self) -> int:
        """Bits of all weights."""
        return int(self.bits.sum()) * self.link.channels_in * self.link.taps


def replace_weight(link: Link, weight: NDArray[np.float64]) -> Link:
    """Return a link with other weights of the same shape."""
    return replace(link, operator=replace(link.operator, weight=weight))


@dataclass(frozen=True, slots=True, eq=False)
class CodedNetwork:
    """A self-compressed network.

    Attributes:
        layers: in order.
        shape: of the input tensor.
        normalisation: relation to raw units, if it has one.
    """

    layers: tuple[Coded, ...]
    shape: Shape
    normalisation: Normalisation | None = None

    def network(self, name: str = "self-compressed") -> Network:
        """Return what the shipped model computes, as a network."""
        links = [layer.link for layer in self.layers]
        return network_of(links, self.shape, name, self.normalisation)

    def compressed(self, name: str = "self-compressed") -> Compressed:
        """Return the network with the forms of its numbers."""
        network = self.network(name)
        nodes = [node.name for node, _ in affine_layers(network)]
        forms = {at: layer.form for at, layer in zip(nodes, self.layers, strict=True)}
        return Compressed(network, forms)

    @property
    def weight_bits(self) -> int:
        """Bits of all weights, biases and scales apart."""
        return sum(layer.weight_bits for layer in self.layers)

    @property
    def channels(self) -> tuple[int, ...]:
        """Output channels of each layer."""
        return tuple(layer.link.channels for layer in self.layers)

    def without_dead(self) -> CodedNetwork:
        """Return the network without the hidden channels that are 0 everywhere."""
        layers = list(self.layers)
        for at in range(len(layers) - 1):
            one = layers[at]
            keep = alive(one.bits, one.link.bias, one.link.relu)
            layers[at] = cut_coded(one, keep, np.arange(one.link.channels_in))
            after = layers[at + 1]
            layers[at + 1] = cut_coded(after, np.arange(after.link.channels), keep)
        return CodedNetwork(tuple(layers), self.shape, self.normalisation)

    def same(self, other: CodedNetwork) -> bool:
        """Return whether another one has the same numbers, bit for bit."""
        return (
            len(self.layers) == len(other.layers)
            and self.shape == other.shape
            and all(_same(a, b) for a, b in zip(self.layers, other.layers, strict=True))
        )


def alive(
    bits: NDArray[np.number[Any]], bias: NDArray[np.floating[Any]], relu: bool
) -> NDArray[np.int64]:
    """Return the channels that are not 0 everywhere; the first where all are.

    A channel of 0 bits gives its bias; behind a ReLU a negative bias gives 0 as well.

    Args:
        bits: ``(channels,)``.
        bias: ``(channels,)``.
        relu: whether a ReLU follows.
    """
    silent = bias <= 0 if relu else bias == 0
    kept = np.flatnonzero((bits > 0) | ~silent)
    return kept if kept.size else np.zeros(1, np.int64)


def cut_coded(coded: Coded, rows: Whole, columns: Whole) -> Coded:
    """Return a layer with some of its output and input channels alone."""
    link = coded.link.cut(rows, columns)
    at = (columns[:, None] * coded.link.run + np.arange(coded.link.run)).ravel()
    return Coded(link, coded.levels[rows][:, at], coded.scale[rows], coded.bits[rows])


def _same(one: Coded, other: Coded) -> bool:
    pairs: Iterator[tuple[NDArray[np.generic], NDArray[np.generic]]] = iter(
        (
            (one.levels, other.levels),
            (one.scale, other.scale),
            (one.bits, other.bits),
            (one.link.bias, other.link.bias),
        )
    )
    alike = all(np.array_equal(a, b) for a, b in pairs)
    return alike and frame_of(one.link) == frame_of(other.link)


def frame_of(link: Link) -> tuple[object, ...]:
    """Return what a link is, its numbers apart; two may be compared."""
    operator = link.operator
    if isinstance(operator, Dense):
        return ("dense", link.relu, link.run)
    geometry = (operator.shape_in, operator.strides, operator.padding, operator.dilations)
    return ("convolution", link.relu, *geometry)
