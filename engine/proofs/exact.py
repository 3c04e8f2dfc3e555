"""Bounds of linear forms on one box in exact arithmetic, with the lines that floats have chosen.

The slopes of lines, the neurons whose bounds are sharpened, and where differences of twins are used
are taken from `bound.Bounds`: all of them may be any. Every number that a bound is made of is
computed here, without rounding, so nothing here rests on what floats computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .dyadic import Dyadic, joined
from .model import Affine, Concat, Input, Select, Sum
from .system import Activation, Pair

Index = NDArray[np.int64]
Sides = tuple[Dyadic, Dyadic]
Fixed = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Which values are at least 0, and which at most, because phases are fixed."""


class Exact:
    """What is known of a system's values on a box."""

    def __init__(
        self,
        fast: Bounds,
        box: int,
        known: Mapping[int, Sides],
        fixed: Mapping[int, Fixed] | None = None,
    ) -> None:
        """Bound all values.

        Args:
            fast: chooses.
            box: which of its boxes.
            known: bounds of nodes that are known already.
            fixed: what phases say of nodes.
        """
        self.fixed = fixed or {}
        self.fast, self.box, self.system = fast, box, fast.system
        self.known = known
        self.ends: dict[int, Sides] = {}
        self.empty = False  # bounds have crossed: no input is there
        self.lines: dict[int, tuple[Sides, Sides]] = {}  # slope and intercept below and above
        self.apart: dict[int, tuple[Sides, Sides]] = {}
        self.weights = {
            at: (Dyadic.of(node.weight), Dyadic.of(node.bias))
            for at, node in enumerate(self.system.nodes)
            if isinstance(node, Affine)
        }
        for node in self.system.order:
            self._set(node, self._forward(node))

    def lower(
        self,
        start: Sequence[tuple[int, Dyadic]],
        *,
        slopes: Mapping[int, NDArray[np.float64]] | None = None,
        twins: bool = True,
    ) -> Dyadic:
        """Return lower bounds of linear forms, without a constant.

        Args:
            start: node and coefficients ``(forms, size)``.
            slopes: ``(size,)`` by activation of the lines below its undecided ReLUs, in [0, 1];
                NaN for the usual ones.
            twins: whether differences of twins may be used.
        """
        carried: dict[int, Dyadic] = {}
        forms = start[0][1].whole.shape[0]
        total = Dyadic.zeros((forms,))

        def carry(node: int, row: Dyadic) -> None:
            carried[node] = carried[node] + row if node in carried else row

        def plain(node: int, row: Dyadic) -> None:
            nonlocal total
            (low, low_at), (high, high_at) = self.lines[node]
            if slopes and node in slopes:
                low, low_at = self._sloped(node, slopes[node], low, low_at)
            positive, negative = row.positive(), row.negative()
            total = total + positive @ low_at + negative @ high_at
            layer = self.system.nodes[node]
            assert isinstance(layer, Activation)
            carry(layer.source, positive * low + negative * high)

        for node, row in start:
            carry(node, row)
        for node in reversed(self.system.order):
            pair = self.fast.later.get(node)
            if pair is not None:
                first, second = carried.pop(pair.first, None), carried.pop(pair.second, None)
                if first is not None and second is not None and twins:
                    first, second, more = self._split(node, pair, first, second, carry)
                    total = total + more
                for at, part in ((pair.first, first), (pair.second, second)):
                    if part is not None:
                        plain(at, part)
                continue
            taken = carried.pop(node, None)
            if taken is None:
                continue
            layer = self.system.nodes[node]
            match layer:
                case Input():
                    low, high = self.ends[0]
                    return total + taken.positive() @ low + taken.negative() @ high
                case Affine(source=source):
                    weight, bias = self.weights[node]
                    total = total + taken @ bias
                    carry(source, taken @ weight)
                case Activation():
                    plain(node, taken)
                case Sum(sources=several):
                    for one in several:
                        carry(one, taken)
                case Concat(sources=several):
                    begin = 0
                    for one in several:
                        end = begin + self.system.sizes[one]
                        carry(one, taken[:, begin:end])
                        begin = end
                case Select(source=source, indices=indices):
                    wide = np.zeros((forms, self.system.sizes[source]), dtype=object)
                    np.add.at(wide.T, indices, taken.whole.T)
                    carry(source, Dyadic(wide, taken.power))
                case _:
                    assert_never(layer)
        return total

    def _sloped(self, node: int, slopes: NDArray[np.float64], low: Dyadic, low_at: Dyadic) -> Sides:
        """Return lines below ReLUs with other slopes through 0: any from 0 to 1 is below a ReLU."""
        lines, layer = self.fast.lines[node], self.system.nodes[node]
        assert isinstance(layer, Activation)
        own = layer.relu & (slopes >= 0.0)
        own[lines.used :] = False
        own[: lines.used] &= lines.gap_low[self.box] > 0.0
        steep, zeros = Dyadic.of(np.where(own, slopes, 0.0)), Dyadic.zeros(own.shape)
        return low.put(own, steep[own]), low_at.put(own, zeros[own])

    def _split(
        self, node: int, pair: Pair, first: Dyadic, second: Dyadic, carry: object
    ) -> tuple[Dyadic, Dyadic, Dyadic]:
        (low, low_at), (high, high_at) = self.apart[node]
        use = self.fast.apart[node]
        use_low, use_high = (side[self.box] > 0.0 for side in (use.use_low, use.use_high))
        other = -second[:, pair.order]
        positive = first.positive().minimum(other.positive())
        negative = first.negative().maximum(other.negative())
        positive = Dyadic(np.where(use_low, positive.whole, 0), positive.power)
        negative = Dyadic(np.where(use_high, negative.whole, 0), negative.power)
        shared = positive + negative
        steep = positive * low + negative * high
        back = np.empty_like(steep.whole)
        back[:, pair.order] = -steep.whole
        one, two = (self.system.nodes[at] for at in (pair.first, pair.second))
        assert isinstance(one, Activation)
        assert isinstance(two, Activation)
        assert callable(carry)
        carry(one.source, steep)
        carry(two.source, Dyadic(back, steep.power))
        moved = np.empty_like(shared.whole)
        moved[:, pair.order] = shared.whole
        return (
            first - shared,
            second + Dyadic(moved, shared.power),
            positive @ low_at + negative @ high_at,
        )

    def _forward(self, node: int) -> Sides:
        layer, ends = self.system.nodes[node], self.ends
        match layer:
            case Input():
                low, high = (Dyadic.of(side[self.box]) for side in self.fast.ends[0])
            case Affine(source=source):
                weight, bias = self.weights[node]
                (below, above), positive, negative = (
                    ends[source],
                    weight.positive(),
                    weight.negative(),
                )
                low = positive @ below + negative @ above + bias
                high = positive @ above + negative @ below + bias
            case Activation(source=source):
                self._sharpen(source, self.fast.asked.get(node, []))
                low, high = self._activate(node, layer)
                if node in self.fast.later:
                    self._differ(node, self.fast.later[node])
            case Sum(sources=several):
                low, high = ends[several[0]]
                for one in several[1:]:
                    low, high = low + ends[one][0], high + ends[one][1]
            case Concat(sources=several):
                low, high = (joined([ends[one][side] for one in several], 0) for side in (0, 1))
            case Select(source=source, indices=indices):
                low, high = ends[source][0][indices], ends[source][1][indices]
            case _:
                assert_never(layer)
        if node in self.known:
            low, high = low.maximum(self.known[node][0]), high.minimum(self.known[node][1])
        if node in self.fixed:
            up, down = self.fixed[node]
            low, high = low.put(up, low[up].positive()), high.put(down, high[down].negative())
        return low, high

    def _sharpen(self, source: int, asked: list[tuple[Index, Index, NDArray[np.float64]]]) -> None:
        """Bound again what floats bounded again."""
        for box, neuron, sign in asked:
            mine = box == self.box
            if mine.any():
                low, high = self.ends[source]
                which, signs = neuron[mine], sign[mine]
                rows = np.zeros((which.size, self.system.sizes[source]))
                rows[np.arange(which.size), which] = signs
                found = self.lower([(source, Dyadic.of(rows))])
                some = which[signs > 0.0]
                low = low.put(some, low[some].maximum(found[signs > 0.0]))
                some = which[signs < 0.0]
                high = high.put(some, high[some].minimum(-found[signs < 0.0]))
                self._set(source, (low, high))

    def _set(self, node: int, sides: Sides) -> None:
        self.ends[node] = sides
        self.empty |= sides[0].above(sides[1])

    def _activate(self, node: int, layer: Activation) -> Sides:
        """Note lines around activations; return their ends."""
        low, high = self.ends[layer.source]
        lines, size, relu = self.fast.lines[node], layer.relu.size, layer.relu
        under, change = np.ones(size), np.zeros(size)
        under[: lines.used], change[: lines.used] = lines.low[self.box], lines.change[self.box]
        slope = Dyadic.of(under)
        steep = slope + Dyadic.of(change)
        # ReLU less a line is convex: highest at an end, lowest at an end or at 0.
        above = (low.positive() - steep * low).maximum(high.positive() - steep * high)
        below = (low.positive() - slope * low).minimum(high.positive() - slope * high)
        inside = (low.whole <= 0) & (high.whole >= 0)
        below = Dyadic(np.where(inside, np.minimum(below.whole, 0), below.whole), below.power)
        shift = Dyadic.of(layer.intercept)
        above, below = shift.put(relu, above[relu]), shift.put(relu, below[relu])
        self.lines[node] = (slope, below), (steep, above)
        one, two = slope * low + shift, slope * high + shift
        least, most = one.minimum(two), one.maximum(two)
        return least.put(relu, low.positive()[relu]), most.put(relu, high.positive()[relu])

    def _differ(self, node: int, pair: Pair) -> None:
        """Note lines around differences of twins."""
        one, two = (self.system.nodes[at] for at in (pair.first, pair.second))
        assert isinstance(one, Activation)
        assert isinstance(two, Activation)
        order = pair.order
        (low_1, high_1), (low_2, high_2) = self.ends[one.source], self.ends[two.source]
        low, high = low_1 - high_2[order], high_1 - low_2[order]
        for box, neuron, sign in self.fast.asked_apart.get(node, []):
            mine = box == self.box
            if not mine.any():
                continue
            which, signs = neuron[mine], sign[mine]
            each = np.arange(which.size)
            rows = np.zeros((which.size, order.size))
            other = rows.copy()
            rows[each, which], other[each, order[which]] = signs, -signs
            found = self.lower([(one.source, Dyadic.of(rows)), (two.source, Dyadic.of(other))])
            some = which[signs > 0.0]
            low = low.put(some, low[some].maximum(found[signs > 0.0]))
            some = which[signs < 0.0]
            high = high.put(some, high[some].minimum(-found[signs < 0.0]))
        apart = self.fast.apart[node]
        flat, steep = Dyadic.of(apart.low[self.box]), Dyadic.of(apart.high[self.box])
        # A difference of ReLUs lies between that of what they read and 0.
        below = (low.negative() - flat * low).minimum(high.negative() - flat * high)
        above = (low.positive() - steep * low).maximum(high.positive() - steep * high)
        self.apart[node] = (flat, below), (steep, above)
