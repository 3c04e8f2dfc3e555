"""Reads the words of a command that is written as it should be; all others are for `usage.py`.

Most commands are right, and come from scripts by the thousand: what explains a wrong one, and
prints the help, takes as long to load as some questions take to answer. What is read here means
there what it means here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from inspect import Parameter, signature
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from .grammar import Argument, Option, Told, Verb, Verbs

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?")


class Unread(Exception):  # noqa: N818
    """Words that are wrong, or of which it is not plain what they mean."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a parameter of a verb takes.

    Attributes:
        name: of the parameter.
        kind: str, Path, int, float, bool or an enumeration.
        many: whether it takes a list.
        what: how it is written.
        needed: whether it has no default.
    """

    name: str
    kind: Any
    many: bool
    what: Option | Argument | Told
    needed: bool

    @property
    def names(self) -> tuple[str, ...]:
        """With dashes, of an option."""
        if not isinstance(self.what, Option):
            return ()
        long = self.what.long.partition("/")[0] or f"--{self.name.replace('_', '-')}"
        return (long, self.what.short) if self.what.short else (long,)

    @property
    def against(self) -> str:
        """With dashes, what turns a flag off; empty where nothing does."""
        return self.what.long.partition("/")[2] if isinstance(self.what, Option) else ""


def words_of(verb: Verb) -> Iterator[Word]:
    """Yield what the parameters of a verb take."""
    hints = get_type_hints(verb, include_extras=True)
    for name, parameter in signature(verb).parameters.items():
        assert get_origin(hints[name]) is Annotated, f"{verb.__name__}: {name} takes no words"
        kind, what = get_args(hints[name])
        if get_origin(kind) is UnionType:
            (kind,) = (one for one in get_args(kind) if one is not type(None))
        many = get_origin(kind) is list
        if many:
            (kind,) = get_args(kind)
        yield Word(name, kind, many, what, parameter.default is Parameter.empty)


def read(verbs: Verbs, words: Sequence[str], began: float | None) -> Callable[[], int] | None:
    """Return the call that a command's words ask for; None where `usage.py` is to be asked.

    Args:
        verbs: of the program.
        words: after the program's name.
        began: when the command did, on `time.monotonic`.
    """
    rest, at = list(words), verbs
    while rest and isinstance(inner := at.verbs.get(rest[0]), Verbs):
        at, rest = inner, rest[1:]
    if not rest:
        return None
    verb = at.verbs.get(rest[0])
    if verb is None and at.top is not None and rest[0].startswith("-"):
        verb, rest = at.top, ["", *rest]
    if verb is None or isinstance(verb, Verbs):
        return None
    try:
        given = _given(tuple(words_of(verb)), rest[1:], began)
    except Unread:
        return None
    return lambda: verb(**given)


def _given(words: tuple[Word, ...], rest: list[str], began: float | None) -> dict[str, Any]:
    """Return what a verb's parameters are given."""
    named = {name: word for word in words for name in (*word.names, word.against) if name}
    places = [word for word in words if isinstance(word.what, Argument)]
    given: dict[str, Any] = {w.name: began for w in words if isinstance(w.what, Told)}
    bare: list[str] = []
    while rest:
        text = rest.pop(0)
        name, equals, value = text.partition("=") if text.startswith("--") else (text, "", "")
        if not text.startswith("-") or text == "-":
            bare.append(text)
            continue
        word = named.get(name)
        if word is None or (word.name in given and not word.many):
            raise Unread
        if word.kind is bool:
            if equals:
                raise Unread
            given[word.name] = name != word.against
            continue
        if not equals:
            if not rest or rest[0] in named or rest[0] == "--":
                raise Unread
            value = rest.pop(0)
        _put(given, word, value)
    for word in places:
        taken = len(bare) if word.many else 1
        for text in bare[:taken]:
            _put(given, word, text)
        bare = bare[taken:]
    if bare or any(word.needed and word.name not in given for word in words):
        raise Unread
    return given


def _put(given: dict[str, Any], word: Word, text: str) -> None:
    value = _value(word, text)
    if word.many:
        given.setdefault(word.name, []).append(value)
    else:
        given[word.name] = value


def _value(word: Word, text: str) -> Any:
    """Return what a word says."""
    kind, what = word.kind, word.what
    if not text:
        raise Unread
    if kind is str or kind is Path:
        return kind(text)
    if issubclass(kind, Enum):
        for one in kind:
            if one.value == text:
                return one
        raise Unread
    if not (_WHOLE if kind is int else _DECIMAL).fullmatch(text):
        raise Unread
    value = kind(text)
    if isinstance(what, Option):
        small = what.least is not None and value < what.least
        if small or (what.most is not None and value > what.most):
            raise Unread
    return value
