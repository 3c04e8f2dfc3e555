"""Pictures of a data set as PNG files."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(levels: NDArray[np.uint8]) -> bytes:
    """Return a PNG of 8-bit levels ``(channels, height, width)``: one channel, or red, green, blue.

    Source: ISO/IEC 15948, Portable network graphics.
    """
    channels, height, width = levels.shape
    kind = {1: 0, 3: 2}[channels]
    rows = levels.transpose(1, 2, 0).reshape(height, width * channels)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(filtered.tobytes(), 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
