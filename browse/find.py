"""Files that may hold runs or proofs: where they are, looked for in a few levels of folders."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from ..commands.outcomes import FILE
from ..engine.errors import FileError, FormatError, InputError
from ..engine.proofs.store import MAGIC
from ..reports.wording import clean, cut

DEEPEST: Final = 4
"""Folders below one that is named."""

MOST: Final = 5_000
"""Files that are shown."""

ENTRIES: Final = 200_000
"""Names in folders that are looked at."""

NAME: Final = 300
"""Letters of a name that are shown."""


class Kind(StrEnum):
    """What a file may hold."""

    RUN = "run"
    """A record that a verb wrote by ``--json``."""
    ROWS = "rows"
    """The outcomes of a batch, a line for each row."""
    PROOF = "proof"


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what it is seen that a file has changed.

    Attributes:
        changed: when, nanoseconds since 1970, UTC.
        size: bytes.
    """

    changed: int
    size: int


@dataclass(frozen=True, slots=True)
class Item:
    """A file.

    Attributes:
        key: how it is asked for; says nothing of where it is.
        path: without links.
        name: as it is shown.
        kind: what it may hold.
        stamp: as it was seen.
    """

    key: str
    path: Path
    name: str
    kind: Kind
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Root:
    """A folder or a file that the user named.

    Attributes:
        typed: as it was named.
        path: without links.
    """

    typed: Path
    path: Path

    def name(self, path: Path, alone: bool) -> str:
        """Return what a file in it is called, or it itself; shorter where it is named alone."""
        if path == self.path:
            return str(self.typed)
        inside = path.relative_to(self.path)
        return str(inside if alone else self.typed / inside)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Attributes:
        items: each file once.
        more: whether there are more than are shown.
    """

    items: tuple[Item, ...]
    more: bool


def roots(paths: Sequence[Path]) -> tuple[Root, ...]:
    """Return folders and files to look for.

    Raises:
        FileError: one is not there, or is neither a folder nor a plain file.
    """
    out = []
    for path in paths:
        try:
            real = Path(os.path.realpath(path, strict=True))
            mode = real.stat().st_mode
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise FileError(f"{path}: cannot be looked at ({why}): check the path") from error
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            raise FileError(f"{path}: this is neither a folder nor a plain file: name one of them")
        out.append(Root(path, real))
    return tuple(out)


def find(named: Sequence[Root]) -> Found:
    """Return the files that are there now; no link in a folder is followed."""
    found: dict[str, Item] = {}
    left = [ENTRIES]
    for root in named:
        for path, kind in _files(root, left):
            item = _item(root.name(path, len(named) == 1), path, kind)
            if item is None or item.key in found:
                continue
            if len(found) == MOST:
                return Found(tuple(found.values()), True)
            found[item.key] = item
    return Found(tuple(found.values()), left[0] <= 0)


def opened(path: Path, most: int) -> bytes:
    """Return the bytes of a plain file; a link or a pipe in its place is not opened.

    Raises:
        FileError: it is gone, or cannot be read.
        FormatError: it is larger than `most` bytes.
    """
    name = clean(str(path))
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileError(f"{name}: this is no plain file any more: put the file back")
            data = file.read(most + 1)
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise FileError(f"{name}: cannot be read ({error.strerror}): put the file back") from error
    if len(data) > most:
        raise FormatError(f"{name}: more than {most >> 20} MiB are not shown here")
    return data


def stamp_of(path: Path) -> Stamp | None:
    """Return how a file looks now; None where there is no plain file."""
    try:
        seen = path.lstat()
    except (OSError, ValueError):
        return None
    return Stamp(seen.st_mtime_ns, seen.st_size) if stat.S_ISREG(seen.st_mode) else None


def _item(name: str, path: Path, kind: Kind) -> Item | None:
    stamp = stamp_of(path)
    if stamp is None:
        return None
    key = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return Item(key, path, cut(clean(name), NAME), kind, stamp)


def _files(root: Root, left: list[int]) -> Iterator[tuple[Path, Kind]]:
    """Yield files that may hold something; count down the names that are looked at."""
    if not root.path.is_dir():
        yield root.path, _kind(root.path.name) or _looked_into(root.path)
        return
    level = [root.path]
    for _ in range(1 + DEEPEST):
        below: list[Path] = []
        for folder in level:
            for entry in _entries(folder):
                left[0] -= 1
                if left[0] <= 0:
                    return
                kind = _kind(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith("."):
                        below.append(folder / entry.name)
                elif kind is not None and entry.is_file(follow_symlinks=False):
                    yield folder / entry.name, kind
        level = below


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as some:
            return sorted(some, key=lambda entry: entry.name)
    except OSError:
        return []  # gone, or not ours to read: it has nothing to show


def _kind(name: str) -> Kind | None:
    """Return what a file of a name in a folder may hold; None where it is not looked at."""
    if name == FILE:
        return Kind.ROWS
    ending = Path(name).suffix.lower()
    return {".proof": Kind.PROOF, ".json": Kind.RUN}.get(ending)


def _looked_into(path: Path) -> Kind:
    """Return what a file may hold that was named itself, whatever its ending."""
    try:
        with path.open("rb") as file:
            return Kind.PROOF if file.read(len(MAGIC)) == MAGIC else Kind.RUN
    except OSError:
        return Kind.RUN
