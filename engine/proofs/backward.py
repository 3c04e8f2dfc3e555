"""Linear forms on their way back to the inputs, ReLUs replaced by lines above or below them.

Rounding: a carried coefficient is wrong by at most `unit(n)` times the magnitudes that were summed
into it; times the magnitude of the value it stands at, that is an error of the bound, and all of
them are added up. Sums over neurons are bounded by the product of two lengths (Cauchy, Schwarz): of
the coefficients, and of what the values or lines reach on the box.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, assert_never

import numpy as np
from numpy.typing import NDArray

from .lines import MORE, TINY, Apart, Lines, length, unit
from .model import Affine, Concat, Input, Select, Sum
from .system import Activation, Pair, System

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Known(Protocol):
    """What has to be known on boxes of all that forms pass on their way."""

    system: System
    ends: dict[int, tuple[Array, Array]]
    lines: dict[int, Lines]
    apart: dict[int, Apart]
    later: dict[int, Pair]
    once: dict[int, bool]
    reach: dict[int, Array]

    def size(self, node: int) -> Array:
        """Return bounds on the lengths of a node's values, ``(boxes,)``."""
        ...

    def blamed(self, node: int, gap: Array, box: Index) -> Array:
        """Return gaps ``(forms, neurons)`` of an activation as parts of inputs."""
        ...


class Backwards:
    """Forms of a system's values, each on a box, on their way back."""

    def __init__(
        self,
        bounds: Known,
        start: Iterable[tuple[int, Array]],
        box: Index,
        *,
        twins: bool = True,
        blame: bool = False,
        slopes: Mapping[int, Array] | None = None,
    ) -> None:
        """Begin with coefficients.

        Args:
            bounds: what is known so far.
            start: node and ``(forms, size)``; they are written over.
            box: ``(forms,)``.
            twins: whether lines around differences of twins may be used.
            blame: whether to find out what each input is to be blamed for.
            slopes: ``(forms, size)`` by activation of the lines below its undecided ReLUs, in
                [0, 1]; NaN for the usual ones.
        """
        self.bounds, self.system, self.box, self.twins = bounds, bounds.system, box, twins
        self.slopes = slopes or {}
        self.carried: dict[int, Array] = {}
        self.lengths: dict[int, Array] = {}  # of the coefficients, where known already
        self.parts = 2 * len(self.system.nodes)  # of the bound, at most
        self.sum = np.zeros(box.size)
        self.error = np.full(box.size, TINY)
        self.blame = np.zeros((box.size, bounds.system.sizes[0])) if blame else None
        for node, row in start:
            self._carry(node, row)

    def run(self) -> tuple[Array, Array]:
        """Carry the forms to the inputs; return their bounds and the inputs' coefficients."""
        for node in reversed(self.system.order):
            pair = self.bounds.later.get(node)
            if pair is not None:
                self._pair(node, pair)
                continue
            row = self.carried.pop(node, None)
            if row is None:
                continue
            layer = self.system.nodes[node]
            match layer:
                case Input():
                    return self._end(row)
                case Affine(source=source, weight=weight, bias=bias):
                    size = self._length(node, row)
                    self._lose(sum(weight.shape), size, self.bounds.reach[node])
                    self.sum += row @ bias
                    self._carry(source, row @ weight)
                case Activation():
                    self._plain(node, layer, row, None)
                case Sum(sources=several):
                    for one in several[1:]:
                        self._carry(one, row.copy())
                    self._carry(several[0], row)
                case Concat(sources=several):
                    ends = np.cumsum([self.system.sizes[one] for one in several])[:-1]
                    for one, part in zip(several, np.split(row, ends, axis=1), strict=True):
                        self._carry(one, part)
                case Select(source=source, indices=indices):
                    self._carry(source, self._spread(node, source, indices, row))
                case _:
                    assert_never(layer)
        return self._end(np.zeros((self.box.size, self.system.sizes[0])))

    def _end(self, row: Array) -> tuple[Array, Array]:
        low, high = (side[self.box] for side in self.bounds.ends[0])
        self._lose(row.shape[1], length(row), self.bounds.size(0))
        part = np.maximum(row, 0.0) * low + np.minimum(row, 0.0) * high
        self.sum += part.sum(axis=1)
        found = self.sum - self.error * (1.0 + 2.0**-20)
        return np.where(np.isfinite(found), found, -np.inf), row

    def _spread(self, node: int, source: int, indices: Index, row: Array) -> Array:
        wide = np.zeros((len(row), self.system.sizes[source]))
        if self.bounds.once[node]:
            wide[:, indices] = row
            return wide
        np.add.at(wide.T, indices, row.T)
        self._lose(indices.size, length(row), self.bounds.size(node))
        return wide

    def _plain(self, node: int, layer: Activation, row: Array, size: Array | None) -> None:
        """Replace activations by their own lines; `size` bounds the coefficients' lengths."""
        lines, box = self.bounds.lines[node], self.box
        size = length(row) if size is None else size
        self._lose(row.shape[1], size, lines.reach)
        front = row[:, : lines.used]
        negative = np.minimum(front, 0.0)
        if self.blame is not None:
            gap = (front - negative) * lines.gap_low[box] - negative * lines.gap_high[box]
            self.blame += self.bounds.blamed(node, gap, box)
        self.sum += np.einsum("ij,ij->i", negative, lines.high_at[box])
        if lines.low_at is not None:
            self.sum += np.einsum("ij,ij->i", np.maximum(front, 0.0), lines.low_at[box])
        if node in self.slopes:
            own = self.slopes[node][:, : lines.used]
            own = np.where((lines.gap_low[box] > 0.0) & (own >= 0.0), own, lines.low[box])
            positive = (front - negative) * own
            negative *= lines.low[box] + lines.change[box]
            front[:] = positive
        else:
            negative *= lines.change[box]
            front *= lines.low[box]
        front += negative
        self._carry(layer.source, row, size * (lines.steep * MORE))

    def _pair(self, node: int, pair: Pair) -> None:
        """Replace twin activations by lines, shared parts of their coefficients by those apart."""
        first, second = self.carried.pop(pair.first, None), self.carried.pop(pair.second, None)
        sizes = [None if row is None else length(row) for row in (first, second)]
        if first is not None and second is not None and self.twins:
            self._split(node, pair, first, second, sizes)
        for at, row, size in zip((pair.first, pair.second), (first, second), sizes, strict=True):
            if row is not None:
                layer = self.system.nodes[at]
                assert isinstance(layer, Activation)
                self._plain(at, layer, row, size)

    def _split(
        self, node: int, pair: Pair, first: Array, second: Array, sizes: list[Array | None]
    ) -> None:
        """Take out of twins' coefficients what they share, and carry it as one of differences.

        What is shared has the sign of the first and is no larger than either; so are lengths.
        """
        lines, box, order = self.bounds.apart[node], self.box, pair.order
        straight = bool((order[1:] > order[:-1]).all())
        other = -second if straight else -second[:, order]
        positive = np.minimum(np.maximum(first, 0.0), np.maximum(other, 0.0))
        positive *= lines.use_low[box]
        negative = np.maximum(np.minimum(first, 0.0), np.minimum(other, 0.0))
        negative *= lines.use_high[box]
        if not (positive.any() or negative.any()):
            return
        one, two = (self.system.nodes[at] for at in (pair.first, pair.second))
        assert isinstance(one, Activation)
        assert isinstance(two, Activation)
        for at, size in zip((pair.first, pair.second), sizes, strict=True):
            assert size is not None
            self._lose(2, size, self.bounds.size(at))
        size = sizes[0]
        assert size is not None
        self._lose(first.shape[1], size, lines.reach)
        if self.blame is not None:
            gap = -(positive * lines.low_at[box] + negative * lines.high_at[box])
            back = np.zeros_like(gap)
            back[:, order] = gap
            self.blame += self.bounds.blamed(pair.first, gap, box)
            self.blame += self.bounds.blamed(pair.second, back, box)
        self.sum += np.einsum("ij,ij->i", positive, lines.low_at[box])
        self.sum += np.einsum("ij,ij->i", negative, lines.high_at[box])
        shared = positive + negative
        first -= shared
        positive *= lines.low[box]
        negative *= lines.high[box]
        positive += negative
        if straight:
            second += shared
            back = -positive
        else:
            second[:, order] += shared
            back = np.empty_like(positive)
            back[:, order] = -positive
        self._carry(one.source, positive, size * MORE)
        self._carry(two.source, back, size * MORE)

    def _carry(self, node: int, row: Array, size: Array | None = None) -> None:
        """Add coefficients of a node's values; `size` bounds their lengths, if that is known."""
        there = self.carried.get(node)
        if there is None:
            self.carried[node] = row
            if size is not None:
                self.lengths[node] = size
            return
        size = length(row) if size is None else size
        size = size + self._length(node, there)
        self._lose(1, size, self.bounds.size(node))
        self.carried[node] = there + row
        self.lengths[node] = size * MORE

    def _length(self, node: int, row: Array) -> Array:
        size = self.lengths.pop(node, None)
        return length(row) if size is None else size

    def _lose(self, count: int, size: Array, reach: Array) -> None:
        """Take down the error of sums of so many terms, from two lengths whose product bounds them.

        A part of the bound itself that is added besides is below that product too: the error of
        adding so many parts is taken down with it.
        """
        self.error += (unit(count + self.parts) * size) * reach[self.box]
