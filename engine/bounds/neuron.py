"""One neuron at a time, asked of one warm model; what of the answer is rebuilt and what is trusted.

Rebuilt: a bound from the duals, whatever they are. Trusted: the dual bound that a solver states for
a program with whole numbers; the network itself is asked whether it goes beyond it, at two points,
which refutes some wrong bounds and proves none. Points are candidates for a witness, no more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Flag

import numpy as np

from ...encodings.program import Index
from ..assemble import Assembly
from ..errors import SolverError
from ..network import Network
from ..rounding import Array
from ..solvers import Options, Outcome, Solver, solver
from ..solvers.base import ACCEPTED
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


class Model:
    """One warm model that is asked for the least value of plus or minus a neuron.

    Attributes:
        effort: how far to go.
        unstable: the ReLUs whose phase is open.
        whole: the program as it was assembled.
        program: the same with the columns capped as they are now.
        trusting: whether the solver's word is needed: the program has whole numbers.
    """

    def __init__(
        self, network: Network, assembly: Assembly, lower: Array, upper: Array, effort: Effort
    ) -> None:
        """Pass the program to the solver."""
        self.effort = effort
        self.unstable = assembly.unstable
        self.whole = self.program = assembly.program
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

    def basis(self) -> object:
        """Return where the last solve ended; None where nothing is kept."""
        return self._session.basis()

    def begin(self, basis: object) -> None:
        """Begin the next solve where another one ended."""
        self._session.begin(basis)

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
