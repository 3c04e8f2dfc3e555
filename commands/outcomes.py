"""Outcomes: what became of each row of a batch, kept so that a second call goes on.

One JSON object a line, written to the disk as soon as its row has ended. A line that a kill cut
short is no outcome: its row is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..engine.errors import FileError
from ..engine.formats.files import read_bytes, replace_with

Outcome = dict[str, Any]

FILE = "outcomes.jsonl"

_LOCK = ".lock"


def key_of(parts: Mapping[str, object]) -> str:
    """Return a digest of all that a row's result depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """Return the last outcome of each key; what is no outcome is passed over."""
    path = folder / FILE
    if not path.exists():
        return {}
    found: dict[str, Outcome] = {}
    for line in read_bytes(path).split(b"\n"):
        try:
            outcome = json.loads(line)
        except ValueError:
            continue
        if isinstance(outcome, dict) and isinstance(outcome.get("key"), str):
            found[outcome["key"]] = outcome
    return found


def holds(outcome: Outcome, folder: Path) -> bool:
    """Return whether a row is done: its file is there and has the bytes that were proved."""
    name, digest = outcome.get("output"), outcome.get("sha256")
    if outcome.get("state") != "done" or not isinstance(name, str) or not isinstance(digest, str):
        return False
    try:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    except OSError:
        return False


def begin(folder: Path, kept: list[Outcome]) -> None:
    """Write the outcomes that still hold, and no others, in one step."""
    replace_with(folder / FILE, b"".join(_line(outcome) for outcome in kept))


def add(folder: Path, outcome: Outcome) -> None:
    """Add an outcome; when this returns it is on the disk.

    Raises:
        FileError: it cannot be written.
    """
    path = folder / FILE
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            data = _line(outcome)
            while data:
                data = data[os.write(handle, data) :]
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror})") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a folder to one batch at a time, and take away what a killed one left half-written.

    Raises:
        FileError: another batch works in it.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FileError(
                f"--output {folder}: another batch works in this folder; wait for it, or name "
                "another folder"
            ) from None
        for part in folder.glob(".*.part"):
            part.unlink(missing_ok=True)
        yield


def _line(outcome: Outcome) -> bytes:
    return json.dumps(outcome, allow_nan=False).encode() + b"\n"
