"""Parquet: a store's rows as one table for other programs; needs pyarrow, the extra `parquet`."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..engine.errors import FileError, UnsupportedError
from .database import plain
from .stored import Row, Stored
from .work import WORDS, Done, Json

GROUP = 8192
"""Rows that are written together."""

_KINDS = (
    "SELECT each.key, group_concat(DISTINCT each.type) FROM row, json_each(row.figures) AS each "
    "GROUP BY each.key ORDER BY each.key"
)


def write_parquet(source: Stored, path: str | Path) -> int:
    """Write a store's rows in the order of their cells, and return how many they are.

    Columns: ``cell``, ``outcome``, ``reason``, ``attempts``, ``seconds``, ``code``, and
    ``figure.NAME`` for each figure: a number or a word where it is one in every row that has it,
    else its JSON. A row without the figure has null.

    Args:
        source: the store.
        path: of the file; it is there as a whole or not at all.

    Raises:
        UnsupportedError: pyarrow is not installed.
        FileError: the file cannot be written.
    """
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise UnsupportedError(
            "Parquet: pyarrow is not installed: pip install 'secateur[parquet]'"
        ) from None
    with plain(source.path):
        kinds = {name: set(found.split(",")) for name, found in source.connection().execute(_KINDS)}
    figures = {name: _kind(arrow, found - {"null"}) for name, found in kinds.items()}
    schema = arrow.schema(
        [
            ("cell", arrow.int64()),
            ("outcome", arrow.string()),
            ("reason", arrow.string()),
            ("attempts", arrow.int64()),
            ("seconds", arrow.float64()),
            ("code", arrow.binary()),
            *((f"figure.{name}", kind) for name, (kind, _) in figures.items()),
        ]
    )
    plainly = {name: as_is for name, (_, as_is) in figures.items()}
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with parquet.ParquetWriter(part, schema) as writer:
            for rows in _groups(source.rows()):
                lines = [_line(row, plainly) for row in rows]
                writer.write_table(arrow.Table.from_pylist(lines, schema=schema))
                count += len(lines)
        part.replace(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _kind(arrow: Any, found: set[str]) -> tuple[Any, bool]:
    """Return the column for a figure of these JSON types, and whether it is no JSON."""
    if found <= {"true", "false"}:
        return arrow.bool_(), True
    if found <= {"integer"}:
        return arrow.int64(), True
    if found <= {"integer", "real"}:
        return arrow.float64(), True
    if found <= {"text"}:
        return arrow.string(), True
    return arrow.string(), False


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(islice(rows, GROUP)):
        yield group


def _line(row: Row, plainly: dict[str, bool]) -> dict[str, object]:
    figures: dict[str, Json] = {}
    reason, code = "", b""
    if isinstance(row.outcome, Done):
        figures, code = dict(row.outcome.result.figures), row.outcome.result.code
    else:
        reason = row.outcome.reason
    line: dict[str, object] = {
        "cell": row.cell,
        "outcome": WORDS[type(row.outcome)],
        "reason": reason,
        "attempts": row.attempts,
        "seconds": row.seconds,
        "code": code,
    }
    for name, as_is in plainly.items():
        value = figures.get(name)
        line[f"figure.{name}"] = value if as_is or value is None else json.dumps(value)
    return line
