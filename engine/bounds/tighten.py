"""Tighter bounds of single neurons by linear and mixed-integer programs.

Trusted and rebuilt: a bound from a linear program is never the solver's objective, it is rebuilt
from the duals (`dual`). A bound from a mixed-integer program is the dual bound that the solver
states; it is marked as not rebuilt, and `phases` proves it again without trust. Points
are candidates for a witness and nothing more.

Source: V. Tjeng, K. Xiao, R. Tedrake, ICLR 2019, section 4 (progressive tightening).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Flag
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...encodings.program import Index
from ..assemble import Assembly, BigM, Relaxation, Triangle, assemble
from ..errors import SolverError
from ..network import Network
from ..rounding import Array
from ..solvers import Options, Outcome, Solver, Status, solver
from ..solvers.base import ACCEPTED
from ..verdict import Method
from .dual import safe_lower_bound

Clock = Callable[[], float]


class Side(Flag):
    """Which ends of a neuron's values are asked for."""

    LOWER = 1
    UPPER = 2
    BOTH = 3


@dataclass(frozen=True, slots=True)
class Effort:
    """How far to go.

    Attributes:
        deadline: on `clock`, seconds; what is not solved by then keeps its bound.
        clock: tells the time, seconds.
        stop_at: a value of the neuron; as soon as it is known on which side of it all values lie,
            nothing more is asked. None to go on to the end.
        programs: most linear programs that a search over phases solves.
        threads: of the solver.
        seed: of the solver.
        solver: HiGHS when absent.
    """

    deadline: float = math.inf
    clock: Clock = time.monotonic
    stop_at: float | None = None
    programs: int = 10_000
    threads: int = 1
    seed: int = 0
    solver: Solver = field(default_factory=lambda: solver("highs"))

    @property
    def left(self) -> float:
        """Seconds to the deadline."""
        return self.deadline - self.clock()


@dataclass(frozen=True, slots=True, eq=False)
class Tightened:
    """Bounds of some neurons.

    Attributes:
        lower, upper: ``(queries,)``, never wider than the bounds given.
        points: ``(queries, 2, inputs)``, where the solver saw the least and the greatest value;
            NaN where it gave no point. Candidates: inside the box, not replayed.
        rebuilt: whether every bound follows from the bounds given and from duals by outward
            rounding; False where a solver's own dual bound was taken.
        complete: whether every query was answered before the deadline; the bounds hold anyway.
    """

    lower: Array
    upper: Array
    points: Array
    rebuilt: bool
    complete: bool


def tighten(
    network: Network,
    lower: Array,
    upper: Array,
    bounds: Mapping[str, tuple[Array, Array]],
    node: str,
    indices: NDArray[np.integer],
    *,
    method: Literal[Method.LP, Method.MILP] = Method.LP,
    sides: Side = Side.BOTH,
    relu: Relaxation | None = None,
    effort: Effort | None = None,
) -> Tightened:
    """Return bounds of some values of a node over a box, from one warm model.

    Args:
        network: any network.
        lower: ``(inputs,)`` float64, lower corner of the closed box, network units.
        upper: ``(inputs,)`` float64, upper corner.
        bounds: for every node its values' proved lower and upper bounds ``(size,)`` over the box.
        node: name of the node, such as the source of a `Piecewise` node.
        indices: ``(queries,)`` values of the node that are asked about.
        method: LP leaves integrality out.
        sides: which bounds to look for.
        relu: the encoding; `Triangle` for LP and `BigM` for MILP when absent.
        effort: time, stopping rule and solver.

    Raises:
        InputError: as `assemble`; an unknown solver.
        SolverError: a solver that contradicts itself or the network.
    """
    effort = Effort() if effort is None else effort
    relu = (Triangle() if method is Method.LP else BigM()) if relu is None else relu
    assembly = assemble(network, lower, upper, bounds, node, relu)
    if method is Method.LP:
        assembly = replace(assembly, program=assembly.program.relaxed())
    model = Model(network, assembly, lower, upper, effort)
    low, high = bounds[node][0][indices].copy(), bounds[node][1][indices].copy()
    points = np.full((indices.size, 2, network.size_in), np.nan)
    complete = True
    # One side after the other: the last optimum is then near the next one.
    for side in (Side.UPPER, Side.LOWER):
        for place, index in enumerate(indices.tolist()):
            stop = effort.stop_at
            decided = stop is not None and (low[place] >= stop or high[place] <= stop)
            if decided or not sides & side:
                continue
            if effort.left <= 0:
                complete = False
                continue
            model.aim(index, side)
            outcome, point = model.solve()
            complete &= outcome.status is Status.OPTIMAL or effort.left > 0
            found = model.stated(outcome, point) if model.trusting else model.rebuilt(outcome)
            points[place, int(side is Side.UPPER)] = point
            if side is Side.LOWER:
                low[place] = max(low[place], found)
            else:
                high[place] = min(high[place], -found)
    return Tightened(low, high, points, not model.trusting, complete)


class Model:
    """One warm model that is asked for the least value of plus or minus a neuron."""

    def __init__(
        self, network: Network, assembly: Assembly, lower: Array, upper: Array, effort: Effort
    ) -> None:
        """Pass the program to the solver."""
        self.effort = effort
        self.unstable = assembly.unstable
        self.program = assembly.program
        self.trusting = bool(assembly.program.integer.any())
        self._network, self._assembly, self._corners = network, assembly, (lower, upper)
        self._session = effort.solver.session(assembly.program)

    def aim(self, index: int, side: Side) -> None:
        """Ask for the least value of a neuron (LOWER) or of its negative (UPPER)."""
        vector, constant, self._error = self._assembly.row(index)
        self._index, self._sign = index, 1.0 if side is Side.LOWER else -1.0
        self._vector, self._constant = self._sign * vector, self._sign * constant
        self._session.ask(self._vector, self._constant)

    @property
    def nowhere(self) -> Array:
        """``(inputs,)`` NaN: no point."""
        return np.full(self._network.size_in, np.nan)

    @property
    def goal(self) -> float:
        """`stop_at` in the sense asked for; infinite without one."""
        stop = self.effort.stop_at
        return math.inf if stop is None else self._sign * stop

    def limit(self, columns: Index, upper: Array) -> None:
        """Cap some columns, whose lower limit is 0."""
        self.program = self.program.with_limits(columns, np.zeros(upper.size), upper)
        self._session.limit(columns, np.zeros(upper.size), upper)

    def solve(self) -> tuple[Outcome, Array]:
        """Return the outcome and its inputs, moved into the box; NaN without a point."""
        target = None
        if math.isfinite(self.goal):
            target = self.goal + self._error
            target += 2 * ACCEPTED * max(1.0, abs(target))
        effort = self.effort
        options = Options(max(effort.left, 0.0), effort.threads, effort.seed, target)
        outcome = self._session.solve(options)
        if outcome.primal is None:
            return outcome, self.nowhere
        return outcome, np.clip(outcome.primal[self._assembly.inputs], *self._corners)

    def value(self, point: Array) -> float:
        """Return what the network gives at a point, in the sense asked for; NaN at NaN."""
        values = self._network.trace(point)[self._assembly.target]
        return self._sign * float(values[self._index])

    def rebuilt(self, outcome: Outcome) -> float:
        """Return the bound that follows from the duals, whatever they are."""
        if outcome.row_duals is None:
            return -math.inf
        found = safe_lower_bound(self.program, self._vector, outcome.row_duals, self._constant)
        return float(np.nextafter(found - self._error, -np.inf))

    def stated(self, outcome: Outcome, point: Array) -> float:
        """Return the bound that the solver states, moved outward by what is accepted.

        Raises:
            SolverError: the network itself goes beyond it, at the point given or amid the box.
        """
        if not math.isfinite(outcome.bound):
            return -math.inf
        found = outcome.bound - ACCEPTED * max(1.0, abs(outcome.bound)) - self._error
        lower, upper = self._corners
        for place in (point, 0.5 * lower + 0.5 * upper):
            value = self.value(place)
            if value < found:
                raise SolverError(
                    f"the solver states that {self._assembly.target}[{self._index}] goes no "
                    f"further than {self._sign * found:.9g}; the network gives "
                    f"{self._sign * value:.9g} in the box: take another solver"
                )
        return found
