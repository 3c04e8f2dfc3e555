"""Exact repair of a layer that goes linearly to the outputs, over a set of points.

The numbers of such a layer move the outputs at a point linearly, so those that make the largest
distance over some points least come from a program: a linear one, or with whole numbers where the
layer's form is a grid. Points where the repaired network is farthest off are found by an attack and
added, until that gains nothing. No data are needed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Affine, Concat, Network, Node, Piecewise, Select, State, Sum
from ..engine.operators import Dense
from ..engine.region import Region
from ..engine.solvers.base import Options, Solver
from .farthest import distances, farthest
from .form import Compressed, Fixed, Free, Grid, Half, Masked, Values, nearest
from .last_layer_program import Fit, fitted
from .replaced import with_numbers

Array = NDArray[np.float64]

REACH = 2.0
"""How far a number may move, in units of the root mean square of its layer's weights (and of its
own magnitude): far moves fit the points and leave the region to chance."""

LARGEST = 400
"""Numbers of one program; a layer whose outputs are tied by more of them is left alone."""

GAIN = 0.01
"""Share by which an attack must pass the distance on the points for another round to follow."""


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """An affine layer and the linear way from it to the outputs.

    Attributes:
        node: of the layer, whose operator is dense.
        weight: ``(values, reads)`` of the layer.
        way: ``(outputs, values)``: the outputs are ``way (W h + b)`` and what does not depend on
            W and b.
    """

    node: Node
    weight: Array
    way: Array

    def groups(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield outputs and the layer's values that they depend on, whatever is tied together."""
        tied = self.way != 0.0
        left = np.ones(len(self.way), np.bool_)
        for output in range(len(self.way)):
            if not left[output] or not tied[output].any():
                continue
            outputs = np.zeros(len(self.way), np.bool_)
            outputs[output] = True
            while True:
                values = tied[outputs].any(axis=0)
                more = tied[:, values].any(axis=1)
                if (more == outputs).all():
                    break
                outputs = more | outputs
            left &= ~outputs
            yield np.flatnonzero(outputs), np.flatnonzero(values)


def tails(network: Network) -> list[Tail]:
    """Return the dense layers that go linearly to the outputs, the last one first."""
    back = {network.output: np.eye(network.size_out)}
    bent: set[str] = set()
    out = []
    for node in reversed(network.nodes):
        rows = back.get(node.name)
        # Whatever reaches the outputs through a layer that bends does so in every layer before it.
        if rows is None or node.name in bent or not (parts := _pulled(node, rows)):
            bent.update(node.sources)
            continue
        if isinstance(node.layer, Affine) and isinstance(node.layer.operator, Dense):
            out.append(Tail(node, node.layer.operator.weight, rows))
        for source, part in zip(node.sources, parts, strict=True):
            back[source] = back[source] + part if source in back else part
    return out


def _pulled(node: Node, rows: Array) -> list[Array]:
    """Return the rows over a linear layer's sources; none for a layer that bends."""
    match node.layer:
        case Affine(operator=operator):
            return [np.asarray(operator.pull(rows))]
        case Piecewise(state=state, slope=slope) if not (state == State.RELU).any():
            return [rows * np.where(state == State.IDENTITY, 1.0, slope)]
        case Sum():
            return [rows] * len(node.sources)
        case Concat(sizes=sizes):
            return np.split(rows, np.cumsum(sizes)[:-1], axis=1)
        case Select(indices=indices, size_in=size_in):
            part = np.zeros((len(rows), size_in))
            np.add.at(part, np.s_[:, indices], rows)  # type: ignore[arg-type]
            return [part]
        case _:
            return []


@dataclass(slots=True, eq=False)
class LastLayer:
    """The repair of the layers that go linearly to the outputs.

    Attributes:
        original: f.
        regions: closed boxes, network units.
        solver: of the programs.
        rounds: how often points are added.
        deadline: on `time.monotonic`.
        options: of each program.
    """

    original: Network
    regions: Sequence[Region]
    solver: Solver
    rounds: int = 6
    deadline: float = math.inf
    options: Options = field(default_factory=lambda: Options(time_limit=20.0))

    def repaired(
        self, compressed: Compressed, points: Array, rng: np.random.Generator
    ) -> tuple[Compressed, Array]:
        """Return the network repaired as far as points show, and the points that were met.

        Args:
            compressed: g.
            points: ``(points, inputs)`` to begin with, spread over the regions.
            rng: source of randomness.

        Returns:
            a network of the same forms, the given one where nothing bettered it; and all points,
            ``(more points, inputs)``.
        """
        met, _ = farthest(self.original, compressed.network, self.regions, rng, self.deadline)
        points = np.concatenate([met, points])
        best = now = compressed
        for _ in range(self.rounds):
            if time.monotonic() > self.deadline:
                break
            now = self.fitted(now, points)
            known = self._apart(now, points)
            fresh, far = farthest(self.original, now.network, self.regions, rng, self.deadline)
            points = np.concatenate([fresh, points])
            # What was best is judged by the new points too.
            least = self._apart(best, points)
            if max(far, known) < least:
                best = now
            if far <= known * (1.0 + GAIN):
                break
        return best, points

    def _apart(self, compressed: Compressed, points: Array) -> float:
        return float(distances(self.original, compressed.network, points).max(initial=0.0))

    def fitted(self, compressed: Compressed, points: Array) -> Compressed:
        """Return the network whose linear layers fit some points best, one layer after another."""
        for name in [tail.node.name for tail in tails(compressed.network)]:
            (tail,) = (one for one in tails(compressed.network) if one.node.name == name)
            compressed = self._layer(compressed, tail, points)
        return compressed

    def _layer(self, compressed: Compressed, tail: Tail, points: Array) -> Compressed:
        network, form = compressed.network, compressed.forms[tail.node.name]
        layer = tail.node.layer
        assert isinstance(layer, Affine)
        values = network.trace(points)
        reads = values[tail.node.sources[0]]
        rest = self.original.evaluate(points) - values[network.output]
        weight, bias = tail.weight.copy(), layer.bias.copy()
        for outputs, rows in tail.groups():
            if time.monotonic() > self.deadline:
                break
            part = _Part(tail, form.weight, form.bias, weight, bias, outputs, rows)
            if not 0 < part.size <= LARGEST:
                continue
            fit = part.fit(reads, rest)
            found, _ = fitted(fit, self.solver, self.options)
            part.put(found)
        weight, bias = nearest(form.weight, weight), nearest(form.bias, bias)
        numbers = {(tail.node.name, False): weight, (tail.node.name, True): bias}
        return with_numbers(compressed, numbers)


class _Part:
    """The numbers of a layer that some outputs depend on, as one problem."""

    def __init__(
        self,
        tail: Tail,
        weight_form: Values,
        bias_form: Values,
        weight: Array,
        bias: Array,
        outputs: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> None:
        self.way = tail.way[np.ix_(outputs, rows)]
        self.outputs, self.rows = outputs, rows
        self.weight, self.bias = weight, bias
        size = float(np.sqrt(np.mean(tail.weight**2))) or 1.0
        self.moving = (_moving(weight_form, weight)[rows], _moving(bias_form, bias)[rows])
        self.columns = [
            _columns(form, values, size)
            for form, values in ((weight_form, weight), (bias_form, bias))
        ]

    @property
    def size(self) -> int:
        """Number of numbers that may move."""
        return int(sum(np.count_nonzero(which) for which in self.moving))

    def fit(self, reads: Array, rest: Array) -> Fit:
        """Return the problem, for what the layer reads and what is missing at points."""
        row, column = np.nonzero(self.moving[0])
        blocks = []
        for way in self.way:
            bias = np.tile(way[self.moving[1]], (len(reads), 1))
            blocks.append(np.hstack([way[row] * reads[:, column], bias]))
        matrix = np.concatenate(blocks)
        start, lower, upper, step, half = (
            np.concatenate(
                [
                    side[at][self.rows][moves]
                    for side, moves in zip(self.columns, self.moving, strict=True)
                ]
            )
            for at in range(5)
        )
        goal = rest[:, self.outputs].T.ravel() + matrix @ start
        return Fit(matrix, goal, start, lower, upper, np.zeros(start.size), step, half > 0.0)

    def put(self, found: Array) -> None:
        """Write numbers that were found into the layer."""
        split = int(np.count_nonzero(self.moving[0]))
        for which, values, numbers in zip(
            self.moving, (self.weight, self.bias), (found[:split], found[split:]), strict=True
        ):
            some = values[self.rows]
            some[which] = numbers
            values[self.rows] = some


def _moving(form: Values, values: Array) -> NDArray[np.bool_]:
    """Return which numbers of an array may move."""
    match form:
        case Fixed():
            return np.zeros(values.shape, np.bool_)
        case Masked(kept=kept):
            return kept
        case Free() | Half() | Grid():
            return np.ones(values.shape, np.bool_)
        case _ as never:
            assert_never(never)


def _columns(form: Values, values: Array, size: float) -> list[Array]:
    """Return start, lower and upper limit, step, and 1 for a float16, of each number."""
    room = REACH * np.maximum(np.abs(values), size)
    lower, upper = values - room, values + room
    step = half = np.zeros(values.shape)
    match form:
        case Grid(low=low, high=high):
            step = np.broadcast_to(form.over(values.shape), values.shape)
            lower, upper = np.maximum(lower, low * step), np.minimum(upper, high * step)
        case Half():
            half = np.ones(values.shape)
            lower, upper = np.maximum(lower, -65504.0), np.minimum(upper, 65504.0)
        case Free() | Masked() | Fixed():
            pass
        case _ as never:
            assert_never(never)
    return [values, np.minimum(lower, values), np.maximum(upper, values), step, half]
