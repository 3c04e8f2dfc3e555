"""Compressed networks as ONNX files: numbers are stored as their forms say, and read back so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.formats import load, save
from ..engine.network import Affine
from .form import (
    Compressed,
    Fixed,
    Free,
    Grid,
    Half,
    Masked,
    Values,
    affine_layers,
    levels,
)
from .plain import plain

if TYPE_CHECKING:
    from ..engine.formats.onnx_stored import StoredGrid, StoredHalf

Array = NDArray[np.float64]

INT8 = 127
INT32 = 2**31 - 1


def save_compressed(compressed: Compressed, path: str | Path) -> None:
    """Write a compressed network as an ONNX file whose weights are stored as their forms say.

    Halves are float16 initializers, grids int8 or int32 ones with their scales; all else is
    float32. The file computes what the network computes.

    Args:
        compressed: the network and its forms.
        path: of the file, ending in .onnx; replaced in one step.

    Raises:
        InputError: another ending.
        UnsupportedError: a network or a grid that the format cannot hold.
        FileError: the file cannot be written.
    """
    from ..engine.formats.onnx_stored import StoredLayer

    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise InputError(f"{path}: compressed networks are stored as .onnx; end the name in that")
    stored = {}
    for node, layer in affine_layers(compressed.network):
        form = compressed.forms[node.name]
        runs = _run(layer)
        stored[node.name] = StoredLayer(_stored(form.weight, 1), _stored(form.bias, runs))
    save(compressed.network, path, stored=stored)


def load_compressed(path: str | Path) -> Compressed:
    """Return the network of a file and its forms, as the file stores its numbers.

    Where weights are plain floats their zeros are a mask if there are enough of them, see `plain`.
    What `save_compressed` wrote of a network that `compress` made is read as it was. A .nnet file
    holds plain floats.

    Args:
        path: of the file, ending in .onnx or .nnet.

    Raises:
        InputError: the file cannot be read or is not what its format asks for; a scale that is
            not positive.
        MismatchError: the import and the file's runtime disagree.
    """
    network, path = load(path), Path(path)
    compressed = plain(network)
    if path.suffix.lower() != ".onnx":
        return compressed
    from ..engine.formats.onnx_stored import stored_forms

    forms = dict(compressed.forms)
    stored = stored_forms(path)
    for node, layer in affine_layers(network):
        if (told := stored.get(node.name)) is None:
            continue
        form, run = forms[node.name], _run(layer)
        weight = _form(told.weight, layer.operator.weight, 1)
        bias = _form(told.bias, layer.bias, run)
        forms[node.name] = replace(form, weight=weight or form.weight, bias=bias or form.bias)
    return Compressed(network, forms)


def _run(layer: Affine) -> int:
    """Return how many biases one channel has: the positions of a convolution."""
    return int(layer.bias.size // len(layer.operator.weight))


def _stored(form: Values, run: int) -> StoredHalf | StoredGrid | None:
    """Return how numbers of a form are stored; a channel's `run` biases have one scale."""
    from ..engine.formats.onnx_stored import StoredGrid, StoredHalf

    match form:
        case Half():
            return StoredHalf()
        case Grid(scale=scale, low=low, high=high):
            short = max(-low, high) <= INT8 or (low, high) == (-INT8 - 1, INT8)
            return StoredGrid(scale[::run], "int8" if short else "int32")
        case Free() | Fixed() | Masked():
            return None
        case _ as never:
            assert_never(never)


def _form(stored: StoredHalf | StoredGrid | None, values: Array, run: int) -> Values | None:
    """Return the form of numbers that are stored in some way; None for floats."""
    from ..engine.formats.onnx_stored import StoredGrid, StoredHalf

    match stored:
        case StoredHalf():
            return Half()
        case StoredGrid(scale=scale, kind=kind):
            most = INT8 if kind == "int8" else INT32
            each = np.repeat(scale, run) if scale.size > 1 or run == values.size else scale
            if each.size not in (1, len(values)):  # of another array of the same numbers
                return None
            grid = Grid(each, -most - 1, most)
            # All numbers but the least have a negative: without it the grid is symmetric.
            return grid if (levels(grid, values) == -most - 1).any() else replace(grid, low=-most)
        case _:
            return None
