"""Curves over a training as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from . import colours
from .figures import drawn
from .tree import Figure
from .wording import short, thousands

WIDE: Final = 360.0
TALL: Final = 130.0
"""Size of the axes, in the units of the picture."""

DRAWN: Final = 400
"""Points of a line at most; the record has all."""

INKS: Final = (colours.SURE, "#a15c00", "#2f7d3b")
"""Colours of lines, in order."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values over epochs.

    Attributes:
        name: what they are.
        values: one for each epoch; None where it is not known.
    """

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A series where it is drawn.

    Attributes:
        name: of it.
        colour: of its line and its name.
        path: of SVG; empty where there is no value.
        dots: its points, where they are few.
        dashed: whether it is broken, for those who do not tell the colours apart.
    """

    name: str
    colour: str
    path: str
    dots: tuple[tuple[float, float], ...]
    dashed: bool


def curves(
    caption: str,
    title: str,
    epochs: Sequence[int],
    series: Sequence[Series],
    marks: Sequence[tuple[int, str]] = (),
    share: bool = False,
) -> Figure:
    """Return lines over the epochs of a training.

    Args:
        caption: over the figure.
        title: what it shows, standing alone.
        epochs: one for each value, rising.
        series: at most three.
        marks: epochs at which something happened, and what.
        share: whether the values are shares of 1, told in per cent.
    """
    known = [value for one in series for value in one.values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    low = low if share else min(low, 0.0)
    width = high - low or 1.0
    span = (epochs[-1] - epochs[0]) or 1

    def place(epoch: int, value: float) -> tuple[float, float]:
        return WIDE * (epoch - epochs[0]) / span, TALL * (high - value) / width

    lines = []
    for number, one in enumerate(series):
        pairs = [(e, v) for e, v in zip(epochs, one.values, strict=True) if v is not None]
        step = max(1, -(-len(pairs) // DRAWN))
        points = [place(e, v) for e, v in [*pairs[:-1:step], *pairs[-1:]]]
        path = "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
        dots = tuple(points) if len(points) <= 40 else ()
        colour = INKS[number % len(INKS)]
        lines.append(Line(one.name, colour, f"M{path}" if path else "", dots, number > 0))
    told = _told(epochs, series, marks, share)
    svg = drawn(
        "curve.svg.j2",
        title=title,
        told=told,
        wide=WIDE,
        tall=TALL,
        least=_word(low, share),
        most=_word(high, share),
        lines=lines,
        marks=[(place(e, low)[0], words) for e, words in marks],
        first=str(epochs[0]),
        last=str(epochs[-1]),
        label="epoch",
    )
    return Figure(title, told, svg, caption)


def _told(
    epochs: Sequence[int],
    series: Sequence[Series],
    marks: Sequence[tuple[int, str]],
    share: bool,
) -> str:
    said = []
    for one in series:
        known = [value for value in one.values if value is not None]
        if known:
            ends = [_word(value, share) for value in (known[0], known[-1])]
            said.append(f"{one.name}: {ends[0]} at first, {ends[1]} at last.")
    said += [f"Epoch {epoch}: {words}." for epoch, words in marks]
    return f"Epochs {epochs[0]} to {epochs[-1]}. " + " ".join(said)


def _word(value: float, share: bool) -> str:
    if share:
        return f"{100 * value:.4g} %"
    return thousands(value) if value == int(value) else short(value)
