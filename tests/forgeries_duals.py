"""Changes of the multipliers and phases of a proof that a forger could make."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secateur.engine.proofs.evidence import PLAIN, STEEP, Duals
from secateur.engine.proofs.form import Lemma

Rng = np.random.Generator


def _some(rng: Rng, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of some values to change."""
    return np.asarray(rng.random(values.size) < rng.choice([0.1, 0.5, 1.0]))


def _dropped(rng: Rng, lemma: Lemma) -> Lemma:
    return replace(lemma, duals=PLAIN)


def _slopes(rng: Rng, lemma: Lemma) -> Lemma:
    """Other slopes are as good as any: from 0 to 1 all of them are below a ReLU."""
    slope = lemma.duals.slope.copy()
    some = _some(rng, slope)
    slope[some] = rng.choice([0, 7, 128, STEEP], int(some.sum()))
    return replace(lemma, duals=replace(lemma.duals, slope=slope))


def _wild_slopes(rng: Rng, lemma: Lemma) -> Lemma:
    slope = lemma.duals.slope.copy()
    slope[_some(rng, slope)] = rng.choice([-1, STEEP + 1, 2**40, -(2**62)])
    return replace(lemma, duals=replace(lemma.duals, slope=slope))


def _weights(rng: Rng, lemma: Lemma) -> Lemma:
    weight = lemma.duals.weight * rng.choice([0.0, 0.5, 1.001, 1e3, 1e300])
    return replace(lemma, duals=replace(lemma.duals, weight=weight))


def _wild_weights(rng: Rng, lemma: Lemma) -> Lemma:
    weight = lemma.duals.weight.copy()
    weight[_some(rng, weight)] *= -1.0
    if rng.integers(2):
        weight[_some(rng, weight)] = rng.choice([np.nan, np.inf, -1e-300, -1.0])
    return replace(lemma, duals=replace(lemma.duals, weight=weight))


def _other_neurons(rng: Rng, lemma: Lemma) -> Lemma:
    duals, most = lemma.duals, 12
    if rng.integers(2):
        neuron = (duals.neuron + rng.integers(-1, 2, duals.neuron.size)) % most
        return replace(lemma, duals=replace(duals, neuron=neuron))
    split = (duals.split + rng.integers(-1, 2, duals.split.size)) % most
    return replace(lemma, duals=replace(duals, split=split))


def _nowhere(rng: Rng, lemma: Lemma) -> Lemma:
    duals = lemma.duals
    far = rng.choice([-1, 99, 2**40])
    if rng.integers(2):
        return replace(lemma, duals=replace(duals, neuron=np.full_like(duals.neuron, far)))
    return replace(lemma, duals=replace(duals, split=np.full_like(duals.split, far)))


def _other_entries(rng: Rng, lemma: Lemma) -> Lemma:
    duals = lemma.duals
    match int(rng.integers(4)):
        case 0:
            entry = duals.entry + int(rng.choice([-1, 1, 2**40]))
        case 1:
            entry = duals.entry[::-1]
        case 2:
            entry = np.sort(rng.integers(0, max(lemma.tree.form.size, 1), duals.entry.size))
        case _:
            entry = np.unique(rng.integers(0, max(lemma.tree.form.size, 1), 3))
            return replace(lemma, duals=_first(duals, entry))
    return replace(lemma, duals=replace(duals, entry=entry))


def _first(duals: Duals, entry: NDArray[np.int64]) -> Duals:
    """Return the first multipliers for some entries."""
    count = min(entry.size, duals.entry.size)
    slopes, phases = duals.slopes[:count], duals.phases[:count]
    ends = int(slopes.sum()), int(phases.sum())
    return Duals(
        entry[:count],
        slopes,
        duals.neuron[: ends[0]],
        duals.slope[: ends[0]],
        phases,
        duals.split[: ends[1]],
        duals.weight[: ends[1]],
    )


def _other_counts(rng: Rng, lemma: Lemma) -> Lemma:
    duals = lemma.duals
    if rng.integers(2):
        return replace(lemma, duals=replace(duals, slopes=duals.slopes + rng.integers(-1, 2)))
    return replace(lemma, duals=replace(duals, phases=rng.permutation(duals.phases)))


def _planted(rng: Rng, lemma: Lemma) -> Lemma:
    """Multipliers of phases that are fixed nowhere, for every entry."""
    entry = np.flatnonzero(lemma.tree.form >= 0)
    ones, none = np.ones(entry.size, np.int64), np.zeros(0, np.int64)
    split = rng.integers(0, 6, entry.size)
    weight = rng.random(entry.size) * rng.choice([0.1, 1.0, 100.0])
    return replace(lemma, duals=Duals(entry, 0 * ones, none, none, ones, split, weight))


def _other_phases(rng: Rng, lemma: Lemma) -> Lemma:
    """Other neurons are fixed than were, or inputs cut where a neuron was fixed."""
    axis, inputs = lemma.tree.axis.copy(), len(lemma.lower)
    some = np.flatnonzero(axis >= inputs)
    if some.size:
        at = rng.choice(some, rng.integers(1, some.size + 1), replace=False)
        axis[at] = rng.integers(0, inputs + 6, at.size) if rng.integers(2) else inputs + 6
    return replace(lemma, tree=replace(lemma.tree, axis=axis))


def _fixed_elsewhere(rng: Rng, lemma: Lemma) -> Lemma:
    cut = lemma.tree.cut.copy()
    some = lemma.tree.axis >= len(lemma.lower)
    cut[some] = rng.choice([1e-9, -0.5, np.nan, 5e-324])
    return replace(lemma, tree=replace(lemma.tree, cut=cut))


CHANGES: dict[str, Callable[[Rng, Lemma], Lemma]] = {
    "multipliers dropped": _dropped,
    "other slopes": _slopes,
    "slopes that are none": _wild_slopes,
    "multipliers scaled": _weights,
    "multipliers below 0": _wild_weights,
    "multipliers of other neurons": _other_neurons,
    "multipliers of nothing": _nowhere,
    "multipliers of other entries": _other_entries,
    "other numbers of multipliers": _other_counts,
    "multipliers of phases that are open": _planted,
    "other phases": _other_phases,
    "phases that begin elsewhere": _fixed_elsewhere,
}
"""Ways to change the multipliers and phases of a lemma."""
