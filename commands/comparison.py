"""Two networks compared over a region: how far apart they are, or a claim about both.

`compare` is the Python face; the verb of the same name is built from the same parts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import Best, same_best, within
from ..engine.answer import INTERRUPTED, Answer, Effort
from ..engine.claim import Claim, Part
from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.formats.regions import parse_region
from ..engine.network import Affine, Network, Normalisation
from ..engine.pair import fits, merge
from ..engine.question import Question, ask
from ..engine.region import Region
from ..engine.rounding import RUNTIME_ASSUMPTION, up
from ..engine.verdict import Method, Proved, Unknown
from .rounding import file_errors, row_errors

if TYPE_CHECKING:
    from ..engine.discrepancy import Discrepancy
    from ..engine.formats.onnx_runtime import Runtime

Array = NDArray[np.float64]
Number = int | float | Fraction
Units = Literal["network", "raw"]

Errors = tuple[Array, Array]
"""``(outputs,)`` each: how far float evaluation may take f's and g's outputs from the real ones."""

EQUAL = "both networks are made of the same neurons, so f and g compute the same"

UNBOUNDED = "the rounding of float evaluation cannot be bounded over the region"

GAP = 0.01
"""Relative width at which an enclosure of a distance is good enough; no unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One of two networks.

    Attributes:
        network: the IR.
        outputs: names of its output tensors in the file, in the order of the flat output; empty
            where no file states an element type to compute in.
        runtime: of that file.
    """

    network: Network
    outputs: tuple[str, ...] = ()
    runtime: Runtime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two networks, f and g, and a region of their common inputs.

    Attributes:
        first: f.
        second: g, with as many inputs and outputs.
        region: closed box, network units.
        normalisation: of their inputs, where one of them states it or both state the same.
    """

    first: Member
    second: Member
    region: Region
    normalisation: Normalisation | None = None

    @property
    def networks(self) -> tuple[Network, Network]:
        """Both networks."""
        return self.first.network, self.second.network

    @property
    def runtimes(self) -> tuple[Runtime | None, Runtime | None]:
        """What replays their files."""
        return self.first.runtime, self.second.runtime


def pair_of(
    first: str | Path | Network,
    second: str | Path | Network,
    region: str | Path | Region,
    units: Units = "network",
) -> Pair:
    """Return two networks ready to be compared.

    Args:
        first: f: a file ending in .onnx or .nnet, or a network, which is then taken without a file.
        second: g.
        region: closed box in network units, or a text or file as `parse_region` reads it.
        units: of the limits in such a text or file.

    Raises:
        InputError: a file or a region that cannot be used; other numbers of inputs or outputs; raw
            limits that mean one box to f and another to g.
    """
    one, two = _member(first), _member(second)
    if two.network is one.network:  # a question takes one object for one network
        two = replace(two, network=replace(two.network))
    fits(one.network, two.network)
    stating = [m.network for m in (one, two) if m.network.normalisation is not None]
    boxes = [
        region.fit(network) if isinstance(region, Region) else parse_region(region, network, units)
        for network in stating or [one.network]
    ]
    corners = {(box.exact_lower, box.exact_upper) for box in boxes}
    if len(corners) > 1:
        raise InputError(
            f"{boxes[0].name}: {one.network.origin.path} and {two.network.origin.path} state "
            "different normalisations, so raw units mean two boxes: give limits in network units"
        )
    normals = [network.normalisation for network in stating]
    alike = len({_numbers(normal) for normal in normals if normal is not None}) == 1
    return Pair(one, two, boxes[0], normals[0] if alike else None)


def _numbers(normal: Normalisation) -> tuple[bytes, ...]:
    return normal.mean.tobytes(), normal.range.tobytes()


def _member(source: str | Path | Network) -> Member:
    if isinstance(source, Network):
        return Member(source)
    if Path(source).suffix.lower() != ".onnx":
        return Member(load(source))
    from ..engine.formats.models import read_model

    model = read_model(source)
    return Member(model.network, tuple(info.name for info in model.outputs), model.runtime)


@overload
def compare(
    first: str | Path | Network,
    second: str | Path | Network,
    region: str | Path | Region,
    *,
    gap: float = GAP,
    units: Units = "network",
    effort: Effort | None = None,
) -> Discrepancy: ...


@overload
def compare(
    first: str | Path | Network,
    second: str | Path | Network,
    region: str | Path | Region,
    *,
    epsilon: Number,
    outputs: Sequence[int] | None = None,
    units: Units = "network",
    effort: Effort | None = None,
) -> Answer: ...


@overload
def compare(
    first: str | Path | Network,
    second: str | Path | Network,
    region: str | Path | Region,
    *,
    top1: Literal["min", "max"],
    band: Number = 0,
    units: Units = "network",
    effort: Effort | None = None,
) -> Answer: ...


def compare(
    first: str | Path | Network,
    second: str | Path | Network,
    region: str | Path | Region,
    *,
    epsilon: Number | None = None,
    outputs: Sequence[int] | None = None,
    top1: Literal["min", "max"] | None = None,
    band: Number = 0,
    gap: float = GAP,
    units: Units = "network",
    effort: Effort | None = None,
) -> Discrepancy | Answer:
    """Return how far two networks are apart over a region, or whether they agree there.

    Args:
        first: f: a file ending in .onnx or .nnet, or a network, which is then taken without a file.
        second: g, with as many inputs and outputs.
        region: closed box in network units, or a text or file as `parse_region` reads it.
        epsilon: ask whether ``|f - g| <= epsilon`` on every output, output units; a float means
            the number that it is exactly, so ``Fraction("0.1")`` is one tenth and ``0.1`` is not.
        outputs: ask that of these outputs alone.
        top1: ask whether g has the same smallest or largest output as f; see `same_best` for ties.
        band: by how much f must prefer its best for that to be asked, output units.
        gap: relative width at which an enclosure of a distance is good enough.
        units: of the limits in a text or file: network or raw.
        effort: how much to spend. Its semantics float32 asks about the values that the files'
            runtimes compute in their element types; declared and real ask about real arithmetic.

    Returns:
        Without epsilon and top1 the `Discrepancy`, an enclosure for each output and norm; with one
        of them an `Answer`, whose verdict is proved, refuted by a replayed witness, or unknown.

    Raises:
        InputError: a file, a region or a number that cannot be used; a float evaluation that
            nothing states.
    """
    effort = effort or Effort()
    if epsilon is not None and top1 is not None:
        raise InputError("epsilon and top1 ask two questions: give one of them")
    if epsilon is None and outputs is not None:
        raise InputError("outputs go with epsilon: give one, or leave them out")
    if top1 is None and band != 0:
        raise InputError("a band goes with top1: say min or max, or leave it out")
    for name, value in (("epsilon", epsilon), ("band", band), ("gap", gap)):
        if value is not None and not math.isfinite(value):
            raise InputError(f"{name} is {value}: give a finite number")
    pair = pair_of(first, second, region, units)
    errors = output_errors(pair) if effort.semantics == "float32" else None
    if epsilon is not None:
        claim = within(*pair.networks, pair.region, Fraction(epsilon), outputs)
        return decided(pair, claim, effort, errors)
    if top1 is not None:
        if top1 not in set(Best):
            raise InputError(f"unknown top1 {top1!r}: take min or max")
        claim = same_best(*pair.networks, pair.region, Best(top1), Fraction(band))
        return decided(pair, claim, effort, errors)
    return apart(pair, gap, effort, errors)


def decided(pair: Pair, claim: Claim, effort: Effort, errors: Errors | None) -> Answer:
    """Return the answer to a claim about a pair; see `compare`.

    Args:
        pair: of which it is asked.
        claim: as `within` or `same_best` gives it.
        effort: how much to spend; its semantics is not read.
        errors: as `output_errors` gives them; None for real arithmetic.
    """
    from ..engine.decide import decide

    begun = time.monotonic()
    if errors is None and equal(pair):
        return Answer(Proved(Method.RATIONAL, 0), note=EQUAL, reach=0.0)
    question = ask(claim, list(pair.networks))
    room = None if errors is None else _row_room(question, errors)
    rest = replace(effort, seconds=effort.seconds - (time.monotonic() - begun))
    if room is None or all(
        np.isfinite(room[[row for row, _ in one.atoms]]).any() for one in question.alternatives
    ):
        answer = decide(question, rest, list(pair.runtimes), room)
        stated = room is not None and isinstance(answer.verdict, Proved)
        return replace(answer, note=RUNTIME_ASSUMPTION) if stated else answer
    # No bound can prove it; a witness may still refute it.
    answer = decide(question, replace(rest, boxes=0), list(pair.runtimes), room)
    hopeless = isinstance(answer.verdict, Unknown) and answer.verdict.reason != INTERRUPTED
    return replace(answer, verdict=Unknown(UNBOUNDED)) if hopeless else answer


def apart(pair: Pair, gap: float, effort: Effort, errors: Errors | None) -> Discrepancy:
    """Return how far a pair is apart; see `compare`.

    Args:
        pair: of which it is asked.
        gap: relative width at which an enclosure is good enough.
        effort: how much to spend; its semantics is not read.
        errors: as `output_errors` gives them; None for real arithmetic.

    Raises:
        InputError: a gap below 0.
    """
    if not gap >= 0:
        raise InputError(f"the gap is {gap:g}: give a share of at least 0")
    from ..engine.discrepancy import Discrepancy, Norm, Span, discrepancy
    from .computed import computed

    if equal(pair):
        none = Span(0.0, 0.0)
        outputs = (none,) * pair.first.network.size_out
        found = Discrepancy(outputs, dict.fromkeys(Norm, none), 0, 0.0, closed=True)
    else:
        found = discrepancy(*pair.networks, pair.region, effort, list(pair.runtimes), gap)
    return found if errors is None else computed(found, pair.runtimes, up(errors[0] + errors[1]))


def equal(pair: Pair) -> bool:
    """Return whether every output of f is one of g neuron by neuron, so that f - g is exactly 0."""
    merged = merge(*pair.networks).network
    rows = merged.by_name[merged.output].layer
    assert isinstance(rows, Affine)
    return not rows.operator.matrix().any() and not rows.bias.any()


def output_errors(pair: Pair) -> Errors:
    """Return ``(outputs,)`` how far f's and g's float evaluation takes them from their real values.

    Raises:
        InputError: a network whose file states no element type, or that has no file; a region
            without a number of the element types.
    """
    dtype = coarsest(pair)
    for member in (pair.first, pair.second):
        if not member.outputs:
            raise InputError(
                f"float32 arithmetic: {member.network.origin.path} states no element type to "
                "compute in: name an .onnx file, or ask about real arithmetic"
            )
    pins = pair.region.lattice(dtype).pins
    if pins:
        raise InputError(
            f"{pair.region.name}: input {min(pins)} has no {dtype} number between its limits, so "
            "float evaluation is never asked there: widen them, or ask about real arithmetic"
        )
    lower, upper = pair.region.lower, pair.region.upper
    first, second = (
        np.concatenate(file_errors(member.network.origin.path, lower, upper, member.outputs))
        for member in (pair.first, pair.second)
    )
    return first, second


def coarsest(pair: Pair) -> str:
    """Return the coarser of the two element types: its numbers are inputs of both files."""
    return min(
        (network.origin.dtype for network in pair.networks),
        key=lambda kind: np.dtype(kind).itemsize,
    )


def _row_room(question: Question, errors: Errors) -> Array:
    """Return ``(rows,)`` by how much float evaluation may take each row from its real value."""
    error = np.zeros(question.claim.size)
    for network, found in enumerate(errors):
        for tensor in question.claim.of(network, Part.OUTPUT):
            error[tensor.first : tensor.first + tensor.size] = found
    return row_errors(question, error)
