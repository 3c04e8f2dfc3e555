"""How a compressed network's numbers are stored: which of them may change, and to what.

Retraining and repair move weights only to numbers that their form holds, so a repaired network
ships in the file format, and at the size, of the one that was compressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Affine, Network, Node

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Free:
    """Any float32."""


@dataclass(frozen=True, slots=True)
class Half:
    """Any float16."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The numbers that are there, and no others."""


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """Any float32 where `kept`, zero elsewhere.

    Attributes:
        kept: bool, of the shape of the weights; read-only.
    """

    kept: NDArray[np.bool_]

    def __post_init__(self) -> None:
        kept = np.array(self.kept, dtype=np.bool_)
        kept.setflags(write=False)
        object.__setattr__(self, "kept", kept)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """``scale k`` with a whole number k from `low` to `high`, multiplied in float32.

    Attributes:
        scale: ``(channels,)`` of float32 numbers above 0, for the first axis of the weights; or
            ``(1,)``, for all of them.
        low: least k; at most 0.
        high: greatest k; at least 0.

    Raises:
        InputError: a scale that is 0, negative, NaN, infinite or no float32; limits that leave 0
            out.
    """

    scale: Array
    low: int = -127
    high: int = 127

    def __post_init__(self) -> None:
        scale = np.array(self.scale, dtype=np.float64).reshape(-1)
        with np.errstate(over="ignore", under="ignore"):
            exact = np.isfinite(scale) & (scale > 0) & (scale.astype(np.float32) == scale)
        if not scale.size or not exact.all():
            bad = scale[~exact][0] if scale.size else "none"
            raise InputError(f"scale {bad} of a grid: give float32 numbers above 0")
        if not self.low <= 0 <= self.high:
            raise InputError(f"a grid from {self.low} to {self.high}: it must hold 0")
        scale.setflags(write=False)
        object.__setattr__(self, "scale", scale)

    def over(self, shape: tuple[int, ...]) -> Array:
        """Return the scales, to be broadcast over an array of weights of a shape."""
        return self.scale.reshape(-1, *[1] * (len(shape) - 1))


Values = Free | Half | Fixed | Masked | Grid
"""What numbers an array may hold."""


def nearest(form: Values, values: Array) -> Array:
    """Return, for each number, the nearest that a form holds; ties to even.

    Args:
        form: of an array of numbers.
        values: finite float64 numbers, in the shape of that array. They are what they have to be
            already where the form is fixed.

    Raises:
        InputError: a number that is too large for the form's floats.
    """
    match form:
        case Fixed():
            return values
        case Free():
            return _narrow(values, np.float32)
        case Half():
            return _narrow(values, np.float16)
        case Masked(kept=kept):
            return np.where(kept, _narrow(values, np.float32), 0.0)
        case Grid():
            return numbers(form, levels(form, values))
        case _ as never:
            assert_never(never)


def levels(form: Grid, values: Array) -> NDArray[np.int64]:
    """Return the whole numbers k whose numbers are nearest, in the shape of `values`."""
    ratio = np.rint(values / form.over(values.shape))
    return np.asarray(np.clip(ratio, form.low, form.high), dtype=np.int64)


def numbers(form: Grid, whole: NDArray[np.int64]) -> Array:
    """Return ``scale k`` as float32 gives it, for whole numbers of any shape."""
    product = form.over(whole.shape).astype(np.float32) * whole.astype(np.float32)
    return np.asarray(product, dtype=np.float64)


def _narrow(values: Array, dtype: type[np.float16] | type[np.float32]) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        narrow = values.astype(dtype)
    if not np.isfinite(narrow).all():
        worst = float(np.abs(values).max())
        raise InputError(
            f"a weight of {worst:g} is too large for {dtype.__name__}: take another method"
        )
    return narrow.astype(np.float64)


@dataclass(frozen=True, slots=True)
class LayerForm:
    """The forms of an affine layer's weight and bias."""

    weight: Values = field(default_factory=Free)
    bias: Values = field(default_factory=Free)


@dataclass(frozen=True, slots=True, eq=False)
class Compressed:
    """A compressed network, exactly as it is shipped, and the forms of its numbers.

    Attributes:
        network: what the shipped model computes; grids of activations are its `Quantize` layers.
        forms: of each of its `Affine` nodes, by name.

    Raises:
        InputError: an affine layer without a form, or with numbers that its form does not hold.
    """

    network: Network
    forms: Mapping[str, LayerForm]

    def __post_init__(self) -> None:
        object.__setattr__(self, "forms", MappingProxyType(dict(self.forms)))
        for node, layer in affine_layers(self.network):
            if node.name not in self.forms:
                raise InputError(f"layer {node.name} has no form: give one for each affine layer")
            form = self.forms[node.name]
            pairs = (
                ("weight", form.weight, layer.operator.weight),
                ("bias", form.bias, layer.bias),
            )
            for what, kind, held in pairs:
                if not np.array_equal(nearest(kind, held), held):
                    raise InputError(
                        f"layer {node.name}: its {what} holds numbers that its form "
                        f"{type(kind).__name__} does not: round it first"
                    )


def affine_layers(network: Network) -> list[tuple[Node, Affine]]:
    """Return a network's affine layers with their nodes, in order."""
    return [(node, node.layer) for node in network.nodes if isinstance(node.layer, Affine)]


def stored_bias(layer: Affine) -> Array:
    """Return a layer's biases as they are stored: one a channel where a channel has but one."""
    rows = layer.bias.reshape(len(layer.operator.weight), -1)
    return rows[:, 0] if (rows == rows[:, :1]).all() else layer.bias
