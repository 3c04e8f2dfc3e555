"""What a report says, as plain data: every format is written from this and adds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, assert_never

Record = dict[str, Any]

SCHEMA_WORD: Final = "report"
"""The verb in the schema of a report."""


class Style(StrEnum):
    """How a paragraph is set."""

    PLAIN = "plain"
    STRONG = "strong"
    SMALL = "small"


class Verdict(StrEnum):
    """How a run ended, in a word."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph.

    Attributes:
        words: plain text.
        style: how it is set.
    """

    words: str
    style: Style = Style.PLAIN


@dataclass(frozen=True, slots=True)
class Points:
    """A list of points.

    Attributes:
        items: for each its lead, which may be empty, and its words.
    """

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they stand for.

    Attributes:
        pairs: name and words.
    """

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A line to type.

    Attributes:
        line: of a shell.
    """

    line: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of a row heads it.

    Attributes:
        caption: what it shows.
        columns: the headings.
        rows: a cell for each column.
        words: columns that hold words, set flush left; the first always is.
        mono: columns set in letters of one width.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = ()
    mono: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check that every row is as wide as the headings."""
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.caption!r}: a row is not as wide as the headings")


@dataclass(frozen=True, slots=True)
class Legend:
    """What the colours of the figures below it mean.

    Attributes:
        entries: colour, meaning, and whether a stroke crosses it.
    """

    entries: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture that stands alone.

    Attributes:
        title: what it shows, in a line.
        description: all that it shows, for those who do not see it.
        svg: the picture, with both of them in it.
        caption: over it.
        note: under it.
    """

    title: str
    description: str
    svg: str
    caption: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Figures side by side.

    Attributes:
        figures: at least one.
        least: room that each needs, in the size of a letter; 0 for the whole width.
    """

    figures: tuple[Figure, ...]
    least: int = 0


Block = Text | Points | Facts | Code | Table | Legend | Gallery


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a chapter under a heading.

    Attributes:
        title: the heading.
        blocks: what it holds.
        parts: sections below it, after these.
        boxed: whether it is set off from the rest.
    """

    title: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Section, ...] = ()
    boxed: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The record that a chapter is made from.

    Attributes:
        path: of the file; empty where the verb that found it wrote the report itself.
        sha256: of the file; empty likewise.
        schema: of the record.
    """

    path: str
    sha256: str
    schema: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """What one run asked and found.

    Attributes:
        title: a line.
        subtitle: version, date and time spent.
        verdict: how it ended.
        source: the record.
        question: in plain words.
        answer: in plain words.
        found: what belongs to the answer, in tables.
        guarantee: what holds, in which semantics, how it was proved and what is not claimed.
        body: pictures and tables.
        trusted: what the answer rests on.
        again: how to check it again, with versions and seed.
    """

    title: str
    subtitle: str
    verdict: Verdict
    source: Source
    question: tuple[Text, ...]
    answer: tuple[Text, ...]
    guarantee: Points
    trusted: Points
    again: tuple[Section, ...]
    found: tuple[Section, ...] = ()
    body: tuple[Section, ...] = ()

    @property
    def sections(self) -> tuple[Section, ...]:
        """All of it under headings, in the order of reading."""
        return (
            Section("The question", self.question),
            Section("The answer", self.answer, boxed=True),
            *self.found,
            Section("What is guaranteed", (self.guarantee,)),
            *self.body,
            Section("What was trusted", (self.trusted,)),
            *self.again,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A report of one or more runs.

    Attributes:
        title: a line.
        chapters: one for each run, or for each controller of a demo.
        summary: of several chapters a table; None of one.
        versions: secateur's, of the records.
    """

    title: str
    chapters: tuple[Chapter, ...]
    summary: Table | None = None
    versions: tuple[str, ...] = field(default_factory=tuple)


def report_record(report: Report) -> Record:
    """Return a report as JSON holds it; see docs/json.md."""
    return {
        "title": report.title,
        "chapters": [
            {
                "title": chapter.title,
                "subtitle": chapter.subtitle,
                "verdict": chapter.verdict.value,
                "record": {
                    "path": chapter.source.path or None,
                    "sha256": chapter.source.sha256 or None,
                    "schema": chapter.source.schema,
                },
                "question": [text.words for text in chapter.question],
                "answer": [text.words for text in chapter.answer],
                "guarantee": _points(chapter.guarantee),
                "trusted": _points(chapter.trusted),
                "sections": [_section(one) for one in (*chapter.found, *chapter.body)],
                "again": [_section(one) for one in chapter.again],
            }
            for chapter in report.chapters
        ],
    }


def _points(points: Points) -> list[Record]:
    return [{"lead": lead or None, "words": words} for lead, words in points.items]


def _section(section: Section) -> Record:
    return {
        "title": section.title,
        "blocks": [_block(block) for block in section.blocks],
        "sections": [_section(part) for part in section.parts],
    }


def _block(block: Block) -> Record:
    match block:
        case Text(words, style):
            return {"kind": "text", "words": words, "style": style.value}
        case Points():
            return {"kind": "points", "items": _points(block)}
        case Facts(pairs):
            return {"kind": "facts", "pairs": _pairs(pairs)}
        case Code(line):
            return {"kind": "command", "line": line}
        case Table():
            rows = [list(row) for row in block.rows]
            head = {"caption": block.caption, "columns": list(block.columns)}
            return {"kind": "table", **head, "rows": rows}
        case Legend(entries):
            return {
                "kind": "legend",
                "entries": [{"colour": c, "meaning": m} for c, m, _ in entries],
            }
        case Gallery(figures):
            return {"kind": "figures", "figures": [_figure(one) for one in figures]}
        case _ as never:
            assert_never(never)


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[Mapping[str, str]]:
    return [{"name": name, "words": words} for name, words in pairs]


def _figure(figure: Figure) -> Record:
    return {
        "title": figure.title,
        "description": figure.description,
        "caption": figure.caption,
        "note": figure.note or None,
        "svg": figure.svg,
    }
