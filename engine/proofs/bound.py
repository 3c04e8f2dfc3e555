"""Bounds of linear forms of a system on boxes, in float64, rounded outward.

Values of all nodes are bounded by intervals forwards. Where a ReLU is not decided by that, its
pre-activation is bounded again: the form is carried backwards to the inputs (`backward.py`), each
ReLU replaced by a line above or below it (`lines.py`). Differences of twin neurons are bounded in
the same way, and a difference of two ReLUs by lines in the difference of their pre-activations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, assert_never

import numpy as np
from numpy.typing import NDArray

from .backward import Backwards
from .lines import TINY, Apart, Lines, length, lines_apart, lines_around, unit
from .model import Affine, Concat, Input, Select, Sum
from .system import Activation, Pair, System

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Ends = tuple[Array, Array]


class More(Protocol):
    """Multipliers of forms, see `multipliers.py`."""

    @property
    def slopes(self) -> Mapping[int, Array]:
        """Slopes of lines below ReLUs by activation, NaN for none."""
        ...

    @property
    def parts(self) -> Mapping[int, Array]:
        """Coefficients to add by node."""
        ...


ROWS = 1024
"""Forms that are carried backwards together, so that they stay in the cache."""


class Bounds:
    """What is known of a system's values on some boxes."""

    def __init__(
        self,
        system: System,
        lower: Array,
        upper: Array,
        known: Mapping[int, Ends] | None = None,
        *,
        still: Collection[int] = (),
        moves: bool = False,
    ) -> None:
        """Bound all values.

        Args:
            system: the networks.
            lower: ``(boxes, inputs)`` closed, finite.
            upper: the same.
            known: bounds of nodes that are known already, ``(boxes, size)``.
            still: activations whose pre-activations need not be bounded again: what is known of
                them is what would be found.
            moves: whether to keep how far inputs move undecided neurons, for `blame`.
        """
        self.system, self.boxes = system, len(lower)
        self.known, self.still = known or {}, frozenset(still)
        self.ends: dict[int, Ends] = {}
        self.empty = np.zeros(len(lower), np.bool_)  # bounds have crossed: no input is there
        self.most: dict[int, Array] = {}  # magnitudes
        self.reach: dict[int, Array] = {}  # length of what an affine node sums
        self.lines: dict[int, Lines] = {}
        self.apart: dict[int, Apart] = {}  # by the later of two twins
        self.moves: dict[int, Array] | None = {} if moves else None
        self.later = _later(system)
        self.once = {
            at: np.unique(node.indices).size == node.indices.size
            for at, node in enumerate(system.nodes)
            if isinstance(node, Select)
        }
        # What was bounded again: box, neuron and sign of each form, by activation.
        self.asked: dict[int, list[tuple[Index, Index, Array]]] = {}
        self.asked_apart: dict[int, list[tuple[Index, Index, Array]]] = {}
        self.centre: dict[int, Array] = {}  # values at the boxes' centres; they choose
        self._sizes: dict[int, Array] = {}
        with np.errstate(over="ignore", invalid="ignore"):
            for node in system.order:
                self._forward(node, lower, upper)

    def lower(
        self,
        start: Mapping[int, Array],
        box: Index,
        *,
        more: More | None = None,
        twins: bool = True,
    ) -> tuple[Array, Array]:
        """Return lower bounds of linear forms on their boxes, without a constant.

        Args:
            start: ``(forms, size)`` coefficients by node.
            box: ``(forms,)`` each form's box.
            more: multipliers of the forms.
            twins: whether differences of twins may be used.

        Returns:
            The bounds ``(forms,)``, -inf where there is none; and the coefficients of the inputs
            ``(forms, inputs)`` that they were found with, which choose what to split.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            begun = [(node, row.copy()) for node, row in start.items()]
            if more is not None:
                begun += [(node, row.copy()) for node, row in more.parts.items()]
            slopes = None if more is None else more.slopes
            return Backwards(self, begun, box, twins=twins, slopes=slopes).run()

    def blame(self, start: Mapping[int, Array], box: Index) -> Array:
        """Return how much of the looseness of forms' bounds is due to each input's width.

        Args:
            start: ``(forms, size)`` coefficients by node.
            box: ``(forms,)``.

        Returns:
            ``(forms, inputs)``; it chooses what to split, and proves nothing.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            begun = [(node, row.copy()) for node, row in start.items()]
            back = Backwards(self, begun, box, blame=True)
            back.run()
        assert back.blame is not None
        return back.blame

    def blamed(self, node: int, gap: Array, box: Index) -> Array:
        """Return gaps ``(forms, neurons)`` of an activation as parts of inputs."""
        assert self.moves is not None
        moves = self.moves.get(node)
        if moves is None:
            return np.zeros((box.size, self.system.sizes[0]))
        return np.asarray(np.einsum("ij,ijk->ik", gap, moves[box, : gap.shape[1]]))

    def size(self, node: int) -> Array:
        """Return bounds on the lengths of a node's values, ``(boxes,)``."""
        if node not in self._sizes:
            self._sizes[node] = length(self.most[node])
        return self._sizes[node]

    def _forward(self, node: int, lower: Array, upper: Array) -> None:
        layer, ends = self.system.nodes[node], self.ends
        match layer:
            case Input():
                low, high = lower, upper
                self.centre[node] = 0.5 * lower + 0.5 * upper
            case Affine(source=source, weight=weight, bias=bias):
                below, above = ends[source]
                middle = (0.5 * below + 0.5 * above) @ weight.T + bias
                size = np.abs(weight).T
                reach = (self.most[source] + 1e-250) @ size + np.abs(bias)
                # The rest is for coefficients that underflow.
                self.reach[node] = length(reach) + 1e-140 * self.size(source)
                wide = (0.5 * above - 0.5 * below) @ size
                wide += unit(weight.shape[1]) * reach + TINY
                low, high = middle - wide, middle + wide
                error = 2.0**-51 * (np.abs(middle) + wide)
                low, high = low - error, high + error
                self.centre[node] = self.centre[source] @ weight.T + bias
            case Activation(source=source):
                self._sharpen(node, layer)
                below, above = ends[source]
                self.lines[node] = lines_around(layer, below, above)
                if node in self.later:
                    self._differ(node, self.later[node])
                low, high = np.maximum(below, 0.0), np.maximum(above, 0.0)
                at = self.centre[source]
                line = layer.slope * at + layer.intercept
                self.centre[node] = np.where(layer.relu, np.maximum(at, 0.0), line)
                if not layer.relu.all():
                    one, two = layer.slope * below, layer.slope * above
                    size = np.maximum(np.abs(one), np.abs(two)) + np.abs(layer.intercept)
                    error = 2.0**-50 * size + TINY
                    least = np.minimum(one, two) + layer.intercept - error
                    most = np.maximum(one, two) + layer.intercept + error
                    low, high = np.where(layer.relu, low, least), np.where(layer.relu, high, most)
            case Sum(sources=several):
                low = sum((ends[one][0] for one in several[1:]), start=ends[several[0]][0])
                high = sum((ends[one][1] for one in several[1:]), start=ends[several[0]][1])
                size = np.sum([self.most[one] for one in several], axis=0)
                error = unit(len(several)) * size + TINY
                low, high = low - error, high + error
                self.centre[node] = np.sum([self.centre[one] for one in several], axis=0)
            case Concat(sources=several):
                low, high = (
                    np.concatenate([ends[one][side] for one in several], axis=1) for side in (0, 1)
                )
                self.centre[node] = np.concatenate([self.centre[at] for at in several], axis=1)
            case Select(source=source, indices=indices):
                low, high = ends[source][0][:, indices], ends[source][1][:, indices]
                self.centre[node] = self.centre[source][:, indices]
            case _:
                assert_never(layer)
        if node in self.known:
            low = np.fmax(low, self.known[node][0])
            high = np.fmin(high, self.known[node][1])
        low = np.where(np.isfinite(low), low, -np.inf)
        high = np.where(np.isfinite(high), high, np.inf)
        self._set(node, low, high)

    def _sharpen(self, node: int, layer: Activation) -> None:
        """Bound the pre-activations of undecided neurons again, backwards."""
        source = layer.source
        low, high = self.ends[source]
        box, neuron = np.nonzero((low < 0.0) & (high > 0.0) & layer.relu)
        if not box.size or node in self.still:
            return
        if self._direct(source):
            affine = self.system.nodes[source]
            assert isinstance(affine, Affine)
            rows = affine.weight[neuron]
            if self.moves is not None:
                self._move(node, box, neuron, self._picked(affine.source, rows))
            return
        low, high = low.copy(), high.copy()
        far = np.zeros((box.size, self.system.sizes[0]))
        # The side that is likely to decide comes first; the other one is for those that stay.
        positive = self.centre[source][box, neuron] > 0.0
        rest = np.arange(box.size)
        for sign in (np.where(positive, 1.0, -1.0), np.where(positive, -1.0, 1.0)):
            there, which = box[rest], neuron[rest]
            found, rows = self._signed([(source, which, sign[rest])], there)
            self.asked.setdefault(node, []).append((there, which, sign[rest]))
            far[rest] = np.maximum(far[rest], np.abs(rows))
            below = sign[rest] > 0.0
            some = there[below], which[below]
            low[some] = np.maximum(low[some], found[below])
            some = there[~below], which[~below]
            high[some] = np.minimum(high[some], -found[~below])
            rest = rest[(low[there, which] < 0.0) & (high[there, which] > 0.0)]
            if not rest.size:
                break
        if self.moves is not None:
            self._move(node, box, neuron, far)
        self._set(source, low, high)

    def _signed(self, parts: list[tuple[int, Index, Array]], box: Index) -> tuple[Array, Array]:
        """Return lower bounds of sums of signed values.

        Args:
            parts: node, ``(forms,)`` which of its values, and ``(forms,)`` signs.
            box: ``(forms,)``.

        Returns:
            ``(forms,)``, and the inputs' coefficients ``(forms, inputs)``.
        """
        found, rows = np.empty(box.size), np.empty((box.size, self.system.sizes[0]))
        for begin in range(0, box.size, ROWS):
            some = slice(begin, begin + ROWS)
            few = [(node, neuron[some], sign[some]) for node, neuron, sign in parts]
            found[some], rows[some] = self._few(few, box[some])
        return found, rows

    def _few(self, parts: list[tuple[int, Index, Array]], box: Index) -> tuple[Array, Array]:
        begun, shift, size = [], np.zeros(box.size), np.zeros(box.size)
        for node, neuron, sign in parts:
            layer = self.system.nodes[node]
            if isinstance(layer, Affine):  # a row of its matrix is what it takes back, exactly
                begun.append((layer.source, sign[:, None] * layer.weight[neuron]))
                bias = sign * layer.bias[neuron]
                shift += bias
                size += np.abs(bias)
            else:
                row = np.zeros((box.size, self.system.sizes[node]))
                row[np.arange(box.size), neuron] = sign
                begun.append((node, row))
        found, rows = Backwards(self, begun, box).run()
        error = 2.0**-50 * (np.abs(found) + size) + TINY
        return found + shift - error, rows

    def _set(self, node: int, low: Array, high: Array) -> None:
        self.ends[node] = low, high
        self.empty |= (low > high).any(axis=1)
        self.most[node] = np.maximum(np.abs(low), np.abs(high))

    def _move(self, node: int, box: Index, neuron: Index, rows: Array) -> None:
        """Note which part of what moves neurons each input is."""
        assert self.moves is not None
        low, high = self.ends[0]
        far = np.abs(rows) * (high - low)[box]
        far = np.where(np.isfinite(far), far, 0.0)
        part = np.zeros((self.boxes, self.system.sizes[node], far.shape[1]))
        whole = far.sum(axis=1, keepdims=True)
        part[box, neuron] = far / np.where(whole > 0.0, whole, 1.0)
        self.moves[node] = part

    def _picked(self, node: int, rows: Array) -> Array:
        """Return coefficients of an input, or of some of the inputs, as those of the inputs."""
        layer = self.system.nodes[node]
        if isinstance(layer, Input):
            return rows
        assert isinstance(layer, Select)
        out = np.zeros((len(rows), self.system.sizes[0]))
        out[:, layer.indices] = rows
        return out

    def _direct(self, node: int) -> bool:
        """Return whether intervals are exact: an affine form of inputs that are picked once."""
        layer = self.system.nodes[node]
        if not isinstance(layer, Affine):
            return False
        below = self.system.nodes[layer.source]
        return isinstance(below, Input) or (
            isinstance(below, Select) and below.source == 0 and self.once[layer.source]
        )

    def _differ(self, node: int, pair: Pair) -> None:
        """Bound the differences of twins, and draw lines around those of their ReLUs."""
        one, two = (self.system.nodes[at] for at in (pair.first, pair.second))
        assert isinstance(one, Activation)
        assert isinstance(two, Activation)
        order = pair.order
        (low_1, high_1), (low_2, high_2) = self.ends[one.source], self.ends[two.source]
        low, high = low_1 - high_2[:, order], high_1 - low_2[:, order]
        error = unit(1) * (self.most[one.source] + self.most[two.source][:, order]) + TINY
        low, high = low - error, high + error
        open_ = ((low_1 < 0.0) & (high_1 > 0.0)) | ((low_2 < 0.0) & (high_2 > 0.0))[:, order]
        open_ &= one.relu & two.relu[order]
        box, neuron = np.nonzero(open_)
        if box.size:
            sign = np.repeat([1.0, -1.0], box.size)
            box, neuron = np.tile(box, 2), np.tile(neuron, 2)
            parts = [(one.source, neuron, sign), (two.source, order[neuron], -sign)]
            found, _ = self._signed(parts, box)
            self.asked_apart[node] = [(box, neuron, sign)]
            below = sign > 0.0
            some = box[below], neuron[below]
            low[some] = np.maximum(low[some], found[below])
            high[some] = np.minimum(high[some], -found[~below])
        first, second = self.lines[pair.first], self.lines[pair.second]
        self.apart[node] = lines_apart(low, high, open_, first, second, order)


def _later(system: System) -> dict[int, Pair]:
    """Return pairs by the later of their activations."""
    position = {node: at for at, node in enumerate(system.order)}
    return {max(pair.first, pair.second, key=position.__getitem__): pair for pair in system.pairs}
