"""The page about the outcomes of a batch, while it goes on or after it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..engine.errors import FormatError
from ..reports.batched import STEPS, Room, listing, picture
from ..reports.cut_pictures import groups
from ..reports.read import Part, parsed
from ..reports.tree import Section, Style, Text
from ..reports.wording import clean, plural, thousands
from .find import Item

MOST: Final = 50_000
"""Lines that are read."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is shown of outcomes.

    Attributes:
        title, question, answer: each a line.
        whole: whether every row that has ended is done, and there is one.
        sections: of the page.
    """

    title: str
    question: str
    answer: str
    whole: bool
    sections: tuple[Section, ...]


def rows_page(data: bytes, item: Item) -> Rows:
    """Return what outcomes say.

    Args:
        data: of the file: an object a line, the last of each key counts.
        item: the file.

    Raises:
        FormatError: not a single line is an outcome, or there are too many.
    """
    lines = data.split(b"\n")
    if len(lines) > MOST:
        raise FormatError(f"{item.path}: more than {MOST:,} lines are not shown here")
    found: list[tuple[str, Part]] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            found += _outcome(line, item, number)
        except FormatError as error:
            wrong.append(str(error))
    try:
        rows = _last(found)
        sections = _listed(rows)
    except FormatError:  # all at once is quick, one by one tells which
        rows = _last([(key, row) for key, row in found if _sound(row, wrong)])
        sections = _listed(rows)
    if wrong and not rows:
        raise FormatError(wrong[0])
    failed = sum(row.words("state") != "done" for row in rows)
    answer = f"{plural(len(rows) - failed, 'row is', 'rows are')} done, {thousands(failed)} failed."
    texts = [Text(answer, Style.STRONG)]
    texts.append(
        Text(
            "For every row that is done, what its guarantee says was proved for every input of its "
            "region. Rows that have not ended yet, or that a batch did not reach, stand nowhere in "
            "this file."
        )
    )
    if wrong:
        said = f"{plural(len(wrong), 'line is', 'lines are')} no outcome; the first: {wrong[0]}"
        texts.append(Text(said))
    return Rows(
        f"Rows of the batch in {clean(item.path.parent.name)}",
        "Which neurons can be taken out, row by row?",
        answer,
        bool(rows) and not failed and not wrong,
        (
            Section("The answer", tuple(texts), boxed=True),
            *sections,
        ),
    )


def _last(found: Sequence[tuple[str, Part]]) -> list[Part]:
    """Return the last outcome of each key, in the order of the table of jobs."""
    return sorted(dict(found).values(), key=lambda row: row.count("line"))


def _listed(rows: Sequence[Part]) -> tuple[Section, ...]:
    """Return the picture and the table of rows.

    Raises:
        FormatError: one of them lacks what is shown of it.
    """
    done = [row for row in rows if row.words("state") == "done"]
    gone = [step for step in STEPS if any(row.part("removed").count(step) for row in done)]
    steps, room = list(dict.fromkeys((STEPS[0], *gone))), Room()
    return (
        Section("Where the neurons went", tuple(picture(done, room))),
        Section("Every row", tuple(listing(rows, steps, room))),
    )


def _sound(row: Part, wrong: list[str]) -> bool:
    """Return whether a row has all that is shown of it; add what is wrong with it."""
    try:
        listing([row], STEPS, Room())
        if row.words("state") == "done":
            groups([row])
    except FormatError as error:
        wrong.append(str(error))
        return False
    return True


def _outcome(line: bytes, item: Item, number: int) -> Iterator[tuple[str, Part]]:
    """Yield the key and the outcome of a line, unless it is blank."""
    if not line.strip():
        return
    where = f"{item.path}, line {number}"
    value = parsed(line, where)
    if not isinstance(value, dict):
        raise FormatError(f"{where}: this is no outcome but a single value or a list")
    part = Part(where, "", value)
    part.count("line")
    part.one_of("state", ("done", "failed"))
    yield part.words("key"), part
