"""Store: the outcomes of a run's cells on the disk, each as soon as it is known.

One SQLite file, written by one process; others may read it meanwhile. Outcomes are committed
together, by number and by time; a commit survives the end of the process however that comes, and
a failure of power can take back the last ones but not damage the file. Large blobs lie beside it,
in a folder, under the SHA-256 of their bytes; a row is committed after its blobs are on the disk.
The file belongs on a disk of the machine, not on one that it shares over a network.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..engine.errors import FormatError, InputError
from .blobs import put_blob, sweep
from .database import connect, create, damaged, is_begun, plain, seal
from .key import Key, Shard, differences, row_key
from .lock import alone
from .work import WORDS, Cell, Done, Ended, Json, Outcome, Result

COMMIT_ROWS = 1024
"""Outcomes that are committed together at most."""

COMMIT_SECONDS = 0.25
"""Seconds that an outcome waits for its commit at most; one that waits counts as in flight."""

_ROW = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BLOB = "INSERT INTO blob VALUES (?, ?, ?, ?)"


class Store:
    """A store that is open for its one writer.

    A context manager: at the end, what waits is committed and the file is released.

    Args:
        path: of the file; created if it is not there.
        key: what its results depend on.
        cells: how many cells the whole run has.
        shard: the part of them that this store is for.
        environment: versions, machine, seed, command, noted once.
        resume: whether the file may hold outcomes.
        commit_seconds: how long an outcome may wait for its commit; 0 for not at all.

    Raises:
        FileError: it cannot be written, or another process writes to it.
        FormatError: it is no store, or damaged.
        UnsupportedError: a newer program wrote it.
        InputError: it holds another run's outcomes, or any where none may be.
    """

    def __init__(
        self,
        path: str | Path,
        key: Key,
        cells: int,
        shard: Shard | None = None,
        environment: Mapping[str, Json] | None = None,
        *,
        resume: bool = False,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        self.path = Path(path)
        self._run = key.digest()
        self._shard = shard or Shard()
        self._wait = commit_seconds
        self._waiting: list[tuple[tuple[object, ...], list[tuple[object, ...]]]] = []
        self._since = 0.0
        with ExitStack() as stack:
            stack.enter_context(alone(self.path))
            begun = is_begun(self.path)
            if begun and not resume:
                raise InputError(
                    f"{self.path}: there is a store already: resume it, or name another file"
                )
            self._link = connect(self.path, write=True) if begun else create(self.path)
            stack.callback(self._link.close)
            sweep(self.path)
            self._settle(key, cells, environment or {})
            self._held = stack.pop_all()

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
        """Commit what waits and release the file.

        Raises:
            FileError: it cannot be written.
        """
        with self._held:
            self.commit()

    def left(self, cells: Iterable[Cell]) -> Iterator[Cell]:
        """Yield those of the cells that are in the shard and have no outcome yet.

        Raises:
            InputError: a cell is not the one whose outcome is stored under its number.
            FormatError: a row is damaged.
        """
        for cell in cells:
            if not self._shard.holds(cell.id):
                continue
            with plain(self.path):
                found = self._link.execute("SELECT * FROM row WHERE cell = ?", (int(cell.id),))
                row = found.fetchone()
            if row is None:
                yield cell
            elif row[-1] != seal(row[:-1]):
                raise damaged(self.path, f"the row of cell {cell.id} has changed")
            elif row[1] != row_key(self._run, cell):
                raise InputError(
                    f"{self.path}: cell {cell.id} is stored with other limits than it has now: "
                    "begin a new store"
                )

    def record(self, ended: Sequence[Ended]) -> None:
        """Take outcomes, and commit if it is time; with none, only see whether it is.

        Raises:
            InputError: a cell has an outcome already, or a result is none of `work.Result`.
            FileError: the disk is full or cannot be written; what waited still waits.
        """
        if ended and not self._waiting:
            self._since = time.monotonic()
        for one in ended:
            self._waiting.append(self._rows(one))
        if self._waiting and (
            len(self._waiting) >= COMMIT_ROWS or time.monotonic() >= self._since + self._wait
        ):
            self.commit()

    def commit(self) -> None:
        """Write what waits; when this returns it survives the end of the process.

        Raises:
            InputError: a cell has an outcome already; nothing of what waited is written.
            FileError: the disk is full or cannot be written; what waited still waits.
        """
        if not self._waiting:
            return
        rows = [row for row, _ in self._waiting]
        blobs = [blob for _, some in self._waiting for blob in some]
        with plain(self.path):
            self._link.execute("BEGIN IMMEDIATE")
            try:
                self._link.executemany(_ROW, rows)
                self._link.executemany(_BLOB, blobs)
                self._link.execute("COMMIT")
            except BaseException as error:
                if self._link.in_transaction:
                    self._link.execute("ROLLBACK")
                if isinstance(error, sqlite3.IntegrityError):
                    self._waiting.clear()
                    raise InputError(
                        f"{self.path}: a cell ended twice ({error}); number every cell once"
                    ) from error
                raise
        self._waiting.clear()

    def forget(self, kinds: Collection[type[Outcome]]) -> int:
        """Take away the outcomes of these kinds, so that their cells are worked on again.

        Returns:
            how many they were.
        """
        self.commit()
        words = [WORDS[kind] for kind in kinds]
        marks = ", ".join("?" * len(words))
        with plain(self.path), self._link:
            self._link.execute("BEGIN IMMEDIATE")
            self._link.execute(
                f"DELETE FROM blob WHERE cell IN (SELECT cell FROM row WHERE kind IN ({marks}))",
                words,
            )
            gone = self._link.execute(f"DELETE FROM row WHERE kind IN ({marks})", words)
            return gone.rowcount

    def connection(self) -> sqlite3.Connection:
        """Return the connection, to work on many rows at once; nothing waits for its commit."""
        self.commit()
        return self._link

    def _settle(self, key: Key, cells: int, environment: Mapping[str, Json]) -> None:
        """Note what the store is for, or see that it is for the same."""
        parts = key.parts()
        sizes: dict[str, Json] = {"cells": cells, "shard": str(self._shard)}
        with plain(self.path):
            held = self._meta()
            if held:
                differ = [*differences(parts, held.pop("key")), *differences(sizes, held)]
                if differ:
                    raise InputError(
                        f"{self.path}: the store is of another run ({'; '.join(differ)}): begin a "
                        "new one, or give what it was begun with"
                    )
            with self._link:
                self._link.execute("BEGIN IMMEDIATE")
                if not held:
                    self._link.executemany(
                        "INSERT INTO meta VALUES (?, ?)",
                        [(name, json.dumps(one)) for name, one in {**sizes, "key": parts}.items()],
                    )
                if environment:
                    text = json.dumps(dict(environment), sort_keys=True, allow_nan=False)
                    self._link.execute(
                        "INSERT OR IGNORE INTO environment (text) VALUES (?)", (text,)
                    )

    def _meta(self) -> dict[str, Any]:
        """Return what the store says it is for; empty if nothing was noted yet."""
        found = self._link.execute("SELECT name, value FROM meta").fetchall()
        try:
            held = {name: json.loads(value) for name, value in found}
        except (TypeError, ValueError):
            held = {"": None}
        if held and not isinstance(held.get("key"), dict):
            raise FormatError(f"{self.path}: the store does not say what it is for: begin it anew")
        return held

    def _rows(self, one: Ended) -> tuple[tuple[object, ...], list[tuple[object, ...]]]:
        """Return an outcome's rows; its blobs are on the disk when this returns."""
        cell, outcome = int(one.cell.id), one.outcome
        reason, result = "", Result()
        if isinstance(outcome, Done):
            if not isinstance(outcome.result, Result):
                raise InputError(f"cell {cell}: {type(outcome.result).__name__} is no result")
            result = outcome.result
        else:
            reason = outcome.reason
        row = (
            cell,
            row_key(self._run, one.cell),
            WORDS[type(outcome)],
            reason,
            float(one.seconds),
            int(one.attempts),
            json.dumps(result.figures, sort_keys=True),
            result.code,
        )
        return (*row, seal(row)), [
            (cell, name, put_blob(self.path, data), len(data))
            for name, data in result.blobs.items()
        ]
