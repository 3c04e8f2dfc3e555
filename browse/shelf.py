"""What there is to show now, compared with what there was at the start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .beside import ALONE, Company, company_of
from .find import Found, Item, Root, Stamp, find, stamp_of
from .view import Entry, View, view


class Since(StrEnum):
    """What became of a file since the start."""

    SAME = ""
    CHANGED = "changed since the start"
    NEW = "new since the start"
    GONE = "gone since it was seen"


@dataclass(frozen=True, slots=True)
class Line:
    """A file among others.

    Attributes:
        item: the file.
        entry: what it holds.
        since: what became of it.
    """

    item: Item
    entry: Entry
    since: Since


@dataclass(frozen=True, slots=True)
class Look:
    """What there is.

    Attributes:
        lines: the newest first, those that cannot be read last.
        more: whether there are more files than are shown.
    """

    lines: tuple[Line, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """A file on its page.

    Attributes:
        item: the file.
        view: what is shown of it; None where it is gone.
        since: what became of it.
        company: what else speaks of the proofs that it speaks of, as it was last looked at.
    """

    item: Item
    view: View | None
    since: Since
    company: Company = ALONE


@dataclass(slots=True, eq=False)
class Shelf:
    """Files, and what was read of them; each is read again only when it has changed.

    One thread at a time reads: what a page takes of memory is bounded by one file.

    Attributes:
        roots: folders and files to look for.
    """

    roots: tuple[Root, ...]
    _begun: dict[str, Stamp] | None = field(default=None, init=False)
    _known: dict[str, Item] = field(default_factory=dict, init=False)
    _entries: dict[str, tuple[Stamp, Entry]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def look(self, told: Callable[[int, int], None] = lambda done, of: None) -> Look:
        """Return what there is now.

        Args:
            told: of each file that was looked at, and how many there are.
        """
        with self._lock:
            found = find(self.roots)
            if self._begun is None:
                self._begun = {item.key: item.stamp for item in found.items}
            lines = []
            for done, item in enumerate(found.items, 1):
                lines.append(Line(item, self._entry(item), self._since(item)))
                told(done, len(found.items))
            lines += self._gone(found)
            self._known |= {item.key: item for item in found.items}
        return Look(_sorted(lines), found.more)

    def open(self, key: str) -> Opened | None:
        """Return a file with what is shown of it; None where none has the key."""
        with self._lock:
            item = self._known.get(key)
            if item is None:
                return None
            stamp = stamp_of(item.path)
            if stamp is None:
                return Opened(item, None, Since.GONE)
            now = Item(item.key, item.path, item.name, item.kind, stamp)
            shown = view(now)
            company = company_of(key, shown.entry, self._others())
            return Opened(now, shown, self._since(now), company)

    def _others(self) -> Iterator[tuple[Item, Entry]]:
        """Yield the files that were there when they were last looked at, and are there now."""
        for key, item in self._known.items():
            known = self._entries.get(key)
            if known is not None and known[1].proofs and stamp_of(item.path) == known[0]:
                yield item, known[1]

    def _entry(self, item: Item) -> Entry:
        known = self._entries.get(item.key)
        if known is None or known[0] != item.stamp:
            known = item.stamp, view(item).entry
            self._entries[item.key] = known
        return known[1]

    def _since(self, item: Item) -> Since:
        begun = (self._begun or {}).get(item.key)
        if begun is None:
            return Since.NEW
        return Since.SAME if begun == item.stamp else Since.CHANGED

    def _gone(self, found: Found) -> list[Line]:
        here = {item.key for item in found.items}
        return [
            Line(item, self._entries[key][1], Since.GONE)
            for key, item in self._known.items()
            if key not in here and stamp_of(item.path) is None
        ]


def _sorted(lines: Sequence[Line]) -> tuple[Line, ...]:
    order = sorted(lines, key=lambda line: (not line.entry.verb, -line.item.stamp.changed))
    return tuple(order)
