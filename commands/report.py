"""`secateur report`: records of runs as one file for people."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ..engine.errors import InputError
from ..engine.formats.files import replace_with
from .options import Exit, Options
from .record import envelope, write_record
from .targets import check_targets
from .terminal import Terminal

MOST = 100
"""Records that one report holds."""


def run(runs: Sequence[Path], output: Path, options: Options) -> Exit:
    """Write a report of some records; end DONE.

    Raises:
        InputError: a record that cannot be used, or a file that cannot be written.
    """
    began = time.monotonic()
    if len(runs) > MOST:
        raise InputError(f"{len(runs)} records are too many for one report: give at most {MOST}")
    check_targets([("--output", output, ()), ("--json", options.json, ())], runs)
    from ..report import Form, build, read_runs, rendered, report_record

    form = Form.of(output)
    report = build(read_runs(runs))
    record = envelope(
        "report", options, Exit.DONE, time.monotonic() - began, **report_record(report)
    )
    replace_with(output, rendered(report, form, record))
    terminal = Terminal.of(options)
    rows = [(chapter.title, chapter.verdict.value) for chapter in report.chapters]
    terminal.table("", ("chapter", "ended"), rows, words=2)
    terminal.say(f"Report: {output}")
    write_record(record, options.json)
    return Exit.DONE
