"""Which layers of a network float32 may round, told from its numbers alone.

A sum of whole multiples of one step is exact in float32, in any order, as long as all magnitudes
together stay below 2**24 steps. A fixed-point network is meant to keep to that in every layer;
whoever moves its weights on their grids can ask here whether it still does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.network import (
    Affine,
    Concat,
    Input,
    Layer,
    Network,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
)

Array = NDArray[np.float64]

EXACT = 2.0**24
"""Whole numbers below this, and all partial sums of them, are float32 numbers."""

COARSE = 2.0**100
"""The step of a zero: it is a multiple of any."""


@dataclass(frozen=True, slots=True, eq=False)
class Grained:
    """What values are whole multiples of, and how large they can be.

    Attributes:
        step: ``(size,)`` powers of two.
        most: ``(size,)`` largest magnitudes.
    """

    step: Array
    most: Array

    @property
    def exact(self) -> bool:
        """Whether all values are float32 numbers."""
        return bool((self.most < EXACT * self.step).all())


def rounding_layers(network: Network) -> list[str]:
    """Return the names of the layers whose values float32 may round, in order.

    Grids round because they are asked to and are not among them, unless their own numbers are no
    float32. In a network without a grid behind its input all layers are.
    """
    grains: dict[str, Grained | None] = {}
    out = []
    for node in network.nodes:
        read = [grains[name] for name in node.sources]
        known = [grain for grain in read if grain is not None]
        found = None
        if isinstance(node.layer, Quantize) or (known and len(known) == len(read)):
            found = _grained(node.layer, known)
        grains[node.name] = found if found is not None and found.exact else None
        if grains[node.name] is None and not isinstance(node.layer, Input):
            out.append(node.name)
    return out


def lowest(values: Array) -> Array:
    """Return the largest power of two that each finite number is a multiple of; see `COARSE`."""
    part, power = np.frexp(values)
    whole = np.abs(part * 2.0**53).astype(np.int64)
    step = np.ldexp((whole & -whole).astype(np.float64), power - 53)
    return np.asarray(np.where(values == 0.0, COARSE, step))


def _grained(layer: Layer, read: Sequence[Grained]) -> Grained:
    match layer:
        case Affine():
            return _affine(layer, read[0])
        case Quantize(scale=scale, low=low, high=high):
            return Grained(lowest(scale), scale * np.maximum(-low, high))
        case Piecewise(state=state, slope=slope, intercept=intercept):
            linear = state == State.LINEAR
            step = np.minimum(read[0].step * lowest(slope), lowest(intercept))
            most = np.abs(slope) * read[0].most + np.abs(intercept)
            return Grained(
                np.where(linear, step, read[0].step), np.where(linear, most, read[0].most)
            )
        case Sum():
            step = np.min([part.step for part in read], axis=0)
            return Grained(step, np.sum([part.most for part in read], axis=0))
        case Concat():
            step, most = (
                np.concatenate([getattr(part, what) for part in read]) for what in ("step", "most")
            )
            return Grained(step, most)
        case Select(indices=indices):
            return Grained(read[0].step[indices], read[0].most[indices])
        case Input():
            raise AssertionError("an input reads nothing")
        case _ as never:
            assert_never(never)


def _affine(layer: Affine, read: Grained) -> Grained:
    """Return the grain of an affine layer: the finest product and the bias give the step."""
    operator, weight = layer.operator, layer.operator.weight
    steps = lowest(weight).reshape(len(weight), -1).min(axis=1)
    step = np.repeat(steps, layer.bias.size // len(weight))
    if operator.size_in == operator.size_out == weight.size and weight.ndim == 1:
        step = step * read.step
    else:
        reached = np.full(operator.size_out, COARSE)
        for one in np.unique(read.step)[::-1]:
            touched = operator.magnitude().push((read.step == one).astype(np.float64)) > 0.0
            reached[touched] = one
        step = step * reached
    most = operator.magnitude().push(read.most) + np.abs(layer.bias)
    return Grained(np.minimum(step, lowest(layer.bias)), most)
