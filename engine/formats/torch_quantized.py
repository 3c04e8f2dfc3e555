"""Lowering of torch's statically quantized modules: integers become grids of real numbers.

A tensor of ``torch.quint8`` is the activation that its integers stand for. Scales are those that
the kernels multiply with: rounded to float32. A bias of floats is added before the outputs are
rounded, as the kernels of x86, fbgemm and onednn do it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.ao.nn import quantized
from torch.ao.nn.intrinsic import quantized as fused

from ..errors import FormatError, UnsupportedError
from ..network import Quantize
from .onnx_tensors import Activation
from .torch_lower import Translation, convolution, linear, relu

Quantized = Callable[[Translation, Any, Activation], Activation]


def _grid(t: Translation, x: Activation, scale: float, zero: int, kind: torch.dtype) -> Activation:
    """Return an activation rounded to the grid of a quantized tensor.

    Raises:
        UnsupportedError: an element type that is none of 8 bits.
        FormatError: a scale that is no positive, finite number; a zero point beyond the type.
    """
    if kind not in (torch.quint8, torch.qint8):
        raise UnsupportedError(f"rounds to {kind}: handled are torch.quint8 and torch.qint8")
    limits = torch.iinfo(kind)
    step = float(np.float32(scale))
    if not (np.isfinite(step) and step > 0):
        raise FormatError(f"has the scale {scale}: a scale is a positive, finite number")
    if not limits.min <= zero <= limits.max:
        raise FormatError(
            f"has the zero point {zero}: {kind} holds {limits.min} to {limits.max}; quantize again"
        )
    return t.builder.add(
        Quantize.uniform(x.size, step, limits.min - zero, limits.max - zero), [x], x.shape
    )


def _weight(weight: torch.Tensor) -> torch.Tensor:
    """Return the numbers that a quantized weight stands for, in float64."""
    whole = weight.int_repr().double()
    if weight.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
        along = [1] * weight.ndim
        along[weight.q_per_channel_axis()] = -1
        zero = weight.q_per_channel_zero_points().double().reshape(along)
        return (whole - zero) * weight.q_per_channel_scales().float().double().reshape(along)
    if weight.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        step = float(np.float32(weight.q_scale()))
        return (whole - weight.q_zero_point()) * step
    raise UnsupportedError(f"has weights of {weight.qscheme()}: handled are affine ones")


def _bias(module: Any) -> torch.Tensor | None:
    bias = module.bias()
    return None if bias is None else bias.detach().double()


def _linear(t: Translation, m: Any, x: Activation) -> Activation:
    return linear(t, x, _weight(m.weight()), _bias(m))


def _convolution(t: Translation, m: Any, x: Activation) -> Activation:
    if m.padding_mode != "zeros":
        raise UnsupportedError(f"has padding_mode {m.padding_mode!r}: only zeros is handled")
    settings = (m.stride, m.padding, m.dilation, m.groups)
    return convolution(t, x, _weight(m.weight()), _bias(m), *settings)


def _rounded(lowering: Quantized, *, cut: bool) -> Quantized:
    """Return the lowering with a ReLU, if `cut`, and the grid of the module's outputs after it."""

    def lower(t: Translation, m: Any, x: Activation) -> Activation:
        y = lowering(t, m, x)
        y = relu(t, y) if cut else y
        return _grid(t, y, float(m.scale), int(m.zero_point), torch.quint8)

    return lower


def _quantize(t: Translation, m: Any, x: Activation) -> Activation:
    return _grid(t, x, float(m.scale), int(m.zero_point), m.dtype)


QUANTIZED: Final[Mapping[type[nn.Module], Quantized]] = {
    quantized.Quantize: _quantize,
    quantized.DeQuantize: lambda t, m, x: x,
    quantized.Linear: _rounded(_linear, cut=False),
    fused.LinearReLU: _rounded(_linear, cut=True),
    **dict.fromkeys([quantized.Conv1d, quantized.Conv2d], _rounded(_convolution, cut=False)),
    **dict.fromkeys([fused.ConvReLU1d, fused.ConvReLU2d], _rounded(_convolution, cut=True)),
}
"""Modules that `torch.ao.quantization.convert` makes."""

KEEPING: Final = (
    *(nn.ReLU, nn.MaxPool1d, nn.MaxPool2d, nn.Identity),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout),
)
"""Modules that leave the numbers of a quantized tensor on its grid."""
