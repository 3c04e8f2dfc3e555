"""A program as an LP or MPS file, every number with all its digits.

Modelling libraries write 12 to 15 digits, which is another program; these files hold the program
itself. Columns are named x0, x1, ... and rows r0, r1, ... as they are numbered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...encodings.program import Program, Sense
from ..errors import FileError, InputError


def export(program: Program, path: Path) -> None:
    """Write the program to a file.

    Args:
        program: what to write.
        path: ends in ``.lp`` or ``.mps``.

    Raises:
        InputError: another ending.
        FileError: the file cannot be written.
    """
    match path.suffix.lower():
        case ".lp":
            lines = _lp(program)
        case ".mps":
            lines = _mps(program)
        case ending:
            raise InputError(
                f"{path}: a program is not written as {ending!r}: end the name in .lp or .mps"
            )
    try:
        path.write_text("\n".join(lines) + "\n", encoding="ascii")
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from error


def _sides(program: Program) -> list[tuple[int, str, str, float]]:
    """Return (row, name, sense, right side), a row with two limits as two: ranges would round."""
    sides = []
    limits = zip(program.rows.lower.tolist(), program.rows.upper.tolist(), strict=True)
    for row, (low, high) in enumerate(limits):
        if low == high:
            sides.append((row, f"r{row}", "E", low))
            continue
        if math.isfinite(low):
            sides.append((row, f"r{row}", "G", low))
        if math.isfinite(high):
            sides.append((row, f"r{row}u" if math.isfinite(low) else f"r{row}", "L", high))
    return sides


def _mps(program: Program) -> Iterator[str]:
    """Yield the lines of free MPS; there a constant is the negated right side of the objective."""
    rows, sides = program.rows, _sides(program)
    named: list[list[str]] = [[] for _ in range(rows.count)]
    for row, name, _, _ in sides:
        named[row].append(name)
    yield "NAME program"
    if program.sense is Sense.MAXIMIZE:
        yield from ("OBJSENSE", "    MAX")
    yield from ("ROWS", " N obj")
    yield from (f" {sense} {name}" for _, name, sense, _ in sides)
    yield "COLUMNS"
    order = np.argsort(rows.columns, kind="stable")
    owners, values = rows.owner()[order].tolist(), rows.values[order].tolist()
    starts = np.searchsorted(rows.columns[order], np.arange(program.size + 1)).tolist()
    costs, integers = program.objective.tolist(), program.integer.tolist()
    for column in range(program.size):
        if integers[column]:
            yield f" M{column}a 'MARKER' 'INTORG'"
        yield f" x{column} obj {costs[column]!r}"
        for entry in range(starts[column], starts[column + 1]):
            yield from (f" x{column} {name} {values[entry]!r}" for name in named[owners[entry]])
        if integers[column]:
            yield f" M{column}b 'MARKER' 'INTEND'"
    yield "RHS"
    if program.offset:
        yield f" rhs obj {-float(program.offset)!r}"
    yield from (f" rhs {name} {side!r}" for _, name, _, side in sides)
    yield "BOUNDS"
    for column, (low, high) in enumerate(_limits(program)):
        yield f" MI bnd x{column}" if low == -math.inf else f" LO bnd x{column} {low!r}"
        yield f" PL bnd x{column}" if high == math.inf else f" UP bnd x{column} {high!r}"
    yield "ENDATA"


def _lp(program: Program) -> Iterator[str]:
    """Yield the lines of the LP format, few terms on a line."""
    rows = program.rows
    signs = {"E": "=", "G": ">=", "L": "<="}
    yield "Minimize" if program.sense is Sense.MINIMIZE else "Maximize"
    yield " obj:"
    yield from _terms(range(program.size), program.objective.tolist())
    yield (
        f" + {float(program.offset)!r}" if program.offset >= 0 else f" - {-float(program.offset)!r}"
    )
    yield "Subject To"
    for row, name, sense, side in _sides(program):
        entries = slice(rows.starts[row], rows.starts[row + 1])
        yield f" {name}:"
        yield from _terms(
            rows.columns[entries].tolist() or [0], rows.values[entries].tolist() or [0.0]
        )
        yield f" {signs[sense]} {side!r}"
    yield "Bounds"
    for column, (low, high) in enumerate(_limits(program)):
        yield f" {_end(low)} <= x{column} <= {_end(high)}"
    yield "General"
    yield from (f" x{column}" for column in np.flatnonzero(program.integer).tolist())
    yield "End"


def _terms(columns: Sequence[int], values: list[float]) -> Iterator[str]:
    words = [
        f"{'-' if v < 0 else '+'} {abs(v)!r} x{c}" for c, v in zip(columns, values, strict=True)
    ]
    yield from ("  " + " ".join(words[at : at + 8]) for at in range(0, len(words), 8))


def _limits(program: Program) -> Iterator[tuple[float, float]]:
    return zip(program.lower.tolist(), program.upper.tolist(), strict=True)


def _end(limit: float) -> str:
    return repr(limit) if math.isfinite(limit) else ("+inf" if limit > 0 else "-inf")
