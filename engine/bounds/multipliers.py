"""Branch and bound over ReLU phases by linear bounds alone, many leaves at once.

A leaf asks for inputs where some forms of the outputs are all small and some neurons have fixed
phases. For multipliers w >= 0 of the forms and b >= 0 of the phases, and any lower slopes,
``sum w form - sum b |z|`` is bounded from below by one backward pass; where the bound is above 0
no input of the leaf makes every form at most 0. Multipliers and slopes climb along the gradient of
the bound; whatever they are, the bound is sound.

No program is solved, so this is quick where programs are large: on networks with many inputs. What
only a program can settle is handed back.

Source: S. Wang, H. Zhang, K. Xu, X. Lin, S. Jana, C.-J. Hsieh, J. Z. Kolter, Beta-CROWN, NeurIPS
2021 (multipliers of phases); the multipliers of several forms are ours.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ...encodings.relu import Phase
from ..network import Affine, Concat, Input, Network, Node, Piecewise, Quantize, Select, Sum
from ..rounding import SLACK, UNDERFLOW, Array, gamma
from .interval import Interval
from .leaves import Leaves
from .linear import Backward, Lines, backward, relaxations

STEPS: Final = 8
"""Gradient steps for each leaf; a leaf begins with its parent's multipliers."""

ENTRIES: Final = 4_000_000
"""Coefficients that one batch of leaves may hold in its backward passes."""

FEW: Final = 8
"""Open phases up to which a leaf is handed back: one program settles it more surely than the
leaves it would be cut into."""

BATCH: Final = 32
"""Most leaves bounded together."""

Try = Callable[[Array], bool]
"""Takes points ``(points, inputs)``, returns whether one is a counterexample: the search ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Aim:
    """What a leaf asks: ``factor (z - limit) <= 0`` for every form.

    Attributes:
        rows: ``(forms,)`` values of the target, each once.
        factors: ``(forms,)`` positive powers of two.
        limits: ``(forms,)`` float64, each at least the true limit.
        strict: whether every form must be below 0, so that a bound of 0 excludes a leaf.
    """

    rows: NDArray[np.int64]
    factors: Array
    limits: Array
    strict: bool


@dataclass(order=True, slots=True)
class Open:
    """A leaf that is not settled.

    Attributes:
        bound: of the weighted forms; orders the leaves.
        serial: breaks ties.
        phase: ``(unstable,)``.
        branch: the neuron to cut next; -1 where few are open.
        slopes, pressure: ``(unstable,)`` lower slopes and multipliers of phases.
        weights: ``(forms,)``.
    """

    bound: float
    serial: int
    phase: NDArray[np.int8] = field(compare=False)
    branch: int = field(compare=False)
    slopes: Array = field(compare=False)
    pressure: Array = field(compare=False)
    weights: Array = field(compare=False)


class Spread:
    """A best-first search.

    Attributes:
        count: number of leaves bounded.
        open: leaves that branching may settle, a heap.
        rest: leaves with few open phases that are not settled.
    """

    def __init__(
        self,
        network: Network,
        lower: Array,
        upper: Array,
        target: str,
        aim: Aim,
        leaves: Leaves,
        unstable: int,
        attempt: Try,
    ) -> None:
        """Start with one leaf whose phases are all open.

        Args:
            network: any network.
            lower: ``(inputs,)`` of the box.
            upper: ``(inputs,)``.
            target: name of the node asked about.
            aim: the forms.
            leaves: bounds of leaves.
            unstable: number of neurons whose phase is open.
            attempt: is given candidates.
        """
        self.count, self.rest = 0, list[Open]()
        self._lower, self._upper, self._aim, self._leaves = lower, upper, aim, leaves
        self._attempt, self._target = attempt, target
        self._groups = leaves.groups
        # One node that holds the target and every pre-activation: a row of it may weigh them all.
        self._name = f"{target}, phases"
        sources = (target, *(group.source for group in self._groups))
        sizes = tuple(network.by_name[name].size for name in sources)
        nodes = (*network.nodes, Node(self._name, Concat(sizes), sources))
        self._network = Network(nodes, self._name)
        self._firsts = np.cumsum([0, *sizes])
        self._inputs = network.size_in
        weights = np.full(aim.rows.size, 1.0 / aim.rows.size)
        start, none = np.zeros(unstable, np.int8), np.full(unstable, np.nan)
        self.open = [Open(-np.inf, 0, start, -1, none, np.zeros(unstable), weights)]
        self._size = max(2, min(BATCH, ENTRIES // max(1, 2 * unstable * self._inputs)))

    def search(self, most: int, late: Callable[[], bool]) -> bool:
        """Branch; return whether no leaf is open, or a counterexample was found.

        Args:
            most: leaves to bound in all.
            late: whether the time is spent.
        """
        while self.open and self.count < most and not late():
            some = [heapq.heappop(self.open) for _ in range(min(self._size // 2, len(self.open)))]
            if self._visit(_children(some)):
                return True
        return not self.open

    def _visit(self, batch: list[Open]) -> bool:
        """Bound leaves and keep those that are not settled; return whether to end."""
        phase = np.stack([leaf.phase for leaf in batch])
        found, empty = self._leaves.bounds(phase)
        phase, _ = self._leaves.implied(phase, found)
        self.count += len(batch)
        keep = np.flatnonzero(~empty)
        if not keep.size:
            return False
        batch, phase = [batch[at] for at in keep], phase[keep]
        bounds = {name: (low[keep], high[keep]) for name, (low, high) in found.items()}
        climb = _Climb(self, batch, phase, bounds)
        climb.run()
        if self._attempt(climb.points):
            return True
        branch = climb.branch()
        for at, leaf in enumerate(batch):
            if climb.settled[at]:
                continue
            made = Open(
                max(leaf.bound, float(climb.best[at])),
                self.count + at,
                phase[at],
                int(branch[at]),
                climb.slopes[at],
                climb.pressure[at],
                climb.weights[at],
            )
            if made.branch < 0:
                self.rest.append(made)
            else:
                heapq.heappush(self.open, made)
        return False


def _children(some: list[Open]) -> list[Open]:
    out = []
    for leaf in some:
        if leaf.branch < 0:  # the root
            out.append(leaf)
            continue
        for choice in (Phase.ACTIVE, Phase.INACTIVE):
            phase = leaf.phase.copy()
            phase[leaf.branch] = choice
            out.append(Open(leaf.bound, 0, phase, -1, leaf.slopes, leaf.pressure, leaf.weights))
    return out


class _Climb:
    """Gradient steps on the multipliers of some leaves."""

    def __init__(
        self,
        search: Spread,
        batch: list[Open],
        phase: NDArray[np.int8],
        bounds: Mapping[str, Interval],
    ) -> None:
        self.search, self.phase, self.bounds = search, phase, bounds
        self.pressure = np.stack([leaf.pressure for leaf in batch])
        self.weights = np.stack([leaf.weights for leaf in batch])
        self.slopes = np.stack([leaf.slopes for leaf in batch])
        self.relaxed = relaxations(search._network, bounds)
        for group in search._groups:  # a leaf without slopes begins with the fixed ones
            line = self.relaxed[group.node].down_slope[:, group.neurons]
            given = self.slopes[:, group.members]
            self.slopes[:, group.members] = np.where(np.isnan(given), line, given)
        self.settled = np.zeros(len(batch), dtype=bool)
        self.best = np.full(len(batch), -np.inf)
        self.points = np.zeros((len(batch), search._inputs))
        self._moments = {
            name: (np.zeros_like(values), np.zeros_like(values))
            for name, values in (("slopes", self.slopes), ("pressure", self.pressure))
        }

    def run(self) -> None:
        """Take the steps, or fewer if all leaves are settled."""
        for step in range(1, STEPS + 2):
            now = self._pass()
            bound = self._bound(now)
            self.best = np.maximum(self.best, bound)
            aim = self.search._aim
            weighs = (self.weights * aim.factors > 0.0).any(axis=1)
            self.settled |= (bound > 0.0) | (aim.strict & weighs & (bound >= 0.0))
            self._last = now
            values = _forward(self.search._network, now, self.relaxed, self.bounds, self._given)
            self._values = values
            self.points = values[self.search._network.input.name][:, 0]
            if step > STEPS or self.settled.all():
                return
            self._step(values, now, step)

    def _pass(self) -> Backward:
        search, count = self.search, len(self.phase)
        rows = np.zeros((count, 1, search._firsts[-1]))
        rows[:, 0, search._aim.rows] = -self.weights * search._aim.factors
        for group, first in zip(search._groups, search._firsts[1:], strict=False):
            pressure = self.pressure[:, group.members] * self.phase[:, group.members]
            rows[:, 0, first + group.neurons] = pressure
        self._given = {}
        for group in search._groups:
            line = self.relaxed[group.node]
            slopes = line.down_slope.copy()
            slopes[:, group.neurons] = np.where(
                line.free[:, group.neurons],
                self.slopes[:, group.members],
                slopes[:, group.neurons],
            )
            self._given[group.node] = slopes[:, None]
        return backward(search._network, search._name, rows, self.bounds, self.relaxed, self._given)

    def _bound(self, now: Backward) -> Array:
        """Return the proved lower bounds of the weighted forms, ``(leaves,)``."""
        aim = self.search._aim
        # The multiplier is the product of weight and factor as it was rounded into the rows.
        terms = (self.weights * aim.factors) * aim.limits
        total = -now.upper[:, 0] - terms.sum(axis=1)
        size = np.abs(now.upper[:, 0]) + np.abs(terms).sum(axis=1)
        exact = ~terms.any(axis=1)
        error = (gamma(aim.rows.size + 2) * size + UNDERFLOW) * SLACK
        with np.errstate(invalid="ignore"):
            bound = np.where(exact, -now.upper[:, 0], total - error)
        return np.where(np.isnan(bound), -np.inf, bound)

    def _step(self, values: Mapping[str, Array], now: Backward, step: int) -> None:
        search = self.search
        slope, pressure = np.zeros_like(self.slopes), np.zeros_like(self.pressure)
        for group in search._groups:
            z = values[group.source][:, 0][:, group.neurons]
            rows = now.coefficients[group.node][:, 0][:, group.neurons]
            slope[:, group.members] = np.minimum(rows, 0.0) * z
            pressure[:, group.members] = self.phase[:, group.members] * z
        rate = 0.3 * 0.9**step
        self.slopes = np.clip(self.slopes - rate * self._direction("slopes", slope, step), 0.0, 1.0)
        moved = self.pressure - 0.5 * rate * self._scale() * self._direction(
            "pressure", pressure, step
        )
        self.pressure = np.where(self.phase == 0, 0.0, np.maximum(moved, 0.0))
        if search._aim.rows.size > 1:
            aim = search._aim
            excess = (values[search._target][:, 0][:, aim.rows] - aim.limits) * aim.factors
            spread = np.abs(excess).max(axis=1, keepdims=True) + UNDERFLOW
            weights = self.weights * np.exp(rate * 4.0 * excess / spread)
            self.weights = weights / weights.sum(axis=1, keepdims=True)

    def _scale(self) -> Array:
        """Return the size of the coefficients that the phases' multipliers compete with."""
        size = np.zeros((len(self.phase), self.phase.shape[1]))
        for group in self.search._groups:
            rows = self._last.coefficients[group.node][:, 0]
            size[:, group.members] = np.abs(rows).mean(axis=1, keepdims=True)
        return size

    def _direction(self, name: str, gradient: Array, step: int) -> Array:
        first, second = self._moments[name]
        first[:] = 0.9 * first + 0.1 * gradient
        second[:] = 0.99 * second + 0.01 * gradient * gradient
        return (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-30)

    def branch(self) -> NDArray[np.int64]:
        """Return for each leaf the open neuron whose relaxation holds the bound down most."""
        score = np.full(self.phase.shape, -np.inf)
        for group in self.search._groups:
            line = self.relaxed[group.node]
            rows = self._last.coefficients[group.node][:, 0]
            gap = np.maximum(rows, 0.0) * line.up_shift
            open_ = self.phase[:, group.members] == 0
            score[:, group.members] = np.where(open_, gap[:, group.neurons], -np.inf)
        worst = np.argmax(score, axis=1) if score.size else np.zeros(len(score), dtype=np.int64)
        known = (self.phase == 0).sum(axis=1) <= FEW
        return np.where(known, -1, worst)


def _forward(
    network: Network,
    now: Backward,
    relaxed: Mapping[str, Lines],
    bounds: Mapping[str, Interval],
    slopes: Mapping[str, Array],
) -> dict[str, Array]:
    """Return every node's value at the optimum of the relaxation that the rows chose."""
    values: dict[str, Array] = {}
    for node in network.nodes:
        reads = [values[name] for name in node.sources]
        match node.layer:
            case Input():
                low, high = bounds[node.name]
                values[node.name] = np.where(now.inputs >= 0.0, high[:, None], low[:, None])
            case Affine(operator=operator, bias=bias):
                values[node.name] = operator.push(reads[0]) + bias
            case Piecewise() | Quantize():
                line, rows = relaxed[node.name], now.coefficients.get(node.name)
                lower = slopes.get(node.name, line.down_slope[:, None])
                lower = np.where(line.free[:, None], lower, line.down_slope[:, None])
                below = lower * reads[0] + line.down_shift[:, None]
                if rows is None:
                    values[node.name] = below
                    continue
                above = line.up_slope[:, None] * reads[0] + line.up_shift[:, None]
                values[node.name] = np.where(rows >= 0.0, above, below)
            case Sum():
                values[node.name] = sum(reads[1:], start=reads[0])
            case Concat():
                values[node.name] = np.concatenate(reads, axis=-1)
            case Select(indices=indices):
                values[node.name] = reads[0][..., indices]
            case _ as never:
                assert_never(never)
    return values
