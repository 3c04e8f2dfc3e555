"""Judging that one file may stand for another: what follows from lemmas, and algebra for the rest.

Let f be file 0 and g file 1, both over a box.
1. Lemmas `phases` bound pre-activations of f: where they are at least 0 a ReLU is the identity,
   where they are at most 0 it is 0. So f with these lines, f1, equals f. Each of them may speak of
   f with lines that those before it cover, for that equals f too.
2. Lemma `joint` says that f2, f1 with the removals' lines besides, keeps the claim of f1.
3. Lemmas `signs` say of g what 1. says of f: g with its lines, g1, equals g.
4. The algebra of f2 and g1 gives how far their outputs are apart at most.
What 4. takes of the claim must be left by 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from .algebra import AlgebraError, Alike, distance
from .evidence import EMPTY
from .form import Lemma, Limits, Line, Proof, SameBest, Simplified, Subject, Within
from .judge import ProofError, box_of
from .model import FormatError, Model, Relu
from .speech import above
from .system import Activation, System, system_of

Signs = dict[tuple[int, int], tuple[bool, bool]]
"""Of neurons by node and index: whether their pre-activation is at least 0, and at most 0."""


LONGEST = 2_000
"""Bits of a match's scale at most: what is told apart by more is no multiple."""


def judge_simplified(
    proof: Proof, models: Sequence[Model], watch: Callable[[], None] = lambda: None
) -> None:
    """Check what a proof says of its files 0 and 1; its lemmas were judged before.

    Args:
        proof: all of it.
        models: of its files, in order.
        watch: called now and then; what it raises ends the check.

    Raises:
        FormatError: it speaks of what is not there.
        ProofError: it does not follow.
    """
    one = proof.simplified
    if one is None:
        raise FormatError("the proof says nothing of a simplified network")
    if len(models) != 2:
        raise FormatError(f"a simplification speaks of 2 files, not of {len(models)}")
    _fits(one.claim, models)
    whole = tuple(range(len(one.lower)))
    first = _signs(proof, one, one.phases, 0, models)
    try:
        left = distance_of(one, models, watch)
    except AlgebraError as error:
        raise ProofError(str(error)) from None
    if left > one.distance:  # which may be beyond float64
        raise ProofError(
            f"the algebra gives a larger distance than {above(one.distance)}, which is said"
        )
    _covered(one.lines_after, _signs(proof, one, one.signs, 1, models), 1, models)
    if one.joint is None:
        _covered(one.lines, first, 0, models)
        _follows(one.claim, None, left)
        return
    lemma = _lemma(proof, one, one.joint)
    if len(lemma.subjects) != 2:
        raise ProofError("the joint lemma does not speak of two networks")
    before, after = lemma.subjects
    if (before.file, before.inputs, after.file, after.inputs) != (0, whole, 0, whole):
        raise ProofError("the joint lemma speaks of other networks")
    if set(after.lines) != set(one.lines) or not set(before.lines) <= set(one.lines):
        raise ProofError("the joint lemma speaks of other lines")
    _covered(before.lines, first, 0, models)
    _follows(one.claim, lemma.claim, left)


def _fits(claim: Within | SameBest, models: Sequence[Model]) -> None:
    """Raise FormatError where a claim speaks of other outputs than both networks have."""
    counts = {model.sizes[model.output] for model in models}
    if isinstance(claim, SameBest):
        wrong = counts != {claim.outputs}
    else:
        wrong = not claim.outputs or not 0 <= min(claim.outputs) <= max(claim.outputs) < min(counts)
    if wrong:
        raise FormatError(
            f"what is said speaks of other outputs than the {sorted(counts)} there are"
        )


def distance_of(
    one: Simplified, models: Sequence[Model], watch: Callable[[], None] = lambda: None
) -> Fraction:
    """Return how far the folded network is from what the lines leave of file 0, by algebra.

    Raises:
        AlgebraError: the networks cannot be compared so.
        FormatError: it speaks of what is not there.
    """
    whole = tuple(range(len(one.lower)))
    subjects = Subject(0, whole, one.lines), Subject(1, whole, one.lines_after)
    claim = Limits(())
    lemma = Lemma(subjects, one.lower, one.upper, claim, (), (), EMPTY)
    system = system_of(lemma, models)
    for match in one.matches:
        if max(match.scale.numerator, match.scale.denominator).bit_length() > LONGEST:
            raise FormatError(f"a match's scale has more than {LONGEST} bits")
    matches = {
        (_activation(system, 1, match.node), match.neuron): Alike(
            (_activation(system, 0, match.like[0]), match.like[1]), match.scale
        )
        for match in one.matches
    }
    return distance(system, *box_of(lemma), matches, watch)


def _activation(system: System, subject: int, name: str) -> int:
    node = system.places[subject].get(name)
    if node is None or not isinstance(system.nodes[node], Activation):
        raise FormatError(f"layer {name!r} of network {subject}: there are no such activations")
    return node


def _lemma(proof: Proof, one: Simplified, index: int) -> Lemma:
    """Return a lemma that holds on the whole box."""
    if not 0 <= index < len(proof.lemmas):
        raise FormatError(f"lemma {index}: there are {len(proof.lemmas)}")
    lemma = proof.lemmas[index]
    sides = zip(lemma.lower, one.lower, one.upper, lemma.upper, strict=False)
    if len(lemma.lower) != len(one.lower) or not all(a <= b <= c <= d for a, b, c, d in sides):
        raise ProofError(f"lemma {index} does not hold on the whole box")
    return lemma


def _signs(
    proof: Proof, one: Simplified, indices: Sequence[int], file: int, models: Sequence[Model]
) -> Signs:
    """Return the signs that lemmas prove of a file's pre-activations."""
    whole, signs = tuple(range(len(one.lower))), Signs()
    for index in indices:
        lemma = _lemma(proof, one, index)
        if len(lemma.subjects) != 1 or not isinstance(lemma.claim, Limits):
            raise ProofError(f"lemma {index} does not bound values of one network")
        subject = lemma.subjects[0]
        if (subject.file, subject.inputs) != (file, whole):
            raise ProofError(f"lemma {index} does not speak of file {file}")
        _covered(subject.lines, signs, file, models)
        system = system_of(lemma, models)
        for value, least, most in lemma.claim.limits:
            place = system.place(value)
            up, down = signs.get(place, (False, False))
            up |= least is not None and least >= 0
            down |= most is not None and most <= 0
            signs[place] = up, down
    return signs


def _covered(lines: Sequence[Line], signs: Signs, file: int, models: Sequence[Model]) -> None:
    """Raise ProofError where a line is not what its ReLU is by the signs."""
    model = models[file]
    place = {name: at for at, name in enumerate(model.names)}
    # A system of one network has a node for the proof's inputs before those of the network.
    reads = {at: node.source + 1 for at, node in enumerate(model.nodes) if isinstance(node, Relu)}
    for line in lines:
        source = reads.get(place.get(line.node, -1), -1)
        up, down = signs.get((source, line.neuron), (False, False))
        kept = (line.slope, line.intercept) == (1.0, 0.0) and up
        gone = (line.slope, line.intercept) == (0.0, 0.0) and down
        if not (kept or gone):
            raise ProofError(
                f"neuron {line.neuron} of layer {line.node!r} of file {file} is replaced by a "
                "line, and no lemma says that it is one"
            )


def _follows(claim: Within | SameBest, joint: object, left: Fraction) -> None:
    """Raise ProofError where a claim does not follow from the joint one and a distance."""
    match claim, joint:
        case Within(tolerance=tolerance), None:
            holds = left <= tolerance
        case Within(tolerance=tolerance, outputs=outputs), Within() as known:
            holds = known.tolerance + left <= tolerance and set(outputs) <= set(known.outputs)
        case SameBest(band=band, room=room), None:
            holds = 2 * left + room <= band or (left == 0 and room == 0)
        case SameBest(), SameBest() as known:
            same = (known.sign, known.outputs) == (claim.sign, claim.outputs)
            holds = same and known.band <= claim.band and claim.room + 2 * left <= known.room
        case _:
            holds = False
    if not holds:
        raise ProofError("what is said of both files does not follow from the lemmas")
