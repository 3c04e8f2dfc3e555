"""Changes that a forger could make of what is said of a simplified network, and of its lemmas.

Changes of a lemma's own evidence are those of `forgeries`; `forgeries_planted` has those of files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from forgeries import FORGERIES, bolder
from simplified_proofs import Simple

from secateur.engine.proofs.evidence import EMPTY, EQUAL, LEAF, PLAIN, Tree
from secateur.engine.proofs.form import (
    Claim,
    Lemma,
    Limits,
    Line,
    Negation,
    Proof,
    Query,
    Row,
    SameBest,
    Simplified,
    Subject,
    Value,
    Within,
)

Rng = np.random.Generator
Forgery = Callable[[Rng, Simple, Proof], Proof]
ONE = Tree(np.array([LEAF]), np.zeros(1), np.array([0]), np.array([EQUAL]))
"""A tree that says two networks are one on the whole box."""

NAMES = ("affine1", "relu1", "affine2", "relu2", "affine3", "input", None)


def pick(rng: Rng, size: int) -> int:
    """Return an index, 0 where there is none."""
    return int(rng.integers(max(size, 1)))


def said(change: Callable[[Rng, Simple, Simplified], Simplified]) -> Forgery:
    def forge(rng: Rng, given: Simple, proof: Proof) -> Proof:
        assert proof.simplified is not None
        return replace(proof, simplified=change(rng, given, proof.simplified))

    return forge


def _lemma(change: Callable[[Rng, Simple, Lemma], Lemma]) -> Forgery:
    def forge(rng: Rng, given: Simple, proof: Proof) -> Proof:
        lemmas = list(proof.lemmas)
        if lemmas:
            at = pick(rng, len(lemmas))
            lemmas[at] = change(rng, given, lemmas[at])
        return replace(proof, lemmas=tuple(lemmas))

    return forge


def _as_lemma(name: str, rng: Rng, given: Simple, claim: Claim, one: Simplified) -> Lemma:
    """Return a lemma with a claim and a box, changed in one of the ways that lemmas are."""
    lemma = Lemma((), one.lower, one.upper, claim, (), (), EMPTY)
    return FORGERIES[name](rng, given, Proof((), (lemma,))).lemmas[0]


def _lines(rng: Rng, lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return other lines: fewer, more, elsewhere, or steeper."""
    some = list(lines)
    at = pick(rng, len(some))
    slope, shift = (float(rng.choice([0.0, -0.0, 1.0, 0.5, -1.0])) for _ in range(2))
    line = Line(f"relu{rng.integers(1, 3)}", int(rng.integers(5)), slope, shift * 0.25)
    way = int(rng.integers(9))
    if way == 0 or not some:
        some.append(line)
    elif way == 1:
        some.append(replace(line, intercept=0.0, slope=float(rng.integers(2))))
    elif way == 2:
        del some[at]
    elif way == 3:
        some.append(some[at])
    elif way == 4:
        some[at] = replace(some[at], neuron=some[at].neuron + int(rng.choice([-1, 1])))
    elif way == 5:
        some[at] = replace(some[at], node=str(rng.choice(["relu1", "relu2", "affine1", "none"])))
    elif way == 6:
        some[at] = replace(some[at], slope=1.0 - some[at].slope)
    elif way == 7:
        nudge = float(rng.choice([1e-12, 1e-3, 0.5, 1e300, np.nan]))
        some[at] = replace(some[at], intercept=some[at].intercept + nudge)
    else:
        some = [] if rng.integers(2) else [some[one] for one in rng.permutation(len(some))]
    return tuple(some)


def _indices(rng: Rng, indices: Sequence[int], count: int) -> tuple[int, ...]:
    some = list(indices)
    at = pick(rng, len(some))
    match int(rng.integers(6)):
        case 0:
            return tuple(reversed(some))
        case 1:
            return (*some[:at], *some[at + 1 :])
        case 2:
            return (*some, *some)
        case 3:
            return (*some[:at], int(rng.integers(-1, count + 2)), *some[at + 1 :])
        case 4:
            return tuple(range(count))
        case _:
            return ()


def _evidence(rng: Rng, _: Simple, proof: Proof) -> Proof:
    """Return a proof whose parts rest on other lemmas."""
    one, count = proof.simplified, len(proof.lemmas)
    assert one is not None
    match int(rng.integers(5)):
        case 0:
            one = replace(one, phases=_indices(rng, one.phases, count))
        case 1:
            one = replace(one, signs=_indices(rng, one.signs, count))
        case 2:
            one = replace(one, joint=int(rng.integers(-1, count + 1)))
        case 3:
            one = replace(one, joint=None)
        case _:
            one = replace(one, phases=one.signs, signs=one.phases)
    return replace(proof, simplified=one)


def _lemmas(rng: Rng, _: Simple, proof: Proof) -> Proof:
    """Return a proof whose lemmas stand in another order, or are fewer."""
    some = [proof.lemmas[at] for at in rng.permutation(len(proof.lemmas))]
    return replace(proof, lemmas=tuple(some[: len(some) - int(rng.integers(2))]))


def _subjects(rng: Rng, _: Simple, lemma: Lemma) -> Lemma:
    some = list(lemma.subjects)
    at = pick(rng, len(some))
    match int(rng.integers(7)):
        case 0:
            some.reverse()
        case 1:
            some[at] = replace(some[at], lines=_lines(rng, some[at].lines))
        case 2:
            some[at] = replace(some[at], lines=())
        case 3:
            some = [replace(one, lines=some[at].lines) for one in some]
        case 4:
            some[at] = replace(some[at], file=1 - some[at].file)
        case 5:
            some[at] = replace(some[at], inputs=some[at].inputs[::-1])
        case _:
            some.append(Subject(int(rng.integers(2)), (0, 1)))
    return replace(lemma, subjects=tuple(some))


def _any_claim(rng: Rng, given: Simple) -> Claim:
    """Return a claim of any kind, out of the blue."""
    number = Fraction(int(rng.choice([0, 1, 8, 64])), 64)
    outputs = given.outputs + int(rng.choice([-1, 0, 0, 1]))
    match int(rng.integers(4)):
        case 0:
            return Within(number, tuple(range(max(outputs, 1))))
        case 1:
            sign, room = int(rng.choice([-1, 1])), Fraction(int(rng.choice([0, 0, 1])), 8)
            return SameBest(sign, number, outputs, room)
        case 2:
            ends = [None, None, -number, Fraction(0), number]
            limits = []
            for _ in range(int(rng.integers(1, 4))):
                node = NAMES[pick(rng, len(NAMES))]
                value = Value(int(rng.choice([0, 0, 0, 1])), node, int(rng.integers(5)))
                limits.append((value, ends[pick(rng, 5)], ends[pick(rng, 5)]))
            return Limits(tuple(limits))
        case _:
            row = Row({0: Fraction(1)}, {Value(0, None, 0): Fraction(1)}, number)
            return Query(Negation((row,), ()))


def _claimed(rng: Rng, given: Simple, proof: Proof) -> Proof:
    """Return a proof that says more, and whose joint lemma does, so that the one follows."""
    one = proof.simplified
    assert one is not None
    part = Fraction(int(rng.choice([1, 8, 32, 60, 64])), 64)
    claim = bolder(one.claim, part)
    assert isinstance(claim, Within | SameBest)
    lemmas = list(proof.lemmas)
    if one.joint is not None:
        lemma = lemmas[one.joint]
        lemma = replace(lemma, claim=bolder(lemma.claim, part))
        if isinstance(claim, Within):
            tolerance = max(claim.tolerance - one.distance, Fraction(0))
            lemma = replace(lemma, claim=replace(claim, tolerance=tolerance))
        lemmas[one.joint] = replace(lemma, tree=ONE) if rng.integers(2) else lemma
    if rng.integers(3) == 0:
        claim = one.claim
    return replace(proof, lemmas=tuple(lemmas), simplified=replace(one, claim=claim))


def _boxes(rng: Rng, given: Simple, proof: Proof) -> Proof:
    """Return a proof that speaks of another box, in all of its parts or in all lemmas alone."""
    one = proof.simplified
    assert one is not None
    box = _as_lemma("another box", rng, given, one.claim, one)
    lemmas = tuple(replace(lemma, lower=box.lower, upper=box.upper) for lemma in proof.lemmas)
    if rng.integers(3):
        one = replace(one, lower=box.lower, upper=box.upper)
    return replace(proof, lemmas=lemmas, simplified=one)


def _saying(one: Simplified, claim: Claim) -> Simplified:
    return replace(one, claim=claim)  # type: ignore[arg-type]  # a forger may write any


def _box(rng: Rng, given: Simple, one: Simplified) -> Simplified:
    box = _as_lemma("another box", rng, given, one.claim, one)
    lower, upper = box.lower, box.upper
    if not rng.integers(4):
        lower, upper = (lower[:-1], upper) if rng.integers(2) else (lower, upper[:1])
    return replace(one, lower=lower, upper=upper)


def _equal(rng: Rng, _: Simple, lemma: Lemma) -> Lemma:
    """Return a lemma some of whose entries say that two networks are one."""
    tree = lemma.tree
    match int(rng.integers(4)):
        case 0:
            return replace(lemma, tree=ONE)
        case 1:
            leaves = np.flatnonzero(tree.axis == LEAF)
            return replace(lemma, tree=replace(tree, node=leaves, form=np.full(leaves.size, EQUAL)))
        case 2:
            some = rng.random(tree.form.size) < 0.5
            return replace(lemma, tree=replace(tree, form=np.where(some, EQUAL, tree.form)))
        case _:
            return replace(lemma, tree=replace(tree, form=np.full(tree.form.size, EQUAL)))


def _equal_anyway(rng: Rng, given: Simple, proof: Proof) -> Proof:
    """Return a proof with one more lemma, in which two networks are said to be one."""
    one = proof.simplified
    assert one is not None
    claim, files = _any_claim(rng, given), rng.integers(0, 2, 2).tolist()
    lines = one.lines if rng.integers(2) else _lines(rng, ())
    subjects = Subject(files[0], (0, 1)), Subject(files[rng.integers(2)], (0, 1), lines)
    lemma = Lemma(subjects, one.lower, one.upper, claim, (), (), ONE)
    if rng.integers(2):
        one = replace(one, joint=len(proof.lemmas))
    return replace(proof, lemmas=(*proof.lemmas, lemma), simplified=one)


def _unshown(rng: Rng, given: Simple, proof: Proof) -> Proof:
    """Say more, and show nothing of any lemma."""
    more = _claimed(rng, given, proof)
    bare = (replace(lemma, tree=EMPTY, forms=(), duals=PLAIN) for lemma in more.lemmas)
    return replace(more, lemmas=tuple(bare))


SAID: dict[str, Forgery] = {
    "other lines": said(lambda rng, _, one: replace(one, lines=_lines(rng, one.lines))),
    "other lines after": said(
        lambda rng, _, one: replace(one, lines_after=_lines(rng, one.lines_after))
    ),
    "lines exchanged": said(
        lambda rng, _, one: replace(one, lines=one.lines_after, lines_after=one.lines)
    ),
    "other evidence": _evidence,
    "lemmas elsewhere": _lemmas,
    "other networks in a lemma": _lemma(_subjects),
    "a claim out of the blue in a lemma": _lemma(
        lambda rng, given, lemma: replace(lemma, claim=_any_claim(rng, given))
    ),
    "another claim": said(
        lambda rng, given, one: _saying(
            one, _as_lemma("another claim", rng, given, one.claim, one).claim
        )
    ),
    "a claim out of the blue": said(lambda rng, given, one: _saying(one, _any_claim(rng, given))),
    "a bolder claim": _claimed,
    "another box": said(_box),
    "other boxes": _boxes,
    "one function": _lemma(_equal),
    "one function anyway": _equal_anyway,
    "nothing shown of a bolder claim": _unshown,
}
"""By name; `FORGERIES` fit the lemmas of these proofs too."""
