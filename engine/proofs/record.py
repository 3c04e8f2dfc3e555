"""Recording evidence: boxes are split until the checker's own bounds exclude every case on them.

What the engine proved by whatever method is proved again here by the bounds that a checker will
compute, so a lemma that is given back holds for the checker too. The engine's search is not needed
for that, but tells that the time is well spent.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .evidence import LEAF
from .form import Lemma, Limits
from .judge import box_of
from .model import Model
from .negation import negation
from .same import same_of
from .search import FEW, Search
from .system import system_of


@dataclass(frozen=True, slots=True)
class Spent:
    """What recording took.

    Attributes:
        nodes: boxes bounded.
        leaves: boxes that were not split.
        seconds: wall time.
    """

    nodes: int
    leaves: int
    seconds: float


def record(
    lemma: Lemma,
    models: Sequence[Model],
    seconds: float,
    most: int = 2_000_000,
    *,
    few: int = FEW,
) -> tuple[Lemma | None, Spent]:
    """Return a lemma with evidence for its claim, or None where none was found in time.

    Args:
        lemma: says what is to be proved; its tree does not count. Its forms are used beside the
            atoms alone and the sums of them that are found on the way.
        models: of its files.
        seconds: wall time.
        most: boxes.
        few: inputs up to which boxes are halved; with more of them phases are fixed.

    Raises:
        FormatError: it speaks of what is not there.
    """
    begun = time.monotonic()
    system, negated = system_of(lemma, models), negation(lemma.claim)
    same = same_of(lemma, models, system)
    search = Search(system, negated, lemma.forms, same, *box_of(lemma), few)
    done = search.run(begun + seconds, most)
    spent = Spent(len(search.axis), search.axis.count(LEAF), time.monotonic() - begun)
    if not done:
        return None, spent
    forms, tree, duals = search.evidence()
    return replace(lemma, forms=forms, tree=tree, duals=duals), spent


def separate(lemma: Lemma, models: Sequence[Model], seconds: float) -> list[Lemma] | None:
    """Return lemmas that say together what a lemma of limits says; None where that took too long.

    With many inputs limits share no splits worth having: what needs none stays together, and each
    other limit has a tree of its own.

    Args:
        lemma: a claim of limits; its evidence does not count.
        models: of its files.
        seconds: wall time.

    Raises:
        FormatError: it speaks of what is not there.
    """
    until = time.monotonic() + seconds
    claim = lemma.claim
    assert isinstance(claim, Limits)
    parts = [lemma]
    if len(lemma.lower) > FEW:
        sides = [
            one
            for value, least, most in claim.limits
            for one in ((value, least, None), (value, None, most))
            if one[1:] != (None, None)
        ]
        whole = replace(lemma, claim=Limits(tuple(sides)), forms=())
        shown = _shown(whole, models, until)
        together = tuple(one for one, there in zip(sides, shown, strict=True) if there)
        alone = [one for one, there in zip(sides, shown, strict=True) if not there]
        parts = [replace(whole, claim=Limits(together))] if together else []
        parts += [replace(whole, claim=Limits((one,))) for one in alone]
    out = []
    for part in parts:
        made, _ = record(part, models, max(0.1, until - time.monotonic()))
        if made is None:
            return None
        out.append(made)
    return out


def _shown(lemma: Lemma, models: Sequence[Model], until: float) -> list[bool]:
    """Return which cases of a lemma are excluded without any split."""
    system, negated = system_of(lemma, models), negation(lemma.claim)
    search = Search(system, negated, (), None, *box_of(lemma), FEW)
    if search.run(until, 1):
        return [True] * len(negated.cases)
    shown = {search.forms[form].case for node, form, _ in search.entries if node == 0}
    return [case in shown for case in range(len(negated.cases))]
