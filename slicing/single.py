"""Float32 evaluation whose every bit is defined: what C sources and compiled loops are held to.

Weights, biases, slopes and intercepts are rounded to the nearest float32, which changes nothing in
a network from a float32 file. A pre-activation begins with its bias, and the products of weights
and inputs are added to it one after the other in the order of the inputs; for a convolution, in the
order of the kernel: channel, row, column. Each product and each sum is rounded to nearest, and none
is fused. A ReLU gives z where z > 0 and 0 elsewhere; a line is ``slope z``, rounded, plus its
intercept. `Sum` adds in the order of its sources.

A product with an input of 0 may be left out without a trace: no sum is ever -0, as a bias of -0 is
taken for 0, so adding 0 of either sign changes nothing. That is what loops save time with.
"""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError, UnsupportedError
from ..engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
    rounding_refused,
)
from ..engine.operators import Convolution, Dense, Diagonal, Operator

Single = NDArray[np.float32]


def as_single(values: NDArray[Any], what: str) -> Single:
    """Return numbers rounded to float32, -0 as 0.

    Raises:
        UnsupportedError: one is beyond float32.
    """
    with np.errstate(over="ignore", under="ignore"):
        near = values.astype(np.float32) + np.float32(0.0)
    if not np.isfinite(near).all():
        raise UnsupportedError(
            f"{what} holds a number beyond 3.4e38, which float32 has none for: scale the network"
        )
    return np.asarray(near, dtype=np.float32)


def narrowed(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array of float64 as float32 where that holds every number, bit for bit."""
    if values.dtype != np.float64:
        return values
    with np.errstate(over="ignore", under="ignore"):
        near = values.astype(np.float32)
    same = np.array_equal(near.astype(np.float64).view(np.int64), values.view(np.int64))
    return near if same else values


def evaluate_single(network: Network, points: Any) -> Single:
    """Return the outputs ``(..., outputs)`` in float32, summed in the order that the module states.

    Args:
        network: any.
        points: ``(..., inputs)``; numbers of float32.

    Raises:
        InputError: another number of inputs, or a number that float32 does not hold.
        UnsupportedError: a weight beyond float32.
    """
    given = taken(points, network.size_in)
    values: dict[str, Single] = {}
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for node in network.nodes:
            read = [values[name] for name in node.sources]
            match node.layer:
                case Input():
                    values[node.name] = given.reshape(-1, node.size)
                case Affine(operator=operator, bias=bias):
                    values[node.name] = _affine(operator, as_single(bias, node.name), *read)
                case Piecewise() as layer:
                    values[node.name] = _activated(layer, *read)
                case Quantize():
                    raise rounding_refused("evaluation in float32", node.name, network.origin.path)
                case Sum():
                    total = read[0]
                    for part in read[1:]:
                        total = total + part
                    values[node.name] = total
                case Concat():
                    values[node.name] = np.concatenate(read, axis=1)
                case Select(indices=indices):
                    values[node.name] = read[0][:, indices]
                case _ as never:
                    assert_never(never)
    return values[network.output].reshape(*given.shape[:-1], network.size_out)


def taken(points: Any, size: int) -> Single:
    """Return points ``(..., size)`` as float32 that holds them exactly.

    Raises:
        InputError: another number of inputs, or a number that float32 does not hold.
    """
    given = np.asarray(points)
    if given.ndim == 0 or given.shape[-1] != size:
        raise InputError(f"points of shape {given.shape}: the last axis must be the {size} inputs")
    if given.dtype == np.float32:
        return given
    with np.errstate(over="ignore", under="ignore"):
        near = given.astype(np.float32)
    if not np.array_equal(near.astype(np.float64), given.astype(np.float64), equal_nan=True):
        raise InputError("points that float32 does not hold: round them to float32 first")
    return near


def _affine(operator: Operator, bias: Single, x: Single) -> Single:
    weight = as_single(operator.weight, "a weight")
    out = np.repeat(bias[None], len(x), axis=0)
    match operator:
        case Dense():
            for index in range(operator.size_in):
                out += x[:, [index]] * weight[:, index]
        case Diagonal():
            out += x * weight
        case Convolution():
            _convolve(operator, weight, x, out)
        case _ as never:
            assert_never(never)
    return out


def _convolve(operator: Convolution, weight: Single, x: Single, out: Single) -> None:
    """Add the products of a kernel to ``out``, in the kernel's order."""
    (channels, tall, wide), (top, left, bottom, right) = operator.shape_in, operator.padding
    images = np.zeros((len(x), channels, tall + top + bottom, wide + left + right), np.float32)
    images[:, :, top : top + tall, left : left + wide] = x.reshape(-1, *operator.shape_in)
    made, (_, rows, columns) = out.reshape(-1, *operator.shape_out), operator.shape_out
    (down, across), (step_down, step_across) = operator.dilations, operator.strides
    outputs, inputs = weight.shape[0] // operator.groups, weight.shape[1]
    for kernel in np.ndindex(weight.shape):
        output, channel, row, column = kernel
        seen = images[
            :,
            output // outputs * inputs + channel,
            row * down : row * down + (rows - 1) * step_down + 1 : step_down,
            column * across : column * across + (columns - 1) * step_across + 1 : step_across,
        ]
        made[:, output] += seen * weight[kernel]


def _activated(layer: Piecewise, z: Single) -> Single:
    slope = as_single(layer.slope, "a slope")
    intercept = as_single(layer.intercept, "an intercept")
    line = slope * z + intercept
    out = np.where(layer.state == State.LINEAR, line, z)
    relu = (layer.state == State.RELU) & ~(z > 0)
    return np.where(relu | (layer.state == State.ZERO), np.float32(0.0), out)
