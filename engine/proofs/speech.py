"""What a proof says, in plain words, from its claims and its networks alone.

Numbers that are too long to print are rounded so that what is printed is proved all the more: a box
inward, a tolerance upward. The proof has them exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Final, assert_never

from .form import (
    Claim,
    Cover,
    Lemma,
    Limits,
    Negation,
    Proof,
    Query,
    Row,
    SameBest,
    Subject,
    Value,
    Within,
)
from .words import shown

DIGITS: Final = 17
"""Significant digits that are printed at most."""

LONG: Final = 60
"""Characters of a quotient that are printed at most."""

TERMS: Final = 12
"""Things of a kind that a sentence lists; of more it lists the first and their number."""


def above(value: Fraction) -> str:
    """Return a decimal that is no less, and equal where there is a short one."""
    return _decimal(value, ROUND_CEILING)


def below(value: Fraction) -> str:
    """Return a decimal that is no more, and equal where there is a short one."""
    return _decimal(value, ROUND_FLOOR)


def exact(value: Fraction) -> str:
    """Return a number as it is, a short decimal or a quotient; or that it is about some other."""
    near = below(value)
    if Fraction(near) == value:
        return near
    whole = str(value)
    return whole if len(whole) <= LONG else f"(about {near})"


def box_words(lower: Sequence[Fraction], upper: Sequence[Fraction]) -> str:
    """Return a box in words."""
    sides = []
    for at, (low, high) in enumerate(zip(lower[:TERMS], upper[:TERMS], strict=True)):
        if low == high:
            sides.append(f"x{at} = {exact(low)}")
        else:
            ends = above(low), below(high)
            if Fraction(ends[0]) > Fraction(ends[1]):
                ends = exact(low), exact(high)
            sides.append(f"{ends[0]} <= x{at} <= {ends[1]}")
    return _listed(sides, len(lower), "inputs")


def lemma_words(lemma: Lemma, names: Sequence[str]) -> str:
    """Return what a lemma says.

    Args:
        lemma: any.
        names: of the proof's files, as they are to be called.
    """
    networks = [_subject_words(one, at, names) for at, one in enumerate(lemma.subjects)]
    return (
        f"Let {'; let '.join(networks)}. For every x with "
        f"{box_words(lemma.lower, lemma.upper)}: {claim_words(lemma.claim)}."
    )


def cover_words(cover: Cover, name: str) -> str:
    """Return what a cover says; `name` is of the network that it is about."""
    count = len(cover.proofs)
    found = (
        f"The {count} closed boxes into which {count - 1} cuts part the box "
        f"{box_words(cover.lower, cover.upper)} cover it, and share no inner point"
    )
    if cover.claim is None:
        return f"{found}."
    named = sum(bool(one) for one in cover.proofs)
    return (
        f"{found}; for {named} of them it names a proof, which is to say of them, where N0 is the "
        f"network of {name} and N1 a network of the box's own: {claim_words(cover.claim)}."
    )


def proof_words(proof: Proof) -> tuple[str, ...]:
    """Return what a proof says: of its lemmas, or of what follows from them and stands first."""
    names = [shown(file.name) for file in proof.files]
    lemmas = [lemma_words(lemma, names) for lemma in proof.lemmas]
    if proof.cover is not None:
        lemmas.append(cover_words(proof.cover, names[0]))
    one = proof.simplified
    if one is None:
        return tuple(lemmas)
    first = (
        f"Let N0 be the network of {names[0]}; let N1 be the network of {names[1]}. For every x "
        f"with {box_words(one.lower, one.upper)}: {claim_words(one.claim)}."
    )
    return (first, *(f"On the way to that: {text}" for text in lemmas))


def claim_words(claim: Claim) -> str:
    """Return a claim in words; N0, N1, ... are its networks and x the inputs."""
    match claim:
        case Query(negation=negated):
            return _query_words(negated)
        case Within(tolerance=tolerance, outputs=outputs):
            which = _listed([str(at) for at in outputs[:TERMS]], len(outputs), "outputs")
            return (
                f"none of the outputs {which} differs between N0 and N1 by more than "
                f"{above(tolerance)}"
            )
        case SameBest(sign=sign, band=band, outputs=count, room=room):
            large = "larger" if sign > 0 else "smaller"
            lead = f" by more than {above(band)}" if band else ""
            ahead = f"; that same one is ahead of them by at least {below(room)}" if room else ""
            return (
                f"wherever one of the {count} outputs of N0 is {large} than all others{lead}, no "
                f"other output of N1 is {large} than that same one of N1{ahead}"
            )
        case Limits(limits=limits):
            said = []
            for value, least, most in limits[:TERMS]:
                left = "" if least is None else f"{below(least)} <= "
                right = "" if most is None else f" <= {above(most)}"
                said.append(f"{left}{_value_words(value)}{right}")
            return _listed(said, len(limits), "limits")
        case _:
            assert_never(claim)


def _subject_words(subject: Subject, at: int, names: Sequence[str]) -> str:
    out = f"N{at} be the network of {names[subject.file]}"
    if subject.inputs != tuple(range(len(subject.inputs))):
        which = [f"x{index}" for index in subject.inputs[:TERMS]]
        out += f", which reads {_listed(which, len(subject.inputs), 'inputs')}"
    if subject.lines:
        some = [
            f"neuron {line.neuron} of {shown(line.node)} by {exact(Fraction(line.slope))} z + "
            f"{exact(Fraction(line.intercept))}"
            for line in subject.lines[:TERMS]
        ]
        out += (
            f", changed in that ReLUs are replaced by lines: "
            f"{_listed(some, len(subject.lines), 'neurons')}"
        )
    return out


def _query_words(negated: Negation) -> str:
    said = []
    for case in negated.cases[:TERMS]:
        atoms = [
            f"{_row_words(negated.rows[atom.row])} {'<' if atom.strict else '<='} 0"
            for atom in case[:TERMS]
        ]
        said.append(f"({_listed(atoms, len(case), 'inequalities', ' and ')})")
    return f"none of these holds: {_listed(said, len(negated.cases), 'cases', ' or ')}"


def _row_words(row: Row) -> str:
    parts = [(f"x{index}", factor) for index, factor in list(row.inputs.items())[:TERMS]]
    parts += [(_value_words(value), one) for value, one in list(row.values.items())[:TERMS]]
    terms = [f"{exact(factor)} {name}" for name, factor in parts]
    if row.constant or not terms:
        terms.append(exact(row.constant))
    length = len(row.inputs) + len(row.values)
    return " + ".join(terms) if length == len(parts) else f"{' + '.join(terms)} + ({length} terms)"


def _value_words(value: Value) -> str:
    if value.node is None:
        return f"N{value.subject}.y{value.index}"
    return f"N{value.subject}.{shown(value.node)}[{value.index}]"


def _listed(some: Sequence[str], length: int, what: str, between: str = ", ") -> str:
    whole = between.join(some)
    return whole if length == len(some) else f"{whole}{between}... ({length} {what} in all)"


def _decimal(value: Fraction, rounding: str) -> str:
    context = Context(prec=DIGITS, rounding=rounding)
    found = context.divide(Decimal(value.numerator), Decimal(value.denominator)).normalize(context)
    return f"{found:f}" if -6 <= found.adjusted() <= DIGITS else str(found)
