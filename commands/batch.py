"""`secateur simplify --batch`: many networks over many regions, every row with its outcome."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import InputError, SecateurError
from ..engine.formats.files import read_bytes
from ..engine.network import Network
from ..redundancy.removal import Kind
from .aim import Wish, runtime_of
from .cut import make_cut
from .cut_record import cut_record
from .cut_table import HEADINGS
from .jobs import Defaults, Job, Shelf, corners, read_jobs
from .options import Exit, Options, Side
from .outcomes import FILE, Outcome, add, alone, begin, holds, key_of, read_outcomes
from .record import Record, envelope, versions, write_record
from .simplify import Spending, region_of, warm_up, wish_record
from .targets import check_folder, check_targets
from .terminal import Terminal, share

SHOWN = 40
"""Rows that the terminal shows one by one; more are counted by network."""

WIDE = 30
"""Characters of a region that the terminal shows."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch is asked for.

    Attributes:
        jobs: the table.
        folder: for all that is written.
        wish: what must stay, where a row says nothing else.
        units: of the regions' limits, where a row says nothing else.
        tolerance_units: of tolerances; None for those of each row's region.
        spending: how much to spend on a row.
        report: where the report goes; None for nowhere.
    """

    jobs: Path
    folder: Path
    wish: Wish
    units: Side
    tolerance_units: Side | None
    spending: Spending
    report: Path | None


def refuse_single(net: Path | None, regions: Sequence[str], proof: Path | None = None) -> None:
    """Raise InputError where a network, a region or a proof is named beside a batch."""
    if proof is not None:
        raise InputError(
            f"--proof {proof}: goes with a network and its regions; simplify one row by itself for "
            "its proof"
        )
    if net is not None:
        raise InputError(f"{net}: with --batch the table names the networks; take one of both away")
    if regions:
        raise InputError(
            "--region: with --batch the table names the regions; take one of both away"
        )


def run(batch: Batch, options: Options) -> Exit:
    """Work through a table; end DONE if every row is done, else UNKNOWN."""
    began = time.monotonic()
    shelf = Shelf()
    targets = [
        ("--report", batch.report, (".html", ".htm")),
        ("--json", options.json, ()),
    ]
    check_targets(targets, [batch.jobs, batch.folder / FILE])
    defaults = Defaults(batch.wish, batch.units, batch.tolerance_units)
    jobs = read_jobs(batch.jobs, batch.folder, defaults, shelf)
    check_folder("--output", batch.folder)
    terminal = Terminal.of(options)
    with alone(batch.folder):
        found = read_outcomes(batch.folder)
        keys = [_key(job, batch, options) for job in jobs]
        done = {key: found[key] for key in keys if key in found and holds(found[key], batch.folder)}
        begin(
            batch.folder, [{**done[key], "line": job.line} for job, key in _both(jobs, keys, done)]
        )
        left = [(job, key) for job, key in zip(jobs, keys, strict=True) if key not in done]
        if left:
            warm_up([job.wish for job, _ in left], options, terminal)
        fresh: dict[str, Outcome] = {}
        with terminal.progress(f"{len(jobs)} rows") as show:
            for index, (job, key) in enumerate(left):
                show(job.output, len(jobs) - len(left) + index, len(jobs))
                fresh[key] = _outcome(job, key, batch, options, shelf, began, len(left) - index)
                add(batch.folder, fresh[key])
    rows = [
        {**(fresh.get(key) or done[key]), "line": job.line, "skipped": key in done}
        for job, key in zip(jobs, keys, strict=True)
    ]
    failed = sum(row["state"] != "done" for row in rows)
    end = Exit.UNKNOWN if failed else Exit.DONE
    record = envelope(
        "batch",
        options,
        end,
        time.monotonic() - began,
        jobs=str(batch.jobs),
        folder=str(batch.folder),
        effort=batch.spending.amount.value,
        done=len(rows) - failed,
        failed=failed,
        skipped=len(done),
        removed=total(rows),
        rows=rows,
    )
    _tell(record, terminal)
    if batch.report is not None:
        from ..report import write_batch_report

        write_batch_report(batch.report, record)
        terminal.say(f"Report: {batch.report}")
    write_record(record, options.json)
    return end


def total(rows: Sequence[Outcome]) -> dict[str, int]:
    """Return how many neurons each step removed in all rows, and how many there were and are."""
    out = Counter[str]()
    for row in rows:
        if row["state"] == "done":
            out.update(row["removed"])
            out["neurons"] += row["neurons"]
    return {word: out[word] for word in (*(kind.value for kind in Kind), "neurons")}


def _both(
    jobs: Sequence[Job], keys: Sequence[str], done: dict[str, Outcome]
) -> list[tuple[Job, str]]:
    return [(job, key) for job, key in zip(jobs, keys, strict=True) if key in done]


def _key(job: Job, batch: Batch, options: Options) -> str:
    """Return what a row's result depends on; the time given is no part, a proof is a proof."""
    return key_of(
        {
            "version": versions().get("secateur"),
            "network": job.digest,
            "region": job.limits,
            "units": job.units.value,
            "keep": job.wish.keep.value,
            "tolerance": str(job.wish.tolerance),
            "tolerance_units": job.wish.units.value,
            "order": job.wish.order.value,
            "lines": job.wish.lines.value,
            "until": job.wish.until,
            "effort": batch.spending.amount.value,
            "explain": batch.spending.explain,
            "seed": options.seed,
            "output": job.output,
        }
    )


def _outcome(
    job: Job, key: str, batch: Batch, options: Options, shelf: Shelf, began: float, left: int
) -> Outcome:
    """Return what became of a row; whatever goes wrong in it is its outcome."""
    start = time.monotonic()
    outcome: Outcome = {
        "key": key,
        "line": job.line,
        "network": str(job.network),
        "region": job.region,
        "output": job.output,
    }
    try:
        if options.timeout is not None and start > began + options.timeout:
            raise InputError("the time for the whole batch was over before this row began")
        network = shelf.network(job.network)
        outcome |= _worked(job, network, batch, options, began, left)
    except Exception as error:  # whatever a row meets is its own outcome, and no other row's
        said = " ".join(f"{error}".split())
        reason = said if isinstance(error, SecateurError) else f"{type(error).__name__}: {said}"
        outcome |= {"state": "failed", "reason": reason}
    return outcome | {"seconds": time.monotonic() - start}


def _worked(
    job: Job, network: Network, batch: Batch, options: Options, began: float, left: int
) -> Outcome:
    region = region_of(job.region, network, job.units)
    now = hashlib.sha256(read_bytes(job.network)).hexdigest()
    if not network.origin.digest == now == job.digest or corners(region) != job.limits:
        raise InputError("the network's file or the region's has changed since the batch began")
    aim = job.wish.aim(network)
    cut = make_cut(
        network,
        region,
        batch.folder / job.output,
        effort=batch.spending.effort(options, began, left),
        runtime=runtime_of(network),
        aim=aim,
        explain=batch.spending.explain,
    )
    record = cut_record(cut)
    words = ("constant", "exact", "distance", "guarantee", "removed", "left_out", "error", "proof")
    return {
        "state": "done",
        "reason": "",
        "name": region.name,
        **wish_record(job.wish, aim),
        **{word: record[word] for word in words},
        "phases": record["phases"],
        "neurons": len(cut.plan.phases.findings),
        "left": {
            word: sum(layer["left"][word] for layer in record["layers"])
            for word in ("active", "open")
        },
        "steps": record["steps"],
        "before": record["before"],
        "after": record["after"],
        "replayed": record["replayed"],
        "sha256": cut.digest,
    }


def _tell(record: Record, terminal: Terminal) -> None:
    rows: list[Outcome] = record["rows"]
    steps = [kind.value for kind in Kind if record["removed"][kind.value] or kind is Kind.PHASE]
    headings = [HEADINGS[step] for step in steps]
    groups: list[tuple[str, list[Outcome]]]
    if len(rows) <= SHOWN:
        groups = [(_title(row), [row]) for row in rows]
    else:
        names = dict.fromkeys(row["network"] for row in rows)
        groups = [(name, [row for row in rows if row["network"] == name]) for name in names]
    terminal.table(
        "Neurons removed, by row and step",
        ("row", "rows done", "neurons", *headings, "left", "removed", "multiply-adds", "s"),
        [_line(name, some, steps) for name, some in groups],
        footer=_line("all", rows, steps),
    )
    for row in rows:
        if row["state"] != "done":
            terminal.say(f"Line {row['line']} failed: {row['reason']}")
    terminal.say(
        f"{record['done']} of {len(rows)} rows are done, {record['skipped']} of them from an "
        f"earlier call; outcomes: {Path(record['folder']) / FILE}"
    )


def _title(row: Outcome) -> str:
    region = row["region"]
    shown = region if len(region) <= WIDE else f"{region[: WIDE - 3]}..."
    return f"{row['line']}: {Path(row['network']).name}, {shown}"


def _line(name: str, rows: Sequence[Outcome], steps: Sequence[str]) -> list[object]:
    done = [row for row in rows if row["state"] == "done"]
    counts = total(done)
    gone = sum(counts[kind.value] for kind in Kind)
    before, after = (
        sum(row[side]["multiply_adds"] for row in done) for side in ("before", "after")
    )
    return [
        name,
        f"{len(done)}/{len(rows)}",
        counts["neurons"],
        *(counts[step] for step in steps),
        counts["neurons"] - gone,
        share(gone, counts["neurons"]),
        f"{before} -> {after}",
        f"{sum(row['seconds'] for row in rows):.1f}",
    ]
