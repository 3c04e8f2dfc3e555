"""What a page shows of a file, and the line that stands for it among others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..commands.failure import explained
from ..report import EDITIONS, build, fit
from ..reports.envelope import ENDS, again, proofs_named
from ..reports.read import LARGEST, Run, parsed, run_of
from ..reports.tree import Chapter, Facts, Report, Section, Style, Text, Verdict
from ..reports.wording import clean, cut
from .find import Item, Kind, opened
from .proof import proof_page
from .rows import rows_page

LINE: Final = 240
"""Letters of a question or an answer in a line."""

WORTH: Final = (str, int, float, bool)
"""Kinds of values that a record without a report of its own is shown by."""


class State(StrEnum):
    """How what a file holds ended, as it is asked for."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"
    DONE = "done"
    UNCHECKED = "unchecked"
    UNREADABLE = "unreadable"


SAID: Final = {
    State.PROVED: "proved",
    State.REFUTED: "refuted",
    State.UNKNOWN: "not decided in full",
    State.DONE: "done",
    State.UNCHECKED: "not checked here",
    State.UNREADABLE: "cannot be read",
}
"""How it is said."""

ENDED: Final = {0: State.DONE, 10: State.REFUTED, 20: State.UNKNOWN}
"""How a verb ended, by its exit code."""

WORST: Final = (Verdict.UNKNOWN, Verdict.REFUTED, Verdict.PROVED, Verdict.DONE)
"""Of several answers the first of these stands for all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a line.

    Attributes:
        verb: of its record; ``rows`` or ``proof`` where it holds that; empty where nothing is read.
        question, answer: each at most a line.
        state: how it ended.
        sha256: of its bytes; empty where they cannot be read.
        proofs: digests of the proofs that it is, names or judges.
    """

    verb: str
    question: str
    answer: str
    state: State
    sha256: str
    proofs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A file on a page.

    Attributes:
        entry: it in a line.
        title, subtitle: of the page.
        report: of a run; None where `sections` say all.
        sections: of what is no run.
    """

    entry: Entry
    title: str
    subtitle: str = ""
    report: Report | None = None
    sections: tuple[Section, ...] = ()


def view(item: Item) -> View:
    """Return what is shown of a file; of one that is broken, what is wrong with it. Never raises.

    Args:
        item: the file, whatever it holds.
    """
    digest = ""
    try:
        data = opened(item.path, LARGEST)
        digest = hashlib.sha256(data).hexdigest()
        match item.kind:
            case Kind.RUN:
                return _run(item, data, digest)
            case Kind.ROWS:
                rows = rows_page(data, item)
                # The file does not say how many rows are still to come: never all proved.
                state = State.DONE if rows.whole else State.UNKNOWN
                entry = _entry("rows", rows.question, rows.answer, state, digest)
                return View(entry, rows.title, f"SHA-256 {digest}", None, rows.sections)
            case Kind.PROOF:
                proof = proof_page(data, item, digest)
                answer = "run secateur check"
                entry = _entry("proof", proof.says, answer, State.UNCHECKED, digest, (digest,))
                return View(entry, proof.title, proof.subtitle, None, proof.sections)
    except Exception as error:  # whatever is in a file, the others are shown
        why = clean(explained(error)[0])
    entry = Entry("", "", cut(why, LINE), State.UNREADABLE, digest)
    return View(entry, item.name, "", None, (Section("Nothing is shown", (Text(why),)),))


def _entry(
    verb: str,
    question: str,
    answer: str,
    state: State,
    digest: str,
    proofs: tuple[str, ...] = (),
) -> Entry:
    return Entry(verb, cut(clean(question), LINE), cut(clean(answer), LINE), state, digest, proofs)


def _run(item: Item, data: bytes, digest: str) -> View:
    name = str(item.path)
    run = run_of(parsed(data, name), name, digest)
    if run.verb not in EDITIONS:
        return _other(run)
    report = build([fit(run)])
    first = report.chapters[0]
    verdicts = [chapter.verdict for chapter in report.chapters]
    state = State(next(one for one in WORST if one in verdicts).value)
    answer = _answer(report.chapters)
    entry = _entry(run.verb, report.title, answer, state, digest, proofs_named(run))
    subtitle = first.subtitle if len(verdicts) == 1 else ""
    return View(entry, report.title, subtitle, report)


def _answer(chapters: Sequence[Chapter]) -> str:
    if len(chapters) == 1:
        return chapters[0].answer[0].words
    return " ".join(f"{at}. {one.answer[0].words}" for at, one in enumerate(chapters, 1))


def _other(run: Run) -> View:
    """Return the page of a record that no report is made of: what stands in it outside lists."""
    part = run.part
    code = part.count("exit")
    said = [
        part.words(key) for key in ("verdict", "reason") if isinstance(part.value.get(key), str)
    ]
    answer = ": ".join(said) or ENDS.get(code, f"ended with {code}")
    state = ENDED.get(code, State.UNKNOWN)
    envelope = {"schema", "command", "made", "versions", "seed", "device", "timeout", "seconds"}
    facts = tuple(
        (clean(key), cut(clean(str(value)), LINE))
        for key, value in part.value.items()
        if key not in envelope and isinstance(value, WORTH)
    )
    sections = (
        Section("The answer", (Text(answer, Style.STRONG),), boxed=True),
        Section("What the record says outside its lists", (Facts(facts),)),
        *again(run, (), None),
    )
    proofs = proofs_named(run)
    entry = _entry(run.verb, part.words("command"), answer, state, run.sha256, proofs)
    return View(entry, f"secateur {run.verb}", part.words("made"), None, sections)
