"""Files that a forger could write to fit a false proof, and what could be said of them.

A neuron of the original is replaced by a line, and the file that results is said to be as good. All
of the algebra is right then; only what makes the neuron a line is missing, or looks the part.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import numpy as np
from forgeries_simplified import ONE, Forgery, Rng, pick, said
from proved import file_of, written
from simplified_proofs import Simple

from secateur.engine.proofs.algebra import AlgebraError
from secateur.engine.proofs.evidence import EMPTY
from secateur.engine.proofs.form import (
    Lemma,
    Limits,
    Line,
    Match,
    Proof,
    SameBest,
    Simplified,
    Subject,
    Value,
    Within,
)
from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.record import record
from secateur.engine.proofs.simplified import distance_of

BOTH = (0, 1)
"""The inputs of each network."""


def _files(rng: Rng, given: Simple, proof: Proof) -> Proof:
    """Return a proof that speaks of other files, each with its right digest."""
    files, datas = list(proof.files), list(given.files.values())
    if rng.integers(4):
        other = file_of("h", datas[pick(rng, len(datas))])
        files[int(rng.random() < 0.7)] = other
    else:
        files = [files[::-1], [*files, files[0]], files[:1], [files[0]] * 2][rng.integers(4)]
    return replace(proof, files=tuple(files))


def matches_of(rng: Rng, given: Simple, one: Simplified) -> tuple[Match, ...]:
    """Return matches of neurons in their order, some of them wrong."""
    if one.matches and rng.integers(2):
        some = list(one.matches)
    else:
        places = [(f"relu{at}", n) for at in (1, 2) for n in range(len(given.biases[at - 1]))]
        some = [Match(node, n, (node, n), Fraction(1)) for node, n in places]
    at = pick(rng, len(some))
    match int(rng.integers(7)):
        case 0:
            wild = (-1, 0, Fraction(1, 3), 2, 10**300, 10**3000, Fraction(1, 10**3000))
            some[at] = replace(some[at], scale=Fraction(wild[rng.integers(7)]))
        case 1:
            some[at] = replace(some[at], like=some[pick(rng, len(some))].like)
        case 2:
            some[at] = replace(some[at], like=(f"relu{rng.integers(1, 4)}", int(rng.integers(6))))
        case 3:
            del some[at]
        case 4:
            some = []
        case 5:
            some[at] = replace(some[at], node="relu1" if rng.integers(2) else "affine1")
        case _:
            pass
    return tuple(some)


def _distance(rng: Rng, given: Simple, one: Simplified) -> Simplified:
    wild = (0, -1, one.distance / 2, one.distance + 1, 10**400, Fraction(1, 10**400))
    return replace(one, distance=Fraction(wild[rng.integers(6)]))


def _mended(rng: Rng, given: Simple, one: Simplified) -> Simplified:
    """Return other matches, with a distance that is large enough."""
    return replace(one, matches=matches_of(rng, given, one), distance=Fraction(10**6))


def _kept(given: Simple, data: bytes) -> bytes:
    given.files[file_of("", data).digest] = data
    return data


def _bent(given: Simple, layer: int, line: Line) -> bytes:
    """Return a file in which a neuron of a layer is a line: z = relu(z) - relu(-z)."""
    weights, biases = ([part.copy() for part in parts] for parts in (given.weights, given.biases))
    z, shift = weights[layer][line.neuron], biases[layer][line.neuron]
    weights[layer], biases[layer] = (
        np.vstack([weights[layer], -z]),
        np.append(biases[layer], -shift),
    )
    column = weights[layer + 1][:, line.neuron].copy()
    weights[layer + 1][:, line.neuron] *= line.slope
    weights[layer + 1] = np.column_stack([weights[layer + 1], -line.slope * column])
    biases[layer + 1] = biases[layer + 1] + line.intercept * column
    return _kept(given, written(weights, biases))


def _proved(given: Simple, proof: Proof, lemma: Lemma) -> Lemma:
    """Return a lemma with evidence, if there is some."""
    found, _ = record(lemma, given.models(proof), 1.0, 64)
    return lemma if found is None else found


def _point(rng: Rng, given: Simple, lemma: Lemma, layer: int, line: Line) -> Lemma:
    """Return a lemma on a point at which a neuron is a line, or a point like any other."""
    low, high = (np.array([float(end) for end in ends]) for ends in (lemma.lower, lemma.upper))
    points = low + rng.integers(0, 65, (64, 2)) / 64 * (high - low)
    values = points
    for at in range(layer + 1):
        values = values @ given.weights[at].T + given.biases[at]
        if at < layer:
            values = np.maximum(values, 0.0)
    z = values[:, line.neuron]
    best = points[np.argmax(z if line.slope else -z)]
    corner = tuple(Fraction(value) for value in best.tolist())
    return replace(lemma, lower=corner, upper=corner)


def _signed(
    rng: Rng, given: Simple, proof: Proof, file: int, layer: int, line: Line
) -> tuple[Lemma, ...]:
    """Return lemmas that look as if they said that a neuron is a line; some are even true."""
    one = proof.simplified
    assert one is not None
    up = line.slope != 0.0
    ends = (Fraction(0), None) if up else (None, Fraction(0))
    z = Value(0, f"affine{layer + 1}", line.neuron)
    subject = Subject(file, BOTH)
    lemma = Lemma((subject,), one.lower, one.upper, Limits(((z, *ends),)), (), (), EMPTY)
    way = int(rng.integers(13))
    match way:
        case 0:
            return ()
        case 1:
            return (replace(lemma, tree=ONE),)
        case 2:
            return (lemma,)
        case 3:
            claim = Limits(((replace(z, node=line.node), *ends),))
            lemma = replace(lemma, claim=claim)
        case 4:
            lemma = _point(rng, given, lemma, layer, line)
        case 5:
            lemma = replace(lemma, upper=tuple(end / 2 for end in one.upper))
        case 6:
            lemma = replace(lemma, subjects=(replace(subject, lines=(line,)),))
        case 7:
            lemma = replace(lemma, subjects=(replace(subject, file=1 - file),))
        case 8:
            other = (line.neuron + 1) % len(given.biases[layer])
            lemma = replace(lemma, claim=Limits(((replace(z, index=other), *ends),)))
        case 9:
            wide = (Fraction(-100), None) if up else (None, Fraction(100))
            lemma = replace(lemma, claim=Limits(((z, *wide),)))
        case 10:
            lemma = replace(lemma, subjects=(replace(subject, inputs=BOTH[::-1]),))
        case 11:
            lines = tuple(Line("relu1", n, 1.0, 0.0) for n in range(len(given.biases[0])))
            lemma = replace(lemma, subjects=(replace(subject, lines=lines),))
        case _:
            lemma = replace(lemma, subjects=(subject, subject))
    return (_proved(given, proof, lemma),)


def _joined(
    rng: Rng, given: Simple, proof: Proof, layer: int, line: Line, claim: Within | SameBest
) -> Lemma:
    """Return a lemma that looks as if it said that a removal keeps a claim."""
    one = proof.simplified
    assert one is not None
    before, after = Subject(0, BOTH), Subject(0, BOTH, (line,))
    lemma = Lemma((before, after), one.lower, one.upper, claim, (), (), ONE)
    match int(rng.integers(10)):
        case 0:
            return lemma
        case 1:
            return replace(lemma, subjects=(after, after))
        case 2:
            return replace(lemma, subjects=(after, before))
        case 3:
            return replace(lemma, subjects=(before, before))
        case 4:
            point = replace(_point(rng, given, lemma, layer, line), tree=EMPTY)
            return _proved(given, proof, point)
        case 5:
            return replace(lemma, claim=Within(Fraction(0), (0,)), subjects=(after, after))
        case 6:
            return replace(lemma, subjects=(replace(before, file=1), replace(after, file=1)))
        case 7:
            loose = Within(Fraction(1000), tuple(range(given.outputs)))
            return _proved(given, proof, replace(lemma, claim=loose, tree=EMPTY))
        case 8:
            return _proved(given, proof, replace(lemma, tree=EMPTY))
        case _:
            return replace(lemma, subjects=(before, Subject(1, BOTH)))


def _simplest(rng: Rng, given: Simple, one: Simplified) -> Simplified:
    """Return that a file equals another one, without any evidence."""
    claim: Within | SameBest = Within(Fraction(0), tuple(range(given.outputs)))
    if rng.integers(2):
        band = Fraction(int(rng.choice([0, 0, 1])), 16)
        claim = SameBest(int(rng.choice([-1, 1])), band, given.outputs)
    return replace(
        one,
        claim=claim,
        phases=(),
        joint=None,
        signs=(),
        lines=(),
        lines_after=(),
        matches=(),
        distance=Fraction(0),
    )


def planted(rng: Rng, given: Simple, proof: Proof) -> Proof:
    """Return a proof that the original and a file with a neuron less stand for each other."""
    assert proof.simplified is not None
    one, layer = _simplest(rng, given, proof.simplified), pick(rng, 2)
    neuron = pick(rng, len(given.biases[layer]))
    slope, shift = ((0.0, 0.0), (1.0, 0.0), (0.5, 0.25), (1.0, 0.25))[pick(rng, 4)]
    line = Line(f"relu{layer + 1}", neuron, slope, shift)
    bent = file_of("bent", _bent(given, layer, line))
    if rng.integers(2):
        proof = replace(proof, files=(proof.files[0], bent), lemmas=(), simplified=one)
        one = replace(one, lines=(line,))
        if rng.integers(2):
            lemma = _joined(rng, given, proof, layer, line, one.claim)
            return replace(proof, lemmas=(lemma,), simplified=replace(one, joint=0))
        lemmas = _signed(rng, given, proof, 0, layer, line)
        one = replace(one, phases=tuple(range(len(lemmas))))
    else:
        proof = replace(proof, files=(bent, proof.files[0]), lemmas=(), simplified=one)
        lemmas = _signed(rng, given, proof, 1, layer, line)
        one = replace(one, lines_after=(line,), signs=tuple(range(len(lemmas))))
    return replace(proof, lemmas=lemmas, simplified=one)


def near(rng: Rng, given: Simple, proof: Proof) -> Proof:
    """Return a proof of two files of nearly the same numbers, by matches, that says too much."""
    assert proof.simplified is not None
    one = _simplest(rng, given, proof.simplified)
    part = float(rng.choice([8, 64, 2**20]))
    moved = [
        weight + rng.integers(2) * rng.integers(-1, 2, weight.shape) / part
        for weight in given.weights
    ]
    other = file_of("near", _kept(given, written(moved, list(given.biases))))
    proof = replace(proof, files=(proof.files[0], other), lemmas=())
    names = {"relu1": "h0", "relu2": "h1"}  # as `written` calls them
    matches = matches_of(rng, given, one)
    matches = tuple(replace(one, node=names.get(one.node, one.node)) for one in matches)
    one = replace(one, matches=matches)
    with suppress(AlgebraError, FormatError):
        one = replace(one, distance=distance_of(one, given.models(proof)))
    share = Fraction(int(rng.choice([0, 1, 4, 31, 32])), 32)
    if isinstance(one.claim, Within):
        claim: Within | SameBest = replace(one.claim, tolerance=one.distance * share)
    else:
        claim = replace(one.claim, band=2 * one.distance * share)
    return replace(proof, simplified=replace(one, claim=claim))


PLANTED: dict[str, Forgery] = {
    "other files": _files,
    "other matches": said(
        lambda rng, given, one: replace(one, matches=matches_of(rng, given, one))
    ),
    "other matches that may be far": said(_mended),
    "another distance": said(_distance),
    "a neuron less": planted,
    "other numbers": near,
}
"""By name."""
