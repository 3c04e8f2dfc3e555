"""Formulas of VNN-LIB files: which variables they speak of, and the limits they put on inputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from ..errors import FormatError, RegionError, UnsupportedError
from ..rounding import LARGEST
from .decimals import exact, shortened
from .sexpr import Atom, Expression, Form
from .vnnlib_names import ARITHMETIC, COMPARISONS, CONNECTIVES, Scope


@dataclass(frozen=True, slots=True)
class Linear:
    """``constant`` plus the inputs times their slopes; no slope is zero."""

    constant: Fraction
    slopes: Mapping[int, Fraction] = field(default_factory=dict)

    def plus(self, other: "Linear", factor: Fraction) -> "Linear":
        """Return this plus ``factor`` times the other."""
        slopes = dict(self.slopes)
        for index, slope in other.slopes.items():
            slopes[index] = slopes.get(index, Fraction(0)) + factor * slope
        return Linear(
            self.constant + factor * other.constant,
            {index: slope for index, slope in slopes.items() if slope},
        )

    def times(self, factor: Fraction) -> "Linear":
        """Return this times ``factor``."""
        return Linear(Fraction(0)).plus(self, factor)


@dataclass(frozen=True, slots=True)
class Formulas(Scope):
    """The formulas of a file over its declared variables; only inputs have a number."""

    def limits(self, formula: Expression) -> Iterator[tuple[int, Fraction, bool]]:
        """Yield input, limit and whether it is an upper one, for each limit in a conjunction."""
        if not self.limits_inputs(formula) or not isinstance(formula, Form):
            return
        place = self.script.place(formula)
        match formula.head:
            case "and":
                for item in formula.items[1:]:
                    yield from self.limits(item)
            case "or" if len(formula.items) == 2:
                yield from self.limits(formula.items[1])
            case "or":
                raise UnsupportedError(
                    f"{place}: 'or' joins {len(formula.items) - 1} alternatives that limit inputs, "
                    "these are several regions: write one file for each"
                )
            case "<=" | ">=" | "=" | "==" as relation:
                sides = [self.linear(*operand) for operand in self.operands(formula)]
                for left, right in pairwise(sides):
                    if relation != ">=":
                        yield from self.limit(formula, left.plus(right, Fraction(-1)))
                    if relation != "<=":
                        yield from self.limit(formula, right.plus(left, Fraction(-1)))
            case head:
                raise UnsupportedError(
                    f"{place}: {shortened(head)} on inputs is not handled, a region is a closed "
                    "box: write <= and >="
                )

    def limit(self, formula: Form, excess: Linear) -> Iterator[tuple[int, Fraction, bool]]:
        """Yield the limit that ``excess <= 0`` sets."""
        place = self.script.place(formula)
        match list(excess.slopes.items()):
            case []:
                if excess.constant > 0:
                    raise RegionError(
                        f"{place}: this holds for no input: the region is empty; correct the "
                        "numbers"
                    )
            case [(index, slope)]:
                if abs(excess.constant) > Fraction(LARGEST) * abs(slope):
                    raise RegionError(
                        f"{place}: this limit is beyond {LARGEST:.3g} in magnitude: write a "
                        "smaller one"
                    )
                yield index, -excess.constant / slope, slope > 0
            case slopes:
                raise UnsupportedError(
                    f"{place}: this ties {len(slopes)} inputs together, a region is a box: limit "
                    "each input by numbers"
                )

    def limits_inputs(self, formula: Expression) -> bool:
        """Return whether a formula compares inputs alone somewhere; check its form and names."""
        place = self.script.place(formula)
        match formula:
            case Form(head=head) if head in COMPARISONS:
                operands = self.operands(formula)
                if len(operands) < 2:
                    raise FormatError(
                        f"{place}: {head} has {len(operands)} sides: it compares two numbers"
                    )
                kinds = {kind for operand in operands for kind in self.variables(*operand)}
                return False not in kinds
            case Form(head=head, items=items) if head in CONNECTIVES and len(items) > 1:
                return True in {self.limits_inputs(item) for item in items[1:]}
        raise FormatError(
            f"{place}: this is no formula: write one such as (<= X_0 0.5), joined by "
            f"{', '.join(CONNECTIVES)}"
        )

    def variables(self, operand: Expression, index: Atom | None) -> Iterator[bool]:
        """Yield for each variable in an operand whether it is an input."""
        match operand:
            case Form(head=head) if head in ARITHMETIC and len(operand.items) > 1:
                for part in self.operands(operand):
                    yield from self.variables(*part)
            case Form():
                raise FormatError(
                    f"{self.script.place(operand)}: this is no number: write a decimal, a "
                    f"variable or a form of {', '.join(ARITHMETIC)}"
                )
            case Atom():
                tensor = self.named(operand, index)
                if tensor is None:
                    exact(operand.text, self.script.place(operand))
                else:
                    yield tensor.first is not None

    def linear(self, operand: Expression, index: Atom | None) -> Linear:
        """Return an operand that mentions inputs alone as a linear function."""
        if isinstance(operand, Atom):
            tensor = self.named(operand, index)
            if tensor is None or tensor.first is None:
                return Linear(exact(operand.text, self.script.place(operand)))
            return Linear(Fraction(0), {tensor.first: Fraction(1)})
        first, *others = [self.linear(*part) for part in self.operands(operand)]
        if not others:
            return first.times(Fraction(-1 if operand.head == "-" else 1))
        for other in others:
            match operand.head:
                case "+":
                    first = first.plus(other, Fraction(1))
                case "-":
                    first = first.plus(other, Fraction(-1))
                case "*" if not other.slopes:
                    first = first.times(other.constant)
                case "*" if not first.slopes:
                    first = other.times(first.constant)
                case "/" if not other.slopes and other.constant:
                    first = first.times(1 / other.constant)
                case _:
                    raise UnsupportedError(
                        f"{self.script.place(operand)}: this is not linear in the inputs: limit "
                        "each input by numbers"
                    )
        return first
