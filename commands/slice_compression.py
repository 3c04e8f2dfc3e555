"""Compression of the cells of `slice`: what is asked for, and what became of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..engine.errors import InputError
from ..engine.region import Region
from ..slicing.lossy import Lossy
from .aim import tolerance_of
from .compress_method import Wish
from .compress_words import Ranges, Way
from .record import Record
from .terminal import Terminal

NAMED = 1000
"""Cells that a record names one by one."""


@dataclass(frozen=True, slots=True)
class Compression:
    """What cells lose with loss, as it was typed.

    Attributes:
        way: method of compression; None for none.
        share, rank: its options.
        repair: the distance that repair is to reach; None for no repair.

    Raises:
        InputError: options without a method, or that do not go with it; a distance that is no
            number above 0.
    """

    way: Way | None = None
    share: float | None = None
    rank: int | None = None
    repair: str | None = None

    def __post_init__(self) -> None:
        """Check that options and method go together."""
        if self.way is None:
            for option in ("share", "rank", "repair"):
                if getattr(self, option) is not None:
                    raise InputError(
                        f"--{option} {getattr(self, option)}: is of compressed cells; name a "
                        "method by --compress too"
                    )
            return
        self._wish(self.way)
        if self.tolerance == 0:
            raise InputError("--repair 0: compression loses something; give a distance above 0")

    @property
    def tolerance(self) -> Fraction | None:
        """The distance that repair is to reach, exactly."""
        return None if self.repair is None else tolerance_of(self.repair, "--repair")

    def lossy(self, region: Region) -> Lossy | None:
        """Return what the cells of a region lose; None for nothing."""
        if self.way is None:
            return None
        return Lossy(self._wish(self.way).method(region, None), self.tolerance)

    def words(self) -> dict[str, object]:
        """Return the options that ask for it."""
        way = None if self.way is None else self.way.value
        return {
            "--compress": way,
            "--share": self.share,
            "--rank": self.rank,
            "--repair": self.repair,
        }

    def _wish(self, way: Way) -> Wish:
        ranges = Ranges.PROVED if way is Way.INT8 else None
        return Wish(way, self.share, rank=self.rank, ranges=ranges)


@dataclass(slots=True)
class CompressionTotals:
    """What is known of cells that were compressed, added up.

    Attributes:
        cells: how many have a compressed network.
        bytes: of their packed files together.
        attained: the largest distance from a cell's small network that was met.
        proved: what no cell's distance passes; inf where one has no bound.
        before: the same before repair.
        distance: what no cell's distance from the original passes; inf where one has no bound, or
            where the small networks keep the best output alone.
        within: cells that are proved to be as near as repair was asked to bring them.
        failed: cells that are not, or that could not be compressed.
        reasons: cells by why they were not compressed.
    """

    cells: int = 0
    bytes: int = 0
    attained: float = 0.0
    proved: float = 0.0
    before: float = 0.0
    distance: float = 0.0
    within: int = 0
    failed: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def take(self, cell: int, figures: Mapping[str, Any]) -> None:
        """Add the figures of a cell."""
        if "lossy" not in figures:
            return
        one = figures["lossy"]
        if "reason" in one:
            self.reasons[one["reason"]] += 1
            self.failed.append(cell)
            return
        self.cells += 1
        self.bytes += one["bytes"]
        self.attained = max(self.attained, one["attained"])
        proved, before = (_bound(one[name]) for name in ("proved", "before"))
        self.proved, self.before = max(self.proved, proved), max(self.before, before)
        whole = math.nextafter(_bound(figures["distance"]) + proved, math.inf)
        self.distance = max(self.distance, whole)
        self.within += one["within"] is True
        if one["within"] is False:
            self.failed.append(cell)

    def record(self, said: object) -> Record | None:
        """Return what a record says; None where nothing was compressed.

        Args:
            said: what the family says of its compression; None for nothing.
        """
        if not isinstance(said, dict):
            return None
        return {
            **said,
            "cells": self.cells,
            "bytes": self.bytes,
            "attained": self.attained,
            "proved": _finite(self.proved),
            "before": _finite(self.before),
            "distance": _finite(self.distance),
            "within": None if said["tolerance"] is None else self.within,
            "failed": self.failed[:NAMED],
            "failures": len(self.failed),
            "reasons": dict(self.reasons),
        }


def say(found: Record | None, terminal: Terminal) -> None:
    """Print what compression made of cells."""
    if found is None:
        return
    cells, proved = found["cells"], found["proved"]
    bound = (
        "without a bound" if proved is None else f"at most {proved:.6g} from the small network's"
    )
    terminal.say(
        f"Compressed: {cells} cells, {found['bytes']} bytes, every output {bound}, on every "
        f"input of its cell; {found['attained']:.6g} was met."
    )
    if found["within"] is not None:
        before = found["before"]
        said = "without a bound" if before is None else f"{before:.6g}"
        terminal.say(
            f"Repaired to {found['tolerance']}: {found['within']} of {cells} cells; before "
            f"repair the bound was {said}."
        )
    if found["failures"]:
        some = ", ".join(map(str, found["failed"][:20]))
        more = "" if found["failures"] <= 20 else ", ..."
        terminal.say(f"Not so far: {found['failures']} cells ({some}{more})")
    for reason, count in found["reasons"].items():
        terminal.say(f"{count} cells not compressed: {reason}")


def _bound(value: float | None) -> float:
    return math.inf if value is None else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
