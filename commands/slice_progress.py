"""The progress of a run over cells: how many are done, what is gone, how long the rest takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from ..slicing.work import WORDS, Done, Ended, Result
from .terminal import Terminal

Take = Callable[[Sequence[Ended]], None]
"""What is given outcomes as they come."""


@dataclass(slots=True, eq=False)
class Meter:
    """What has come in so far.

    Attributes:
        total: cells that are asked for.
        before: of these, how many had an outcome when the run began.
        ended: cells of this run by outcome.
        asked: neurons of the cells that are done.
        left: of these, how many stay.
    """

    total: int
    before: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    left: int = 0

    def take(self, ended: Sequence[Ended]) -> None:
        """Count outcomes."""
        for one in ended:
            self.ended[WORDS[type(one.outcome)]] += 1
            if isinstance(one.outcome, Done):
                assert isinstance(one.outcome.result, Result)
                figures: Mapping[str, Any] = one.outcome.result.figures
                self.asked += sum(layer[0] for layer in figures["layers"])
                self.left += int(figures["left"])

    @property
    def settled(self) -> int:
        """Cells with an outcome, earlier ones counted."""
        return self.before + sum(self.ended.values())

    def words(self) -> str:
        """Return the counts in words."""
        parts = [f"{self.settled}/{self.total} cells"]
        bad = [word for word in WORDS.values() if word != WORDS[Done] and self.ended[word]]
        parts += [f"{self.ended[word]} {word}" for word in bad]
        if self.asked:
            parts.append(f"{100.0 * (1.0 - self.left / self.asked):.1f} % of neurons removed")
        return ", ".join(parts)


class _Left(ProgressColumn):
    """How long the rest takes, by the pace of this run alone."""

    def render(self, task: Task) -> Text:
        """Return the time left, of minutes and hours."""
        meter = task.fields["meter"]
        done, elapsed = meter.settled - meter.before, task.elapsed
        if not done or elapsed is None:
            return Text("")
        seconds = elapsed / done * (meter.total - meter.settled)
        return Text(f"{timedelta(seconds=round(seconds))} left")


@contextmanager
def watched(meter: Meter, terminal: Terminal) -> Iterator[Take]:
    """Hand out what takes outcomes for a meter: a bar shows it on a terminal, nothing elsewhere."""
    if terminal.silent or not terminal.err.is_terminal:
        yield meter.take
        return
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), _Left())
    with Progress(*columns, console=terminal.err, transient=True) as bar:
        task = bar.add_task("workers begin", total=meter.total, completed=meter.before, meter=meter)

        def take(ended: Sequence[Ended]) -> None:
            meter.take(ended)
            if ended:
                bar.update(task, completed=meter.settled, description=meter.words())

        yield take
