"""Claims from VNN-LIB files, version 1 and 2: what is declared, and the assertions as cases.

Decimals are taken as exact rationals, whatever element type is declared. Beyond the standard's
grammar are read: exponents, quotients, chains such as ``(<= 0 X_0 1)``, division by a number, ``=``
beside ``==``, ``not`` and ``=>``.

Source: https://www.vnnlib.org, chapters 3 and 4 of the standard for version 2; version 1 is the
part of SMT-LIB that VNN-COMP uses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ..claim import Claim, Declared, Part, Tensor
from ..errors import FormatError
from .sexpr import Script, read_script
from .vnnlib_cases import Cases
from .vnnlib_names import (
    IGNORED,
    Declaration,
    Scope,
    asserted,
    check_gapless,
    check_version,
    declared_twice,
    no_command,
    nothing_declared,
    scalar,
)
from .vnnlib_networks import Networks

ONLY: Final = "N"
"""Name of the network of a version 1 file, which gives it none."""


def read_claim(path: str | Path) -> Claim:
    """Return the claim of a VNN-LIB file.

    A file of version 1 speaks of one network, ``N``, with one input ``X`` and one output ``Y``,
    both flat and of element type real.

    Args:
        path: of the file.

    Raises:
        FileError: the file is missing or cannot be read.
        FormatError: it is no VNN-LIB file; the message gives line and column.
        UnsupportedError: an element type or arithmetic that is not handled.
        InputError: more cases than `engine.claim.MOST_CASES`.
    """
    return claim_of(read_script(path))


def claim_of(script: Script) -> Claim:
    """Return the claim that a script makes; raises as `read_claim`."""
    _check_commands(script)
    one = any(form.head in ("declare-const", "declare-fun") for form in script.forms)
    if one:
        networks, tensors, names = _first_version(script)
    else:
        found = Networks.read(script)
        networks, tensors = found.networks, found.tensors
        names = {t.name: Declaration(t.shape, t.first) for t in tensors}
    if not names:
        raise nothing_declared(script)
    formulas = [asserted(script, form) for form in script.forms if form.head == "assert"]
    if not formulas:
        raise FormatError(
            f"{script.file}: nothing is asserted: this is no claim, or the file is cut short"
        )
    cases = Cases(Scope(script, names)).all(formulas)
    return Claim(networks, tensors, cases, script.file, 1 if one else 2)


def _check_commands(script: Script) -> None:
    version = 0
    for form in script.forms:
        match form.head:
            case "declare-const" | "declare-fun" | "declare-network" as head:
                stated = 2 if head == "declare-network" else 1
                if version not in (0, stated):
                    raise FormatError(
                        f"{script.place(form)}: {head} is of version {stated}, the declarations "
                        "before it are not: keep to one version"
                    )
                version = stated
            case "vnnlib-version":
                check_version(script, form)
            case head if head != "assert" and head not in IGNORED:
                raise no_command(script, form)


def _first_version(
    script: Script,
) -> tuple[tuple[Declared, ...], tuple[Tensor, ...], dict[str, Declaration]]:
    """Return the network, the tensors and the variables of a file of version 1."""
    found: dict[str, tuple[str, int]] = {}
    for form in script.forms:
        if form.head in ("declare-const", "declare-fun"):
            name, letter, number = scalar(script, form)
            if name.text in found:
                raise declared_twice(script, name)
            found[name.text] = (letter, number)
    tensors: list[Tensor] = []
    first = {"X": 0, "Y": 0}
    for letter, part in (("X", Part.INPUT), ("Y", Part.OUTPUT)):
        numbers = frozenset(number for which, number in found.values() if which == letter)
        if not numbers:
            raise FormatError(
                f"{script.file}: no {part.value} {letter}_0 is declared: a claim speaks of inputs "
                "and outputs; declare them"
            )
        check_gapless(script, letter, numbers)
        first[letter] = sum(tensor.size for tensor in tensors)
        tensors.append(Tensor(letter, 0, part, "real", (len(numbers),), first[letter]))
    names = {
        name: Declaration((), first[letter] + number) for name, (letter, number) in found.items()
    }
    return (Declared(ONLY),), tuple(tensors), names
