"""The chapter about a record of `secateur forget disagreement`: where classes differ, by proof."""

from __future__ import annotations

from .envelope import (
    BOUNDS,
    REAL,
    again,
    network_facts,
    region_name,
    region_table,
    source_of,
    subtitle,
    trusted,
)
from .forgotten_pictures import meanings, region_map, share_told
from .read import Part, Run
from .tree import Block, Chapter, Gallery, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, downward, name_of, plain, plural, short

LISTED = 100
"""Changes of class that a table lists; the record has all."""

INPUTS = 12
"""Inputs up to which boxes are listed."""

RULE = (
    "The class is the best output, the one of lower number where several are best. Boxes are "
    "proved as a whole, or, along the borders of classes, in part: what lies below a plane that "
    "bounds a margin counts as open. Shares of the volume are computed exactly and rounded outward."
)
"""What was done."""


def disagreed(run: Run) -> Chapter:
    """Return the chapter about where two networks choose different classes.

    Args:
        run: a record of `disagreement`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    networks = part.parts("networks")
    if len(networks) != 2:
        part.wrong("networks", "holds another number than two")
    region = part.part("region")
    names, where = [name_of(one.words("path")) for one in networks], region_name(region)
    share = part.part("share")
    least, most = share_told(share)
    closed = part.flag("gap_reached")
    said = f"On at least {least}\u202f% and at most {most}\u202f% of {where} the classes differ."
    if share.number("most") == 0.0:
        said = f"Proved: the classes are the same on all of the volume of {where}."
    answer = [Text(said, Style.STRONG)]
    if not closed:
        reason = part.maybe("reason", part.words) or "the search ended"
        answer.append(Text(f"That is wider than was asked for ({reason}); it holds all the same."))
    return Chapter(
        title=f"Where {names[1]} chooses another class than {names[0]}",
        subtitle=subtitle(run),
        verdict=Verdict.DONE if closed else Verdict.UNKNOWN,
        source=source_of(run),
        question=(
            Text(
                f"On which part of {where} is the {part.one_of('best', ('max', 'min'))}imum of the "
                f"outputs of {names[1]} another output than that of {names[0]}?"
            ),
        ),
        answer=tuple(answer),
        guarantee=Points(
            (
                ("What holds.", "The share that differs lies between both ends of the interval."),
                ("Meaning.", REAL),
                ("How it was proved.", f"{RULE} {BOUNDS}"),
                (
                    "What is not claimed.",
                    "Nothing is said about which of the networks is right, nor about how often "
                    "inputs of each part are met. The random points are an estimate.",
                ),
            )
        ),
        found=(Section("How much", tuple(_found(part))),),
        body=(*_map(part), *_boxes(part), *_asked(networks, region)),
        trusted=Points(trusted(run)),
        again=again(run, [(one.words("path"), one.words("sha256")) for one in networks]),
    )


def _found(part: Part) -> list[Block]:
    seen, boxes = part.part("sampled"), part.part("boxes")
    points, apart = seen.count("points"), seen.count("differ")
    blocks: list[Block] = [
        Text(
            f"Of {plural(points, 'random point')} {apart} differ, "
            f"{short(100 * apart / max(points, 1))}\u202f%, by float64 evaluation. "
            f"{plural(boxes.count('bounded'), 'box was', 'boxes were')} bounded: "
            f"{boxes.count('differ')} differ, {boxes.count('agree')} agree, "
            f"{boxes.count('open')} are open as a whole."
        )
    ]
    changes = part.parts("changes")
    if changes:
        rows = tuple(
            (
                f"{one.count('from')} → {one.count('to')}",
                downward(100 * one.number("share")),
            )
            for one in changes[:LISTED]
        )
        columns = ("class before → after", "at least, % of the volume")
        blocks.append(Table("Proved to change", columns, rows))
    if seen.has("witness"):
        witness = seen.part("witness")
        values = witness.limits("input")
        shown = ", ".join(map(plain, values)) if len(values) <= INPUTS else "see the record"
        blocks.append(
            Text(
                f"At ({shown}) the classes are {witness.count('first')} and "
                f"{witness.count('second')}, evaluated in exact rationals."
            )
        )
    return blocks


def _map(part: Part) -> list[Section]:
    if part.empty("map"):
        return []
    return [Section("A map", (meanings(), Gallery((region_map(part.part("map")),))))]


def _boxes(part: Part) -> list[Section]:
    boxes = part.parts("largest")
    if not boxes or len(boxes[0].limits("lower")) > INPUTS:
        return []
    rows = []
    for one in boxes:
        sides = zip(one.limits("lower"), one.limits("upper"), strict=True)
        classes = (one.maybe(side, one.count) for side in ("first", "second"))
        before, after = (DASH if side is None else str(side) for side in classes)
        text = ", ".join(f"{short(low)}:{short(high)}" for low, high in sides)
        rows.append((text, f"{before} → {after}", downward(100 * one.number("share"), 3)))
    columns = ("limits, rounded", "classes", "% of the volume")
    caption = "The largest boxes on which every input has another class; exact limits in the record"
    return [Section("Exemplar regions", (Table(caption, columns, tuple(rows), words=(1,)),))]


def _asked(networks: tuple[Part, ...], region: Part) -> list[Section]:
    rows = tuple(
        (name, one.words("path"), network_facts(one))
        for name, one in zip(("original", "compressed"), networks, strict=True)
    )
    table = Table("The networks", ("name", "file", "size"), rows, words=(1, 2), mono=(1,))
    return [Section("What was compared", (table, region_table(region)))]
