"""The networks that a VNN-LIB 2 file declares, and their tensors.

Source: https://www.vnnlib.org, chapter 3 of the standard: scoping, typing, equal and isomorphic
networks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from ..claim import Declared, Part, Tensor
from ..errors import FormatError, UnsupportedError
from .decimals import shortened
from .sexpr import Atom, Form, Script
from .vnnlib_names import TensorLine, declared_twice, no_tensor, tensor_line

_TYPES: Final = """
real float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool
"""
ELEMENTS: Final = frozenset(_TYPES.split())
"""Element types of tensors of numbers, as the standard of ONNX names them, and real."""

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

MOST_VARIABLES: Final = 2**24
"""Entries that all declared tensors may have together."""


@dataclass(slots=True, eq=False)
class Networks:
    """What a file declares, as far as it was read.

    Attributes:
        script: the file.
        declared: the networks.
        lines: the tensors of each network.
        taken: every name of a network or a variable.
        size: entries of all tensors.
    """

    script: Script
    declared: list[Declared] = field(default_factory=list)
    lines: list[list[TensorLine]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    size: int = 0

    @classmethod
    def read(cls, script: Script) -> Networks:
        """Return what a file declares.

        Raises:
            FormatError: a declaration is none, or contradicts another; the message gives line and
                column.
            UnsupportedError: an element type that is not handled, or too many entries.
        """
        found = cls(script)
        for form in script.forms:
            if form.head == "declare-network":
                found.network(form)
        return found

    @property
    def networks(self) -> tuple[Declared, ...]:
        """The networks, in the order of the file."""
        return tuple(self.declared)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors of all networks, in the order of the file, numbered one after the other."""
        found: list[Tensor] = []
        first = 0
        for network, lines in enumerate(self.lines):
            for line in lines:
                element = line.element.text.lower()
                part = Part(line.kind)
                found.append(
                    Tensor(line.name.text, network, part, element, line.shape, first, line.node)
                )
                first += line.size
        return tuple(found)

    def network(self, form: Form) -> None:
        """Add a declared network."""
        match form.items[1:]:
            case (Atom() as name, *parts):
                self.take(name)
            case _:
                raise FormatError(
                    f"{self.script.place(form)}: this network has no name: write "
                    "(declare-network f (declare-input X float32 [1,5]) ...)"
                )
        relations = [
            part
            for part in parts
            if isinstance(part, Form) and part.head in ("equal-to", "isomorphic-to")
        ]
        if len(relations) > 1:
            raise FormatError(
                f"{self.script.place(relations[1])}: a network is equal or isomorphic to one "
                "other: take one statement away"
            )
        declared = self.related(name.text, relations[0]) if relations else Declared(name.text)
        lines = [self.tensor(part) for part in parts if part not in relations]
        for kind in ("input", "output"):
            if not any(line.kind == kind for line in lines):
                raise FormatError(
                    f"{self.script.place(form)}: network {name.text} declares no {kind}: write "
                    f"(declare-{kind} X float32 [1,5])"
                )
        self.check_nodes(form, lines)
        if declared.target is not None:
            others = self.lines[declared.target]
            self.check_alike(relations[0], declared.relation, lines, others)
        self.declared.append(declared)
        self.lines.append(lines)

    def take(self, name: Atom) -> None:
        """Note a name; raise FormatError where it is none, or taken."""
        if not NAME.fullmatch(name.text):
            raise FormatError(
                f"{self.script.place(name)}: {shortened(name.text)} is no name: write letters, "
                "digits and _, a letter first"
            )
        if name.text in self.taken:
            raise declared_twice(self.script, name)
        self.taken.add(name.text)

    def related(self, called: str, form: Form) -> Declared:
        """Return a network that relates to another; an equal one leads on to its original."""
        match form.items:
            case (Atom(), Atom() as name):
                names = [declared.name for declared in self.declared]
                if name.text not in names:
                    raise FormatError(
                        f"{self.script.place(name)}: no network {shortened(name.text)} is declared "
                        "before this: declare it first, or correct the name"
                    )
                target = names.index(name.text)
                original = self.declared[target]
                if original.relation == "equal-to" and original.target is not None:
                    target = original.target
                equal = form.head == "equal-to"
                return Declared(called, "equal-to" if equal else "isomorphic-to", target)
        raise FormatError(
            f"{self.script.place(form)}: {form.head} names one network: write ({form.head} f)"
        )

    def tensor(self, part: object) -> TensorLine:
        """Return a declared tensor."""
        assert isinstance(part, Atom | Form)
        line = tensor_line(self.script, part)
        if line is None:
            raise no_tensor(self.script, part)
        self.take(line.name)
        place = self.script.place(part)
        if line.element.text.lower() not in ELEMENTS:
            raise UnsupportedError(
                f"{self.script.place(line.element)}: element type {shortened(line.element.text)} "
                "is not handled: write real, float32 or another type of numbers of ONNX"
            )
        if 0 in line.shape:
            raise FormatError(f"{place}: {line.name.text} has no entries: give every axis a size")
        self.size += line.size
        if self.size > MOST_VARIABLES:
            raise UnsupportedError(
                f"{place}: with {line.name.text} the file declares {self.size} numbers, at most "
                f"{MOST_VARIABLES} are handled: correct the shapes"
            )
        if line.kind == "hidden" and line.node is None:
            raise FormatError(
                f"{place}: hidden tensor {line.name.text} states no name in the model file: write "
                f'(declare-hidden {line.name.text} {line.element.text} [1,5] "name")'
            )
        return line

    def check_nodes(self, form: Form, lines: list[TensorLine]) -> None:
        """Raise FormatError where some inputs and outputs are found by name and some by order."""
        ends = [line for line in lines if line.kind != "hidden"]
        named = sum(line.node is not None for line in ends)
        if named not in (0, len(ends)):
            without = next(line for line in ends if line.node is None)
            raise FormatError(
                f"{self.script.place(form)}: some inputs and outputs name their tensor in the "
                f"model file and {without.name.text} does not: name all of them or none"
            )

    def check_alike(
        self, form: Form, relation: str, lines: list[TensorLine], others: list[TensorLine]
    ) -> None:
        """Raise FormatError where an equal or isomorphic network has other inputs or outputs."""
        for kind in ("input", "output"):
            ours, theirs = ([e for e in side if e.kind == kind] for side in (lines, others))
            if len(ours) != len(theirs):
                raise FormatError(
                    f"{self.script.place(form)}: this network declares {len(ours)} {kind}s, the "
                    f"one it is said to be {relation} declares {len(theirs)}: declare as many"
                )
            for our, their in zip(ours, theirs, strict=True):
                element = our.element.text.lower()
                same = element == their.element.text.lower() or relation == "isomorphic-to"
                if our.shape != their.shape or not same:
                    raise FormatError(
                        f"{self.script.place(our.name)}: {our.name.text} is {element} "
                        f"{list(our.shape)}, {their.name.text} of the network it is said to be "
                        f"{relation} is {their.element.text.lower()} {list(their.shape)}: declare "
                        "them alike"
                    )
