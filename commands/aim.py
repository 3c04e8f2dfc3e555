"""What to simplify for: the guarantee as people ask for it, and `simplify`, the Python face."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from ..engine.agreement import Best
from ..engine.errors import InputError
from ..engine.formats import load
from ..engine.formats.decimals import exact
from ..engine.formats.regions import parse_region
from ..engine.network import Network
from ..engine.region import Region
from ..redundancy import plan as engine
from ..redundancy.aim import Aim, Lines
from ..redundancy.choice import Order
from ..redundancy.guarantee import Outputs, SameBest
from ..redundancy.phase import Effort
from ..redundancy.plan import Plan
from ..redundancy.steps import Progress
from .options import Choosing, Keep, Line, Side

if TYPE_CHECKING:
    from ..engine.formats.onnx_runtime import Runtime

Number = int | float | Fraction | str

Word = TypeVar("Word", Keep, Side, Choosing, Line)


@dataclass(frozen=True, slots=True)
class Wish:
    """What must stay, as it was asked for.

    Attributes:
        keep: what of the outputs.
        tolerance: by how much an output may move; for the best output the tie band, the lead of
            the original up to which nothing is asked.
        units: of the tolerance.
        order: how removals are chosen.
        lines: which lines relaxed neurons get.
        until: the layer whose values take the place of the outputs, by name or number; None for
            the outputs.
    """

    keep: Keep = Keep.OUTPUTS
    tolerance: Fraction = Fraction(0)
    units: Side = Side.NETWORK
    order: Choosing = Choosing.GREEDY
    lines: Line = Line.OUTPUT
    until: str | None = None

    @property
    def equal(self) -> bool:
        """Whether outputs are to be equal, so that phases alone are removed."""
        return self.keep is Keep.OUTPUTS and self.tolerance == 0

    def aim(self, network: Network) -> Aim:
        """Return what the engine is asked, in network units.

        Raises:
            InputError: raw units for a network that states none, or for a hidden layer; the best
                of a single output; no such layer.
        """
        tolerance = self.tolerance
        if self.units is Side.RAW:
            if self.until is not None and tolerance != 0:
                raise InputError(
                    f"layer {self.until}: values of a hidden layer have no raw units: give the "
                    "tolerance in network units, by --tolerance-units network"
                )
            normal = network.normalisation
            if normal is None:
                raise InputError(
                    f"{network.origin.path} states no normalisation, so a tolerance in raw units "
                    "has no meaning: give it in network units, by --tolerance-units network"
                )
            tolerance /= Fraction(float(normal.output_range))
        guarantee: Outputs | SameBest
        match self.keep:
            case Keep.OUTPUTS:
                guarantee = Outputs(tolerance)
            case Keep.ARGMIN:
                guarantee = SameBest(Best.MIN, tolerance)
            case Keep.ARGMAX:
                guarantee = SameBest(Best.MAX, tolerance)
        aim = Aim(guarantee, Order(self.order.value), Lines(self.lines.value), self.until)
        return aim.fit(network)[0]


def tolerance_of(text: str, place: str = "--tolerance") -> Fraction:
    """Return the tolerance that a text writes, exactly.

    Args:
        text: a decimal, such as 0.05 or 5e-2, or a quotient.
        place: where it stands, for the error.

    Raises:
        InputError: it is no number, not finite, or below 0.
    """
    if text.strip().lower().lstrip("+-") in ("inf", "infinity", "nan"):
        raise InputError(f"{place} {text.strip()}: give a finite number that is 0 or more")
    value = exact(text, place)
    if value < 0:
        raise InputError(f"{place} {text.strip()}: give a number that is 0 or more")
    return value


def simplify(
    network: str | Path | Network,
    region: str | Path | Region,
    effort: Effort | None = None,
    *,
    keep: Literal["outputs", "argmin", "argmax"] = "outputs",
    tolerance: Number = 0,
    units: Literal["network", "raw"] = "network",
    tolerance_units: Literal["network", "raw"] | None = None,
    order: Literal["greedy", "budget", "milp"] = "greedy",
    lines: Literal["nearest", "output"] = "output",
    until: str | int | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Return a smaller network that may replace the given one on a region, and why.

    Args:
        network: a file ending in .onnx or .nnet, or a network.
        region: closed box in network units, or a text or file as `parse_region` reads it.
        effort: how much work to spend.
        keep: what must stay: every output up to the tolerance, or which output is the smallest or
            the largest, wherever it leads by more than the tolerance in the original.
        tolerance: at least 0; a text means exactly what it says, ``"0.1"`` is one tenth.
        units: of the limits in a text or a file.
        tolerance_units: of the tolerance; those of the limits where absent.
        order: how the neurons to remove together are chosen.
        lines: which lines relaxed neurons get.
        until: the layer whose values take the place of the outputs, by name or, from 1, by number;
            what is behind it stays as it is.
        progress: is told the step, how many neurons are settled, and how many there are.

    Raises:
        InputError: a file, a region, a tolerance or a word that cannot be used; the best of a
            single output; raw units for a network that states none.
    """
    net = network if isinstance(network, Network) else load(network)
    if isinstance(region, Region):
        box = region.fit(net)
    else:
        box = parse_region(region, net, _word(Side, units, "units").value)
    text = tolerance if isinstance(tolerance, str) else str(Fraction(_finite(tolerance)))
    wish = Wish(
        _word(Keep, keep, "keep"),
        tolerance_of(text, "tolerance"),
        _word(Side, tolerance_units or units, "tolerance_units"),
        _word(Choosing, order, "order"),
        _word(Line, lines, "lines"),
        None if until is None else str(until),
    )
    runtime = None if isinstance(network, Network) else runtime_of(net)
    return engine.simplify(net, box, effort, runtime, progress, wish.aim(net))


def runtime_of(network: Network) -> Runtime | None:
    """Return what replays the network's file, or None where it is no ONNX file."""
    if network.origin.format != "onnx":
        return None
    from ..engine.formats.onnx_runtime import Runtime

    return Runtime(network.origin.path)


def _word(kind: type[Word], text: str, place: str) -> Word:
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(repr(one.value) for one in kind)
        raise InputError(f"{place} {text!r} is unknown: take one of {words}") from None


def _finite(value: int | float | Fraction) -> int | float | Fraction:
    if value != value or abs(value) == float("inf"):
        raise InputError(f"tolerance {value}: give a finite number that is 0 or more")
    return value
