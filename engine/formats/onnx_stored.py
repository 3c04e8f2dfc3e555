"""How an ONNX file stores a network's numbers: floats, half floats, or whole numbers on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError
from ..network import Affine, Network

Array = NDArray[np.float64]


ZERO: Final = 128
"""The uint8 that stands for 0 where int8 is meant."""


@dataclass(frozen=True, slots=True)
class StoredHalf:
    """float16 numbers, cast to the element type of the file."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredGrid:
    """Whole numbers, multiplied by a scale in float32 by DequantizeLinear.

    What is int8 is written as uint8 with zero point 128. onnxruntime multiplies quantized
    activations by quantized weights in integers; on processors without VNNI its kernel for uint8
    by int8 adds pairs of products in 16 bits, which 255 * 127 * 2 overflows, and cuts them off.
    Its kernel for uint8 by uint8 is exact on every processor.

    Attributes:
        scale: ``(channels,)`` for the first axis of the numbers, or ``(1,)`` for all of them;
            float64 that hold float32 numbers above 0.
        kind: of the whole numbers.

    Raises:
        UnsupportedError: a scale that is no positive, finite float32 number.
    """

    scale: Array
    kind: Literal["int8", "int32"] = "int8"

    def __post_init__(self) -> None:
        scale = np.array(self.scale, dtype=np.float64).reshape(-1)
        with np.errstate(over="ignore", under="ignore"):
            held = np.isfinite(scale) & (scale > 0) & (scale.astype(np.float32) == scale)
        if not scale.size or not held.all():
            bad = scale[~held][0] if scale.size else "none"
            raise UnsupportedError(
                f"scale {bad} of stored weights: give positive, finite float32 numbers"
            )
        scale.setflags(write=False)
        object.__setattr__(self, "scale", scale)

    def whole(self, values: NDArray[Any]) -> NDArray[Any] | None:
        """Return the whole numbers whose products are the values bit for bit; None without."""
        scale = self.scale.reshape(-1, *[1] * (values.ndim - 1)) if values.ndim else self.scale[0]
        if self.scale.size not in (1, values.shape[0] if values.ndim else 1):
            return None
        limits = np.iinfo(self.kind)  # of int8 too: -128 becomes 0
        near = np.clip(np.rint(values / scale), limits.min, limits.max)
        product = near.astype(np.float32) * np.asarray(scale).astype(np.float32)
        exact = np.array_equal(product.astype(np.float64), values)
        return near.astype(self.kind) if exact else None


Stored = StoredHalf | StoredGrid
"""How an array is stored where it is not stored as floats."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredLayer:
    """How an affine layer's numbers are stored; None for floats of the file's element type."""

    weight: Stored | None = None
    bias: Stored | None = None


FLOATS: Final = StoredLayer()


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A stored array: its numbers as the file computes them, and how it holds them."""

    values: NDArray[Any]
    form: Stored
    axis: int


def stored_forms(path: str | Path) -> Mapping[str, StoredLayer]:
    """Return how an ONNX file stores the numbers of each affine node of its network.

    An array that the graph computes in another way than a cast of float16 numbers, or whole numbers
    with scales and zero point 0, counts as floats.

    Args:
        path: of the file.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: it is not what ONNX asks for.
        UnsupportedError: it holds an operator that is not handled.
        MismatchError: the import and onnxruntime disagree.
    """
    from .onnx_file import read_file  # the writer needs the forms alone, and onnx loads slowly
    from .onnx_read import checked_network

    file = read_file(path)
    lowered = checked_network(file)
    found = []
    for node in file.nodes:
        held = _form(node, file.constants)
        if held is not None and node.output[0] in lowered.constants:
            found.append(_Found(lowered.constants[node.output[0]], *held))
    return _matched(lowered.network, found)


def _form(node: Any, constants: Mapping[str, NDArray[Any]]) -> tuple[Stored, int] | None:
    """Return form and axis of what a node computes from initializers; None for another node."""
    given = [constants.get(name) for name in node.input]
    if not given or given[0] is None:
        return None
    if node.op_type == "Cast" and given[0].dtype == np.float16:
        return StoredHalf(), 0
    if node.op_type != "DequantizeLinear" or len(given) < 2 or given[1] is None:
        return None
    axis = next((int(a.i) for a in node.attribute if a.name == "axis"), 1)
    zero = np.zeros(1) if len(given) < 3 else given[2]
    middle = {"int8": 0, "int32": 0, "uint8": ZERO}.get(str(given[0].dtype))
    if zero is None or middle is None or (zero != middle).any():
        return None
    kind: Literal["int8", "int32"] = "int32" if given[0].dtype == np.int32 else "int8"
    along = 0 if given[1].size == 1 else axis % max(given[0].ndim, 1)
    return StoredGrid(given[1].astype(np.float64), kind), along


def _matched(network: Network, found: list[_Found]) -> Mapping[str, StoredLayer]:
    """Return the forms of the affine nodes whose arrays are among those found, by their numbers.

    Each array found is taken once, in the order of the file: layers may hold the same numbers, such
    as biases of zeros, with other scales.
    """
    out: dict[str, StoredLayer] = {}
    left = list(found)
    for node in network.nodes:
        if isinstance(node.layer, Affine):
            weight = _taken(node.layer.operator.weight, left)
            out[node.name] = StoredLayer(weight, _taken(node.layer.bias, left))
    return out


def _taken(values: Array, left: list[_Found]) -> Stored | None:
    """Return the form of the first array that holds some numbers, and take it out of the list."""
    for holds in (_holds, _spreads):
        for place, one in enumerate(left):
            if holds(one, values):
                return left.pop(place).form
    return None


def _holds(one: _Found, values: Array) -> bool:
    """Return whether a stored array holds some numbers, in their order or turned."""
    wide = one.values.astype(np.float64)
    if wide.size != values.size:
        return False
    several = isinstance(one.form, StoredGrid) and one.form.scale.size > 1
    if np.array_equal(wide.ravel(), values.ravel()) and not (several and one.axis):
        return True
    turned = wide.ndim == 2 and (not several or one.axis == 1)
    return turned and np.array_equal(wide.T.ravel(), values.ravel())


def _spreads(one: _Found, values: Array) -> bool:
    """Return whether a bias holds each channel's number of a stored array many times."""
    wide = one.values.astype(np.float64)
    if not (wide.ndim == values.ndim == 1 and 0 < wide.size < values.size):
        return False
    if values.size % wide.size:
        return False
    return np.array_equal(np.repeat(wide, values.size // wide.size), values)
