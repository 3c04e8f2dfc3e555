"""Whether cases can hold over boxes, and whether a case does hold at a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..rounding import Array, float_above, float_below
from ..witness import Witness
from .forms import Ranges
from .problem import Problem

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What enclosures say of cases over boxes.

    Attributes:
        open: ``(boxes, cases)`` whether the case may hold somewhere in the box.
        slack: ``(boxes, cases)`` largest lower bound of the case's forms: the case is open as long
            as it is below zero; the smaller, the further from a proof.
        critical: ``(boxes, cases)`` the form with that bound; -1 where a case has no forms.
    """

    open: Flags
    slack: Array
    critical: NDArray[np.int64]


class Judge:
    """Settles the cases of a problem.

    Attributes:
        problem: whose.
        roots: ``(cases,)`` number of each case's box, -1 where it is empty.
        replays: points that were replayed.
    """

    def __init__(self, problem: Problem) -> None:
        """Prepare the cases of a problem."""
        self.problem = problem
        self.roots = np.array(problem.root, dtype=np.int64)
        self.replays = 0
        self._live = [i for i, root in enumerate(problem.root) if root >= 0]

    def judge(self, lower: Array, upper: Array, boxes: NDArray[np.int64]) -> Judged:
        """Return what can be said of all cases.

        Args:
            lower: ``(boxes, inputs)``.
            upper: the same.
            boxes: ``(boxes,)`` the root that each box is part of; cases of other roots are closed.
        """
        bounds = self.bounds(lower, upper)
        shape = (len(lower), len(self.roots))
        open_ = self.roots[None, :] == boxes[:, None]
        slack, critical = np.full(shape, -np.inf), np.full(shape, -1, dtype=np.int64)
        for case in self._live:
            for form, strict in self.problem.cases[case]:
                bound = bounds[:, form]
                open_[:, case] &= ~((bound > 0) | (strict & (bound >= 0)))
                better = (bound > slack[:, case]) | (critical[:, case] < 0)
                slack[:, case] = np.where(better, bound, slack[:, case])
                critical[:, case] = np.where(better, form, critical[:, case])
        return Judged(open_, slack, critical)

    def bounds(self, lower: Array, upper: Array) -> Array:
        """Return ``(boxes, forms)`` lower bounds of all forms."""
        step = self.problem.together
        parts = [
            self._bounds(lower[first : first + step], upper[first : first + step])
            for first in range(0, len(lower), step)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.problem.forms)))

    def _bounds(self, lower: Array, upper: Array) -> Array:
        ranges = self.problem.ranges(lower, upper)
        forms = self.problem.forms
        if not forms:
            return np.zeros((len(lower), 0))
        with np.errstate(all="ignore"):
            return np.stack([np.broadcast_to(f.lower(ranges), len(lower)) for f in forms], axis=1)

    def slopes(self, lower: Array, upper: Array, form: NDArray[np.int64]) -> Array:
        """Return ``(boxes, inputs)`` how much a form's bound gains where an input is a point.

        Args:
            lower: ``(boxes, inputs)``.
            upper: the same.
            form: ``(boxes,)`` the form of each box.
        """
        boxes, inputs = lower.shape
        middle = 0.5 * lower + 0.5 * upper
        low, high = (
            np.repeat(lower[:, None], inputs + 1, 1),
            np.repeat(upper[:, None], inputs + 1, 1),
        )
        for index in range(inputs):
            low[:, index + 1, index] = high[:, index + 1, index] = middle[:, index]
        found = self.bounds(low.reshape(-1, inputs), high.reshape(-1, inputs))
        found = found.reshape(boxes, inputs + 1, -1)
        own = np.take_along_axis(found, np.maximum(form, 0)[:, None, None], axis=2)[..., 0]
        with np.errstate(invalid="ignore"):
            gain = own[:, 1:] - own[:, :1]
        gain = np.where(np.isnan(gain), 0.0, gain)
        return np.asarray(np.where(form[:, None] >= 0, gain, 0.0))

    def at(self, point: Array, root: int) -> Witness | None:
        """Return the witness at a point of the grids, if some case of its root holds there.

        Computed tensors have the values that the runtime gives, and the case is checked exactly;
        real ones have the range of their enclosure, and the case must hold throughout it.
        """
        problem = self.problem
        box = problem.roots[root]
        if box.gaps:
            return None
        self.replays += 1
        computed = problem.computed(point)
        if computed is None:
            return None
        exact = box.exact(point)
        values: list[Fraction | None] = [None] * problem.claim.size
        for variable, place in enumerate(problem.places):
            values[variable] = computed.get(variable) if place.tensor else exact[place.index]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            return self._exactly(known, exact)
        return self._everywhere(values, point, root, exact)

    def _exactly(self, values: Sequence[Fraction], exact: tuple[Fraction, ...]) -> Witness | None:
        for case in self.problem.claim.cases:
            if all(atom.holds(values) for atom in case):
                worst = max((atom.form.at(values) for atom in case), default=Fraction(0))
                return Witness(exact, worst, float(worst))
        return None

    def _everywhere(
        self,
        values: Sequence[Fraction | None],
        point: Array,
        root: int,
        exact: tuple[Fraction, ...],
    ) -> Witness | None:
        """Return a witness where tensors are real: each atom's upper bound must do."""
        problem = self.problem
        low, high = problem.roots[root].hull(point[None])
        ranges = problem.ranges(low, high)
        low, high, error = ranges.low.copy(), ranges.high.copy(), np.zeros_like(ranges.error)
        for variable, value in enumerate(values):
            place, slot = problem.places[variable], problem.slot[variable]
            if value is not None and place.tensor:
                low[:, slot], high[:, slot] = float_below(value), float_above(value)
        sure = Ranges(low, high, error)
        with np.errstate(all="ignore"):
            tops = [float(form.upper(sure)[0]) for form in problem.forms]
        for case in np.flatnonzero(self.roots == root).tolist():
            held = [(tops[form], strict) for form, strict in problem.cases[case]]
            if all(top < 0 or (top == 0 and not strict) for top, strict in held):
                worst = max((top for top, _ in held), default=0.0)
                return Witness(exact, Fraction(worst))
        return None
