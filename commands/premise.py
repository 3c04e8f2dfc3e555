"""Whether any input satisfies what a claim says of inputs alone.

Where none does, the claim holds of every network with such inputs, so its proof says nothing about
the one that was asked about. The answer is not the engine's by the way: a proof may rest on the
outputs as well, or close a box without asking what of the claim shut it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np

from ..engine.answer import Effort
from ..engine.claim import Atom, Case, Claim, Part, Polynomial, Tensor
from ..engine.errors import RegionError, UnsupportedError
from ..engine.network import Network
from ..engine.question import ask
from ..engine.verdict import Method, Proved, Refuted, Unknown, Verdict
from ..engine.witness import Witness

LONGEST: Final = 1.0
"""Seconds for the question whether half-spaces leave anything of their boxes."""

UNTOLD: Final = "whether any input satisfies what the query says of inputs alone was not decided"


def premise(claim: Claim) -> Claim:
    """Return what a claim says of inputs alone: its input tensors, numbered anew, and its cases."""
    tensors: list[Tensor] = []
    number: dict[int, int] = {}
    for tensor in (t for t in claim.tensors if t.part is Part.INPUT):
        first = len(number)
        tensors.append(replace(tensor, first=first))
        number |= {tensor.first + at: first + at for at in range(tensor.size)}
    kept: dict[int, Atom] = {}  # cases share their atoms: each is renumbered once
    cases: dict[frozenset[int], Case] = {}
    for case in claim.cases:
        own = [atom for atom in case if atom.form.variables <= number.keys()]
        for atom in own:
            if id(atom) not in kept:
                terms = {
                    tuple(sorted(number[variable] for variable in monomial)): value
                    for monomial, value in atom.form.terms.items()
                }
                kept[id(atom)] = Atom(Polynomial(terms), atom.strict)
        cases.setdefault(frozenset(map(id, own)), tuple(kept[id(atom)] for atom in own))
    return replace(claim, tensors=tuple(tensors), cases=tuple(cases.values()))


def no_input(claim: Claim, seconds: float, seed: int = 0) -> Verdict:
    """Return whether it is proved that no input satisfies what a claim says of inputs alone.

    Args:
        claim: of any networks; their files are not asked.
        seconds: that are left; at most `LONGEST` is used.
        seed: of all randomness.

    Returns:
        Refuted by a point, inputs that every case equates being one, where some input does; unknown
        also where an input has no limit, or inputs are multiplied.
    """
    end = time.monotonic() + min(seconds, LONGEST)
    said = premise(claim)
    networks = []
    for index in range(len(claim.networks)):
        inputs = sum(tensor.size for tensor in said.of(index, Part.INPUT))
        networks.append(Network.dense([np.zeros((1, inputs))], [np.zeros(1)]))
    try:
        question = ask(said, networks)
    except (RegionError, UnsupportedError) as error:
        return Unknown(str(error))
    if question.vacuous:
        return Proved(Method.INTERVAL, 0)
    for alternative in question.alternatives:
        if not alternative.atoms:  # its box has a middle, which lies on no side that is excluded
            sides = zip(alternative.region.exact_lower, alternative.region.exact_upper, strict=True)
            middle = tuple((low + high) / 2 for low, high in sides)
            return Refuted((Witness(middle, Fraction(0)),), Method.RATIONAL)
    if (left := end - time.monotonic()) <= 0.0:
        return Unknown("the time limit")
    from ..engine.decide import decide  # its kernels take half a second to load

    return decide(question, Effort(seconds=left, seed=seed, workers=1)).verdict
