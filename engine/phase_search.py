"""The search over the phases of one alternative: by multipliers, then by programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .bounds.leaves import Leaves
from .bounds.multipliers import Spread
from .bounds.neuron import Effort
from .bounds.phases import Tree
from .milp_case import Candidates, CaseModel


@dataclass(slots=True)
class PhaseSearch:
    """The search of one alternative: by linear bounds of leaves, then by programs.

    Attributes:
        candidates: replays points.
        model: makes a model of the programs.
        leaves: linear bounds of leaves.
        least: proved lower bound of the excess.
        goal: the excess from which on no input meets the alternative.
        spread: the search by multipliers; None to go without.
        trees: searches by programs that are not closed, of leaves that multipliers cannot settle.
        programs: number of programs solved.
    """

    candidates: Candidates
    model: Callable[[], CaseModel]
    leaves: Leaves
    least: float
    goal: float
    spread: Spread | None = None
    trees: list[Tree] = field(default_factory=list)
    programs: int = 0

    @property
    def count(self) -> int:
        """Number of leaves bounded by multipliers."""
        return 0 if self.spread is None else self.spread.count

    def go(self, most: int, effort: Effort) -> bool:
        """Search on; return whether no input meets the alternative."""
        done = True
        if self.spread is not None:
            done = self.spread.search(most, lambda: effort.left <= 0)
            if self.candidates.witness is not None:
                return False
            if self.spread.rest:
                start = np.stack([leaf.phase for leaf in self.spread.rest])
                self.trees.append(Tree(self.model(), self.least, self.leaves, start))
                self.spread.rest.clear()
        for tree in list(self.trees):
            before = tree.programs
            tree.search(most)
            self.programs += tree.programs - before
            if self.candidates.witness is not None:
                return False
            if tree.least >= self.goal:
                self.trees.remove(tree)
        return done and not self.trees
