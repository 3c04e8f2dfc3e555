"""Certificates of simplified networks: random cells cut, certified, and checked from their files.

`python -m secateur.benchmarks.cell_certificates --nets 1_1,5_9 --cells 50 --json rows.jsonl`
simplifies random cells of the grid of ACAS Xu networks, writes the networks and the proofs, and has
the checker judge each proof from the files alone. Times are CPU times of this process. A run that
was broken off goes on with the same `--json` file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..engine.errors import UnsupportedError
from ..engine.formats import load, save
from ..engine.proofs.check import check
from ..engine.proofs.store import write_proof
from ..redundancy.aim import Aim
from ..redundancy.certify import certify
from ..redundancy.phase import Effort
from ..redundancy.plan import simplify
from .machine import commit, machine, table
from .redundancy_cells import tolerance_of
from .redundancy_rows import Asked, Row, Subject, subject


def measure(one: Subject, index: int, asked: Asked, limit: float) -> Row:
    """Return the row of a cell.

    Args:
        one: a network and its cells.
        index: of the cell.
        asked: what is to be kept.
        limit: seconds for the certificate.
    """
    began = time.process_time()
    effort = Effort(seconds=asked.seconds, workers=1, seed=asked.seed)
    aim = Aim(asked.guarantee(one.best), order=asked.order, lines=asked.lines)
    plan = simplify(one.network, one.cells[index], effort, aim=aim)
    row: Row = {
        "net": one.name,
        "cell": index,
        **asked.words(),
        "limit": limit,
        "planned": time.process_time() - began,
        "removed": sum(tally.removed for tally in plan.steps),
        "joint": len(plan.removals),
        "neurons": len(plan.phases.findings),
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "small.onnx"
        save(plan.network, path)
        began = time.process_time()
        try:
            made = certify(plan, load(path), limit, np.random.default_rng(asked.seed))
        except UnsupportedError as error:
            return row | {"result": str(error)}
        row["certified"] = time.process_time() - began
        if made.proof is None:
            return row | {"result": made.reason}
        data = write_proof(made.proof)
        files = [Path(one.network.origin.path).read_bytes(), path.read_bytes()]
        began = time.process_time()
        checked = check(data, lambda at, file: files[at])
    return row | {
        "checked": time.process_time() - began,
        "bytes": len(data),
        "nodes": checked.nodes,
        "result": "checked",
    }


def totals(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return one line a network and thing kept."""
    out = []
    for name, keep in dict.fromkeys((row["net"], row["keep"]) for row in rows):
        some = [row for row in rows if (row["net"], row["keep"]) == (name, keep)]
        done = [row for row in some if row["result"] == "checked"]
        if not done:
            continue
        share = sum(row["removed"] for row in done) / sum(row["neurons"] for row in done)
        ratios = [row["checked"] / row["planned"] for row in done]
        out.append(
            {
                "net": name,
                "keep": f"{keep} {some[0]['tolerance']:g}",
                "cells": str(len(some)),
                "certified and checked": str(len(done)),
                "removed there": f"{100 * share:.1f} %",
                "plan (s)": f"{statistics.median(row['planned'] for row in done):.2f}",
                "certificate (s)": f"{statistics.median(row['certified'] for row in done):.2f}",
                "check (s)": f"{statistics.median(row['checked'] for row in done):.2f}",
                "check / plan, median": f"{statistics.median(ratios):.2f}",
                "kB": f"{statistics.median(row['bytes'] for row in done) / 1000:.0f}",
                "largest (kB)": f"{max(row['bytes'] for row in done) / 1000:.0f}",
            }
        )
    return out


def main() -> None:
    """Print a line a cell and the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", default="1_1,5_9", help="of ACAS Xu")
    parser.add_argument("--cells", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the cells")
    parser.add_argument("--keep", choices=("outputs", "argmin", "argmax"), default="argmin")
    parser.add_argument("--tolerance", type=tolerance_of, default=0.0, help="network output units")
    parser.add_argument("--seconds", type=float, default=10.0, help="a plan")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a certificate")
    parser.add_argument("--json", type=Path, help="rows as JSON lines; goes on where it stopped")
    given = parser.parse_args()
    asked = Asked(keep=given.keep, tolerance=given.tolerance, seconds=given.seconds)
    known = {}
    if given.json is not None and given.json.exists():
        stored = [json.loads(line) for line in given.json.read_text().splitlines()]
        known = {(row["net"], row["cell"], row["keep"], row["tolerance"]): row for row in stored}
    subjects = [subject(name, given.cells, given.seed) for name in given.nets.split(",")]
    rows = []
    for index in range(given.cells):
        for one in subjects:
            row = known.get((one.name, index, asked.keep, asked.tolerance))
            if row is None:
                row = measure(one, index, asked, given.limit) | {"commit": commit()}
                if given.json is not None:
                    with given.json.open("a") as file:
                        file.write(json.dumps(row) + "\n")
            rows.append(row)
            print(
                f"{one.name} {index:3} {row['removed']:4} removed in {row['planned']:6.2f} s, "
                f"{row['result']}, certified in {row.get('certified', 0):6.2f} s, checked in "
                f"{row.get('checked', 0):6.2f} s, {row.get('bytes', 0)} bytes",
                file=sys.stderr,
                flush=True,
            )
    print(table(totals(rows)))
    print(
        f"\ncells of seed {given.seed}, {given.seconds:g} s a plan, {given.limit:g} s a "
        f"certificate, one thread; {machine('numpy', 'numba')}"
    )


if __name__ == "__main__":
    main()
