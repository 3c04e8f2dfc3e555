"""`secateur merge`: the stores of a run's shards in one, and the family of all that they hold."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ..engine.formats.files import replace_with
from ..slicing.family_file import family_bytes
from ..slicing.merge import merge
from ..slicing.pipeline_family import begun, family_from, leave, note
from ..slicing.stored import Stored
from .options import Exit, Options
from .record import envelope, write_record
from .slice import REPORTS
from .slice_record import Gathered, family_record, output_record, tell
from .targets import check_targets
from .terminal import Terminal


def run(
    stores: Sequence[Path], output: Path, store: Path | None, report: Path | None, options: Options
) -> Exit:
    """Join stores and write their family; end DONE if every cell has a network, else UNKNOWN.

    A single store may be its own target: then its family alone is written, as far as it is.
    """
    began = time.monotonic()
    target = store or output.with_name(f"{output.name}.cells")
    alone = len(stores) == 1 and (store is None or store.resolve() == stores[0].resolve())
    check_targets(
        [
            ("--output", output, ()),
            *([] if alone else [("--store", target, ())]),
            ("--report", report, REPORTS),
            ("--json", options.json, ()),
        ],
        stores,
    )
    terminal = Terminal.of(options)
    with Stored(stores[0]) as first:
        base = begun(first)
    if alone:
        target = stores[0]
    else:
        with terminal.progress("stores"):
            merge(stores, target)
            leave(target, note(base)[0])
    with Stored(target) as stored:
        found = Gathered.of(stored, base.base)
        data = family_bytes(family_from(stored, base))
        replace_with(output, data)
        record = family_record(stored, found, base)
    missing = base.count - record["outcomes"]["done"]
    end = Exit.UNKNOWN if missing else Exit.DONE
    record = envelope(
        "merge",
        options,
        end,
        time.monotonic() - began,
        stores=[str(one) for one in stores],
        **record,
        output=output_record(output, data),
    )
    tell(record, terminal)
    left = f"; {missing} cells keep the original network" if missing else ""
    terminal.say(f"Family: {output}, {len(data)} bytes{left}. Store: {target}")
    if report is not None:
        from ..report import write_slice_report

        write_slice_report(report, record)
        terminal.say(f"Report: {report}")
    write_record(record, options.json)
    return end
