"""Operators that only move entries, on constants and on what depends on the input alike.

Each one is said once, for an array: of a constant its values are moved, of a tensor of the network
the places of its values, by which these are then selected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .model import FormatError
from .read_graph import AXES, ENTRIES
from .read_operation import Lowering, Operation
from .read_values import Builder, Constant, Tensor, Value, wide

Moved = Callable[[NDArray[Any], Operation], Sequence[NDArray[Any]]]

KINDS: Final[Mapping[int, str]] = {
    1: "float32",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}
"""Element types that Cast may name."""


def _rearranged(move: Moved, b: Builder, op: Operation) -> Sequence[Value]:
    match op.value(0):
        case Constant(values=values):
            return [Constant(each) for each in move(values, op)]
        case Tensor() as x:
            return [b.select(x, places) for places in move(b.positions(x.shape), op)]


def flatten(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Flatten into two axes."""
    axis = op.whole("axis", 1)
    if not -x.ndim <= axis <= x.ndim:
        raise FormatError(f"flattens at axis {axis} of {x.ndim}: correct the attribute")
    axis += x.ndim if axis < 0 else 0
    return [x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))]


def reshape(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Reshape; 0 keeps an axis, -1 takes what is left."""
    shape, literal = op.wholes("shape", since=5), bool(op.whole("allowzero", 0))
    if shape is None or min(shape, default=0) < -1 or shape.count(-1) > 1 or len(shape) > AXES:
        raise FormatError(f"asks for the shape {shape}: correct it")
    if not literal:
        if any(size == 0 and axis >= x.ndim for axis, size in enumerate(shape)):
            raise FormatError(f"keeps an axis in {shape} that {list(x.shape)} has not: correct it")
        shape = [size or x.shape[axis] for axis, size in enumerate(shape)]
    known = prod(size for size in shape if size != -1)
    if (known != x.size) if -1 not in shape else (not known or x.size % known):
        raise FormatError(f"asks for the shape {shape} of {x.size} entries: correct it")
    return [x.reshape(shape)]


def transpose(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Transpose; the axes turn round where no order is given."""
    order = op.wholes("perm")
    if order is not None and sorted(order) != list(range(x.ndim)):
        raise FormatError(f"orders {x.ndim} axes as {order}: correct the attribute")
    return [x.transpose(order)]


def squeeze(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Squeeze axes of size 1, all of them where none is named."""
    axes = op.wholes("axes", since=13)
    chosen = [a for a, n in enumerate(x.shape) if n == 1] if axes is None else _axes(axes, x.ndim)
    if any(x.shape[axis] != 1 for axis in chosen):
        raise FormatError(f"squeezes the axes {chosen} of {list(x.shape)}, not all of size 1")
    return [x.reshape([n for axis, n in enumerate(x.shape) if axis not in chosen])]


def unsqueeze(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Unsqueeze: new axes of size 1."""
    axes = op.wholes("axes", since=13)
    if axes is None or x.ndim + len(axes) > AXES:
        raise FormatError("names no axes, or too many: export the model again")
    rank = x.ndim + len(axes)
    chosen, sizes = _axes(axes, rank), iter(x.shape)
    return [x.reshape([1 if axis in chosen else next(sizes) for axis in range(rank)])]


def _axes(axes: Sequence[int], rank: int) -> list[int]:
    found = [_axis(axis, rank) for axis in axes]
    if len(set(found)) != len(found):
        raise FormatError(f"names an axis twice in {list(axes)}: correct it")
    return found


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise FormatError(f"names axis {axis} of {rank}: correct it")
    return axis % rank


def slice_(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Slice by constant limits."""
    starts = op.wholes("starts", since=10, index=1)
    ends = op.wholes("ends", since=10, index=2)
    axes = op.wholes("axes", since=10, index=3)
    steps = op.wholes("steps", since=10, index=4) if op.opset >= 10 else None
    if starts is None or ends is None:
        raise FormatError("has no limits: export the model again")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise FormatError("has lists of different lengths, or a step of 0: export it again")
    cut = [slice(None)] * x.ndim
    for axis, *limits in zip(_axes(axes, x.ndim), starts, ends, steps, strict=True):
        cut[axis] = slice(*limits)
    return [x[tuple(cut)]]


def split(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Split along an axis, into equal parts where no sizes are given."""
    axis, sizes = op.whole("axis", 0), op.wholes("split", since=13)
    stated = op.whole("num_outputs", 0) if op.opset >= 18 else 0
    axis, count = _axis(axis, x.ndim), len(op.step.outputs)
    room = x.shape[axis]
    if sizes is None:
        if stated not in (0, count) or (room % count and not stated):
            raise FormatError(f"splits {room} entries into {count} equal parts: correct the file")
        each = -(-room // count)
        sizes = [each] * (count - 1) + [room - each * (count - 1)]
    elif stated:
        raise FormatError("states sizes and a number of parts: state one of them")
    if len(sizes) != count or sum(sizes) != room or min(sizes) < 0:
        raise FormatError(f"splits {room} entries into {count} parts of sizes {sizes[:9]}")
    ends = np.cumsum(sizes)[:-1].tolist()
    parts = np.split(x, ends, axis=axis)
    return [part if read else x.reshape(-1)[:1] for part, read in zip(parts, op.read, strict=True)]


def gather(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Gather by constant indices; below 0 they count from the end."""
    indices, axis = op.constant(1), _axis(op.whole("axis", 0), x.ndim)
    room = x.shape[axis]
    if indices.dtype.kind != "i" or (
        indices.size and not -room <= indices.min() <= indices.max() < room
    ):
        raise FormatError(f"gathers beyond the {room} entries of axis {axis}: correct the indices")
    if x.size // max(room, 1) * indices.size > ENTRIES:
        raise FormatError(f"gathers more than {ENTRIES} entries: not handled")
    return [np.take(x, indices.astype(np.int64), axis=axis)]


def expand(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Expand to a shape, by broadcasting both ways."""
    asked = op.wholes("shape", since=1)
    if asked is None or min(asked, default=1) < 1 or len(asked) > AXES:
        raise FormatError(f"asks for the shape {asked}: correct it")
    if prod(asked) > ENTRIES or prod(shape := np.broadcast_shapes(x.shape, tuple(asked))) > ENTRIES:
        raise FormatError(f"asks for more than {ENTRIES} entries: not handled")
    return [np.broadcast_to(x, shape)]


def tile(x: NDArray[Any], op: Operation) -> Sequence[NDArray[Any]]:
    """Tile by constant numbers of repeats."""
    repeats = op.wholes("repeats", since=1)
    if repeats is None or len(repeats) != x.ndim or min(repeats, default=1) < 1:
        raise FormatError(f"repeats {x.ndim} axes {repeats} times: correct it")
    if prod(repeats) * x.size > ENTRIES:
        raise FormatError(f"asks for more than {ENTRIES} entries: not handled")
    return [np.tile(x, repeats)]


def pad(b: Builder, op: Operation) -> Sequence[Value]:
    """Pad with a constant, the nearest entry, or a reflection; the constant is one more neuron."""
    x, mode = op.tensor(0), op.text("mode", "constant")
    pads, rank = op.wholes("pads", since=11), len(x.shape)
    named = op.wholes("axes", since=18, index=3) if op.opset >= 18 else None
    axes = list(range(rank)) if named is None else _axes(named, rank)
    value = op.real("value", 0.0) if op.opset < 11 else 0.0
    if op.opset >= 11 and op.has(2):
        value = float(wide(op.constant(2)).reshape(()))
    if pads is None or len(pads) != 2 * len(axes) or min(pads, default=0) < 0:
        raise FormatError(f"has the pads {pads} for {len(axes)} axes: none may be below 0")
    widths = [(0, 0)] * rank
    for place, axis in enumerate(axes):
        widths[axis] = (pads[place], pads[place + len(axes)])
    if prod(n + sum(each) for n, each in zip(x.shape, widths, strict=True)) > ENTRIES:
        raise FormatError(f"asks for more than {ENTRIES} entries: not handled")
    places = b.positions(x.shape)
    match mode:
        case "constant":
            filled = b.concat([x, b.lift(np.array([value]), x.dtype)])
            return [b.select(filled, np.pad(places, widths, constant_values=x.size))]
        case "edge":
            return [b.select(x, np.pad(places, widths, mode="edge"))]
        case "reflect":
            if any(max(each) >= n for n, each in zip(x.shape, widths, strict=True)):
                raise FormatError("reflects more than an axis has: correct the pads")
            return [b.select(x, np.pad(places, widths, mode="reflect"))]
        case _:
            raise FormatError(f"has mode {mode!r}: handled are constant, edge and reflect")


def same(b: Builder, op: Operation) -> Sequence[Value]:
    """Identity."""
    return [op.value(0)]


def dropout(b: Builder, op: Operation) -> Sequence[Value]:
    """Dropout in inference, which is nothing."""
    if op.opset < 12:
        op.attribute("ratio")
    else:
        op.attribute("seed")
        if op.has(1):
            op.constant(1)
        if op.has(2) and op.constant(2).any():
            raise FormatError("is in training mode: export the model for inference")
    if any(op.read[1:]):
        raise FormatError("has its mask read: only its first output is handled")
    return [op.value(0)]


def cast(b: Builder, op: Operation) -> Sequence[Value]:
    """Cast to a type that holds every number, of constants or of what depends on the input."""
    kind = KINDS.get(op.whole("to"))
    value = op.value(0)
    if kind is None:
        raise FormatError(f"converts to element type number {op.whole('to')}: not handled")
    if isinstance(value, Tensor):
        if np.dtype(kind).kind != "f" or np.dtype(kind).itemsize < np.dtype(value.dtype).itemsize:
            raise FormatError(f"rounds {value.dtype} to {kind}: only wider types are handled")
        return [Tensor(value.node, value.shape, kind)]
    values = value.values
    if values.dtype.kind == "f" and kind.startswith("int"):
        limit = 2.0 ** (8 * np.dtype(kind).itemsize - 1)
        if not (np.abs(wide(values)) < limit).all():
            raise FormatError(f"converts a constant to {kind}, which does not hold it: correct it")
    cast_values = values.astype(kind)
    back = cast_values.astype(values.dtype)
    if not (back == values).all():
        raise FormatError(f"converts a constant to {kind}, which does not hold it: correct it")
    return [Constant(cast_values)]


def shape(b: Builder, op: Operation) -> Sequence[Value]:
    """Shape, which is constant."""
    found = op.value(0).shape
    start, end = op.whole("start", 0), op.whole("end", len(found))
    if op.opset < 15 and (start, end) != (0, len(found)):
        raise FormatError("names some axes, which its opset does not know: export it again")
    return [Constant(np.array(found[start:end], dtype=np.int64))]


def constant(b: Builder, op: Operation) -> Sequence[Value]:
    """Constant."""
    names = list(op.step.attributes)
    found = op.attribute(names[0]) if len(names) == 1 else None
    match names:
        case ["value"] if isinstance(found, np.ndarray):
            return [Constant(found)]
        case ["value_float"] if isinstance(found, float) and not np.isnan(found):
            return [Constant(np.array(found, dtype=np.float32))]
        case ["value_int"] if isinstance(found, int):
            return [Constant(np.array(found, dtype=np.int64))]
        case ["value_floats"] if isinstance(found, np.ndarray) and found.dtype == np.float32:
            if not np.isnan(found).any():
                return [Constant(found)]
        case ["value_ints"] if isinstance(found, np.ndarray) and found.dtype == np.int64:
            return [Constant(found)]
    raise FormatError("has no value of a kind that is handled: export the model again")


def concat(b: Builder, op: Operation) -> Sequence[Value]:
    """Concat along an axis, constants among the parts or not."""
    values = op.values()
    ranks = {len(value.shape) for value in values}
    if ranks == {0} or len(ranks) != 1:
        raise FormatError("joins tensors that differ in their number of axes: export it again")
    axis = _axis(op.whole("axis"), ranks.pop())
    if len({value.shape[:axis] + value.shape[axis + 1 :] for value in values}) != 1:
        raise FormatError(f"joins tensors that differ beside axis {axis}: export the model again")
    fixed = [value.values for value in values if isinstance(value, Constant)]
    if len(fixed) == len(values):
        if len({each.dtype for each in fixed}) != 1:
            raise FormatError("joins constants of different element types: export it again")
        return [Constant(np.concatenate(fixed, axis=axis))]
    dtype = next(value.dtype for value in values if isinstance(value, Tensor))
    parts = [b.lift(v.values, dtype) if isinstance(v, Constant) else v for v in values]
    starts = np.cumsum([0, *(part.size for part in parts)]).tolist()
    places = [b.positions(part.shape) + starts[index] for index, part in enumerate(parts)]
    return [b.select(b.concat(parts), np.concatenate(places, axis=axis))]


MOVES: Final[Mapping[str, Moved]] = {
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Reshape": reshape,
    "Slice": slice_,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}

LAYOUTS: Final[Mapping[str, Lowering]] = {
    **{name: partial(_rearranged, move) for name, move in MOVES.items()},
    "Cast": cast,
    "Concat": concat,
    "Constant": constant,
    "Dropout": dropout,
    "Identity": same,
    "Pad": pad,
    "Shape": shape,
}
