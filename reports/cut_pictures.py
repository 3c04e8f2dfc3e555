"""Pictures of cuts: neurons by region and by layer, sizes and times, and maps if there are any."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence

from ..commands.maps import COLOURS, COLUMNS, ROWS, Axis, Map, Pixels, png
from .colours import AFTER, BEFORE, LATER
from .envelope import region_name
from .figures import Bar, Pair, bars, drawn, legend, pairs
from .read import Part
from .tree import Figure, Gallery, Legend, Section, Text
from .wording import cut as shortened
from .wording import name_of, per_cent, short, thousands

PHASES = ("zero", "identity")

LEFT = ("active", "open")


def tally(phases: Part, holder: Part) -> dict[str, int]:
    """Return neurons by kind.

    Args:
        phases: has `zero` and `identity`.
        holder: has `removed` and `left`.
    """
    removed, left = holder.part("removed"), holder.part("left")
    return {**phases.counts_of(PHASES), **removed.counts_of(LATER), **left.counts_of(LEFT)}


def pictures(
    name: str, cuts: Sequence[Part], maps: Sequence[Map | None], inside: str
) -> list[Section]:
    """Return the sections with pictures of a network's cuts.

    Args:
        name: of the network.
        cuts: one for each region.
        maps: for each region its map or None; empty where no network was at hand.
        inside: what holds in the box of a map.
    """
    seen = [(cut, one) for cut, one in zip(cuts, maps, strict=False) if one is not None]
    return [_gone(name, cuts), _savings(name, cuts), *_maps(seen, inside)]


def _where(cut: Part) -> str:
    return region_name(cut.part("region"))


def _layers(cut: Part) -> list[Bar]:
    layers = cut.parts("layers")
    if not layers:
        cut.wrong("layers", "holds no layer")
    return [Bar(layer.words("layer"), tally(layer, layer)) for layer in layers]


def _gone(name: str, cuts: Sequence[Part]) -> Section:
    every = [_layers(cut) for cut in cuts]
    parts = []
    if len(cuts) > 1:
        rows = [
            Bar(_where(cut), sum((Counter(one.counts) for one in own), start=Counter[str]()))
            for cut, own in zip(cuts, every, strict=True)
        ]
        title = f"Neurons of {name} by what became of them, for each region"
        figure = bars("neurons removed by each step", title, rows, 150)
        parts.append(Section("Region by region", (Gallery((figure,)),)))
    figures = [
        bars(_where(cut), f"Neurons of each layer of {name} over {_where(cut)}", own)
        for cut, own in zip(cuts, every, strict=True)
    ]
    parts.append(Section("Layer by layer", (Gallery(tuple(figures), 19),)))
    return Section(
        "Where the neurons went", (legend([one for own in every for one in own]),), tuple(parts)
    )


def _savings(name: str, cuts: Sequence[Part]) -> Section:
    colours = Legend(((BEFORE, "before", False), (AFTER, "after", False)))
    figures = tuple(_saving(name, cut) for cut in cuts)
    return Section("What it saves", (colours, Gallery(figures, 27)))


def _saving(name: str, cut: Part) -> Figure:
    before, after = cut.part("before"), cut.part("after")
    sizes = {
        "neurons": "ReLU neurons",
        "parameters": "parameters",
        "multiply_adds": "multiply-adds",
    }
    times = {"latency_us": "one point", "batch_us": "in a batch"}
    rows = [Pair(word, before.count(key), after.count(key)) for key, word in sizes.items()]
    rows += [
        Pair(word, before.number(key), after.number(key), _micro, "\u202fµs")
        for key, word in times.items()
    ]
    title = f"Size and latency of {name} over {_where(cut)}, before and after"
    return pairs(_where(cut), title, rows)


def _micro(value: float) -> str:
    return f"{value:.2f}"


def _maps(seen: Sequence[tuple[Part, Map]], inside: str) -> list[Section]:
    if not seen:
        return []
    first = seen[0][1]
    winners = sorted({index for _, one in seen for index in one.seen})
    colours = Legend(
        tuple((COLOURS[index % len(COLOURS)], first.words[index], False) for index in winners)
    )
    what = (
        "Each pair shows which output wins over two of the inputs, the others fixed at the middle "
        f"of the region. The black box is the region: inside it {inside}; outside it the "
        "simplified one is free to differ."
    )
    figures = tuple(_map(cut, one) for cut, one in seen)
    title = f"What it looks like: {first.rule}"
    return [Section(title, (Text(what), colours, Gallery(figures, 27)))]


def _map(cut: Part, one: Map) -> Figure:
    inside, differ = one.inside
    across, along = one.across, one.along
    told = (
        "Left the original, right the simplified network. The rectangle is the region: "
        f"{across.label} from {short(across.from_)} to {short(across.to)}, "
        f"{along.label} from {short(along.from_)} to {short(along.to)}. "
        f"Of {inside} pixels in it {differ} differ."
    )
    title = f"Which output wins over {across.label} and {along.label}, region {one.region}"
    svg = drawn(
        "map.svg.j2",
        title=title,
        told=told,
        one=one,
        box=frame(one),
        size=(COLUMNS, ROWS),
        panels=(
            ("original", _data(one.before), 48),
            ("simplified for the box", _data(one.after), 304),
        ),
        name=shortened(one.region, 28),
    )
    said = f"Fixed: {one.fixed}. " if one.fixed else ""
    if inside:
        said += f"In the box {differ} of {thousands(inside)} pixels differ; "
    else:
        said += "The box is thinner than a pixel; "
    said += f"on the whole map {per_cent(one.outside, 1.0, 1)} do."
    label = cut.part("region").words("title")
    return Figure(title, told, svg, f"{one.region}: {label}" if label else one.region, said)


def frame(drawn: Map) -> tuple[float, float, float, float]:
    """Return where a map's region is on it: left, top, width and height, in its pixels."""

    def place(axis: Axis, value: float, length: int) -> float:
        return (value - axis.low) / (axis.high - axis.low) * length

    left, right = (place(drawn.across, at, COLUMNS) for at in (drawn.across.from_, drawn.across.to))
    bottom, top = (place(drawn.along, at, ROWS) for at in (drawn.along.from_, drawn.along.to))
    # A region that is thin in one of the inputs still has to be seen.
    return left, ROWS - top, max(right - left, 1.0), max(top - bottom, 1.0)


def _data(pixels: Pixels) -> str:
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def groups(rows: Sequence[Part]) -> list[Bar]:
    """Return a bar for each network of a batch's rows, all regions together."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.words("network"), Counter()).update(tally(row.part("phases"), row))
    return [Bar(name_of(name), _plain(counts)) for name, counts in found.items()]


def _plain(counts: Counter[str]) -> Mapping[str, int]:
    return dict(counts)
