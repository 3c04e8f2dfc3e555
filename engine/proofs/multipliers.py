"""Multipliers that entries come with, as they are put to use on a batch of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .evidence import PLAIN, STEEP, Duals
from .thin import Thinner

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Multipliers:
    """How each of some forms is bounded.

    Attributes:
        slopes: by activation ``(forms, size)`` of the lines below its ReLUs, NaN where the rule
            that needs none says them. They count for undecided ReLUs alone.
        parts: by node of pre-activations ``(forms, size)`` what is added to a form's coefficients;
            it is nowhere above 0 where the phases are as they are fixed.
    """

    slopes: dict[int, Array]
    parts: dict[int, Array]

    def take(self, which: Index) -> Multipliers:
        """Return those of some forms."""
        return Multipliers(
            {node: values[which] for node, values in self.slopes.items()},
            {node: values[which] for node, values in self.parts.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Multipliers of one form.

    Attributes:
        neuron, slope: ``(some,)`` lines below; neurons counted over all layers, slopes from 0 to 1.
        split, weight: ``(some,)`` neurons, and factors of at least 0.
    """

    neuron: Index
    slope: Array
    split: Index
    weight: Array

    def __bool__(self) -> bool:
        return bool(self.neuron.size or self.split.size)


class Groups:
    """The multipliers of a lemma by entry."""

    def __init__(self, duals: Duals) -> None:
        self._at = {entry: at for at, entry in enumerate(duals.entry.tolist())}
        self._duals = duals
        self._slopes = np.concatenate([[0], np.cumsum(duals.slopes)])
        self._phases = np.concatenate([[0], np.cumsum(duals.phases)])

    def __bool__(self) -> bool:
        return bool(self._at)

    def of(self, entry: int) -> Group | None:
        """Return what an entry comes with; None where that is nothing."""
        at = self._at.get(entry)
        if at is None:
            return None
        slopes = slice(self._slopes[at], self._slopes[at + 1])
        phases = slice(self._phases[at], self._phases[at + 1])
        return Group(
            self._duals.neuron[slopes],
            self._duals.slope[slopes] / STEEP,
            self._duals.split[phases],
            self._duals.weight[phases],
        )


def gather(
    groups: Sequence[Group | None],
    fixed: Sequence[dict[int, bool]],
    thinner: Thinner,
    kept: dict[int, Index],
) -> Multipliers:
    """Return multipliers of forms, in the places of a thinned system.

    Args:
        groups: of each form; None for none.
        fixed: neurons that are fixed where each form is bounded, and whether above.
        thinner: knows the neurons.
        kept: which neurons of each thinned activation are there.
    """
    slopes: dict[int, Array] = {}
    parts: dict[int, Array] = {}
    for at, layer in thinner.activations.items():
        place = thinner.place[at]
        which = kept.get(at, np.arange(place.stop - place.start))
        where = np.full(place.stop - place.start, -1)
        where[which] = np.arange(which.size)
        for form, group in enumerate(groups):
            if group is None:
                continue
            here = (group.neuron >= place.start) & (group.neuron < place.stop)
            to = where[group.neuron[here] - place.start]
            if (to >= 0).any():
                table = slopes.setdefault(at, np.full((len(groups), which.size), np.nan))
                table[form, to[to >= 0]] = group.slope[here][to >= 0]
            here = (group.split >= place.start) & (group.split < place.stop)
            if here.any():
                table = parts.setdefault(layer.source, np.zeros((len(groups), which.size)))
                neuron = group.split[here]
                sign = np.array([-1.0 if fixed[form][one] else 1.0 for one in neuron.tolist()])
                table[form, where[neuron - place.start]] = sign * group.weight[here]
    return Multipliers(slopes, parts)


def duals_of(groups: Sequence[Group | None]) -> Duals:
    """Return the multipliers of entries, one after the other.

    Args:
        groups: of each entry; None for none.
    """
    some = [(at, group) for at, group in enumerate(groups) if group is not None and group]
    if not some:
        return PLAIN

    def count(values: Sequence[Index]) -> Index:
        return np.array([part.size for part in values], dtype=np.int64)

    def whole(values: Sequence[Index | Array]) -> Index:
        return np.rint(np.concatenate(values)).astype(np.int64)

    each = [group for _, group in some]
    return Duals(
        np.array([at for at, _ in some], dtype=np.int64),
        count([group.neuron for group in each]),
        whole([group.neuron for group in each]),
        whole([group.slope * STEEP for group in each]),
        count([group.split for group in each]),
        whole([group.split for group in each]),
        np.concatenate([group.weight for group in each]),
    )
