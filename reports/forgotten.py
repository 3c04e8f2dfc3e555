"""The chapter about a record of `secateur forget exemplars`: what populations forgot."""

from __future__ import annotations

from collections.abc import Sequence

from .envelope import again, source_of, subtitle, trusted
from .forgotten_pictures import sheet, told
from .read import Part, Run
from .spans import Span, spans
from .tree import Block, Chapter, Facts, Gallery, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, plain, plural, short

CONTROL = (
    "A population with sparsity 0 loses nothing: it differs from the original one in its seeds "
    "alone, so what it is found to have forgotten is what chance alone shows."
)
"""What stands beside the populations."""

CLASSES = 60
"""Classes that a figure shows; the record has all."""


def forgot(run: Run) -> Chapter:
    """Return the chapter about populations and their exemplars.

    Args:
        run: a record of `exemplars`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    found = part.parts("populations")
    reason = part.maybe("reason", part.words)
    return Chapter(
        title="What compression forgot",
        subtitle=subtitle(run),
        verdict=Verdict.UNKNOWN if reason else Verdict.DONE,
        source=source_of(run),
        question=(
            Text(
                "On which inputs does the class that most compressed networks choose differ from "
                "the class that most original networks choose, and which classes pay for it?"
            ),
        ),
        answer=tuple(_answer(found, reason)),
        guarantee=Points(
            (
                ("What holds.", f"The counts are those of these networks. {part.words('rule')}"),
                (
                    "How it was tested.",
                    "Class by class, a network's recall less its own accuracy is compared between "
                    "both populations by Welch's test; p-values are corrected by Holm over the "
                    "classes, and over the corruptions, of a population.",
                ),
                (
                    "What is not claimed.",
                    "Nothing here is proved of inputs that were not measured.",
                ),
            )
        ),
        found=_tables(found),
        body=(*(_section(one) for one in found), *_made(part)),
        trusted=Points(trusted(run)),
        again=again(run, _files(part), None),
    )


def _files(part: Part) -> list[tuple[str, str | None]]:
    if part.empty("data"):
        return []
    return [(one.words("path"), one.words("sha256")) for one in part.part("data").parts("sources")]


def _answer(found: Sequence[Part], reason: str | None) -> list[Text]:
    if reason or not found:
        return [Text(f"Not complete: {reason or 'nothing was measured'}.", Style.STRONG)]
    most = max(found, key=lambda one: one.count("exemplars"))
    texts = [
        Text(
            f"Most was forgotten by {most.words('name')}: "
            f"{plural(most.count('exemplars'), 'exemplar')} of {_rows(most)} rows, and "
            f"{plural(_changed(most), 'class', 'classes')} changed significantly.",
            Style.STRONG,
        )
    ]
    if any(_is_control(one) for one in found):
        texts.append(Text(CONTROL))
    return texts


def _is_control(one: Part) -> bool:
    return one.maybe("share", one.number) == 0.0


def _rows(one: Part) -> int:
    return sum(one.count(key) for key in ("exemplars", "undecided", "kept"))


def _changed(one: Part) -> int:
    return sum(case.flag("changed") for case in one.parts("classes"))


def _share(part: Part, side: str) -> str:
    mean = part.part(side)
    low, high = mean.maybe("low", mean.number), mean.maybe("high", mean.number)
    ends = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{100 * mean.number('mean'):.1f}{ends}"


def _tables(found: Sequence[Part]) -> tuple[Section, ...]:
    if not found:
        return ()
    counts = tuple(
        (
            one.words("name") + (" (control)" if _is_control(one) else ""),
            _share(one.part("overall"), "compressed"),
            str(one.count("exemplars")),
            str(one.count("undecided")),
            str(one.part("ties").count("compressed")),
            str(_changed(one)),
            str(sum(case.flag("changed") for case in one.parts("corruptions"))),
        )
        for one in found
    )
    columns = (
        "population",
        "accuracy, %",
        "exemplars",
        "undecided",
        "tied modes",
        "classes changed",
        "corruptions changed",
    )
    sets = tuple(
        (
            one.words("name"),
            *(
                DASH if one.empty(key) else _share(one.part(key), side)
                for key in ("on_exemplars", "elsewhere", "by_chance")
                for side in ("original", "compressed")
            ),
        )
        for one in found
    )
    heads = (
        "population",
        *(
            f"{which}, {side}"
            for which in ("exemplars", "others", "random")
            for side in ("before", "after")
        ),
    )
    caption = (
        "Accuracy in per cent, with intervals of 95 %: of the mean over networks, and for random "
        "sets of as many rows as there are exemplars, over sets"
    )
    return (
        Section(
            "The populations",
            (
                Table("What each one forgot", columns, counts),
                Table(caption, heads, sets),
            ),
        ),
    )


def _section(one: Part) -> Section:
    """Return what is shown of one population."""
    blocks: list[Block] = []
    figure = sheet(one)
    if figure is not None:
        blocks.append(Gallery((figure,)))
    elif one.parts("gallery"):
        blocks.append(_listed(one))
    classes = [case for case in one.parts("classes") if case.has("change")]
    rows = [
        Span(
            f"class {case.count('label')}" + (" *" if case.flag("changed") else ""),
            case.number("low"),
            case.number("high"),
            f"{_points(case.number('change'))}, p {short(case.number('corrected'), 2)}",
        )
        for case in classes[:CLASSES]
    ]
    if rows:
        title = f"{one.words('name')}: change of recall less accuracy, by class"
        caption = (
            "Change of recall less accuracy by class: intervals of 95 %, corrected p (* changed)"
        )
        blocks.append(Gallery((spans(caption, title, rows, (0.0, "no change")),)))
    corruptions = one.parts("corruptions")
    if corruptions:
        blocks.append(_corruptions(corruptions))
    return Section(one.words("name"), tuple(blocks))


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points".replace("-", "\u2212")


def _corruptions(cases: Sequence[Part]) -> Table:
    rows = tuple(
        (
            case.words("kind"),
            str(case.count("severity")),
            f"{100 * case.number('original'):.1f}",
            f"{100 * case.number('compressed'):.1f}",
            _points(case.number("change")),
            short(case.number("corrected"), 2),
        )
        for case in cases
    )
    columns = (
        "corruption",
        "severity",
        "before, %",
        "after, %",
        "difference of drops",
        "corrected p",
    )
    caption = (
        "Accuracy on corrupted rows; what is tested is the drop against clean rows: below 0 the "
        "compressed networks lose more"
    )
    return Table(caption, columns, rows)


def _listed(one: Part) -> Table:
    rows = tuple(
        (
            str(case.count("row")),
            told(case),
            DASH if case.empty("values") else ", ".join(map(plain, case.limits("values")[:12])),
        )
        for case in one.parts("gallery")
    )
    return Table("The clearest exemplars", ("row", "label: before → after", "values"), rows, (1, 2))


def _made(part: Part) -> tuple[Section, ...]:
    if part.empty("plan") or part.empty("data"):
        return ()
    plan, data = part.part("plan"), part.part("data")
    facts = (
        ("data", f"{data.words('name')}, {plural(data.count('classes'), 'class', 'classes')}"),
        ("rows", f"{data.count('train')} to train on, {data.count('test')} measured"),
        ("digest of the training rows", data.words("digest")),
        ("networks", f"{plan.count('models')} a population, {plan.count('networks')} in all"),
        ("missing", str(plan.count("missing"))),
        ("size", f"{plan.count('neurons')} neurons, {plan.count('parameters')} parameters"),
        (
            "training",
            f"{plan.count('epochs')} epochs, batches of {plan.count('batch')}, rate "
            f"{short(plan.number('rate'))}, pruned over {plan.words('scope')} weights",
        ),
        ("folder", part.words("folder")),
    )
    return (Section("How they were made", (Facts(facts),)),)
