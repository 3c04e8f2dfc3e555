"""`secateur info FAMILY`: what a family holds."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine.formats.files import read_bytes
from ..slicing.family import Family, Mark
from ..slicing.family_file import load_family
from .options import Exit, Options
from .record import Record, envelope, network_record, region_record, write_record
from .targets import check_targets
from .terminal import Terminal, listed, share

Index = NDArray[np.int64]


def run(path: Path, options: Options) -> Exit:
    """Print what a family holds; end DONE."""
    began = time.monotonic()
    check_targets([("--json", options.json, ())], [path])
    family = load_family(path)
    data = read_bytes(path)
    done = family.removed[family.marked(Mark.SIMPLIFIED)]
    left = family.base.neurons - done.sum(axis=1)
    record = envelope(
        "info",
        options,
        Exit.DONE,
        time.monotonic() - began,
        family={
            "path": str(path),
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "cells": family.count,
            "depth": family.slices.depth,
            "slices_sha256": family.slices.digest,
            "marks": _marks(family),
            "left": _ends(left) if len(left) else None,
            "said": dict(family.said),
        },
        network=network_record(family.base),
        region=region_record(family.slices.whole, family.base),
    )
    write_record(record, options.json)
    _print(path, family, len(data), done, Terminal.of(options))
    return Exit.DONE


def _marks(family: Family) -> dict[str, int]:
    counts = np.bincount(family.mark, minlength=len(Mark))
    return {mark.name.lower(): int(counts[mark]) for mark in Mark}


def _ends(left: Index) -> Record:
    return {"mean": float(left.mean()), "least": int(left.min()), "most": int(left.max())}


def _print(path: Path, family: Family, size: int, done: Index, terminal: Terminal) -> None:
    base, whole = family.base, family.slices.whole
    terminal.say(f"{path}: a family of {family.count} networks, {size} bytes")
    terminal.say(f"original    {base.origin.path}, SHA-256 {base.origin.digest or '-'}")
    guarantee = family.said.get("guarantee")
    if isinstance(guarantee, str):
        terminal.say(f"guarantee   on each simplified cell, its network {guarantee}")
    terminal.say(
        f"cells       {listed(_marks(family))}; at most {family.slices.depth} cuts to each"
    )
    cells = len(done)
    if cells:
        left = _ends(base.neurons - done.sum(axis=1))
        terminal.say(
            f"size        {base.neurons} ReLUs in the original; in a simplified cell "
            f"{left['mean']:.1f} on average, from {left['least']} to {left['most']}"
        )
        rows = [
            (node.name, node.size, f"{part.mean():.1f}", share(part.sum(), cells * node.size))
            for node, part in zip(base.piecewise, done.T, strict=True)
        ]
        columns = ("name", "neurons", "removed, mean", "removed")
        terminal.table("Layers of simplified cells", columns, rows)
    limits = zip(whole.lower.tolist(), whole.upper.tolist(), strict=True)
    terminal.table(
        f"Region {whole.name}, network units",
        ("input", "lower", "upper"),
        [(index, f"{low:.9g}", f"{high:.9g}") for index, (low, high) in enumerate(limits)],
    )
