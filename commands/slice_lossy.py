"""What compression and repair made of cells, as a record and as lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .record import Record
from .terminal import Terminal

NAMED = 1000
"""Cells that a record names one by one."""


@dataclass(slots=True)
class Pressed:
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


def say(pressed: Record | None, terminal: Terminal) -> None:
    """Print what compression made of cells."""
    if pressed is None:
        return
    cells, proved = pressed["cells"], pressed["proved"]
    bound = (
        "without a bound" if proved is None else f"at most {proved:.6g} from the small network's"
    )
    terminal.say(
        f"Compressed: {cells} cells, {pressed['bytes']} bytes, every output {bound}, on every "
        f"input of its cell; {pressed['attained']:.6g} was met."
    )
    if pressed["within"] is not None:
        before = pressed["before"]
        said = "without a bound" if before is None else f"{before:.6g}"
        terminal.say(
            f"Repaired to {pressed['tolerance']}: {pressed['within']} of {cells} cells; before "
            f"repair the bound was {said}."
        )
    if pressed["failures"]:
        some = ", ".join(map(str, pressed["failed"][:20]))
        more = "" if pressed["failures"] <= 20 else ", ..."
        terminal.say(f"Not so far: {pressed['failures']} cells ({some}{more})")
    for reason, count in pressed["reasons"].items():
        terminal.say(f"{count} cells not compressed: {reason}")


def _bound(value: float | None) -> float:
    return math.inf if value is None else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
