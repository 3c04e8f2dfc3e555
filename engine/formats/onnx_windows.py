"""Lowering of what slides a window over an image: convolutions and pools, and of reductions.

Images of one dimension count as images of height 1. Windows that reach past the image are spelled
out position by position, so a pool knows which entries it really covers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, UnsupportedError
from ..operators import Convolution, Dense
from .onnx_file import allowed_size
from .onnx_tensors import Activation, Builder, Lowering, Operation, Value

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """How a window slides over an image of ``size`` (height, width).

    Attributes:
        size, kernel, strides, dilations: (vertical, horizontal).
        before, after: entries of padding in front and behind, (vertical, horizontal).
        count: number of window positions, (vertical, horizontal).
    """

    size: Pair
    kernel: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    after: Pair
    count: Pair

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Padding (top, left, bottom, right) with which the last position just fits."""
        behind = tuple(
            max(self.after[i], self._reach(i) - self.size[i] - self.before[i]) for i in (0, 1)
        )
        return (*self.before, behind[0], behind[1])

    @property
    def plain(self) -> tuple[int, ...]:
        """Size of the padded image, (vertical, horizontal)."""
        return tuple(self.before[i] + self.size[i] + self.after[i] for i in (0, 1))

    def _reach(self, axis: int) -> int:
        return (self.count[axis] - 1) * self.strides[axis] + self.span(axis)

    def span(self, axis: int) -> int:
        """Return the length that the dilated kernel covers."""
        return self.dilations[axis] * (self.kernel[axis] - 1) + 1

    def _along(self, axis: int) -> NDArray[np.int64]:
        """Return, ``(positions, taps)``, the places in the padded image."""
        start = np.arange(self.count[axis])[:, None] * self.strides[axis]
        taps = np.arange(self.kernel[axis])[None, :] * self.dilations[axis]
        return start + taps

    def places(self) -> NDArray[np.int64]:
        """Return, ``(positions, taps)``, the flat place in the image, -1 outside it."""
        rows = self._along(0)[:, None, :, None] - self.before[0]
        columns = self._along(1)[None, :, None, :] - self.before[1]
        inside = (rows >= 0) & (rows < self.size[0]) & (columns >= 0) & (columns < self.size[1])
        flat = np.where(inside, rows * self.size[1] + columns, -1)
        return flat.reshape(self.count[0] * self.count[1], -1)

    def padded_taps(self) -> NDArray[np.int64]:
        """Return, for each position, how many taps lie in the padded image."""
        down = (self._along(0) < self.plain[0]).sum(axis=1)
        across = (self._along(1) < self.plain[1]).sum(axis=1)
        return np.asarray(np.outer(down, across).ravel(), dtype=np.int64)


def _image(op: Operation) -> tuple[Activation, int, Pair]:
    """Return the first input, its channels and its size as (height, width)."""
    x = op.activation(0)
    if len(x.shape) not in (3, 4):
        raise UnsupportedError(
            f"reads shape {list(x.shape)}: images of one or two dimensions are handled"
        )
    if x.shape[0] != 1:
        raise UnsupportedError(
            f"reads a batch of {x.shape[0]} images: export the model with a batch axis of 1"
        )
    height, width = (1, *x.shape[2:])[-2:]
    return x, x.shape[1], (height, width)


def _window(op: Operation, size: Pair, kernel: Sequence[int], flat: bool) -> Window:
    """Return the window that the attributes ask for; ``flat`` marks one-dimensional images."""

    def pair(name: str) -> Pair:
        values = [int(v) for v in op.attributes.get(name, [])] or [1] * (1 if flat else 2)
        return (1, values[0]) if flat else (values[0], values[1])

    strides, dilations = pair("strides"), pair("dilations")
    tall = (1, int(kernel[0])) if flat else (int(kernel[0]), int(kernel[1]))
    if min(*strides, *dilations, *tall) < 1:
        raise FormatError("has a stride, dilation or kernel below 1: correct the attributes")
    spans = [dilations[i] * (tall[i] - 1) + 1 for i in (0, 1)]
    mode = op.attributes.get("auto_pad", "NOTSET")
    before, after = (0, 0), (0, 0)
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        counts = [-(-size[i] // strides[i]) for i in (0, 1)]
        missing = [max((counts[i] - 1) * strides[i] + spans[i] - size[i], 0) for i in (0, 1)]
        less, more = [n // 2 for n in missing], [n - n // 2 for n in missing]
        front, back = (less, more) if mode == "SAME_UPPER" else (more, less)
        before, after = (front[0], front[1]), (back[0], back[1])
    elif mode == "NOTSET":
        pads = [int(v) for v in op.attributes.get("pads", [])] or [0] * (2 if flat else 4)
        if min(pads) < 0:
            raise UnsupportedError(f"has negative pads {pads}: slice the image in front of it")
        pads = [0, pads[0], 0, pads[1]] if flat else pads
        before, after = (pads[0], pads[1]), (pads[2], pads[3])
    elif mode != "VALID":
        raise FormatError(f"has auto_pad {mode!r}: correct the attribute")
    count = [0, 0]
    for i in (0, 1):
        room = size[i] + before[i] + after[i] - spans[i]
        count[i] = room // strides[i] + 1
        if op.attributes.get("ceil_mode", 0) and mode == "NOTSET":
            count[i] = -(-room // strides[i]) + 1
            if (count[i] - 1) * strides[i] >= size[i] + before[i]:
                count[i] -= 1  # a window that starts in the padding behind is left out
    if min(count) < 1:
        raise FormatError(f"has a kernel larger than its image of {list(size)}: correct the file")
    allowed_size([*count, *tall])
    allowed_size([size[i] + before[i] + after[i] for i in (0, 1)])
    return Window(size, tall, strides, dilations, before, after, (count[0], count[1]))


def convolution(b: Builder, op: Operation) -> Sequence[Value]:
    """Conv with a constant kernel, over one or two dimensions."""
    x, channels, size = _image(op)
    weight = op.constant(1)
    flat = len(x.shape) == 3
    if weight.ndim != len(x.shape):
        raise FormatError(f"applies a kernel {list(weight.shape)} to {list(x.shape)}: axes differ")
    stated = op.attributes.get("kernel_shape", weight.shape[2:])
    if tuple(stated) != weight.shape[2:]:
        raise FormatError(f"states kernel_shape {list(stated)} for a kernel {list(weight.shape)}")
    window = _window(op, size, weight.shape[2:], flat)
    kernel = weight[:, :, None, :] if flat else weight
    groups = int(op.attributes.get("group", 1))
    operator = _sliding(kernel, channels, size, window, groups)
    count = window.count[0] * window.count[1]
    bias = np.repeat(op.constant(2).astype(np.float64), count) if op.has(2) else None
    return [b.affine(x, operator, _shape_of(x, len(kernel), window), bias)]


def max_pool(b: Builder, op: Operation) -> Sequence[Value]:
    """MaxPool: a tree of ``max(x, y) = y + relu(x - y)`` over each window."""
    if any(op.outputs[1:]):
        raise UnsupportedError("has its second output (indices) read: only the first is handled")
    x, channels, size = _image(op)
    window = _window(op, size, op.attributes["kernel_shape"], len(x.shape) == 3)
    y = _largest(b, x, _by_channel(window.places(), channels, size))
    return [Activation(y.node, _shape_of(x, channels, window))]


def global_max_pool(b: Builder, op: Operation) -> Sequence[Value]:
    """GlobalMaxPool: a tree of maxima over each channel."""
    x = op.activation(0)
    kept = x.shape[:2]
    y = _largest(b, x, x.positions().reshape(int(np.prod(kept)), -1))
    return [Activation(y.node, kept + (1,) * (len(x.shape) - 2))]


def average_pool(b: Builder, op: Operation) -> Sequence[Value]:
    """AveragePool: sums of windows over the number of entries they cover.

    With ``count_include_pad`` zeros of the stated padding count as covered, entries beyond it not.
    """
    x, channels, size = _image(op)
    window = _window(op, size, op.attributes["kernel_shape"], len(x.shape) == 3)
    covered = (window.places() >= 0).sum(axis=1)
    if op.attributes.get("count_include_pad", 0):
        covered = window.padded_taps()
    if (covered == 0).any():
        raise FormatError("has a window that covers only padding: correct the pads")
    kernel = np.ones((channels, 1, *window.kernel))
    uniform = bool((covered == covered[0]).all())
    kernel = kernel / (int(covered[0]) if uniform else 1)
    operator = _sliding(kernel, channels, size, window, channels)
    b.note_rounding("one over the size of a window")
    y = b.affine(x, operator, _shape_of(x, channels, window))
    return [y if uniform else b.scale(y, np.tile(1.0 / covered, channels).reshape(y.shape))]


def global_average_pool(b: Builder, op: Operation) -> Sequence[Value]:
    """GlobalAveragePool: the mean of each channel."""
    x = op.activation(0)
    return [_reduce(b, x, tuple(range(2, len(x.shape))), True, mean=True)]


def reduce_mean(b: Builder, op: Operation) -> Sequence[Value]:
    """ReduceMean over any axes."""
    return [_reduction(b, op, mean=True)]


def reduce_sum(b: Builder, op: Operation) -> Sequence[Value]:
    """ReduceSum over any axes."""
    return [_reduction(b, op, mean=False)]


def _reduction(b: Builder, op: Operation, *, mean: bool) -> Activation:
    x = op.activation(0)
    given = op.setting("axes", 1)
    axes = [] if given is None else [int(axis) for axis in given]
    if not axes and op.attributes.get("noop_with_empty_axes", 0):
        return x
    chosen = tuple(axis % len(x.shape) for axis in axes) or tuple(range(len(x.shape)))
    return _reduce(b, x, chosen, bool(op.attributes.get("keepdims", 1)), mean=mean)


def _reduce(
    b: Builder, x: Activation, axes: tuple[int, ...], keep: bool, *, mean: bool
) -> Activation:
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    shape = tuple(
        1 if axis in axes else size for axis, size in enumerate(x.shape) if keep or axis in rest
    )
    kept = int(np.prod([x.shape[axis] for axis in rest]))
    count = x.size // kept
    weight = 1.0 / count if mean else 1.0
    if mean:
        b.note_rounding("one over the number of entries")
    if count == 1:
        return Activation(x.node, shape)
    if kept == 1:
        return b.affine(x, Dense(np.full((1, count), weight)), shape)
    moved = b.select(x, x.positions().transpose(*rest, *sorted(axes)).reshape(kept, count))
    kernel = Convolution(np.full((1, 1, 1, count), weight), (1, kept, count))
    return b.affine(moved, kernel, shape)


def _sliding(
    kernel: NDArray[Any], channels: int, size: Pair, window: Window, groups: int
) -> Convolution:
    operator = Convolution(
        kernel, (channels, *size), window.strides, window.padding, window.dilations, groups
    )
    if operator.shape_out[1:] != window.count:
        raise UnsupportedError(
            f"slides to {list(window.count)} positions where its padding has room for "
            f"{list(operator.shape_out[1:])}: reduce the padding"
        )
    return operator


def _shape_of(x: Activation, channels: int, window: Window) -> tuple[int, ...]:
    return (1, channels, *window.count[-(len(x.shape) - 2) :])


def _by_channel(places: NDArray[np.int64], channels: int, size: Pair) -> NDArray[np.int64]:
    """Return the places, -1 outside, of one channel repeated for all."""
    first = (np.arange(channels) * size[0] * size[1])[:, None, None]
    return np.where(places >= 0, places + first, -1).reshape(-1, places.shape[1])


def _largest(b: Builder, x: Activation, places: NDArray[Any]) -> Activation:
    """Return the largest entry at each row of ``places``; places below 0 do not count.

    Pairs that several windows share are compared once.
    """
    groups = [sorted({int(p) for p in row if p >= 0}) for row in places]
    if not all(groups):
        raise FormatError("has a window that covers only padding: correct the pads")
    while any(len(group) > 1 for group in groups):
        pairs: dict[Pair, int] = {}
        single: dict[int, int] = {}
        for group in groups:
            for i in range(0, len(group) - 1, 2):
                pairs.setdefault((group[i], group[i + 1]), len(pairs))
            if len(group) % 2:
                single.setdefault(group[-1], len(single))
        left, right = (np.array([pair[i] for pair in pairs]) for i in (0, 1))
        parts = [b.maximum(b.select(x, left), b.select(x, right))]
        if single:
            parts.append(b.select(x, np.array(list(single))))
        x = b.concat(parts)
        groups = [
            sorted(
                {pairs[group[i], group[i + 1]] for i in range(0, len(group) - 1, 2)}
                | ({len(pairs) + single[group[-1]]} if len(group) % 2 else set())
            )
            for group in groups
        ]
    return b.select(x, np.array([group[0] for group in groups]))


WINDOWS: Final[Mapping[str, Lowering]] = {
    "AveragePool": average_pool,
    "Conv": convolution,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "MaxPool": max_pool,
    "ReduceMean": reduce_mean,
    "ReduceSum": reduce_sum,
}
