"""Proofs of small simplified networks that hold, and whether what a proof says is true."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from proved import Made, written
from truth import Piece, pieces, true

from secateur.engine.agreement import Best
from secateur.engine.formats import load, save
from secateur.engine.network import Network, Origin
from secateur.engine.proofs.evidence import EMPTY
from secateur.engine.proofs.form import (
    Claim,
    Lemma,
    Limits,
    Proof,
    SameBest,
    Subject,
    Value,
    Within,
)
from secateur.engine.proofs.model import Model
from secateur.engine.proofs.read import digest, read_model
from secateur.engine.region import Region
from secateur.redundancy import guarantee as kept
from secateur.redundancy.aim import Aim
from secateur.redundancy.certify import certify
from secateur.redundancy.phase import Effort
from secateur.redundancy.plan import simplify

Array = NDArray[np.float64]
EFFORT = Effort(seconds=20.0, samples=200, starts=4, climbs=10, boxes=500, programs=10, workers=1)
REGION = Region.box([-0.5, -0.25], [0.5, 0.5])
GUARANTEES: dict[str, kept.Guarantee] = {
    "equal": kept.Outputs(),
    "within": kept.Outputs(Fraction(1, 4)),
    "argmin": kept.SameBest(Best.MIN),
    "argmax beyond a band": kept.SameBest(Best.MAX, Fraction(1, 8)),
}
CASES = (
    ("equal", "eighths", 1, (2, 5, 4, 3)),
    ("equal", "float32", 2, (2, 4, 3, 2)),
    ("within", "eighths", 2, (2, 4, 3, 2)),
    ("within", "eighths", 3, (2, 5, 4, 3)),
    ("argmin", "eighths", 4, (2, 4, 3, 2)),
    ("argmin", "float32", 1, (2, 5, 4, 3)),
    ("argmax beyond a band", "eighths", 2, (2, 4, 3, 2)),
    ("argmax beyond a band", "eighths", 3, (2, 5, 4, 3)),
)
"""Guarantee, numbers, seed and sizes; between them signs, matches, room and entries `EQUAL`."""

_truths: dict[str, bool] = {}
_pieces: dict[str, list[Piece]] = {}


@dataclass(frozen=True)
class Simple(Made):
    """A proof of a simplified network, and what its original is made of.

    Attributes:
        weights, biases: of file 0, whose layers are affine1, relu1, affine2, relu2, affine3.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    @property
    def outputs(self) -> int:
        """Return the number of outputs."""
        return len(self.biases[-1])

    def models(self, proof: Proof) -> list[Model]:
        """Return the networks that a proof speaks of."""
        return [_model(self.files[file.digest]) for file in proof.files]


_model = cache(lambda data: read_model(data, "f.onnx"))


@cache
def simple(case: int) -> Simple:
    """Return a proof that holds; its files are two, and some that it does not speak of."""
    guarantee, numbers, seed, sizes = CASES[case]
    rng = np.random.default_rng(seed)
    shapes = list(itertools.pairwise(sizes))
    if numbers == "eighths":
        weights = [rng.integers(-12, 13, (b, a)) / 8 for a, b in shapes]
        biases = [rng.integers(-6, 7, b) / 8 for b in sizes[1:]]
    else:
        weights = [1.2 * rng.normal(size=(b, a)) / np.sqrt(a) for a, b in shapes]
        biases = [0.4 * rng.normal(size=b) for b in sizes[1:]]
        weights, biases = (
            [part.astype(np.float32).astype(np.float64) for part in parts]
            for parts in (weights, biases)
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(Network.dense(weights, biases, Origin(dtype="float32")), folder / "net.onnx")
        plan = simplify(load(folder / "net.onnx"), REGION, EFFORT, aim=Aim(GUARANTEES[guarantee]))
        save(plan.network, folder / "small.onnx")
        found = certify(plan, load(folder / "small.onnx"), 20.0, np.random.default_rng(0))
        assert found.proof is not None, found.reason
        datas = [(folder / name).read_bytes() for name in ("net.onnx", "small.onnx")]
    for part in (8, 1024, 2**30):
        moved = [weight + rng.integers(-1, 2, weight.shape) / part for weight in weights]
        datas.append(written(moved, biases))
    datas.append(written([*weights[:-1], weights[-1][::-1].copy()], biases))
    files = {digest(data): data for data in datas}
    return Simple(found.proof, files, tuple(weights), tuple(biases))


def whole(proof: Proof) -> Lemma:
    """Return what a proof says of files 0 and 1 as a lemma without evidence."""
    one = proof.simplified
    assert one is not None
    inputs = tuple(range(len(one.lower)))
    subjects = Subject(0, inputs), Subject(1, inputs)
    return Lemma(subjects, one.lower, one.upper, one.claim, (), (), EMPTY)


def sound(given: Simple, proof: Proof) -> bool:
    """Return whether all that a proof says is true, and speaks of what is there."""
    models = given.models(proof)
    said = list(proof.lemmas) if proof.simplified is None else [whole(proof), *proof.lemmas]
    digests = tuple(file.digest for file in proof.files)
    return all(_true(lemma, models, digests) for lemma in said)


def _true(lemma: Lemma, models: Sequence[Model], digests: Sequence[str]) -> bool:
    """Return whether a lemma is true; what was asked before is looked up."""
    used = [digests[one.file] for one in lemma.subjects]
    where = repr((used, lemma.subjects, lemma.lower, lemma.upper))
    what = repr((where, lemma.claim))
    if what not in _truths:
        if where not in _pieces:
            _pieces[where] = list(pieces(lemma, models))
        there = _is_there(lemma.claim, [models[one.file] for one in lemma.subjects])
        _truths[what] = there and true(lemma, models, _pieces[where])
    return _truths[what]


def _is_there(claim: Claim, models: Sequence[Model]) -> bool:
    """Return whether a claim speaks of values that networks have."""
    counts = [model.sizes[model.output] for model in models]
    match claim:
        case Within(outputs=outputs):
            return bool(outputs) and all(0 <= at < min(counts[:2]) for at in outputs)
        case SameBest(outputs=count):
            return counts[:2] == [count, count]
        case Limits(limits=limits):
            return all(_has(models, value) for value, _, _ in limits)
        case _:
            return True


def _has(models: Sequence[Model], value: Value) -> bool:
    if not 0 <= value.subject < len(models):
        return False
    model = models[value.subject]
    sizes: dict[str | None, int] = dict(zip(model.names, model.sizes, strict=True))
    sizes[None] = model.sizes[model.output]
    return 0 <= value.index < sizes.get(value.node, 0)
