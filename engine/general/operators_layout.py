"""Rules of what only moves entries: the runtime moves positions once, boxes follow by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedError
from .enclosure import Enclosure, Shape
from .fold import run_step
from .step import Rule, Step, Values


def places(step: Step, shape: Shape, output: int = 0) -> NDArray[np.int64]:
    """Return where each entry of an output comes from: its flat place in the first input.

    Entries of padding have place -1.

    Args:
        step: a step that moves entries of its first input, of this shape.
        shape: of the first input, without the axis of boxes.
        output: which of its outputs.
    """
    found: list[NDArray[np.int64]] = step.once(("places", shape), lambda: _places(step, shape))
    return found[output]


def _places(step: Step, shape: Shape) -> list[NDArray[np.int64]]:
    positions = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.float64).reshape(shape)
    inputs: list[NDArray[Any] | None] = [positions]
    inputs += [step.constant(i) if step.has(i) else None for i in range(1, len(step.names))]
    attributes = dict(step.attributes)
    if step.operator == "Pad":
        if step.opset >= 11:
            inputs = [*inputs[:2], np.array(-1.0), *inputs[3:]]
        else:
            attributes["value"] = -1.0
    results = run_step(step.operator, step.opset, attributes, inputs, step.outputs)
    return [np.asarray(result).astype(np.int64) for result in results]


def rearrange(step: Step, values: Values) -> Values:
    """Reshape, Transpose, Slice, Split, Gather and their like, with constant settings."""
    x = values[0]
    return [_taken(x, places(step, x.shape, output)) for output in range(step.outputs)]


def _taken(x: Enclosure, at: NDArray[np.int64]) -> Enclosure:
    boxes = x.low.shape[0]
    flat, shape = at.ravel(), (boxes, *at.shape)
    return x.map(lambda part: part.reshape(boxes, -1)[:, flat].reshape(shape))


def concat(step: Step, values: Values) -> Values:
    """Concat."""
    axis = int(step.attributes["axis"]) % len(values[0].shape) + 1
    boxes = max(value.low.shape[0] for value in values)
    parts = [
        value.map(lambda part: np.broadcast_to(part, (boxes, *part.shape[1:]))) for value in values
    ]
    low, high, error = (
        np.concatenate(arrays, axis=axis)
        for arrays in zip(*((p.low, p.high, p.error) for p in parts), strict=True)
    )
    return [Enclosure(low, high, error, values[0].kind)]


def pad(step: Step, values: Values) -> Values:
    """Pad in any mode."""
    x = values[0]
    at = places(step, x.shape)
    given = step.setting("value", 2, 0.0)
    value = float(np.asarray(given, dtype=np.float64).reshape(()))
    if not np.isfinite(value):
        raise UnsupportedError(f"pads with {value}: only finite numbers are handled")
    taken = _taken(x, np.maximum(at, 0))
    outside = at < 0
    return [
        Enclosure(
            np.where(outside, value, taken.low),
            np.where(outside, value, taken.high),
            np.where(outside, 0.0, taken.error),
            x.kind,
        )
    ]


def filled(step: Step, values: Values) -> Values:
    """ConstantOfShape of a shape that depends on the inputs, which is not handled.

    One of a constant shape, as of the shape of any tensor, is a constant and does not come here.
    """
    return [Enclosure.constant(step.constant(0))]


LAYOUTS: Final[Mapping[str, Rule]] = {
    "Concat": concat,
    "ConstantOfShape": filled,
    "DepthToSpace": rearrange,
    "Expand": rearrange,
    "Flatten": rearrange,
    "Gather": rearrange,
    "Pad": pad,
    "Reshape": rearrange,
    "Slice": rearrange,
    "SpaceToDepth": rearrange,
    "Split": rearrange,
    "Squeeze": rearrange,
    "Tile": rearrange,
    "Transpose": rearrange,
    "Unsqueeze": rearrange,
}
MOVING: Final = frozenset(LAYOUTS) - {"Concat", "ConstantOfShape", "Pad"} | {"Identity", "Dropout"}
"""Operators each entry of whose outputs is an entry of the first input."""
