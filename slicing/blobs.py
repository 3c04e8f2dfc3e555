"""Blobs: large bytes beside a store, each once, under the SHA-256 of what it holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..engine.errors import FileError, FormatError
from ..engine.formats.files import read_bytes, replace_with


def blobs_of(store: Path) -> Path:
    """Return the folder that holds a store's blobs."""
    return store.with_name(f"{store.name}.blobs")


def blob_file(store: Path, digest: str) -> Path:
    """Return the file of a blob with this digest."""
    return blobs_of(store) / digest[:2] / digest


def put_blob(store: Path, data: bytes) -> str:
    """Write bytes beside a store, unless they are there, and return their digest.

    Raises:
        FileError: they cannot be written.
    """
    digest = hashlib.sha256(data).hexdigest()
    path = blob_file(store, digest)
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{path.parent}: cannot be made ({error.strerror})") from error
        replace_with(path, data)
    return digest


def get_blob(store: Path, digest: str) -> bytes:
    """Return the bytes with this digest.

    Raises:
        FileError: they are missing or cannot be read.
        FormatError: the file holds other bytes.
    """
    path = blob_file(store, digest)
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != digest:
        raise FormatError(f"{path}: the file is damaged: restore it from a copy")
    return data


def sweep(store: Path) -> None:
    """Take away what a writer that was killed left half-written."""
    for part in blobs_of(store).glob("*/.*.part"):
        part.unlink(missing_ok=True)
