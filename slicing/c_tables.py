"""Tables of numbers as C99 has them: floats in hexadecimal, limits that decide as exact ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import UnsupportedError

Single = NDArray[np.float32]

LONG: Final = 99
"""Characters of a line at most."""

_WORD: Final = 16
"""Neurons whose states a word of 32 bits holds."""


@dataclass(frozen=True, slots=True)
class Table:
    """A constant array.

    Attributes:
        kind: of its entries, in C.
        name: without what all names begin with.
        size: number of entries.
        text: the entries, with commas between.
        note: what it holds; empty where the name says it.
    """

    kind: str
    name: str
    size: int
    text: str
    note: str = ""


def floats(name: str, values: Single, note: str = "") -> Table:
    """Return a table of floats, exact; at least one entry, as C asks for."""
    flat = values.ravel() if values.size else np.zeros(1, np.float32)
    return Table("float", name, flat.size, _lines([c_float(v) for v in flat.tolist()]), note)


def integers(name: str, values: NDArray[np.integer[Any]], note: str = "") -> Table:
    """Return a table of whole numbers, in the smallest type that holds them."""
    flat = values.ravel() if values.size else np.zeros(1, np.int64)
    least, most = int(flat.min()), int(flat.max())
    kinds = ("uint8", "uint16", "uint32") if least >= 0 else ("int8", "int16", "int32")
    for kind in kinds:
        if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max:
            return Table(f"{kind}_t", name, flat.size, _lines(list(map(str, flat.tolist()))), note)
    raise UnsupportedError(f"a table of C would need a number of {most}, beyond 32 bits")


def words(name: str, states: NDArray[np.integer[Any]], note: str = "") -> Table:
    """Return states ``(rows, size)`` as a table of 32-bit words, each row in words of its own."""
    rows, size = states.shape
    room = np.zeros((rows, _WORD * row_words(size)), dtype=np.uint32)
    room[:, :size] = states
    shifts = np.arange(0, 2 * _WORD, 2, dtype=np.uint32)
    packed = np.bitwise_or.reduce(room.reshape(rows, -1, _WORD) << shifts, axis=2).ravel()
    text = _lines([f"0x{value:x}u" for value in packed.tolist()])
    return Table("uint32_t", name, packed.size, text, note)


def row_words(size: int) -> int:
    """Return how many words the states of `size` neurons take."""
    return -(-size // _WORD)


def c_float(value: float) -> str:
    """Return a float32 as a hexadecimal literal that C reads exactly."""
    digits, _, exponent = value.hex().partition("p")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return f"{digits}p{exponent}f"


def at_least(values: Sequence[Fraction], what: str) -> Single:
    """Return the least float32 at or above each number: a float32 reaches one with the other.

    Raises:
        UnsupportedError: there is none.
    """
    out = np.empty(len(values), np.float32)
    for place, value in enumerate(values):
        with np.errstate(over="ignore", under="ignore"):
            near = np.float32(float(value))
        while np.isfinite(near) and Fraction(float(near)) < value:
            near = np.nextafter(near, np.float32(np.inf))
        before = np.nextafter(near, np.float32(-np.inf))
        while np.isfinite(before) and Fraction(float(before)) >= value:
            near, before = before, np.nextafter(before, np.float32(-np.inf))
        if not np.isfinite(near):
            raise UnsupportedError(f"{what} {float(value):.9g} is beyond what float32 holds")
        out[place] = near
    return out


def at_most(values: Sequence[Fraction], what: str) -> Single:
    """Return the largest float32 at or below each number.

    Raises:
        UnsupportedError: there is none.
    """
    return -at_least([-value for value in values], what)


def _lines(entries: list[str]) -> str:
    """Return entries with commas between, in lines of about equal length."""
    widest = max(len(entry) for entry in entries) + 2
    each = max(1, (LONG - 4) // widest)
    rows = [", ".join(entries[at : at + each]) for at in range(0, len(entries), each)]
    return ",\n".join(f"    {row}" for row in rows)
