"""Numbers as texts write them: exact rationals for regions, nearest float64 for weights."""

import math
import re
from fractions import Fraction
from typing import Final

from ..errors import FormatError, RegionError
from ..rounding import LARGEST

DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
QUOTIENT: Final = re.compile(r"[+-]?[0-9]+/[0-9]+")
INFINITE: Final = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)

DIGITS: Final = 4000
"""Longest number, in characters: any float64 written out in full needs at most 1,100 of them, and
python itself refuses integers from 4,300 digits on."""

EXPONENT: Final = 1000
"""Largest magnitude of a decimal exponent; bounds the work that one short text can ask for."""


def exact(text: str, place: str) -> Fraction:
    """Return the number that a text writes, without rounding: ``0.1`` is one tenth.

    Args:
        text: a decimal such as ``-0.5``, ``1e-3`` or ``.5``, or a quotient such as ``1/3``.
        place: where it stands, for the error.

    Raises:
        FormatError: it is no number, or longer than any number in use.
        RegionError: it is infinite, or beyond `LARGEST` in magnitude.
    """
    text = text.strip()
    if INFINITE.fullmatch(text):
        raise RegionError(
            f"{place}: {text} is no limit: a region is bounded; write a finite number"
        )
    if not (DECIMAL.fullmatch(text) or QUOTIENT.fullmatch(text)):
        raise FormatError(
            f"{place}: {shortened(text)} is no number: write a decimal such as -0.5 or 1e-3"
        )
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > DIGITS:
        raise FormatError(f"{place}: {shortened(text)} is too long: write at most {DIGITS} digits")
    if len(exponent) > len(str(EXPONENT)) + 1 or abs(int(exponent or 0)) > EXPONENT:
        raise RegionError(
            f"{place}: {shortened(text)} has an exponent beyond {EXPONENT}: write a number of "
            "another size"
        )
    if "/" in text and not int(text.partition("/")[2]):
        raise FormatError(f"{place}: {text} divides by zero: write another number")
    value = Fraction(text)
    if abs(value) > LARGEST:
        raise RegionError(
            f"{place}: {shortened(text)} is beyond {LARGEST:.3g} in magnitude: write a smaller one"
        )
    return value


def nearest(text: str, place: str) -> float:
    """Return the float64 nearest to the number that a text writes.

    Args:
        text: a decimal.
        place: where it stands, for the error.

    Raises:
        FormatError: it is no number, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise FormatError(
            f"{place}: {shortened(text.strip())} is no finite number: write a decimal such as -0.5"
        )
    return value


def written(value: Fraction) -> str:
    """Return the text that `exact` reads as this value: a decimal if one ends, else a quotient."""
    rest = value.denominator
    twos = (rest & -rest).bit_length() - 1
    rest >>= twos
    fives = 0
    while rest % 5 == 0:
        rest //= 5
        fives += 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    return f"{'-' * (value < 0)}{whole}.{part or '0'}"


def shortened(text: str, length: int = 40) -> str:
    """Return the text in quotes, cut after ``length`` characters."""
    return repr(text if len(text) <= length else text[: length - 3] + "...")
