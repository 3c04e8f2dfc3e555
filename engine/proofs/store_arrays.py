"""Arrays of a proof in one stream of bytes, whole numbers in the smallest type that holds them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .model import FormatError
from .words import fields, mapping, several, shown, text, whole

Array = NDArray[np.float64]
Index = NDArray[np.int64]

WHOLE: Final = ("|u1", "<i4", "<i8")
REAL: Final = "<f8"

MOST: Final = 4 * 2**30
"""Bytes of all arrays at most."""

RATIO: Final = 2_000
"""Bytes that one compressed byte may stand for at most; zlib reaches 1,032."""


class Writer:
    """Arrays on their way to bytes."""

    def __init__(self) -> None:
        """Begin with none."""
        self._parts: dict[str, NDArray[Any]] = {}

    def whole(self, name: str, values: Index | Sequence[int]) -> None:
        """Add whole numbers.

        Raises:
            FormatError: they are no whole numbers of 64 bits.
        """
        try:
            array = np.asarray(values)
            array = array.astype(np.int64) if not array.size else array
            if array.dtype.kind not in "iu" or array.ndim != 1:
                raise FormatError(f"array {name}: it holds what are no whole numbers of 64 bits")
            least, most = int(array.min(initial=0)), int(array.max(initial=0))
        except (OverflowError, ValueError, TypeError):
            raise FormatError(f"array {name}: it holds what are no whole numbers") from None
        for kind in WHOLE:
            limits = np.iinfo(kind)
            if limits.min <= least and most <= limits.max:
                self._parts[name] = array.astype(kind)
                return
        raise FormatError(f"array {name}: it holds a whole number of more than 64 bits")

    def real(self, name: str, values: Array | Sequence[float]) -> None:
        """Add real numbers."""
        self._parts[name] = np.asarray(values, dtype=np.float64).astype(REAL)

    def finish(self) -> tuple[dict[str, object], int, bytes]:
        """Return what the header says of the arrays, their bytes' number, and them compressed."""
        words: dict[str, object] = {}
        packer, out, offset = zlib.compressobj(9), [], 0
        for name, array in sorted(self._parts.items()):
            words[name] = {"dtype": array.dtype.str, "shape": [array.size], "offset": offset}
            out.append(packer.compress(array.tobytes()))
            offset += array.nbytes
        out.append(packer.flush())
        return words, offset, b"".join(out)


class Reader:
    """Arrays on their way from bytes; each is taken once."""

    def __init__(self, words: object, raw: object, body: bytes) -> None:
        """Unpack the bytes.

        Args:
            words: what the header says of the arrays.
            raw: how many bytes they have.
            body: them compressed.

        Raises:
            FormatError: the bytes are not what the header says.
        """
        size = whole(raw, "raw", 0, MOST)
        if size > RATIO * len(body):
            raise FormatError(f"{size} bytes of arrays cannot come from {len(body)} packed ones")
        self._places = _places(words, size)
        packed = zlib.decompressobj()
        try:
            self._raw = packed.decompress(body, size + 1)
        except zlib.error as error:
            raise FormatError(f"the arrays cannot be unpacked ({error})") from None
        if len(self._raw) != size or not packed.eof or packed.unused_data:
            raise FormatError(f"the arrays unpack to other than the {size} bytes that are stated")

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def whole(self, name: str, most: int) -> Index:
        """Return whole numbers, ``(length,)`` of at most a length."""
        kind, length, offset = self._take(name, most)
        if kind not in WHOLE:
            raise FormatError(f"array {name}: it is {kind}, not {', '.join(WHOLE)}")
        return self._made(kind, length, offset, np.int64)

    def real(self, name: str, most: int) -> Array:
        """Return real numbers, ``(length,)`` of at most a length; none is infinite or NaN."""
        kind, length, offset = self._take(name, most)
        if kind != REAL:
            raise FormatError(f"array {name}: it is {kind}, not {REAL}")
        out = self._made(kind, length, offset, np.float64)
        if not np.isfinite(out).all():
            raise FormatError(f"array {name}: it holds what is no finite number")
        return out

    def finish(self) -> None:
        """Raise FormatError where an array was not taken."""
        for name in self._places:
            raise FormatError(f"array {shown(name)}: nothing needs it")

    def _take(self, name: str, most: int) -> tuple[str, int, int]:
        found = self._places.pop(name, None)
        if found is None:
            raise FormatError(f"array {name}: it is missing")
        if found[1] > most:
            raise FormatError(f"array {name}: it has {found[1]} entries; {most} are handled")
        return found

    def _made(self, kind: str, length: int, offset: int, dtype: type) -> NDArray[Any]:
        part = memoryview(self._raw)[offset : offset + length * np.dtype(kind).itemsize]
        out: NDArray[Any] = np.frombuffer(part, dtype=kind).astype(dtype)
        out.setflags(write=False)
        return out


def _places(words: object, size: int) -> dict[str, tuple[str, int, int]]:
    """Return type, length and offset of each array; they lie one after the other."""
    found: dict[str, tuple[str, int, int]] = {}
    for name, value in mapping(words, "arrays").items():
        where = f"array {shown(name)}"
        dtype, shape, offset = fields(value, where, ("dtype", "shape", "offset"))
        kind = text(dtype, where)
        if kind not in (*WHOLE, REAL):
            raise FormatError(f"{where}: the type {shown(kind)} is unknown")
        (length,) = several(shape, where, 1)
        found[name] = kind, whole(length, where, 0, MOST), whole(offset, where, 0, MOST)
    end = 0
    for name, (kind, length, offset) in sorted(found.items(), key=lambda one: one[1][2]):
        if length and offset != end:
            raise FormatError(f"array {shown(name)}: it does not begin where one before it ends")
        end += length * np.dtype(kind).itemsize
    if end != size:
        raise FormatError(f"the arrays have {end} bytes where {size} are stated")
    return found
