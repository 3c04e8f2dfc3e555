"""Reports as Markdown: the words as they stand, pictures as pictures in the same file."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, assert_never

from .tree import (
    Block,
    Code,
    Facts,
    Figure,
    Gallery,
    Legend,
    Points,
    Report,
    Section,
    Style,
    Table,
    Text,
)

MARKS: Final = re.compile(r"([\\`*_{}\[\]<>#|~&$!])")
"""What Markdown and its readers take for more than a letter."""

START: Final = re.compile(r"^([-+=])(?=[-+=\s]|$)|^(\d+)([.)])(?=\s|$)")
"""What begins a list, or makes a heading of the line before, at the start of a line."""

LINK: Final = re.compile(r"(?<=\w):(?=//)|(?<=www)\.|@", re.IGNORECASE)
"""Where readers see an address and make a link of it."""


@dataclass(slots=True)
class Writer:
    """Writes blocks and keeps the pictures for the end, where they do not stop a reader.

    Attributes:
        pictures: the pictures met so far.
    """

    pictures: list[Figure] = field(default_factory=list)

    def section(self, section: Section, level: int) -> Iterator[str]:
        """Yield the paragraphs of a section under its heading."""
        yield f"{'#' * level} {escaped(section.title)}"
        for block in section.blocks:
            yield from self.block(block)
        for part in section.parts:
            yield from self.section(part, level + 1)

    def block(self, block: Block) -> Iterator[str]:
        """Yield the paragraphs of a block."""
        match block:
            case Text(words, style):
                yield f"**{escaped(words)}**" if style is Style.STRONG else escaped(words)
            case Points(items):
                leads = (f"**{escaped(lead)}** " if lead else "" for lead, _ in items)
                both = zip(leads, (words for _, words in items), strict=True)
                yield "\n".join(f"- {lead}{escaped(words)}" for lead, words in both)
            case Facts(pairs):
                yield "\n".join(f"- {escaped(name)}: {escaped(words)}" for name, words in pairs)
            case Code(line):
                yield f"    {line}"
            case Table():
                yield f"*{escaped(block.caption)}*"
                yield "\n".join(_table(block))
            case Legend(entries):
                meanings = "; ".join(meaning for _, meaning, _ in entries)
                yield f"Colours, in the order of the figures: {escaped(meanings)}."
            case Gallery(figures):
                for figure in figures:
                    yield from self.figure(figure)
            case _ as never:
                assert_never(never)

    def figure(self, figure: Figure) -> Iterator[str]:
        """Yield a picture, by a name that stands for it at the end, and all that it shows."""
        self.pictures.append(figure)
        yield f"**{escaped(figure.caption)}**"
        yield f"![{escaped(figure.title)}][figure-{len(self.pictures)}]"
        yield f"{escaped(figure.title)}. {escaped(figure.description)}"
        if figure.note:
            yield escaped(figure.note)


def markdown(report: Report) -> str:
    """Return a report as Markdown, in the dialect with tables."""
    writer, lone = Writer(), len(report.chapters) == 1
    parts = [f"# {escaped(report.title)}"]
    if report.summary is not None:
        parts += writer.block(report.summary)
    for number, chapter in enumerate(report.chapters, start=1):
        if not lone:
            parts.append(f"## {number}\\. {escaped(chapter.title)}")
        parts.append(escaped(chapter.subtitle))
        for section in chapter.sections:
            parts += writer.section(section, 2 if lone else 3)
    parts += [
        f"[figure-{number}]: data:image/svg+xml;base64,{_encoded(figure.svg)}"
        for number, figure in enumerate(writer.pictures, start=1)
    ]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is: no mark-up, no link, no HTML."""
    text = MARKS.sub(r"\\\1", text.strip())
    text = START.sub(lambda at: f"\\{at[1]}" if at[1] else f"{at[2]}\\{at[3]}", text)
    return LINK.sub(lambda found: f"\\{found[0]}", text)


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(escaped(column) for column in table.columns)} |"
    words = {0, *table.words}
    yield f"|{'|'.join(':--' if i in words else '--:' for i in range(len(table.columns)))}|"
    for row in table.rows:
        yield f"| {' | '.join(escaped(cell) for cell in row)} |"


def _encoded(svg: str) -> str:
    return base64.b64encode(svg.strip().encode()).decode()
