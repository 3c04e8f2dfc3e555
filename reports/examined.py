"""The chapter about a record of `secateur doctor`: what is installed, and whether it works."""

from __future__ import annotations

from .envelope import again, recorded, source_of, subtitle
from .read import Part, Run
from .tree import Chapter, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, plural

WORKS = (
    "Each part that proves things settled small questions whose answers are known. That shows that "
    "it is installed and runs; it proves nothing of any network."
)
FAILS = "Not every part that is needed works; until all do, some questions stay without an answer."


def examined(run: Run) -> Chapter:
    """Return the chapter about an installation.

    Args:
        run: a record of `doctor`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    checks = run.part.parts("checks")
    broken = [one for one in checks if one.flag("needed") and not one.flag("ok")]
    absent = [one for one in checks if not one.flag("needed") and not one.flag("ok")]
    return Chapter(
        title="What is installed, and whether it works",
        subtitle=subtitle(run),
        verdict=Verdict.UNKNOWN if broken else Verdict.DONE,
        source=source_of(run),
        question=(Text("Does this installation have all that it needs, and does that work?"),),
        answer=_answer(checks, broken, absent),
        guarantee=Points((("What holds.", FAILS if broken else WORKS),)),
        body=(Section("What was looked at", (_table(checks),)),),
        trusted=Points(recorded(run) or (("The program.", "It examines itself."),)),
        again=again(run, (), None),
    )


def _answer(checks: tuple[Part, ...], broken: list[Part], absent: list[Part]) -> tuple[Text, ...]:
    said = [Text(f"All that is needed is there and works: {plural(len(checks), 'check')}.")]
    if broken:
        lines = (f"{one.words('name')}: {one.words('mend') or 'it fails'}." for one in broken)
        said = [
            Text(f"{plural(len(broken), 'part fails or is', 'parts fail or are')} missing."),
            *map(Text, lines),
        ]
    said[0] = Text(said[0].words, Style.STRONG)
    if absent:
        names = ", ".join(one.words("name") for one in absent)
        said.append(Text(f"Not there, and needed for extras alone: {names}."))
    return tuple(said)


def _table(checks: tuple[Part, ...]) -> Table:
    rows = tuple(
        (
            one.words("name"),
            "works" if one.flag("ok") else "fails" if one.flag("needed") else "is not there",
            one.words("found") or DASH,
            one.words("mend") or DASH,
        )
        for one in checks
    )
    return Table("Parts", ("part", "state", "found", "what to do"), rows, (1, 2, 3))
