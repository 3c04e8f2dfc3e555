"""What a store of cells holds, as a record and as a table."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Network
from ..slicing.family import Family, Mark
from ..slicing.figures import COLUMNS, Totals
from ..slicing.stored import Row, Stored
from ..slicing.work import WORDS, Done
from .record import Record, network_record, region_record
from .slice_compression import CompressionTotals, say
from .slice_maps import maps_of
from .terminal import Terminal, share

ROWS: Final = 100_000
"""Cells whose rows a record holds; of more cells the store alone has them."""

TROUBLES: Final = 1000
"""Cells without a result that a record names one by one."""

PROOFS: Final = 1000
"""Certificates that a record names one by one."""

STEPS: Final = ("phase", "forward", "result-preserving", "relaxed")


@dataclass(slots=True, eq=False)
class Gathered:
    """What is in a store, gathered row by row.

    Attributes:
        totals: figures of the cells that are done.
        left: ``(cells,)`` ReLUs that each has left, -1 where it is not done.
        both: ``(cells,)`` neurons of which points show both signs.
        seconds: ``(cells,)`` of wall time for each, as far as it was told; 0 without an outcome.
        ends: cells by outcome.
        mark: ``(cells,)`` a `Mark` each.
        troubles: rows of the first that are not done.
        proofs: cells with a certificate, where it lies, and its digest.
        compression: what became of cells that were compressed.
    """

    totals: Totals
    left: NDArray[np.int64]
    both: NDArray[np.int64]
    seconds: NDArray[np.float64]
    mark: NDArray[np.uint8]
    ends: Counter[str] = field(default_factory=Counter)
    troubles: list[Row] = field(default_factory=list)
    proofs: list[tuple[int, str]] = field(default_factory=list)
    compression: CompressionTotals = field(default_factory=CompressionTotals)

    @classmethod
    def of(cls, stored: Stored, network: Network) -> Gathered:
        """Return what a store holds.

        Raises:
            FormatError: it is damaged.
        """
        count = stored.cells
        mark = np.full(count, Mark.MISSING, np.uint8)
        left, both = np.full((2, count), -1, np.int64)
        found = cls(Totals.of(network), left, both, np.zeros(count), mark)
        for row in stored.rows():
            found._take(row)
        return found

    def _take(self, row: Row) -> None:
        word = WORDS[type(row.outcome)]
        self.ends[word] += 1
        self.seconds[row.cell] = row.seconds
        if not isinstance(row.outcome, Done):
            self.mark[row.cell] = Mark[word.upper()]
            if len(self.troubles) < TROUBLES:
                self.troubles.append(row)
            return
        figures: dict[str, Any] = dict(row.outcome.result.figures)
        self.totals.take(figures)
        self.compression.take(row.cell, figures)
        self.mark[row.cell] = Mark.SIMPLIFIED
        self.left[row.cell] = figures["left"]
        self.seconds[row.cell] = sum(figures["seconds"].values())
        self.both[row.cell] = sum(layer[COLUMNS.index("both")] for layer in figures["layers"])
        if "proof" in row.blobs and len(self.proofs) < PROOFS:
            self.proofs.append((row.cell, row.blobs["proof"].digest))


def family_record(stored: Stored, found: Gathered, base: Family) -> Record:
    """Return what a record says of a store's cells.

    Args:
        stored: the store.
        found: what it holds.
        base: the family that it began with.
    """
    network, totals, slices = base.base, found.totals, base.slices
    done = found.left >= 0
    ends = {word: found.ends[word] for word in WORDS.values()}
    gone = 1.0 - found.left / max(1, network.neurons)
    multiply_adds, of = totals.multiply_adds
    return {
        "network": network_record(network),
        "region": region_record(slices.whole, network),
        **{name: base.said.get(name) for name in ("cut", "stage", "keep", "tolerance")},
        "tolerance_units": base.said.get("tolerance_units"),
        "guarantee": base.said.get("guarantee"),
        "cells": base.count,
        "slices_sha256": slices.digest,
        "outcomes": {**ends, "missing": base.count - sum(ends.values())},
        "neurons": totals.asked,
        "removed": {step: totals.removed[step] for step in STEPS},
        "layers": [
            {"layer": node.name, **dict(zip(COLUMNS, map(int, row), strict=True))}
            for node, row in zip(network.piecewise, totals.layers, strict=True)
        ],
        "left": [{"left": one, "cells": totals.left[one]} for one in sorted(totals.left)],
        "multiply_adds": {
            "before": network.multiply_adds,
            "after": multiply_adds / of if of else None,
        },
        "step_seconds": dict(totals.seconds),
        "certificates": _certificates(stored.path, found),
        "compression": found.compression.record(base.said.get("compression")),
        "maps": maps_of(slices, done, gone, network),
        "rows": _rows(found) if base.count <= ROWS else None,
        "troubles": [_trouble(row, base) for row in found.troubles],
        "store": str(stored.path),
        "one_cell": next(
            (one["one_cell"] for one in stored.environments if "one_cell" in one), None
        ),
    }


def output_record(path: Path, data: bytes) -> Record:
    """Return what a record says of a family's file."""
    return {"path": str(path), "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _certificates(store: Path, found: Gathered) -> Record:
    totals = found.totals
    return {
        "written": totals.certified,
        "reasons": dict(totals.reasons),
        "named": [{"cell": cell, "sha256": digest} for cell, digest in found.proofs],
    }


def _rows(found: Gathered) -> Record:
    """Return a list a column, of the cells that have an outcome."""
    some = np.flatnonzero(found.mark != Mark.MISSING)
    done = found.left[some] >= 0
    return {
        "cell": some.tolist(),
        "outcome": found.mark[some].tolist(),
        "left": [n if ok else None for n, ok in zip(found.left[some].tolist(), done, strict=True)],
        "both": [n if ok else None for n, ok in zip(found.both[some].tolist(), done, strict=True)],
        "seconds": [round(one, 4) for one in found.seconds[some].tolist()],
    }


def _trouble(row: Row, base: Family) -> Record:
    assert not isinstance(row.outcome, Done)
    lower, upper = (ends[0].tolist() for ends in base.slices.boxes(np.array([row.cell])))
    return {
        "cell": row.cell,
        "outcome": WORDS[type(row.outcome)],
        "reason": row.outcome.reason,
        "attempts": row.attempts,
        "seconds": row.seconds,
        "lower": lower,
        "upper": upper,
    }


def tell(record: Record, terminal: Terminal) -> None:
    """Print what cells lost, layer by layer."""
    layers = record["layers"]
    names = ("asked", "zero", "identity", "other", "active", "open")
    rows = []
    for layer in [*layers, {"layer": "all", **_sums(layers)}]:
        gone = layer["zero"] + layer["identity"] + layer["other"]
        ceiling = layer["asked"] - layer["both"]
        rows.append(
            (
                layer["layer"],
                *(layer[name] for name in names),
                share(gone, layer["asked"]),
                share(ceiling, layer["asked"]),
            )
        )
    if record["neurons"]:
        terminal.table(
            "Neurons of all cells that are done, by what became of them",
            ("layer", "neurons", *names[1:], "removed", "phase ceiling"),
            rows[:-1],
            footer=rows[-1],
        )
    ends = record["outcomes"]
    said = ", ".join(f"{count} {word}" for word, count in ends.items() if count)
    terminal.say(f"{record['cells']} cells: {said}.")
    say(record["compression"], terminal)
    for one in record["troubles"][:20]:
        terminal.say(f"Cell {one['cell']} {one['outcome']}: {one['reason']}")


def _sums(layers: list[Record]) -> dict[str, int]:
    return {name: sum(layer[name] for layer in layers) for name in COLUMNS}
