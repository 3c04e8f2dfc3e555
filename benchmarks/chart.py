"""Charts as SVG files that need nothing else: lines and clouds of points, on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 360.0
HEIGHT: Final = 240.0
LEFT: Final = 64.0
TOP: Final = 34.0
BELOW: Final = 48.0
LEGEND: Final = 18.0
COLOURS: Final = ("#2b6a99", "#c8553d", "#588157", "#8e6c8a", "#b08900", "#4a4a4a")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend; the same name has the same colour in every chart of a sheet.
        points: ``(x, y, reached)`` with x and y above 0; where something was not reached, y is what
            was spent, and the mark is hollow.
    """

    name: str
    points: tuple[tuple[float, float, bool], ...]

    def __post_init__(self) -> None:
        if not all(x > 0 and y > 0 for x, y, _ in self.points):
            raise ValueError(f"{self.name}: a logarithmic axis has no place for 0: leave it out")


@dataclass(frozen=True, slots=True)
class Chart:
    """One panel.

    Attributes:
        x, y: what the axes show, with unit.
        lines: at least one point among them.
        joined: whether the points of a line are joined.
        diagonal: whether both axes have the same scale, and a line where x is y.
    """

    x: str
    y: str
    lines: tuple[Line, ...]
    joined: bool = True
    diagonal: bool = False

    def __post_init__(self) -> None:
        if not any(line.points for line in self.lines):
            raise ValueError(f"{self.y} against {self.x}: there is nothing to draw")


def sheet(title: str, charts: Sequence[Chart], columns: int = 2, hollow: str = "") -> str:
    """Return charts side by side as one SVG, with one legend for all.

    Args:
        title: above them.
        charts: row by row.
        columns: charts a row.
        hollow: what a hollow mark means, for the legend; left out where there is none.
    """
    names = list(dict.fromkeys(line.name for chart in charts for line in chart.lines))
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    rows = math.ceil(len(charts) / columns)
    cell = WIDTH + LEFT + 16, HEIGHT + TOP + BELOW
    marks = [(name, colours[name], colours[name]) for name in names]
    points = [point for chart in charts for line in chart.lines for point in line.points]
    if hollow and not all(reached for _, _, reached in points):
        marks.append((hollow, "white", COLOURS[-1]))
    wide, high = columns * cell[0], rows * cell[1] + 30 + LEGEND * (len(marks) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}" '
        f'width="{wide:.0f}" height="{high:.0f}" font-family="sans-serif" font-size="12">',
        f'<rect width="{wide:.0f}" height="{high:.0f}" fill="white"/>',
        f'<text x="{LEFT:g}" y="20" font-size="15">{escape(title)}</text>',
    ]
    for index, chart in enumerate(charts):
        down, across = divmod(index, columns)
        at = across * cell[0] + LEFT, down * cell[1] + 30 + TOP
        parts.append(f'<g transform="translate({at[0]:.1f} {at[1]:.1f})">')
        parts.extend(_panel(chart, colours))
        parts.append("</g>")
    for index, (name, fill, edge) in enumerate(marks):
        y = rows * cell[1] + 30 + LEGEND * (index + 0.5)
        parts.append(f'<circle cx="{LEFT:g}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{edge}"/>')
        parts.append(f'<text x="{LEFT + 10:g}" y="{y + 4:.1f}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(chart: Chart, colours: dict[str, str]) -> list[str]:
    xs = [x for line in chart.lines for x, _, _ in line.points]
    ys = [y for line in chart.lines for _, y, _ in line.points]
    if chart.diagonal:
        xs = ys = [*xs, *ys]
    across, up = _Scale.of(xs, WIDTH), _Scale.of(ys, HEIGHT)
    parts = [f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="none" stroke="#999"/>']
    for value in across.ticks:
        x = across.place(value)
        parts.append(f'<path d="M{x:.1f} 0V{HEIGHT:g}" stroke="#e4e4e4"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT + 16:g}" text-anchor="middle">{_plain(value)}</text>'
        )
    for value in up.ticks:
        y = HEIGHT - up.place(value)
        parts.append(f'<path d="M0 {y:.1f}H{WIDTH:g}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{_plain(value)}</text>')
    parts.append(
        f'<text x="{WIDTH / 2:g}" y="{HEIGHT + 34:g}" text-anchor="middle">{escape(chart.x)}</text>'
    )
    parts.append(f'<text x="0" y="-8">{escape(chart.y)}</text>')
    if chart.diagonal:
        parts.append(f'<path d="M0 {HEIGHT:g}L{WIDTH:g} 0" stroke="#999" stroke-dasharray="4 3"/>')
    for line in chart.lines:
        colour = colours[line.name]
        at = [(across.place(x), HEIGHT - up.place(y), done) for x, y, done in sorted(line.points)]
        if chart.joined:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in at)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}"/>')
        for x, y, done in at:
            fill = colour if done else "white"
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{fill}" stroke="{colour}"/>'
            )
    return parts


def _plain(value: float) -> str:
    """Return a number of an axis as people write it."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """A logarithmic axis of some length, between two decimal exponents."""

    low: float
    high: float
    length: float

    @classmethod
    def of(cls, values: Sequence[float], length: float) -> _Scale:
        low, high = math.log10(min(values)), math.log10(max(values))
        margin = max(0.05 * (high - low), 0.1)
        return cls(low - margin, high + margin, length)

    @property
    def ticks(self) -> list[float]:
        """Powers of ten in between; 1, 2 and 5 times them where these are few."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        digits = (1.0, 2.0, 5.0) if self.high - self.low < 2 else (1.0,)
        values = [float(f"{digit:g}e{power}") for power in powers for digit in digits]
        return [value for value in values if self.low <= math.log10(value) <= self.high]

    def place(self, value: float) -> float:
        return (math.log10(value) - self.low) / (self.high - self.low) * self.length
