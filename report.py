"""Reports: what was found, as one HTML file that needs nothing else and reads well on paper."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .commands.maps import COLOURS, COLUMNS, ROWS, Axis, Map, Pixels, png
from .commands.terminal import above, below
from .engine.formats.files import replace_with

Record = dict[str, Any]

KINDS: Final = (
    ("zero", "always zero, removed", "#2b6a99"),
    ("identity", "always passes its input on, linear", "#8cc5e3"),
    ("forward", "made zero or linear, outputs stay near (forward)", "#9fd08c"),
    (
        "result-preserving",
        "made zero or linear, the best output stays (result-preserving)",
        "#2f7d3b",
    ),
    ("relaxed", "made another line (relaxed)", "#7b5ea7"),
    ("active", "active, shown by two points, kept", "#c9c9c9"),
    ("open", "open, not decided in time, kept", "#f0c571"),
)
"""The kinds of neurons: word, meaning and colour."""

LATER: Final = ("forward", "result-preserving", "relaxed")
"""The steps that remove what no phase does."""

ROWS_SHOWN: Final = 120
"""Bars of a batch's figure; with more rows a bar stands for all regions of a network."""

ROWS_LISTED: Final = 2000
"""Rows of a batch's table; the record has all, and every one that failed is listed."""

BAR: Final = 240.0
"""Length of a full bar, in the units of its picture."""

DASH: Final = "\u2013"
"""What stands where there is nothing to say."""

OPEN_SHOWN: Final = 16
"""Open neurons that a report lists for a region; the record has all."""


@dataclass(frozen=True, slots=True, eq=False)
class Chapter:
    """One network and what was found about it.

    Attributes:
        name: of the network.
        title: one line for people; empty where there is none.
        network: its record.
        cuts: records of `commands.cut`, one for each region.
        maps: for each region its map, None where there is nothing to show.
        inputs: name and raw unit of each input; empty where nobody has said.
    """

    name: str
    title: str
    network: Record
    cuts: Sequence[Record]
    maps: Sequence[Map | None] = field(default_factory=tuple)
    inputs: Sequence[str] = field(default_factory=tuple)

    @property
    def drawn(self) -> list[tuple[Record, Map]]:
        """The regions that have a map."""
        pairs = zip(self.cuts, self.maps, strict=False)
        return [(cut, drawn) for cut, drawn in pairs if drawn is not None]

    @property
    def removals(self) -> list[str]:
        """The steps beyond the phases that removed something."""
        return [step for step in LATER if any(cut["removed"][step] for cut in self.cuts)]

    @property
    def methods(self) -> list[str]:
        """The methods that proved something, in order of effort."""
        return _in_order(cut["methods"] for cut in self.cuts)

    @property
    def steps(self) -> list[str]:
        """The steps of the work that took time, in order."""
        return _in_order(cut["step_seconds"] for cut in self.cuts)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a stacked bar.

    Attributes:
        kind: zero, identity, active or open.
        count: neurons.
        start, length: in the units of the picture.
    """

    kind: str
    count: int
    start: float
    length: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar.

    Attributes:
        name: what it stands for.
        counts: neurons by kind.
    """

    name: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All its neurons."""
        return sum(self.counts.values())

    def pieces(self, widest: int) -> list[Piece]:
        """Return its pieces where a whole bar stands for `widest` neurons."""
        return stack(self.counts, widest)


def write_report(path: Path, chapters: Sequence[Chapter], record: Record) -> None:
    """Write the report of a command, whole or not at all.

    Args:
        path: of the .html file.
        chapters: the networks.
        record: of the command, for versions, seed and the command itself.

    Raises:
        FileError: it cannot be written.
    """
    replace_with(path, render(chapters, record).encode())


def write_batch_report(path: Path, record: Record) -> None:
    """Write the report of a batch, whole or not at all.

    Args:
        path: of the .html file.
        record: of the batch.

    Raises:
        FileError: it cannot be written.
    """
    done = [row for row in record["rows"] if row["state"] == "done"]
    bars = [
        Bar(f"{row['line']}: {Path(row['network']).stem}, {row['name']}", tally(row))
        for row in done
    ]
    what = "row by row"
    if len(bars) > ROWS_SHOWN:
        groups: dict[str, Counter[str]] = {}
        for row in done:
            groups.setdefault(row["network"], Counter()).update(tally(row))
        bars = [Bar(Path(name).name, counts) for name, counts in groups.items()]
        what = "network by network, all regions together"
    steps = [(word, count) for word, count in record["removed"].items() if word != "neurons"]
    first = {row["line"] for row in record["rows"][:ROWS_LISTED]}
    listed = [row for row in record["rows"] if row["line"] in first or row["state"] != "done"]
    page = _environment().get_template("batch.html.j2")
    text = page.render(
        record=record,
        kinds=_seen_kinds(bars),
        rows=bars,
        listed=listed,
        what=what,
        steps=[(word, count) for word, count in steps if count or word == "phase"],
        gone=sum(count for _, count in steps),
    )
    replace_with(path, text.encode())


def render(chapters: Sequence[Chapter], record: Record) -> str:
    """Return the report of a command as HTML.

    Args:
        chapters: as in `write_report`.
        record: as in `write_report`.
    """
    cuts = [cut for chapter in chapters for cut in chapter.cuts]
    broken = [cut["replayed"]["disagreements"] for cut in cuts]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            chapters=chapters,
            cuts=cuts,
            record=record,
            kinds=_seen_kinds([bar for cut in cuts for bar in _layers(cut)]),
            colours=COLOURS,
            exact=all(cut["exact"] for cut in cuts),
            best_only=any(cut["distance"] is None for cut in cuts)
            or bool(record.get("keep", "outputs") != "outputs"),
            joint=any(chapter.removals for chapter in chapters),
            still=sum(cut["phases"]["open"] for cut in cuts),
            best=max(cuts, key=_saved),
            apart=max((cut["replayed"]["float_difference"] or 0.0 for cut in cuts), default=0.0),
            disagreeing=None if None in broken else sum(broken),
            saved=_saved,
            layers=_layers,
            regions=lambda some: [Bar(cut["region"]["name"], _summed(cut)) for cut in some],
            bar=bar,
            frame=frame,
            size=(COLUMNS, ROWS),
            open_shown=OPEN_SHOWN,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "thousands": thousands,
        "short": short,
        "upward": upward,
        "downward": downward,
        "seconds": seconds,
        "sentence": sentence,
        "data": _data,
        "basename": lambda path: Path(path).name,
    }
    return environment


def tally(row: Record) -> dict[str, int]:
    """Return a row's neurons by kind.

    Args:
        row: with `phases`, `removed` and `left`, as a batch records it.
    """
    return {
        "zero": row["phases"]["zero"],
        "identity": row["phases"]["identity"],
        **{step: row["removed"][step] for step in LATER},
        **{word: row["left"][word] for word in ("active", "open")},
    }


def _layers(cut: Record) -> list[Bar]:
    """Return a bar for each layer of a cut."""
    return [Bar(layer["layer"], tally({**layer, "phases": layer})) for layer in cut["layers"]]


def _summed(cut: Record) -> Counter[str]:
    """Return the neurons of a cut by kind, of all layers together."""
    return sum((Counter(bar.counts) for bar in _layers(cut)), start=Counter[str]())


def _seen_kinds(bars: Sequence[Bar]) -> list[tuple[str, str, str]]:
    """Return the kinds that a legend names: those of a later step only where there are any."""
    seen = {kind for bar in bars for kind, count in bar.counts.items() if count}
    return [kind for kind in KINDS if kind[0] in seen or kind[0] not in LATER]


def stack(counts: Mapping[str, int], widest: int) -> list[Piece]:
    """Return the pieces of a stacked bar.

    Args:
        counts: neurons by kind.
        widest: neurons that fill a whole bar.
    """
    pieces, start = [], 0.0
    for kind, _, _ in KINDS:
        count = int(counts.get(kind, 0))
        if count:
            length = BAR * count / max(widest, 1)
            pieces.append(Piece(kind, count, start, length))
            start += length
    return pieces


def bar(part: float | None, whole: float | None) -> float:
    """Return the length of a bar that stands for a part of a whole, at most 1.25 bars long."""
    return 0.0 if not part or not whole else min(BAR * part / whole, 1.25 * BAR)


def frame(drawn: Map) -> tuple[float, float, float, float]:
    """Return where a map's region is on it: left, top, width and height, in its pixels."""

    def place(axis: Axis, value: float, length: int) -> float:
        return (value - axis.low) / (axis.high - axis.low) * length

    left, right = (place(drawn.across, at, COLUMNS) for at in (drawn.across.from_, drawn.across.to))
    bottom, top = (place(drawn.along, at, ROWS) for at in (drawn.along.from_, drawn.along.to))
    # A region that is thin in one of the inputs still has to be seen.
    return left, ROWS - top, max(right - left, 1.0), max(top - bottom, 1.0)


def thousands(value: float) -> str:
    """Return a whole number with thin spaces between its groups of three digits."""
    return f"{value:,.0f}".replace(",", "\u202f")


def short(value: float | None, digits: int = 4) -> str:
    """Return a number in few digits; a dash for None."""
    if value is None:
        return DASH
    value += 0.0  # no -0
    grouped = 10.0 ** min(digits, 4) <= abs(value) < 1e7
    return (thousands(value) if grouped else f"{value:.{digits}g}").replace("-", "\u2212")


def upward(value: float | None, digits: int = 4) -> str:
    """Return an upper bound in few digits, rounded up; a dash for None."""
    return DASH if value is None else above(value, digits).replace("-", "\u2212")


def downward(value: float | None, digits: int = 4) -> str:
    """Return a lower bound in few digits, rounded down; a dash for None."""
    return DASH if value is None else below(value, digits).replace("-", "\u2212")


def sentence(text: str) -> str:
    """Return a line with a capital in front and a full stop behind."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def seconds(value: float | None) -> str:
    """Return seconds for people; a dash for none."""
    if not value:
        return DASH
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 0.05 else "< 0.1"


def _data(pixels: Pixels) -> str:
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def _saved(cut: Record) -> float:
    """Return which share of the multiply-adds went."""
    return 1.0 - float(cut["after"]["multiply_adds"]) / max(1, int(cut["before"]["multiply_adds"]))


def _in_order(counts: Iterator[Record]) -> list[str]:
    order = ("sample", "interval", "linear", "optimised", "attack", "split", "lp", "milp")
    seen = {name for count in counts for name, value in count.items() if value}
    return [*(name for name in order if name in seen), *sorted(seen - set(order))]
