"""Networks as torch modules, to be trained, exported or evaluated in batches."""

from collections.abc import Mapping
from typing import Any, Final, assert_never

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..network import (
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
from ..operators import Convolution, Dense, Diagonal

DTYPES: Final[Mapping[str, torch.dtype]] = {
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
}


def write_torch(network: Network, dtype: torch.dtype | None = None) -> nn.Module:
    """Return a module that computes a network; weights and biases are its parameters.

    It takes ``(batch, *input shape)`` and returns ``(batch, *output shape)``. Weights that the
    element type does not hold are rounded to the nearest; in float64 none is.

    Args:
        network: of any shape.
        dtype: element type to compute in; that of the network's origin by default.
    """
    return _LayeredModule(network, dtype or DTYPES[network.origin.dtype])


class _LayeredModule(nn.Module):
    """The layers of a network in their order; each reads the results of earlier ones."""

    def __init__(self, network: Network, dtype: torch.dtype) -> None:
        super().__init__()
        places = {node.name: place for place, node in enumerate(network.nodes)}
        self.layers = nn.ModuleList(_module(node.layer, dtype) for node in network.nodes[1:])
        self.sources = [[places[name] for name in node.sources] for node in network.nodes[1:]]
        self.output = places[network.output]
        self.shape = network.by_name[network.output].shape

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        values = [inputs.flatten(1)]
        for layer, sources in zip(self.layers, self.sources, strict=True):
            values.append(layer(*[values[place] for place in sources]))
        return values[self.output].reshape(-1, *self.shape)


def _module(layer: Layer, dtype: torch.dtype) -> nn.Module:
    match layer:
        case Affine():
            return _affine(layer, dtype)
        case Piecewise():
            return _Piecewise(layer, dtype)
        case Quantize():
            return _Quantize(layer, dtype)
        case Sum():
            return _Sum()
        case Concat():
            return _Concat()
        case Select(indices=indices):
            return _Select(indices)
        case Input():
            raise AssertionError("a network has one input, and it comes first")
        case _ as never:
            assert_never(never)


def _affine(layer: Affine, dtype: torch.dtype) -> nn.Module:
    match layer.operator:
        case Dense(weight=weight):
            return _Dense(weight, layer.bias, dtype)
        case Diagonal(weight=weight):
            return _Diagonal(weight, layer.bias, dtype)
        case Convolution() as convolution:
            return _Convolution(convolution, layer.bias, dtype)
        case _ as never:
            assert_never(never)


class _Dense(nn.Module):
    def __init__(self, weight: Any, bias: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=dtype))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight, self.bias)


class _Diagonal(_Dense):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight + self.bias


class _Convolution(_Dense):
    def __init__(self, convolution: Convolution, bias: Any, dtype: torch.dtype) -> None:
        super().__init__(convolution.weight, bias, dtype)
        self.shape = convolution.shape_in
        top, left, bottom, right = convolution.padding
        self.even = (top, left) == (bottom, right)
        self.frame = (left, right, top, bottom)
        padding = (top, left) if self.even else (0, 0)
        self.window = (convolution.strides, padding, convolution.dilations, convolution.groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        images = x.reshape(-1, *self.shape)
        if not self.even:
            images = functional.pad(images, self.frame)
        return functional.conv2d(images, self.weight, None, *self.window).flatten(1) + self.bias


class _Piecewise(nn.Module):
    """``active relu(z) + slope z + intercept``, which is each state's function exactly."""

    active: torch.Tensor
    slope: torch.Tensor
    intercept: torch.Tensor

    def __init__(self, layer: Piecewise, dtype: torch.dtype) -> None:
        super().__init__()
        self.plain = bool((layer.state == State.RELU).all())
        active = layer.state == State.RELU
        slope = np.where(layer.state == State.IDENTITY, 1.0, layer.slope)
        for name, values in (("active", active), ("slope", slope), ("intercept", layer.intercept)):
            self.register_buffer(name, torch.tensor(values, dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.plain:
            return torch.relu(x)
        return self.active * torch.relu(x) + self.slope * x + self.intercept


class _Rounding(torch.autograd.Function):
    """Rounding to a grid, whose slope is taken to be 1 inside its limits, so that it is trained.

    Source: Y. Bengio, N. Leonard, A. Courville 2013 (straight-through estimator).
    """

    @staticmethod
    def forward(
        ctx: Any, z: torch.Tensor, scale: torch.Tensor, low: torch.Tensor, high: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward((z >= scale * low) & (z <= scale * high))
        return scale * torch.clamp(torch.round(z / scale), low, high) + 0.0

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        return grads[0] * ctx.saved_tensors[0], None, None, None


class _Quantize(nn.Module):
    scale: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, layer: Quantize, dtype: torch.dtype) -> None:
        super().__init__()
        for name in ("scale", "low", "high"):
            self.register_buffer(name, torch.tensor(getattr(layer, name), dtype=dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rounded: torch.Tensor = _Rounding.apply(  # type: ignore[no-untyped-call]
            x, self.scale, self.low, self.high
        )
        return rounded


class _Sum(nn.Module):
    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


class _Concat(nn.Module):
    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        return torch.cat(parts, dim=1)


class _Select(nn.Module):
    indices: torch.Tensor

    def __init__(self, indices: Any) -> None:
        super().__init__()
        self.register_buffer("indices", torch.tensor(indices, dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.indices]
