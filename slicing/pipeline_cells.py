"""Which cells a run works on: all of them, some that are named, or a stratified draw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from .slices import Slices
from .work import Cell

Index = NDArray[np.int64]

_MEND = "give random:N, or numbers and runs such as 0,5,17-30"


def chosen(text: str, count: int, seed: int) -> Index:
    """Return the numbers of the cells that a text names, in order, each once.

    Args:
        text: ``all``; ``random:N``, which draws one cell from each of N runs of nearly equal
            length; or numbers and runs of them, both ends counted, with commas between.
        count: how many cells there are.
        seed: of the draw.

    Raises:
        InputError: it names none, or cells that are not there.
    """
    word, colon, number = text.strip().partition(":")
    if word == "all" and not colon:
        return np.arange(count, dtype=np.int64)
    if word == "random" and colon:
        if not number.isdecimal() or not 1 <= int(number) <= count:
            raise InputError(f"--cells {text}: give a number from 1 to {count} behind random:")
        ends = np.linspace(0, count, int(number) + 1).astype(np.int64)
        return np.asarray(np.random.default_rng(seed).integers(ends[:-1], ends[1:]), np.int64)
    found = [_run(part, text, count) for part in text.split(",")]
    return np.unique(np.concatenate(found))


def _run(part: str, text: str, count: int) -> Index:
    """Return the numbers that one part of a list names."""
    first, dash, last = (one.strip() for one in part.partition("-"))
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise InputError(f"--cells {text}: {part.strip()!r} names no cells; {_MEND}")
    begin, end = int(first), int(last if dash else first)
    if not begin <= end < count:
        raise InputError(
            f"--cells {text}: {part.strip()} is not among the {count} cells from 0 to {count - 1}"
        )
    return np.arange(begin, end + 1, dtype=np.int64)


def cells_of(slices: Slices, some: Index) -> Iterator[Cell]:
    """Yield cells of slices for a run: the payload of each is its region."""
    for number, text in zip(some.tolist(), slices.identities(some), strict=True):
        yield Cell(number, text, slices.region(number))
