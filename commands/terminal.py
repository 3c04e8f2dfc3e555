"""What a verb prints for people: lines, tables and a progress bar."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .options import Options

LOG_WIDTH = 150
"""Columns of a table that goes to a file or a pipe, where nothing says how wide the paper is."""


NARROW = 16
"""Columns that a column of words keeps on a narrow terminal; numbers are never cut or broken."""


class Show(Protocol):
    """What is told of the progress of one piece of work: the step, how many are settled, of all."""

    def __call__(self, step: str, settled: int, total: int) -> None:
        """Tell it."""


@dataclass(slots=True, eq=False)
class Terminal:
    """Standard output and standard error, as people read them.

    Attributes:
        silent: print nothing.
    """

    silent: bool = False
    out: Console = field(init=False)
    err: Console = field(init=False)

    def __post_init__(self) -> None:
        """Open both; colours and bars only where a person looks on."""
        wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else LOG_WIDTH
        self.out = Console(quiet=self.silent, width=wide, highlight=False)
        self.err = Console(quiet=self.silent, stderr=True, highlight=False)

    @classmethod
    def of(cls, options: Options) -> Terminal:
        """Return the terminal of a verb."""
        return cls(options.silent)

    def say(self, text: str = "") -> None:
        """Print a line or a paragraph as it stands."""
        self.out.print(escape(text), soft_wrap=not self.out.is_terminal)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        words: int = 1,
        footer: Sequence[object] | None = None,
    ) -> None:
        """Print a table.

        Args:
            title: over it.
            columns: the headings.
            rows: a cell for each column.
            words: how many columns, from the left, hold words and are set flush left.
            footer: a last row, set off.
        """
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for index, column in enumerate(columns):
            side = "left" if index < words else "right"
            whole = index >= words
            table.add_column(escape(column), justify=side, overflow="fold", no_wrap=whole)  # type: ignore[arg-type]
        for row in rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        if footer is not None:
            table.add_section()
            table.add_row(*(escape(str(cell)) for cell in footer), style="bold")
        if title:
            self.out.print(f"[bold]{escape(title)}[/]", soft_wrap=not self.out.is_terminal)
        cells = [columns, *rows, *([] if footer is None else [footer])]
        natural = [max(len(str(row[index])) for row in cells) for index in range(len(columns))]
        shrunk = [min(width, NARROW) if i < words else width for i, width in enumerate(natural)]
        here = self.out.width
        self.out.width = max(here, sum(shrunk) + 3 * len(columns))
        self.out.print(table, crop=False)
        self.out.width = here

    @contextmanager
    def progress(self, what: str) -> Iterator[Show]:
        """Show how a piece of work goes on: a bar on a terminal, nothing elsewhere."""
        if self.silent or not self.err.is_terminal:
            yield lambda step, settled, total: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} settled, by {task.fields[step]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.err, transient=True) as bar:
            task = bar.add_task(escape(what), total=None, step="loading")

            def show(step: str, settled: int, total: int) -> None:
                bar.update(task, completed=settled, total=total, step=step)

            yield show


def below(value: float, digits: int = 6) -> str:
    """Return the value in short, rounded down, so that a lower bound stays one."""
    return _short(value, digits, ROUND_FLOOR)


def above(value: float, digits: int = 6) -> str:
    """Return the value in short, rounded up, so that an upper bound stays one."""
    return _short(value, digits, ROUND_CEILING)


def _short(value: float, digits: int, rounding: str) -> str:
    if not math.isfinite(value):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    rounded = Context(prec=digits, rounding=rounding).create_decimal(Decimal(value))
    return f"{float(rounded):.{digits}g}"


def microseconds(seconds: float | None) -> str:
    """Return a latency for people."""
    return "-" if seconds is None else f"{seconds * 1e6:.1f}"


def share(part: float, whole: float) -> str:
    """Return a part of a whole in per cent."""
    return f"{round(100.0 * part / whole)} %" if whole else "-"


def listed(items: dict[str, Any]) -> str:
    """Return counts in words, the empty ones left out: ``3 interval, 2 linear``."""
    return ", ".join(f"{count} {name}" for name, count in items.items() if count) or "none"
