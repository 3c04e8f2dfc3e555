"""`--explain`: why a way was taken, what each was predicted to take, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from ..engine.answer import Answer
from ..engine.bounds.interval import interval
from ..engine.bounds.linear import linear
from ..engine.cost import BISECTED, Choice, Estimate, Figures, Way, once, pace
from ..engine.network import Network, Piecewise
from ..engine.region import Region
from ..engine.verdict import Method
from .record import Record, number
from .terminal import Terminal

MIB = 2.0**20

STEPS: Mapping[str, Way] = {
    Method.INTERVAL.value: Way.INTERVAL,
    Method.LINEAR.value: Way.ARRAYS,
    Method.OPTIMISED.value: Way.OPTIMISED,
    Method.SPLIT.value: Way.NEURONS,
    Method.LP.value: Way.LP,
}
"""The way whose law a step of the search for phases goes by; others have none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One way of working.

    Attributes:
        estimate: what was predicted; seconds are this machine's.
        chosen: whether it went first, or was a step that was taken.
        count: how many boxes or programs it took; None where that is not known.
        seconds: wall time that it took; None where it did not run, or not alone.
    """

    estimate: Estimate
    chosen: bool
    count: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a way was taken.

    Attributes:
        figures: of the network and the region.
        lines: the ways that were looked at.
        why: one sentence.
        pace: how many times longer than the machine of the laws this one takes.
    """

    figures: Figures
    lines: tuple[Line, ...]
    why: str
    pace: float

    def record(self) -> Record:
        """Return it as a record has it; see docs/json.md."""
        return {
            "figures": asdict(self.figures),
            "why": self.why,
            "pace": self.pace,
            "ways": [
                {
                    "way": one.estimate.way.value,
                    "chosen": one.chosen,
                    "predicted_count": number(one.estimate.count),
                    "predicted_seconds": number(one.estimate.seconds),
                    "predicted_bytes": number(one.estimate.memory),
                    "spread": number(one.estimate.spread),
                    "count": number(one.count),
                    "seconds": number(one.seconds),
                }
                for one in self.lines
            ],
        }

    @property
    def title(self) -> str:
        """The figures in words."""
        f = self.figures
        said = (
            f"{f.neurons} neurons, {f.unstable} of them unstable after linear bounds, "
            f"{f.inputs} inputs with a width, {f.weights} multiply-adds, {f.workers} workers"
        )
        if f.tight > 1.0:
            said += f", {f.tight:.3g} times tight"
        return said

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The rows of the table."""
        return [
            (
                f"{one.estimate.way}{' (taken)' if one.chosen else ''}",
                _short(one.estimate.count),
                f"{_short(one.estimate.seconds)} (x/ {one.estimate.spread:.2g})",
                f"{one.estimate.memory / MIB:.1f}",
                _short(one.count),
                _short(one.seconds),
            )
            for one in self.lines
        ]

    def tell(self, terminal: Terminal) -> None:
        """Print it."""
        terminal.say(f"Why: {self.title}.")
        if self.lines:
            terminal.table("", HEADS, self.cells)
        terminal.say(f"{self.why[0].upper()}{self.why[1:]}.")

    def text(self) -> str:
        """Return it as plain lines, for standard error."""
        rows = [HEADS, *self.cells] if self.lines else []
        wide = [max(len(row[at]) for row in rows) for at in range(len(HEADS))] if rows else []
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, wide, strict=True)) for row in rows]
        return "\n".join([f"Why: {self.title}.", *lines, f"{self.why[0].upper()}{self.why[1:]}."])


HEADS = ("way", "predicted number", "predicted s", "predicted MiB", "number", "s")


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


NOTHING = "Why: bounds, a point or the formula gave the answer before there was anything to choose."
TOO_LATE = "Why: the search ended before there was anything to choose."


def of_answer(answer: Answer) -> Explained | None:
    """Return why a question was answered as it was; None where there was nothing to choose."""
    choice = answer.choice
    if choice is None:
        return None
    return _of_choice(choice, answer.boxes, answer.searched)


def _of_choice(choice: Choice, boxes: float, seconds: float) -> Explained:
    times = pace()
    lines = []
    for one in choice.others:
        taken = one.way is choice.chosen
        count = boxes if taken and one.way is Way.BOXES else None
        lines.append(Line(_here(one, times), taken, count, seconds if taken else None))
    word = "boxes" if choice.chosen is Way.BOXES else "phases"
    return Explained(choice.figures, tuple(lines), f"{word} go first: {choice.why}", times)


def of_region(network: Network, region: Region, workers: int) -> Figures:
    """Return the figures of a network on a region, by interval and linear bounds."""
    box = region.lower[None], region.upper[None]
    bounds = linear(network, *box, known=interval(network, *box))
    unstable = 0
    for node in network.nodes:
        if isinstance(node.layer, Piecewise):
            low, high = bounds[node.sources[0]]
            unstable += int(((low < 0.0) & (high > 0.0)).sum())
    inputs = int((region.lower < region.upper).sum())
    return Figures(
        inputs, network.neurons, network.multiply_adds, unstable, workers=max(1, workers)
    )


def of_networks(networks: Sequence[Network], region: Region, workers: int) -> Figures:
    """Return the figures of several networks together."""
    parts = [of_region(network, region, workers) for network in networks]
    return replace(
        parts[0],
        neurons=sum(one.neurons for one in parts),
        weights=sum(one.weights for one in parts),
        unstable=sum(one.unstable for one in parts),
    )


def of_steps(figures: Figures, seconds: Mapping[str, float], boxes: int) -> Explained:
    """Return why the phases of a region were looked for as they were.

    Args:
        figures: of the region.
        seconds: wall time of each step that was taken, by its method.
        boxes: sub-boxes that were bounded.
    """
    times, lines = pace(), []
    for step, way in STEPS.items():
        count = float(boxes) if way is Way.NEURONS else 1.0
        estimate = _here(once(way, figures, max(1.0, count)), times)
        lines.append(Line(estimate, step in seconds, count, seconds.get(step)))
    few = figures.inputs <= BISECTED
    why = (
        "steps go from cheap to dear, each for what the ones before leave open; with "
        f"{figures.inputs} inputs {'boxes are bisected' if few else 'phases are branched on'} "
        f"then, for these are {'at most' if few else 'more than'} {BISECTED}; boxes and programs "
        "are predicted for the number that was done; predicted is the computing alone, and a "
        "step's time holds what is around it, which in small networks is most"
    )
    return Explained(figures, tuple(lines), why, times)


def of_pair(figures: Figures, boxes: int, seconds: float) -> Explained:
    """Return why a distance was enclosed as it was: by boxes, whose number nothing predicts."""
    times = pace()
    estimate = _here(once(Way.PAIR, figures, max(1, boxes)), times)
    estimate = replace(estimate, seconds=estimate.seconds / max(1, figures.workers))
    why = (
        "an enclosure has no end to be predicted: boxes are bisected until it is narrow enough, "
        "and their seconds are predicted for the number that was done"
    )
    return Explained(figures, (Line(estimate, True, float(boxes), seconds),), why, times)


def of_cells(figures: Figures, cells: int, seconds: float | None) -> Explained:
    """Return what the phases of cells were predicted to take.

    Args:
        figures: of one cell.
        cells: how many were worked on.
        seconds: wall time that their phases took together, if it is known.
    """
    times = pace()
    estimate = _here(once(Way.CELLS, figures, max(1, cells)), times)
    why = (
        "the phases of cells are looked for in many of them together; predicted are linear bounds, "
        "points and a first round of boxes, not later rounds nor what the guarantee takes"
    )
    return Explained(figures, (Line(estimate, True, float(cells), seconds),), why, times)


def _here(estimate: Estimate, times: float) -> Estimate:
    return replace(estimate, seconds=estimate.seconds * times)
