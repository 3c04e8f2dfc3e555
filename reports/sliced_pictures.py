"""Pictures of a family: where its cells lost most, how much they have left, and what they took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .colours import SURE
from .figures import drawn
from .read import Part
from .tree import Figure, Legend
from .wording import per_cent, short, thousands

SHADES: Final = (
    "#f2f0f7",
    "#e2deee",
    "#cfcae3",
    "#bab3d6",
    "#a49ac8",
    "#8e80ba",
    "#7866ab",
    "#634d99",
    "#4e3584",
    "#391e6c",
)
"""From none to all of the neurons removed, tenth by tenth; each is darker than the one before."""

UNKNOWN: Final = "#f0c571"
"""Of tiles of which nothing is known."""

SIDE: Final = 180.0
"""Length of a map's sides, in the units of its picture."""

WIDE: Final = 420.0
TALL: Final = 120.0
"""Width and height of a histogram, in the units of its picture."""

MOST: Final = 36
"""Columns of a histogram at most."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An input along a side of a map.

    Attributes:
        input: which.
        label: that, and the unit.
        low, high: ends, in that unit.
        places: where tiles begin and end, in the units of the picture.
    """

    input: int
    label: str
    low: float
    high: float
    places: tuple[float, ...]

    @classmethod
    def of(cls, part: Part) -> Axis:
        """Return the axis that a record tells of."""
        edges = part.limits("edges")
        if len(edges) < 2 or not edges[0] < edges[-1]:
            part.wrong("edges", "are not the edges of tiles, in order")
        shown = edges if part.empty("raw_edges") else part.limits("raw_edges")
        unit = "network units" if part.empty("raw_edges") else "raw units"
        if len(shown) != len(edges):
            part.wrong("raw_edges", "has another number of edges than the network's units have")
        wide = edges[-1] - edges[0]
        places = tuple(SIDE * min(max((edge - edges[0]) / wide, 0.0), 1.0) for edge in edges)
        which = part.count("input")
        return cls(which, f"input {which}, {unit}", shown[0], shown[-1], places)


def shade(value: float | None) -> str:
    """Return the colour of a share of neurons removed, from 0 to 1; None where it is not known."""
    if value is None:
        return UNKNOWN
    return SHADES[min(max(int(value * len(SHADES)), 0), len(SHADES) - 1)]


def shades(blank: bool) -> Legend:
    """Return what the colours of maps mean.

    Args:
        blank: whether there are tiles of which nothing is known.
    """
    ends = [f"{10 * at} to {10 * at + 10}\u202f%" for at in range(len(SHADES))]
    entries = [(colour, end, False) for colour, end in zip(SHADES, ends, strict=True)]
    return Legend((*entries, *([(UNKNOWN, "no cell is done", False)] if blank else [])))


def tiles(one: Part) -> Figure:
    """Return the map of one pair of inputs.

    Raises:
        FormatError: the record has another number of tiles than its edges say.
    """
    across, along = Axis.of(one.part("across")), Axis.of(one.part("along"))
    values = one.numbers("tiles")
    columns, rows = len(across.places) - 1, len(along.places) - 1
    if len(values) != columns * rows:
        one.wrong("tiles", "has another number of tiles than its edges say")
    paths: dict[str, list[str]] = {}
    for at, value in enumerate(values):
        row, column = divmod(at, columns)
        left, right = across.places[column : column + 2]
        top, bottom = (SIDE - along.places[row + 1 - side] for side in (0, 1))
        box = f"M{left:.2f} {top:.2f}h{right - left:.2f}v{bottom - top:.2f}h{left - right:.2f}z"
        paths.setdefault(shade(value), []).append(box)
    known = [value for value in values if value is not None]
    told = (
        f"{across.label} from {short(across.low)} to {short(across.high)}, {along.label} from "
        f"{short(along.low)} to {short(along.high)}, {columns} by {rows} tiles. "
    )
    told += (
        f"The share of neurons removed goes from {per_cent(min(known), 1, 1)} to "
        f"{per_cent(max(known), 1, 1)}."
        if known
        else "Nothing is known of them."
    )
    title = f"Neurons removed over {across.label} and {along.label}, mean over the others"
    svg = drawn(
        "tiles.svg.j2",
        title=title,
        told=told,
        across=across,
        along=along,
        side=SIDE,
        paths=[(colour, "".join(paths[colour])) for colour in sorted(paths)],
    )
    return Figure(title, told, svg, f"inputs {across.input} and {along.input}")


def histogram(
    caption: str, title: str, label: str, values: Sequence[tuple[float, int]], *, whole: bool
) -> Figure:
    """Return how many cells have which value, from 0 to the largest, as columns.

    Args:
        caption: over the figure.
        title: what it shows, standing alone.
        label: of the values.
        values: value and how many cells have it; at least one.
        whole: whether the values are whole numbers, so that columns stand for some of them.
    """
    most = max(value for value, _ in values)
    step = max(1.0, math.ceil((most + 1.0) / MOST)) if whole else (most or 1.0) / MOST
    count = max(1, math.ceil((most + 1.0) / step)) if whole else MOST
    cells = [0] * count
    for value, some in values:
        cells[min(int(value / step), count - 1)] += some
    highest = max(1, *cells)
    width = WIDE / count
    told = " ".join(_column(at, some, step, whole) for at, some in enumerate(cells) if some)
    svg = drawn(
        "columns.svg.j2",
        title=title,
        told=told,
        wide=WIDE,
        tall=TALL,
        most=highest,
        columns=[(at * width, width, TALL * some / highest) for at, some in enumerate(cells)],
        first="0",
        last=thousands(count * step - 1) if whole else short(most, 3),
        label=label,
        colour=SURE,
    )
    return Figure(title, told, svg, caption)


def _column(at: int, cells: int, step: float, whole: bool) -> str:
    low, high = at * step, (at + 1) * step
    if whole:
        ends = f"{low:.0f}" if step == 1.0 else f"{low:.0f} to {high - 1:.0f}"
    else:
        ends = f"{short(low, 3)} to {short(high, 3)}"
    return f"{ends}: {thousands(cells)}."
