"""The formulas of a VNN-LIB file as the cases of a claim: polynomials, in disjunctive form.

Negations move inwards to the comparisons, constant comparisons are evaluated, and conjunctions are
multiplied out over disjunctions, after the number of cases that this gives is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise, product
from typing import Final, assert_never

from ..claim import MOST_CASES, Atom, Case, Monomial, Polynomial
from ..errors import FormatError, InputError, UnsupportedError
from . import sexpr
from .decimals import exact, shortened
from .sexpr import Expression, Form
from .vnnlib_names import ARITHMETIC, COMPARISONS, Scope

MOST_TERMS: Final = 20_000
"""Terms that one product of sums may have before like ones are added."""

MOST_ATOMS: Final = 10_000_000
"""Inequalities that all cases of a claim may have together."""

CONNECTIVES: Final = ("and", "or", "not", "=>")

MEANING: Final[Mapping[str, tuple[tuple[tuple[bool, bool], ...], ...]]] = {
    "<=": (((False, False),),),
    ">=": (((True, False),),),
    "<": (((False, True),),),
    ">": (((True, True),),),
    "=": (((False, False), (True, False)),),
    "==": (((False, False), (True, False)),),
    "!=": (((False, True),), ((True, True),)),
}
"""For each comparison its cases, each a conjunction of ``left <= right``: whether the sides are
turned round, and whether it is strict."""

NEGATED: Final[Mapping[str, str]] = {
    "<=": ">",
    ">=": "<",
    "<": ">=",
    ">": "<=",
    "=": "!=",
    "==": "!=",
    "!=": "==",
}

ALWAYS: Final = -1
NEVER: Final = -2
"""What stands in place of the number of a comparison of constants."""

Terms = dict[Monomial, Fraction]
"""A polynomial under way; no coefficient is zero."""

Conjunction = tuple[int, ...]
"""Numbers of atoms, none twice; empty where it always holds."""


@dataclass(slots=True, eq=False)
class Cases:
    """Turns formulas into cases; equal atoms become one object.

    Attributes:
        scope: the file's variables.
        atoms: those met so far.
        numbers: place of each atom among these, by its terms and strictness.
    """

    scope: Scope
    atoms: list[Atom] = field(default_factory=list)
    numbers: dict[tuple[frozenset[tuple[Monomial, Fraction]], bool], int] = field(
        default_factory=dict
    )

    def all(self, formulas: Sequence[Expression]) -> tuple[Case, ...]:
        """Return the cases in which all formulas hold; none if they cannot hold together.

        Raises:
            FormatError: no formula; the message gives line and column.
            UnsupportedError: arithmetic that is no polynomial.
            InputError: more cases than are handled.
        """
        at = formulas[0] if formulas else 0
        parts = (self.formula(formula, negated=False) for formula in formulas)
        found = self.together(parts, at)
        return tuple(tuple(self.atoms[number] for number in case) for case in found)

    def formula(self, formula: Expression, negated: bool) -> list[Conjunction]:
        """Return the cases in which a formula, or its negation, holds."""
        if not isinstance(formula, Form) or len(formula.items) < 2:
            raise self.no_formula(formula)
        arguments = formula.items[1:]
        match formula.head:
            case head if head in COMPARISONS:
                return self.comparison(formula, negated)
            case "not":
                if len(arguments) != 1:
                    raise FormatError(
                        f"{self.scope.script.place(formula)}: not has {len(arguments)} arguments: "
                        "it negates one formula"
                    )
                return self.formula(arguments[0], not negated)
            case "and" | "or" as head:
                parts = (self.formula(part, negated) for part in arguments)
                if (head == "and") is negated:
                    return self.either(parts, formula)
                return self.together(parts, formula)
            case "=>":  # a => b => c is a => (b => c): not a, or not b, or c
                if len(arguments) < 2:
                    raise FormatError(
                        f"{self.scope.script.place(formula)}: => has one argument: give a premise "
                        "and a conclusion"
                    )
                last = len(arguments) - 1
                parts = (
                    self.formula(part, (index < last) is not negated)
                    for index, part in enumerate(arguments)
                )
                return self.together(parts, formula) if negated else self.either(parts, formula)
        raise self.no_formula(formula)

    def no_formula(self, formula: Expression) -> FormatError:
        """Return the error for what stands where a formula should."""
        return FormatError(
            f"{self.scope.script.place(formula)}: this is no formula: write one such as "
            f"(<= X_0 0.5), joined by {', '.join(CONNECTIVES)}"
        )

    def either(self, parts: Iterable[list[Conjunction]], at: Expression) -> list[Conjunction]:
        """Return the cases of a disjunction."""
        found: dict[frozenset[int], Conjunction] = {}
        atoms = 0
        for part in parts:
            for case in part:
                key = frozenset(case)
                if key not in found:
                    found[key] = case
                    atoms += len(case)
            self.check(len(found), atoms, at)
        return list(found.values())

    def together(
        self, parts: Iterable[list[Conjunction]], at: Expression | int
    ) -> list[Conjunction]:
        """Return the cases of a conjunction: one choice of a case from each part, in order."""
        several: list[list[Conjunction]] = []
        count, atoms, possible = 1, 0, True
        for part in parts:
            possible = possible and bool(part)
            if possible and part != [()]:
                several.append(part)
                count *= len(part)
                atoms += max(len(case) for case in part)
                self.check(count, count * atoms, at)
        if not possible:
            return []
        found: dict[frozenset[int], Conjunction] = {}
        for choice in product(*several):
            case = tuple(dict.fromkeys(chain.from_iterable(choice)))
            found.setdefault(frozenset(case), case)
        return list(found.values())

    def check(self, count: int, atoms: int, at: Expression | int) -> None:
        """Raise InputError where cases are too many to be held."""
        place = self.scope.script.place(at)
        if count > MOST_CASES:
            raise InputError(
                f"{place}: multiplied out, this has {_rounded(count)} cases, more than "
                f"{MOST_CASES}: split the file into several"
            )
        if atoms > MOST_ATOMS:
            raise InputError(
                f"{place}: multiplied out, this has {_rounded(atoms)} inequalities, more than "
                f"{MOST_ATOMS}: split the file into several"
            )

    def comparison(self, form: Form, negated: bool) -> list[Conjunction]:
        """Return the cases of a comparison, or of its negation."""
        place = self.scope.script.place(form)
        operands = self.scope.operands(form)
        if len(operands) < 2 or (form.head == "!=" and len(operands) > 2):
            raise FormatError(
                f"{place}: {form.head} has {len(operands)} sides: it compares two numbers"
            )
        sides = [self.terms(*operand) for operand in operands]
        relation = NEGATED[form.head] if negated else form.head
        pairs = [self.pair(relation, *pair) for pair in pairwise(sides)]
        return self.either(pairs, form) if negated else self.together(pairs, form)

    def pair(self, relation: str, left: Terms, right: Terms) -> list[Conjunction]:
        """Return the cases in which a relation holds of two sides."""
        found: list[Conjunction] = []
        for case in MEANING[relation]:
            atoms = [
                self.atom(right, left, strict) if turned else self.atom(left, right, strict)
                for turned, strict in case
            ]
            if NEVER not in atoms:
                found.append(tuple(dict.fromkeys(n for n in atoms if n != ALWAYS)))
        return found

    def atom(self, left: Terms, right: Terms, strict: bool) -> int:
        """Return the number of ``left <= right`` (``<`` if strict); ALWAYS or NEVER if constant."""
        form = dict(left)
        _add(form, right, -1)
        if form.keys() <= {()}:
            value = form.get((), Fraction(0))
            return ALWAYS if value < 0 or (value == 0 and not strict) else NEVER
        key = (frozenset(form.items()), strict)
        if key not in self.numbers:
            self.numbers[key] = len(self.atoms)
            self.atoms.append(Atom(Polynomial(form), strict))
        return self.numbers[key]

    def terms(self, operand: Expression, index: sexpr.Atom | None) -> Terms:
        """Return an operand as a polynomial."""
        match operand:
            case sexpr.Atom():
                found = self.scope.named(operand, index)
                if found is None:
                    value = exact(operand.text, self.scope.script.place(operand))
                    return {(): value} if value else {}
                assert found.first is not None
                return {(found.first,): Fraction(1)}
            case Form():
                return self.arithmetic(operand)
            case _ as never:
                assert_never(never)

    def arithmetic(self, form: Form) -> Terms:
        """Return a form of arithmetic as a polynomial."""
        place = self.scope.script.place(form)
        if form.head not in ARITHMETIC or len(form.items) < 2:
            kind = UnsupportedError if form.head[:1].isalpha() else FormatError
            raise kind(
                f"{place}: {shortened(form.head)} is no arithmetic that is handled: write a "
                f"decimal, a variable or a form of {', '.join(ARITHMETIC)}"
            )
        first, *others = [self.terms(*operand) for operand in self.scope.operands(form)]
        if not others:
            if form.head == "/":
                raise FormatError(f"{place}: / has one side: give what is divided, and by what")
            return {key: -value for key, value in first.items()} if form.head == "-" else first
        total = dict(first)
        for other in others:
            match form.head:
                case "+":
                    _add(total, other, 1)
                case "-":
                    _add(total, other, -1)
                case "*":
                    if len(total) * len(other) > MOST_TERMS:
                        raise UnsupportedError(
                            f"{place}: multiplied out, this has more than {MOST_TERMS} terms: "
                            "write smaller products"
                        )
                    total = _times(total, other)
                case _:
                    if other.keys() != {()}:
                        raise UnsupportedError(
                            f"{place}: this divides by "
                            f"{'zero' if not other else 'a variable'}: divide by numbers other "
                            "than zero"
                        )
                    total = {key: value / other[()] for key, value in total.items()}
        return total


def _add(total: Terms, other: Terms, sign: int) -> None:
    """Add ``sign`` times the other to the total, in place."""
    for key, value in other.items():
        new = total.get(key, Fraction(0)) + sign * value
        if new:
            total[key] = new
        else:
            total.pop(key, None)


def _times(left: Terms, right: Terms) -> Terms:
    out: Terms = {}
    for first, factor in left.items():
        for second, value in right.items():
            key = tuple(sorted(first + second))
            out[key] = out.get(key, Fraction(0)) + factor * value
    return {key: value for key, value in out.items() if value}


def _rounded(count: int) -> str:
    """Return a count as people read it; a large one as a power of ten."""
    return str(count) if count < 10**9 else f"over 10^{len(str(count)) - 1}"
