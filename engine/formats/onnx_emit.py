"""The parts of an ONNX graph under way: operators, stored numbers and grids of activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.helper import make_node

from ..errors import UnsupportedError
from ..network import Affine, Array, Network, Quantize
from .onnx_file import DTYPES, Dtype
from .onnx_stored import FLOATS, ZERO, Stored, StoredGrid, StoredHalf, StoredLayer

VERSIONS: Final = 13, 8
"""Opset and version of the format."""

VERSIONS_16: Final = 21, 10
"""The first that have grids of 16 bits."""


class Emitter:
    """Operators and initializers of a graph, in order.

    Attributes:
        network: what is written.
        path: where to, for errors.
        dtype: element type of the file.
        stored: how numbers of affine nodes are stored.
        versions: opset and version of the format that the graph needs.
        nodes, weights: of the graph so far.
        taken: names in use.
    """

    def __init__(
        self, network: Network, path: Path, dtype: Dtype, stored: Mapping[str, StoredLayer]
    ) -> None:
        self.network, self.path, self.dtype, self.stored = network, path, dtype, stored
        self.versions = VERSIONS
        for name in stored:
            if name not in network.by_name or not isinstance(network.by_name[name].layer, Affine):
                raise UnsupportedError(
                    f"{path}: {name!r} is no affine layer: how it is stored cannot be said"
                )
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.taken = {node.name for node in network.nodes}

    def _fresh(self, base: str, what: str) -> str:
        name, number = f"{base}/{what}", 1
        while name in self.taken:
            number += 1
            name = f"{base}/{what}{number}"
        self.taken.add(name)
        return name

    def _op(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        self.nodes.append(make_node(kind, inputs, [output], name=output, **attributes))

    def _weight(self, base: str, what: str, values: NDArray[Any]) -> str:
        """Add an initializer in the file's element type; return its name."""
        name = self._fresh(base, what)
        with np.errstate(over="ignore"):
            narrow = values.astype(self.dtype)
        if np.isfinite(values).any() and np.isinf(narrow[np.isfinite(values)]).any():
            raise UnsupportedError(
                f"{self.path}: layer {base!r} holds numbers too large for {self.dtype}: choose a "
                "wider element type in the network's origin"
            )
        self.weights.append(onnx.numpy_helper.from_array(narrow, name))
        return name

    def _numbers(self, base: str, what: str, values: Array, form: Stored | None) -> str:
        """Add an array of an affine layer as it is to be stored; return the tensor's name."""
        if form is None:
            return self._weight(base, what, values)
        name = self._fresh(base, what)
        whole: NDArray[Any] | None
        if isinstance(form, StoredHalf):
            with np.errstate(over="ignore"):
                whole = values.astype(np.float16)
            kind = "Cast"
            exact = bool((whole.astype(np.float64) == values).all())
            settings: dict[str, Any] = {"to": kind_of(self.dtype)}
        else:
            whole = form.whole(values) if self.dtype == "float32" else None
            kind, exact = "DequantizeLinear", whole is not None
            settings = {"axis": 0} if form.scale.size > 1 else {}
        if not exact or whole is None:
            raise UnsupportedError(
                f"{self.path}: the {what} of layer {base!r} holds numbers that are not stored "
                f"exactly as {type(form).__name__} in a file of {self.dtype}: round them first"
            )
        zero = None
        if isinstance(form, StoredGrid) and form.kind == "int8":
            whole = (whole.astype(np.int64) + ZERO).astype(np.uint8)
            zero = np.full(form.scale.shape if form.scale.size > 1 else (), ZERO, np.uint8)
        inputs = [self._array(base, f"{what}/stored", whole)]
        if not isinstance(form, StoredHalf):
            scale = form.scale if form.scale.size > 1 else form.scale[0]
            inputs.append(self._weight(base, f"{what}/scale", np.asarray(scale)))
        if zero is not None:
            inputs.append(self._array(base, f"{what}/zero", zero))
        self._op(kind, inputs, name, **settings)
        return name

    def _array(self, base: str, what: str, values: NDArray[Any]) -> str:
        """Add an initializer in the element type of its values; return its name."""
        name = self._fresh(base, what)
        self.weights.append(onnx.numpy_helper.from_array(values, name))
        return name

    def _integers(self, base: str, what: str, values: Sequence[int] | NDArray[Any]) -> str:
        return self._array(base, what, np.asarray(values, dtype=np.int64))

    def _grid(self, name: str, source: str, grid: Quantize) -> None:
        """Emit QuantizeLinear and DequantizeLinear, then a cut at the grid's own limits.

        The cut is left out where the integers' limits are the grid's and all that reads it can be
        computed in integers. Elsewhere it keeps onnxruntime's optimiser from doing so: between a
        DequantizeLinear and a QuantizeLinear it rounds float weights to eight bits.
        """
        if self.dtype != "float32":
            raise UnsupportedError(
                f"{self.path}: layer {name!r} rounds its activations, which ONNX does in float32: "
                "choose that in the network's origin"
            )
        span = float((grid.high - grid.low).max())
        if span > 65535:
            raise UnsupportedError(
                f"{self.path}: layer {name!r} rounds to {int(span) + 1} values: ONNX integers hold "
                "at most 65536"
            )
        kind, most = ("uint8", 255) if span <= 255 else ("uint16", 65535)
        if kind == "uint16":
            self.versions = VERSIONS_16
        even = bool((grid.scale == grid.scale[0]).all() and (grid.low == grid.low[0]).all())
        scale, zero = grid.scale, -grid.low
        if even:
            scale, zero = np.asarray(scale[0]), np.asarray(zero[0])
        numbers = [self._weight(name, "scale", scale)]
        numbers.append(self._array(name, "zero", zero.astype(kind)))
        axis = {} if even else {"axis": 1}
        full = even and kind == "uint8" and bool((grid.high - grid.low == most).all())
        result = name if full and self._in_integers(name, grid) else self._fresh(name, "uncut")
        whole = self._fresh(name, "whole")
        self._op("QuantizeLinear", [source, *numbers], whole, **axis)
        self._op("DequantizeLinear", [whole, *numbers], result, **axis)
        if result != name:
            self._cut(name, result, grid.scale * grid.low, grid.scale * grid.high)

    def _cut(self, name: str, source: str, least: Array, most: Array) -> None:
        """Emit the cut of values to limits of each."""
        if (least == least[0]).all() and (most == most[0]).all():
            ends = (("least", np.asarray(least[0])), ("most", np.asarray(most[0])))
            self._op("Clip", [source, *(self._weight(name, *end) for end in ends)], name)
            return
        below = self._fresh(name, "below")
        self._op("Max", [source, self._weight(name, "least", least)], below)
        self._op("Min", [below, self._weight(name, "most", most)], name)

    def _in_integers(self, name: str, grid: Quantize) -> bool:
        """Return whether all that reads a grid are affine layers stored as integers that fit it."""
        step = np.float32(grid.scale[0])
        for reader in self.network.readers[name]:
            form = self.stored.get(reader, FLOATS)
            weight, bias = form.weight, form.bias
            if not (isinstance(weight, StoredGrid) and isinstance(bias, StoredGrid)):
                return False
            fits = np.array_equal(bias.scale, (weight.scale.astype(np.float32) * step))
            if weight.kind != "int8" or bias.kind != "int32" or not fits:
                return False
        return True


def kind_of(dtype: Dtype) -> int:
    """Return the number that ONNX has for an element type."""
    return {name: number for number, name in DTYPES.items()}[dtype]
