"""The wire format of protocol buffers: a message as its numbered fields, and nothing beyond it.

A field is a varint, four or eight bytes, or a stretch of bytes with its length in front. Fields
that nobody asks for are passed over. A field that may stand once and stands twice is refused, where
the format would take the last one or merge both: no two readers can then see different messages.

Source: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .model import FormatError

VARINT: Final = 0
EIGHT: Final = 1
BYTES: Final = 2
FOUR: Final = 5

FIELDS: Final = 2**20
"""Most fields of a file; each takes some hundred bytes of memory."""

WHOLES: Final = 2**22
"""Most whole numbers in one field."""

Bytes = memoryview


class Allowance:
    """What is left of something that is limited.

    Attributes:
        left: of it.
        what: it is, for the error.
    """

    def __init__(self, left: int, what: str) -> None:
        self.left, self.what, self.all = left, what, left

    def take(self, count: int) -> None:
        """Take some of it.

        Raises:
            FormatError: there is less.
        """
        if count > self.left:
            raise FormatError(f"more than {self.all} {self.what} are not handled: split the file")
        self.left -= count


class Message:
    """A message whose fields are found and not yet understood.

    Attributes:
        what: its kind, for errors.
    """

    def __init__(self, data: Bytes, what: str, allowance: Allowance) -> None:
        """Find the fields of the message that fills ``data``; raise FormatError if it is none."""
        self.what, self._allowance = what, allowance
        self._found: dict[int, list[tuple[int, int | Bytes]]] = {}
        at, end = 0, len(data)
        while at < end:
            allowance.take(1)
            tag, at = self._varint(data, at)
            number, wire = tag >> 3, tag & 7
            if not 1 <= number < 2**29:
                raise FormatError(f"a {what} has a field numbered {number}: the file is damaged")
            value: int | Bytes
            if wire == VARINT:
                value, at = self._varint(data, at)
            else:
                match wire:
                    case 1:
                        length = 8
                    case 2:
                        length, at = self._varint(data, at)
                    case 5:
                        length = 4
                    case _:
                        raise FormatError(
                            f"field {number} of a {what} has wire type {wire}: the file is damaged"
                        )
                if length > end - at:
                    raise FormatError(
                        f"field {number} of a {what} has {length} bytes where {end - at} are left: "
                        "the file is cut short or damaged"
                    )
                value, at = data[at : at + length], at + length
            self._found.setdefault(number, []).append((wire, value))

    def has(self, number: int) -> bool:
        """Return whether a field is there."""
        return number in self._found

    def whole(self, number: int, default: int = 0) -> int:
        """Return a signed whole number of 64 bits."""
        value = self._single(number, VARINT)
        if value is None:
            return default
        assert isinstance(value, int)
        return value - 2**64 if value >= 2**63 else value

    def real(self, number: int, default: float = 0.0) -> float:
        """Return a binary32 number, widened."""
        value = self._single(number, FOUR)
        if value is None:
            return default
        assert not isinstance(value, int)
        return float(struct.unpack("<f", value)[0])

    def data(self, number: int) -> Bytes:
        """Return bytes; none where the field is not there."""
        value = self._single(number, BYTES)
        if value is None:
            return memoryview(b"")
        assert not isinstance(value, int)
        return value

    def text(self, number: int) -> str:
        """Return a text."""
        return self._text(number, self.data(number))

    def texts(self, number: int) -> tuple[str, ...]:
        """Return the texts of a field that may stand many times."""
        return tuple(self._text(number, value) for value in self._all(number))

    def inner(self, number: int, what: str) -> Message | None:
        """Return a message inside this one, or None."""
        if number not in self._found:
            return None
        return Message(self.data(number), what, self._allowance)

    def inners(self, number: int, what: str) -> list[Message]:
        """Return the messages of a field that may stand many times."""
        return [Message(value, what, self._allowance) for value in self._all(number)]

    def wholes(self, number: int) -> NDArray[np.int64]:
        """Return the signed whole numbers of a field, packed or one by one, ``(count,)``."""
        parts = []
        for wire, value in self._found.get(number, []):
            if isinstance(value, int):
                parts.append(np.array([value], dtype=np.uint64).view(np.int64))
            elif wire == BYTES:
                parts.append(self._varints(value))
            else:
                raise self._wire(number, wire)
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def reals(self, number: int, dtype: str) -> NDArray[np.generic]:
        """Return the numbers of a field, packed or one by one, ``(count,)``.

        Args:
            number: of the field.
            dtype: ``<f4`` or ``<f8``.
        """
        single = FOUR if dtype == "<f4" else EIGHT
        parts = []
        for wire, value in self._found.get(number, []):
            if wire not in (single, BYTES) or isinstance(value, int):
                raise self._wire(number, wire)
            if len(value) % np.dtype(dtype).itemsize:
                raise FormatError(f"field {number} of a {self.what} ends inside a number")
            parts.append(value)
        return np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), dtype=dtype)

    def _all(self, number: int) -> list[Bytes]:
        found = []
        for wire, value in self._found.get(number, []):
            if wire != BYTES or isinstance(value, int):
                raise self._wire(number, wire)
            found.append(value)
        return found

    def _single(self, number: int, wire: int) -> int | Bytes | None:
        found = self._found.get(number)
        if found is None:
            return None
        if len(found) != 1:
            raise FormatError(
                f"field {number} of a {self.what} stands {len(found)} times, not once"
            )
        if found[0][0] != wire:
            raise self._wire(number, found[0][0])
        return found[0][1]

    def _wire(self, number: int, wire: int) -> FormatError:
        return FormatError(
            f"field {number} of a {self.what} has wire type {wire}, which is another field's: the "
            "file is damaged"
        )

    def _text(self, number: int, value: Bytes) -> str:
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise FormatError(f"field {number} of a {self.what} is no text: damaged") from None

    def _varint(self, data: Bytes, at: int) -> tuple[int, int]:
        """Return the number that starts at ``at``, and where it ends."""
        value = shift = 0
        while True:
            if at >= len(data):
                raise FormatError(f"a {self.what} ends inside a number: the file is cut short")
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift > 63:
                raise self._long()
        if value >= 2**64:
            raise self._long()
        return value, at

    def _varints(self, data: Bytes) -> NDArray[np.int64]:
        """Return the numbers that fill ``data``."""
        raw = np.frombuffer(data, dtype=np.uint8)
        count = int(np.count_nonzero(raw < 128))
        if count > WHOLES:
            raise FormatError(f"a {self.what} holds {count} whole numbers, more than {WHOLES}")
        if not raw.size:
            return np.zeros(0, dtype=np.int64)
        if raw[-1] >= 128:
            raise FormatError(f"a {self.what} ends inside a number: the file is cut short")
        ends = np.flatnonzero(raw < 128)
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts + 1
        if lengths.max() > 10 or (raw[ends[lengths == 10]] > 1).any():
            raise self._long()
        values = np.zeros(count, dtype=np.uint64)
        for step in range(int(lengths.max())):
            some = np.flatnonzero(lengths > step)
            digits = (raw[starts[some] + step] & 127).astype(np.uint64)
            values[some] |= digits << np.uint64(7 * step)
        return values.view(np.int64)

    def _long(self) -> FormatError:
        return FormatError(f"a {self.what} holds a number of more than 64 bits: it is damaged")
