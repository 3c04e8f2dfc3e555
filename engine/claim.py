"""What is asked of networks: whether any input reaches one of some cases.

A claim is written as its own negation. Each `Case` is a conjunction of polynomial inequalities, the
cases together a disjunction; the claim holds if no input of the networks satisfies any case. This
is the reading of VNN-LIB, where an assignment that satisfies the file is a counterexample: proved
is `unsat`, refuted is `sat`.

Variables are numbered through all declared tensors, one after the other, each flat in C order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import prod
from types import MappingProxyType
from typing import Final, Literal

from .errors import InputError

Monomial = tuple[int, ...]
"""Variables that are multiplied, ascending; empty for the constant."""

MOST_CASES: Final = 100_000
"""Cases that a claim may have; beyond that, a formula is refused instead of filling the memory."""


class Part(Enum):
    """What a tensor is to its network."""

    INPUT = "input"
    HIDDEN = "hidden"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A sum of coefficients times products of variables; no coefficient is zero.

    Attributes:
        terms: coefficient of each monomial.
    """

    terms: Mapping[Monomial, Fraction]

    def __post_init__(self) -> None:
        kept = {key: value for key, value in sorted(self.terms.items()) if value}
        object.__setattr__(self, "terms", MappingProxyType(kept))

    @classmethod
    def constant(cls, value: Fraction | int) -> Polynomial:
        """Return the constant."""
        return cls({(): Fraction(value)})

    @classmethod
    def variable(cls, index: int) -> Polynomial:
        """Return the variable of this number."""
        return cls({(index,): Fraction(1)})

    @property
    def degree(self) -> int:
        """The largest number of variables that are multiplied; 0 for a constant."""
        return max((len(key) for key in self.terms), default=0)

    @property
    def variables(self) -> frozenset[int]:
        """The variables it speaks of."""
        return frozenset(index for key in self.terms for index in key)

    @property
    def offset(self) -> Fraction:
        """Its constant."""
        return self.terms.get((), Fraction(0))

    @property
    def slopes(self) -> Mapping[int, Fraction]:
        """Coefficients of the single variables."""
        return {key[0]: value for key, value in self.terms.items() if len(key) == 1}

    def plus(self, other: Polynomial, factor: Fraction | int = 1) -> Polynomial:
        """Return this plus ``factor`` times the other."""
        terms = dict(self.terms)
        for key, value in other.terms.items():
            terms[key] = terms.get(key, Fraction(0)) + factor * value
        return Polynomial(terms)

    def times(self, other: Polynomial) -> Polynomial:
        """Return the product."""
        terms: dict[Monomial, Fraction] = {}
        for left, first in self.terms.items():
            for right, second in other.terms.items():
                key = tuple(sorted(left + right))
                terms[key] = terms.get(key, Fraction(0)) + first * second
        return Polynomial(terms)

    def at(self, values: Sequence[Fraction]) -> Fraction:
        """Return the value at exact values of all variables."""
        total = Fraction(0)
        for key, value in self.terms.items():
            for index in key:
                value *= values[index]
            total += value
        return total


@dataclass(frozen=True, slots=True)
class Atom:
    """``form <= 0``, or ``form < 0`` if strict.

    Attributes:
        form: over the claim's variables.
        strict: whether zero fails it.
    """

    form: Polynomial
    strict: bool = False

    def holds(self, values: Sequence[Fraction]) -> bool:
        """Return whether it holds at exact values of all variables."""
        found = self.form.at(values)
        return found < 0 or (found == 0 and not self.strict)


Case = tuple[Atom, ...]
"""A conjunction."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A declared tensor.

    Attributes:
        name: as declared.
        network: index of the network it belongs to.
        part: what it is there.
        element: declared element type in lower case: real, float16, float32, float64, int64, ...
        shape: its axes; empty for a single number.
        first: number of its first variable.
        node: name of the tensor in the model file, where the declaration states one.
    """

    name: str
    network: int
    part: Part
    element: str
    shape: tuple[int, ...]
    first: int
    node: str | None = None

    @property
    def size(self) -> int:
        """Number of variables."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared network.

    Attributes:
        name: as declared.
        relation: how it relates to another declared network; empty without relation. An equal
            network is the other's copy and has no file of its own; an isomorphic one has a file
            with the same layers and other weights.
        target: index of that network.
    """

    name: str
    relation: Literal["", "equal-to", "isomorphic-to"] = ""
    target: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The negation of what is to be proved, as cases.

    Attributes:
        networks: what the claim speaks of; one without a name in VNN-LIB 1.
        tensors: of all networks, in the order of their variables.
        cases: any of which refutes the claim; empty where the formula cannot hold.
        name: how to speak of it: the file.
        version: of VNN-LIB: 1 or 2.
    """

    networks: tuple[Declared, ...]
    tensors: tuple[Tensor, ...]
    cases: tuple[Case, ...]
    name: str = "claim"
    version: int = 2

    def __post_init__(self) -> None:
        first = 0
        for tensor in self.tensors:
            if tensor.first != first or not 0 <= tensor.network < len(self.networks):
                raise InputError(f"{self.name}: tensor {tensor.name} is numbered wrongly")
            first += tensor.size
        if len(self.cases) > MOST_CASES:
            raise InputError(
                f"{self.name}: its formula has {len(self.cases)} cases, more than {MOST_CASES}: "
                "split it into several files"
            )
        for case in self.cases:
            for atom in case:
                if any(not 0 <= index < first for index in atom.form.variables):
                    raise InputError(f"{self.name}: an atom speaks of no variable")

    @property
    def size(self) -> int:
        """Number of variables."""
        return sum(tensor.size for tensor in self.tensors)

    def of(self, network: int, part: Part) -> tuple[Tensor, ...]:
        """Return the tensors of one kind of one network, in declared order."""
        return tuple(t for t in self.tensors if t.network == network and t.part is part)

    def holds(self, values: Sequence[Fraction]) -> bool:
        """Return whether some case holds at exact values of all variables: a counterexample."""
        return any(all(atom.holds(values) for atom in case) for case in self.cases)
