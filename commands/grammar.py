"""The grammar of the command line: verbs, and the words that their parameters take.

A verb is a function. A parameter annotated with an `Option` or an `Argument` is read from the
words of a command, by `reading.py` or by `usage.py`; one annotated with `Began` is told when the
command did. A type is str, Path, int, float, bool or an enumeration of words, perhaps None, or a
list of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

Verb = Callable[..., int]


@dataclass(frozen=True, slots=True)
class Option:
    """A word with dashes and, unless it is a flag, the word after it.

    Attributes:
        long: with two dashes; made of the parameter's name when empty. Of a flag that can be
            turned off, both words with a slash between them.
        short: with one; none when empty.
        metavar: what stands for its value in the help; made of its type when empty.
        help: one sentence.
        least, most: of a number, closed; None for no limit.
    """

    long: str = ""
    short: str = ""
    metavar: str = ""
    help: str = ""
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    """A word without dashes, by its place; the last one of a verb may be a list.

    Attributes:
        metavar: what stands for it in the help.
        help: one sentence.
    """

    metavar: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A parameter that no word of a command speaks of."""


Began = Annotated[float | None, Told()]
"""When the command did, on `time.monotonic`; None for now."""


@dataclass(slots=True, eq=False)
class Verbs:
    """Verbs of a program, or of one of its verbs.

    Attributes:
        name: of the program or of the verb.
        help: one sentence.
        verbs: functions, or further verbs, by name.
        top: what is asked without a verb, by options alone; None for nothing.
        lenient: names of verbs whose arguments may look like options.
    """

    name: str
    help: str
    verbs: dict[str, Verb | Verbs] = field(default_factory=dict)
    top: Verb | None = None
    lenient: set[str] = field(default_factory=set)

    def verb(self, name: str = "", *, lenient: bool = False) -> Callable[[Verb], Verb]:
        """Return a decorator that adds a function, by its own name when none is given."""

        def add(function: Verb) -> Verb:
            key = name or function.__name__
            self.verbs[key] = function
            if lenient:
                self.lenient.add(key)
            return function

        return add
