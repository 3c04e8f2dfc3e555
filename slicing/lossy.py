"""What a cell loses with loss: its small network compressed, repaired, and how far that takes it.

The bound of a cell is of the compressed network against the small one, which has its shape. Where
the small network keeps every output within a tolerance, the two add up to the distance from the
original.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from fractions import Fraction

from ..compression.compress import compress
from ..compression.form import Compressed
from ..compression.method import Int8, Method, ProvedRanges, SeenRanges
from ..compression.packed import pack
from ..engine.answer import Effort
from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.region import Region
from .work import Json

BOXES = 2000
"""Boxes a cell that one certification bounds, about: cells are small, and most need a few."""

ROUNDS = 6
"""Rounds of repair of a cell, at most."""

STEPS = 100
"""Steps of retraining a round: a cell's network is small."""


@dataclass(frozen=True, slots=True)
class Lossy:
    """What each cell's small network loses besides.

    Attributes:
        method: of compression; ranges proved over the region are proved over each cell instead.
        tolerance: the distance that repair is to reach, network output units; None for no repair.

    Raises:
        InputError: a tolerance of 0 or less.
    """

    method: Method
    tolerance: Fraction | None = None

    def __post_init__(self) -> None:
        if self.tolerance is not None and self.tolerance <= 0:
            raise InputError(
                f"repair to {float(self.tolerance):g}: compression loses something; give a "
                "distance above 0"
            )

    def words(self) -> dict[str, Json]:
        """Return it as words, in which different ones differ."""
        match self.method:
            case Int8(ranges=SeenRanges(points=points), fit=fit):
                digest = hashlib.sha256(points.tobytes()).hexdigest()[:16]
                said = f"Int8(SeenRanges of {len(points)} points {digest}, {fit})"
            case Int8(fit=fit):
                said = f"Int8(ProvedRanges, {fit})"
            case method:
                said = f"{method}"
        return {
            "method": said,
            "tolerance": None if self.tolerance is None else f"{self.tolerance}",
        }

    def on(self, cell: Region) -> Method:
        """Return the method for one cell."""
        match self.method:
            case Int8(ranges=ProvedRanges()):
                return replace(self.method, ranges=ProvedRanges(cell))
            case _:
                return self.method


@dataclass(frozen=True, slots=True, eq=False)
class Lost:
    """A cell's compressed network and what is proved of it.

    Attributes:
        compressed: the network.
        attained: the largest distance of any output from the small network's that was met on the
            cell, network output units, rounded down.
        proved: what no output's distance passes on the cell, rounded up; inf without a bound.
        before: the same before repair; `proved` where nothing was repaired.
        rounds: of repair.
        within: whether the tolerance was proved; None without one.
    """

    compressed: Compressed
    attained: float
    proved: float
    before: float
    rounds: int
    within: bool | None

    def words(self) -> dict[str, Json]:
        """Return it as figures of a cell."""
        return {
            "bytes": len(pack(self.compressed)),
            "attained": self.attained,
            "proved": self.proved if math.isfinite(self.proved) else None,
            "before": self.before if math.isfinite(self.before) else None,
            "rounds": self.rounds,
            "within": self.within,
        }


def lose(small: Network, cell: Region, lossy: Lossy, seconds: float, seed: int) -> Lost:
    """Return a cell's network compressed, and repaired where a tolerance asks for it.

    Args:
        small: the cell's network.
        cell: closed box, network units.
        lossy: what is lost.
        seconds: wall time.
        seed: of all randomness.

    Raises:
        InputError: a network or a method that cannot be compressed so.
        UnsupportedError: the same.
    """
    from ..compression.repair import repair
    from ..compression.repair_bound import certified
    from ..compression.repair_moves import Policy

    made = compress(small, lossy.on(cell), seed=seed)
    effort = Effort(seconds=seconds, seed=seed, workers=1, boxes=BOXES)
    if lossy.tolerance is None:
        found = certified(small, made.network, [cell], Fraction(0), effort)
        return Lost(made, found.attained, found.proved, found.proved, 0, None)
    # Fitting linear layers by programs takes longer than all else that a cell has time for.
    moves = Policy(iterations=ROUNDS, boxes=BOXES, fit=False)
    moves = replace(moves, training=replace(moves.training, steps=STEPS))
    done = repair(small, made, cell, lossy.tolerance, effort, method=moves)
    after, rounds = done.after, len(done.iterations) - 1
    return Lost(
        done.compressed, after.attained, after.proved, done.before.proved, rounds, done.proved
    )
