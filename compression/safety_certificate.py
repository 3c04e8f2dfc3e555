"""Certified safety sets: images around which a network provably keeps the class."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..engine.answer import Effort
from ..engine.claim import Atom, Case, Claim, Declared, Part, Polynomial, Tensor
from ..engine.decide import decide
from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.question import ask
from ..engine.region import Region
from ..engine.verdict import Verdict
from .data import Dataset

Show = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Ball:
    """The inputs around an image: an infinity ball, cut to the range of inputs.

    Attributes:
        radius: at least 0, network units.
        lower, upper: of every input; None where there is no limit.

    Raises:
        InputError: a radius below 0, limits the wrong way round.
    """

    radius: Fraction
    lower: Fraction | None = None
    upper: Fraction | None = None

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise InputError(f"radius {float(self.radius):g}: give a number of at least 0")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise InputError(
                f"inputs from {float(self.lower):g} to {float(self.upper):g}: give the lower limit "
                "first"
            )

    def around(self, image: Sequence[float], name: str) -> Region:
        """Return the ball around an image, which lies within the limits or is cut to them."""
        centre = [Fraction(value) for value in image]
        lower = [value - self.radius for value in centre]
        upper = [value + self.radius for value in centre]
        if self.lower is not None:
            lower = [max(value, self.lower) for value in lower]
        if self.upper is not None:
            upper = [min(value, self.upper) for value in upper]
        return Region.box(lower, upper, name)


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one image.

    Attributes:
        row: its number in the data set.
        label: its class.
        verdict: Proved where the label's output is above all others on the whole ball, in real
            arithmetic; Refuted where it is not; Unknown where the effort did not decide.
        seconds: wall time of the answer.
    """

    row: int
    label: int
    verdict: Verdict
    seconds: float


def label_wins(region: Region, label: int, outputs: int) -> Claim:
    """Return the claim that one output is above all others everywhere; a tie refutes it.

    Args:
        region: closed box in network units.
        label: index of the output.
        outputs: how many there are.
    """
    size, inside = region.size, list[Atom]()
    for at, (low, high) in enumerate(zip(region.exact_lower, region.exact_upper, strict=True)):
        value = Polynomial.variable(at)
        inside.append(Atom(Polynomial.constant(low).plus(value, -1)))
        inside.append(Atom(value.plus(Polynomial.constant(-high))))
    best = Polynomial.variable(size + label)
    cases: list[Case] = [
        (*inside, Atom(best.plus(Polynomial.variable(size + other), -1)))
        for other in range(outputs)
        if other != label
    ]
    tensors = (
        Tensor("X", 0, Part.INPUT, "real", (size,), 0),
        Tensor("Y", 0, Part.OUTPUT, "real", (outputs,), size),
    )
    return Claim((Declared("f"),), tensors, tuple(cases), region.name)


def certified(
    network: Network,
    images: Dataset,
    ball: Ball,
    effort: Effort,
    show: Show | None = None,
) -> list[Kept]:
    """Return for each image whether a network provably keeps its label around it.

    Args:
        network: that ships.
        images: with labels.
        ball: around each.
        effort: for each image.
        show: is told of progress.

    Raises:
        InputError: images without labels or that do not fit the network.
    """
    if images.labels is None or images.classes != network.size_out or images.classes < 2:
        raise InputError(
            f"{images.name}: {images.classes} classes for {network.size_out} outputs: give images "
            "with a label for each of two outputs or more"
        )
    if images.features != network.size_in:
        raise InputError(
            f"{images.name}: {images.features} features for {network.size_in} inputs: give the "
            "images that the network takes"
        )
    found = list[Kept]()
    for at, (image, row) in enumerate(zip(images.inputs, images.rows.tolist(), strict=True)):
        began, label = time.monotonic(), int(images.labels[at])
        region = ball.around(image.astype(np.float64).tolist(), f"row {row}")
        claim = label_wins(region, label, network.size_out)
        verdict = decide(ask(claim, [network]), effort).verdict
        found.append(Kept(row, label, verdict, time.monotonic() - began))
        if show is not None:
            show("images", at + 1, len(images))
    return found
