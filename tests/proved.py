"""Small proofs that hold: of random networks, one for each kind of claim."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from secateur.engine.proofs.evidence import EMPTY
from secateur.engine.proofs.form import (
    Atom,
    Claim,
    File,
    Lemma,
    Limits,
    Line,
    Negation,
    Proof,
    Query,
    Row,
    SameBest,
    Subject,
    Twins,
    Value,
    Within,
)
from secateur.engine.proofs.model import Model, Relu
from secateur.engine.proofs.read import digest, read_model
from secateur.engine.proofs.record import record
from secateur.engine.proofs.search import FEW

KINDS = ("within", "same-best", "limits", "query")
PHASED = ("phased within", "phased same-best", "phased limits", "phased query")
"""The same, proved by phases and multipliers in place of halved boxes."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Made:
    """A proof that holds, and the files that it may speak of.

    Attributes:
        proof: of files 0 and 1.
        files: bytes by digest; some are of other networks than the proof's.
    """

    proof: Proof
    files: dict[str, bytes]

    def open_file(self, at: int, file: File) -> bytes:
        """Return the bytes of a file by its digest; of file 0 where there are none."""
        return self.files.get(file.digest, next(iter(self.files.values())))

    def models(self, proof: Proof) -> list[Model]:
        """Return the networks that a proof speaks of."""
        return [read_model(self.files[file.digest], file.name) for file in proof.files]


def written(weights: list[Array], biases: list[Array]) -> bytes:
    """Return an ONNX file of a chain of dense layers, in float64."""
    nodes, constants, at = [], [], "x"
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        constants.append(numpy_helper.from_array(weight, f"w{number}"))
        constants.append(numpy_helper.from_array(bias, f"b{number}"))
        names = [at, f"w{number}", f"b{number}"]
        nodes.append(helper.make_node("Gemm", names, [f"z{number}"], transB=1))
        at = f"z{number}"
        if number < len(weights) - 1:
            nodes.append(helper.make_node("Relu", [at], [f"h{number}"]))
            at = f"h{number}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, [1, size])
        for name, size in (("x", weights[0].shape[1]), (at, len(biases[-1])))
    ]
    graph = helper.make_graph(nodes, "g", [ends[0]], [ends[1]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    stream = io.BytesIO()
    onnx.save(model, stream)
    return stream.getvalue()


def file_of(name: str, data: bytes) -> File:
    """Return what a proof says of a file."""
    return File(name, digest(data), len(data))


@cache
def made(kind: str, seed: int) -> Made:
    """Return a proof of a kind that holds, always the same for the same seed."""
    rng = np.random.default_rng([(*KINDS, *PHASED).index(kind), seed])
    few = 0 if kind in PHASED else FEW
    kind = kind.removeprefix("phased ")
    sizes = (2, *rng.integers(3, 5 + (kind in ("limits", "query")), rng.integers(1, 3)), 2)
    weights = [rng.integers(-16, 17, (b, a)) / 8 for a, b in itertools.pairwise(sizes)]
    biases = [rng.integers(-8, 9, b) / 8 for b in sizes[1:]]
    moved = [weight + rng.integers(-2, 3, weight.shape) / 128 for weight in weights]
    datas = [written(weights, biases), written(moved, biases)]
    others = [written([-weight for weight in weights], biases), written(weights[::-1], biases)]
    if sizes[0] != sizes[-1] or len(sizes) > 3:
        others = others[:1]
    files = tuple(file_of(name, data) for name, data in zip("fg", datas, strict=True))
    models = [read_model(data, "f.onnx") for data in datas]
    low = rng.integers(-8, 5, 2) / 8
    lower = tuple(Fraction(value) for value in low)
    upper = tuple(Fraction(value) + Fraction(int(rng.integers(3, 9)), 6) for value in low)
    points = rng.uniform(low, [float(value) for value in upper], (2000, 2))
    lemma = _lemma(kind, rng, models, lower, upper, points, few)
    return Made(
        Proof(files, (lemma,), None, {"by": "tests", "seed": seed}),
        {digest(data): data for data in [*datas, *others]},
    )


def _lemma(
    kind: str,
    rng: np.random.Generator,
    models: list[Model],
    lower: tuple[Fraction, ...],
    upper: tuple[Fraction, ...],
    points: Array,
    few: int,
) -> Lemma:
    """Return a lemma with evidence, as sharp as can be proved in a moment."""
    names = [[model.names[at] for at in _relus(model)] for model in models]
    both: tuple[Subject, ...] = (Subject(0, (0, 1)), Subject(1, (0, 1)))
    twins = tuple(Twins((0, a), (1, b)) for a, b in zip(*names, strict=True))
    if kind in ("limits", "query"):
        line = Line(names[0][0], 1, 0.5, float(rng.integers(-4, 5)) / 8)
        lines = (line,) if kind == "limits" and rng.integers(2) else ()
        both, twins = (Subject(0, (0, 1), lines),), ()
    for slack in (0.005, 0.02, 0.1, 0.5, 2.0, 8.0):
        claim = _claim(kind, rng, models, points, names[0][-1], slack)
        if both[0].lines:  # the values of the changed network are others
            claim = _wider(claim, Fraction(8))
        lemma = Lemma(both, lower, upper, claim, twins, (), EMPTY)
        found, _ = record(lemma, models, 2.0, 400, few=few)
        if found is not None:
            return found
    raise AssertionError("no evidence was found")


def _claim(
    kind: str,
    rng: np.random.Generator,
    models: list[Model],
    points: Array,
    layer: str,
    slack: float,
) -> Claim:
    one, two = (model.floats(points)[model.output] for model in models)
    hidden = models[0].floats(points)[models[0].names.index(layer)]
    match kind:
        case "within":
            return Within(_above(np.abs(one - two).max(), slack), (0, 1))
        case "same-best":
            sign = int(rng.choice([-1, 1]))
            lead, other = sign * (one[:, 0] - one[:, 1]), sign * (two[:, 0] - two[:, 1])
            band = max(np.where(other <= 0, lead, 0).max(), np.where(other >= 0, -lead, 0).max())
            return SameBest(sign, _above(band, slack), 2)
        case "limits":
            ends = [
                (_below(v.min(), slack), _above(v.max(), slack)) for v in (one[:, 0], one[:, 1])
            ]
            limits = [(Value(0, None, at), *limit) for at, limit in enumerate(ends)]
            high = _above(hidden[:, 0].max(), slack)
            return Limits((*limits, (Value(0, layer, 0), None, high)))
        case "query":
            values = {Value(0, None, 0): Fraction(1), Value(0, None, 1): Fraction(-1, 3)}
            row = one[:, 0] - one[:, 1] / 3 + points[:, 0] / 2
            first = Row({0: Fraction(1, 2)}, values, -_below(row.min(), slack))
            second = Row({1: Fraction(1)}, {Value(0, layer, 0): Fraction(-1)}, Fraction(2))
            third = Row({}, {Value(0, None, 1): Fraction(-1)}, _above(one[:, 1].max(), slack))
            cases = ((Atom(1, False), Atom(0, True)), (Atom(2, False),))
            return Query(Negation((first, second, third), cases))
        case _:
            raise AssertionError(kind)


def _wider(claim: Claim, room: Fraction) -> Claim:
    assert isinstance(claim, Limits)
    limits = [(value, lo and lo - room, hi and hi + room) for value, lo, hi in claim.limits]
    return Limits(tuple(limits))


def _relus(model: Model) -> list[int]:
    return [at for at, node in enumerate(model.nodes) if isinstance(node, Relu)]


def _above(value: float, slack: float) -> Fraction:
    return Fraction(round((float(value) + slack * (0.1 + abs(float(value)))) * 1000) + 1, 1000)


def _below(value: float, slack: float) -> Fraction:
    return -_above(-value, slack)


@cache
def sharp(kind: str, count: int) -> list[Made]:
    """Return proofs of a kind whose trees have branches."""
    some = (made(kind, seed) for seed in itertools.count())
    branched = (one for one in some if one.proof.lemmas[0].tree.axis.size > 2)
    return list(itertools.islice(branched, count))
