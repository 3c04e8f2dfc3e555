"""JSON as a proof's header has it: what it may hold, and values of the kinds that are asked for.

Everything is refused that two readers could understand differently: keys that come twice, numbers
that are not finite or too long to read, true and false for 1 and 0, texts that are no Unicode.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from .model import FormatError

DEEP: Final = 32
"""How deep lists and objects may stand in each other."""

MARKS: Final = 8_000_000
"""Commas, colons and opening brackets of a header at most: bounds the memory it takes when read."""

DIGITS: Final = 4_000
"""Characters of a number at most."""

LONGEST: Final = 100_000
"""Characters of a name at most."""

_NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:/([1-9][0-9]*))?", re.ASCII)
_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_STRING: Final = re.compile(rb'"[^"]*"')
_BRACKET: Final = re.compile(rb"[\[\]{}]")


def parse(data: bytes) -> object:
    """Return what JSON text says.

    Args:
        data: UTF-8.

    Raises:
        FormatError: it is no JSON, or holds what a proof's header may not hold.
    """
    if sum(data.count(mark) for mark in (b",", b":", b"[", b"{")) > MARKS:
        raise FormatError(f"the header holds more than {MARKS} values")
    if _depth(data) > DEEP:
        raise FormatError(f"the header's lists stand more than {DEEP} deep in each other")
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_constant=_no_number,
            parse_float=_finite,
            object_pairs_hook=_once,
        )
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header is no JSON that can be read ({error})") from None


def dump(value: object) -> bytes:
    """Return a value as JSON text that `parse` reads, always the same for the same value.

    Raises:
        FormatError: it is no such value.
    """
    try:
        text = json.dumps(
            value, ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"the header cannot be written ({error})") from None
    data = text.encode("ascii")
    parse(data)
    return data


def fields(value: object, where: str, names: tuple[str, ...]) -> tuple[object, ...]:
    """Return the values of an object that has these keys, and no others, in their order."""
    if not isinstance(value, dict):
        raise FormatError(f"{where}: an object is needed")
    if value.keys() != set(names):
        unknown, missing = sorted(value.keys() - set(names)), sorted(set(names) - value.keys())
        what = f"the key {shown(missing[0])} is missing" if missing else ""
        raise FormatError(f"{where}: {what or f'the key {shown(unknown[0])} is unknown'}")
    return tuple(value[name] for name in names)


def mapping(value: object, where: str) -> Mapping[str, object]:
    """Return an object."""
    if not isinstance(value, dict):
        raise FormatError(f"{where}: an object is needed")
    return value


def several(value: object, where: str, length: int | None = None) -> list[object]:
    """Return a list, of a length if one is given."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        of = "" if length is None else f" of {length}"
        raise FormatError(f"{where}: a list{of} is needed")
    return value


def whole(value: object, where: str, least: int = 0, most: int = 2**31 - 1) -> int:
    """Return a whole number between limits."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise FormatError(f"{where}: a whole number from {least} to {most} is needed")
    return value


def wholes(value: object, where: str, most: int = 2**31 - 1) -> tuple[int, ...]:
    """Return a list of whole numbers of at least 0."""
    return tuple(whole(one, where, 0, most) for one in several(value, where))


def flag(value: object, where: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise FormatError(f"{where}: true or false is needed")
    return value


def text(value: object, where: str) -> str:
    """Return a text of Unicode characters."""
    if not isinstance(value, str) or len(value) > LONGEST:
        raise FormatError(f"{where}: a text of at most {LONGEST} characters is needed")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise FormatError(f"{where}: the text holds half a character") from None
    return value


def fraction(value: object, where: str) -> Fraction:
    """Return a number written as ``p/q`` or ``p``."""
    found = None
    if isinstance(value, str) and len(value) <= DIGITS:
        found = _NUMBER.fullmatch(value)
    if found is None:
        raise FormatError(
            f"{where}: a number in quotes is needed, p or p/q in at most {DIGITS} characters"
        )
    return Fraction(int(found[1]), int(found[2] or 1))


def spell(value: Fraction | int, where: str) -> str:
    """Return a number as `fraction` reads it; raise FormatError where it is too long."""
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) <= 3 * DIGITS:
            out = str(value)
            if len(out) <= DIGITS:
                return out
    elif isinstance(value, int) and not isinstance(value, bool):
        return spell(Fraction(value), where)
    raise FormatError(f"{where}: no rational number of at most {DIGITS} characters")


def shown(name: str, most: int = 200) -> str:
    """Return a name in quotes for a line of text, whatever characters it holds."""
    bare = json.dumps(name if len(name) <= most else name[: most - 3] + "...", ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in bare)


def _depth(data: bytes) -> int:
    """Return how deep the brackets outside strings stand; what is no JSON is found out later."""
    bare = _STRING.sub(b"", _ESCAPE.sub(b"", data))
    deep = deepest = 0
    for found in _BRACKET.finditer(bare):
        deep += 1 if found[0] in b"[{" else -1
        if deep > deepest:
            deepest = deep
            if deep > DEEP:
                break
    return deepest


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise FormatError("the header has an object in which a key comes twice")
    return out


def _no_number(name: str) -> object:
    raise FormatError(f"the header holds {name}, which is no number")


def _finite(digits: str) -> float:
    out = float(digits)
    if not math.isfinite(out):
        raise FormatError("the header holds a number beyond float64")
    return out


def numbers(value: object, where: str) -> tuple[Fraction, ...]:
    """Return numbers of a list; raise FormatError where it is none of numbers."""
    return tuple(fraction(one, where) for one in several(value, where))
