"""A network whose weights have learnable bits: what self-compression trains.

Source: S. Csefalvay, J. Imber 2023, Self-Compressing Neural Networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..engine.network import Normalisation
from ..engine.operators import Convolution, Dense, Shape
from .selfcompress_chain import Link
from .selfcompress_form import MOST_BITS, Coded, CodedNetwork, replace_weight

LEAST_EXPONENT, MOST_EXPONENT = -60.0, 60.0
"""Of a channel's scale, so that every weight is a normal float32 number or 0."""


class _Round(torch.autograd.Function):
    """The nearest whole number, ties to even; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return torch.round(values)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        return grads[0]


class _Power(torch.autograd.Function):
    """``2^x`` of each number, in float32 or float64, whatever stands beside it.

    Vector units compute the last numbers of an array by other instructions than the first, so a
    channel's scale would change in its last bit when another channel leaves.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        numbers = [2.0**value for value in values.detach().tolist()]
        out = torch.tensor(numbers, dtype=values.dtype, device=values.device)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        (out,) = ctx.saved_tensors
        slope: torch.Tensor = grads[0] * out * math.log(2.0)
        return slope


def power(values: torch.Tensor) -> torch.Tensor:
    """Return ``2^x`` for numbers ``(channels,)``, each by itself."""
    out: torch.Tensor = _Power.apply(values)  # type: ignore[no-untyped-call]
    return out


def levels(weight: torch.Tensor, bits: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """Return ``round(min(max(2^-e x, -2^(b-1)), 2^(b-1) - 1))``, in the shape of the weights x.

    The gradient is the formula's own, but that the rounding passes it unchanged. With 0 bits all
    is 0, for both limits are -1/2.

    Args:
        weight: ``(channels, ...)``.
        bits: b, ``(channels,)``, at least 0.
        exponent: e, ``(channels,)``.
    """
    over = (-1, *[1] * (weight.dim() - 1))
    half = power(bits - 1.0).reshape(over)
    ratio = weight * power(-exponent).reshape(over)
    rounded: torch.Tensor = _Round.apply(  # type: ignore[no-untyped-call]
        torch.minimum(torch.maximum(ratio, -half), half - 1.0)
    )
    return rounded + 0.0  # no -0.0


def quantised(weight: torch.Tensor, bits: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """Return ``q(x, b, e) = 2^e levels(x, b, e)``; arguments as those of `levels`."""
    scale = power(exponent).reshape(-1, *[1] * (weight.dim() - 1))
    return scale * levels(weight, bits, exponent)


def applied(
    link: Link, weight: torch.Tensor, bias: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    """Return a layer's activations ``(batch, size)`` for values ``(batch, size_in)``.

    Args:
        link: the layer; its own numbers are not read.
        weight: to compute with, in the link's shape.
        bias: likewise.
        values: what it reads.
    """
    match link.operator:
        case Dense():
            out = functional.linear(values, weight, bias)
        case Convolution(strides=strides, dilations=dilations) as operator:
            top, left, bottom, right = operator.padding
            pictures = values.reshape(-1, weight.shape[1], *operator.shape_in[1:])
            if any(operator.padding):
                pictures = functional.pad(pictures, (left, right, top, bottom))
            out = functional.conv2d(pictures, weight, bias, strides, 0, dilations).flatten(1)
        case _ as never:
            assert_never(never)
    return functional.relu(out) if link.relu else out


class Layer(nn.Module):
    """A layer whose weights have learnable bits and a learnable exponent a channel.

    Attributes:
        link: its frame; its numbers are those it began with.
        weight, bias: float32.
        bits, exponent: ``(channels,)`` float32.
    """

    def __init__(self, link: Link, bits: float) -> None:
        super().__init__()
        self.link = link
        self.weight = nn.Parameter(torch.tensor(link.operator.weight, dtype=torch.float32))
        self.bias = nn.Parameter(torch.tensor(link.bias, dtype=torch.float32))
        self.bits = nn.Parameter(torch.full((link.channels,), float(bits)))
        self.exponent = nn.Parameter(covering(self.weight.detach(), self.bits.detach()))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the activations ``(batch, size)`` for values ``(batch, size_in)``."""
        return applied(self.link, self.quantised(), self.bias, values)

    def quantised(self) -> torch.Tensor:
        """Return the weights that are computed with."""
        return quantised(self.weight, self.bits, self.exponent)

    @property
    def live(self) -> torch.Tensor:
        """``(channels,)`` bool: the channels that have bits."""
        return self.bits.detach() > 0

    def coded(self) -> Coded:
        """Return the layer as it ships."""
        with torch.no_grad():
            whole = levels(self.weight, self.bits, self.exponent).cpu().numpy().astype(np.int64)
            depth = torch.ceil(self.bits).cpu().numpy().astype(np.int64)
            scale = power(self.exponent).cpu().numpy()
            scale = np.where(depth > 0, scale, np.float32(1.0))
            bias = self.bias.detach().cpu().numpy().astype(np.float64)
        link = replace_weight(self.link, np.zeros(self.link.operator.weight.shape))
        return Coded(Link(link.operator, bias, link.relu, link.run), whole, scale, depth)


def covering(weight: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Return exponents ``(channels,)`` with which the largest weight just fits its bits."""
    most = weight.flatten(1).abs().amax(1).clamp_min(2.0**-20)
    whole = torch.exp2(bits - 1.0) - 1.0
    return torch.log2(most / whole.clamp_min(0.5)).clamp(LEAST_EXPONENT, MOST_EXPONENT)


class Stack(nn.Module):
    """A chain of such layers.

    Attributes:
        layers: in order.
        shape: of the input tensor.
        weights: how many there were before anything was removed: N of the size loss.
    """

    def __init__(
        self,
        links: Sequence[Link],
        shape: Shape,
        bits: float,
        normalisation: Normalisation | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(link, bits) for link in links)
        self.shape = shape
        self.normalisation = normalisation
        self.weights = sum(link.operator.weight.size for link in links)

    def every(self) -> list[Layer]:
        """Return the layers."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs ``(batch, outputs)`` for inputs ``(batch, inputs)``."""
        values = inputs
        for layer in self.every():
            values = layer(values)
        return values

    def size(self) -> torch.Tensor:
        """Return Q, the size of equation 5: ``(1/N) sum z_l``, differentiable in the bits.

        ``z_l = HW (sum_j 1[b'_j > 0] sum_i b_i + sum_i 1[b_i > 0] sum_j b'_j)``, i over the layer's
        channels and j over those of the layer before. The first layer reads inputs, which have no
        bits: it has the first term alone, over all its inputs.
        """
        total = torch.zeros((), device=self.every()[0].bits.device)
        before: Layer | None = None
        for layer in self.every():
            if before is None:
                total = total + layer.link.taps * layer.link.channels_in * layer.bits.sum()
            else:
                total = total + layer.link.taps * before.live.sum() * layer.bits.sum()
                total = total + layer.link.taps * layer.live.sum() * before.bits.sum()
            before = layer
        return total / self.weights

    def coded(self) -> CodedNetwork:
        """Return the network as it ships; nothing is removed that is still there."""
        layers = tuple(layer.coded() for layer in self.every())
        return CodedNetwork(layers, self.shape, self.normalisation)

    def hold(self) -> None:
        """Move bits and exponents back to where they may be."""
        with torch.no_grad():
            for layer in self.every():
                layer.bits.clamp_(0.0, float(MOST_BITS))
                layer.exponent.clamp_(LEAST_EXPONENT, MOST_EXPONENT)

    def shrink_biases(self, step: float) -> None:
        """Take a step of the L1 norm of biases of hidden channels without bits, down to 0.

        The step is the norm's proximal one, so that biases end at 0 itself (Parikh, Boyd 2014).

        Args:
            step: by how much a bias shrinks.
        """
        with torch.no_grad():
            for layer in self.every()[:-1]:
                bias = layer.bias
                less = torch.sign(bias) * (bias.abs() - step).clamp_min(0.0)
                bias.copy_(torch.where(layer.live, bias, less))

    def silent(self) -> list[torch.Tensor]:
        """Return for each hidden layer which of its channels are 0 everywhere, ``(channels,)``."""
        with torch.no_grad():
            return [
                ~layer.live & ((layer.bias <= 0) if layer.link.relu else (layer.bias == 0))
                for layer in self.every()[:-1]
            ]

    def silence(self, channels: list[torch.Tensor]) -> None:
        """Make channels without bits 0 everywhere by their biases.

        Args:
            channels: as `silent` gives them.
        """
        with torch.no_grad():
            for layer, quiet in zip(self.every(), channels, strict=False):
                layer.bias.copy_(torch.where(quiet, layer.bias.clamp_max(0.0), layer.bias))
                if not layer.link.relu:
                    layer.bias.copy_(torch.where(quiet, 0.0, layer.bias))
