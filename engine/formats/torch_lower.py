"""Lowering of torch operations: each is said in the words of ONNX and lowered as those are.

So an import from torch and one from ONNX agree, and one set of formulas is proved and tested.
Weights are widened exactly. Python numbers count as torch takes them: rounded to the element type.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional

from ..errors import UnsupportedError
from ..network import Array
from ..operators import Dense
from .onnx_activations import ACTIVATIONS
from .onnx_arithmetic import ARITHMETIC, contract
from .onnx_tensors import Activation, Builder, Constant, Operation, Value
from .onnx_windows import WINDOWS

OPSET: Final = 13
WORDS: Final = {**ACTIVATIONS, **ARITHMETIC, **WINDOWS}

Sizes = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class Translation:
    """What a lowering works with.

    Attributes:
        builder: of the IR under way.
        dtype: element type of the module, float32 or float64.
    """

    builder: Builder
    dtype: torch.dtype

    def say(self, word: str, *arguments: Any, **attributes: Any) -> Activation:
        """Return the result of the ONNX operator ``word``.

        Args:
            word: its name.
            arguments: its inputs: activations, tensors, numbers, or None where one is left out.
            attributes: its attributes.
        """
        names = [str(index) for index in range(len(arguments))]
        proto = onnx.helper.make_node(word, names, ["result"], **attributes)
        kind = str(self.dtype).removeprefix("torch.")
        inputs = tuple(None if a is None else self.value(a) for a in arguments)
        (result,) = WORDS[word](self.builder, Operation(proto, OPSET, kind, inputs, ("result",)))
        assert isinstance(result, Activation)
        return result

    def value(self, argument: Any) -> Value:
        """Return an argument of a call as a value; numbers get the module's element type."""
        if isinstance(argument, Activation):
            return argument
        return Constant(self.constant(argument).numpy())

    def constant(self, argument: Any) -> torch.Tensor:
        """Return an argument of a call, which must not depend on the input, as a tensor."""
        match argument:
            case torch.Tensor(ndim=0):
                return argument.detach().to(self.dtype)
            case bool() | int() | float():
                return torch.tensor(argument, dtype=self.dtype)
            case torch.Tensor():
                return argument.detach()
            case Activation():
                raise UnsupportedError("has weights that depend on the input: make them constant")
        raise UnsupportedError(f"takes a {type(argument).__name__} where a tensor is handled")

    def wide(self, argument: Any) -> Array:
        """Return an argument of a call, which must not depend on the input, in float64."""
        return np.asarray(self.constant(argument).double().numpy(), dtype=np.float64)


def relu(t: Translation, x: Activation, inplace: bool = False) -> Activation:
    """Return ``max(x, 0)``."""
    return t.say("Relu", x)


def leaky_relu(
    t: Translation, x: Activation, negative_slope: float = 0.01, inplace: bool = False
) -> Activation:
    """Return x where it is positive, elsewhere the slope times x."""
    return t.say("PRelu", x, negative_slope)


def prelu(t: Translation, x: Activation, weight: Any) -> Activation:
    """Return x where it is positive, elsewhere its channel's slope times x."""
    return t.say("PRelu", x, t.constant(weight).reshape(-1, *(1,) * max(len(x.shape) - 2, 0)))


def hardtanh(
    t: Translation, x: Activation, min_val: float = -1, max_val: float = 1, inplace: bool = False
) -> Activation:
    """Return x clipped between two numbers."""
    return clamp(t, x, min_val, max_val)


def relu6(t: Translation, x: Activation, inplace: bool = False) -> Activation:
    """Return x clipped between 0 and 6."""
    return clamp(t, x, 0.0, 6.0)


def clamp(t: Translation, x: Activation, min_val: Any = None, max_val: Any = None) -> Activation:
    """Return x clipped between two constants, each a number or a tensor, or None."""
    if isinstance(min_val, torch.Tensor) or isinstance(max_val, torch.Tensor):
        x = x if min_val is None else t.say("Max", x, min_val)
        return x if max_val is None else t.say("Min", x, max_val)
    return t.say("Clip", x, min_val, max_val)


def add(t: Translation, x: Any, y: Any, alpha: float = 1) -> Activation:
    """Return ``x + alpha y``."""
    return t.say("Add", x, y if alpha == 1 else _times(t, y, alpha))


def subtract(t: Translation, x: Any, y: Any, alpha: float = 1) -> Activation:
    """Return ``x - alpha y``."""
    return t.say("Sub", x, y if alpha == 1 else _times(t, y, alpha))


def _times(t: Translation, y: Any, alpha: float) -> Any:
    if isinstance(y, Activation):
        return multiply(t, y, alpha)
    return torch.from_numpy(np.atleast_1d(t.wide(y) * t.wide(alpha)))


def multiply(t: Translation, x: Any, y: Any) -> Activation:
    """Return ``x y``, one of them constant."""
    return t.say("Mul", x, y)


def divide(t: Translation, x: Any, y: Any, rounding_mode: str | None = None) -> Activation:
    """Return ``x / y`` with a constant y."""
    if rounding_mode is not None:
        raise UnsupportedError("rounds its quotient: a network is piecewise linear")
    return t.say("Div", x, y)


def linear(t: Translation, x: Activation, weight: Any, bias: Any = None) -> Activation:
    """Return ``W x + b`` along the last axis."""
    matrix, offset = t.wide(weight), None if bias is None else t.wide(bias)
    if x.size == x.shape[-1] == matrix.shape[-1]:
        return t.builder.affine(x, Dense(matrix), (*x.shape[:-1], len(matrix)), offset)
    y = contract(t.builder, x, len(x.shape) - 1, matrix)
    return y if offset is None else t.builder.scale(y, 1.0, offset)


def convolution(
    t: Translation,
    x: Activation,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Activation:
    """Return the convolution over one or two dimensions."""
    kernel = list(t.constant(weight).shape[2:])
    axes = len(kernel)
    steps = _each(dilation, axes)
    match padding:
        case "valid":
            pads = [0] * 2 * axes
        case "same":
            missing = [step * (size - 1) for step, size in zip(steps, kernel, strict=True)]
            pads = [n // 2 for n in missing] + [n - n // 2 for n in missing]
        case str():
            raise UnsupportedError(f"has padding {padding!r}: write same, valid or numbers")
        case _:
            pads = _each(padding, axes) * 2
    return t.say(
        "Conv",
        x,
        weight,
        bias,
        kernel_shape=kernel,
        strides=_each(stride, axes),
        pads=pads,
        dilations=steps,
        group=groups,
    )


def max_pool(
    t: Translation,
    x: Activation,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Activation:
    """Return the largest entry of each window."""
    if return_indices:
        raise UnsupportedError("gives indices: only the largest values are handled")
    window = _window(x, kernel_size, stride, padding, ceil_mode)
    return t.say("MaxPool", x, dilations=_each(dilation, len(x.shape) - 2), **window)


def average_pool(
    t: Translation,
    x: Activation,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Activation:
    """Return the mean of each window."""
    if divisor_override is not None:
        raise UnsupportedError("overrides its divisor: leave divisor_override out")
    window = _window(x, kernel_size, stride, padding, ceil_mode)
    return t.say("AveragePool", x, count_include_pad=int(count_include_pad), **window)


def adaptive_average_pool(t: Translation, x: Activation, output_size: Any) -> Activation:
    """Return the mean of each channel."""
    if any(size != 1 for size in _each(output_size, len(x.shape) - 2)):
        raise UnsupportedError(f"has output_size {output_size}: only 1 is handled")
    return t.say("GlobalAveragePool", x)


def batch_norm(
    t: Translation,
    x: Activation,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Activation:
    """Return ``(x - mean) weight / sqrt(variance + eps) + bias`` by channel.

    The scale and the offset are computed in float64; the square root is irrational in general.
    """
    if training or running_mean is None or running_var is None:
        raise UnsupportedError("takes its statistics from the batch: track running statistics")
    gamma = 1.0 if weight is None else t.wide(weight)
    scale = np.asarray(gamma / np.sqrt(t.wide(running_var) + eps))
    offset = (0.0 if bias is None else t.wide(bias)) - t.wide(running_mean) * scale
    along = (-1, *(1,) * (len(x.shape) - 2))
    t.builder.note_rounding("the scale of a batch normalisation")
    return t.builder.scale(x, scale.reshape(along), offset.reshape(along))


def dropout(
    t: Translation, x: Activation, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Activation:
    """Return x: a network that is used drops nothing."""
    if training:
        raise UnsupportedError("drops at random: pass training=self.training")
    return x


def mean(t: Translation, x: Activation, dim: Sizes, keepdim: bool = False) -> Activation:
    """Return the mean over some axes."""
    axes = [dim] if isinstance(dim, int) else list(dim)
    return t.say("ReduceMean", x, axes=axes, keepdims=int(keepdim))


def _window(
    x: Activation, kernel: Sizes, stride: Sizes | None, padding: Sizes, ceil_mode: bool
) -> dict[str, Any]:
    """Return the attributes of a pool."""
    axes = len(x.shape) - 2
    return {
        "kernel_shape": _each(kernel, axes),
        "strides": _each(stride or kernel, axes),
        "pads": _each(padding, axes) * 2,
        "ceil_mode": int(ceil_mode),
    }


def _each(sizes: Sizes, axes: int) -> list[int]:
    """Return a size for each axis."""
    values = [int(sizes)] if isinstance(sizes, int) else [int(size) for size in sizes]
    return values * axes if len(values) == 1 else values


Lowering = Callable[..., Activation]
"""Takes a `Translation` and the arguments of a torch function, with the same names and defaults."""


def _of_one(word: str) -> Lowering:
    """Return the lowering of a function of one tensor that ONNX calls ``word``."""
    return lambda t, x: t.say(word, x)


def _of_two(word: str) -> Lowering:
    """Return the lowering of a function of two tensors that ONNX calls ``word``."""
    return lambda t, x, y: t.say(word, x, y)


FUNCTIONS: Final[Mapping[Any, Lowering]] = {
    **dict.fromkeys([functional.relu, torch.relu, torch.relu_], relu),
    **dict.fromkeys([functional.leaky_relu, functional.leaky_relu_], leaky_relu),
    **dict.fromkeys([functional.prelu, torch.prelu], prelu),
    **dict.fromkeys([functional.hardtanh, functional.hardtanh_], hardtanh),
    functional.relu6: relu6,
    **dict.fromkeys([torch.clamp, torch.clip], clamp),
    **dict.fromkeys([torch.abs, operator.abs], _of_one("Abs")),
    **dict.fromkeys([torch.neg, operator.neg], _of_one("Neg")),
    **dict.fromkeys([torch.add, operator.add, operator.iadd], add),
    **dict.fromkeys([torch.sub, operator.sub, operator.isub], subtract),
    **dict.fromkeys([torch.mul, operator.mul, operator.imul], multiply),
    **dict.fromkeys([torch.div, operator.truediv, operator.itruediv], divide),
    torch.maximum: _of_two("Max"),
    torch.minimum: _of_two("Min"),
    **dict.fromkeys([torch.matmul, operator.matmul], _of_two("MatMul")),
    functional.linear: linear,
    **dict.fromkeys([torch.conv1d, torch.conv2d], convolution),
    **dict.fromkeys([functional.max_pool1d, functional.max_pool2d], max_pool),
    **dict.fromkeys([functional.avg_pool1d, functional.avg_pool2d], average_pool),
    functional.adaptive_avg_pool1d: adaptive_average_pool,
    functional.adaptive_avg_pool2d: adaptive_average_pool,
    functional.batch_norm: batch_norm,
    functional.dropout: dropout,
    torch.mean: mean,
}
METHODS: Final[Mapping[str, Lowering]] = {
    **dict.fromkeys(["relu", "relu_"], relu),
    **dict.fromkeys(["clamp", "clamp_", "clip", "clip_"], clamp),
    "abs": _of_one("Abs"),
    "neg": _of_one("Neg"),
    **dict.fromkeys(["add", "add_"], add),
    **dict.fromkeys(["sub", "sub_"], subtract),
    **dict.fromkeys(["mul", "mul_"], multiply),
    **dict.fromkeys(["div", "div_"], divide),
    "maximum": _of_two("Max"),
    "minimum": _of_two("Min"),
    "matmul": _of_two("MatMul"),
    "mean": mean,
}


def _convolution_module(t: Translation, m: Any, x: Activation) -> Activation:
    if m.padding_mode != "zeros":
        raise UnsupportedError(f"has padding_mode {m.padding_mode!r}: only zeros is handled")
    return convolution(t, x, m.weight, m.bias, m.stride, m.padding, m.dilation, m.groups)


def _max_pool_module(t: Translation, m: Any, x: Activation) -> Activation:
    window = (m.kernel_size, m.stride, m.padding, m.dilation)
    return max_pool(t, x, *window, m.ceil_mode, m.return_indices)


def _average_pool_module(t: Translation, m: Any, x: Activation) -> Activation:
    divisor = getattr(m, "divisor_override", None)
    window = (m.kernel_size, m.stride, m.padding)
    return average_pool(t, x, *window, m.ceil_mode, m.count_include_pad, divisor)


def _batch_norm_module(t: Translation, m: Any, x: Activation) -> Activation:
    return batch_norm(t, x, m.running_mean, m.running_var, m.weight, m.bias, eps=m.eps)


MODULES: Final[Mapping[type[nn.Module], Callable[[Translation, Any, Activation], Activation]]] = {
    nn.Linear: lambda t, m, x: linear(t, x, m.weight, m.bias),
    **dict.fromkeys([nn.Conv1d, nn.Conv2d], _convolution_module),
    nn.ReLU: lambda t, m, x: relu(t, x),
    nn.LeakyReLU: lambda t, m, x: leaky_relu(t, x, m.negative_slope),
    nn.PReLU: lambda t, m, x: prelu(t, x, m.weight),
    **dict.fromkeys([nn.Hardtanh, nn.ReLU6], lambda t, m, x: clamp(t, x, m.min_val, m.max_val)),
    **dict.fromkeys([nn.MaxPool1d, nn.MaxPool2d], _max_pool_module),
    **dict.fromkeys([nn.AvgPool1d, nn.AvgPool2d], _average_pool_module),
    **dict.fromkeys(
        [nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d],
        lambda t, m, x: adaptive_average_pool(t, x, m.output_size),
    ),
    **dict.fromkeys([nn.BatchNorm1d, nn.BatchNorm2d], _batch_norm_module),
    **dict.fromkeys(
        [nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout],
        lambda t, m, x: x,
    ),
}
