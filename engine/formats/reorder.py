"""A claim with its tensors in another order; the variables are numbered anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..claim import Atom, Claim, Polynomial, Tensor


def reordered(claim: Claim, order: Sequence[int]) -> Claim:
    """Return the claim with its tensors in the order of these indices.

    Args:
        claim: what is asked.
        order: a permutation of the indices of its tensors.
    """
    if list(order) == list(range(len(claim.tensors))):
        return claim
    tensors: list[Tensor] = []
    number = [0] * claim.size
    first = 0
    for index in order:
        tensor = claim.tensors[index]
        tensors.append(replace(tensor, first=first))
        number[tensor.first : tensor.first + tensor.size] = range(first, first + tensor.size)
        first += tensor.size
    known: dict[int, Atom] = {}
    cases = tuple(tuple(_renumbered(atom, number, known) for atom in case) for case in claim.cases)
    return replace(claim, tensors=tuple(tensors), cases=cases)


def _renumbered(atom: Atom, number: Sequence[int], known: dict[int, Atom]) -> Atom:
    """Return an atom over the new numbers; equal objects stay one."""
    if id(atom) not in known:
        terms = {
            tuple(sorted(number[index] for index in key)): value
            for key, value in atom.form.terms.items()
        }
        known[id(atom)] = Atom(Polynomial(terms), atom.strict)
    return known[id(atom)]
