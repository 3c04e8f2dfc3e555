"""The functions that the arms of paired specs call, and the instances that they are drawn from.

Each takes an instance and the seed, makes ready what is not to be timed, and returns what is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import zip_longest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.interval import interval
from ..engine.bounds.linear import linear
from ..engine.bounds.packed import pack
from ..engine.formats import load
from ..engine.network import Network
from ..engine.stages import stages
from .acas_instances import AcasInstance, acas_instances
from .machine import acas
from .peers.answer import Answer
from .peers.race import Entry

Array = NDArray[np.float64]
Task = Callable[[], str]

BLOCK: Final = 32
"""Cells of one instance."""


def networks(seed: int) -> tuple[str, ...]:
    """Return the 45 networks of ACAS Xu in an order drawn by the seed."""
    names = [f"{first}_{second}" for first in range(1, 6) for second in range(1, 10)]
    return tuple(random.Random(seed).sample(names, len(names)))


@cache
def _loaded(name: str) -> Network:
    return load(acas(name))


def _cells(name: str, seed: int) -> tuple[Array, Array]:
    """Return the corners ``(BLOCK, 5)`` of cells of the 8^5 grid, drawn anew for each network."""
    from .cell_bounds import cells

    return cells(BLOCK, seed + sum(map(ord, name)))


def _unstable(low: Array, high: Array) -> str:
    """Return the mean number of neurons a cell whose sign is open."""
    return f"{((low < 0) & (high > 0)).sum(axis=1).mean():.2f}"


def cells_by_intervals(instance: str, seed: int) -> Task:
    """Return the task of bounding a network's cells by intervals."""
    from .cell_bounds import hidden

    network, boxes = _loaded(instance), _cells(instance, seed)
    return lambda: _unstable(*hidden(network, interval(network, *boxes)))


def cells_by_arrays(instance: str, seed: int) -> Task:
    """Return the task of bounding a network's cells by linear bounds in numpy."""
    from .cell_bounds import hidden

    network, boxes = _loaded(instance), _cells(instance, seed)
    return lambda: _unstable(*hidden(network, linear(network, *boxes)))


def cells_compiled(instance: str, seed: int) -> Task:
    """Return the task of bounding a network's cells by linear bounds in the compiled kernel."""
    from .cell_bounds import compiled

    net, boxes = pack(stages(_loaded(instance))), _cells(instance, seed)
    return lambda: _unstable(*compiled(net, *boxes))


def _program(instance: str, way: Callable[..., object]) -> Task:
    """Return the task of building the big-M program of a network over its whole domain."""
    from .program_build import LOWER, UPPER, bounded

    network = _loaded(instance)
    whole = (network, LOWER, UPPER, bounded(network, LOWER, UPPER))

    def task() -> str:
        way(*whole)
        return "built"

    return task


def program_by_arrays(instance: str, seed: int) -> Task:
    """Return the task of building it through arrays, in HiGHS."""
    from .program_build import with_arrays

    return _program(instance, with_arrays)


def program_by_terms(instance: str, seed: int) -> Task:
    """Return the task of building it in PuLP, sums written term by term."""
    from .program_build import summed, with_expressions

    return _program(instance, partial(with_expressions, total=summed))


def program_handed_over(instance: str, seed: int) -> Task:
    """Return the task of building it in PuLP from lists, and passing it to HiGHS."""
    from .program_build import handed_over, listed, with_expressions

    build = partial(with_expressions, total=listed)
    return _program(instance, lambda *whole: handed_over(build(*whole)))


def acas_all(seed: int) -> tuple[str, ...]:
    """Return all ACAS Xu instances in the competition's order; nothing is drawn."""
    return tuple(one.name for one in acas_instances())


def acas_stratified(seed: int) -> tuple[str, ...]:
    """Return ACAS Xu instances drawn so that every beginning is as varied as it can be.

    Strata are the properties, and within a property those with a counterexample and those without;
    turn by turn one is drawn from each property, from its strata in turn. The first ten are one of
    each property.
    """
    drawing = random.Random(seed)
    orders = []
    found = acas_instances()
    for prop in sorted({one.prop for one in found}):
        mine = [one for one in found if one.prop == prop]
        strata = [[one for one in mine if one.expected is answer] for answer in Answer]
        shuffled = [drawing.sample(stratum, len(stratum)) for stratum in strata]
        shuffled.sort(key=len, reverse=True)  # the larger stratum comes up first
        orders.append(_in_turn(shuffled))
    return tuple(one.name for one in _in_turn(orders))


def _in_turn(groups: Sequence[Sequence[AcasInstance]]) -> list[AcasInstance]:
    """Return the first of each group, then the second of each, and so on."""
    turns = zip_longest(*groups)
    return [one for turn in turns for one in turn if one is not None]


def acas_entry(name: str) -> Entry:
    """Return the question that an ACAS Xu instance puts to a verifier."""
    (one,) = [one for one in acas_instances() if one.name == name]
    return Entry(one.name, one.query, {"N": one.file}, one.expected)


def tiny(seed: int) -> tuple[str, ...]:
    """Return the one instance of measurements that have none."""
    return ("-",)
