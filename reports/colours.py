"""The colours of figures and what they mean; words on them and beside them can be read."""

from __future__ import annotations

from typing import Final

KINDS: Final = (
    ("zero", "always zero, removed", "#2b6a99"),
    ("identity", "always passes its input on, linear", "#8cc5e3"),
    ("forward", "made zero or linear, outputs stay near (forward)", "#9fd08c"),
    (
        "result-preserving",
        "made zero or linear, the best output stays (result-preserving)",
        "#2f7d3b",
    ),
    ("relaxed", "made another line (relaxed)", "#7b5ea7"),
    ("active", "active, shown by two points, kept", "#c9c9c9"),
    ("open", "open, not decided in time, kept", "#f0c571"),
)
"""The kinds of neurons: word, meaning and colour."""

LATER: Final = ("forward", "result-preserving", "relaxed")
"""The steps that remove what no phase does."""

INK: Final = "#1b1f23"
PAPER: Final = "#ffffff"

BEFORE: Final = "#9a9a9a"
AFTER: Final = "#2b6a99"

SURE: Final = "#2b6a99"
"""Of what a point attains."""

ROOM: Final = "#f0c571"
"""Of what lies between a point and a proof."""

BOUND: Final = "#8cc5e3"
"""Of values that a proof allows."""

LIMIT: Final = "#b3261e"
"""Of a threshold that was asked about."""


def brightness(colour: str) -> float:
    """Return the relative luminance of a colour ``#rrggbb``, from 0 to 1.

    Source: WCAG 2.2, relative luminance.
    """
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21.

    Source: WCAG 2.2, contrast ratio.
    """
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


def words_on(colour: str) -> str:
    """Return the colour, ink or paper, of words that can be read on a colour."""
    return max((INK, PAPER), key=lambda ink: contrast(ink, colour))
