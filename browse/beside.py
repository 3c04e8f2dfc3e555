"""What belongs together: a proof, the run that wrote it and checks of it, by the proof's digest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .find import Item
from .view import SAID, Entry

SHOWN: Final = 100
"""Files that are named beside one."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A file that speaks of a proof that another one speaks of too.

    Attributes:
        item: the file.
        what: it is to the proof, in a line.
    """

    item: Item
    what: str


@dataclass(frozen=True, slots=True)
class Company:
    """What there is beside a file; nothing to begin with.

    Attributes:
        files: proofs first, then what wrote them, then checks of them.
        more: how many there are besides.
        missing: digests of proofs that it names and that are no file here.
    """

    files: tuple[Beside, ...] = ()
    more: int = 0
    missing: tuple[str, ...] = ()


ALONE: Final = Company()
"""What is beside a file that speaks of no proof."""


def company_of(key: str, entry: Entry, others: Iterable[tuple[Item, Entry]]) -> Company:
    """Return what speaks of the same proofs as a file.

    Args:
        key: of the file.
        entry: what it holds.
        others: all files, itself among them.
    """
    mine = set(entry.proofs)
    if not mine:
        return ALONE
    found, there = [], {entry.sha256} if entry.verb == "proof" else set()
    for item, one in others:
        if item.key != key and mine.intersection(one.proofs):
            found.append((_rank(one), item.name, Beside(item, _what(one))))
            if one.verb == "proof":
                there.add(one.sha256)
    found.sort(key=lambda one: one[:2])
    missing = tuple(digest for digest in entry.proofs if digest not in there)
    files = tuple(beside for _, _, beside in found[:SHOWN])
    return Company(files, len(found) - len(files), missing[:SHOWN])


def _rank(entry: Entry) -> int:
    return {"proof": 0, "check": 2}.get(entry.verb, 1)


def _what(entry: Entry) -> str:
    match entry.verb:
        case "proof":
            return "the proof"
        case "check":
            return f"a record of secateur check: {SAID[entry.state]}"
        case verb:
            return f"a record of secateur {verb}, which names the proof: {SAID[entry.state]}"
