"""The bytes of a file of a collection, from the addresses that have it."""

from __future__ import annotations

import gzip
import io
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException

from ..engine.errors import FileError, FormatError

SECONDS = 30.0
"""Longest wait for one answer of a server, when no time is given."""

PIECE = 1 << 20
"""Bytes that are read at a time; between two pieces the time given is looked at."""

Tell = Callable[[str], None]
"""Told, in words, how far a file is."""


@dataclass(frozen=True, slots=True)
class Download:
    """How files are read from the web.

    Attributes:
        addresses: each has all files; the next one is asked where one cannot be reached.
        largest: bytes of the largest file that is read.
        competition: the files lie as the later competitions keep them, networks in onnx/ and
            properties in vnnlib/, each gzipped, or else flat.
        deadline: reading of `time.monotonic` at which the time given is spent; None for no end.
        by_hand: what to put where by hand instead, in words.
    """

    addresses: tuple[str, ...]
    largest: int
    competition: bool
    deadline: float | None
    by_hand: str

    def read(self, name: str, tell: Tell) -> bytes:
        """Return the bytes of a file.

        Args:
            name: of the file.
            tell: hears of the progress.

        Raises:
            FileError: no address has it, or the time is spent; says what to put where instead.
            FormatError: it is larger than any file of the collection.
        """
        for url in self.addresses[:-1]:
            try:
                return self._from(url, name, tell)
            except FileError as error:
                if error.__cause__ is None:
                    raise
        return self._from(self.addresses[-1], name, tell)

    def _from(self, url: str, name: str, tell: Tell) -> bytes:
        if not self.competition:
            return self._bytes(f"{url}/{name}", tell)
        packed = f"{url}/{'onnx' if name.endswith('.onnx') else 'vnnlib'}/{name}.gz"
        try:
            data = self._bytes(packed, tell)
        except FileError as error:
            if not isinstance(error.__cause__, urllib.error.HTTPError):
                raise
            return self._bytes(f"{url}/{name}", tell)
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
                plain = unpacked.read(self.largest + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(
                f"{packed}: is no sound gzip file ({error}); try another --url"
            ) from error
        if len(plain) > self.largest:
            raise FormatError(f"{packed}: holds more than {self.largest} bytes; try another --url")
        return plain

    def _bytes(self, url: str, tell: Tell) -> bytes:
        """Return the bytes at an address.

        Raises:
            FileError: no answer in time, or a refusal, which is the cause; without a cause, the
                time given is spent.
        """
        pieces, held = [], 0
        try:
            with urllib.request.urlopen(url, timeout=self._left(url)) as answer:
                while held <= self.largest and (piece := answer.read(PIECE)):
                    pieces.append(piece)
                    held += len(piece)
                    tell(f"{held >> 20} MiB of {url.rsplit('/', 1)[-1]}")
                    self._left(url)
        except FileError:
            raise
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            why = error.reason if type(error) is urllib.error.URLError else error
            raise FileError(
                f"{url}: cannot be fetched ({' '.join(str(why).split())}): with no network, "
                f"{self.by_hand}"
            ) from error
        if held > self.largest:
            raise FormatError(f"{url}: sends more than {self.largest} bytes; try another --url")
        return b"".join(pieces)

    def _left(self, url: str) -> float:
        """Return how long to wait for an answer, in seconds.

        Raises:
            FileError: the time given is spent.
        """
        left = SECONDS if self.deadline is None else min(SECONDS, self.deadline - time.monotonic())
        if left <= 0:
            raise FileError(f"{url}: the time given with --timeout is spent; run again to go on")
        return left
