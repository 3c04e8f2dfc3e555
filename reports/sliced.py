"""The chapter about a family, from a record of `secateur slice` or `secateur merge`."""

from __future__ import annotations

import shlex
from typing import Final

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
from .read import Part, Run
from .sliced_sections import STEPS, layers, maps, spread, times, troubles
from .tree import (
    Block,
    Chapter,
    Code,
    Facts,
    Points,
    Section,
    Style,
    Text,
    Verdict,
)
from .wording import all_of, name_of, per_cent, plural, thousands

ENDS: Final = ("done", "failed", "late", "quarantined", "missing")


def sliced(run: Run) -> Chapter:
    """Return the chapter about a family.

    Args:
        run: a record of `slice` or `merge`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    network, region = part.part("network"), part.part("region")
    ends = part.part("outcomes").counts_of(ENDS)
    name, where = name_of(network.words("path")), region_name(region)
    files: list[tuple[str, str | None]] = [
        (network.words("path"), network.maybe("sha256", network.words))
    ]
    if part.has("output"):
        output = part.part("output")
        files.append((output.words("path"), output.words("sha256")))
    return Chapter(
        title=f"How small {name} gets on each cell of {where}",
        subtitle=subtitle(run, plural(part.count("cells"), "cell")),
        verdict=Verdict.PROVED if part.count("exit") == 0 else Verdict.UNKNOWN,
        source=source_of(run),
        question=(
            Text(
                f"{where} is cut into {plural(part.count('cells'), 'cell')}. Which neurons of "
                f"{name} can be taken out on each of them so that what must stay of the outputs "
                "stays?"
            ),
        ),
        answer=_answer(part, ends),
        guarantee=Points(_guarantee(part)),
        found=(Section("The cells", tuple(_facts(part, network, region))),),
        body=(
            layers(part, name),
            spread(part, network),
            *maps(part),
            *times(part),
            *troubles(part, ends),
        ),
        trusted=Points(trusted(run)),
        again=(*_alone(part), *again(run, files)),
    )


def _answer(part: Part, ends: dict[str, int]) -> tuple[Text, ...]:
    cells, neurons = part.count("cells"), part.count("neurons")
    removed = part.part("removed").counts_of(STEPS)
    gone = sum(removed.values())
    others = [f"{thousands(ends[word])} {word}" for word in ENDS[1:] if ends[word]]
    said = f"{thousands(ends['done'])} of {plural(cells, 'cell')} are done"
    said += f"; {all_of(others)}." if others else "."
    if neurons:
        by = [f"{thousands(count)} by {word}" for word, count in removed.items() if count]
        said += (
            f" Of their {thousands(neurons)} neurons, counted in each cell, {thousands(gone)} were "
            f"removed ({per_cent(gone, neurons, 1)})"
        )
        said += f": {all_of(by)}." if by else "."
    held = (
        "On every cell that is done, for every input of the closed cell, in real arithmetic, the "
        f"cell's network {part.words('guarantee')}."
    )
    return Text(said), Text(held, Style.STRONG)


def _guarantee(part: Part) -> tuple[tuple[str, str], ...]:
    return (
        (
            "What holds.",
            f"The network of each cell that is done {part.words('guarantee')}, for every input of "
            "that cell, in network units. The cells were proved to cover the region, and every "
            "input of it belongs to exactly one of them, whose network answers for it.",
        ),
        ("Meaning.", REAL),
        ("How it was proved.", BOUNDS),
        (
            "What is not claimed.",
            "A cell that is not done has the original network, which is right and no smaller. Of "
            "inputs outside the region nothing is claimed; the router refuses them.",
        ),
    )


def _facts(part: Part, network: Part, region: Part) -> list[Block]:
    cuts = part.part("cut")
    if cuts.empty("grid"):
        how = f"{plural(cuts.count('adaptive'), 'cell')}, cut where that saves most"
    else:
        how = "a grid of " + " × ".join(f"{one:.0f}" for one in cuts.limits("grid"))  # noqa: RUF001
    work = part.part("multiply_adds")
    after = work.maybe("after", work.number)
    facts = [
        ("network", network_facts(network)),
        ("cells", how),
        ("how far cells went", part.words("stage")),
        ("kept", part.words("keep")),
        ("tolerance", f"{part.words('tolerance')}, {part.words('tolerance_units')} units"),
    ]
    if after is not None:
        facts.append(
            (
                "multiply-adds",
                f"{thousands(work.count('before'))} before, {thousands(after)} after (mean)",
            )
        )
    if part.has("output"):
        output = part.part("output")
        facts.append(("family", f"{output.words('path')}, {plural(output.count('bytes'), 'byte')}"))
    proofs = part.part("certificates")
    reasons = proofs.counts("reasons")
    if proofs.count("written") or reasons:
        said = f"{thousands(proofs.count('written'))} written"
        said += "".join(f"; {thousands(count)} not: {why}" for why, count in reasons.items())
        facts.append(("certificates", said))
    if part.has("compression"):
        facts += _compression(part.part("compression"))
    return [Facts(tuple(facts)), region_table(region)]


def _compression(part: Part) -> list[tuple[str, str]]:
    """Return the facts about compressed cells."""
    cells = part.count("cells")
    size = f"{plural(part.count('bytes'), 'byte')} in packed files of {plural(cells, 'cell')}"
    facts = [("compression", f"{part.words('method')}: {size}")]
    for title, name in (
        ("error bound of the family, from the small networks", "proved"),
        ("error bound of the family, from the original", "distance"),
        ("bound before repair", "before"),
    ):
        bound = part.maybe(name, part.number)
        facts.append((title, "none for every cell" if bound is None else f"{bound:.6g}"))
    facts.append(("largest distance met", f"{part.number('attained'):.6g}"))
    if part.has("tolerance"):
        within, failed = part.count("within"), part.limits("failed")
        said = f"to {part.words('tolerance')}: {thousands(within)} of {plural(cells, 'cell')}"
        if failed:
            said += f"; not cells {', '.join(f'{one:.0f}' for one in failed[:50])}"
            said += ", and more" if part.count("failures") > 50 else ""
        facts.append(("repaired", said))
    return facts


def _alone(part: Part) -> tuple[Section, ...]:
    """Return how to work on one cell by itself."""
    blocks: list[Block] = []
    if part.has("one_cell"):
        said = "Any one cell is worked on again by itself; CELL stands for its number:"
        blocks += [Text(said), Code(part.line("one_cell"))]
    if part.has("output"):
        family = shlex.quote(part.part("output").words("path"))
        line = f"secateur export {family} --cell CELL --to onnx -o CELL.onnx"
        blocks += [Text("The small network of a cell as a file of its own:"), Code(line)]
    return (Section("One cell alone", tuple(blocks)),) if blocks else ()
