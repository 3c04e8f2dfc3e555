"""Names in VNN-LIB files: declarations, shapes and indices, as every reader here takes them.

Version 1 declares numbers ``X_0``, ``X_1``, ... and ``Y_0``, ...; version 2 declares tensors, and a
formula names their entries ``X[0,1]``.

Source: https://www.vnnlib.org; version 2 is the one with ``declare-network`` and indices.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..errors import FormatError, UnsupportedError
from .decimals import INFINITE, shortened
from .sexpr import Atom, Expression, Form, Script

COMPARISONS: Final = ("<=", ">=", "<", ">", "=", "==", "!=")
ARITHMETIC: Final = ("+", "-", "*", "/")
CONNECTIVES: Final = ("and", "or", "not")
IGNORED: Final = ("set-logic", "set-info", "set-option", "check-sat", "get-model", "exit")
"""Commands of SMT-LIB that say nothing about networks."""

INDEX: Final = re.compile(r"\[(?:([0-9]{1,9}(?:,[0-9]{1,9})*))?\]")
"""A shape or an index; a tensor with no axes has the empty one."""

FLAT: Final = re.compile(r"([XY])_(0|[1-9][0-9]{0,8})")
VERSION: Final = re.compile(r"<[12]\.[0-9]+>")


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared variable.

    Attributes:
        shape: its axes; empty for a single number.
        first: number of its first entry, the others follow in C order; None for a variable whose
            number does not matter to the reader.
    """

    shape: tuple[int, ...]
    first: int | None


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables of a file, for its formulas.

    Attributes:
        script: the file.
        names: its variables by their names.
    """

    script: Script
    names: Mapping[str, Declaration]

    def operands(self, form: Form) -> list[tuple[Expression, Atom | None]]:
        """Return the arguments of a form, each name with the index that follows it."""
        found: list[tuple[Expression, Atom | None]] = []
        for item in form.items[1:]:
            if not (isinstance(item, Atom) and item.text.startswith("[")):
                found.append((item, None))
            elif found and isinstance(found[-1][0], Atom) and found[-1][1] is None:
                found[-1] = found[-1][0], item
            else:
                raise FormatError(
                    f"{self.script.place(item)}: the index {shortened(item.text)} follows no name: "
                    "write it right after its variable"
                )
        return found

    def named(self, name: Atom, index: Atom | None) -> Declaration | None:
        """Return the variable of an entry: a tensor with no axes; None for a number."""
        tensor = self.names.get(name.text)
        if tensor is None:
            if index is not None or (name.text[0].isalpha() and not _numeric(name.text)):
                raise FormatError(
                    f"{self.script.place(name)}: {shortened(name.text)} is not declared: declare "
                    "it, or correct the name"
                )
            return None
        if index is None and not tensor.shape:
            return tensor
        match = INDEX.fullmatch(index.text if index else "[]")
        entry = tuple(int(i) for i in (match[1] or "").split(",") if i) if match else (-1,)
        if len(entry) != len(tensor.shape) or not all(
            0 <= i < size for i, size in zip(entry, tensor.shape, strict=True)
        ):
            raise FormatError(
                f"{self.script.place(index or name)}: {name.text}{index.text if index else ''} is "
                f"no entry of a tensor of shape {list(tensor.shape)}: give an index for each axis, "
                "counted from 0"
            )
        if tensor.first is None:
            return tensor
        flat = 0
        for i, size in zip(entry, tensor.shape, strict=True):
            flat = flat * size + i
        return Declaration((), tensor.first + flat)


def asserted(script: Script, form: Form) -> Expression:
    """Return the formula of an assertion.

    Raises:
        FormatError: it holds none, or several.
    """
    if len(form.items) != 2:
        raise FormatError(
            f"{script.place(form)}: assert takes one formula and has {len(form.items) - 1}: join "
            "them with (and ...)"
        )
    return form.items[1]


def check_version(script: Script, form: Form) -> None:
    """Raise UnsupportedError unless a ``vnnlib-version`` states a version that is handled."""
    version = form.items[-1]
    if not isinstance(version, Atom) or not VERSION.fullmatch(version.text):
        raise UnsupportedError(
            f"{script.place(version)}: this version is not handled: write a file of version <1.0> "
            "or <2.0>"
        )


def no_command(script: Script, form: Form) -> FormatError:
    """Return the error for a form at the top level that is no command."""
    return FormatError(
        f"{script.place(form)}: {shortened(form.head)} is no command of VNN-LIB: write "
        "declare-const, declare-network or assert"
    )


def declared_twice(script: Script, name: Atom) -> FormatError:
    """Return the error for a second declaration of a name."""
    return FormatError(
        f"{script.place(name)}: {shortened(name.text)} is declared twice: take one declaration away"
    )


def nothing_declared(script: Script) -> FormatError:
    """Return the error for a file without declarations."""
    return FormatError(
        f"{script.file}: no variable is declared: this is no VNN-LIB file, or it is cut short"
    )


def scalar(script: Script, form: Form) -> tuple[Atom, str, int]:
    """Return the name, the letter and the number of a variable that version 1 declares.

    Raises:
        FormatError: it declares no real number.
        UnsupportedError: a name other than ``X_0``, ``X_1``, ..., ``Y_0``, ``Y_1``, ...
    """
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
    return name, flat[1], int(flat[2])


def check_gapless(script: Script, letter: str, numbers: frozenset[int]) -> None:
    """Raise FormatError where the numbers that version 1 declares leave one out."""
    missing = next((index for index in range(len(numbers)) if index not in numbers), None)
    if missing is not None:
        what = "input" if letter == "X" else "output"
        raise FormatError(
            f"{script.file}: {letter}_{max(numbers)} is declared and {letter}_{missing} is not: "
            f"declare every {what}"
        )


@dataclass(frozen=True, slots=True)
class TensorLine:
    """A tensor as version 2 declares it.

    Attributes:
        kind: input, hidden or output.
        name: of the variable.
        element: element type as written.
        shape: its axes.
        node: name of the tensor in the model file, where it is stated.
    """

    kind: str
    name: Atom
    element: Atom
    shape: tuple[int, ...]
    node: str | None

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


def tensor_line(script: Script, part: Expression) -> TensorLine | None:
    """Return the tensor that a part of a network's declaration declares; None for another part.

    Raises:
        FormatError: its shape is none.
    """
    match part:
        case Form(
            items=(
                Atom(text="declare-input" | "declare-output" | "declare-hidden" as head),
                Atom() as name,
                Atom() as element,
                Atom(text=index) as dimensions,
                *rest,
            )
        ) if len(rest) < 2 and all(isinstance(i, Atom) and i.text[0] == '"' for i in rest):
            match = INDEX.fullmatch(index)
            if match is None:
                raise FormatError(
                    f"{script.place(dimensions)}: {shortened(index)} is no shape: write one such "
                    "as [1,5]"
                )
            shape = tuple(int(size) for size in (match[1] or "").split(",") if size)
            node = next((i.text[1:-1] for i in rest if isinstance(i, Atom)), None)
            return TensorLine(head.removeprefix("declare-"), name, element, shape, node)
    return None


def no_tensor(script: Script, part: Expression) -> FormatError:
    """Return the error for a part of a network's declaration that declares nothing."""
    return FormatError(
        f"{script.place(part)}: this declares no tensor: write (declare-input X Real [1,5])"
    )


def _numeric(text: str) -> bool:
    return text.lower() == "nan" or INFINITE.fullmatch(text) is not None
