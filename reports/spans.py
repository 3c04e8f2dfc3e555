"""Spans as SVG: what is known of a value from two sides, and the thresholds beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from . import colours
from .figures import drawn
from .tree import Figure, Legend
from .wording import cut, short

SPAN: Final = 380.0
"""Length of the axis, in the units of the picture."""

OPEN: Final = 0.12
"""Share of the axis that is left for an end that nothing bounds."""

NAME: Final = 22
"""Letters of a name."""


@dataclass(frozen=True, slots=True)
class Span:
    """A value that is known from two sides.

    Attributes:
        name: of the value.
        low: one end; None where it is not known.
        high: the other; None where nothing bounds it.
        told: both, in words.
        base: where the bar begins, for what is measured from there to `low` at a point and on to
            `high` by proof; None where the bar is what lies between the two ends.
    """

    name: str
    low: float | None
    high: float | None
    told: str
    base: float | None = None

    @property
    def ends(self) -> list[float]:
        """What is known of it."""
        return [value for value in (self.base, self.low, self.high) if value is not None]

    @property
    def left_open(self) -> bool:
        """Whether nothing says where the bar begins."""
        return self.base is None and self.low is None


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values are on a line.

    Attributes:
        scale: by which values are divided, so that no difference of two overflows.
        least, most: the ends of what is shown, divided by it.
        left, right: room before and after them, likewise.
    """

    scale: float
    least: float
    most: float
    left: float
    right: float

    @classmethod
    def of(cls, rows: Sequence[Span], mark: float | None) -> Axis:
        """Return the axis that shows all of some spans and a mark."""
        ends = [*(end for row in rows for end in row.ends), *([] if mark is None else [mark])]
        scale = max((abs(end) for end in ends), default=0.0) or 1.0
        shares = [end / scale for end in ends] or [0.0]
        least, most = min(shares), max(shares)
        if most - least < 1e-9:  # a single value stands alone: 0 gives it a measure
            least, most = min(least, 0.0), max(most, 0.0)
        if most - least < 1e-9:
            most = least + 1.0
        room = OPEN * (most - least)
        left = room * any(row.left_open for row in rows)
        right = room * any(row.high is None for row in rows)
        return cls(scale, least, most, left, right)

    def place(self, value: float) -> float:
        """Return where a value is, in the units of the picture."""
        whole = self.most - self.least + self.left + self.right
        return SPAN * min(max((value / self.scale - self.least + self.left) / whole, 0.0), 1.0)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """The ends, where they are and in words."""
        ends = (self.least * self.scale, self.most * self.scale)
        return [(self.place(end), short(end, 3)) for end in ends]

    @property
    def zero(self) -> float | None:
        """Where 0 is, if it lies between the ends."""
        return self.place(0.0) if self.least < 0.0 < self.most else None


@dataclass(frozen=True, slots=True)
class Strip:
    """A span where it is drawn.

    Attributes:
        name: cut to the room there is.
        told: what is written beside it.
        dark: start and length of what is attained; None where there is nothing of that kind.
        light: start and length of the rest.
        left_open, right_open: whether nothing bounds it on that side.
    """

    name: str
    told: str
    dark: tuple[float, float] | None
    light: tuple[float, float]
    left_open: bool
    right_open: bool


def spans(
    caption: str, title: str, rows: Sequence[Span], mark: tuple[float, str] | None = None
) -> Figure:
    """Return a bar for each value from one end of what is known to the other.

    Args:
        caption: over the figure.
        title: what it shows, standing alone.
        rows: at least one.
        mark: a value that is marked on the axis, and its name.
    """
    axis = Axis.of(rows, mark[0] if mark else None)
    told = " ".join(f"{row.name}: {row.told}." for row in rows)
    if mark is not None:
        told += f" The line marks {mark[1]}."
    svg = drawn(
        "spans.svg.j2",
        title=title,
        told=told,
        strips=[_strip(row, axis) for row in rows],
        axis=axis,
        mark=(axis.place(mark[0]), mark[1]) if mark else None,
        span=SPAN,
        colours=colours,
    )
    return Figure(title, told, svg, caption)


def measured() -> Legend:
    """Return what the colours of spans with a base mean."""
    return Legend(
        (
            (colours.SURE, "attained at a replayed point", False),
            (colours.ROOM, "not decided: up to the proved bound", False),
        )
    )


def _strip(row: Span, axis: Axis) -> Strip:
    right = SPAN if row.high is None else axis.place(row.high)
    if row.base is None:
        left = 0.0 if row.low is None else axis.place(row.low)
        dark = None
    else:
        start = axis.place(row.base)
        met = start if row.low is None else axis.place(row.low)
        dark = None if row.low is None else (min(start, met), abs(met - start))
        left = min(met, right)
    return Strip(
        cut(row.name, NAME),
        cut(row.told, 32),
        dark,
        (left, max(right - left, 0.0)),
        row.left_open,
        row.high is None,
    )
