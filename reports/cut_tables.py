"""Tables about cuts: what is left, by which proofs and steps, errors, regions, witnesses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .envelope import region_name, region_table
from .read import Part
from .tree import Block, Section, Style, Table, Text
from .wording import DASH, downward, plural, seconds, short, thousands, upward

OPEN_SHOWN = 16
"""Open neurons that a report lists for a region; the record has all."""

WIDEST = 8
"""Inputs of a witness that a table shows."""

PHASES = ("zero", "identity", "active", "open")

SIDES = ("before", "after")

SIZES = {"neurons": "neurons", "parameters": "parameters", "multiply-adds": "multiply_adds"}
"""What is counted of a network, and the key of a record."""

TIMES = "\u00d7"

BOUNDS = ("analytic", "difference", "searched")
"""The proved bounds of an error, each by dearer work."""

ORDER = ("sample", "interval", "linear", "optimised", "attack", "split", "lp", "milp")
"""The methods, in order of effort."""


def saved(cut: Part) -> float:
    """Return which share of the multiply-adds went."""
    before, after = (cut.part(side).count("multiply_adds") for side in ("before", "after"))
    return 1.0 - after / max(1, before)


def moved(cut: Part) -> str:
    """Return how far outputs move, in short."""
    if cut.flag("exact"):
        return "0, equal"
    distance = cut.maybe("distance", cut.number)
    return "best kept" if distance is None else f"\u2264 {upward(distance)}"


def answers(cuts: Sequence[Part], removals: Sequence[str]) -> tuple[Block, ...]:
    """Return the table of what is left, region by region.

    Args:
        cuts: one for each region.
        removals: the steps beyond phases that removed something.
    """
    phases = ("region", *PHASES, *removals, "distance")
    sizes = ("region", *SIZES, "one point, µs", "speed", "in batch", "s")
    points = thousands(cuts[0].count("batch_points"))
    note = (
        "Parameters, multiply-adds and neurons are those of the simplified network. Identity "
        "neurons that stay in the file count as neurons. Times are those of onnxruntime on one "
        f"thread, for one point alone and, in batch, for {points} points at once; both networks "
        "were written by the same writer and run in turn. In networks this small a fixed cost of "
        "each call outweighs the arithmetic for a single point, so its time falls less than the "
        "size."
    )
    became = "Neurons by phase, those that later steps removed, and how far an output moves"
    left = "What is left of the network, and what it takes"
    return (
        Table(became, phases, tuple(_became(cut, removals) for cut in cuts)),
        Table(left, sizes, tuple(_left(cut) for cut in cuts)),
        Text(note, Style.SMALL),
    )


def _became(cut: Part, removals: Sequence[str]) -> tuple[str, ...]:
    return (
        _region(cut),
        *(thousands(cut.part("phases").count(word)) for word in PHASES),
        *(thousands(cut.part("removed").count(step)) for step in removals),
        moved(cut),
    )


def _left(cut: Part) -> tuple[str, ...]:
    before, after = (cut.part(side) for side in SIDES)
    times = [side.number("latency_us") for side in (before, after)]
    sizes = [(before.count(key), after.count(key)) for key in SIZES.values()]
    return (
        _region(cut),
        *(f"{thousands(old)}\u00a0→\u00a0{thousands(new)}" for old, new in sizes),
        f"{times[0]:.1f}\u00a0→\u00a0{times[1]:.1f}",
        f"{cut.number('speedup'):.2f}{TIMES}",
        f"{cut.number('batch_speedup'):.2f}{TIMES}",
        seconds(cut.number("seconds")),
    )


def _region(cut: Part) -> str:
    title = cut.part("region").words("title")
    return f"{_name(cut)}: {title}" if title else _name(cut)


def _name(cut: Part) -> str:
    return region_name(cut.part("region"))


def tables(cuts: Sequence[Part], removals: Sequence[str], inputs: Sequence[str]) -> list[Section]:
    """Return the sections of tables about a network's cuts.

    Args:
        cuts: one for each region.
        removals: the steps beyond phases that removed something.
        inputs: name and unit of each input; empty where nobody has said.
    """
    proofs = [_counted(cuts, "methods", "Which method proved how many phases")]
    proofs += _times(cuts)
    proofs += _steps(cuts) if removals else []
    regions = tuple(region_table(cut.part("region"), inputs) for cut in cuts)
    return [
        Section("How it was proved, in numbers", (*proofs, *_errors(cuts))),
        Section("The regions", regions),
        Section("Witnesses, a sample", tuple(_witnesses(cuts))),
        *_undecided(cuts),
    ]


def _counted(cuts: Sequence[Part], key: str, caption: str) -> Table:
    counts = [cut.counts(key) for cut in cuts]
    names = _ordered(name for one in counts for name, count in one.items() if count)
    rows = [
        (_name(cut), *(str(one.get(name) or DASH) for name in names), thousands(cut.count("boxes")))
        for cut, one in zip(cuts, counts, strict=True)
    ]
    return Table(caption, ("region", *names, "sub-boxes"), tuple(rows))


def _times(cuts: Sequence[Part]) -> list[Table]:
    parts = [cut.part("step_seconds") for cut in cuts]
    names = _ordered(name for one in parts for name in one.value if one.number(name))
    rows = [
        (
            _name(cut),
            *(seconds(one.number(name) if one.has(name) else None) for name in names),
            seconds(cut.number("seconds")),
        )
        for cut, one in zip(cuts, parts, strict=True)
    ]
    return [Table("Seconds by step of the phases", ("region", *names, "in all"), tuple(rows))]


def _ordered(names: Iterable[str]) -> list[str]:
    seen = set(names)
    return [*(name for name in ORDER if name in seen), *sorted(seen - set(ORDER))]


def _steps(cuts: Sequence[Part]) -> list[Table]:
    rows = [
        (
            _name(cut),
            step.words("step"),
            thousands(step.count("asked")),
            thousands(step.count("removed")),
            thousands(step.count("tries")) if step.count("tries") else DASH,
            thousands(step.count("boxes")),
            seconds(step.number("seconds")),
        )
        for cut in cuts
        for step in cut.parts("steps")
    ]
    caption = (
        "What each step was asked about and removed; a step that is no phase proves all removals "
        "together"
    )
    columns = ("region", "step", "asked", "removed", "proofs tried", "boxes", "s")
    return [Table(caption, columns, tuple(rows), words=(1,))]


def _errors(cuts: Sequence[Part]) -> list[Table]:
    rows = []
    for cut in cuts:
        if (error := cut.maybe("error", cut.part)) is None:
            continue
        tighter = error.maybe("tighter", error.number)
        rows.append(
            (
                _name(cut),
                *(upward(error.maybe(k, error.number)) for k in BOUNDS),
                downward(error.maybe("attained", error.number)),
                DASH if tighter is None else f"{downward(tighter, 3)}{TIMES}",
                thousands(error.count("boxes")),
            )
        )
    if not rows:
        return []
    caption = (
        "How far all removals move an output, network units: proved bounds, rounded up, and what a "
        "point attains; by formula is the product of the weights' magnitudes behind each removed "
        "neuron's own error"
    )
    columns = (
        *("region", "by formula", "by one bound of the difference", "by search", "met at a point"),
        *("tighter than the formula", "boxes"),
    )
    return [Table(caption, columns, tuple(rows))]


def _witnesses(cuts: Sequence[Part]) -> list[Block]:
    blocks: list[Block] = [
        Text(
            "Two points show that a neuron is needed: its input is above zero at one and below "
            "zero at the other. Values were computed in exact rationals; beside them is what the "
            "network's own file gives."
        )
    ]
    cut = cuts[0]
    rows = tuple(
        _witness(item, point) for item in cut.parts("witnesses") for point in item.parts("points")
    )
    if not rows:
        blocks.append(Text(f"Over {_name(cut)} no neuron was shown to be active.", Style.SMALL))
        return blocks
    columns = ("neuron", "found by", "point", "exact value", "by onnxruntime")
    caption = f"Over {_name(cut)}, points in network units"
    blocks.append(Table(caption, columns, rows, words=(1, 2), mono=(2,)))
    return blocks


def _place(item: Part) -> str:
    return f"{item.words('layer')}[{item.count('neuron')}]"


def _witness(item: Part, point: Part) -> tuple[str, ...]:
    values = point.limits("input")
    shown = ", ".join(short(value, 6) for value in values[:WIDEST])
    more = ", …" if len(values) > WIDEST else ""
    runtime = point.maybe("runtime", point.number)
    value = short(point.number("value"), 5)
    return _place(item), item.words("method"), f"{shown}{more}", value, short(runtime, 5)


def _undecided(cuts: Sequence[Part]) -> list[Section]:
    rows = []
    for cut in cuts:
        items = cut.parts("open")
        if not items:
            continue
        why = "; ".join(dict.fromkeys(item.words("reason") for item in items))
        some = ", ".join(_place(item) for item in items[:OPEN_SHOWN])
        more = ", …" if len(items) > OPEN_SHOWN else ""
        rows.append((_name(cut), thousands(len(items)), why, f"{some}{more}"))
    if not rows:
        return []
    text = (
        "They may be active or not: the search ended before it could tell. The record has the "
        "proved bounds of each."
    )
    caption = plural(len(rows), "region") + " with open neurons"
    table = Table(
        caption, ("region", "open", "why", "neurons"), tuple(rows), words=(2, 3), mono=(3,)
    )
    return [Section("Neurons left open", (Text(text), table))]
