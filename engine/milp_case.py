"""One case of a question as a program: the margin by which some input meets all its rows.

A case is a conjunction of ``z_row <= limit``. Its program has, besides the network, a margin t with
``(z_row - limit) scale + t <= 0`` for every row; the least ``-t`` is the least over all inputs of
the worst row's excess. Above 0 no input meets the case. Scales are powers of two that bring rows of
different units to one size; they move no sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..encodings.claim import conjunction
from ..encodings.program import Draft, Index, Program
from .assemble import DROPPED, MERGED, Assembly, Bounds, Relaxation, assemble
from .bounds.dual import safe_lower_bound
from .bounds.multipliers import Aim
from .bounds.neuron import Effort
from .expression import Expression, trimmed
from .question import Alternative, Question
from .region import Region
from .rounding import LP_FEASIBILITY, UNDERFLOW, Array, down, float_above, float_below, up
from .solvers import Options, Outcome
from .solvers.base import ACCEPTED
from .tie import Tie, extended, tied
from .witness import Witness

REPLAYS: Final = 64
"""Points near a case's limits that are replayed exactly, at most: dear on a large network."""

LEAST_EXPONENT: Final = -10
"""Rows whose range is below 2 to this are not scaled up further: solvers refuse large numbers."""

TINY: Final = float(np.finfo(np.float64).tiny)
"""Least normal number of binary64."""

Ties = Sequence[Tie]


@dataclass(frozen=True, slots=True, eq=False)
class Forms:
    """The rows of a case, scaled.

    Attributes:
        rows: ``(forms,)`` outputs of the question's network.
        limits: ``(forms,)`` Fractions.
        scales: ``(forms,)`` powers of two.
        strict: whether every row must stay below its limit.
    """

    rows: NDArray[np.int64]
    limits: tuple[Fraction, ...]
    scales: Array
    strict: bool

    @classmethod
    def of(cls, question: Question, case: Alternative, lower: Array, upper: Array) -> Forms:
        """Return the forms of a case with at least one atom.

        Args:
            question: what is asked.
            case: one of its alternatives.
            lower: ``(rows of the question,)``, proved bounds of its network's outputs.
            upper: the same.
        """
        rows = np.array([row for row, _ in case.atoms], dtype=np.int64)
        limits = tuple(question.limits[row] for row, _ in case.atoms)
        near = np.array([float(limit) for limit in limits])
        reach = np.maximum(np.abs(lower[rows] - near), np.abs(upper[rows] - near))
        exponent = np.where(np.isfinite(reach), np.frexp(reach)[1], 0)
        scales = np.ldexp(1.0, -np.clip(exponent, LEAST_EXPONENT, 200))
        return cls(rows, limits, scales, all(strict for _, strict in case.atoms))

    @property
    def goal(self) -> float:
        """The excess from which on no input meets the case."""
        return 0.0 if self.strict else float(np.nextafter(0.0, 1.0))

    def below(self, lower: Array) -> Array:
        """Return proved lower bounds ``(..., forms)`` of the excesses.

        Args:
            lower: ``(..., rows of the question)``, proved lower bounds of the outputs.
        """
        limits = np.array([float_above(limit) for limit in self.limits])
        return self._excess(lower, limits, -1)

    def above(self, upper: Array) -> Array:
        """Return proved upper bounds ``(..., forms)`` of the excesses."""
        limits = np.array([float_below(limit) for limit in self.limits])
        return self._excess(upper, limits, 1)

    def _excess(self, values: Array, limits: Array, way: int) -> Array:
        difference = values[..., self.rows] - limits
        moved = down(difference) if way < 0 else up(difference)
        # Equal numbers have the difference 0 exactly, so a bound at its limit stays there.
        exact = (difference == 0.0) | (limits == 0.0)
        scaled = np.where(exact, difference, moved) * self.scales
        lost = (scaled == 0.0) & (difference != 0.0)
        return np.where(lost, np.nextafter(0.0, way * np.inf), scaled)

    @property
    def aim(self) -> Aim:
        """The same as leaves are asked: of several limits of one row the least."""
        least: dict[int, tuple[Fraction, float]] = {}
        for row, limit, scale in zip(
            self.rows.tolist(), self.limits, self.scales.tolist(), strict=True
        ):
            least[row] = min(least.get(row, (limit, scale)), (limit, scale))
        rows = np.array(list(least), dtype=np.int64)
        limits = np.array([float_above(limit) for limit, _ in least.values()])
        factors = np.array([scale for _, scale in least.values()])
        return Aim(rows, factors, limits, self.strict)

    def expression(self, values: Expression) -> Expression:
        """Return the excesses as affine functions of a program's columns.

        Args:
            values: the outputs of the question's network.
        """
        some = values.take(self.rows)
        constant, error = some.constant.copy(), some.error.copy()
        for at, limit in enumerate(self.limits):
            exact = Fraction(float(constant[at])) - limit
            constant[at] = float(exact)
            lost = abs(exact - Fraction(float(constant[at])))
            if lost:
                error[at] = float_above(Fraction(float(error[at])) + lost)
        both = np.concatenate([some.matrix, constant[:, None], error[:, None]], axis=1)
        scaled = both * self.scales[:, None]
        # A power of two changes no digit, unless a product leaves the range of normal numbers.
        lost = ((both != 0.0) & (np.abs(scaled) < TINY)).any(axis=1)
        error = np.where(lost, scaled[:, -1] + UNDERFLOW, scaled[:, -1])
        return some.over(scaled[:, :-2], scaled[:, -2], error)

    def excess(self, values: Sequence[Fraction]) -> Fraction:
        """Return the worst row's excess over its limit, unscaled, for exact outputs."""
        pairs = zip(self.rows.tolist(), self.limits, strict=True)
        worst: Fraction = max(values[row] - limit for row, limit in pairs)
        return worst


def program_of(
    question: Question,
    case: Alternative,
    forms: Forms,
    bounds: Bounds,
    ties: Ties = (),
    relu: Relaxation | None = None,
) -> tuple[Assembly, int]:
    """Return the program of a case and the column of its margin.

    Args:
        question: what is asked.
        case: one of its alternatives, with at least one atom.
        forms: its rows.
        bounds: of every node of the question's network over the case's box, proved and finite.
        ties: proved differences of its pre-activations over the box.
        relu: how unstable neurons are encoded; `Triangle` when absent.

    Raises:
        InputError: as `assemble` and `tied`.
    """
    network, region = question.network, case.region
    assembly = assemble(network, region.lower, region.upper, bounds, network.output, relu)
    if ties:
        assembly = tied(network, assembly, bounds, ties)
    lower, upper = bounds[network.output]
    draft, least = Draft(), MERGED if assembly.program.integer.any() else DROPPED
    draft.columns(np.array([-forms.above(upper).max()]), np.array([-forms.below(lower).max()]))
    margin = assembly.program.size
    value = trimmed(forms.expression(assembly.values[network.output]), least)
    rows = conjunction(value.matrix, value.columns, value.constant, value.error, margin)
    return replace(assembly, program=extended(assembly.program, draft, [rows])), margin


class Candidates:
    """Replays points of a case in rationals and keeps the first that meets it.

    Attributes:
        witness: a point that meets the case; None before.
    """

    def __init__(self, question: Question, case: Alternative, forms: Forms) -> None:
        """Start without a point."""
        self.witness: Witness | None = None
        self._question, self._case, self._forms = question, case, forms
        self._lattice = case.region.lattice(question.network.origin.dtype)
        self._limits = np.array([float(limit) for limit in forms.limits])
        self._left = REPLAYS

    def value(self, point: Array) -> float:
        """Return the excess at a point ``(inputs,)`` in float64, NaN at NaN.

        It is below the goal only if a point near the one given meets the case exactly; that one
        becomes the witness.
        """
        if not np.isfinite(point).all():
            return math.nan
        forms = self._forms
        snapped = self._lattice.snap(point)
        excess = min(self._float(snapped), self._float(point))
        if not excess <= ACCEPTED or self.witness is not None:
            return max(excess, forms.goal)
        if excess > -ACCEPTED:
            self._left -= 1
            if self._left < 0:
                return max(excess, forms.goal)
        for exact in self._exact(point, snapped):
            if self._meets(exact):
                return min(excess, float(np.nextafter(forms.goal, -np.inf)))
        return max(excess, forms.goal)

    def attempt(self, points: Array) -> bool:
        """Return whether a point near the best of some ``(points, inputs)`` meets the case."""
        network = self._question.network
        values = network.trace(points)[network.output][:, self._forms.rows]
        excess = ((values - self._limits) * self._forms.scales).max(axis=1)
        best = int(np.argmin(excess))
        if excess[best] <= ACCEPTED:
            self.value(points[best])
        return self.witness is not None

    def _float(self, point: Array) -> float:
        network = self._question.network
        values = network.trace(point)[network.output][self._forms.rows]
        return float(((values - self._limits) * self._forms.scales).max())

    def _exact(self, point: Array, snapped: Array) -> list[tuple[Fraction, ...]]:
        """Return exact points near one: on the lattice, itself, and drawn onto faces of the box."""
        region = self._case.region
        lattice = tuple(self._lattice.exact(snapped).tolist())
        inside, drawn = [], []
        for value, low, high in zip(
            point.tolist(), region.exact_lower, region.exact_upper, strict=True
        ):
            exact = min(max(Fraction(value), low), high)
            inside.append(exact)
            near = Fraction(LP_FEASIBILITY) * (high - low)
            drawn.append(low if exact - low <= near else high if high - exact <= near else exact)
        return list(dict.fromkeys([lattice, tuple(inside), tuple(drawn)]))

    def _meets(self, point: tuple[Fraction, ...]) -> bool:
        network = self._question.network
        trace = network.trace_exact(np.array(point, dtype=object)[None])
        values = trace[network.output].fractions()[0].tolist()
        if not self._question.holds(self._case, point, values):
            return False
        self.witness = Witness(point, self._forms.excess(values))
        return True


class CaseModel:
    """One warm model of a case, asked for the least excess; see `bounds.phases.Asked`.

    Attributes:
        effort: how far to go.
        unstable: the ReLUs whose phase is open.
        whole: the program as it was assembled.
        program: the same with the columns capped as they are now.
        goal: the excess from which on no input meets the case.
    """

    def __init__(
        self,
        assembly: Assembly,
        margin: int,
        region: Region,
        candidates: Candidates,
        goal: float,
        effort: Effort,
    ) -> None:
        """Pass the program to the solver."""
        self.effort, self.goal = effort, goal
        self.unstable = assembly.unstable
        self.whole: Program = assembly.program
        self.program: Program = assembly.program
        self._inputs, self._region, self._candidates = assembly.inputs, region, candidates
        self._vector = np.zeros(self.program.size)
        self._vector[margin] = -1.0
        self._session = effort.solver.session(self.program)
        self._session.ask(self._vector)

    @property
    def nowhere(self) -> Array:
        """``(inputs,)`` NaN: no point."""
        return np.full(self._inputs.size, np.nan)

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
        effort = self.effort
        # Past the goal by what is accepted of a solver, so that the bound rebuilt is past it too.
        target = self.goal + 2 * ACCEPTED
        options = Options(max(effort.left, 0.0), effort.threads, effort.seed, target)
        outcome = self._session.solve(options)
        if outcome.primal is None:
            return outcome, self.nowhere
        return outcome, np.clip(
            outcome.primal[self._inputs], self._region.lower, self._region.upper
        )

    def value(self, point: Array) -> float:
        """Return the excess at a point, replayed in rationals where it is near the goal."""
        return self._candidates.value(point)

    def rebuilt(self, outcome: Outcome) -> float:
        """Return the bound that follows from the duals, whatever they are."""
        if outcome.row_duals is None:
            return -math.inf
        return safe_lower_bound(self.program, self._vector, outcome.row_duals)
