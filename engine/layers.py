"""The layers of the graph IR, and the node that puts one in its place.

Every activation is a flat vector; a layer's shape is kept beside it only for writing files. All
non-linear layers are lowered to `Piecewise` and `Quantize`, so a bound, an encoding or a fold knows
seven layers and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from .errors import NetworkError
from .operators import Operator, Shape, frozen
from .rounding import SCALES

Array = NDArray[np.float64]


class State(IntEnum):
    """What a neuron of a `Piecewise` layer computes from its pre-activation z."""

    RELU = 0
    ZERO = 1
    IDENTITY = 2
    LINEAR = 3


@dataclass(frozen=True, slots=True)
class Input:
    """The input of the network.

    Attributes:
        shape: of the input tensor, without the batch axis.
    """

    shape: Shape

    @property
    def size(self) -> int:
        """Number of values."""
        return int(math.prod(self.shape))


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """``W x + b``.

    Attributes:
        operator: ``W``, from ``in`` to ``out``.
        bias: ``b``, ``(out,)`` float64.
    """

    operator: Operator
    bias: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", frozen(self.bias, "bias", 1))
        if self.bias.size != self.operator.size_out:
            raise NetworkError(
                f"bias has {self.bias.size} entries, its weight {self.operator.size_out} rows"
            )

    @property
    def size(self) -> int:
        """Number of values."""
        return self.operator.size_out


@dataclass(frozen=True, slots=True, eq=False)
class Piecewise:
    """One activation function a neuron.

    RELU gives max(z, 0), ZERO gives 0, IDENTITY gives z, LINEAR gives slope z + intercept.

    Attributes:
        state: ``(size,)`` int8, a `State` each.
        slope: ``(size,)`` float64; read only where the state is LINEAR, 0 elsewhere.
        intercept: ``(size,)`` float64; the same.
    """

    state: NDArray[np.int8]
    slope: Array
    intercept: Array

    def __post_init__(self) -> None:
        state = np.array(self.state, dtype=np.int8)
        if state.ndim != 1 or ((state < min(State)) | (state > max(State))).any():
            raise NetworkError("a piecewise layer needs one State for each neuron")
        state.setflags(write=False)
        object.__setattr__(self, "state", state)
        for name in ("slope", "intercept"):
            values = frozen(getattr(self, name), name, 1)
            if values.size != state.size:
                raise NetworkError(f"{name} has {values.size} entries for {state.size} neurons")
            values = np.where(state == State.LINEAR, values, 0.0)
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @classmethod
    def relu(cls, size: int) -> Piecewise:
        """Return ``size`` ReLUs."""
        return cls(np.zeros(size, np.int8), np.zeros(size), np.zeros(size))

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self.state.size)

    def __call__(self, z: Array) -> Array:
        """Return the activations of pre-activations ``z`` ``(..., size)``."""
        kinds = self.state  # most layers hold ReLUs alone, or two kinds
        if not kinds.any():
            return np.maximum(z, 0.0)
        out: Array = np.maximum(z, np.where(kinds == State.RELU, 0.0, -np.inf))
        if (kinds == State.LINEAR).any():
            out = np.where(kinds == State.LINEAR, self.slope * z + self.intercept, out)
        return np.where(kinds == State.ZERO, 0.0, out) if (kinds == State.ZERO).any() else out

    def same(self, other: Piecewise) -> bool:
        """Return whether another layer has the same functions."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("state", "slope", "intercept")
        )


@dataclass(frozen=True, slots=True, eq=False)
class Quantize:
    """Rounding to a grid: ``scale clip(round(z / scale), low, high)``, ties to even.

    The multiples of the scale are numbers of float64 without rounding. What is meant is real
    arithmetic; ``z / scale`` in float64 is that where the scale is a power of two, and may
    otherwise round a z beside a tie to the other side.

    Attributes:
        scale: ``(size,)`` float64, above 0: the step of the grid, in units of z.
        low: ``(size,)`` whole numbers, at most 0: the least multiple.
        high: ``(size,)`` whole numbers, at least 0: the greatest multiple.

    Raises:
        NetworkError: a scale that is not positive and finite, or has too many digits for its
            multiples; limits that are not whole or leave 0 out.
    """

    scale: Array
    low: Array
    high: Array

    def __post_init__(self) -> None:
        with np.errstate(invalid="ignore"):
            scale = np.array(self.scale, dtype=np.float64).reshape(-1)
            wrong = ~((scale >= SCALES[0]) & (scale <= SCALES[1]))
        if wrong.any():
            raise NetworkError(
                f"scale {scale[wrong][0]} of a grid of activations: give positive, finite numbers"
            )
        for name in ("scale", "low", "high"):
            values = frozen(getattr(self, name), name, 1)
            if values.size != scale.size:
                raise NetworkError(f"{name} has {values.size} entries for {scale.size} scales")
            object.__setattr__(self, name, values)
        low, high = self.low, self.high
        if (low != np.rint(low)).any() or (high != np.rint(high)).any():
            raise NetworkError("the limits of a grid of activations must be whole numbers")
        if (low > 0).any() or (high < 0).any():
            raise NetworkError("a grid of activations must hold 0: low <= 0 <= high")
        reach = np.frexp(np.maximum(-low, high))[1]
        if (reach + _digits(scale) > 52).any():  # so that their differences are, too
            raise NetworkError(
                "the multiples of a scale are no float64 numbers: round the scale to float32"
            )

    @classmethod
    def uniform(cls, size: int, scale: float, low: int, high: int) -> Quantize:
        """Return one grid for ``size`` values."""
        return cls(np.full(size, scale), np.full(size, float(low)), np.full(size, float(high)))

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self.scale.size)

    def __call__(self, z: Array) -> Array:
        """Return the values of ``z`` ``(..., size)`` on the grid; a zero is never negative."""
        with np.errstate(over="ignore"):
            whole = np.rint(z / self.scale)
        return np.asarray(self.scale * np.clip(whole, self.low, self.high) + 0.0)

    def same(self, other: Quantize) -> bool:
        """Return whether another layer has the same grids."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("scale", "low", "high")
        )


def _digits(values: Array) -> NDArray[np.int64]:
    """Return how many binary digits positive numbers have between their first and last one."""
    whole = (np.frexp(values)[0] * 2.0**53).astype(np.int64)
    return np.asarray(54 - np.frexp((whole & -whole).astype(np.float64))[1], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of its sources, which all have its size."""

    size: int


@dataclass(frozen=True, slots=True)
class Concat:
    """Its sources one after the other."""

    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return sum(self.sizes)


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """Entries of its source, in any order, repeated or left out.

    Attributes:
        indices: ``(size,)`` int64 into the source.
        size_in: size of the source.
    """

    indices: NDArray[np.int64]
    size_in: int

    def __post_init__(self) -> None:
        indices = np.array(self.indices, dtype=np.int64)
        if indices.ndim != 1 or (
            indices.size and not (0 <= indices.min() <= indices.max() < self.size_in)
        ):
            raise NetworkError(f"a selection must hold indices from 0 to {self.size_in - 1}")
        indices.setflags(write=False)
        object.__setattr__(self, "indices", indices)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(self.indices.size)


Layer = Input | Affine | Piecewise | Quantize | Sum | Concat | Select


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in its place.

    Attributes:
        name: unique in the network; imports keep the names of their file where they can.
        layer: what it computes.
        sources: names of the nodes it reads, in order.
        shape: the tensor shape its flat vector stands for; `(size,)` when it has none.
    """

    name: str
    layer: Layer
    sources: tuple[str, ...] = ()
    shape: Shape = ()

    def __post_init__(self) -> None:
        shape = self.shape or (
            self.layer.shape if isinstance(self.layer, Input) else (self.layer.size,)
        )
        if int(np.prod(shape)) != self.layer.size:
            raise NetworkError(f"{self.name}: shape {shape} does not hold {self.layer.size} values")
        object.__setattr__(self, "shape", tuple(int(n) for n in shape))

    @property
    def size(self) -> int:
        """Number of values."""
        return self.layer.size


def check_sources(node: Node, sources: Sequence[Node]) -> None:
    """Raise NetworkError unless the node's layer fits its sources."""
    sizes = [source.size for source in sources]
    match node.layer:
        case Input():
            wanted: list[int] = []
        case Affine(operator=operator):
            wanted = [operator.size_in]
        case Piecewise() | Quantize():
            wanted = [node.size]
        case Sum(size=size):
            wanted = [size] * max(1, len(sizes))
        case Concat(sizes=parts):
            wanted = list(parts)
        case Select(size_in=size_in):
            wanted = [size_in]
        case _ as never:
            assert_never(never)
    if sizes != wanted:
        raise NetworkError(f"{node.name} reads sizes {sizes}, its layer takes {wanted}")
