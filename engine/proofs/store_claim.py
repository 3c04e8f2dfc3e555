"""Claims, forms of speech for what a proof says, to JSON and back. See docs/certificates.md."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import lcm
from typing import Final, assert_never

from .form import Atom, Case, Claim, Limits, Negation, Query, Row, SameBest, Value, Within
from .model import FormatError
from .words import fields, flag, fraction, mapping, several, shown, spell, text, whole, wholes

OUTPUTS: Final = 128
"""Outputs that same-best may speak of at most: its cases are as many as their square."""

BITS: Final = 20_000
"""Bits of the least common denominator of a query's numbers at most."""

ROWS: Final = 1_000_000
"""Rows, cases and atoms of a claim at most."""


def claim_words(claim: Claim) -> dict[str, object]:
    """Return a claim as JSON holds it.

    Raises:
        FormatError: it holds a number that is too long.
    """
    match claim:
        case Query(negation=found):
            rows = [_row_words(row) for row in found.rows]
            cases = [[[atom.row, atom.strict] for atom in case] for case in found.cases]
            return {"kind": "query", "rows": rows, "cases": cases}
        case Within(tolerance=tolerance, outputs=outputs):
            how_far = spell(tolerance, "tolerance")
            return {"kind": "within", "tolerance": how_far, "outputs": list(outputs)}
        case SameBest(sign=sign, band=band, outputs=count, room=room):
            return {
                "kind": "same-best",
                "sign": sign,
                "band": spell(band, "band"),
                "outputs": count,
                "room": spell(room, "room"),
            }
        case Limits(limits=limits):
            ends = [
                [
                    *_value_words(value),
                    *(None if end is None else spell(end, "limit") for end in (least, most)),
                ]
                for value, least, most in limits
            ]
            return {"kind": "limits", "limits": ends}
        case _:
            assert_never(claim)


def read_claim(value: object, where: str) -> Claim:
    """Return the claim that JSON holds.

    Args:
        value: as it was parsed.
        where: it stands, for errors.

    Raises:
        FormatError: it holds none.
    """
    kind = mapping(value, where).get("kind")
    match kind:
        case "query":
            _, rows, cases = fields(value, where, ("kind", "rows", "cases"))
            return Query(_read_negation(rows, cases, where))
        case "within":
            _, tolerance, outputs = fields(value, where, ("kind", "tolerance", "outputs"))
            at = f"{where}, outputs"
            return Within(_at_least_0(tolerance, f"{where}, tolerance"), wholes(outputs, at))
        case "same-best":
            names = ("kind", "sign", "band", "outputs", "room")
            _, sign, band, outputs, room = fields(value, where, names)
            side = whole(sign, f"{where}, sign", -1, 1)
            if side == 0:
                raise FormatError(f"{where}, sign: 1 or -1 is needed")
            return SameBest(
                side,
                _at_least_0(band, f"{where}, band"),
                whole(outputs, f"{where}, outputs", 2, OUTPUTS),
                _at_least_0(room, f"{where}, room"),
            )
        case "limits":
            _, limits = fields(value, where, ("kind", "limits"))
            at = f"{where}, limits"
            return Limits(tuple(_read_limit(one, at) for one in several(limits, at)))
        case _:
            known = "query, within, same-best or limits"
            raise FormatError(f"{where}: the kind is {shown(str(kind))}, not {known}")


def _row_words(row: Row) -> dict[str, object]:
    values = sorted(
        row.values.items(),
        key=lambda part: (
            part[0].subject,
            part[0].node is not None,
            part[0].node or "",
            part[0].index,
        ),
    )
    return {
        "inputs": [[index, spell(part, "a row")] for index, part in sorted(row.inputs.items())],
        "values": [[*_value_words(name), spell(part, "a row")] for name, part in values],
        "constant": spell(row.constant, "a row"),
    }


def _value_words(value: Value) -> list[object]:
    return [value.subject, value.node, value.index]


def _read_negation(rows: object, cases: object, where: str) -> Negation:
    listed, told = several(rows, f"{where}, rows"), several(cases, f"{where}, cases")
    if max(len(listed), len(told)) > ROWS:
        raise FormatError(f"{where}: there are more than {ROWS} rows or cases")
    made = tuple(_read_row(row, f"{where}, row {at}") for at, row in enumerate(listed))
    _check_denominators(made, where)
    return Negation(
        made,
        tuple(_read_case(case, len(made), f"{where}, case {at}") for at, case in enumerate(told)),
    )


def _read_row(value: object, where: str) -> Row:
    inputs, values, constant = fields(value, where, ("inputs", "values", "constant"))
    of_inputs: dict[int, Fraction] = {}
    for part in several(inputs, where):
        index, factor = several(part, f"{where}, inputs", 2)
        of_inputs[whole(index, f"{where}, inputs")] = fraction(factor, f"{where}, inputs")
    of_values: dict[Value, Fraction] = {}
    for part in several(values, where):
        *name, factor = several(part, f"{where}, values", 4)
        of_values[_read_value(name, where)] = fraction(factor, f"{where}, values")
    if len(of_inputs) + len(of_values) != len(several(inputs, where)) + len(several(values, where)):
        raise FormatError(f"{where}: one of its parts comes twice")
    return Row(of_inputs, of_values, fraction(constant, f"{where}, constant"))


def _read_value(name: Iterable[object], where: str) -> Value:
    subject, node, index = name
    return Value(
        whole(subject, f"{where}, network"),
        None if node is None else text(node, f"{where}, layer"),
        whole(index, f"{where}, index"),
    )


def _read_case(value: object, rows: int, where: str) -> Case:
    atoms = []
    for one in several(value, where):
        row, strict = several(one, where, 2)
        atoms.append(Atom(whole(row, f"{where}, row", 0, rows - 1), flag(strict, where)))
    if not atoms:
        raise FormatError(f"{where}: it holds no inequality, so every input satisfies it")
    return tuple(atoms)


def _read_limit(value: object, where: str) -> tuple[Value, Fraction | None, Fraction | None]:
    *name, least, most = several(value, where, 5)
    ends = [None if end is None else fraction(end, where) for end in (least, most)]
    return _read_value(name, where), ends[0], ends[1]


def _at_least_0(value: object, where: str) -> Fraction:
    found = fraction(value, where)
    if found < 0:
        raise FormatError(f"{where}: a number of at least 0 is needed")
    return found


def _check_denominators(rows: Iterable[Row], where: str) -> None:
    """Raise FormatError where sums of the rows' numbers would be too long to compute with."""
    common = 1
    for row in rows:
        for number in (*row.inputs.values(), *row.values.values(), row.constant):
            if common % number.denominator:
                common = lcm(common, number.denominator)
                if common.bit_length() > BITS:
                    raise FormatError(
                        f"{where}: the numbers have no common denominator of {BITS} bits"
                    )
