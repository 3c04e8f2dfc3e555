"""Stored: what a store holds, read while a run writes to it or afterwards."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..engine.errors import FileError, FormatError
from .blobs import get_blob
from .database import connect, damaged, plain, seal
from .key import Shard
from .work import Done, Failed, Json, Late, Outcome, Quarantined, Result

PAGE = 4096
"""Rows that are read at a time, so that a reader holds no lock between them."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are kept apart: their SHA-256, hexadecimal, and how many they are."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Row:
    """What a store holds of a cell.

    Attributes:
        cell: its number.
        key: 16 bytes, see `key.row_key`.
        outcome: how it ended; the result of one that is done has no blobs.
        attempts: how often it was begun.
        seconds: its share of the last attempt.
        blobs: what `Stored.blob` reads, by name.
    """

    cell: int
    key: bytes
    outcome: Outcome
    attempts: int
    seconds: float
    blobs: Mapping[str, Blob]


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of a store's cells have which outcome.

    Attributes:
        cells: in the store's shard.
        done, failed, late, quarantined: of these.
    """

    cells: int
    done: int = 0
    failed: int = 0
    late: int = 0
    quarantined: int = 0

    @property
    def left(self) -> int:
        """Cells without an outcome."""
        return self.cells - self.done - self.failed - self.late - self.quarantined


class Stored:
    """A store that is open for reading; a context manager.

    Attributes:
        key: the parts of its `key.Key`.
        cells: how many the whole run has.
        shard: the part of them that this store is for.
        environments: what was noted of each process that wrote to it.

    Raises:
        FileError: it is missing or cannot be read.
        FormatError: it is no store, or damaged.
        UnsupportedError: a newer program wrote it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._link = connect(self.path, write=False)
        try:
            with plain(self.path):
                meta = dict(self._link.execute("SELECT name, value FROM meta"))
                noted = self._link.execute("SELECT text FROM environment ORDER BY id").fetchall()
            self.key: dict[str, Json] = json.loads(meta["key"])
            self.cells = int(json.loads(meta["cells"]))
            self.shard = Shard.parse(json.loads(meta["shard"]))
            self.environments: list[dict[str, Json]] = [json.loads(text) for (text,) in noted]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._link.close()
            if isinstance(error, FormatError):
                raise
            raise FormatError(
                f"{self.path}: the store does not say what it is for: begin it anew"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._link.close()

    def progress(self) -> Progress:
        """Return how far the store is."""
        with plain(self.path):
            counts = dict(self._link.execute("SELECT kind, count(*) FROM row GROUP BY kind"))
        return Progress(self.shard.size(self.cells), **counts)

    def rows(self, start: int = 0) -> Iterator[Row]:
        """Yield the rows in the order of their cells, from cell ``start`` on.

        A row that is committed meanwhile is among them if its cell is still ahead.

        Raises:
            FormatError: the store is damaged.
        """
        while True:
            with plain(self.path):
                page = self._link.execute(
                    "SELECT * FROM row WHERE cell >= ? ORDER BY cell LIMIT ?", (start, PAGE)
                ).fetchall()
                if not page:
                    return
                blobs = self._blobs(page[0][0], page[-1][0])
            for row in page:
                yield self._row(row, blobs.get(row[0], {}))
            start = page[-1][0] + 1

    def names(self, cell: int) -> tuple[str, ...]:
        """Return the names of a cell's blobs."""
        return tuple(self._blobs(cell, cell).get(cell, {}))

    def blob(self, cell: int, name: str) -> bytes:
        """Return a cell's bytes of this name, as they were given.

        Raises:
            FileError: the cell has none, or their file cannot be read.
            FormatError: their file holds other bytes.
        """
        with plain(self.path):
            found = self._link.execute(
                "SELECT digest FROM blob WHERE cell = ? AND name = ?", (cell, name)
            ).fetchone()
        if found is None:
            raise FileError(f"{self.path}: cell {cell} has no {name}")
        return get_blob(self.path, found[0])

    def connection(self) -> sqlite3.Connection:
        """Return the connection, for questions that only SQL answers quickly."""
        return self._link

    def _blobs(self, first: int, last: int) -> dict[int, dict[str, Blob]]:
        out: dict[int, dict[str, Blob]] = {}
        found = self._link.execute(
            "SELECT cell, name, digest, size FROM blob WHERE cell BETWEEN ? AND ?", (first, last)
        )
        for cell, name, digest, size in found:
            out.setdefault(cell, {})[name] = Blob(digest, size)
        return out

    def _row(self, row: tuple[Any, ...], blobs: Mapping[str, Blob]) -> Row:
        cell, key, kind, reason, seconds, attempts, figures, code, sealed = row
        if sealed != seal(row[:-1]):
            raise damaged(self.path, f"the row of cell {cell} has changed")
        outcome: Outcome
        match kind:
            case "done":
                outcome = Done(Result(json.loads(figures), code))
            case "failed":
                outcome = Failed(reason)
            case "late":
                outcome = Late(reason)
            case _:
                outcome = Quarantined(reason)
        return Row(cell, key, outcome, attempts, seconds, blobs)
