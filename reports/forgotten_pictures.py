"""Pictures of what was forgotten: sheets of exemplars, and maps of where classes differ."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from ..commands.forget_pictures import SIGNATURE
from ..engine.rounding import float_above, float_below
from .figures import drawn
from .read import Part, run_of
from .tree import Figure, Legend
from .wording import DASH, downward, plural, short, upward

ACROSS: Final = 8
"""Pictures side by side on a sheet."""

CELL: Final = 66.0
"""Width of a picture and the room beside it, in the units of a sheet."""

SIDE: Final = 300.0
"""Length of a map's sides, in the units of its picture."""

DIFFER: Final = "#b3261e"
AGREE: Final = "#d6e6f2"
OPEN: Final = "#f0c571"

COLOURS: Final = (
    ("agree", AGREE, "proved: both choose the same class"),
    ("differ", DIFFER, "proved: they choose different classes"),
    ("open", OPEN, "not decided as a whole"),
)
"""What a map shows: key in a record, colour and meaning, the first drawn first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An exemplar on a sheet.

    Attributes:
        told: what it is, what it was taken for before and after.
        data: the picture as a data URI.
        left, top: its place.
    """

    told: str
    data: str
    left: float
    top: float


def sheet(population: Part) -> Figure | None:
    """Return the exemplars of a population as one picture; None where none is a picture.

    Raises:
        FormatError: what the record holds is no PNG.
    """
    held = [one for one in population.parts("gallery") if one.has("picture")]
    if not held:
        return None
    shown = [
        Shown(told(one), _uri(one), CELL * (at % ACROSS), (CELL + 16.0) * (at // ACROSS))
        for at, one in enumerate(held)
    ]
    name = population.words("name")
    title = f"Exemplars of {name}: label, taken for before, taken for after"
    said = f"{plural(len(shown), 'exemplar')}: {'; '.join(one.told for one in shown)}."
    svg = drawn(
        "exemplars.svg.j2",
        title=title,
        told=said,
        shown=shown,
        cell=CELL,
        wide=CELL * min(ACROSS, len(shown)),
        tall=(CELL + 16.0) * -(-len(shown) // ACROSS),
    )
    return Figure(title, said, svg, f"{name}: label, before → after")


def sheets(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return file names and pictures of the sheets of a record of `exemplars`."""
    found = []
    for population in run_of(record).part.parts("populations"):
        figure = sheet(population)
        if figure is not None:
            found.append((f"exemplars-{population.words('name')}.svg", figure.svg))
    return found


def told(one: Part) -> str:
    """Return what an exemplar is, and what it was taken for before and after."""
    sides = (one.maybe(side, one.count) for side in ("original", "compressed"))
    before, after = ("tie" if side is None else str(side) for side in sides)
    return f"{one.count('label')}: {before} → {after}"


def _uri(one: Part) -> str:
    text = one.words("picture")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        one.wrong("picture", "is no base64")
    if not data.startswith(SIGNATURE):
        one.wrong("picture", "is no PNG")
    return f"data:image/png;base64,{text}"


def region_map(part: Part) -> Figure:
    """Return the map of a record of `disagreement`.

    Raises:
        FormatError: a box or an axis that is none.
    """
    axes = [part.part("across"), part.part("along")]
    ends = [(axis.number("low"), axis.number("high")) for axis in axes]
    for axis, (low, high) in zip(axes, ends, strict=True):
        if not low < high:
            axis.wrong("high", "is not above `low`")
    labels = [_label(axis) for axis in axes]
    shown = [_shown(axis, end) for axis, end in zip(axes, ends, strict=True)]
    boxes = part.part("boxes")
    paths, counts = [], []
    for key, colour, meaning in COLOURS:
        lists = boxes.value.get(key)
        if not isinstance(lists, list):
            boxes.wrong(key, "is no list")
        drawn_boxes = [_path(boxes, key, box, ends) for box in lists]
        counts.append(f"{plural(len(drawn_boxes), 'box', 'boxes')} {meaning}")
        paths.append((colour, "".join(drawn_boxes)))
    title = f"Where classes differ, over {labels[0]} and {labels[1]}"
    said = f"{'; '.join(counts)}."
    svg = drawn(
        "regions.svg.j2",
        title=title,
        told=said,
        side=SIDE,
        paths=paths,
        labels=labels,
        ends=shown,
    )
    fixed = ", ".join(
        f"input {one.count('input')} = {short(one.number('value'))}" for one in part.parts("fixed")
    )
    least, most = share_told(part.part("share"))
    note = f"On this plane classes differ on {least} to {most}\u202f%."
    return Figure(title, said, svg, f"Fixed: {fixed or DASH}", note)


def meanings() -> Legend:
    """Return what the colours of a map mean."""
    return Legend(tuple((colour, meaning, False) for _, colour, meaning in COLOURS))


def share_told(share: Part, digits: int = 4) -> tuple[str, str]:
    """Return the ends of an enclosed share in per cent, rounded outward once."""
    low, high = (100 * Fraction(share.number(end)) for end in ("least", "most"))
    return downward(float_below(low) + 0.0, digits), upward(float_above(high) + 0.0, digits)


def _label(axis: Part) -> str:
    unit = "network units" if axis.empty("raw") else "raw units"
    return f"input {axis.count('input')}, {unit}"


def _shown(axis: Part, ends: tuple[float, float]) -> tuple[str, str]:
    raw = None if axis.empty("raw") else axis.limits("raw")
    low, high = ends if raw is None or len(raw) != 2 else raw
    return short(low, 3), short(high, 3)


def _path(boxes: Part, key: str, box: object, ends: Sequence[tuple[float, float]]) -> str:
    """Return a box ``[left, right, bottom, top]`` as a path in the units of the picture."""
    numbers = isinstance(box, list) and len(box) == 4
    if not numbers or any(type(value) not in (int, float) for value in box):  # type: ignore[attr-defined]
        boxes.wrong(key, "holds a box that is not four numbers")
    assert isinstance(box, list)
    places = []
    for value, (low, high) in zip(box, (ends[0], ends[0], ends[1], ends[1]), strict=True):
        places.append(SIDE * min(max((value - low) / (high - low), 0.0), 1.0))
    left, right, bottom, top = places
    wide, tall = right - left, top - bottom
    return f"M{left:.2f} {SIDE - top:.2f}h{wide:.2f}v{tall:.2f}h{-wide:.2f}z"
