"""What a comparison knows in numbers: enclosures, margins, and the points where they are met."""

from __future__ import annotations

from .envelope import INPUTS
from .read import Part
from .spans import Span, measured, spans
from .tree import Block, Facts, Gallery, Section, Style, Table, Text
from .wording import DASH, downward, per_cent, plain, short, upward

DRAWN = 60
"""Enclosures that a figure shows."""

LISTED = 1000
"""Enclosures and outputs that a table lists; the record has all."""

POINTS = 20
"""Witnesses that are shown; the record has all."""

NORMS = {"inf": "largest output", "1": "1-norm", "2": "2-norm"}
"""The norms in words."""


def enclosures(part: Part) -> list[Section]:
    """Return the enclosures of the largest distances, as a figure and a table.

    Args:
        part: a record of `compare`.
    """
    if part.empty("outputs") or part.empty("norms"):
        return []
    named = [(f"output {one.count('index')}", one) for one in part.parts("outputs")[:LISTED]]
    norms = part.part("norms")
    named += [(name, norms.part(key)) for key, name in NORMS.items() if norms.has(key)]
    drawn = [(name, one) for name, one in named if name != NORMS["inf"]][-DRAWN:]
    figure = spans(
        "From attained to proved, output units",
        "Enclosures of the largest distance of f and g, by output and norm",
        [_span(name, one) for name, one in drawn],
    )
    columns = (
        "distance",
        "attained",
        "proved",
        "gap",
        "gap of proved",
        "witness",
        "by the runtimes",
    )
    table = Table(
        "The largest |f \u2212 g|: attained at a witness (rounded down) and proved (rounded up)",
        columns,
        tuple(_row(name, one) for name, one in named),
    )
    return [Section("How far apart", (measured(), Gallery((figure,)), table))]


def _span(name: str, one: Part) -> Span:
    low, high = one.maybe("attained", one.number), one.maybe("proved", one.number)
    return Span(name, low, high, f"{_met(low)} to {_most(high)}", 0.0)


def _met(value: float | None) -> str:
    return "nothing met" if value is None else downward(value)


def _most(value: float | None) -> str:
    return "no bound" if value is None else upward(value)


def _row(name: str, one: Part) -> tuple[str, ...]:
    low, high = one.maybe("attained", one.number), one.maybe("proved", one.number)
    gap = None if low is None or high is None else max(high - low, 0.0)
    witness = one.maybe("witness", one.count)
    return (
        name,
        downward(low, 6),
        "no bound" if high is None else upward(high, 6),
        DASH if gap is None else upward(gap, 3),
        DASH if gap is None or high is None else per_cent(gap, high, 1),
        DASH if witness is None else f"point {witness + 1}",
        short(one.maybe("runtime", one.number), 6),
    )


def margin(part: Part) -> list[Section]:
    """Return by how much a claim fails or holds, where it is known.

    Args:
        part: a record of `compare`.
    """
    low, high = part.maybe("attained", part.number), part.maybe("reach", part.number)
    if low is None and high is None:
        return []
    told = f"{_met(low)}, {'no bound' if high is None else f'{upward(high)} proved'}"
    figure = spans(
        "The margin by which the claim fails, output units",
        f"Margin by which the claim fails: {told}",
        [Span("margin", low, high, told)],
        (0.0, "fails above 0"),
    )
    what = (
        "The margin of an input is by how much the claim fails there: for |f \u2212 g| \u2264 E "
        "the distance less E, for the best output the lesser of the two preferences. The bar runs "
        "from about the largest margin that was met to the bound that no input passes."
    )
    return [Section("How near it came", (Text(what), Gallery((figure,))))]


def differences(part: Part) -> list[Section]:
    """Return the witnesses: points, and both networks' outputs there.

    Args:
        part: a record of `compare`.
    """
    points = part.parts("witnesses")
    if not points:
        return []
    blocks: list[Block] = [
        Text(
            "Values were computed in exact rationals; beside them stands what the files' own "
            "runtimes give, where the point is a number of their element type."
        )
    ]
    for number, point in enumerate(points[:POINTS], start=1):
        blocks += [_point(number, point), _values(number, point)]
    if len(points) > POINTS:
        said = f"{POINTS} of {len(points)} points are shown; the record has all."
        blocks.append(Text(said, Style.SMALL))
    return [Section("The witnesses", tuple(blocks))]


def _point(number: int, point: Part) -> Facts | Table:
    values, exact = point.limits("input"), point.texts("exact_input")
    raw = () if point.empty("raw_input") else point.limits("raw_input")
    if len(values) != len(exact) or len(raw) not in (0, len(values)):
        point.wrong("exact_input", "has another number of values than `input`")
    if len(values) > INPUTS:
        return Facts(((f"point {number}", f"{len(values)} inputs, which the record has"),))
    columns = ["input", "value", "exact value", *(["raw value"] if raw else [])]
    rows = [
        (
            str(index),
            plain(value),
            exact[index] if len(exact[index]) <= 40 else "in the record",
            *([short(raw[index], 9)] if raw else []),
        )
        for index, value in enumerate(values)
    ]
    caption = f"Point {number}, network units"
    return Table(caption, tuple(columns), tuple(rows), mono=(1, 2))


def _values(number: int, point: Part) -> Table:
    first, second = point.part("first"), point.part("second")
    one, two = first.limits("values"), second.limits("values")
    if len(one) != len(two):
        second.wrong("values", "has another number of outputs than f")
    seen = _runtime(first, len(one)), _runtime(second, len(two))
    rows = [
        (str(i), short(f, 9), short(g, 9), short(f - g, 6), *(short(side[i], 9) for side in seen))
        for i, (f, g) in enumerate(zip(one, two, strict=True))
    ][:LISTED]
    columns = ("output", "f", "g", "f \u2212 g", "f, runtime", "g, runtime")
    return Table(f"Outputs at point {number}", columns, tuple(rows))


def _runtime(side: Part, outputs: int) -> tuple[float | None, ...]:
    if side.empty("runtime"):
        return (None,) * outputs
    values = side.numbers("runtime")
    if len(values) != outputs:
        side.wrong("runtime", "has another number of outputs than `values`")
    return values
