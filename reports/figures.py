"""Figures as SVG: stacked bars, and bars before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from . import colours
from .environment import environment
from .tree import Figure, Legend
from .wording import cut, thousands

BAR: Final = 240.0
"""Length of a full bar, in the units of its picture."""


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

    @property
    def colour(self) -> str:
        """Its colour."""
        return colour_of(self.kind)

    @property
    def ink(self) -> str:
        """The colour of the count on it."""
        return colours.words_on(self.colour)


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


@dataclass(frozen=True, slots=True)
class Pair:
    """A number before and after.

    Attributes:
        name: what is counted or measured.
        before, after: at least 0.
        told: writes one of them.
        unit: behind both.
    """

    name: str
    before: float
    after: float
    told: Callable[[float], str] = thousands
    unit: str = ""

    @property
    def lengths(self) -> tuple[float, float]:
        """The lengths of its bars."""
        return bar(self.before, self.before), bar(self.after, self.before)


def colour_of(kind: str) -> str:
    """Return the colour of a kind of neurons."""
    return next(colour for known, _, colour in colours.KINDS if known == kind)


def stack(counts: Mapping[str, int], widest: int) -> list[Piece]:
    """Return the pieces of a stacked bar.

    Args:
        counts: neurons by kind.
        widest: neurons that fill a whole bar.
    """
    pieces, start = [], 0.0
    for kind, _, _ in colours.KINDS:
        count = int(counts.get(kind, 0))
        if count:
            length = BAR * (count / max(widest, 1))
            pieces.append(Piece(kind, count, start, length))
            start += length
    return pieces


def bar(part: float | None, whole: float | None) -> float:
    """Return the length of a bar that stands for a part of a whole, at most 1.25 bars long."""
    if not part or not whole or part < 0 or whole < 0:
        return 0.0
    return min(BAR * (part / whole), 1.25 * BAR)


def legend(bars: Sequence[Bar]) -> Legend:
    """Return what the colours mean: those of a later step only where there are any."""
    seen = {kind for one in bars for kind, count in one.counts.items() if count}
    return Legend(
        tuple(
            (colour, meaning, kind == "open")
            for kind, meaning, colour in colours.KINDS
            if kind in seen or kind not in colours.LATER
        )
    )


def bars(caption: str, title: str, rows: Sequence[Bar], room: int = 74) -> Figure:
    """Return a stacked bar for each row, as long as its count against the longest.

    Args:
        caption: over the figure.
        title: what it shows, standing alone.
        rows: at least one.
        room: for the names, in the units of the picture.
    """
    widest = max(row.total for row in rows)
    pieces = [(cut(row.name, room * 10 // 66), row.pieces(widest)) for row in rows]
    told = " ".join(
        f"{row.name}: {', '.join(f'{p.count} {p.kind}' for p in row.pieces(widest)) or 'none'}."
        for row in rows
    )
    svg = drawn("bars.svg.j2", title=title, told=told, rows=pieces, room=room)
    return Figure(title, told, svg, caption)


def pairs(caption: str, title: str, rows: Sequence[Pair]) -> Figure:
    """Return two bars for each row, before and after.

    Args:
        caption: over the figure.
        title: what it shows, standing alone.
        rows: at least one.
    """
    told = " ".join(
        f"{row.name}: {row.told(row.before)}{row.unit} before, {row.told(row.after)}{row.unit} "
        "after."
        for row in rows
    )
    svg = drawn("pairs.svg.j2", title=title, told=told, rows=rows, colours=colours)
    return Figure(title, told, svg, caption)


def drawn(name: str, /, **words: object) -> str:
    """Return a picture from its template."""
    return environment().get_template(name).render(**words)
