"""The bytes of files that may be gzipped."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Final

from ...engine.errors import FormatError

GZIP: Final = b"\x1f\x8b"
"""How a gzipped file begins."""

LARGEST: Final = 1 << 30
"""Bytes that a file may unpack to; the largest of the sets in use has 184 500 000."""

PIECE: Final = 1 << 20
"""Bytes that are unpacked at a time, so that a short file takes little room whatever is asked."""


def first(data: bytes, count: int, path: Path | str) -> bytes:
    """Return the first bytes of a file's contents, unpacked where they are gzipped.

    Args:
        data: all bytes of the file.
        count: how many are wanted; there may be fewer.
        path: of the file, for the error.

    Raises:
        FormatError: a gzipped file that is damaged or cut short.
    """
    if not data.startswith(GZIP):
        return data[:count]
    pieces, left = [], count
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            while left > 0 and (piece := stream.read(min(left, PIECE))):
                pieces.append(piece)
                left -= len(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(
            f"{path}: is no sound gzip file ({error}): it is damaged or cut short; fetch it again"
        ) from error
    return b"".join(pieces)


def unpacked(data: bytes, path: Path | str) -> bytes:
    """Return a file's whole contents, unpacked where they are gzipped.

    Raises:
        FormatError: a gzipped file that is damaged, cut short, or unpacks to more than `LARGEST`.
    """
    held = first(data, LARGEST + 1, path)
    if len(held) > LARGEST:
        raise FormatError(f"{path}: holds more than {LARGEST >> 20} MiB: give a smaller file")
    return held
