"""The layers of a packed file, all but the weights and biases of affine ones."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError
from ..engine.network import Affine, Concat, Input, Layer, Node, Piecewise, Quantize, Select, Sum
from ..engine.operators import Convolution, Dense, Diagonal, Operator
from .packing import LARGEST, Packer, Unpacker

Shape = tuple[int, ...]


class Tag(IntEnum):
    """Which layer follows."""

    INPUT = 0
    DENSE = 1
    DIAGONAL = 2
    CONVOLUTION = 3
    PIECEWISE = 4
    SUM = 5
    CONCAT = 6
    SELECT = 7
    QUANTIZE = 8


def pack_layer(out: Packer, layer: Layer) -> None:
    """Add a layer; of an affine one the shape of its weight and how it is applied."""
    match layer:
        case Input():
            out.whole(Tag.INPUT)
        case Affine(operator=operator):
            _pack_operator(out, operator)
        case Piecewise():
            out.whole(Tag.PIECEWISE)
            out.numbers(layer.state, "<i1")
            out.numbers(layer.slope, "<f8")
            out.numbers(layer.intercept, "<f8")
        case Sum():
            out.whole(Tag.SUM)
        case Concat():
            out.whole(Tag.CONCAT)
        case Select(indices=indices):
            out.whole(Tag.SELECT, indices.size)
            out.numbers(np.diff(indices, prepend=0), "<i4")
        case Quantize():
            out.whole(Tag.QUANTIZE)
            for part in (layer.scale, layer.low, layer.high):
                out.numbers(part, "<f8")
        case _ as never:
            assert_never(never)


def _pack_operator(out: Packer, operator: Operator) -> None:
    match operator:
        case Dense(weight=weight):
            out.whole(Tag.DENSE, *weight.shape)
        case Diagonal():
            out.whole(Tag.DIAGONAL)
        case Convolution() as window:
            out.whole(Tag.CONVOLUTION, *window.weight.shape, *window.shape_in)
            out.whole(*window.strides, *window.padding, *window.dilations, window.groups)
        case _ as never:
            assert_never(never)


def unpack_layer(source: Unpacker, shape: Shape, read: Sequence[Node]) -> Layer:
    """Return a layer; of an affine one all numbers are zero.

    Args:
        source: what `pack_layer` wrote is next.
        shape: of the node.
        read: the nodes it reads.

    Raises:
        FormatError: it makes no sense.
    """
    size = int(np.prod(shape))
    if size > LARGEST:
        raise FormatError(f"a layer of {size} values is too large")
    tag = source.whole()
    if tag != Tag.INPUT and not read:
        raise FormatError("a layer reads nothing")
    match tag:
        case Tag.INPUT:
            return Input(shape)
        case Tag.DENSE:
            weight = _zeros(source.size(), source.size())
            return Affine(Dense(weight), np.zeros(len(weight)))
        case Tag.DIAGONAL:
            return Affine(Diagonal(np.zeros(size)), np.zeros(size))
        case Tag.CONVOLUTION:
            return _convolution(source)
        case Tag.PIECEWISE:
            state = source.numbers(size, "<i1")
            return Piecewise(state, source.numbers(size, "<f8"), source.numbers(size, "<f8"))
        case Tag.SUM:
            return Sum(size)
        case Tag.CONCAT:
            return Concat(tuple(node.size for node in read))
        case Tag.SELECT:
            steps = source.numbers(source.size(), "<i4").astype(np.int64)
            return Select(np.cumsum(steps), read[0].size)
        case Tag.QUANTIZE:
            return Quantize(*(source.numbers(size, "<f8") for _ in range(3)))
        case _:
            raise FormatError(f"there is no layer {tag}")


def _convolution(source: Unpacker) -> Affine:
    weight = _zeros(*(source.size() for _ in range(4)))
    channels, height, width = (source.size() for _ in range(3))
    numbers = [source.size() for _ in range(9)]
    window = Convolution(
        weight,
        (channels, height, width),
        (numbers[0], numbers[1]),
        (numbers[2], numbers[3], numbers[4], numbers[5]),
        (numbers[6], numbers[7]),
        numbers[8],
    )
    if max(window.size_in, window.size_out) > LARGEST:
        raise FormatError(f"a convolution of {window.size_out} values is too large")
    return Affine(window, np.zeros(window.size_out))


def _zeros(*shape: int) -> NDArray[np.float64]:
    size = 1
    for count in shape:
        size *= count
    if size > LARGEST:
        raise FormatError(f"a layer of {size} weights is too large")
    return np.zeros(shape)
