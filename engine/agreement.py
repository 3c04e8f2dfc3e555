"""Claims that two networks agree on a region: within a distance, or about their best output.

Both are about networks with the same inputs; what is written down is the negation, as in `claim`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction

from .claim import Atom, Case, Claim, Declared, Part, Polynomial, Tensor
from .errors import InputError
from .network import Network
from .region import Region


class Best(StrEnum):
    """Which output is a network's choice."""

    MAX = "max"
    MIN = "min"


def within(
    first: Network,
    second: Network,
    region: Region,
    epsilon: Fraction | int,
    outputs: Sequence[int] | None = None,
) -> Claim:
    """Return the claim that ``|f - g| <= epsilon`` on some outputs over a region.

    Args:
        first: f.
        second: g, with as many inputs and outputs.
        region: closed box, network units.
        epsilon: in output units, at least 0; the bound itself is allowed.
        outputs: which outputs; all where absent.

    Raises:
        InputError: another number of inputs or outputs; a negative epsilon; no such output, or
            an empty choice of them.
    """
    size = _check(first, second, region)
    if epsilon < 0:
        raise InputError(f"epsilon is {float(epsilon):.9g}: give a distance of at least 0")
    chosen = list(range(size)) if outputs is None else list(outputs)
    if not chosen:
        raise InputError(
            "no output is asked about: name at least one, or leave the choice out for all"
        )
    for output in chosen:
        if not 0 <= output < size:
            raise InputError(f"output {output}: the networks have outputs 0 to {size - 1}")
    one, two = _outputs(region.size, size)
    cases: list[Case] = []
    for output in chosen:
        apart = Polynomial.variable(one[output]).plus(Polynomial.variable(two[output]), -1)
        for sign in (1, -1):  # epsilon - sign (f - g) < 0
            form = Polynomial.constant(epsilon).plus(apart, -sign)
            cases.append((Atom(form, strict=True),))
    return _claim(region, size, cases, f"|f - g| <= {float(epsilon):.9g}")


def same_best(
    first: Network,
    second: Network,
    region: Region,
    best: Best = Best.MAX,
    band: Fraction | int = 0,
    room: Fraction | int = 0,
) -> Claim:
    """Return the claim that g never prefers another output to the one that f prefers.

    It fails where one output i of f strictly passes all others by more than the band, and an output
    of g strictly passes g's output i. Where f has a tie nothing is asked of g; a tie of g between
    its best and f's best is allowed. With room, no output of g may even come nearer to passing its
    output i than that, so that g may be changed by half of it and the claim still holds without.

    Args:
        first: f.
        second: g, with as many inputs and outputs.
        region: closed box, network units.
        best: whether the largest or the smallest output is preferred.
        band: by how much f must prefer its best for the claim to say anything, output units.
        room: by how much g must prefer f's best to every other output, output units.

    Raises:
        InputError: another number of inputs or outputs; a single output; a negative band or room.
    """
    size = _check(first, second, region)
    if size < 2:
        raise InputError("the networks have a single output: there is no best of several")
    if band < 0:
        raise InputError(f"the band is {float(band):.9g}: give a distance of at least 0")
    if room < 0:
        raise InputError(f"the room is {float(room):.9g}: give a distance of at least 0")
    one, two = _outputs(region.size, size)
    sign = 1 if best is Best.MAX else -1

    def passes(variables: Sequence[int], winner: int, other: int, by: Fraction | int) -> Atom:
        form = Polynomial.constant(by).plus(Polynomial.variable(variables[winner]), -sign)
        return Atom(form.plus(Polynomial.variable(variables[other]), sign), strict=True)

    cases: list[Case] = []
    for winner in range(size):
        others = [output for output in range(size) if output != winner]
        wins = tuple(passes(one, winner, other, band) for other in others)
        cases += [(*wins, passes(two, other, winner, -room)) for other in others]
    return _claim(region, size, cases, f"same {best.value}imum")


def _check(first: Network, second: Network, region: Region) -> int:
    for what, one, two in (
        ("inputs", first.size_in, second.size_in),
        ("outputs", first.size_out, second.size_out),
    ):
        if one != two:
            raise InputError(
                f"{first.origin.path} has {one} {what}, {second.origin.path} has {two}: two "
                "networks can be compared when they have the same inputs and outputs"
            )
    region.fit(first)
    return first.size_out


def _outputs(inputs: int, outputs: int) -> tuple[range, range]:
    start = inputs + outputs + inputs
    return range(inputs, inputs + outputs), range(start, start + outputs)


def _claim(region: Region, outputs: int, cases: Sequence[Case], what: str) -> Claim:
    inputs, whole = region.size, 2 * region.size + 2 * outputs
    limits: list[Atom] = []
    for index in range(inputs):
        x = Polynomial.variable(index)
        apart = x.plus(Polynomial.variable(inputs + outputs + index), -1)
        limits += [Atom(apart), Atom(Polynomial({}).plus(apart, -1))]
        limits.append(Atom(x.plus(Polynomial.constant(region.exact_upper[index]), -1)))
        limits.append(Atom(Polynomial.constant(region.exact_lower[index]).plus(x, -1)))
    tensors = []
    first = 0
    for network in range(2):
        for name, part, size in (("X", Part.INPUT, inputs), ("Y", Part.OUTPUT, outputs)):
            tensors.append(Tensor(f"{name}{network + 1}", network, part, "real", (size,), first))
            first += size
    assert first == whole
    return Claim(
        (Declared("f"), Declared("g")),
        tuple(tensors),
        tuple((*limits, *case) for case in cases),
        f"{what} over {region.name}",
    )
