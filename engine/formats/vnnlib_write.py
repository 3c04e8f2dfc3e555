"""Writing of claims as VNN-LIB 2 files, in the grammar of the standard alone.

The grammar has decimals without exponent and no division. An inequality with another rational is
multiplied by a whole number first, which changes nothing about where it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Final

from ..claim import Atom, Case, Claim, Monomial, Part, Tensor
from ..errors import UnsupportedError
from .decimals import exact, written
from .files import replace_with
from .vnnlib_networks import NAME

PARTS: Final = (Part.INPUT, Part.HIDDEN, Part.OUTPUT)
NEVER: Final = "(< 0.0 0.0)"
ALWAYS: Final = "(<= 0.0 0.0)"


def write_claim(claim: Claim, path: str | Path) -> None:
    """Write a claim as a VNN-LIB 2 file; read again, it is the same claim.

    Inequalities whose rationals are no decimals come back as multiples of themselves; constant
    ones are not kept, for they are evaluated when read.

    Args:
        claim: the tensors of each network together, its inputs first, its outputs last.
        path: of the file; replaced in one step.

    Raises:
        FileError: it cannot be written.
        UnsupportedError: a name or an order of tensors that the format cannot hold.
    """
    replace_with(path, claim_script(claim).encode())


def claim_script(claim: Claim) -> str:
    """Return the text of the file; raises UnsupportedError as `write_claim`."""
    return "\n".join([*_declarations(claim), "", *_assertions(claim)]) + "\n"


def _declarations(claim: Claim) -> Iterator[str]:
    yield "(vnnlib-version <2.0>)"
    order = [(tensor.network, PARTS.index(tensor.part)) for tensor in claim.tensors]
    if order != sorted(order):
        raise UnsupportedError(
            f"{claim.name}: its tensors do not stand as the format asks: network by network, "
            "inputs, hidden tensors, outputs; declare them in this order"
        )
    for index, network in enumerate(claim.networks):
        yield ""
        yield f"(declare-network {_name(claim, network.name)}"
        if network.target is not None:
            target = _name(claim, claim.networks[network.target].name)
            yield f"    ({network.relation} {target})"
        for tensor in claim.tensors:
            if tensor.network == index:
                yield f"    {_declaration(claim, tensor)}"
        yield ")"


def _name(claim: Claim, name: str) -> str:
    if not NAME.fullmatch(name):
        raise UnsupportedError(
            f"{claim.name}: {name!r} is no name in VNN-LIB: take letters, digits and _, a letter "
            "first"
        )
    return name


def _declaration(claim: Claim, tensor: Tensor) -> str:
    shape = ",".join(str(size) for size in tensor.shape)
    node = ""
    if tensor.node is not None:
        if '"' in tensor.node or "\n" in tensor.node or "\r" in tensor.node:
            raise UnsupportedError(
                f"{claim.name}: the tensor name {tensor.node!r} cannot stand in quotes: rename it "
                "in the model file"
            )
        node = f' "{tensor.node}"'
    name = _name(claim, tensor.name)
    return f"(declare-{tensor.part.value} {name} {tensor.element} [{shape}]{node})"


def _assertions(claim: Claim) -> Iterator[str]:
    words = _Words(claim)
    if not claim.cases:
        yield f"(assert {NEVER})"
        return
    count = 0
    for column in zip(*claim.cases, strict=False):
        if any(atom != column[0] for atom in column):
            break
        count += 1
    shared = claim.cases[0][:count]
    rest = [case[count:] for case in claim.cases]
    for atom in shared:
        yield f"(assert {words.atom(atom)})"
    if len(rest) > 1:
        yield "(assert (or"
        for case in rest:
            yield f"    {words.case(case)}"
        yield "))"
    elif not shared:
        yield f"(assert {ALWAYS})"


class _Words:
    """How a claim's variables and inequalities are written."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.entries: list[str] = []
        self.whole: list[bool] = []
        for tensor in claim.tensors:
            whole = "int" in tensor.element
            for flat in range(tensor.size):
                self.entries.append(tensor.name + _index(tensor.shape, flat))
                self.whole.append(whole)

    def case(self, case: Case) -> str:
        atoms = [self.atom(atom) for atom in case]
        return atoms[0] if len(atoms) == 1 else f"(and {' '.join(atoms)})" if atoms else ALWAYS

    def atom(self, atom: Atom) -> str:
        """Return an inequality with positive coefficients on both sides."""
        scale = lcm(*(_odd(value.denominator) for value in atom.form.terms.values()))
        terms = {key: scale * value for key, value in atom.form.terms.items() if key}
        limit = -scale * atom.form.offset
        whole = all(self.whole[index] for key in terms for index in key) and all(
            value.denominator == 1 for value in (*terms.values(), limit)
        )
        left = [self.term(key, value, whole) for key, value in terms.items() if value > 0]
        right = [self.term(key, -value, whole) for key, value in terms.items() if value < 0]
        strict = "" if atom.strict else "="
        if left:
            relation = f"<{strict}"
        else:
            relation, left, right, limit = f">{strict}", right, [], -limit
        if limit or not right:
            right.append(self.number(limit, whole))
        return f"({relation} {_sum(left) if left else '0.0'} {_sum(right)})"

    def term(self, key: Monomial, value: Fraction, whole: bool) -> str:
        factors = [self.entries[index] for index in key]
        if value != 1:
            factors.insert(0, self.number(value, whole))
        return factors[0] if len(factors) == 1 else f"(* {' '.join(factors)})"

    def number(self, value: Fraction, whole: bool) -> str:
        text = str(value.numerator) if whole else written(value)
        exact(text, self.claim.name)  # refuses what could not be read again
        return text


def _sum(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"(+ {' '.join(words)})"


def _index(shape: tuple[int, ...], flat: int) -> str:
    if not shape:
        return ""
    places = []
    for size in reversed(shape):
        flat, place = divmod(flat, size)
        places.append(str(place))
    return f"[{','.join(reversed(places))}]"


def _odd(denominator: int) -> int:
    """Return the part of a denominator that keeps a fraction from being a decimal."""
    while denominator % 2 == 0:
        denominator //= 2
    while denominator % 5 == 0:
        denominator //= 5
    return denominator
