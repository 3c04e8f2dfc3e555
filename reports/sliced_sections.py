"""The sections about a family: layers, cells against each other, maps, times and troubles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .figures import Bar, bars, legend
from .read import Part
from .sliced_pictures import histogram, shades, tiles
from .tree import Block, Facts, Gallery, Section, Style, Table, Text
from .wording import cut, per_cent, plain, plural, seconds, thousands

STEPS: Final = ("phase", "forward", "result-preserving", "relaxed")

COUNTS: Final = ("asked", "zero", "identity", "other", "active", "open", "both")

TROUBLES: Final = 200
"""Cells without a result that a table names; the record has more."""

LINEAR: Final = 0.1
"""Up to this part of its neurons left, a cell is called almost linear."""

WHY: Final = {
    "failed": "an error ended its work",
    "late": "it was not done in its time",
    "quarantined": "its work killed the processes that did it",
}


def layers(part: Part, name: str) -> Section:
    """Return where the neurons went, layer by layer.

    Args:
        part: the record.
        name: of the network.
    """
    rows = part.parts("layers")
    counts = [layer.counts_of(COUNTS) for layer in rows]
    names = [layer.words("layer") for layer in rows]
    if not part.count("neurons"):
        return Section("Where the neurons went", (Text("No cell is done."),))
    shown = [
        Bar(
            one,
            {
                "zero": row["zero"],
                "identity": row["identity"],
                _other(part): row["other"],
                "active": row["active"],
                "open": row["open"],
            },
        )
        for one, row in zip(names, counts, strict=True)
    ]
    title = f"Neurons of each layer of {name} by what became of them, in all cells that are done"
    table = Table(
        "Neurons of all cells that are done; the ceiling is what points leave to phases",
        ("layer", "neurons", *COUNTS[1:6], "removed", "ceiling of phases"),
        tuple(_row(one, row) for one, row in zip(names, counts, strict=True)),
    )
    return Section(
        "Where the neurons went",
        (legend(shown), Gallery((bars("neurons by what became of them", title, shown),)), table),
    )


def _other(part: Part) -> str:
    """Return the step that removed most beyond the phases, whose colour stands for all of them."""
    removed = part.part("removed").counts_of(STEPS[1:])
    return max(removed, key=lambda word: removed[word])


def _row(name: str, row: dict[str, int]) -> tuple[str, ...]:
    gone = row["zero"] + row["identity"] + row["other"]
    ceiling = max(row["asked"] - row["both"], 0)
    return (
        name,
        *(thousands(row[word]) for word in COUNTS[:6]),
        per_cent(gone, row["asked"], 1),
        per_cent(ceiling, row["asked"], 1),
    )


def spread(part: Part, network: Part) -> Section:
    """Return how much cells have left: almost linear ones against complex ones.

    Args:
        part: the record.
        network: the original, in it.
    """
    found = [(one.count("left"), one.count("cells")) for one in part.parts("left")]
    title = "Almost linear and complex cells"
    cells = sum(count for _, count in found)
    if not cells:
        return Section(title, (Text("No cell is done."),))
    neurons = network.count("neurons")
    few = sum(count for left, count in found if left <= LINEAR * neurons)
    most = max(left for left, _ in found)
    none = sum(count for left, count in found if not left)
    mean = sum(left * count for left, count in found) / cells
    said = (
        f"Of {plural(cells, 'cell')} {thousands(none)} have no ReLU left and are affine, "
        f"{thousands(few)} ({per_cent(few, cells, 1)}) have at most a tenth of "
        f"{thousands(neurons)} left; the mean is {mean:.1f}, the most {thousands(most)}."
    )
    figure = histogram(
        "cells by ReLUs left",
        "Cells by how many ReLUs they have left",
        "ReLUs left",
        found,
        whole=True,
    )
    return Section(title, (Text(said), Gallery((figure,))))


def maps(part: Part) -> list[Section]:
    """Return what is removed over pairs of inputs, if there are any."""
    pairs = part.parts("maps")
    if not pairs:
        return []
    blank = any(value is None for one in pairs for value in one.numbers("tiles"))
    what = (
        "Each tile shows which part of the neurons is removed, the mean by volume over all other "
        "inputs and over the cells that are done."
    )
    figures = Gallery(tuple(tiles(one) for one in pairs), 19)
    return [Section("Where most can be removed", (Text(what), shades(blank), figures))]


def times(part: Part) -> list[Section]:
    """Return what steps and cells took, as far as the record has it."""
    steps = part.part("step_seconds")
    spent = [(name, steps.number(name)) for name in steps.value]
    blocks: list[Block] = []
    if spent:
        facts = tuple((name, f"{seconds(value)} s in all cells") for name, value in spent)
        blocks.append(Facts(facts))
    if part.has("rows"):
        values = part.part("rows").limits("seconds")
        if values:
            order = sorted(values)
            said = (
                f"A cell took {seconds(order[len(order) // 2])} s (median), the longest "
                f"{seconds(order[-1])} s; of what cells of a batch did together each has its part."
            )
            title = "Cells by the time they took"
            figure = histogram(
                "cells by seconds",
                title,
                "seconds",
                [(max(v, 0.0), 1) for v in values],
                whole=False,
            )
            blocks += [Text(said), Gallery((figure,))]
    return [Section("Time per cell", tuple(blocks))] if blocks else []


def troubles(part: Part, ends: dict[str, int]) -> list[Section]:
    """Return the cells that failed, were late or are in quarantine, if there are any.

    Args:
        part: the record.
        ends: cells by outcome.
    """
    rows = part.parts("troubles")
    if not rows:
        return []
    all_ = sum(ends[word] for word in WHY)
    found = [f"{word}: {why} ({thousands(ends[word])})" for word, why in WHY.items() if ends[word]]
    blocks: list[Block] = [Text(f"These cells have the original network: {'; '.join(found)}.")]
    cells = tuple(
        (
            str(row.count("cell")),
            row.one_of("outcome", WHY),
            cut(row.words("reason"), 160),
            str(row.count("attempts")),
            cut(_box(row.limits("lower"), row.limits("upper")), 200),
        )
        for row in rows[:TROUBLES]
    )
    columns = ("cell", "outcome", "reason", "attempts", "limits, network units")
    blocks.append(Table("Cells without a result", columns, cells, words=(1, 2, 4)))
    if len(cells) < all_:
        blocks.append(Text(f"{len(cells)} of {thousands(all_)} are named here.", Style.SMALL))
    return [Section("Cells without a result", tuple(blocks))]


def _box(lower: Sequence[float], upper: Sequence[float]) -> str:
    return ",".join(f"{plain(low)}:{plain(high)}" for low, high in zip(lower, upper, strict=False))
