"""Codes: what every cell's neurons compute, 2 bits a neuron, and lines where that is not enough.

A layer of a cell is a *form*: the packed states of its neurons, and the list of slopes and
intercepts of those that are LINEAR. Neighbouring cells often have a layer in common, so the forms
of a layer are kept once, and cells hold their numbers; equal lists of lines are kept once too.

Neuron n is bits ``2 (n mod 4)`` and the next of byte ``n div 4``; the rest of the last byte is 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError
from ..engine.layers import Piecewise, State
from .single import narrowed

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Whole = NDArray[Any]
"""Whole numbers of any unsigned type: the smallest that holds them."""

PER_BYTE: Final = 4
"""Neurons in a byte."""

_SHIFTS: Final = np.arange(0, 2 * PER_BYTE, 2, dtype=np.uint8)

_LINEAR: Final = np.array(
    [sum((byte >> int(shift)) & 3 == State.LINEAR for shift in _SHIFTS) for byte in range(256)],
    dtype=np.uint8,
)
"""How many LINEAR neurons a byte holds."""


def width(size: int) -> int:
    """Return how many bytes the states of `size` neurons take."""
    return -(-size // PER_BYTE)


def pack(states: NDArray[np.integer[Any]]) -> Bytes:
    """Return states ``(..., size)`` packed, ``(..., width)``."""
    size = states.shape[-1]
    room = np.zeros((*states.shape[:-1], PER_BYTE * width(size)), dtype=np.uint8)
    room[..., :size] = states
    parts = room.reshape(*states.shape[:-1], width(size), PER_BYTE) << _SHIFTS
    return np.asarray(np.bitwise_or.reduce(parts, axis=-1), dtype=np.uint8)


def unpack(packed: Bytes, size: int) -> NDArray[np.int8]:
    """Return the states ``(..., size)`` that packed ones ``(..., width)`` stand for."""
    parts = (packed[..., None] >> _SHIFTS) & 3
    return parts.reshape(*packed.shape[:-1], -1)[..., :size].astype(np.int8)


def linear_neurons(packed: Bytes) -> NDArray[np.int64]:
    """Return ``(...)`` how many LINEAR neurons packed states ``(..., width)`` hold."""
    return np.asarray(_LINEAR[packed].sum(axis=-1, dtype=np.int64))


def record(layers: Sequence[Piecewise]) -> bytes:
    """Return a cell's code as bytes, for a store: packed states, then lines as float64.

    Args:
        layers: the activations of the cell's network, in its order.
    """
    parts = [pack(layer.state).tobytes() for layer in layers]
    parts += [lines_of(layer).astype("<f8").tobytes() for layer in layers]
    return b"".join(parts)


def records(states: NDArray[np.int8], layers: Sequence[Piecewise]) -> list[bytes]:
    """Return what `record` gives for each of many cells that have other states.

    Args:
        states: ``(cells, neurons)``, layer after layer; LINEAR where the layers are, nowhere else.
        layers: the activations of the network, in its order; their lines hold in every cell.
    """
    ends = np.cumsum([0, *(layer.size for layer in layers)])
    parts = [pack(states[:, a:b]) for a, b in pairwise(ends)]
    packed = np.concatenate([np.zeros((len(states), 0), np.uint8), *parts], axis=1)
    lines = b"".join(lines_of(layer).astype("<f8").tobytes() for layer in layers)
    return [row.tobytes() + lines for row in packed]


def read_record(data: bytes, sizes: Sequence[int]) -> list[Piecewise]:
    """Return the activations that a cell's code stands for.

    Args:
        data: as `record` gives it.
        sizes: neurons of each layer.

    Raises:
        FormatError: it is the code of other layers.
    """
    widths = [width(size) for size in sizes]
    if len(data) >= sum(widths):
        ends = np.cumsum([0, *widths])
        packed = np.frombuffer(data, np.uint8, sum(widths))
        rows = [packed[a:b] for a, b in pairwise(ends)]
        counts = [int(linear_neurons(row)) for row in rows]
        if len(data) == sum(widths) + 16 * sum(counts) and _is_clean(rows, sizes):
            lines = np.frombuffer(data, "<f8", offset=sum(widths)).reshape(-1, 2)
            first = np.cumsum([0, *counts])
            parts = [lines[begin:end] for begin, end in pairwise(first)]
            made = zip(rows, parts, sizes, strict=True)
            return [layer(unpack(row, size), part) for row, part, size in made]
    raise FormatError(
        f"a code of {len(data)} bytes is none of layers of {', '.join(map(str, sizes))} neurons: "
        "it belongs to another network or is damaged"
    )


def lines_of(layer: Piecewise) -> Array:
    """Return slope and intercept ``(lines, 2)`` of the LINEAR neurons of a layer, in order."""
    linear = layer.state == State.LINEAR
    return np.stack([layer.slope[linear], layer.intercept[linear]], axis=1)


def layer(states: NDArray[np.int8], lines: NDArray[Any]) -> Piecewise:
    """Return activations from their states ``(size,)`` and lines ``(lines, 2)``."""
    slope, intercept = np.zeros(states.size), np.zeros(states.size)
    linear = states == State.LINEAR
    slope[linear], intercept[linear] = lines[:, 0], lines[:, 1]
    return Piecewise(states, slope, intercept)


def smallest(values: NDArray[np.integer[Any]]) -> Whole:
    """Return whole numbers of at least 0 in the smallest unsigned type that holds them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _is_clean(rows: Sequence[Bytes], sizes: Sequence[int]) -> bool:
    """Return whether what is left of last bytes is 0; rows ``(..., width)`` a layer."""
    left = [(row, size % PER_BYTE) for row, size in zip(rows, sizes, strict=True)]
    return not any((row[..., -1] >> 2 * rest).any() for row, rest in left if rest)


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """The codes of all cells, equal layers once.

    Attributes:
        sizes: neurons of each layer.
        index: ``(cells, layers)`` which form a cell has in a layer.
        forms: for each layer ``(forms, width)`` packed states.
        lists: for each layer ``(forms,)`` which list of lines a form has.
        first: ``(lists + 1,)`` int64, where each list begins in `lines`.
        lines: ``(lines, 2)`` slope and intercept; float32 where that holds all of them, or float64.
    """

    sizes: tuple[int, ...]
    index: Whole
    forms: tuple[Bytes, ...]
    lists: tuple[Whole, ...]
    first: NDArray[np.int64]
    lines: NDArray[Any]

    def __post_init__(self) -> None:
        depth = len(self.sizes)
        if self.index.ndim != 2 or not (
            self.index.shape[1] == len(self.forms) == len(self.lists) == depth
        ):
            raise FormatError(f"codes: forms, lists and index are not those of {depth} layers")
        kinds = {array.dtype.kind for array in (self.index, *self.lists)}
        packed = {array.dtype for array in self.forms}
        if (
            not kinds <= {"u"}
            or not packed <= {np.dtype(np.uint8)}
            or self.first.dtype != np.int64
            or self.lines.dtype not in (np.float32, np.float64)
        ):
            raise FormatError("codes: an array holds numbers of another type than it should")
        count = len(self.first) - 1
        if (
            count < 0
            or self.first[0] != 0
            or self.first[-1] != len(self.lines)
            or (np.diff(self.first) < 0).any()
            or self.lines.shape != (len(self.lines), 2)
            or not np.isfinite(self.lines).all()
        ):
            raise FormatError("codes: the lists of lines do not fit the lines, or one is no number")
        for number, size in enumerate(self.sizes):
            self._check_layer(number, size, count)
        for array in (self.index, *self.forms, *self.lists, self.first, self.lines):
            array.setflags(write=False)

    def _check_layer(self, number: int, size: int, lists: int) -> None:
        forms, which = self.forms[number], self.lists[number]
        index = self.index[:, number]
        if forms.shape != (which.size, width(size)) or not _is_clean([forms], [size]):
            raise FormatError(f"codes: the forms of layer {number} are not those of {size} neurons")
        if index.size and int(index.max()) >= len(forms):
            raise FormatError(f"codes: a cell has a form of layer {number} that is not there")
        if which.size and int(which.max()) >= lists:
            raise FormatError(f"codes: a form of layer {number} has lines that are not there")
        lengths = np.diff(self.first)[which.astype(np.int64)]
        if not np.array_equal(linear_neurons(forms), lengths):
            raise FormatError(f"codes: a form of layer {number} needs more lines, or fewer")

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.index.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for _, array in self.arrays())

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the arrays with names."""
        yield "index", self.index
        for number in range(len(self.sizes)):
            yield f"forms.{number}", self.forms[number]
            yield f"lists.{number}", self.lists[number]
        yield "first", self.first
        yield "lines", self.lines

    def of(self, cell: int) -> list[Piecewise]:
        """Return the activations of a cell, one a layer."""
        out = []
        for number, size in enumerate(self.sizes):
            form = int(self.index[cell, number])
            which = int(self.lists[number][form])
            lines = self.lines[self.first[which] : self.first[which + 1]]
            out.append(layer(unpack(self.forms[number][form], size), lines))
        return out

    def removed(self) -> NDArray[np.int64]:
        """Return ``(cells, layers)`` how many neurons of each cell and layer are no ReLUs."""
        out = np.zeros(self.index.shape, dtype=np.int64)
        for number, size in enumerate(self.sizes):
            counts = (unpack(self.forms[number], size) != State.RELU).sum(axis=1)
            out[:, number] = counts[self.index[:, number].astype(np.int64)]
        return out


class Gatherer:
    """Codes on their way in, cell after cell, in any order.

    It holds the packed codes and the lists of lines, which is no more than the cells' records.
    """

    def __init__(self, sizes: Sequence[int], cells: int) -> None:
        """Begin with no neuron of any cell removed.

        Args:
            sizes: neurons of each layer.
            cells: how many there are.
        """
        self.sizes = tuple(sizes)
        self._packed = [np.zeros((cells, width(size)), np.uint8) for size in self.sizes]
        self._which = np.zeros((cells, len(self.sizes)), np.uint32)
        self._known: dict[bytes, int] = {b"": 0}
        self._lists: list[Array] = [np.zeros((0, 2))]

    def put(self, cells: int | NDArray[np.int64], layers: Sequence[Piecewise]) -> None:
        """Set the activations of a cell, or of cells that have the same, one a layer."""
        for number, one in enumerate(layers):
            self._packed[number][cells] = pack(one.state)
            self._which[cells, number] = self._list(lines_of(one))

    def put_phases(self, cells: NDArray[np.int64], states: NDArray[np.int8]) -> None:
        """Set the states ``(cells, neurons)`` of cells, none of them LINEAR, layer after layer."""
        ends = np.cumsum(self.sizes)[:-1]
        for packed, part in zip(self._packed, np.split(states, ends, axis=1), strict=True):
            packed[cells] = pack(part)
        self._which[cells] = 0

    def put_records(self, cells: NDArray[np.int64], codes: Sequence[bytes]) -> None:
        """Set the activations of cells by their codes, as `record` gives them.

        Raises:
            FormatError: one is the code of other layers.
        """
        widths = [width(size) for size in self.sizes]
        rows = np.zeros((0, sum(widths)), np.uint8)
        if widths and all(len(code) == sum(widths) for code in codes):  # no neuron is LINEAR
            rows = np.frombuffer(b"".join(codes), np.uint8).reshape(-1, sum(widths))
        parts = [rows[:, a:b] for a, b in pairwise(np.cumsum([0, *widths]))]
        if len(rows) != len(codes) or _LINEAR[rows].any() or not _is_clean(parts, self.sizes):
            for cell, code in zip(cells.tolist(), codes, strict=True):
                self.put(cell, read_record(code, self.sizes))
            return
        for packed, part in zip(self._packed, parts, strict=True):
            packed[cells] = part
        self._which[cells] = 0

    def _list(self, lines: Array) -> int:
        key = hashlib.sha256(lines.tobytes()).digest() if lines.size else b""
        number = self._known.setdefault(key, len(self._lists))
        if number == len(self._lists):
            self._lists.append(lines)
        return number

    def finish(self) -> Codes:
        """Return the codes; they do not depend on the order in which cells came."""
        used, at, which = np.unique(self._which, return_index=True, return_inverse=True)
        order = np.argsort(at, kind="stable")  # by the first cell and layer that has a list
        rank = np.empty(used.size, np.uint32)
        rank[order] = np.arange(used.size, dtype=np.uint32)
        lists = [self._lists[int(used[number])] for number in order]
        ranked = rank[which.reshape(self._which.shape)]
        index, forms, own = [], [], []
        for number, packed in enumerate(self._packed):
            column = np.ascontiguousarray(ranked[:, [number]].astype(">u4")).view(np.uint8)
            rows = np.ascontiguousarray(np.concatenate([packed, column], axis=1))
            keys = rows.view(np.dtype((np.void, rows.shape[1])))[:, 0]
            _, place, inverse = np.unique(keys, return_index=True, return_inverse=True)
            forms.append(packed[place])
            own.append(smallest(ranked[place, number]))
            index.append(inverse.ravel())
        lengths = [len(one) for one in lists]
        return Codes(
            self.sizes,
            smallest(np.stack(index, axis=1)) if index else np.zeros((len(ranked), 0), np.uint8),
            tuple(forms),
            tuple(own),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            narrowed(np.concatenate([np.zeros((0, 2)), *lists])),
        )
