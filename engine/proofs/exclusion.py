"""Tests whether a bound of a form excludes its case on a box, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .dyadic import Dyadic
from .evidence import Form
from .exact import Exact
from .form import Negation
from .model import FormatError
from .multipliers import Multipliers
from .negation import combine
from .system import Start, System, start

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """A form as it is bounded.

    Attributes:
        start: its coefficients.
        least: its case is excluded where the bound is at least this, rounded up to float64.
        above: whether it must be above instead.
    """

    start: Start
    least: float
    above: bool


def test_of(system: System, negated: Negation, form: Form) -> Test:
    """Return how a form is tested.

    Raises:
        FormatError: it is no combination, or speaks of what is not there.
    """
    row, strict = combine(negated, form)
    begun = start(system, row)
    limit = -begun.constant
    try:
        near = float(limit)
    except OverflowError:
        raise FormatError("a row's constant is beyond float64") from None
    if Fraction(near) < limit:
        return Test(begun, float(np.nextafter(near, np.inf)), above=False)
    # The float is at or above the limit: to be above the limit it is enough to reach one above it.
    return Test(begun, near, above=Fraction(near) == limit and not strict)


class Tests:
    """Tests of forms, those beginning at the same nodes side by side."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.tests: list[Test] = []
        self._group: list[int] = []
        self._place: list[int] = []
        self._groups: dict[tuple[int, ...], int] = {}
        self._rows: list[dict[int, list[Array]]] = []
        self._tables: list[dict[int, Array]] | None = None
        self._limits: tuple[Array, NDArray[np.bool_], Index, Index] | None = None

    @property
    def nodes(self) -> frozenset[int]:
        """Where forms begin."""
        return frozenset(node for key in self._groups for node in key)

    def add(self, test: Test) -> int:
        """Add a test; return its index."""
        key = tuple(sorted(test.start.coefficients))
        group = self._groups.setdefault(key, len(self._groups))
        if group == len(self._rows):
            self._rows.append({node: [] for node in key})
        for node, row in test.start.coefficients.items():
            self._rows[group][node].append(row)
        self._group.append(group)
        self._place.append(len(self._rows[group][key[0]]) - 1 if key else 0)
        self.tests.append(test)
        self._tables = self._limits = None
        return len(self.tests) - 1

    def passed(
        self, bounds: Bounds, box: Index, form: Index, more: Multipliers | None = None
    ) -> NDArray[np.bool_]:
        """Return which forms exclude their cases on which boxes.

        Args:
            bounds: of the boxes.
            box: ``(entries,)`` where to look at a form.
            form: ``(entries,)``.
            more: multipliers of the entries.
        """
        least, above = self.limits(form)
        found, _ = self.lower(bounds, box, form, more)
        out = np.where(above, found > least, found >= least)
        left = np.flatnonzero(~out)
        if left.size and bounds.system.pairs:
            some = None if more is None else more.take(left)
            found, _ = self.lower(bounds, box[left], form[left], some, twins=False)
            out[left] = np.where(above[left], found > least[left], found >= least[left])
        return out

    def exactly(self, exact: Exact, form: int, more: Multipliers | None = None) -> bool:
        """Return whether a form excludes its case, without rounding.

        Args:
            exact: of a box.
            form: which one.
            more: multipliers of it alone.
        """
        test, slopes = self.tests[form], dict[int, Array]()
        begun = [(node, Dyadic.of(row[None])) for node, row in test.start.coefficients.items()]
        if more is not None:
            begun += [(node, Dyadic.of(row)) for node, row in more.parts.items()]
            slopes = {node: row[0] for node, row in more.slopes.items()}
        if not begun:
            begun = [(0, Dyadic.zeros((1, self.system.sizes[0])))]
        for twins in (True, False) if exact.system.pairs else (True,):
            (found,) = exact.lower(begun, slopes=slopes, twins=twins).fractions()
            if found > test.least or (found == test.least and not test.above):
                return True
        return False

    def limits(self, form: Index) -> tuple[Array, NDArray[np.bool_]]:
        """Return `least` and `above` of forms."""
        least, above, _, _ = self._built()
        return least[form], above[form]

    def lower(
        self,
        bounds: Bounds,
        box: Index,
        form: Index,
        more: Multipliers | None = None,
        *,
        twins: bool = True,
    ) -> tuple[Array, Array]:
        """Return bounds of forms, and their coefficients of the inputs, as `Bounds.lower` does."""
        found = np.full(box.size, -np.inf)
        slopes = np.zeros((box.size, self.system.sizes[0]))
        for some, begun in self.begun(form):
            own = None if more is None else more.take(some)
            found[some], slopes[some] = bounds.lower(begun, box[some], more=own, twins=twins)
        return found, slopes

    def begun(self, form: Index) -> Sequence[tuple[Index, dict[int, Array]]]:
        """Return groups of entries, and their coefficients by node."""
        _, _, group, place = self._built()
        assert self._tables is not None
        out = []
        for at in np.unique(group[form]).tolist():
            some = np.flatnonzero(group[form] == at)
            rows = place[form[some]]
            out.append((some, {node: table[rows] for node, table in self._tables[at].items()}))
        return out

    def _built(self) -> tuple[Array, NDArray[np.bool_], Index, Index]:
        if self._limits is None:
            self._tables = [
                {node: np.stack(rows) for node, rows in group.items()} for group in self._rows
            ]
            self._limits = (
                np.array([test.least for test in self.tests], dtype=np.float64),
                np.array([test.above for test in self.tests], dtype=np.bool_),
                np.array(self._group, dtype=np.int64),
                np.array(self._place, dtype=np.int64),
            )
        return self._limits
