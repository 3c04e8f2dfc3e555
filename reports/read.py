"""Records that are read: JSON from anybody, checked key by key as it is used."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from ..engine.errors import FormatError
from ..engine.formats.files import as_text, read_bytes
from .wording import clean, cut

LARGEST: Final = 64 * 2**20
"""Bytes of a record; one of 20,000 rows of a batch has about 50 million."""

MOST: Final = 4_000_000
"""Values of a record: each is an object in memory, however short its text."""

DEEPEST: Final = 32
"""Lists and objects in one another; a record has about eight."""

LONGEST: Final = 20_000
"""Letters of a text that are shown: a box of 784 inputs, as it is typed, has about 10,000."""

HIGHEST: Final = 2**63 - 1
"""Counts above it were never counted."""

T = TypeVar("T")

MEND: Final = "give a file that a verb wrote by --json"

SCHEMA: Final = re.compile(r"secateur\.([a-z]{1,20})/([0-9]{1,4})")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """An object of a record; each method gives what stands under a key or says what is wrong.

    Raises:
        FormatError: by every method: the key is missing, or what it holds is of another kind.

    Attributes:
        file: of the record, for errors.
        place: of this object in it, such as ``cuts[0].region``; empty for the whole.
        value: what it holds.
    """

    file: str
    place: str
    value: dict[str, Any]

    def wrong(self, key: str, why: str) -> NoReturn:
        """Raise a FormatError about a key."""
        raise FormatError(f"{self.file}: {self.at(key)} {why}; {MEND}")

    def at(self, key: str) -> str:
        """Return the place of a key."""
        return f"{self.place}.{clean(key)}" if self.place else clean(key)

    def has(self, key: str) -> bool:
        """Return whether a key is there and holds something."""
        return self.value.get(key) is not None

    def empty(self, key: str) -> bool:
        """Return whether a key, which must be there, holds null."""
        if key not in self.value:
            self.wrong(key, "is missing")
        return self.value[key] is None

    def words(self, key: str) -> str:
        """Return a text, as one line, and no more of it than can be read."""
        return cut(self.line(key), LONGEST)

    def line(self, key: str) -> str:
        """Return a text as one line, however long."""
        value = self._known(key)
        if not isinstance(value, str):
            self.wrong(key, "is no text")
        return clean(value)

    def flag(self, key: str) -> bool:
        """Return a truth value."""
        value = self._known(key)
        if not isinstance(value, bool):
            self.wrong(key, "is neither true nor false")
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        return self._number(key, self._known(key))

    def count(self, key: str) -> int:
        """Return a whole number of at least 0."""
        value = self._known(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= HIGHEST:
            self.wrong(key, "is no count")
        return value

    def part(self, key: str) -> Part:
        """Return an object."""
        return self._part(key, self._known(key))

    def parts(self, key: str) -> tuple[Part, ...]:
        """Return a list of objects."""
        return tuple(self._part(f"{key}[{i}]", v) for i, v in enumerate(self._list(key)))

    def numbers(self, key: str) -> tuple[float | None, ...]:
        """Return a list of numbers, None where one is null."""
        values = enumerate(self._list(key))
        return tuple(None if v is None else self._number(f"{key}[{i}]", v) for i, v in values)

    def limits(self, key: str) -> tuple[float, ...]:
        """Return a list of numbers that are all known."""
        return tuple(self._number(f"{key}[{i}]", v) for i, v in enumerate(self._list(key)))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self._list(key)
        if not all(isinstance(value, str) for value in values):
            self.wrong(key, "is no list of texts")
        return tuple(cut(clean(value), LONGEST) for value in values)

    def counts(self, key: str) -> dict[str, int]:
        """Return an object of counts."""
        part = self.part(key)
        return {clean(name): part.count(name) for name in part.value}

    def counts_of(self, names: Iterable[str]) -> dict[str, int]:
        """Return the counts under some keys of this object."""
        return {name: self.count(name) for name in names}

    def one_of(self, key: str, choices: Iterable[str]) -> str:
        """Return a text that is one of a few."""
        value, known = self.words(key), tuple(choices)
        if value not in known:
            self.wrong(key, f"is none of {', '.join(known)}")
        return value

    def maybe(self, key: str, read: Callable[[str], T]) -> T | None:
        """Return what one of the other methods gives, or None where the key holds null."""
        return None if self.empty(key) else read(key)

    def _known(self, key: str) -> Any:
        if self.empty(key):
            self.wrong(key, "is null, which says nothing here")
        return self.value[key]

    def _list(self, key: str) -> list[Any]:
        value = self._known(key)
        if not isinstance(value, list | tuple):
            self.wrong(key, "is no list")
        return list(value)

    def _part(self, key: str, value: Any) -> Part:
        if not isinstance(value, dict):
            self.wrong(key, "is no object")
        return Part(self.file, self.at(key), value)

    def _number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(key, "is no number")
        if (isinstance(value, int) and abs(value) > 10**300) or not math.isfinite(value):
            self.wrong(key, "is no finite number")
        return float(value)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A record and what every verb says in it.

    Attributes:
        part: all of it.
        path: of its file; empty where it was never in one.
        sha256: of its bytes; empty likewise.
        verb: whose record it is.
        edition: of its schema.
    """

    part: Part
    path: str
    sha256: str
    verb: str
    edition: int

    @property
    def schema(self) -> str:
        """Name and version of what the record holds."""
        return f"secateur.{self.verb}/{self.edition}"


def read_run(path: Path) -> Run:
    """Return the record in a file.

    Args:
        path: of JSON that a verb wrote by ``--json``.

    Raises:
        FileError: it cannot be read.
        FormatError: it is too large or too deep, no JSON, or no record of secateur.
    """
    data = read_bytes(path, LARGEST)
    return run_of(parsed(data, str(path)), str(path), hashlib.sha256(data).hexdigest())


def run_of(value: object, path: str = "", sha256: str = "") -> Run:
    """Return a record with its schema taken apart.

    Args:
        value: the record.
        path: of its file; empty where it was never in one.
        sha256: of the file's bytes; empty likewise.

    Raises:
        FormatError: it is no record of secateur.
    """
    file = path or "the record"
    if not isinstance(value, dict):
        raise FormatError(f"{file}: this is no record but a single value or a list; {MEND}")
    part = Part(file, "", value)
    if "schema" not in value:
        raise FormatError(f"{file}: this is JSON but no record: it has no schema; {MEND}")
    found = SCHEMA.fullmatch(schema := part.words("schema"))
    if found is None:
        part.wrong("schema", f"is {schema[:60]!r}, none of secateur's")
    return Run(part, clean(path), sha256, found[1], int(found[2]))


def parsed(data: bytes, file: str) -> object:
    """Return what JSON stands for: no NaN, no infinity, no key twice, nothing too deep.

    Args:
        data: UTF-8.
        file: its name, for errors.

    Raises:
        FormatError: it is not that.
    """
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > MOST:
        raise FormatError(f"{file}: more than {MOST:,} values are no record; {MEND}")
    text = as_text(data, file)

    def number(digits: str) -> float:
        if not math.isfinite(value := float(digits)):
            raise FormatError(f"{file}: {digits[:40]} is no finite number; {MEND}")
        return value

    def none(word: str) -> NoReturn:
        raise FormatError(f"{file}: {word} is no number of JSON; {MEND}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in pairs:
            if name in out:
                raise FormatError(f"{file}: the key {clean(name)[:60]!r} stands twice; {MEND}")
            out[name] = value
        return out

    try:
        value: object = json.loads(
            text, parse_float=number, parse_constant=none, object_pairs_hook=once
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FormatError(f"{file}: {place}: this is no JSON ({error.msg}); {MEND}") from error
    except RecursionError as error:
        raise FormatError(f"{file}: lists in lists without end are no record; {MEND}") from error
    except ValueError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{file}: a number has too many digits; {MEND}") from error
    if _depth(value) > DEEPEST:
        raise FormatError(f"{file}: more than {DEEPEST} lists in one another; {MEND}")
    return value


def _depth(value: object) -> int:
    """Return how many lists and objects stand in one another, looking no deeper than needed."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        below: list[object] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        level = [one for one in below if isinstance(one, dict | list)]
        depth += 1
    return depth
