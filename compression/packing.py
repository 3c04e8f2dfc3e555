"""Bytes of packed files: whole numbers, texts and arrays of numbers, each in its shortest form.

Little-endian. Whole numbers take 7 bits a byte, the last with its top bit clear; signed ones are
folded, 0, -1, 1, -2 ... An array is told by a byte, the reader knows its size.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import FormatError

Array = NDArray[np.float64]

LARGEST = 2**28
"""Numbers that an array may have: a few false bytes must not ask for all memory."""


class Kind(IntEnum):
    """How an array of numbers is written."""

    ZEROS = 0
    """Nothing."""
    EQUAL = 1
    """The one number that they all are."""
    DENSE = 2
    """One after the other."""
    SPARSE = 3
    """A bit for each whether it is there, then those that are."""
    POWERS = 4
    """The exponent of two of each, int8."""


class Packer:
    """Bytes under way."""

    def __init__(self) -> None:
        self.parts = bytearray()

    def whole(self, *values: int) -> None:
        """Add whole numbers of 0 or more."""
        for value in values:
            while value > 127:
                self.parts.append(value & 127 | 128)
                value >>= 7
            self.parts.append(value)

    def signed(self, value: int) -> None:
        """Add a whole number."""
        self.whole(2 * value if value >= 0 else -2 * value - 1)

    def text(self, text: str) -> None:
        """Add a text."""
        data = text.encode()
        self.whole(len(data))
        self.parts += data

    def bits(self, bits: NDArray[np.bool_]) -> None:
        """Add truth values, eight a byte."""
        self.parts += np.packbits(bits, axis=None).tobytes()

    def numbers(self, values: NDArray[Any], dtype: str) -> None:
        """Add numbers, bit for bit, in the shortest form.

        Args:
            values: any shape; each a number of `dtype`.
            dtype: one of numpy, such as ``<f4``.
        """
        flat = np.ascontiguousarray(values.ravel(), dtype=dtype)
        there = (flat != 0) | np.signbit(flat) if flat.dtype.kind == "f" else flat != 0
        width, count = flat.itemsize, int(np.count_nonzero(there))
        if not count:
            self.parts.append(Kind.ZEROS)
        elif bool((flat == flat[0]).all()) and there.all():
            self.parts.append(Kind.EQUAL)
            self.parts += flat[:1].tobytes()
        elif width > 1 and (powers := _powers(flat)) is not None:
            self.parts.append(Kind.POWERS)
            self.parts += powers.tobytes()
        elif (flat.size + 7) // 8 + count * width < flat.size * width:
            self.parts.append(Kind.SPARSE)
            self.bits(there)
            self.parts += flat[there].tobytes()
        else:
            self.parts.append(Kind.DENSE)
            self.parts += flat.tobytes()


def _powers(flat: NDArray[Any]) -> NDArray[np.int8] | None:
    """Return the exponents of numbers that are all powers of two, or None."""
    if flat.dtype.kind != "f" or not (flat > 0).all():
        return None
    part, power = np.frexp(flat.astype(np.float64))
    power = power - 1
    if (part != 0.5).any() or power.min() < -128 or power.max() > 127:
        return None
    return power.astype(np.int8)


class Unpacker:
    """Bytes that are read from their start.

    Raises:
        FormatError: every method, where the bytes end too soon or make no sense.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    @property
    def ended(self) -> bool:
        """Whether all bytes are read."""
        return self.place == len(self.data)

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if count > len(self.data) - self.place:
            raise FormatError("it ends too soon")
        self.place += count
        return self.data[self.place - count : self.place]

    def whole(self) -> int:
        """Return a whole number of 0 or more."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise FormatError("a whole number has more than 63 bits")

    def size(self) -> int:
        """Return a number of values."""
        value = self.whole()
        if value > LARGEST:
            raise FormatError(f"an array of {value} numbers is too large")
        return value

    def signed(self) -> int:
        """Return a whole number."""
        value = self.whole()
        return -(value + 1) // 2 if value % 2 else value // 2

    def text(self) -> str:
        """Return a text."""
        try:
            return self.take(self.size()).decode()
        except UnicodeDecodeError:
            raise FormatError("a name is no UTF-8") from None

    def bits(self, count: int) -> NDArray[np.bool_]:
        """Return truth values."""
        data = np.frombuffer(self.take((count + 7) // 8), np.uint8)
        return np.unpackbits(data, count=count).astype(np.bool_)

    def numbers(self, count: int, dtype: str) -> NDArray[Any]:
        """Return ``(count,)`` numbers of a dtype."""
        if count > LARGEST:
            raise FormatError(f"an array of {count} numbers is too large")
        width = np.dtype(dtype).itemsize
        kind = self.take(1)[0]
        match kind:
            case Kind.ZEROS:
                return np.zeros(count, dtype)
            case Kind.EQUAL:
                return np.repeat(np.frombuffer(self.take(width), dtype), count)
            case Kind.DENSE:
                return np.frombuffer(self.take(count * width), dtype)
            case Kind.SPARSE:
                there, out = self.bits(count), np.zeros(count, dtype)
                held = int(np.count_nonzero(there))
                out[there] = np.frombuffer(self.take(held * width), dtype)
                return out
            case Kind.POWERS:
                powers = np.frombuffer(self.take(count), np.int8)
                return np.ldexp(1.0, powers.astype(np.int32)).astype(dtype)
            case _:
                raise FormatError(f"there is no kind {kind} of arrays")
