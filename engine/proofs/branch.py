"""Which neuron's phase to fix, so that forms that are open on a box come nearer to being excluded.

Lines that are far from their ReLUs where a form is least are candidates; the best of them are tried
with both phases for a few steps. Nothing of this has to be right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .climb import Climb
from .evidence import STEEP
from .multipliers import Group, Multipliers
from .thin import Thinner

Array = NDArray[np.float64]
Index = NDArray[np.int64]

TRIED = 6
"""Candidates that are tried."""

STEPS = 6
"""Steps for each of them."""


def begin(climb: Climb, more: Multipliers, fixed: list[dict[int, bool]], places: Places) -> None:
    """Let forms begin with the multipliers of a box above, and with the phases that are fixed."""
    for at, ways in climb.ways.items():
        slopes = more.slopes.get(at)
        if slopes is not None:
            ways.low = np.where(ways.open & (slopes >= 0.0), slopes, ways.low)
    for form, phases in enumerate(fixed):
        for neuron, up in phases.items():
            at, where = places.of(neuron)
            if where >= 0:
                climb.ways[at].sign[form, where] = -1.0 if up else 1.0
    for at, ways in climb.ways.items():
        part = more.parts.get(places.source(at))
        if part is not None:
            ways.weight = np.abs(part) * np.abs(ways.sign)


class Places:
    """Where neurons, counted over all layers, are in a thinned system."""

    def __init__(self, thinner: Thinner, kept: dict[int, Index]) -> None:
        self._thinner, self._kept = thinner, kept
        self._where: dict[int, Index] = {}
        for at, place in thinner.place.items():
            size = place.stop - place.start
            self._where[at] = np.full(size, -1)
            which = self.kept(at)
            self._where[at][which] = np.arange(which.size)

    def kept(self, at: int) -> Index:
        """Return which neurons of an activation are there."""
        place = self._thinner.place[at]
        return self._kept.get(at, np.arange(place.stop - place.start))

    def source(self, at: int) -> int:
        """Return the node of an activation's pre-activations."""
        return self._thinner.activations[at].source

    def of(self, neuron: int) -> tuple[int, int]:
        """Return the activation and the place of a neuron there, -1 where it has left."""
        for at, place in self._thinner.place.items():
            if place.start <= neuron < place.stop:
                return at, int(self._where[at][neuron - place.start])
        raise ValueError(f"neuron {neuron} is in no layer")

    def numbers(self, at: int) -> Index:
        """Return the neurons of an activation, counted over all layers."""
        return np.asarray(self._thinner.place[at].start + self.kept(at), dtype=np.int64)


def group_of(climb: Climb, form: int, places: Places) -> Group:
    """Return the best multipliers of a form, slopes rounded to 8 bits."""
    neurons, slopes, splits, weights = [], [], [], []
    for at, ways in climb.ways.items():
        which = places.numbers(at)
        steep = np.rint(climb.slopes[at][form] * STEEP)
        usual = climb.usual[at][form] * STEEP
        some = np.flatnonzero(ways.open[form] & (steep != usual))
        neurons.append(which[some])
        slopes.append(steep[some] / STEEP)
        weight = climb.weights[at][form].astype(np.float32).astype(np.float64)
        some = np.flatnonzero((weight > 0.0) & np.isfinite(weight))
        splits.append(which[some])
        weights.append(weight[some])
    return Group(*(np.concatenate(part) for part in (neurons, slopes, splits, weights)))


def choose(climb: Climb, form: int, places: Places) -> int | None:
    """Return the neuron to fix for a form; None where no line is far from its ReLU."""
    cheated = climb.cheated()
    found = []
    for at, gaps in cheated.items():
        best = np.argsort(-gaps[form], kind="stable")[:TRIED]
        found += [(float(gaps[form, where]), at, int(where)) for where in best.tolist()]
    found = sorted((one for one in found if one[0] > 0.0), reverse=True)[:TRIED]
    if len(found) < 2:
        return int(places.numbers(found[0][1])[found[0][2]]) if found else None
    tried = climb.again(np.full(2 * len(found), form))
    for at, (_, node, where) in enumerate(found):
        tried.fix(node, 2 * at, where, up=False)
        tried.fix(node, 2 * at + 1, where, up=True)
    tried.run(STEPS, np.full(2 * len(found), np.inf))
    gains = tried.best.reshape(-1, 2)
    worth = gains.min(axis=1) + 1e-3 * gains.max(axis=1)
    _, node, where = found[int(np.argmax(worth))]
    return int(places.numbers(node)[where])
