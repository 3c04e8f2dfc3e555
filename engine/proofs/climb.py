"""Multipliers for forms on boxes, found along the gradient of their bounds.

The line below an undecided ReLU may have any slope from 0 to 1, and where phases are fixed a form
may be bounded less a multiple of what cannot be negative there. The bound is a concave function of
the multipliers and, nearly everywhere, of the slopes one by one: the derivative at a neuron is its
coefficient times the value that it has, along the lines that the form has chosen, at the input
where the form is least. Nothing of this has to be right: what is found is bounded afterwards.

Source: Xu et al., ICLR 2021 (slopes); Wang et al., NeurIPS 2021 (phases); for differences of twins
the same reasoning with lines around differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .model import Affine, Concat, Input, Select, Sum
from .system import Activation, Pair

Array = NDArray[np.float64]
Index = NDArray[np.int64]

RATE = 0.25
"""Length of the first step, in slopes."""

PRESSED = 0.3
"""The same for multipliers of phases, in the largest coefficient of their layer."""

DECAY = 0.93
"""Each step's length is this part of the one before it."""

KEEP, KEEP_SQUARES = 0.8, 0.99
"""Parts of the running means of gradients and of their squares that stay."""


@dataclass(slots=True, eq=False)
class Ways:
    """How forms treat the neurons of an activation, ``(forms, size)`` each.

    Attributes:
        low, low_at, high, high_at: lines below and above.
        open: whether the slope below may be any.
        sign: -1 where the neuron's phase is fixed above, 1 below, 0 nowhere.
        weight: multipliers of phases.
    """

    low: Array
    low_at: Array
    high: Array
    high_at: Array
    open: NDArray[np.bool_]
    sign: Array
    weight: Array


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """What forms met on their way back.

    Attributes:
        rows: by activation the coefficients that its own lines took.
        shared: by the later of two twins the coefficients that lines around differences took.
        found: ``(forms,)`` the bounds.
        inputs: ``(forms, inputs)`` coefficients of the inputs.
        least: ``(forms, inputs)`` where the forms are least.
    """

    rows: dict[int, Array]
    shared: dict[int, Array]
    found: Array
    inputs: Array
    least: Array


class Climb:
    """Forms, each on a box, and their multipliers."""

    def __init__(
        self,
        bounds: Bounds,
        start: Mapping[int, Array],
        box: Index,
        *,
        twins: bool = True,
    ) -> None:
        """Begin with the lines that need no multipliers.

        Args:
            bounds: of the boxes.
            start: ``(forms, size)`` coefficients by node.
            box: ``(forms,)``.
            twins: whether lines around differences are used.
        """
        self.bounds, self.system, self.start, self.box = bounds, bounds.system, start, box
        self.twins = twins
        self.ways: dict[int, Ways] = {}
        self.used: dict[int, tuple[Array, Array]] = {}  # of the rows of twins
        for at, node in enumerate(self.system.nodes):
            if isinstance(node, Activation):
                self.ways[at] = self._ways(at, node)
        self.best = np.full(box.size, -np.inf)
        self.usual = {at: ways.low.copy() for at, ways in self.ways.items()}
        self.slopes = dict(self.usual)
        self.weights = {at: ways.weight.copy() for at, ways in self.ways.items()}
        self.passed: Passed | None = None
        self._mean: dict[tuple[int, str], Array] = {}
        self._squares: dict[tuple[int, str], Array] = {}

    def again(self, form: Index) -> Climb:
        """Return a climb of some of the forms that begins with their best multipliers."""
        start = {node: row[form] for node, row in self.start.items()}
        out = Climb(self.bounds, start, self.box[form], twins=self.twins)
        for at, ways in self.ways.items():
            out.ways[at] = Ways(
                low=self.slopes[at][form],
                low_at=ways.low_at[form],
                high=ways.high[form],
                high_at=ways.high_at[form],
                open=ways.open[form],
                sign=ways.sign[form],
                weight=self.weights[at][form],
            )
        return out

    def fix(self, node: int, form: int, neuron: int, *, up: bool) -> None:
        """Fix the phase of a neuron for one form."""
        ways = self.ways[node]
        slope = 1.0 if up else 0.0
        for values, value in (
            (ways.low, slope),
            (ways.high, slope),
            (ways.low_at, 0.0),
            (ways.high_at, 0.0),
            (ways.sign, -1.0 if up else 1.0),
        ):
            values[form, neuron] = value
        ways.open[form, neuron] = False

    def run(self, steps: int, enough: Array) -> None:
        """Climb; stop early where every form's bound is enough.

        Args:
            steps: how many.
            enough: ``(forms,)``.
        """
        for step in range(steps):
            passed = self._back()
            better = passed.found > self.best
            self.best = np.where(better, passed.found, self.best)
            for at, ways in self.ways.items():
                self.slopes[at] = np.where(better[:, None], ways.low, self.slopes[at])
                self.weights[at] = np.where(better[:, None], ways.weight, self.weights[at])
            self.passed = passed
            if (self.best > enough).all() or step == steps - 1:
                return
            self._step(step, passed)

    def cheated(self) -> dict[int, Array]:
        """Return by activation ``(forms, size)`` what phases would gain, roughly.

        That is how far lines are from ReLUs where forms are least, times the coefficients.
        """
        passed = self.passed
        assert passed is not None
        values, out = self._forth(passed), {}
        for at, ways in self.ways.items():
            layer = self.system.nodes[at]
            assert isinstance(layer, Activation)
            z, row = values[layer.source], passed.rows.get(at)
            if row is None:
                row = np.zeros_like(z)
            line = np.where(row > 0.0, ways.low * z + ways.low_at, ways.high * z + ways.high_at)
            gap = np.abs(row) * np.abs(np.maximum(z, 0.0) - line)
            width = np.where(row > 0.0, np.minimum(ways.high_at, 1.0), ways.high_at)
            out[at] = np.where(ways.open, gap + 0.05 * np.abs(row) * width, 0.0)
        return out

    def _ways(self, at: int, layer: Activation) -> Ways:
        """Return what lines say of all neurons of an activation, form by form."""
        lines, box, size = self.bounds.lines[at], self.box, layer.relu.size
        low, high = np.ones((box.size, size)), np.ones((box.size, size))
        low_at, high_at = np.zeros((box.size, size)), np.zeros((box.size, size))
        open_ = np.zeros((box.size, size), np.bool_)
        low[:, : lines.used] = lines.low[box]
        high[:, : lines.used] = (lines.low + lines.change)[box]
        high_at[:, : lines.used] = lines.high_at[box]
        if lines.low_at is not None:
            low_at[:, : lines.used] = lines.low_at[box]
        open_[:, : lines.used] = lines.gap_low[box] > 0.0
        return Ways(low, low_at, high, high_at, open_, np.zeros_like(low), np.zeros_like(low))

    def _back(self) -> Passed:
        """Carry the forms to the inputs."""
        carried: dict[int, Array] = {}
        total = np.zeros(self.box.size)
        rows: dict[int, Array] = {}
        shared: dict[int, Array] = {}

        def carry(node: int, row: Array) -> None:
            carried[node] = carried[node] + row if node in carried else row

        def plain(at: int, row: Array) -> Array:
            ways, layer = self.ways[at], self.system.nodes[at]
            assert isinstance(layer, Activation)
            rows[at] = row
            positive, negative = np.maximum(row, 0.0), np.minimum(row, 0.0)
            carry(layer.source, positive * ways.low + negative * ways.high)
            return np.asarray((positive * ways.low_at + negative * ways.high_at).sum(axis=1))

        for node, row in self.start.items():
            carry(node, row)
        for at, ways in self.ways.items():
            layer = self.system.nodes[at]
            assert isinstance(layer, Activation)
            if ways.sign.any():
                carry(layer.source, ways.sign * ways.weight)
        for node in reversed(self.system.order):
            pair = self.bounds.later.get(node)
            if pair is not None:
                first, second = carried.pop(pair.first, None), carried.pop(pair.second, None)
                if first is not None and second is not None and self.twins:
                    self.used[node] = first, second
                    first, second, part = self._split(node, pair, first, second, carry, shared)
                    total += part
                for at, taken in ((pair.first, first), (pair.second, second)):
                    if taken is not None:
                        total += plain(at, taken)
                continue
            taken = carried.pop(node, None)
            if taken is None:
                continue
            match self.system.nodes[node]:
                case Input():
                    low, high = (side[self.box] for side in self.bounds.ends[0])
                    least = np.where(taken > 0.0, low, high)
                    found = total + (taken * least).sum(axis=1)
                    return Passed(rows, shared, found, taken, least)
                case Affine(source=source, weight=weight, bias=bias):
                    total += taken @ bias
                    carry(source, taken @ weight)
                case Activation():
                    total += plain(node, taken)
                case Sum(sources=several):
                    for one in several:
                        carry(one, taken)
                case Concat(sources=several):
                    ends = np.cumsum([self.system.sizes[one] for one in several])[:-1]
                    for one, part in zip(several, np.split(taken, ends, axis=1), strict=True):
                        carry(one, part)
                case Select(source=source, indices=indices):
                    wide = np.zeros((len(taken), self.system.sizes[source]))
                    if self.bounds.once[node]:
                        wide[:, indices] = taken
                    else:
                        np.add.at(wide.T, indices, taken.T)
                    carry(source, wide)
        least = self.bounds.ends[0][0][self.box]
        return Passed(rows, shared, total, np.zeros_like(least), least)

    def _split(
        self,
        node: int,
        pair: Pair,
        first: Array,
        second: Array,
        carry: object,
        shared: dict[int, Array],
    ) -> tuple[Array, Array, Array]:
        """Take what twins share out of their coefficients; carry it as one of differences."""
        lines, box, order = self.bounds.apart[node], self.box, pair.order
        other = -second[:, order]
        positive = np.minimum(np.maximum(first, 0.0), np.maximum(other, 0.0)) * lines.use_low[box]
        negative = np.maximum(np.minimum(first, 0.0), np.minimum(other, 0.0)) * lines.use_high[box]
        both = positive + negative
        shared[node] = both
        steep = positive * lines.low[box] + negative * lines.high[box]
        back, left = np.empty_like(steep), second.copy()
        back[:, order] = -steep
        left[:, order] += both
        one, two = (self.system.nodes[at] for at in (pair.first, pair.second))
        assert isinstance(one, Activation)
        assert isinstance(two, Activation)
        assert callable(carry)
        carry(one.source, steep)
        carry(two.source, back)
        part = (positive * lines.low_at[box] + negative * lines.high_at[box]).sum(axis=1)
        return first - both, left, part

    def _forth(self, passed: Passed) -> dict[int, Array]:
        """Return all values ``(forms, size)`` where forms are least, along their lines."""
        values: dict[int, Array] = {}
        for node in self.system.order:
            pair = self.bounds.later.get(node)
            match self.system.nodes[node]:
                case Input():
                    values[node] = passed.least
                case Affine(source=source, weight=weight, bias=bias):
                    values[node] = values[source] @ weight.T + bias
                case Activation(source=source):
                    ways, z, row = self.ways[node], values[source], passed.rows.get(node)
                    below = ways.low * z + ways.low_at
                    if row is None:
                        values[node] = below
                    else:
                        above = ways.high * z + ways.high_at
                        values[node] = np.where(row < 0.0, above, below)
                    if pair is not None and node in passed.shared:
                        self._apart(node, pair, passed, values)
                case Sum(sources=several):
                    values[node] = np.sum([values[one] for one in several], axis=0)
                case Concat(sources=several):
                    values[node] = np.concatenate([values[one] for one in several], axis=1)
                case Select(source=source, indices=indices):
                    values[node] = values[source][:, indices]
        return values

    def _apart(self, node: int, pair: Pair, passed: Passed, values: dict[int, Array]) -> None:
        """Write what a little more of twins' coefficients would be worth, where they share some."""
        lines, box, order, both = self.bounds.apart[node], self.box, pair.order, passed.shared[node]
        one, two = (self.system.nodes[at] for at in (pair.first, pair.second))
        assert isinstance(one, Activation)
        assert isinstance(two, Activation)
        apart = values[one.source] - values[two.source][:, order]
        line = np.where(
            both > 0.0,
            lines.low[box] * apart + lines.low_at[box],
            lines.high[box] * apart + lines.high_at[box],
        )
        first, second = self.used[node]
        smaller = np.abs(first) <= np.abs(second[:, order])  # all of it is shared
        plain, other = values[pair.first], values[pair.second][:, order]
        values[pair.first] = np.where((both != 0.0) & smaller, line + other, plain)
        moved = np.where((both != 0.0) & ~smaller, plain - line, other)
        values[pair.second] = values[pair.second].copy()
        values[pair.second][:, order] = moved

    def _step(self, step: int, passed: Passed) -> None:
        """Move slopes and weights along the gradient."""
        values, rate = self._forth(passed), DECAY**step
        for at, ways in self.ways.items():
            layer = self.system.nodes[at]
            assert isinstance(layer, Activation)
            z, row = values[layer.source], passed.rows.get(at)
            if row is not None and ways.open.any():
                up = np.where(ways.open, np.maximum(row, 0.0) * z, 0.0)
                moved = ways.low + RATE * rate * self._along((at, "slope"), up, step)
                ways.low = np.where(ways.open, np.clip(moved, 0.0, 1.0), ways.low)
            if ways.sign.any():
                size = 0.0 if row is None else np.abs(row).max(axis=1, keepdims=True)
                length = PRESSED * rate * np.maximum(size, 1e-12)
                along = self._along((at, "weight"), ways.sign * z, step)
                ways.weight = np.maximum(ways.weight + length * along, 0.0) * np.abs(ways.sign)

    def _along(self, name: tuple[int, str], gradient: Array, step: int) -> Array:
        """Return a direction of about unit length in each number."""
        mean = self._mean.get(name, np.zeros_like(gradient))
        squares = self._squares.get(name, np.zeros_like(gradient))
        self._mean[name] = mean = KEEP * mean + (1.0 - KEEP) * gradient
        squares = KEEP_SQUARES * squares + (1.0 - KEEP_SQUARES) * gradient**2
        self._squares[name] = squares
        mean = mean / (1.0 - KEEP ** (step + 1))
        root = np.sqrt(squares / (1.0 - KEEP_SQUARES ** (step + 1)))
        return np.asarray(mean / (root + 1e-30))
