"""Database: the SQLite file of a store, its tables, and its errors in plain lines."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..engine.errors import FileError, FormatError, UnsupportedError
from .work import line_of

APPLICATION = 0x5EC47E02
"""What marks a SQLite file as a store of secateur."""

HEADER = b"SQLite format 3\0"
"""What SQLite's files begin with."""

SCHEMA = 1
"""The version of the tables below; raised whenever they change."""

PATIENCE = 10.0
"""Seconds to wait for another process that reads or writes at this moment."""

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE environment (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE row (
    cell INTEGER PRIMARY KEY CHECK (cell >= 0),
    key BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('done', 'failed', 'late', 'quarantined')),
    reason TEXT NOT NULL,
    seconds REAL NOT NULL,
    attempts INTEGER NOT NULL,
    figures TEXT NOT NULL,
    code BLOB NOT NULL,
    seal BLOB NOT NULL
);
CREATE TABLE blob (
    cell INTEGER NOT NULL REFERENCES row (cell),
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (cell, name)
) WITHOUT ROWID;
"""


def create(path: Path) -> sqlite3.Connection:
    """Return a connection to a new, empty store; its tables are there when this returns.

    Raises:
        FileError: it cannot be written.
    """
    with plain(path):
        link = _connect(path, "rwc")
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("PRAGMA synchronous = NORMAL")
        link.executescript(
            f"BEGIN IMMEDIATE;{TABLES}PRAGMA application_id = {APPLICATION};"
            f"PRAGMA user_version = {SCHEMA};COMMIT;"
        )
        return link


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Return a connection to a store that is there.

    Args:
        path: of its file.
        write: whether rows will be added; the whole file is checked then.

    Raises:
        FileError: it is missing or cannot be read.
        FormatError: it is no store, or damaged.
        UnsupportedError: a newer program wrote it.
    """
    if not path.is_file():
        raise FileError(f"{path}: there is no such store: name another, or begin it anew")
    with plain(path):
        link = _connect(path, "rw" if write or not _is_sealed(path) else "ro&immutable=1")
        try:
            _check(link, path, whole=write)
            if not write:
                link.execute("PRAGMA query_only = ON")
            link.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            link.close()
            raise
        return link


def seal(columns: Sequence[object]) -> bytes:
    """Return 16 bytes by which a row's other columns are known again; SQLite has no checksums."""
    return hashlib.sha256(repr(tuple(columns)).encode()).digest()[:16]


def is_store(path: Path) -> bool:
    """Return whether a file begins as SQLite's do."""
    try:
        with path.open("rb") as file:
            return file.read(len(HEADER)) == HEADER
    except OSError:  # whoever reads it next says what is wrong
        return False


def is_begun(path: Path) -> bool:
    """Return whether a file has a store's tables; a kill may come before they are there."""
    return path.exists() and path.stat().st_size > 0 and not _is_bare(path)


@contextmanager
def plain(path: Path) -> Iterator[None]:
    """Turn what SQLite raises in the block into an error with one line and the mend.

    Raises:
        FileError: locked, full, unreadable.
        FormatError: damaged or no store.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        raise _line(path, error) from error
    except UnicodeDecodeError as error:  # a text that the disk has changed
        raise damaged(path, line_of(error)) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)


def _is_sealed(path: Path) -> bool:
    """Return whether nobody can be writing: the folder is read-only, and nothing is under way."""
    return not (os.access(path.parent, os.W_OK) or path.with_name(f"{path.name}-wal").exists())


def _is_bare(path: Path) -> bool:
    """Return whether a file is a database with nothing in it."""
    try:
        with plain(path):
            link = _connect(path, "rw")
            try:
                tables = link.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                version = link.execute("PRAGMA user_version").fetchone()[0]
            finally:
                link.close()
    except FormatError:
        return False
    return bool(tables == 0 and version == 0)


def _check(link: sqlite3.Connection, path: Path, *, whole: bool) -> None:
    mark = link.execute("PRAGMA application_id").fetchone()[0]
    version = link.execute("PRAGMA user_version").fetchone()[0]
    if mark != APPLICATION:
        raise FormatError(f"{path}: this is a SQLite file but no store of cells: name another file")
    if version > SCHEMA:
        raise UnsupportedError(
            f"{path}: the store has edition {version} and this program knows up to {SCHEMA}: take "
            "the newer program that wrote it"
        )
    if whole:
        found = link.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise damaged(path, " ".join(str(found).split()))


def _line(path: Path, error: sqlite3.Error) -> FileError | FormatError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    said = str(error)
    match primary:
        case sqlite3.SQLITE_FULL:
            return FileError(
                f"{path}: the disk is full: free some space and resume; what is stored is kept"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return FileError(f"{path}: another process writes to this store: wait for it to end")
        case sqlite3.SQLITE_NOTADB:
            return FormatError(f"{path}: this is no store of cells ({said}): name another file")
        case sqlite3.SQLITE_CORRUPT:
            return damaged(path, said)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return FileError(f"{path}: cannot be opened or written ({said}): see to its permission")
        case sqlite3.SQLITE_IOERR:
            return FileError(
                f"{path}: the disk cannot be read or written ({said}): see to it and resume; what "
                "is stored is kept"
            )
        case _:
            return damaged(path, said)


def damaged(path: Path, said: str) -> FormatError:
    """Return the error of a store whose file says what no program wrote."""
    return FormatError(f"{path}: the store is damaged ({said}): restore a copy, or begin it anew")
