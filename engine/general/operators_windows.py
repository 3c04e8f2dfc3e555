"""Rules of what slides a window over an image of any number of dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, UnsupportedError
from ..formats.onnx_file import allowed_size
from .dot import contract
from .enclosure import Enclosure, Shape, enclose
from .step import Rule, Step, Values


def taps(step: Step, size: Shape, kernel: Sequence[int]) -> tuple[NDArray[np.int64], Shape, Any]:
    """Return where the window's entries lie.

    Args:
        step: holds strides, dilations and padding.
        size: of the image.
        kernel: size of the window.

    Returns:
        ``(positions, taps)`` flat places in the image, -1 outside it; the shape of the positions;
        and for each position the number of taps inside the padded image.

    Raises:
        FormatError: attributes that do not fit together.
    """
    key = ("taps", size, tuple(kernel))
    found: tuple[NDArray[np.int64], Shape, Any] = step.once(key, lambda: _taps(step, size, kernel))
    return found


def _taps(
    step: Step, size: Shape, kernel: Sequence[int]
) -> tuple[NDArray[np.int64], Shape, NDArray[np.int64]]:
    axes = range(len(size))
    strides = _list(step, "strides", [1] * len(size))
    dilations = _list(step, "dilations", [1] * len(size))
    if len(kernel) != len(size) or min(*strides, *dilations, *kernel, 1) < 1:
        raise FormatError("has a kernel, strides or dilations that do not fit its image")
    spans = [dilations[i] * (kernel[i] - 1) + 1 for i in axes]
    before, after = _padding(step, size, spans, strides)
    flat = np.zeros((1, 1), dtype=np.int64)
    inside = np.ones((1, 1), dtype=bool)
    padded = np.ones(1, dtype=np.int64)
    shape = []
    for i in axes:
        count = _positions(step, size[i], before[i], after[i], spans[i], strides[i])
        shape.append(count)
        starts = np.arange(count)[:, None] * strides[i] - before[i]
        at = starts + np.arange(kernel[i])[None] * dilations[i]
        fits = (at >= 0) & (at < size[i])
        flat = (flat[:, None, :, None] * size[i] + at[None, :, None, :]).reshape(
            len(flat) * count, -1
        )
        inside = (inside[:, None, :, None] & fits[None, :, None, :]).reshape(len(flat), -1)
        reached = (at < size[i] + after[i]).sum(axis=1)
        padded = (padded[:, None] * reached[None]).ravel()
    return np.where(inside, flat, -1), tuple(shape), padded


def _positions(step: Step, size: int, before: int, after: int, span: int, stride: int) -> int:
    """Return how many positions the window has along one axis."""
    room = size + before + after - span
    count = room // stride + 1
    if (
        step.attributes.get("ceil_mode", 0)
        and step.attributes.get("auto_pad", "NOTSET") == "NOTSET"
    ):
        count = -(-room // stride) + 1
        if (count - 1) * stride >= size + before:
            count -= 1  # a window that starts in the padding behind is left out
    if room < 0 or count < 1:
        raise FormatError(f"has a kernel larger than its image of size {size}: correct the file")
    return count


def _padding(
    step: Step, size: Shape, spans: Sequence[int], strides: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Return the padding in front of and behind each axis."""
    mode = step.attributes.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pairs = zip(size, spans, strides, strict=True)
        missing = [max((-(-n // s) - 1) * s + span - n, 0) for n, span, s in pairs]
        less, more = [n // 2 for n in missing], [n - n // 2 for n in missing]
        return (less, more) if mode == "SAME_UPPER" else (more, less)
    if mode == "VALID":
        return [0] * len(size), [0] * len(size)
    pads = _list(step, "pads", [0] * (2 * len(size)))
    if mode != "NOTSET" or len(pads) != 2 * len(size) or min(pads, default=0) < 0:
        raise FormatError(f"has auto_pad {mode!r} and pads {pads}, which do not fit its image")
    return pads[: len(size)], pads[len(size) :]


def _list(step: Step, name: str, default: list[int]) -> list[int]:
    values = [int(value) for value in step.attributes.get(name) or default]
    if len(values) != len(default):
        raise FormatError(f"has {name} {values} where {len(default)} numbers are needed")
    return values


def _gathered(x: Enclosure, at: NDArray[np.int64], outside: float) -> Enclosure:
    """Return the entries ``(boxes, channels, positions, taps)`` of the windows of an image."""
    boxes, channels = x.low.shape[0], x.shape[1]
    allowed_size((channels, *at.shape))
    index, missing = np.maximum(at, 0), at < 0

    def take(part: NDArray[Any], fill: float) -> NDArray[Any]:
        return np.where(missing, fill, part.reshape(boxes, channels, -1)[:, :, index])

    return Enclosure(take(x.low, outside), take(x.high, outside), take(x.error, 0.0), x.kind)


def _image(x: Enclosure) -> Shape:
    if len(x.shape) < 3 or x.shape[0] != 1:
        raise UnsupportedError(
            f"reads shape {list(x.shape)}: a batch of one image with channels is handled"
        )
    return x.shape[2:]


def convolution(step: Step, values: Values) -> Values:
    """Conv with a constant kernel, as sums of products: no transformed algorithm."""
    x, weight = values[0], step.constant(1)
    at, shape, _ = taps(step, _image(x), weight.shape[2:])
    groups = int(step.attributes.get("group", 1))
    channels, makes = x.shape[1] // groups, len(weight) // groups
    windows = _gathered(x, at, 0.0)
    parts = []
    for group in range(groups):
        own = slice(group * channels, (group + 1) * channels)
        rows = windows.map(lambda part, own=own: _rows(part[:, own]))  # type: ignore[misc]
        kernel = weight[group * makes : (group + 1) * makes].reshape(makes, -1).T
        dot = contract(rows, Enclosure.constant(kernel))
        if step.has(2):
            bias = Enclosure.constant(step.constant(2)[group * makes : (group + 1) * makes])
            dot = dot.plus(bias.ranked(2))
        result = dot.rounded(x.kind)
        parts.append(result.map(lambda part: np.moveaxis(part, -1, 1)))
    low, high, error = (
        np.concatenate(arrays, axis=1).reshape(-1, 1, len(weight), *shape)
        for arrays in zip(*((p.low, p.high, p.error) for p in parts), strict=True)
    )
    return [Enclosure(low, high, error, x.kind)]


def _rows(part: NDArray[Any]) -> NDArray[Any]:
    """Return windows ``(boxes, channels, positions, taps)`` as rows over channels and taps."""
    boxes, channels, positions, count = part.shape
    return part.transpose(0, 2, 1, 3).reshape(boxes, positions, channels * count)


def max_pool(step: Step, values: Values) -> Values:
    """MaxPool and GlobalMaxPool; only the first output."""
    x = values[0]
    size = _image(x)
    if step.operator == "GlobalMaxPool":
        at, shape = np.arange(int(np.prod(size)))[None], (1,) * len(size)
    else:
        at, shape, _ = taps(step, size, step.attributes["kernel_shape"])
    if (at < 0).all(axis=1).any():
        raise FormatError("has a window that covers only padding: correct the pads")
    used = np.where(at < 0, at.max(axis=1, keepdims=True), at)  # some entry once more
    windows = _gathered(x, used, 0.0)
    low, high = windows.low.max(axis=-1), windows.high.max(axis=-1)
    least = windows.least.max(axis=-1, keepdims=True)
    rivals = windows.most >= least
    error = np.where(rivals, windows.error, 0.0).max(axis=-1)
    known = np.isfinite(windows.low).all(axis=-1) & np.isfinite(windows.high).all(axis=-1)
    low, high = np.where(known, low, -np.inf), np.where(known, high, np.inf)
    error = np.where(np.isfinite(windows.error).all(axis=-1), error, np.inf)
    whole = (-1, 1, x.shape[1], *shape)
    low, high, error = (part.reshape(whole) for part in (low, high, error))
    return [enclose(low, high, error, x.kind)]


def average_pool(step: Step, values: Values) -> Values:
    """AveragePool over what a window covers, or over its padding too."""
    x = values[0]
    at, shape, padded = taps(step, _image(x), step.attributes["kernel_shape"])
    covered = (at >= 0).sum(axis=1)
    if step.attributes.get("count_include_pad", 0):
        covered = padded
    if (covered == 0).any():
        raise FormatError("has a window that covers only padding: correct the pads")
    ones = Enclosure.constant(np.ones((at.shape[1], 1), dtype=np.float64))
    dot = contract(_gathered(x, at, 0.0), ones).over(covered.astype(np.float64)[:, None])
    return [dot.map((-1, 1, x.shape[1], *shape)).rounded(x.kind)]


WINDOWS: Final[Mapping[str, Rule]] = {
    "AveragePool": average_pool,
    "Conv": convolution,
    "GlobalMaxPool": max_pool,
    "MaxPool": max_pool,
}
