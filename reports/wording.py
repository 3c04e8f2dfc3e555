"""How numbers, names and lines are written for people."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from ..commands.terminal import above, below

DASH: Final = "\u2013"
"""What stands where there is nothing to say."""

MINUS: Final = "\u2212"

LETTER: Final = "\ufffd"
"""What stands for a character that no page can show, or that would turn the letters around."""


def clean(text: str) -> str:
    """Return a text from outside as one line without characters that cannot be printed."""
    return "".join(c if c.isprintable() else " " if c.isspace() else LETTER for c in text)


def cut(text: str, most: int) -> str:
    """Return a text of at most that many characters, the end left out."""
    return text if len(text) <= most else text[: most - 1] + "…"


def thousands(value: float) -> str:
    """Return a whole number with thin spaces between its groups of three digits."""
    return f"{value:,.0f}".replace(",", "\u202f")


def short(value: float | None, digits: int = 4) -> str:
    """Return a number in few digits; a dash for None."""
    if value is None:
        return DASH
    value += 0.0  # no -0
    grouped = 10.0 ** min(digits, 4) <= abs(value) < 1e7
    return (thousands(value) if grouped else f"{value:.{digits}g}").replace("-", MINUS)


def plain(value: float | None) -> str:
    """Return a number as it is, in the fewest digits that tell it from others, to be copied."""
    return DASH if value is None else repr(float(value) + 0.0)


def upward(value: float | None, digits: int = 4) -> str:
    """Return an upper bound in few digits, rounded up; a dash for None."""
    return DASH if value is None else above(value, digits).replace("-", MINUS)


def downward(value: float | None, digits: int = 4) -> str:
    """Return a lower bound in few digits, rounded down; a dash for None."""
    return DASH if value is None else below(value, digits).replace("-", MINUS)


def per_cent(part: float, whole: float, digits: int = 0) -> str:
    """Return a part of a whole in per cent; a dash where there is no whole."""
    return f"{100.0 * part / whole:.{digits}f}\u202f%" if whole else DASH


def sentence(text: str) -> str:
    """Return a line with a capital in front and a full stop behind."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def seconds(value: float | None) -> str:
    """Return seconds for people; a dash for none."""
    if not value:
        return DASH
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 0.05 else "< 0.1"


def plural(count: int, one: str, more: str = "") -> str:
    """Return a count and its noun."""
    return f"{thousands(count)} {one if count == 1 else more or one + 's'}"


def name_of(path: str) -> str:
    """Return the last part of a path."""
    return PurePath(path).name or path


def all_of(names: list[str]) -> str:
    """Return names as a sentence has them."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
