"""Cases that are open on boxes while evidence is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .branch import Places
from .climb import Climb
from .multipliers import Group

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """Cases that are open on boxes of a batch, and a row of each that was bounded there.

    Attributes:
        box, case, row, form: ``(pairs,)``.
        room: ``(pairs,)`` how far the bound is above what excludes the case.
        slopes: ``(pairs, inputs)`` of the plane that the bound is the least of.
    """

    box: Index
    case: Index
    row: Index
    form: Index
    room: Array
    slopes: Array

    def take(self, which: Truths | Index) -> Open:
        """Return some of the pairs."""
        return Open(*(getattr(self, name)[which] for name in self.__slots__))

    @staticmethod
    def join(parts: Sequence[Open]) -> Open:
        """Return all pairs of the parts."""
        names = Open.__slots__
        return Open(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class Raised:
    """What multipliers made of open cases.

    Attributes:
        open: the pairs that were open before, with their rooms now.
        stays: ``(pairs,)`` which still are.
        groups: the multipliers of each.
        climbs: which pairs each climb has as its forms.
        places: of neurons.
    """

    open: Open
    stays: Truths
    groups: Sequence[Group | None]
    climbs: Sequence[tuple[Index, Climb]]
    places: Places

    def groups_of(self, box: int) -> dict[int, Group]:
        """Return the multipliers of each row on a box."""
        return {
            int(self.open.row[at]): group
            for at, group in enumerate(self.groups)
            if group is not None and self.open.box[at] == box
        }

    def worst(self, box: int) -> tuple[int, Climb]:
        """Return the form that is farthest from being excluded on a box, and its climb."""
        pairs = np.flatnonzero((self.open.box == box) & self.stays)
        worst = int(pairs[np.argmin(self.open.room[pairs])])
        for part, climb in self.climbs:
            at = np.flatnonzero(part == worst)
            if at.size:
                return int(at[0]), climb
        raise ValueError(f"box {box} has no open case")
