"""The solvers that are measured, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .marabou import MARABOU
from .neuralsat import NEURALSAT
from .ours import SECATEUR
from .solver import Solver
from .vibecheck import VIBECHECK

SOLVERS: Final[tuple[Solver, ...]] = (SECATEUR, MARABOU, NEURALSAT, VIBECHECK)
"""secateur first: the paired ratios of a table are taken against the first."""


def named(names: Sequence[str]) -> list[Solver]:
    """Return the solvers of these names, in this order.

    Raises:
        SystemExit: a name that is not in the catalogue.
    """
    known = {solver.name: solver for solver in SOLVERS}
    for name in names:
        if name not in known:
            raise SystemExit(f"there is no solver {name!r}: name some of {', '.join(known)}")
    return [known[name] for name in names]
