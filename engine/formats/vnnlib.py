"""Regions in VNN-LIB files, version 1 and 2: the limits that the assertions put on the inputs.

Read are conjunctions of comparisons that are linear in one input each; decimals are taken as exact
rationals, whatever element type the file declares. Comparisons that mention an output belong to the
claim: they are checked for form and names, and left aside here.

Source: https://www.vnnlib.org; version 2 is the one with ``declare-network`` and indices.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

from ..errors import FormatError, RegionError, UnsupportedError
from ..region import Region
from .decimals import shortened, written
from .sexpr import Atom, Expression, Form, Script, read_script
from .vnnlib_formulas import INDEX, Formulas, Tensor

IGNORED: Final = ("set-logic", "set-info", "set-option", "check-sat", "get-model", "exit")
REALS: Final = ("real", "float16", "bfloat16", "float32", "float64")
FLAT: Final = re.compile(r"([XY])_(0|[1-9][0-9]{0,8})")
VERSION: Final = re.compile(r"<[12]\.[0-9]+>")


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
            for index, limit, above in formulas.limits(_asserted(script, form)):
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


def _asserted(script: Script, form: Form) -> Expression:
    if len(form.items) != 2:
        raise FormatError(
            f"{script.place(form)}: assert takes one formula and has {len(form.items) - 1}: join "
            "them with (and ...)"
        )
    return form.items[1]


def _declared(script: Script) -> Mapping[str, Tensor]:
    """Return the variables that a file declares, by name."""
    names: dict[str, Tensor] = {}
    networks = 0
    for form in script.forms:
        found: list[tuple[Atom, Tensor]] = []
        match form.head:
            case "declare-const" | "declare-fun":
                found = [_scalar(script, form)]
            case "declare-network":
                networks += 1
                found = [_tensor(script, part) for part in form.items[2:]]
                if networks > 1 or sum(tensor.first is not None for _, tensor in found) > 1:
                    raise UnsupportedError(
                        f"{script.place(form)}: several networks or inputs are declared, a region "
                        "speaks of one: write its limits in a file of their own"
                    )
            case "vnnlib-version":
                version = form.items[-1]
                if not isinstance(version, Atom) or not VERSION.fullmatch(version.text):
                    raise UnsupportedError(
                        f"{script.place(version)}: this version is not handled: write a file of "
                        "version <1.0> or <2.0>"
                    )
            case head if head != "assert" and head not in IGNORED:
                raise FormatError(
                    f"{script.place(form)}: {shortened(head)} is no command of VNN-LIB: write "
                    "declare-const, declare-network or assert"
                )
        for name, tensor in found:
            if name.text in names:
                raise FormatError(
                    f"{script.place(name)}: {shortened(name.text)} is declared twice: take one "
                    "declaration away"
                )
            names[name.text] = tensor
    if not names:
        raise FormatError(
            f"{script.file}: no variable is declared: this is no VNN-LIB file, or it is cut short"
        )
    if not networks:
        _check_gapless(script, names)
    return names


def _scalar(script: Script, form: Form) -> tuple[Atom, Tensor]:
    """Return the variable of a declaration of version 1."""
    match form.items:
        case (_, Atom() as name, Atom(text="Real")) if form.head == "declare-const":
            pass
        case (_, Atom() as name, Form(items=()), Atom(text="Real")) if form.head == "declare-fun":
            pass
        case _:
            raise FormatError(
                f"{script.place(form)}: this declares no real number: write "
                "(declare-const X_0 Real)"
            )
    flat = FLAT.fullmatch(name.text)
    if flat is None:
        raise UnsupportedError(
            f"{script.place(name)}: {shortened(name.text)} is neither an input X_0, X_1, ... nor "
            "an output Y_0, Y_1, ...: name it so"
        )
    return name, Tensor((), int(flat[2]) if flat[1] == "X" else None)


def _check_gapless(script: Script, names: Mapping[str, Tensor]) -> None:
    present = {tensor.first for tensor in names.values() if tensor.first is not None}
    missing = next((index for index in range(len(present)) if index not in present), None)
    if missing is not None:
        raise FormatError(
            f"{script.file}: X_{max(present)} is declared and X_{missing} is not: declare every "
            "input"
        )


def _tensor(script: Script, part: Expression) -> tuple[Atom, Tensor]:
    """Return the variable of a declaration of version 2."""
    match part:
        case Form(
            items=(
                Atom(text="declare-input" | "declare-output" | "declare-hidden" as kind),
                Atom() as name,
                Atom(text=element),
                Atom(text=index) as dimensions,
                *rest,
            )
        ) if all(isinstance(item, Atom) and item.text.startswith('"') for item in rest):
            match = INDEX.fullmatch(index)
            if match is None:
                raise FormatError(
                    f"{script.place(dimensions)}: {shortened(index)} is no shape: write one such "
                    "as [1,5]"
                )
            shape = tuple(int(size) for size in (match[1] or "").split(",") if size)
            if kind != "declare-input":
                return name, Tensor(shape, None)
            if element.lower() not in REALS:
                raise UnsupportedError(
                    f"{script.place(part)}: inputs of type {shortened(element)} are not handled: "
                    "declare them Real, float16, float32 or float64"
                )
            return name, Tensor(shape, 0)
        case Form(head="isomorphic-to" | "equal-to"):
            raise UnsupportedError(
                f"{script.place(part)}: several networks are declared, a region speaks of one: "
                "write its limits in a file of their own"
            )
    raise FormatError(
        f"{script.place(part)}: this declares no tensor: write (declare-input X Real [1,5])"
    )
