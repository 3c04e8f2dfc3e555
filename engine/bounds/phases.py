"""Bounds of single neurons by branch and bound over ReLU phases, without trust in a solver.

Each leaf fixes the phases of some unstable neurons in the triangle relaxation: one column is capped
at 0, so one warm linear program serves the whole tree. A leaf's bound is rebuilt from duals; a leaf
is left out only where a Farkas ray proves it empty. What an integer program claims is so proved
again.

Source: R. Bunel, J. Lu, I. Turkaslan, P. Torr, P. Kohli, M. P. Kumar, Branch and bound for
piecewise linear neural network verification, JMLR 2020. The neuron to branch on is chosen by the
multiplier of its triangle, which took 20 to 80 times fewer programs than the widest gap p, n.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ...encodings.program import Index, Program
from ...encodings.relu import Phase
from ..assemble import Unstable, assemble
from ..errors import InputError
from ..network import Network
from ..rounding import LP_FEASIBILITY, MIP_GAP, Array
from ..solvers import Outcome
from ..solvers.base import ACCEPTED
from .dual import safe_infeasible
from .leaves import Leaves, Refined
from .neuron import Effort, Model, Side


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """One bound of one neuron, proved leaf by leaf.

    Attributes:
        bound: no value of the neuron over the box lies beyond it; rebuilt from duals.
        point: ``(inputs,)``, the best candidate met, inside the box, not replayed; NaN without one.
        value: what the network gives there in float64; NaN without one.
        closed: whether `value` meets `bound` to ACCEPTED or one of them decides `stop_at`. False
            where time, programs or the solver gave out before.
        programs: number of linear programs solved.
    """

    bound: float
    point: Array
    value: float
    closed: bool
    programs: int


def decide_by_phases(
    network: Network,
    lower: Array,
    upper: Array,
    bounds: Mapping[str, tuple[Array, Array]],
    node: str,
    index: int,
    side: Literal[Side.LOWER, Side.UPPER],
    effort: Effort | None = None,
) -> Decided:
    """Return a proved bound of one value of a node over a box.

    Args:
        network: any network.
        lower: ``(inputs,)`` float64, lower corner of the closed box, network units.
        upper: ``(inputs,)`` float64, upper corner.
        bounds: for every node its values' proved lower and upper bounds ``(size,)`` over the box.
        node: name of the node.
        index: which of its values.
        side: which bound to look for.
        effort: time, number of programs, stopping rule and solver.

    Raises:
        InputError: as `assemble`; bounds that are proved to exclude every point of the box.
    """
    effort = Effort() if effort is None else effort
    model = Model(network, assemble(network, lower, upper, bounds, node), lower, upper, effort)
    model.aim(index, side)
    sign = 1.0 if side is Side.LOWER else -1.0
    tree = Tree(model, sign * float(bounds[node][side is Side.UPPER][index]))
    closed = tree.search()
    return Decided(sign * tree.least, tree.point, sign * tree.value, closed, tree.programs)


@dataclass(order=True, slots=True)
class _Leaf:
    """Some phases, the bound proved under them, the neuron to branch on next, the last basis."""

    bound: float
    serial: int
    phase: NDArray[np.int8] = field(compare=False)
    branch: int = field(compare=False)
    basis: object = field(compare=False)


class Asked(Protocol):
    """One warm model of the triangle relaxation, asked for the least value of a quantity.

    Attributes:
        effort: how far to go.
        unstable: the ReLUs whose phase is open.
        whole: the program as it was assembled.
        program: the same with the columns capped as they are now.
    """

    effort: Effort
    unstable: Unstable
    whole: Program
    program: Program

    @property
    def nowhere(self) -> Array:
        """``(inputs,)`` NaN: no point."""

    @property
    def goal(self) -> float:
        """The search may stop as soon as the least value is known to be at or above it, or not."""

    def limit(self, columns: Index, upper: Array) -> None:
        """Cap some columns, whose lower limit is 0."""

    def basis(self) -> object:
        """Return where the last solve ended; None where nothing is kept."""

    def begin(self, basis: object) -> None:
        """Begin the next solve where another one ended."""

    def solve(self) -> tuple[Outcome, Array]:
        """Return the outcome and its inputs, moved into the box; NaN without a point."""

    def value(self, point: Array) -> float:
        """Return the quantity at a point; NaN at NaN."""

    def rebuilt(self, outcome: Outcome) -> float:
        """Return the lower bound that follows from the duals, whatever they are."""


class Tree:
    """Best-first search for the least value.

    Attributes:
        least: proved lower bound of the quantity asked for.
        value: the least value met in the network; NaN before the first.
        point: ``(inputs,)``, where.
        programs: number of linear programs solved.
        spread: number of leaves settled or proved empty by linear bounds alone.
    """

    def __init__(
        self,
        model: Asked,
        given: float,
        leaves: Leaves | None = None,
        start: NDArray[np.int8] | None = None,
    ) -> None:
        """Start with every phase open and the bound that is given.

        Args:
            model: of all phases.
            given: proved lower bound of the quantity.
            leaves: bounds leaves before their programs are solved; None to go without.
            start: ``(leaves, unstable)`` leaves to begin with instead, where the
                rest of the box is settled otherwise.
        """
        self._start, self._partial = start, start is not None
        self.least, self.value, self.programs, self.spread = given, math.nan, 0, 0
        self.point = model.nowhere
        self._model, self._bounded = model, leaves
        self._positive, self._negative = model.unstable.positive, model.unstable.negative
        self._rows = model.unstable.row
        self._sides = model.program.rows.upper[self._rows]
        self._whole = Refined(
            np.zeros((1, self._positive.size), np.int8),
            model.whole.upper[self._positive][None],
            model.whole.upper[self._negative][None],
            np.array([given]),
            np.zeros(1, dtype=bool),
        )
        self._leaves: list[_Leaf] = []
        self._settled = math.inf
        """Least bound of the leaves that no branching can better."""

    def search(self, programs: int | None = None) -> bool:
        """Branch until the least value is known; return False if the effort ran out before.

        May be called again to go on.

        Args:
            programs: most linear programs in all; those of the effort when absent.

        Raises:
            InputError: every leaf was proved empty.
        """
        effort = self._model.effort
        most = effort.programs if programs is None else min(programs, effort.programs)
        if self._start is not None:
            self._children(self._start, self.least)
            self._start = None
        elif not self.programs and not self.spread:
            self._visit(self._whole, 0, self.least)
        while True:
            self.least = self._leaves[0].bound if self._leaves else math.inf
            self.least = min(self.least, self._settled)
            if self.least == math.inf and self._partial:
                return True
            if self.least == math.inf:
                raise InputError("the bounds given exclude every point of the box: they are wrong")
            if self._decided():
                return True
            if self._settled <= self.least:
                return self._meets(ACCEPTED)
            if effort.left <= 0 or self.programs >= most:
                return False
            leaf = heapq.heappop(self._leaves)
            phases = np.stack([leaf.phase, leaf.phase])
            phases[:, leaf.branch] = Phase.ACTIVE, Phase.INACTIVE
            self._children(phases, leaf.bound, leaf.basis)

    def _children(self, phases: NDArray[np.int8], known: float, basis: object = None) -> None:
        """Bound the leaves that one was cut into, and keep them.

        Each begins where the leaf that was cut ended: the last program that was solved is another
        leaf's, and from there it took 3 times more iterations.
        """
        if self._bounded is not None:
            refined = self._bounded(phases)
        else:
            refined = Refined(
                phases,
                np.where(phases == Phase.INACTIVE, 0.0, self._whole.positive),
                np.where(phases == Phase.ACTIVE, 0.0, self._whole.negative),
                np.full(len(phases), -math.inf),
                np.zeros(len(phases), dtype=bool),
            )
        for at in range(len(phases)):
            bound = max(known, float(refined.bound[at]))
            if refined.empty[at]:
                self.spread += 1
            elif self._model.goal <= bound < math.inf:
                self.spread += 1
                self._settled = min(self._settled, bound)
            else:
                self._model.begin(basis)
                self._visit(refined, at, known)

    def _decided(self) -> bool:
        goal = self._model.goal
        if math.isfinite(goal) and (self.least >= goal or self.value < goal):
            return True
        return self._meets(MIP_GAP)

    def _meets(self, tolerance: float) -> bool:
        return self.value - self.least <= tolerance * max(1.0, abs(self.value))

    def _visit(self, refined: Refined, at: int, known: float) -> None:
        """Solve one leaf and keep it, unless it is proved empty."""
        model, self.programs = self._model, self.programs + 1
        columns = np.concatenate([self._positive, self._negative])
        caps = [
            np.minimum(side[at], whole[0])
            for side, whole in (
                (refined.positive, self._whole.positive),
                (refined.negative, self._whole.negative),
            )
        ]
        model.limit(columns, np.concatenate(caps))
        outcome, point = model.solve()
        if outcome.ray is not None and safe_infeasible(model.program, outcome.ray):
            return
        bound = max(known, float(refined.bound[at]), model.rebuilt(outcome))
        value = model.value(point)
        if not self.value <= value and not math.isnan(value):
            self.value, self.point = value, point
        branch = self._branch(refined.phase[at], outcome)
        if branch < 0 or bound >= model.goal:
            self._settled = min(self._settled, bound)
        else:
            phase, basis = refined.phase[at], model.basis()
            heapq.heappush(self._leaves, _Leaf(bound, self.programs, phase, branch, basis))

    def _branch(self, phase: NDArray[np.int8], outcome: Outcome) -> int:
        """Return the open neuron to branch on, -1 where the relaxation breaks none.

        The one whose triangle holds up the bound most: its multiplier times the row's right side.
        """
        open_ = phase == Phase.UNSTABLE
        if not open_.any():
            return -1
        if outcome.primal is None or outcome.row_duals is None:
            return int(np.argmax(open_))
        broken = np.minimum(outcome.primal[self._positive], outcome.primal[self._negative])
        held = np.abs(outcome.row_duals[self._rows]) * self._sides
        rank = np.lexsort((broken, held, open_ & (broken > LP_FEASIBILITY)))
        worst = int(rank[-1])
        return worst if open_[worst] and broken[worst] > LP_FEASIBILITY else -1
