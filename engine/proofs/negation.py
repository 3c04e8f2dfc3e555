"""What has to be excluded for a claim to hold, and combinations of a case's inequalities."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from .evidence import Form
from .form import Atom, Claim, Limits, Negation, Query, Row, SameBest, Value, Within
from .model import FormatError


def negation(claim: Claim) -> Negation:
    """Return what has to be excluded for a claim to hold."""
    match claim:
        case Query(negation=found):
            return found
        case Within(tolerance=tolerance, outputs=outputs):
            rows = []
            for index in outputs:
                for sign in (Fraction(1), Fraction(-1)):  # tolerance - sign (f - g) < 0
                    values = {Value(0, None, index): -sign, Value(1, None, index): sign}
                    rows.append(Row({}, values, tolerance))
            return Negation(tuple(rows), tuple((Atom(at, True),) for at in range(len(rows))))
        case SameBest():
            return _same_best(claim)
        case Limits(limits=limits):
            rows = []
            for value, least, most in limits:
                if least is not None:
                    rows.append(Row({}, {value: Fraction(1)}, -least))
                if most is not None:
                    rows.append(Row({}, {value: Fraction(-1)}, most))
            return Negation(tuple(rows), tuple((Atom(at, True),) for at in range(len(rows))))


def _same_best(claim: SameBest) -> Negation:
    """Return the cases: ``first`` leads in f by more than the band, and in g another passes it.

    Row ``(0, a, b)`` is below 0 where a leads b by more than the band, row ``(1, a, b)`` where it
    leads by more than minus the room.
    """
    sign, outputs = Fraction(claim.sign), claim.outputs
    shift = (claim.band, -claim.room)
    rows: list[Row] = []
    place: dict[tuple[int, int, int], int] = {}
    for subject in (0, 1):
        for a in range(outputs):
            for b in range(outputs):
                if a != b:
                    place[subject, a, b] = len(rows)
                    values = {Value(subject, None, b): sign, Value(subject, None, a): -sign}
                    rows.append(Row({}, values, shift[subject]))
    cases = []
    for first in range(outputs):
        leads = [Atom(place[0, first, b], True) for b in range(outputs) if b != first]
        for other in range(outputs):
            if other != first:
                cases.append((*leads, Atom(place[1, other, first], True)))
    return Negation(tuple(rows), tuple(cases))


def combine(negated: Negation, form: Form) -> tuple[Row, bool]:
    """Return the row that a form is, and whether it must only be at least 0 to exclude its case.

    Otherwise it must be above 0.

    Raises:
        FormatError: its weights are no such combination.
    """
    if not 0 <= form.case < len(negated.cases):
        raise FormatError(f"form of case {form.case}: there are {len(negated.cases)} cases")
    case = negated.cases[form.case]
    if len(form.weights) != len(case) or min(form.weights) < 0 or max(form.weights) == 0:
        raise FormatError(
            f"form of case {form.case}: {len(case)} weights of at least 0 are needed, one above it"
        )
    inputs: dict[int, Fraction] = {}
    values: dict[Value, Fraction] = {}
    constant, strict = Fraction(0), False
    for weight, atom in zip(form.weights, case, strict=True):
        if weight:
            row, strict = negated.rows[atom.row], strict or atom.strict
            constant += weight * row.constant
            for index, value in row.inputs.items():
                inputs[index] = inputs.get(index, Fraction(0)) + weight * value
            for name, value in row.values.items():
                values[name] = values.get(name, Fraction(0)) + weight * value
    return Row(inputs, values, constant), strict


def singles(negated: Negation) -> list[Form]:
    """Return each atom of each case alone."""
    return [
        Form(index, tuple(int(other == at) for other in range(len(case))))
        for index, case in enumerate(negated.cases)
        for at in range(len(case))
    ]


def best_forms(claim: SameBest) -> Iterator[Form]:
    """Yield for each case the sum of how f prefers its first output to the other, and g does not.

    The difference of two networks is small where neither value is, so sums hold on larger boxes.
    """
    case = 0
    for first in range(claim.outputs):
        others = [other for other in range(claim.outputs) if other != first]
        for other in others:
            yield Form(case, (*(int(one == other) for one in others), 1))
            case += 1
