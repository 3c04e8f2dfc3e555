"""Reports: what was found, as one HTML file that needs nothing else and reads well on paper."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .commands.maps import COLOURS, COLUMNS, ROWS, Axis, Map, Pixels, png
from .engine.formats.files import replace_with

Record = dict[str, Any]

KINDS: Final = (
    ("zero", "always zero, removed", "#2b6a99"),
    ("identity", "always passes its input on, linear", "#8cc5e3"),
    ("active", "active, shown by two points", "#c9c9c9"),
    ("open", "open, not decided in time, kept", "#f0c571"),
)
"""The kinds of neurons: word, meaning and colour."""

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


def render(chapters: Sequence[Chapter], record: Record) -> str:
    """Return the report of a command as HTML.

    Args:
        chapters: as in `write_report`.
        record: as in `write_report`.
    """
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
        "seconds": seconds,
        "sentence": sentence,
        "data": _data,
    }
    cuts = [cut for chapter in chapters for cut in chapter.cuts]
    return environment.get_template("report.html.j2").render(
        chapters=chapters,
        cuts=cuts,
        record=record,
        kinds=KINDS,
        colours=COLOURS,
        exact=all(cut["exact"] for cut in cuts),
        still=sum(cut["phases"]["open"] for cut in cuts),
        best=max(cuts, key=_saved),
        apart=max((cut["replayed"]["float_difference"] or 0.0 for cut in cuts), default=0.0),
        saved=_saved,
        stack=stack,
        bar=bar,
        frame=frame,
        size=(COLUMNS, ROWS),
        open_shown=OPEN_SHOWN,
    )


def stack(layer: Record, widest: int) -> list[Piece]:
    """Return the bar of a layer's neurons.

    Args:
        layer: its record in a cut.
        widest: neurons that fill a whole bar.
    """
    pieces, start = [], 0.0
    for kind, _, _ in KINDS:
        count = int(layer[kind])
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
    grouped = 10.0 ** min(digits, 4) <= abs(value) < 1e7
    return (thousands(value) if grouped else f"{value:.{digits}g}").replace("-", "\u2212")


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
