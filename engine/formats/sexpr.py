"""S-expressions: the text under VNN-LIB 1 and 2, read into trees that know their place."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import FormatError
from .decimals import shortened
from .files import read_text

DEPTH: Final = 200
"""Deepest nesting of parentheses that is read; keeps recursion over a tree within python's own."""

TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|;[^\n]*)
    |(?P<open>\()
    |(?P<close>\))
    |(?P<index>\[[^][()";\n]*\])
    |(?P<string>"[^"\n]*")
    |(?P<name>[^][()";\s]+)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Atom:
    """A name, a number, an index in brackets or a string in quotes.

    Attributes:
        text: as written; the spaces inside brackets are left out.
        at: offset of its first character in the file's text.
    """

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Form:
    """A list in parentheses.

    Attributes:
        items: what stands in it.
        at: offset of its opening parenthesis in the file's text.
    """

    items: tuple["Expression", ...]
    at: int

    @property
    def head(self) -> str:
        """The text of the first item, or an empty string if that is no atom."""
        return self.items[0].text if self.items and isinstance(self.items[0], Atom) else ""


Expression = Atom | Form


@dataclass(frozen=True, slots=True)
class Script:
    """The forms of a file and the way back to their lines.

    Attributes:
        file: its name.
        forms: the lists at the top level.
        breaks: offsets of the line breaks in its text.
    """

    file: str
    forms: tuple[Form, ...] = ()
    breaks: tuple[int, ...] = field(default=(), repr=False)

    def place(self, at: int | Expression) -> str:
        """Return ``file:line:column``, both counted from 1, of an offset or an expression."""
        offset = at if isinstance(at, int) else at.at
        line = bisect_right(self.breaks, offset - 1)
        start = self.breaks[line - 1] + 1 if line else 0
        return f"{self.file}:{line + 1}:{offset - start + 1}"


def read_script(path: str | Path) -> Script:
    """Return the forms of a file.

    Args:
        path: of the file.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: it is not UTF-8, or no sequence of lists; the message gives line and column.
    """
    return parse(read_text(path), str(path))


def parse(text: str, file: str) -> Script:
    """Return the forms of a text.

    Args:
        text: lists in parentheses; ``;`` starts a comment.
        file: the name to give in errors.

    Raises:
        FormatError: no sequence of lists; the message gives line and column.
    """
    text = text.replace("\r\n", "\n")
    script = Script(file, (), tuple(m.start() for m in re.finditer("\n", text)))
    open_at: list[int] = []
    levels: list[list[Expression]] = [[]]
    at = 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise FormatError(f"{script.place(at)}: {_stray(text[at])}")
        match token.lastgroup:
            case "skip":
                pass
            case "open":
                open_at.append(at)
                levels.append([])
                if len(open_at) > DEPTH:
                    raise FormatError(
                        f"{script.place(at)}: parentheses nest deeper than {DEPTH}: flatten them"
                    )
            case "close":
                if not open_at:
                    raise FormatError(
                        f"{script.place(at)}: this ')' closes nothing: take it away, or open it"
                    )
                items = tuple(levels.pop())
                levels[-1].append(Form(items, open_at.pop()))
            case _:
                if not open_at:
                    raise FormatError(
                        f"{script.place(at)}: {shortened(token.group())} stands outside "
                        "parentheses: this is no VNN-LIB file, or a '(' is missing before it"
                    )
                levels[-1].append(Atom(_plain(token), at))
        at = token.end()
    if open_at:
        raise FormatError(
            f"{script.place(open_at[-1])}: this '(' is never closed: the file is cut short, or "
            "a ')' is missing"
        )
    forms = tuple(form for form in levels[0] if isinstance(form, Form))
    return Script(file, forms, script.breaks)


def _plain(token: re.Match[str]) -> str:
    text = token.group()
    return "".join(text.split()) if token.lastgroup == "index" else text


def _stray(character: str) -> str:
    if character == '"':
        return "this '\"' has no partner: close the string on its line"
    return f"this {character!r} has no partner: write an index such as X[0,1] on one line"
