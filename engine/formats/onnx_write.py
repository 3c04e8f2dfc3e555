"""Writing networks as ONNX files, with the weights bit for bit.

Opset 13, or 21 where a grid of activations needs integers of 16 bits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_never

import numpy as np
import onnx
from numpy.typing import NDArray

from ..errors import UnsupportedError
from ..network import (
    Affine,
    Array,
    Concat,
    Input,
    Network,
    Node,
    Normalisation,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
)
from ..operators import Convolution, Dense, Diagonal
from .files import replace_with
from .leaky import Leaky, find_leaky
from .onnx_emit import Emitter, kind_of
from .onnx_file import Dtype, first_line
from .onnx_read import NORMALISATION
from .onnx_stored import FLOATS, StoredLayer


def representable(network: Network, dtype: Dtype) -> list[str]:
    """Return the names of the nodes that hold a number which ``dtype`` does not hold exactly.

    A scale may be the sum of two numbers of the type: it is written as two scales.

    Args:
        network: the network.
        dtype: element type of a file.
    """
    return [
        node.name
        for node in network.nodes
        if not all(_fits(part, dtype) for array in _arrays(node, dtype) for part in array)
    ]


def write_onnx(
    network: Network,
    path: str | Path,
    *,
    allow_rounding: bool = False,
    stored: Mapping[str, StoredLayer] | None = None,
) -> None:
    """Write a network as an ONNX file, whole or not at all.

    The file computes in the element type of the network's origin. Its input has the shape of the
    network's input behind an open batch axis; every other tensor is ``(batch, size)``, but for a
    convolution's, which has the image's shape. The tensor of each node has the node's name; the
    nodes inside of a leaky ReLU have none, where it is written as a PRelu. The normalisation
    becomes a property of the file. Reading the file gives a network equal to this one
    in exact arithmetic.

    Args:
        network: what to write.
        path: where; an existing file is replaced.
        allow_rounding: round weights that the element type does not hold, instead of refusing them;
            the file then holds another network.
        stored: how the numbers of affine nodes are stored, by their names; as floats where absent.

    Raises:
        UnsupportedError: weights that the element type does not hold, or that are not stored so
            exactly; a grid of more values than 16 bits hold.
        FileError: the path cannot be written.
    """
    path, dtype = Path(path), network.origin.dtype
    inexact = representable(network, dtype)
    if inexact and not allow_rounding:
        more = f" and {len(inexact) - 1} more" if len(inexact) > 1 else ""
        raise UnsupportedError(
            f"{path}: layer {inexact[0]!r}{more} holds numbers that are not exact in {dtype}: "
            "write with allow_rounding, or choose a wider element type in the network's origin"
        )
    model = _Writer(network, path, dtype, stored or {}).model()
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise UnsupportedError(f"{path}: cannot be written as ONNX: {first_line(error)}") from None
    replace_with(path, model.SerializeToString(deterministic=True))


def _arrays(node: Node, dtype: Dtype) -> Sequence[Sequence[Array]]:
    """Return a layer's arrays, each as the parts whose sum it is written as."""
    match node.layer:
        case Affine(operator=Diagonal(weight=weight), bias=bias):
            return _two(weight, dtype), (bias,)
        case Affine(operator=operator, bias=bias):
            return (operator.weight,), (bias,)
        case Piecewise(slope=slope, intercept=intercept):
            return (slope,), (intercept,)
        case Quantize(scale=scale):
            return ((scale,),)
        case Input() | Sum() | Concat() | Select():
            return ()
        case _ as never:
            assert_never(never)


def _fits(values: Array, dtype: Dtype) -> bool:
    with np.errstate(over="ignore"):
        return bool((values.astype(dtype).astype(np.float64) == values).all())


def _two(values: Array, dtype: Dtype) -> tuple[Array, Array]:
    """Return the nearest numbers of an element type, and what is left of each, exactly.

    ``1 - a`` of a number a of the type is a sum of two of them: leaky ReLU is made of it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        near = values.astype(dtype).astype(np.float64)
        near = np.where(np.isfinite(near), near, values)
    return near, values - near  # exact: both end on the same bit, and the second is smaller


class _Writer(Emitter):
    """The ONNX graph under way.

    ``flat`` maps each IR node to the tensor ``(batch, size)`` that holds its values. ``leaky`` maps
    sums to what one PRelu computes in their place, and ``within`` holds the nodes inside of those.
    """

    def __init__(
        self, network: Network, path: Path, dtype: Dtype, stored: Mapping[str, StoredLayer]
    ) -> None:
        super().__init__(network, path, dtype, stored)
        self.flat: dict[str, str] = {}
        self.leaky: dict[str, Leaky] = {}
        if dtype == "float32":  # runtimes have PRelu in float32 alone
            self.leaky = {
                node.name: found
                for node in network.nodes
                if (found := find_leaky(network, node)) is not None and _fits(found.slope, dtype)
            }
        self.within = {name for found in self.leaky.values() for name in found.within}

    def model(self) -> onnx.ModelProto:
        for node in self.network.nodes:
            self.flat[node.name] = node.name
            if node.name in self.leaky:
                found = self.leaky[node.name]
                slope = self._weight(node.name, "slope", found.slope)
                self._op("PRelu", [self.flat[found.source], slope], node.name)
            elif node.name not in self.within:
                self._emit(node)
        kind = kind_of(self.dtype)
        first, last = self.network.input, self.network.by_name[self.network.output]
        output = last.name
        if last is first:
            output = self._fresh(last.name, "output")
            self._op("Identity", [self.flat[last.name]], output)
        graph = onnx.helper.make_graph(
            self.nodes,
            "network",
            [onnx.helper.make_tensor_value_info(first.name, kind, ["batch", *first.shape])],
            [onnx.helper.make_tensor_value_info(output, kind, ["batch", last.size])],
            self.weights,
        )
        model = onnx.helper.make_model(
            graph,
            producer_name="secateur",
            opset_imports=[onnx.helper.make_opsetid("", self.versions[0])],
            ir_version=self.versions[1],
        )
        if self.network.normalisation is not None:
            text = _normalisation_text(self.network.normalisation)
            onnx.helper.set_model_props(model, {NORMALISATION: text})
        return model

    def _emit(self, node: Node) -> None:
        name, read = node.name, [self.flat[source] for source in node.sources]
        match node.layer:
            case Input(shape=shape):
                if len(shape) > 1:
                    self.flat[name] = self._fresh(name, "flat")
                    self._op("Flatten", [name], self.flat[name], axis=1)
            case Affine() as layer:
                self._affine(name, read[0], layer)
            case Piecewise() as units:
                self._piecewise(name, read[0], units)
            case Quantize() as grid:
                self._grid(name, read[0], grid)
            case Sum():
                kind = {1: "Identity", 2: "Add"}.get(len(read), "Sum")
                self._op(kind, read, name)
            case Concat():
                self._op("Concat", read, name, axis=1)
            case Select(indices=indices, size_in=size_in):
                self._select(name, read[0], indices, size_in)
            case _ as never:
                assert_never(never)

    def _affine(self, name: str, source: str, layer: Affine) -> None:
        match layer.operator:
            case Dense(weight=weight):
                form = self.stored.get(name, FLOATS)
                numbers = [self._numbers(name, "weight", weight, form.weight)]
                numbers.append(self._numbers(name, "bias", layer.bias, form.bias))
                self._op("Gemm", [source, *numbers], name, transB=1)
            case Diagonal(weight=weight):
                form = self.stored.get(name, FLOATS)
                if form.weight is None and form.bias is None:
                    self._scale(name, source, weight, layer.bias)
                    return
                slope = self._numbers(name, "slope", weight, form.weight)
                intercept = self._numbers(name, "intercept", layer.bias, form.bias)
                scaled = self._fresh(name, "scaled")
                self._op("Mul", [source, slope], scaled)
                self._op("Add", [scaled, intercept], name)
            case Convolution() as convolution:
                self._convolution(name, source, convolution, layer.bias)
            case _ as never:
                assert_never(never)

    def _piecewise(self, name: str, source: str, layer: Piecewise) -> None:
        relu, linear = layer.state == State.RELU, layer.state == State.LINEAR
        if relu.all():
            self._op("Relu", [source], name)
            return
        slope = np.where(linear, layer.slope, np.where(layer.state == State.ZERO, 0.0, 1.0))
        floor = np.where(relu, 0.0, -np.inf) if relu.any() else None
        self._chain(name, source, floor=floor, slope=slope, intercept=layer.intercept)

    def _chain(
        self, name: str, source: str, *, floor: Array | None, slope: Array, intercept: Array
    ) -> None:
        """Emit ``slope max(source, floor) + intercept`` with the fewest operators."""
        steps: list[tuple[str, str, Array]] = []
        if floor is not None:
            steps.append(("Max", "floor", floor))
        if (slope != 1).any():
            steps.append(("Mul", "slope", slope))
        if intercept.any():
            steps.append(("Add", "intercept", intercept))
        if not steps:
            self._op("Identity", [source], name)
        for index, (kind, what, values) in enumerate(steps):
            to = name if index == len(steps) - 1 else self._fresh(name, kind.lower())
            self._op(kind, [source, self._weight(name, what, values)], to)
            source = to

    def _scale(self, name: str, source: str, weight: Array, bias: Array) -> None:
        """Emit ``weight source + bias``, the weight as a sum of two where it takes two."""
        near, rest = _two(weight, self.dtype)
        if _fits(weight, self.dtype) or not _fits(rest, self.dtype):
            self._chain(name, source, floor=None, slope=weight, intercept=bias)
            return
        total = self._fresh(name, "scaled") if bias.any() else name
        parts = [self._fresh(name, what) for what in ("most", "rest")]
        for part, values in zip(parts, (near, rest), strict=True):
            self._op("Mul", [source, self._weight(name, "slope", values)], part)
        self._op("Add", parts, total)
        if bias.any():
            self._op("Add", [total, self._weight(name, "intercept", bias)], name)

    def _convolution(self, name: str, source: str, conv: Convolution, bias: Array) -> None:
        """Emit Conv between images; a bias that differs within a channel is added after it.

        The image has the node's name, but for the network's output, which is flat.
        """
        image = self._fresh(name, "image")
        self._op("Reshape", [source, self._integers(name, "shape", [0, *conv.shape_in])], image)
        by_channel = bias.reshape(conv.shape_out[0], -1)
        even = bool((by_channel == by_channel[:, :1]).all())
        form = self.stored.get(name, FLOATS)
        inputs = [image, self._numbers(name, "weight", conv.weight, form.weight)]
        if even and (bias.any() or form.bias is not None):
            inputs.append(self._numbers(name, "bias", by_channel[:, 0], form.bias))
        result = self._fresh(name, "tensor") if name == self.network.output else name
        product = result if even else self._fresh(name, "conv")
        settings = {"strides": conv.strides, "pads": conv.padding, "dilations": conv.dilations}
        self._op("Conv", inputs, product, group=conv.groups, **settings)
        if not even:
            if form.bias is not None:
                raise UnsupportedError(
                    f"{self.path}: the bias of layer {name!r} differs within a channel: store it "
                    "as floats"
                )
            addend = self._weight(name, "bias", bias.reshape(conv.shape_out))
            self._op("Add", [product, addend], result)
        self.flat[name] = self._fresh(name, "flat") if result == name else name
        self._op("Flatten", [result], self.flat[name], axis=1)

    def _select(self, name: str, source: str, indices: NDArray[np.int64], size_in: int) -> None:
        first, count = int(indices[0]), len(indices)
        if (indices == np.arange(first, first + count)).all():
            if count == size_in:
                self._op("Identity", [source], name)
                return
            limits = {"starts": [first], "ends": [first + count], "axes": [1]}
            self._op(
                "Slice", [source, *(self._integers(name, k, v) for k, v in limits.items())], name
            )
            return
        self._op("Gather", [source, self._integers(name, "indices", indices)], name, axis=1)


def _normalisation_text(normal: Normalisation) -> str:
    vectors = {
        name: [float(value).hex() for value in getattr(normal, name)]
        for name in ("minimum", "maximum", "mean", "range")
    }
    outputs = {
        "output_mean": float(normal.output_mean).hex(),
        "output_range": float(normal.output_range).hex(),
    }
    return json.dumps({**vectors, **outputs})
