"""Published questions about two networks: what is asked, what is known, and by whom."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache
from math import prod
from pathlib import Path
from typing import Final

from ..engine.claim import Atom, Case, Claim, Declared, Part, Polynomial, Tensor
from .machine import data

FAMILIES: Final = (
    "vnncomp26-iso-june",
    "verydiff-acas",
    "reludiff-acas16",
    "nnequiv",
    "reludiff-mnist16",
)
"""Where the questions come from, the largest search spaces first."""

BOXES = re.compile(r"zonotopes=(\d+)")


class Asks(Enum):
    """What two networks are asked to share."""

    ALL = "eps_all"
    TARGET = "eps_target"
    TOP = "top1"


class Known(Enum):
    """What somebody has published about a question."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "not_equivalent"
    OPEN = "unknown"


@dataclass(frozen=True, slots=True)
class PairInstance:
    """Whether two networks agree over a box.

    Attributes:
        name: unique.
        family: one of `FAMILIES`.
        first, second: ONNX files of f and g.
        lower, upper: ``(inputs,)`` the box, decimals as they are written.
        asks: what is to hold.
        epsilon: largest difference allowed, network output units; None for TOP.
        target: the output that TARGET speaks of.
        known: published result; OPEN where there is none.
        known_boxes: sub-boxes that the published search took; None where it does not say.
        known_seconds: published wall time, on another machine.
    """

    name: str
    family: str
    first: Path
    second: Path
    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    asks: Asks
    epsilon: Fraction | None
    target: int | None
    known: Known
    known_boxes: int | None = None
    known_seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.asks is Asks.TOP) != (self.epsilon is None):
            raise ValueError(f"{self.name}: {self.asks.value} with epsilon {self.epsilon}")
        if (self.asks is Asks.TARGET) != (self.target is not None):
            raise ValueError(f"{self.name}: {self.asks.value} with target {self.target}")
        if len(self.lower) != len(self.upper) or not self.lower:
            raise ValueError(f"{self.name}: {len(self.lower)} and {len(self.upper)} limits")

    def scaled(self, factor: Fraction) -> PairInstance:
        """Return the same question over the box shrunk around its centre; factor in (0, 1]."""
        pairs = list(zip(self.lower, self.upper, strict=True))
        middle = [(low + high) / 2 for low, high in pairs]
        half = [(high - low) / 2 * factor for low, high in pairs]
        return replace(
            self,
            name=f"{self.name} box {float(factor):g}",
            lower=tuple(m - h for m, h in zip(middle, half, strict=True)),
            upper=tuple(m + h for m, h in zip(middle, half, strict=True)),
        )

    def within(self, epsilon: Fraction) -> PairInstance:
        """Return the same question with another epsilon."""
        return replace(self, name=f"{self.name} eps {float(epsilon):g}", epsilon=epsilon)

    def claim(self, shape_out: tuple[int, ...], shape_in: tuple[int, ...] = ()) -> Claim:
        """Return the question as a claim about networks ``f`` and ``g`` with tied inputs.

        Its cases are the ways to disagree: an output whose difference is above epsilon in absolute
        value, or a strictly largest output of f that some output of g exceeds.

        Args:
            shape_out: of each network's output.
            shape_in: of each network's input; flat by default.

        Raises:
            ValueError: an input shape of another size than the box.
        """
        size, outputs = len(self.lower), prod(shape_out)
        if prod(shape_in or (size,)) != size:
            raise ValueError(f"{self.name}: {size} limits for inputs of shape {list(shape_in)}")
        shapes = [(Part.INPUT, shape_in or (size,)), (Part.OUTPUT, shape_out)] * 2
        names = ("X", "Y", "X2", "Y2")
        tensors, first = [], 0
        for index, (name, (part, shape)) in enumerate(zip(names, shapes, strict=True)):
            tensors.append(Tensor(name, index // 2, part, "float32", shape, first))
            first += prod(shape)
        inside = tuple(self._inside(size, size + outputs))
        ours, theirs = size, 2 * size + outputs
        cases = tuple((*inside, *case) for case in self._disagree(ours, theirs, outputs))
        return Claim((Declared("f"), Declared("g")), tuple(tensors), cases, self.name)

    def merged_query(self, outputs: int) -> str | None:
        """Return the question about the network ``f - g`` as a VNN-LIB 1 file; None for TOP.

        Version 1 as most verifiers read it has no strict inequality: here a difference of exactly
        epsilon counts as one too many. The limits are the float64 numbers nearest to the decimals.

        Args:
            outputs: of each network.
        """
        if self.epsilon is None:
            return None
        limits = list(zip(self.lower, self.upper, strict=True))
        lines = [f"(declare-const X_{index} Real)" for index in range(len(limits))]
        lines += [f"(declare-const Y_{index} Real)" for index in range(outputs)]
        for index, (low, high) in enumerate(limits):
            lines.append(f"(assert (>= X_{index} {_decimal(low)}))")
            lines.append(f"(assert (<= X_{index} {_decimal(high)}))")
        cases = []
        for index in range(outputs) if self.target is None else [self.target]:
            cases.append(f"    (and (>= Y_{index} {_decimal(self.epsilon)}))")
            cases.append(f"    (and (<= Y_{index} {_decimal(-self.epsilon)}))")
        return "\n".join([*lines, "(assert (or", *cases, "))"]) + "\n"

    def _inside(self, size: int, second: int) -> Iterator[Atom]:
        """Yield that the inputs lie in the box and are the same for both networks."""
        for index, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            x, other = Polynomial.variable(index), Polynomial.variable(second + index)
            yield Atom(Polynomial.constant(low).plus(x, -1))
            yield Atom(x.plus(Polynomial.constant(high), -1))
            yield Atom(x.plus(other, -1))
            yield Atom(other.plus(x, -1))

    def _disagree(self, ours: int, theirs: int, outputs: int) -> Iterator[Case]:
        def f(index: int) -> Polynomial:
            return Polynomial.variable(ours + index)

        def g(index: int) -> Polynomial:
            return Polynomial.variable(theirs + index)

        if self.epsilon is None:
            for best in range(outputs):
                others = [index for index in range(outputs) if index != best]
                wins = tuple(Atom(f(index).plus(f(best), -1), strict=True) for index in others)
                for beats in others:
                    yield (*wins, Atom(g(best).plus(g(beats), -1), strict=True))
            return
        for index in range(outputs) if self.target is None else [self.target]:
            for one, other in ((f(index), g(index)), (g(index), f(index))):
                difference = one.plus(other, -1)
                allowed = Polynomial.constant(self.epsilon)
                yield (Atom(allowed.plus(difference, -1), strict=True),)


def pair_instances() -> tuple[PairInstance, ...]:
    """Return the instances, family by family, in the order of the list.

    Raises:
        SystemExit: the list is not there.
    """
    folder = data() / "pairs"
    path = folder / "index.csv"
    if not path.is_file():
        raise SystemExit(f"there is no file {path}: the pairs are not published with secateur")
    with path.open(newline="") as file:
        found = [_instance(row, folder) for row in csv.DictReader(file)]
    return tuple(sorted(found, key=lambda one: FAMILIES.index(one.family)))


def _instance(row: dict[str, str], folder: Path) -> PairInstance:
    lower, upper = _boxes(folder / row["box_file"])[row["box_id"]]
    boxes = BOXES.search(row["notes"])
    known = row["known_result"].partition(" (")[0]
    return PairInstance(
        name=row["instance"],
        family=row["family"],
        first=folder / row["netA"],
        second=folder / row["netB"],
        lower=lower,
        upper=upper,
        asks=Asks(row["property"]),
        epsilon=Fraction(row["epsilon"]) if row["epsilon"] else None,
        target=int(row["target_output"]) if row["target_output"] else None,
        known=Known(known or "unknown"),
        known_boxes=int(boxes[1]) if boxes else None,
        known_seconds=float(row["known_time_s"]) if row["known_time_s"] else None,
    )


def _decimal(value: Fraction) -> str:
    """Return the nearest float64 without an exponent, which not every reader takes."""
    return f"{Decimal(repr(float(value))):f}"


Corner = tuple[Fraction, ...]


@cache
def _boxes(path: Path) -> dict[str, tuple[Corner, Corner]]:
    """Return the boxes of a file; a decimal means what it says."""
    found = json.loads(path.read_text(), parse_float=Fraction, parse_int=Fraction)
    return {name: (tuple(box["lo"]), tuple(box["hi"])) for name, box in found.items()}
