"""How far float evaluation of a network drifts from real arithmetic over a box: proved bounds.

It speaks of the layered graph as it is, in float32 or float64, and needs no file; for what a
model file's runtime computes see `engine.general.float_error`.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, chapter 3; what
it gives for one layer is carried on through the magnitudes of the next layer's weights.
"""

from __future__ import annotations

from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.interval import Bounds, magnitude
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
from ..engine.rounding import FORMATS, FUSED, SLACK, UNDERFLOW, FloatFormat, up

Array = NDArray[np.float64]
Kind = Literal["float32", "float64"]


def drift(network: Network, bounds: Bounds, kind: Kind) -> Array:
    """Return bounds ``(boxes, outputs)`` on ``|computed - real|`` of the outputs over boxes.

    The computed value is that of any evaluation which holds weights and results in the element type
    and rounds each operation to nearest, sums in any order, with or without fused multiply-add,
    subnormal results flushed to zero or not. Both values are those at the same input, a number of
    the type.

    Args:
        network: the network.
        bounds: of every node's real value, ``(boxes, size)`` each, as `interval` and `linear` give
            them.
        kind: element type that is computed in.

    Returns:
        infinity where the computed value may overflow, or nothing can be said.
    """
    form, far = FORMATS[kind], dict[str, Array]()
    for node in network.nodes:
        reads = [far[name] for name in node.sources]
        with np.errstate(invalid="ignore", over="ignore"):
            sizes = [magnitude(bounds[name]) + far[name] for name in node.sources]
            match node.layer:
                case Input():
                    out = np.zeros_like(bounds[node.name][0])
                case Affine() as layer:
                    out = _affine(layer, reads[0], sizes[0], form)
                case Piecewise() as layer:
                    out = _piecewise(layer, reads[0], sizes[0], form)
                case Quantize():
                    raise rounding_refused("a bound of drift", node.name, network.origin.path)
                case Sum():
                    total = sum(sizes[1:], start=sizes[0])
                    out = sum(reads[1:], start=reads[0]) + _rounded(len(sizes), total, form)
                case Concat():
                    out = np.concatenate(reads, axis=-1)
                case Select(indices=indices):
                    out = reads[0][..., indices]
                case _ as never:
                    assert_never(never)
            out = np.where(out > 0.0, up(out * SLACK), out)
            far[node.name] = np.where(np.isnan(out), np.inf, out)
    return far[network.output]


def _rounded(roundings: int, total: Array, form: FloatFormat) -> Array:
    """Return what roundings cost at most that are made on the way of a sum of magnitudes."""
    charge = form.gamma(roundings + FUSED) * total * SLACK + UNDERFLOW
    charge = charge + 4.0 * (roundings + 1) * form.underflow
    return np.where(total < form.largest / 4.0, charge, np.inf)


def _affine(layer: Affine, far: Array, size: Array, form: FloatFormat) -> Array:
    """Return the drift of ``W x + b``; a weight may be flushed to zero, so x's own size counts."""
    weight = np.abs(layer.operator.weight)
    if weight.max(initial=0.0) >= form.largest / 4.0:
        return np.full((len(size), layer.size), np.inf)
    total = (layer.operator.push(size, weight) + np.abs(layer.bias)) * SLACK + UNDERFLOW
    lost = layer.operator.push(size + 1.0, np.ones_like(weight)) * form.underflow
    lost = lost + (total + 1.0) * form.underflow
    return layer.operator.push(far, weight) + lost + _rounded(layer.operator.terms + 3, total, form)


def _piecewise(layer: Piecewise, far: Array, size: Array, form: FloatFormat) -> Array:
    """Return the drift of activations; all but lines keep or cut off what they are given."""
    steep = np.abs(layer.slope)
    total = (steep * size + np.abs(layer.intercept)) * SLACK + UNDERFLOW
    line = steep * far + _rounded(3, total, form) + (size + steep + 1.0) * form.underflow
    line = np.where(steep < form.largest / 4.0, line, np.inf)
    kept = far + np.where(size < form.largest / 4.0, form.underflow, np.inf)
    found = np.where(layer.state == State.LINEAR, line, kept)
    return np.where(layer.state == State.ZERO, 0.0, found)
