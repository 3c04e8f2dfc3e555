"""`secateur forget disagreement`: where two networks choose different classes, by proof."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..compression.disagreement import (
    Disagreement,
    Sample,
    Settled,
    Spending,
    disagreement,
    sampled,
)
from ..compression.volumes import box_shares
from ..engine.agreement import Best
from ..engine.answer import INTERRUPTED
from ..engine.errors import InputError
from ..engine.region import Region
from ..engine.rounding import float_above, float_below
from .comparison import Pair, pair_of
from .options import Exit, Options, Pick, Side, cores
from .record import Record, envelope, network_record, region_record, write_record
from .targets import check_targets
from .terminal import Terminal, above, below

POINTS = 20_000
"""Random points of the region whose classes are compared."""

DRAWN = 3000
"""Boxes that the map of two inputs is made of, about."""

LISTED = 20
"""Boxes on which the classes are proved to differ that a record lists, the largest."""

MANY = 32
"""Inputs from which on a plane through two of them says nothing."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be compared.

    Attributes:
        first: file of the original.
        second: file of the compressed network.
        region: as it was typed.
        units: of the region's limits.
        best: which output is the class.
        seconds: of the search.
        gap: width of the enclosed share at which it ends.
        workers: threads; None for as many as cores.
        report: where a page goes; None for nowhere.
        began: when the command did, on `time.monotonic`.
    """

    first: Path
    second: Path
    region: str
    units: Side = Side.NETWORK
    best: Pick = Pick.MAX
    seconds: float = 30.0
    gap: float = 0.01
    workers: int | None = None
    report: Path | None = None
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise InputError(f"--seconds {self.seconds:g}: give seconds above 0")
        if not 0 <= self.gap < 1:
            raise InputError(f"--gap {self.gap:g}: give a share from 0 to below 1")
        if self.workers is not None and not 1 <= self.workers <= 1024:
            raise InputError(f"--workers {self.workers}: give a number from 1 to 1024")


def run(order: Order, options: Options) -> Exit:
    """Enclose the share of a region where classes differ; print it and its largest boxes.

    Ends DONE if the enclosure is as narrow as asked for, else UNKNOWN.

    Raises:
        InputError: a file, a region or a number that cannot be used.
    """
    files = [Path(order.region)] if Path(order.region).suffix else []
    check_targets(
        [("--json", options.json, ()), ("--report", order.report, (".html", ".htm"))],
        [order.first, order.second, *files],
    )
    terminal = Terminal.of(options)
    pair = pair_of(order.first, order.second, order.region, order.units.value)
    best = Best(order.best.value)
    workers = order.workers or min(32, cores())
    with terminal.progress("disagreement") as show:

        def shown(differ: float, agree: float) -> None:
            show("boxes", int(1e6 * (differ + agree)), 1_000_000)

        spending = Spending(order.seconds, math.inf, workers, order.gap)
        found = disagreement(*pair.networks, pair.region, best, spending, shown)
    sample = sampled(*pair.networks, pair.region, best, POINTS, options.seed)
    plane = None if found.interrupted else _plane(order, pair, best, workers)
    record = _record(order, options, pair, found, sample, plane)
    _say(terminal, record)
    if order.report is not None:
        from ..report import write_forget_report

        write_forget_report(order.report, record)
    write_record(record, options.json)
    return Exit(record["exit"])


def _plane(order: Order, pair: Pair, best: Best, workers: int) -> Record | None:
    """Return the map of the two widest inputs, all others at the middle of the region."""
    region = pair.region
    width = region.upper - region.lower
    wide = np.flatnonzero(np.array(region.exact_lower) < np.array(region.exact_upper))
    if len(wide) < 2 or region.size > MANY:
        return None
    normal = pair.normalisation
    scale = np.ones(region.size) if normal is None else normal.maximum - normal.minimum
    share = width * (1.0 if normal is None else normal.range) / np.where(scale > 0, scale, 1.0)
    axes = sorted(int(i) for i in wide[np.argsort(-share[wide], kind="stable")[:2]])
    corners = [list(region.exact_lower), list(region.exact_upper)]
    for index in range(region.size):
        if index not in axes:
            low, high = (corner[index] for corner in corners)
            middle = Fraction(float((low + high) / 2))
            corners[0][index] = corners[1][index] = min(max(middle, low), high)
    cut = Region(tuple(corners[0]), tuple(corners[1]), region.name)
    spending = Spending(max(1.0, order.seconds / 4), DRAWN, workers, 1e-4)
    found = disagreement(*pair.networks, cut, best, spending)
    parts = (
        ("differ", found.differing.lower, found.differing.upper),
        ("agree", found.agreeing.lower, found.agreeing.upper),
        ("open", found.lower, found.upper),
    )
    return {
        "across": _axis(axes[0], cut, pair),
        "along": _axis(axes[1], cut, pair),
        "fixed": [
            {"input": index, "value": float(corners[0][index])}
            for index in range(region.size)
            if index not in axes
        ],
        "share": _shares(found),
        "boxes": {
            name: np.stack(
                [lower[:, axes[0]], upper[:, axes[0]], lower[:, axes[1]], upper[:, axes[1]]], axis=1
            ).tolist()
            for name, lower, upper in parts
        },
    }


def _axis(index: int, region: Region, pair: Pair) -> Record:
    low, high = float(region.lower[index]), float(region.upper[index])
    normal = pair.normalisation
    raw = None
    if normal is not None:
        ends = (low, high)
        raw = [float(e * normal.range[index] + normal.mean[index]) for e in ends]
    return {"input": index, "low": low, "high": high, "raw": raw}


def _shares(found: Disagreement) -> Record:
    return {"least": found.least, "most": found.most}


def _record(
    order: Order,
    options: Options,
    pair: Pair,
    found: Disagreement,
    sample: Sample,
    plane: Record | None,
) -> Record:
    closed = float_above(1 - found.agree - found.differ) <= order.gap
    end = Exit.DONE if closed else Exit.UNKNOWN
    late = INTERRUPTED if found.interrupted else "the time limit"
    home = next((n for n in pair.networks if n.normalisation), pair.networks[0])
    return envelope(
        "disagreement",
        options,
        end,
        time.monotonic() - order.began,
        networks=[network_record(network) for network in pair.networks],
        region=region_record(pair.region, home),
        best=order.best.value,
        gap=order.gap,
        gap_reached=closed,
        reason=None if closed else late,
        share=_shares(found),
        exact_share=[_exact(found.differ), _exact(1 - found.agree)],
        boxes={
            "bounded": found.bounded,
            "differ": len(found.differing),
            "agree": len(found.agreeing),
            "open": len(found.lower),
        },
        changes=[
            {"from": old, "to": new, "share": float_below(share)}
            for (old, new), share in found.changes.items()
        ],
        largest=_largest(found.differing, pair.region),
        sampled={
            "points": sample.points,
            "differ": sample.differ,
            "witness": None
            if sample.witness is None
            else {
                "input": [float(value) for value in sample.witness],
                "exact_input": [str(value) for value in sample.witness],
                "first": sample.first,
                "second": sample.second,
            },
        },
        map=plane,
    )


def _exact(share: Fraction) -> str | None:
    """Return a share as a quotient, None where it is too long to be read."""
    return str(share) if len(str(share)) <= 60 else None


def _largest(differing: Settled, region: Region) -> list[Record]:
    """Return the largest boxes on which the classes are proved to differ."""
    shares = box_shares(region, differing.lower, differing.upper)
    order = sorted(range(len(differing)), key=lambda box: -shares.inside[box])[:LISTED]
    return [
        {
            "lower": differing.lower[box].tolist(),
            "upper": differing.upper[box].tolist(),
            "share": float_below(Fraction(shares.inside[box], shares.denominator)),
            "first": None if differing.first[box] < 0 else int(differing.first[box]),
            "second": None if differing.second[box] < 0 else int(differing.second[box]),
        }
        for box in order
    ]


def _say(terminal: Terminal, record: Record) -> None:
    share, seen = record["share"], record["sampled"]
    low = below(float_below(100 * Fraction(share["least"])) + 0.0, 5)
    high = above(float_above(100 * Fraction(share["most"])) + 0.0, 5)
    if share["most"] == 0.0:
        terminal.say("Proved: both networks choose the same class on all of the region's volume.")
    else:
        terminal.say(f"Classes differ on {low} % to {high} % of the region, by proof.")
    terminal.say(
        f"Of {seen['points']} random points {seen['differ']} differ "
        f"({100 * seen['differ'] / seen['points']:.4g} %)."
    )
    if record["changes"]:
        rows = [
            (f"{one['from']} to {one['to']}", below(100 * one["share"], 4))
            for one in record["changes"][:LISTED]
        ]
        terminal.table("Proved to change", ("class", "at least, % of the region"), rows)
    counts = record["boxes"]
    terminal.say(
        f"{counts['bounded']} boxes bounded: {counts['differ']} differ, {counts['agree']} agree, "
        f"{counts['open']} open."
    )
    if record["reason"]:
        terminal.say(f"The enclosure is wider than {record['gap']:g}: {record['reason']}.")
