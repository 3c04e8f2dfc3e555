"""The chapter about a record of `secateur bounds`: proved bounds of a network's outputs."""

from __future__ import annotations

from .envelope import (
    BOUNDS,
    REAL,
    again,
    method,
    network_facts,
    proofs_in,
    region_name,
    region_table,
    source_of,
    subtitle,
    trusted,
)
from .figures import Bar, bars, colour_of
from .read import Part, Run
from .spans import Span, spans
from .tree import Block, Chapter, Gallery, Legend, Points, Section, Style, Table, Text, Verdict
from .wording import downward, name_of, plural, short, thousands, upward

DRAWN = 60
"""Outputs that a figure shows."""

LISTED = 1000
"""Outputs that a table lists; the record has all."""

PHASES = Legend(
    (
        (colour_of("zero"), "always zero", False),
        (colour_of("identity"), "always passes its input on", False),
        (colour_of("open"), "open: not told by these bounds", True),
    )
)
"""What the colours of the layers mean: bounds alone remove nothing."""


def bounded(run: Run) -> Chapter:
    """Return the chapter about bounds.

    Args:
        run: a record of `bounds`.

    Raises:
        FormatError: the record lacks what a chapter needs.
    """
    part = run.part
    network, region = part.part("network"), part.part("region")
    name, where = name_of(network.words("path")), region_name(region)
    outputs = part.parts("outputs")
    how = method(part.words("method"))
    complete = part.flag("complete")
    answer = [Text(_answer(outputs), Style.STRONG)]
    if not complete:
        late = "The time was spent before every linear program was solved"
        answer.append(Text(f"{late}: some bounds could be tighter."))
    holds = (
        f"For every input of {where} every output lies between the bounds below; none of them is "
        "claimed to be the tightest."
    )
    return Chapter(
        title=f"What {name} can give over {where}",
        subtitle=subtitle(run),
        verdict=Verdict.DONE,
        source=source_of(run),
        question=(Text(f"Between which values do the outputs of {name} stay over {where}?"),),
        answer=tuple(answer),
        guarantee=Points(
            (
                ("What holds.", holds),
                ("Meaning.", REAL),
                ("How it was proved.", f"By {how}. {BOUNDS}"),
                ("What is not claimed.", "Nothing is said about inputs outside the region."),
            )
        ),
        body=(
            Section("The bounds", tuple(_bounds(outputs, where))),
            *_hidden(part.parts("layers")),
            Section(
                "The network and the region", (Text(network_facts(network)), region_table(region))
            ),
        ),
        trusted=Points(trusted(run)),
        again=again(run, [(network.words("path"), network.words("sha256"))], proofs_in(part)),
    )


def _answer(outputs: tuple[Part, ...]) -> str:
    known = [one for one in outputs if not one.empty("lower") and not one.empty("upper")]
    if not known:
        return "No output could be bounded on both sides."
    low = min(one.number("lower") for one in known)
    high = max(one.number("upper") for one in known)
    which = (
        "Every output" if len(known) == len(outputs) else f"{len(known)} of {len(outputs)} outputs"
    )
    stay = "is" if len(known) == len(outputs) else "are"
    return f"{which} {stay} proved to stay between {downward(low)} and {upward(high)}."


def _bounds(outputs: tuple[Part, ...], where: str) -> list[Block]:
    raw = any(one.has("raw_lower") or one.has("raw_upper") for one in outputs)
    ends = {True: ("raw_lower", "raw_upper"), False: ()}[raw]
    columns = ("output", "lower", "upper", "width", *(("lower, raw", "upper, raw") if raw else ()))
    rows, drawn = [], []
    for one in outputs[:LISTED]:
        low, high = one.maybe("lower", one.number), one.maybe("upper", one.number)
        width = None if low is None or high is None else high - low
        told = _low(low), _high(high)
        name = str(one.count("index"))
        sides = [one.maybe(key, one.number) for key in ends]
        beside = (_low(sides[0]), _high(sides[1])) if raw else ()
        rows.append((name, *told, short(width), *beside))
        drawn.append(Span(f"output {name}", low, high, f"{told[0]} to {told[1]}"))
    blocks: list[Block] = []
    if drawn:
        shown = drawn[:DRAWN]
        title = f"Proved bounds of each output over {where}"
        blocks.append(Gallery((spans("Proved bounds, network units", title, shown),)))
    caption = "Proved bounds, rounded outward, in network units" + (" and raw units" if raw else "")
    blocks.append(Table(caption, columns, tuple(rows)))
    if len(outputs) > DRAWN:
        said = f"{min(len(outputs), DRAWN)} of {thousands(len(outputs))} outputs are drawn and "
        said += f"{thousands(len(rows))} listed; the record has all."
        blocks.append(Text(said, Style.SMALL))
    return blocks


def _low(value: float | None) -> str:
    return "no bound" if value is None else downward(value, 6)


def _high(value: float | None) -> str:
    return "no bound" if value is None else upward(value, 6)


def _hidden(layers: tuple[Part, ...]) -> list[Section]:
    if not layers:
        return []
    words = ("zero", "identity", "open")
    rows = [Bar(one.words("layer"), one.counts_of(words)) for one in layers]
    table = Table(
        "Pre-activations of the hidden layers, rounded outward; how many neurons keep a phase",
        ("layer", "neurons", "lowest", "highest", *words),
        tuple(
            (
                one.words("layer"),
                thousands(one.count("neurons")),
                _low(one.maybe("lower", one.number)),
                _high(one.maybe("upper", one.number)),
                *(thousands(one.count(word)) for word in words),
            )
            for one in layers
        ),
    )
    some = plural(sum(one.count("open") for one in layers), "neuron")
    said = f"These bounds leave {some} open: they may change phase over the region or not."
    picture = bars("neurons by phase", "Neurons of each layer by phase", rows)
    blocks = (Text(said), PHASES, Gallery((picture,)), table)
    return [Section("The hidden layers", blocks)]
