"""Reports: what runs found, as one file that needs nothing else and reads well on paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from .engine.errors import FormatError, InputError
from .engine.formats.files import replace_with
from .reports.batched import Room, batched
from .reports.bounded import bounded
from .reports.checked import checked
from .reports.compared import compared
from .reports.compressed import compressed
from .reports.cut_pictures import frame
from .reports.cuts import Seen, simplified
from .reports.described import described
from .reports.examined import examined
from .reports.figures import BAR, bar, stack
from .reports.forgotten import forgot
from .reports.forgotten_regions import disagreed
from .reports.latent import latent
from .reports.markdown import markdown
from .reports.page import page
from .reports.paper import paper, writer
from .reports.read import Run, read_run, run_of
from .reports.repaired import repaired
from .reports.selfcompressed import selfcompressed
from .reports.sliced import sliced
from .reports.tree import Chapter, Record, Report, Table, Verdict, report_record
from .reports.verified import verified
from .reports.wording import all_of, seconds, sentence, short, thousands

__all__ = [
    "BAR",
    "Form",
    "Report",
    "Seen",
    "bar",
    "build",
    "fit",
    "frame",
    "read_runs",
    "render",
    "rendered",
    "report_record",
    "seconds",
    "sentence",
    "short",
    "stack",
    "thousands",
    "write_batch_report",
    "write_compress_report",
    "write_forget_report",
    "write_repair_report",
    "write_report",
    "write_selfcompress_report",
    "write_slice_report",
]

ROWS_SHOWN = 120
"""Bars of a batch's figure; with more rows a bar stands for all regions of a network."""

ROWS_LISTED = 2000
"""Rows of a batch's table; the record has all, and every one that failed is listed."""

EDITIONS = {
    "verify": 1,
    "compare": 1,
    "simplify": 2,
    "demo": 2,
    "batch": 1,
    "bounds": 1,
    "check": 1,
    "info": 1,
    "doctor": 1,
    "slice": 1,
    "merge": 1,
    "compress": 1,
    "repair": 1,
    "exemplars": 1,
    "disagreement": 1,
    "latent": 1,
    "selfcompress": 1,
}
"""The records that a report is made of, and the version of their schema that is read."""

WORDS = {
    Verdict.PROVED: "proved",
    Verdict.REFUTED: "refuted",
    Verdict.UNKNOWN: "not decided in full",
    Verdict.DONE: "done",
}
"""How runs ended, in the table of several."""


class Form(StrEnum):
    """The formats of a report, by the endings of its file."""

    HTML = ".html"
    MARKDOWN = ".md"
    JSON = ".json"
    PDF = ".pdf"

    @classmethod
    def of(cls, path: Path) -> Form:
        """Return the format of a file that can be written here.

        Raises:
            InputError: another ending, or a format that needs what is not installed.
        """
        ending = path.suffix.lower()
        form = cls.HTML if ending == ".htm" else next((one for one in cls if one == ending), None)
        if form is None:
            raise InputError(
                f"--output {path}: {path.suffix or 'no ending'} is no format to write; end the "
                f"name in {' or '.join(cls)}"
            )
        if form is cls.PDF:
            writer()
        return form


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Return the records in files, each of a verb that a report is made of.

    Raises:
        FileError: one cannot be read.
        FormatError: one is no record, or one that no report is made of.
    """
    return [fit(read_run(path)) for path in paths]


def fit(run: Run) -> Run:
    """Return a record of a verb that a report is made of.

    Raises:
        FormatError: it is of another verb or version.
    """
    known = EDITIONS.get(run.verb)
    if known is None:
        raise FormatError(
            f"{run.part.file}: no report is made of {run.schema}; give a record of "
            f"{', '.join(EDITIONS)}"
        )
    if run.edition != known:
        mend = "make the record again" if run.edition < known else "take a newer secateur"
        raise FormatError(
            f"{run.part.file}: {run.schema} is not read, {known} is the version that is; {mend}"
        )
    return run


def build(runs: Sequence[Run], seen: Sequence[Seen] = ()) -> Report:
    """Return what a report of some runs says.

    Args:
        runs: at least one record.
        seen: of a lone record of `simplify` or `demo` what it does not hold; empty for nothing.

    Raises:
        FormatError: a record lacks what its chapter needs.
    """
    chapters = [chapter for run in runs for chapter in _chapters(run, seen)]
    versions = dict.fromkeys(run.part.part("versions").words("secateur") for run in runs)
    if len(chapters) == 1:
        return Report(chapters[0].title, tuple(chapters), None, tuple(versions))
    verbs = all_of(list(dict.fromkeys(run.verb for run in runs)))
    title = f"{len(chapters)} answers, by secateur {verbs}"
    return Report(title, tuple(chapters), _summary(chapters), tuple(versions))


def _chapters(run: Run, seen: Sequence[Seen]) -> list[Chapter]:
    match run.verb:
        case "verify":
            return [verified(run)]
        case "compare":
            return [compared(run)]
        case "bounds":
            return [bounded(run)]
        case "check":
            return [checked(run)]
        case "info":
            return [described(run)]
        case "doctor":
            return [examined(run)]
        case "slice" | "merge":
            return [sliced(run)]
        case "compress":
            return [compressed(run)]
        case "repair":
            return [repaired(run)]
        case "exemplars":
            return [forgot(run)]
        case "disagreement":
            return [disagreed(run)]
        case "latent":
            return [latent(run)]
        case "selfcompress":
            return [selfcompressed(run)]
        case "batch":
            return [batched(run, Room(ROWS_SHOWN, ROWS_LISTED))]
        case _:
            return simplified(run, seen)


def _summary(chapters: Sequence[Chapter]) -> Table:
    rows = tuple(
        (f"{number}. {chapter.title}", WORDS[chapter.verdict], chapter.answer[0].words)
        for number, chapter in enumerate(chapters, start=1)
    )
    columns = ("chapter", "ended", "answer")
    return Table("What was asked, and how it ended", columns, rows, words=(1, 2))


def rendered(report: Report, form: Form, record: Record | None = None) -> bytes:
    """Return a report in a format.

    Args:
        report: what it says.
        form: the format.
        record: what .json holds; that of the report alone when absent.

    Raises:
        InputError: what the format needs is not installed.
    """
    match form:
        case Form.HTML:
            return page(report).encode()
        case Form.MARKDOWN:
            return markdown(report).encode()
        case Form.JSON:
            found = report_record(report) if record is None else record
            return (json.dumps(found, indent=1, allow_nan=False) + "\n").encode()
        case Form.PDF:
            return paper(report)
        case _ as never:
            assert_never(never)


def render(record: Record, seen: Sequence[Seen] = ()) -> str:
    """Return the report of a record of `simplify` or `demo` as HTML.

    Args:
        record: of the command.
        seen: for each of its networks what the record does not hold; empty for nothing.
    """
    return page(build([run_of(record)], seen))


def write_report(path: Path, record: Record, seen: Sequence[Seen]) -> None:
    """Write the report of a record of `simplify` or `demo`, whole or not at all.

    Args:
        path: of the .html file.
        record: as in `render`.
        seen: as in `render`.

    Raises:
        FileError: it cannot be written.
    """
    replace_with(path, render(record, seen).encode())


def write_batch_report(path: Path, record: Record) -> None:
    """Write the report of a batch, whole or not at all.

    Args:
        path: of the .html file.
        record: of the batch.

    Raises:
        FileError: it cannot be written.
    """
    replace_with(path, page(build([run_of(record)])).encode())


def write_compress_report(path: Path, record: Record) -> None:
    """Write the report of a compressed network, whole or not at all.

    Args:
        path: of the .html file.
        record: of `compress`.

    Raises:
        FileError: it cannot be written.
    """
    replace_with(path, page(build([run_of(record)])).encode())


def write_forget_report(path: Path, record: Record) -> None:
    """Write the report of what compression forgot, whole or not at all.

    Args:
        path: of the .html file.
        record: of a verb of `forget`.

    Raises:
        FileError: it cannot be written.
    """
    replace_with(path, page(build([run_of(record)])).encode())


def write_slice_report(path: Path, record: Record) -> None:
    """Write the report of a family, whole or not at all.

    Args:
        path: of the .html file.
        record: of `slice` or `merge`.

    Raises:
        FileError: it cannot be written.
    """
    replace_with(path, page(build([run_of(record)])).encode())


def write_repair_report(path: Path, record: Record) -> None:
    """Write the report of a repaired network, whole or not at all.

    Args:
        path: of the .html file.
        record: of `repair`.

    Raises:
        FileError: it cannot be written.
    """
    replace_with(path, page(build([run_of(record)])).encode())


def write_selfcompress_report(path: Path, record: Record) -> None:
    """Write the report of a self-compressed network, whole or not at all.

    Args:
        path: of the .html file.
        record: of `selfcompress`.

    Raises:
        FileError: it cannot be written.
    """
    replace_with(path, page(build([run_of(record)])).encode())
