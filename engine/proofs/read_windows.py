"""Operators that slide a window over images of any number of dimensions, and pools of all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .model import FormatError
from .read_graph import ENTRIES
from .read_linear import gathered
from .read_operation import Lowering, Operation
from .read_values import Builder, Tensor, Value, wide

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Where a window stands; each attribute holds one number for each dimension of the image.

    Attributes:
        size: of the image.
        kernel: taps.
        strides: between positions.
        dilations: between taps.
        before, after: padding in front and behind.
        count: positions.
    """

    size: Sizes
    kernel: Sizes
    strides: Sizes
    dilations: Sizes
    before: Sizes
    after: Sizes
    count: Sizes

    def along(self, axis: int) -> NDArray[np.int64]:
        """Return, ``(positions, taps)``, places in the image along a dimension."""
        starts = np.arange(self.count[axis], dtype=np.int64) * self.strides[axis]
        taps = np.arange(self.kernel[axis], dtype=np.int64) * self.dilations[axis]
        return starts[:, None] + taps[None, :] - self.before[axis]

    def places(self) -> NDArray[np.int64]:
        """Return, ``(positions, taps)``, flat places in the image; -1 outside of it."""
        flat, inside = np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.bool_)
        for axis, size in enumerate(self.size):
            here = self.along(axis)
            good = (here >= 0) & (here < size)
            shape = (len(flat) * len(here), flat.shape[1] * here.shape[1])
            flat = (flat[:, None, :, None] * size + here[None, :, None, :]).reshape(shape)
            inside = (inside[:, None, :, None] & good[None, :, None, :]).reshape(shape)
        return np.where(inside, flat, -1)

    def padded(self) -> NDArray[np.int64]:
        """Return how many taps of each position are on the image or its stated padding."""
        found = np.ones(1, dtype=np.int64)
        for axis, size in enumerate(self.size):
            on = (self.along(axis) < size + self.after[axis]).sum(axis=1)
            found = np.outer(found, on).ravel()
        return found


def window_of(b: Builder, op: Operation, x: Tensor, kernel: Sequence[int]) -> Window:
    """Return the window that the attributes of an operator ask for.

    Raises:
        FormatError: attributes that do not fit the image; a window too large to hold.
    """
    size = x.shape[2:]
    dims = len(size)

    def each(name: str, count: int, default: int, least: int) -> list[int]:
        found = op.wholes(name)
        found = [default] * count if found is None else found
        if len(found) != count or min(found) < least or max(found) > ENTRIES:
            raise FormatError(f"has {name} {found} for {dims} dimensions: correct the attribute")
        return found

    strides, dilations = each("strides", dims, 1, 1), each("dilations", dims, 1, 1)
    pads, mode = each("pads", 2 * dims, 0, 0), op.text("auto_pad", "NOTSET")
    if len(kernel) != dims or min(kernel) < 1 or max(kernel) > ENTRIES:
        raise FormatError(f"has a kernel {list(kernel)} for an image {list(size)}: correct it")
    spans = [dilations[i] * (kernel[i] - 1) + 1 for i in range(dims)]
    before, after = pads[:dims], pads[dims:]
    match mode:
        case "NOTSET":
            pass
        case "VALID":
            before = after = [0] * dims
        case "SAME_UPPER" | "SAME_LOWER":
            counts = [-(-size[i] // strides[i]) for i in range(dims)]
            lack = [max((counts[i] - 1) * strides[i] + spans[i] - size[i], 0) for i in range(dims)]
            less, more = [n // 2 for n in lack], [n - n // 2 for n in lack]
            before, after = (less, more) if mode == "SAME_UPPER" else (more, less)
        case _:
            raise FormatError(f"has auto_pad {mode!r}: correct the attribute")
    if mode != "NOTSET" and any(pads):
        raise FormatError(f"has pads beside auto_pad {mode!r}: state one of them")
    up, count = bool(op.whole("ceil_mode", 0)) and mode == "NOTSET", []
    for i in range(dims):
        room = size[i] + before[i] + after[i] - spans[i]
        steps = room // strides[i] + 1
        if up:
            steps = -(-room // strides[i]) + 1
            if (steps - 1) * strides[i] >= size[i] + before[i]:
                steps -= 1  # a window that starts in the padding behind is left out
        count.append(steps)
    if min(count) < 1:
        raise FormatError(f"has a kernel larger than its image of {list(size)}: correct the file")
    b.entries.take(prod(count) * prod(kernel))
    fields = (size, kernel, strides, dilations, before, after, count)
    return Window(*(tuple(int(n) for n in each) for each in fields))


def _image(op: Operation) -> Tensor:
    x = op.tensor(0)
    if not 3 <= len(x.shape) <= 5 or x.shape[0] != 1:
        raise FormatError(
            f"reads the shape {list(x.shape)}: one image of one to three dimensions is handled"
        )
    return x


def convolution(b: Builder, op: Operation) -> Sequence[Value]:
    """Conv with a constant kernel, as a full matrix."""
    x, kernel = _image(op), wide(op.constant(1))
    groups, stated = op.whole("group", 1), op.wholes("kernel_shape")
    channels = x.shape[1]
    if kernel.ndim != len(x.shape) or (stated is not None and tuple(stated) != kernel.shape[2:]):
        raise FormatError(f"applies a kernel {list(kernel.shape)} to {list(x.shape)}: correct it")
    out, part = kernel.shape[:2]
    if groups < 1 or out < 1 or part * groups != channels or out % groups:
        raise FormatError(f"has {groups} groups for {channels} channels and {out} kernels")
    window = window_of(b, op, x, kernel.shape[2:])
    places = window.places()
    positions, area = len(places), prod(window.size)
    weight = b.matrix(out * positions, x.size)
    entries = weight.reshape(groups, out // groups, positions, groups, part, area)
    taps = kernel.reshape(groups, out // groups, part, -1)
    position, tap = np.nonzero(places >= 0)
    for group in range(groups):
        block = entries[group, :, :, group]
        block[:, position, :, places[position, tap]] = np.moveaxis(taps[group][:, :, tap], -1, 0)
    bias = np.zeros(out * positions)
    if op.has(2):
        given = wide(op.constant(2))
        if given.shape != (out,):
            raise FormatError(f"has biases of shape {list(given.shape)} for {out} kernels")
        bias = np.repeat(given, positions)
    return [b.affine(x, weight, bias, (1, out, *window.count), "product")]


def max_pool(b: Builder, op: Operation) -> Sequence[Value]:
    """MaxPool, as a tree of ``max(x, y) = y + relu(x - y)``."""
    x, kernel = _image(op), op.wholes("kernel_shape")
    if any(op.read[1:]) or op.whole("storage_order", 0) or kernel is None:
        raise FormatError("has its indices read, or no kernel: only its first output is handled")
    window = window_of(b, op, x, kernel)
    places = window.places()
    if (places < 0).all(axis=1).any():
        raise FormatError("has a window that covers only padding: correct the pads")
    first = places[np.arange(len(places)), (places >= 0).argmax(axis=1)]
    places = np.where(places >= 0, places, first[:, None])
    return [_largest(b, x, _by_channel(b, x, places), (*x.shape[:2], *window.count))]


def global_max_pool(b: Builder, op: Operation) -> Sequence[Value]:
    """GlobalMaxPool."""
    x = _image(op)
    places = np.arange(prod(x.shape[2:]), dtype=np.int64)[None, :]
    shape = (*x.shape[:2], *[1] * (len(x.shape) - 2))
    return [_largest(b, x, _by_channel(b, x, places), shape)]


def average_pool(b: Builder, op: Operation) -> Sequence[Value]:
    """AveragePool, where each window covers one and the same power of two of entries."""
    x, kernel = _image(op), op.wholes("kernel_shape")
    if kernel is None:
        raise FormatError("has no kernel_shape: export the model again")
    window = window_of(b, op, x, kernel)
    places = window.places()
    covered = (places >= 0).sum(axis=1)
    if op.whole("count_include_pad", 0):
        covered = window.padded()
    if covered.min() != covered.max() or not covered.min():
        raise FormatError("has windows that cover different numbers of entries: not handled")
    shape = (*x.shape[:2], *window.count)
    return [gathered(b, x, _by_channel(b, x, places), int(covered[0]), shape)]


def global_average_pool(b: Builder, op: Operation) -> Sequence[Value]:
    """GlobalAveragePool over a number of entries that is a power of two."""
    x = _image(op)
    places = np.arange(prod(x.shape[2:]), dtype=np.int64)[None, :]
    shape = (*x.shape[:2], *[1] * (len(x.shape) - 2))
    return [gathered(b, x, _by_channel(b, x, places), places.size, shape)]


def _by_channel(b: Builder, x: Tensor, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places in one channel repeated for all of them, -1 kept."""
    b.entries.take(x.shape[1] * places.size)
    starts = np.arange(x.shape[1], dtype=np.int64) * prod(x.shape[2:])
    found = np.where(places >= 0, places + starts[:, None, None], -1)
    return found.reshape(-1, places.shape[1])


def _largest(b: Builder, x: Tensor, places: NDArray[np.int64], shape: Sizes) -> Tensor:
    """Return the largest value at each row of ``places``."""
    columns = [places[:, tap] for tap in range(places.shape[1])]
    if len(columns) > 1024:
        raise FormatError(f"takes the largest of {len(columns)} numbers: not handled")
    parts = [b.select(x, column) for column in columns]
    while len(parts) > 1:
        left = [b.maximum(*pair) for pair in zip(parts[0::2], parts[1::2], strict=False)]
        parts = left + parts[2 * len(left) :]
    return Tensor(parts[0].node, shape, x.dtype)


WINDOWS: Final[Mapping[str, Lowering]] = {
    "AveragePool": average_pool,
    "Conv": convolution,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "MaxPool": max_pool,
}
