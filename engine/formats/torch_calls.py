"""Calls of torch by what they do: move entries, ask for a form, keep a grid, or have a lowering."""

import operator
from collections.abc import Callable
from typing import Final

import torch
from torch import nn
from torch.nn.utils import parametrize

from .onnx_tensors import Activation
from .torch_lower import FUNCTIONS, METHODS, MODULES

MOVING: Final = frozenset(
    [
        *(torch.cat, torch.chunk, torch.flatten, torch.flip, torch.movedim, torch.narrow),
        *(torch.permute, torch.reshape, torch.split, torch.squeeze, torch.stack, torch.swapaxes),
        *(torch.transpose, torch.unbind, torch.unsqueeze, operator.getitem),
    ]
)
"""Functions that only move entries."""

MOVING_METHODS: Final = frozenset(
    [
        *("chunk", "clone", "contiguous", "detach", "expand", "flatten", "flip", "movedim"),
        *("narrow", "permute", "repeat", "reshape", "split", "squeeze", "swapaxes"),
        *("transpose", "unbind", "unflatten", "unsqueeze", "view"),
    ]
)
MOVING_MODULES: Final = (nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.ChannelShuffle)
CASTING_METHODS: Final = frozenset(["double", "float", "to", "type_as"])
"""Methods that keep every entry; that the element type stays is checked afterwards."""

ASKING_METHODS: Final = frozenset(["size", "dim", "ndimension"])
ASKED: Final = frozenset(["shape", "ndim", "dtype", "device"])
RENAMED: Final = {"input": "x", "other": "y", "min": "min_val", "max": "max_val"}
"""Names of torch's arguments that the lowerings spell otherwise."""


def lowering_of(module: nn.Module) -> Callable[..., Activation] | None:
    """Return the lowering of a module of torch; a parametrized one is what it was before."""
    kind = type(module)
    if parametrize.is_parametrized(module):
        kind = kind.__bases__[0]
    if kind not in MODULES and kind.__module__.startswith("torch.ao."):
        from .torch_quantized import QUANTIZED  # loads much, and for such modules alone

        return QUANTIZED.get(kind)
    return MODULES.get(kind)


def stays_on_grid(module: nn.Module) -> bool:
    """Return whether a module leaves quantized values on their grid, or rounds them as it says."""
    from .torch_quantized import KEEPING, QUANTIZED

    return type(module) in QUANTIZED or isinstance(module, KEEPING)


def handled() -> str:
    """Return the names of all modules, functions and methods that are handled."""
    modules = [kind.__name__ for kind in (*MODULES, *MOVING_MODULES)]
    functions = {function.__name__ for function in (*FUNCTIONS, *MOVING)}
    return ", ".join([*modules, *sorted(functions | set(METHODS) | MOVING_METHODS)])
