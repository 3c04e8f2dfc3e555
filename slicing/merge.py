"""Merge: the outcomes of several stores of one run, such as its shards, in one store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from ..engine.errors import InputError
from .blobs import blob_file, get_blob, put_blob
from .database import plain
from .key import Key, differences
from .store import Store
from .stored import Progress, Stored
from .work import Json

_SAME = ("key", "kind", "code")
"""Columns in which two outcomes of one cell have to agree; time and attempts need not."""

_FIGURES = "json_remove({0}.figures, '$.seconds')"
"""What a figure says but for how long something took."""

_TWICE = f"""
SELECT ours.cell FROM main.row AS ours JOIN source.row AS theirs USING (cell)
WHERE {" OR ".join(f"ours.{name} <> theirs.{name}" for name in _SAME)}
OR {_FIGURES.format("ours")} <> {_FIGURES.format("theirs")} LIMIT 1
"""

_BLOBS = """
SELECT cell FROM (
    SELECT cell, name, digest FROM main.blob WHERE cell IN (SELECT cell FROM source.row)
    UNION ALL
    SELECT cell, name, digest FROM source.blob WHERE cell IN (SELECT cell FROM main.row)
) GROUP BY cell, name, digest HAVING count(*) <> 2 LIMIT 1
"""

_NEW = "cell NOT IN (SELECT cell FROM main.row)"


def merge(sources: Sequence[str | Path], target: str | Path) -> Progress:
    """Put the outcomes of all sources in a store for the whole run, and return how far it is.

    The target may be there already, if it is of the same run; after a merge that was broken off,
    merging again ends it. The sources stay as they are.

    Args:
        sources: one or more stores, of any shards of the run.
        target: the store that is written.

    Raises:
        FileError: one cannot be read, or the target cannot be written.
        FormatError: one is damaged.
        InputError: they are of different runs, or disagree about a cell.
    """
    paths = [Path(source) for source in sources]
    if not paths:
        raise InputError("merge: name one store or more")
    for path in paths:
        if path.resolve() == Path(target).resolve():
            raise InputError(f"{path}: the store is merged into itself: name another target")
    parts, cells = _one_run(paths)
    with Store(target, Key.of(parts), cells, resume=True) as store:
        for path in paths:
            _take(store, path)
    with Stored(target) as merged:
        return merged.progress()


def _one_run(paths: Sequence[Path]) -> tuple[dict[str, Json], int]:
    """Return the parts of the key that all stores have, and the number of cells."""
    said: list[dict[str, Json]] = []
    for path in paths:
        with Stored(path) as source:
            said.append({**source.key, "number of cells": source.cells})
            parts, cells = source.key, source.cells
        differ = differences(said[-1], said[0])
        if differ:
            raise InputError(
                f"{path}: the store is of another run than {paths[0]} ({'; '.join(differ)}): merge "
                "stores of one run"
            )
    return parts, cells


def _take(store: Store, path: Path) -> None:
    """Take over the outcomes of a store, all or none."""
    with Stored(path) as source:
        for _ in source.rows():  # each is checked
            pass
        digests = [
            digest for (digest,) in source.connection().execute("SELECT DISTINCT digest FROM blob")
        ]
    for digest in digests:
        if not blob_file(store.path, digest).exists():
            put_blob(store.path, get_blob(path, digest))
    link = store.connection()
    with plain(path):
        link.execute("ATTACH ? AS source", (f"{path.absolute().as_uri()}?mode=rw",))
        try:
            for question in (_TWICE, _BLOBS):
                found = link.execute(question).fetchone()
                if found is not None:
                    raise InputError(
                        f"{path}: cell {found[0]} ended otherwise than in {store.path} or in a "
                        "store before: keep the one that is right"
                    )
            with link:
                _copy(link)
        finally:
            link.execute("DETACH source")


def _copy(link: sqlite3.Connection) -> None:
    link.execute("BEGIN IMMEDIATE")
    link.execute(f"INSERT INTO main.blob SELECT * FROM source.blob WHERE {_NEW}")
    link.execute(f"INSERT INTO main.row SELECT * FROM source.row WHERE {_NEW}")
    link.execute(
        "INSERT OR IGNORE INTO main.environment (text) SELECT text FROM source.environment "
        "ORDER BY id"
    )
