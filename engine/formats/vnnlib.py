"""Regions in VNN-LIB files, version 1 and 2: the limits that the assertions put on the inputs.

Read are conjunctions of comparisons that are linear in one input each; decimals are taken as exact
rationals, whatever element type the file declares. Comparisons that mention an output belong to the
claim: they are checked for form and names, and left aside here.

Source: https://www.vnnlib.org; version 2 is the one with ``declare-network`` and indices.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

from ..errors import RegionError, UnsupportedError
from ..region import Region
from .decimals import shortened, written
from .sexpr import Atom, Expression, Form, Script, read_script
from .vnnlib_formulas import Formulas
from .vnnlib_names import (
    IGNORED,
    Declaration,
    asserted,
    check_gapless,
    check_version,
    declared_twice,
    no_command,
    no_tensor,
    nothing_declared,
    scalar,
    tensor_line,
)

REALS: Final = ("real", "float16", "bfloat16", "float32", "float64")


def read_region(path: str | Path, inputs: int) -> Region:
    """Return the box that a VNN-LIB file puts around the inputs.

    Args:
        path: of the file.
        inputs: number of inputs of the network it speaks of.

    Returns:
        The closed box, network units, named after the file.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: it is no VNN-LIB file; the message gives line and column.
        UnsupportedError: several boxes, half-spaces, strict limits or several networks.
        RegionError: another number of inputs, an input without a limit, an empty box.
    """
    script = read_script(path)
    names = _declared(script)
    found = sum(math.prod(t.shape) for t in names.values() if t.first is not None)
    if found != inputs:
        raise RegionError(
            f"{script.file} declares {found} inputs, the network has {inputs}: name the file that "
            "belongs to this network"
        )
    formulas = Formulas(script, names)
    lower: list[Fraction | None] = [None] * inputs
    upper: list[Fraction | None] = [None] * inputs
    for form in script.forms:
        if form.head == "assert":
            for index, limit, above in formulas.limits(asserted(script, form)):
                side, tighter = (upper, min) if above else (lower, max)
                old = side[index]
                side[index] = limit if old is None else tighter(old, limit)
    return Region(_complete(script, lower, "lower"), _complete(script, upper, "upper"), script.file)


def region_script(region: Region) -> str:
    """Return the text of a VNN-LIB 1 file with this region and no claim.

    A limit that no decimal writes exactly is written as a quotient, ``(/ 1.0 3.0)``.

    Args:
        region: network units.
    """
    lines = [f"; {' '.join(region.name.split())}", ""]
    lines += [f"(declare-const X_{index} Real)" for index in range(region.size)]
    for index, (low, high) in enumerate(zip(region.exact_lower, region.exact_upper, strict=True)):
        lines += ["", f"(assert (>= X_{index} {_literal(low)}))"]
        lines += [f"(assert (<= X_{index} {_literal(high)}))"]
    return "\n".join(lines) + "\n"


def _literal(value: Fraction) -> str:
    text = written(value)
    over, _, under = text.partition("/")
    return f"(/ {over}.0 {under}.0)" if under else text


def _complete(script: Script, side: list[Fraction | None], word: str) -> tuple[Fraction, ...]:
    if None in side:
        raise RegionError(
            f"{script.file}: input {side.index(None)} has no {word} limit: a region is bounded; "
            f"assert a {word} limit for it"
        )
    return tuple(value for value in side if value is not None)


def _declared(script: Script) -> Mapping[str, Declaration]:
    """Return the variables that a file declares, by name; the inputs are numbered."""
    names: dict[str, Declaration] = {}
    networks = 0
    for form in script.forms:
        found: list[tuple[Atom, Declaration]] = []
        match form.head:
            case "declare-const" | "declare-fun":
                name, letter, number = scalar(script, form)
                found = [(name, Declaration((), number if letter == "X" else None))]
            case "declare-network":
                networks += 1
                found = [_tensor(script, part) for part in form.items[2:]]
                if networks > 1 or sum(tensor.first is not None for _, tensor in found) > 1:
                    raise UnsupportedError(
                        f"{script.place(form)}: several networks or inputs are declared, a region "
                        "speaks of one: write its limits in a file of their own"
                    )
            case "vnnlib-version":
                check_version(script, form)
            case head if head != "assert" and head not in IGNORED:
                raise no_command(script, form)
        for name, tensor in found:
            if name.text in names:
                raise declared_twice(script, name)
            names[name.text] = tensor
    if not names:
        raise nothing_declared(script)
    if not networks:
        check_gapless(
            script, "X", frozenset(t.first for t in names.values() if t.first is not None)
        )
    return names


def _tensor(script: Script, part: Expression) -> tuple[Atom, Declaration]:
    """Return the variable of a declaration of version 2; the input's numbers start at 0."""
    line = tensor_line(script, part)
    if line is None:
        if isinstance(part, Form) and part.head in ("isomorphic-to", "equal-to"):
            raise UnsupportedError(
                f"{script.place(part)}: several networks are declared, a region speaks of one: "
                "write its limits in a file of their own"
            )
        raise no_tensor(script, part)
    if line.kind != "input":
        return line.name, Declaration(line.shape, None)
    if line.element.text.lower() not in REALS:
        raise UnsupportedError(
            f"{script.place(part)}: inputs of type {shortened(line.element.text)} are not handled: "
            "declare them Real, float16, float32 or float64"
        )
    return line.name, Declaration(line.shape, 0)
