"""The chapter about a record of `secateur simplify --batch`: totals, a figure and every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .cut_pictures import groups, tally
from .cut_tables import moved
from .envelope import BOUNDS, REAL, again, proofs_in, source_of, subtitle, trusted
from .figures import Bar, bars, legend
from .read import Part, Run
from .tree import Block, Chapter, Gallery, Points, Section, Style, Table, Text, Verdict
from .wording import DASH, cut, name_of, per_cent, plural, seconds, thousands

STEPS = ("phase", "forward", "result-preserving", "relaxed")

REGION = 60
"""Letters of a region that a row shows."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a batch a page shows.

    Attributes:
        drawn: bars of the figure; with more rows a bar stands for all regions of a network.
        listed: rows of the table; the record has all, and every one that failed is listed.
    """

    drawn: int = 120
    listed: int = 2000


def batched(run: Run, room: Room | None = None) -> Chapter:
    """Return the chapter about a table of jobs.

    Args:
        run: a record of `batch`.
        room: how much is shown.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part, room = run.part, room or Room()
    jobs = part.words("jobs")
    rows = part.parts("rows")
    states = [row.one_of("state", ("done", "failed")) for row in rows]
    done = [row for row, state in zip(rows, states, strict=True) if state == "done"]
    totals = part.part("removed")
    gone = [(word, totals.count(word)) for word in STEPS]
    steps = [(word, count) for word, count in gone if count or word == "phase"]
    files: list[tuple[str, str | None]] = [(jobs, None)]
    files += [(path, None) for path in dict.fromkeys(row.words("network") for row in rows)]
    folder = part.words("folder")
    outputs = [(row.words("output"), row.words("sha256")) for row in done[: room.listed]]
    files += [(f"{folder}/{name}", digest) for name, digest in outputs]
    return Chapter(
        title=f"What the networks of {name_of(jobs)} can lose, region by region",
        subtitle=subtitle(run, plural(len(rows), "row")),
        verdict=Verdict.PROVED if len(done) == len(rows) else Verdict.UNKNOWN,
        source=source_of(run),
        question=(
            Text(
                f"Each row of {jobs} names a network, a region and what must stay of the outputs. "
                "Which neurons can be taken out so that it stays, for every input of the region?"
            ),
        ),
        answer=_answer(part, rows, steps),
        guarantee=Points(
            (
                ("What holds.", "What the guarantee of a row says, for every row that is done."),
                ("Meaning.", REAL),
                ("How it was proved.", BOUNDS),
                ("What is not claimed.", "Of rows that failed nothing is claimed."),
            )
        ),
        body=(
            Section("Where the neurons went", tuple(picture(done, room))),
            Section("Every row", tuple(listing(rows, [word for word, _ in steps], room))),
        ),
        trusted=Points(
            trusted(
                run,
                (
                    "What stood already.",
                    "A row that an earlier call did is not done again while its network, region, "
                    "options and result stay as they are.",
                ),
            )
        ),
        again=again(run, files, proofs_in(part, *done)),
    )


def _answer(part: Part, rows: Sequence[Part], steps: Sequence[tuple[str, int]]) -> tuple[Text, ...]:
    done, failed = part.count("done"), part.count("failed")
    skipped, neurons = part.count("skipped"), part.part("removed").count("neurons")
    gone = sum(count for _, count in steps)
    said = f"{thousands(done)} of {thousands(len(rows))} rows are done"
    said += f", {thousands(failed)} failed" if failed else ""
    said += f"; {thousands(skipped)} stood from an earlier call." if skipped else "."
    if neurons:
        by = ", ".join(f"{thousands(count)} by {word}" for word, count in steps)
        said += (
            f" Of {thousands(neurons)} ReLU neurons in all their regions {thousands(gone)} were "
            f"removed ({per_cent(gone, neurons, 1)}): {by}."
        )
    held = (
        "For every row that is done, what its guarantee says is proved for every input of its "
        "region, in real arithmetic."
    )
    return Text(said), Text(held, Style.STRONG), Text("Of rows that failed nothing is claimed.")


def picture(done: Sequence[Part], room: Room) -> list[Block]:
    """Return where the neurons of the rows that are done went."""
    if not done:
        return [Text("No row is done.")]
    if len(done) > room.drawn:
        rows, what = groups(done), "network by network, all regions together"
    else:
        rows, what = [Bar(_name(row), tally(row.part("phases"), row)) for row in done], "row by row"
    shown = rows[: room.drawn]
    title = f"Neurons by what became of them, {what}"
    blocks: list[Block] = [
        legend(shown),
        Gallery((bars(f"neurons removed by each step, {what}", title, shown, 230),)),
    ]
    if len(shown) < len(rows):
        said = f"{len(shown)} of {thousands(len(rows))} networks are drawn; the record has all."
        blocks.append(Text(said, Style.SMALL))
    return blocks


def _name(row: Part) -> str:
    network = name_of(row.words("network")).removesuffix(".onnx").removesuffix(".nnet")
    return f"{row.count('line')}: {network}, {row.words('name')}"


def listing(rows: Sequence[Part], steps: Sequence[str], room: Room) -> list[Block]:
    """Return a table of rows, with what each of some steps removed.

    Raises:
        FormatError: a row lacks what the table shows of it.
    """
    first = set(range(min(len(rows), room.listed)))
    listed = [r for i, r in enumerate(rows) if i in first or r.words("state") != "done"]
    columns = (
        "row",
        "region",
        "neurons",
        *steps,
        "left",
        "multiply-adds",
        "distance",
        "s",
        "outcome",
    )
    cells = tuple(_row(row, steps) for row in listed)
    caption = "Every row: neurons removed by each step, what is left, and what is guaranteed"
    blocks: list[Block] = [Table(caption, columns, cells, words=(1, len(columns) - 1))]
    if len(listed) < len(rows):
        blocks.append(
            Text(
                f"{thousands(len(listed))} of {thousands(len(rows))} rows are listed, all that "
                "failed among them; the record has every one.",
                Style.SMALL,
            )
        )
    return blocks


def _row(row: Part, steps: Sequence[str]) -> tuple[str, ...]:
    name = f"{row.count('line')}: {name_of(row.words('network'))}"
    where, spent = cut(row.words("region"), REGION), seconds(row.number("seconds"))
    if row.words("state") != "done":
        blank = (DASH,) * (len(steps) + 4)
        return name, where, *blank, spent, f"failed: {row.words('reason')}"
    removed, left = row.part("removed"), row.part("left")
    sizes = [thousands(row.part(side).count("multiply_adds")) for side in ("before", "after")]
    return (
        name,
        where,
        thousands(row.count("neurons")),
        *(thousands(removed.count(step)) for step in steps),
        thousands(left.count("active") + left.count("open")),
        "\u00a0→\u00a0".join(sizes),
        moved(row),
        spent,
        row.words("guarantee"),
    )
