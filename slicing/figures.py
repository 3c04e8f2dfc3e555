"""Figures of cells: what each lost, layer by layer, and what all of them lost together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Network, State
from ..engine.rounding import float_above
from ..engine.verdict import Refuted
from ..redundancy.guarantee import Outputs
from ..redundancy.known import SEEN, Known
from ..redundancy.plan import Plan
from ..redundancy.relus import activations
from ..redundancy.removal import Kind
from .phases_found import CellPhases
from .work import Json

Index = NDArray[np.int64]
Flags = NDArray[np.bool_]

COLUMNS: Final = ("asked", "zero", "identity", "other", "active", "open", "both")
"""What is counted of the neurons of a layer.

asked: ReLUs of the original; zero, identity: proved to be that; other: removed beyond; active: not
removed, and points show both signs; open: not removed, and nothing is known; both: all of which
points show both signs, which no search for phases can remove.
"""


def figures_of(
    network: Network, known: Known, after: Network, plan: Plan | None
) -> dict[str, Json]:
    """Return the figures of a cell.

    Args:
        network: the original.
        known: the phases that were found together with other cells'.
        after: the original with what was removed as lines.
        plan: of the simplification, if there was one; its phases are the newer ones.
    """
    proved, seen = _phases(known, plan)
    table = []
    for node in network.piecewise:
        asked = activations(node).state == State.RELU
        state = activations(after.by_name[node.name]).state
        sure, both = proved[node.name], seen[node.name]
        zero, identity = (asked & sure & (state == kind) for kind in (State.ZERO, State.IDENTITY))
        left = asked & (state == State.RELU)
        other = asked & ~zero & ~identity & ~left
        parts = (asked, zero, identity, other, left & both, left & ~both, asked & both)
        table.append([int(part.sum()) for part in parts])
    removed: dict[str, Json] = {kind.value: 0 for kind in Kind}
    removed[Kind.PHASE.value] = sum(row[1] + row[2] for row in table)
    figures: dict[str, Json] = {"layers": [list(row) for row in table], "left": after.neurons}
    figures |= {"removed": removed, "distance": 0.0}
    if plan is not None:
        figures["multiply_adds"] = plan.fold.after.multiply_adds
        for kind, count in Counter(one.kind for one in plan.removals).items():
            removed[kind.value] = count
        if plan.removals:
            figures["distance"] = _distance(plan)
    return figures


def figures_of_phases(found: CellPhases) -> list[dict[str, Json]]:
    """Return what `figures_of` gives for cells of which phases are all that is asked."""
    table, first = [], 0
    for _, size in found.layers:
        here = slice(first, first := first + size)
        asked, sure = found.asked[here], found.proved[:, here]
        state, both = found.state[:, here], found.refuted[:, here]
        zero, identity = (sure & (state == kind) for kind in (State.ZERO, State.IDENTITY))
        left = asked & (state == State.RELU)
        other = asked & ~zero & ~identity & ~left
        parts = (asked & zero, asked & identity, other, left & both, left & ~both, asked & both)
        whole = np.full(len(state), asked.sum())
        table.append(np.stack([whole, *(part.sum(axis=1) for part in parts)], axis=1))
    layers = np.stack(table, axis=1) if table else np.zeros((len(found.state), 0, len(COLUMNS)))
    left = (found.state == State.RELU).sum(axis=1)
    nothing: dict[str, Json] = {kind.value: 0 for kind in Kind}
    return [
        {
            "layers": rows,
            "left": count,
            "removed": nothing | {Kind.PHASE.value: sum(row[1] + row[2] for row in rows)},
            "distance": 0.0,
        }
        for rows, count in zip(layers.astype(int).tolist(), left.tolist(), strict=True)
    ]


def _distance(plan: Plan) -> float | None:
    """Return how far outputs may be from the original's; None where only the best one stays."""
    guarantee = plan.aim.guarantee
    return float_above(guarantee.tolerance) if isinstance(guarantee, Outputs) else None


def _phases(known: Known, plan: Plan | None) -> tuple[dict[str, Flags], dict[str, Flags]]:
    """Return which neurons of each layer were proved to keep a phase, and which were refuted."""
    proved = {name: one.how >= 0 for name, one in known.items()}
    seen = {name: one.refuted.copy() for name, one in known.items()}
    if plan is not None:
        for one in plan.phases.findings:
            proved[one.layer][one.neuron] = one.state != State.RELU
            if isinstance(one.verdict, Refuted) or one.verdict is SEEN:
                seen[one.layer][one.neuron] = True
    return proved, seen


@dataclass(slots=True, eq=False)
class Totals:
    """The figures of all cells that are done, added up.

    Attributes:
        layers: ``(layers, columns)`` neurons by `COLUMNS`.
        cells: how many.
        removed: neurons by the step that removed them.
        left: cells by how many ReLUs they have left.
        seconds: wall time by step.
        multiply_adds: of the folded networks, and of how many cells.
        certified: cells with a certificate.
        reasons: cells by why there is no certificate.
    """

    layers: Index
    cells: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    left: Counter[int] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    multiply_adds: tuple[int, int] = (0, 0)
    certified: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, network: Network) -> Totals:
        """Return the totals of no cell."""
        return cls(np.zeros((len(network.piecewise), len(COLUMNS)), np.int64))

    def take(self, figures: Mapping[str, Any]) -> None:
        """Add the figures of a cell, as `figures_of` gave them."""
        self.cells += 1
        self.layers += np.array(figures["layers"], np.int64).reshape(self.layers.shape)
        self.removed.update(figures["removed"])
        self.left[figures["left"]] += 1
        for name, seconds in figures["seconds"].items():
            self.seconds[name] += seconds
        if "multiply_adds" in figures:
            count, of = self.multiply_adds
            self.multiply_adds = count + figures["multiply_adds"], of + 1
        if "proof" in figures:
            self.certified += not figures["proof"]
            if figures["proof"]:
                self.reasons[figures["proof"]] += 1

    @property
    def asked(self) -> int:
        """ReLUs of the original, counted in each cell."""
        return int(self.layers[:, COLUMNS.index("asked")].sum())

    @property
    def gone(self) -> int:
        """How many of them were removed."""
        return sum(self.removed.values())
