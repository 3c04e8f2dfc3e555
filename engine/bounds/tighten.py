"""Tighter bounds of single neurons, by linear programs or to the end by branching over phases.

Every bound is rebuilt from duals (`dual`), unless the caller asks to trust a solver's integer
search. Points are candidates for a witness and nothing more.

Source: V. Tjeng, K. Xiao, R. Tedrake, ICLR 2019, section 4 (progressive tightening).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..assemble import BigM, Relaxation, Triangle, assemble
from ..network import Network
from ..rounding import Array
from ..solvers import Status
from ..verdict import Method
from .neuron import Effort, Model, Side
from .phases import Tree, decide_by_phases

__all__ = ["Effort", "Side", "Tightened", "decide_by_phases", "tighten"]


@dataclass(frozen=True, slots=True, eq=False)
class Tightened:
    """Bounds of some neurons.

    Attributes:
        lower, upper: ``(queries,)``, never wider than the bounds given.
        points: ``(queries, 2, inputs)``, where the solver saw the least and the greatest value;
            NaN where it gave no point. Candidates: inside the box, not replayed.
        rebuilt: whether every bound follows from the bounds given and from duals by outward
            rounding; False where a solver's own dual bound was taken, which proves nothing.
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
    trust: bool = False,
) -> Tightened:
    """Return bounds of some values of a node over a box.

    Args:
        network: any network.
        lower: ``(inputs,)`` float64, lower corner of the closed box, network units.
        upper: ``(inputs,)`` float64, upper corner.
        bounds: for every node its values' proved lower and upper bounds ``(size,)`` over the box.
        node: name of the node, such as the source of a `Piecewise` node.
        indices: ``(queries,)`` values of the node that are asked about.
        method: LP takes one warm linear program; MILP finds the exact ends, by a search over
            phases whose every leaf is rebuilt, or with `trust` by the solver's integer search.
        sides: which bounds to look for.
        relu: the encoding of LP and of MILP with `trust`; `Triangle` and `BigM` when absent.
        effort: time, stopping rule and solver.
        trust: take the bounds that the solver states for MILP. HiGHS 1.15.1 was seen to state
            bounds beyond values that the network attains, on ACAS Xu networks too.

    Raises:
        InputError: as `assemble`; an unknown solver.
        SolverError: a solver that contradicts itself or the network.
    """
    effort = Effort() if effort is None else effort
    low, high = bounds[node][0][indices].copy(), bounds[node][1][indices].copy()
    points = np.full((indices.size, 2, network.size_in), np.nan)
    search = method is Method.MILP and not trust
    if relu is None or search:
        relu = BigM() if method is Method.MILP and trust else Triangle()
    assembly = assemble(network, lower, upper, bounds, node, relu)
    if method is Method.LP:
        assembly = replace(assembly, program=assembly.program.relaxed())
    model = Model(network, assembly, lower, upper, effort)
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
            if search:
                given = float(low[place] if side is Side.LOWER else -high[place])
                found, point, done = _searched(model, given)
            else:
                found, point, done = _asked(model)
            complete &= done
            points[place, int(side is Side.UPPER)] = point
            if side is Side.LOWER:
                low[place] = max(low[place], found)
            else:
                high[place] = min(high[place], -found)
    return Tightened(low, high, points, not model.trusting, complete)


def _asked(model: Model) -> tuple[float, Array, bool]:
    outcome, point = model.solve()
    found = model.stated(outcome, point) if model.trusting else model.rebuilt(outcome)
    return found, point, outcome.status is Status.OPTIMAL or model.effort.left > 0


def _searched(model: Model, given: float) -> tuple[float, Array, bool]:
    tree = Tree(model, given)
    closed = tree.search()
    return tree.least, tree.point, closed
