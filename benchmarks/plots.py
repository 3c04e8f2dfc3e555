"""Rows of a paired spec as one SVG: what was done by when, arm against control, and medians."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape
from typing import Final

from .chart import COLOURS, Chart, Line, sheet
from .ratios import arms
from .row import Row, Status

FLOOR: Final = 1e-6
"""Seconds below which a clock says nothing; logarithmic axes begin there."""

BAR: Final = 22.0
LONGEST: Final = 420.0
NAMES: Final = 150.0


def plot(title: str, rows: Sequence[Row]) -> str:
    """Return the charts of rows: cactus, pairs and bars, one below the other.

    Raises:
        ValueError: no row is done.
    """
    done = [row for row in rows if row.status is Status.DONE]
    if not done:
        raise ValueError(f"{title}: no run is done, so there is nothing to draw")
    charts = [cactus(rows)]
    if clouds := against_control(rows):
        charts.append(clouds)
    hollow = "stopped or without an answer, after so long"
    upper = sheet(title, charts, columns=len(charts), hollow=hollow)
    return stacked(upper, bars(done))


def cactus(rows: Sequence[Row]) -> Chart:
    """Return, for each arm, within how many seconds each how many of its runs are done."""
    lines = []
    for arm in arms(rows):
        walls = sorted(row.wall for row in rows if row.arm == arm and row.status is Status.DONE)
        points = tuple((float(n), max(wall, FLOOR), True) for n, wall in enumerate(walls, 1))
        lines.append(Line(arm, points))
    return Chart("runs done", "seconds each, at most", tuple(lines))


def against_control(rows: Sequence[Row]) -> Chart | None:
    """Return each arm's runs against the control's of the same instance and round.

    A run that was stopped, or ended without an answer, is a hollow mark where it stopped. None
    where no two were both timed.
    """
    control, *others = arms(rows)
    counted = (Status.DONE, Status.TIMEOUT, Status.OPEN)
    timed = [row for row in rows if row.wall > 0 and row.status in counted]
    ours = {row.key[1:]: row for row in timed if row.arm == control}
    lines = []
    for other in others:
        points = []
        for row in timed:
            same = ours.get(row.key[1:]) if row.arm == other else None
            if same is not None:
                both = row.status is same.status is Status.DONE
                points.append((max(same.wall, FLOOR), max(row.wall, FLOOR), both))
        lines.append(Line(other, tuple(points)))
    if not any(line.points for line in lines):
        return None
    x, y = f"seconds of {control}", "seconds of the other arm"
    return Chart(x, y, tuple(lines), joined=False, diagonal=True)


def bars(done: Sequence[Row]) -> str:
    """Return the median wall time of each arm as horizontal bars from 0, as an SVG."""
    names = arms(done)
    medians = [statistics.median(row.wall for row in done if row.arm == arm) for arm in names]
    longest = max(*medians, FLOOR)
    wide, high = NAMES + LONGEST + 110, BAR * len(names) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" '
        f'width="{wide:g}" height="{high:g}" font-family="sans-serif" font-size="12">',
        f'<rect width="{wide:g}" height="{high:g}" fill="white"/>',
        f'<text x="{NAMES:g}" y="16">median seconds of a run that is done</text>',
    ]
    for at, (name, median) in enumerate(zip(names, medians, strict=True)):
        y, length = 26 + BAR * at, LONGEST * median / longest
        colour = COLOURS[at % len(COLOURS)]
        parts.append(
            f'<text x="{NAMES - 8:g}" y="{y + 13:g}" text-anchor="end">{escape(name)}</text>'
        )
        parts.append(
            f'<rect x="{NAMES:g}" y="{y:g}" width="{length:.1f}" height="{BAR - 6:g}" '
            f'fill="{colour}"/>'
        )
        parts.append(f'<text x="{NAMES + length + 6:.1f}" y="{y + 13:g}">{median:.3g}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def stacked(upper: str, lower: str) -> str:
    """Return two SVGs, the second below the first."""
    wide = [_size(one, "width") for one in (upper, lower)]
    high = [_size(one, "height") for one in (upper, lower)]
    moved = lower.replace("<svg ", f'<svg y="{high[0]:g}" ', 1)
    size = f"{max(wide):g} {sum(high):g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{max(wide):g}" '
        f'height="{sum(high):g}">\n<rect width="100%" height="100%" fill="white"/>\n'
        f"{upper}{moved}</svg>\n"
    )


def _size(svg: str, name: str) -> float:
    """Return the width or height that an SVG states."""
    return float(svg.partition(f' {name}="')[2].partition('"')[0])
