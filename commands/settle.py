"""Which engine answers a claim, and the point that refutes it.

Piecewise linear networks and linear claims go to the question engine. What it does not take, other
operators, products of variables, inputs without limits, goes to the general one, which reads the
graphs themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.answer import INTERRUPTED, Answer, Effort
from ..engine.claim import Claim, Part, Tensor
from ..engine.errors import InputError, RegionError, UnsupportedError
from ..engine.formats.bind import Bound, Files, bind
from ..engine.question import Question, ask
from ..engine.verdict import Proved, Refuted, Unknown
from .premise import UNTOLD, no_input
from .rounding import file_errors, row_errors

Array = NDArray[np.float64]

TINY: Final = 64
"""Variables of a claim up to which the general engine is asked first, ..."""

TINY_BYTES: Final = 8192
"""... if its files have at most this size together, ..."""

FIRST_TRY: Final = 0.5
"""... for so many seconds."""

SECOND_TRY: Final = 5.0
"""Seconds that the general engine gets, at least, where the other one stopped without answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """An answer and how it came about.

    Attributes:
        answer: of the engine.
        engine: question or general.
        semantics: real, computed, or mixed: whose arithmetic the tensors' values are of.
        point: where the claim is refuted, the values of all input tensors by name, flat and exact.
        real: the same of the other tensors in real arithmetic, where that engine knows them.
    """

    answer: Answer
    engine: str
    semantics: str
    point: dict[str, list[Fraction]] | None = None
    real: dict[str, list[Fraction]] | None = None


def settle(files: Files, effort: Effort, left: Callable[[], float]) -> Settled:
    """Return the answer to a claim about its files; a proof says whether any input is meant at all.

    Args:
        files: the claim and its files.
        effort: how much to spend; its seconds are not read.
        left: gives the seconds that are left.

    Raises:
        InputError: a claim or a file that no engine takes.
    """
    found = _settled(files, effort, left)
    if not isinstance(found.answer.verdict, Proved) or found.answer.vacuous:
        return found
    match no_input(files.claim, left(), effort.seed):
        case Proved():
            return replace(found, answer=replace(found.answer, vacuous=True))
        case Unknown():
            note = "; ".join(filter(None, (found.answer.note, UNTOLD)))
            return replace(found, answer=replace(found.answer, note=note))
        case Refuted():
            return found
        case _ as never:
            assert_never(never)


def _settled(files: Files, effort: Effort, left: Callable[[], float]) -> Settled:
    semantics = semantics_of(files.claim, effort.semantics)
    if effort.semantics != "real" and semantics != "real":
        for path, signature in zip(files.paths, files.signatures, strict=True):
            if not signature.opset:
                raise InputError(
                    f"--semantics {effort.semantics}: {path} states no element type to compute in: "
                    "take --semantics real"
                )
    refusal: InputError | None = None
    readable = all(signature.model is not None for signature in files.signatures)
    linear = all(atom.form.degree < 2 for case in files.claim.cases for atom in case)
    if readable and _tiny(files):
        found = _tried(files, semantics, effort, min(left(), FIRST_TRY))
        if found is not None:
            return found
    if semantics != "mixed" and linear:
        try:
            bound = bind(files)
            networks = [model.network for model in bound.models]
            question = ask(bound.claim, networks)
            found = _by_question(files, bound, question, semantics, effort, left)
            return _second(files, found, effort, left)
        except (UnsupportedError, RegionError) as error:
            refusal = error
    if not readable:
        raise refusal or UnsupportedError(
            f"{files.claim.name}: it multiplies variables, or declares some tensors real and "
            "others not, which is handled for .onnx files alone: write the networks as .onnx"
        )
    return _by_general(files, semantics, effort, left)


def _tiny(files: Files) -> bool:
    """Return whether a claim is likely settled before the kernels of the other engine are loaded.

    Its networks have few inputs and constants; the general engine then needs milliseconds.
    """
    models = [signature.model for signature in files.signatures if signature.model is not None]
    return files.claim.size <= TINY and sum(model.ByteSize() for model in models) <= TINY_BYTES


def _tried(files: Files, semantics: str, effort: Effort, seconds: float) -> Settled | None:
    """Return what the general engine makes of a claim in some time; None where that is nothing."""
    try:
        found = _by_general(files, semantics, effort, lambda: seconds)
    except InputError:
        return None
    return None if isinstance(found.answer.verdict, Unknown) else found


def _second(files: Files, found: Settled, effort: Effort, left: Callable[[], float]) -> Settled:
    """Return what the general engine makes of a claim that stopped short of its time, if more."""
    verdict = found.answer.verdict
    short = isinstance(verdict, Unknown) and verdict.reason != INTERRUPTED and left() > 0.1
    if not short or any(signature.model is None for signature in files.signatures):
        return found
    seconds = min(left(), max(SECOND_TRY, found.answer.seconds))
    return _tried(files, found.semantics, effort, seconds) or found


def semantics_of(claim: Claim, asked: str) -> str:
    """Return whose arithmetic a claim is about: real, computed or mixed."""
    if asked != "declared":
        return "real" if asked == "real" else "computed"
    kinds = {tensor.element == "real" for tensor in claim.tensors}
    return "mixed" if len(kinds) > 1 else "real" if kinds == {True} else "computed"


def _by_question(
    files: Files,
    bound: Bound,
    question: Question,
    semantics: str,
    effort: Effort,
    left: Callable[[], float],
) -> Settled:
    from ..engine.decide import decide  # not for what the other engine takes

    replayers = [bound.models[source.declared[0]].runtime for source in question.sources]
    errors = None
    if semantics == "computed" and question.alternatives:
        errors = _errors(files, question)
    answer = decide(question, replace(effort, seconds=left()), replayers, errors)
    if not isinstance(answer.verdict, Refuted):
        return Settled(answer, "question", semantics)
    values = question.values(answer.verdict.witnesses[0].point)
    found = {t.name: values[t.first : t.first + t.size] for t in files.claim.tensors}
    inputs = {t.name: found[t.name] for t in files.claim.tensors if t.part is Part.INPUT}
    real = found if semantics == "real" else None
    return Settled(answer, "question", semantics, inputs, real)


def _by_general(files: Files, semantics: str, effort: Effort, left: Callable[[], float]) -> Settled:
    from ..engine.general.decide import decide_general

    names = [declared.name for declared in files.claim.networks]
    paths = dict(zip(names, files.paths, strict=True))
    answer = decide_general(files.claim, paths, replace(effort, seconds=left()))
    if not isinstance(answer.verdict, Refuted):
        return Settled(answer, "general", semantics)
    point, inputs, first = answer.verdict.witnesses[0].point, {}, 0
    for tensor in files.claim.tensors:
        if tensor.part is Part.INPUT:
            inputs[tensor.name] = list(point[first : first + tensor.size])
            first += tensor.size
    real = _traced(files, inputs) if semantics == "real" else None
    return Settled(answer, "general", semantics, inputs, real)


def _traced(files: Files, inputs: Mapping[str, list[Fraction]]) -> dict[str, list[Fraction]] | None:
    """Return all tensors' values in rationals; None where a file is no piecewise linear network."""
    try:
        bound = bind(files)
    except InputError:
        return None
    found: dict[str, list[Fraction]] = {}
    for index, model in enumerate(bound.models):
        network, first = model.network, 0
        point = [v for t in bound.claim.of(index, Part.INPUT) for v in inputs[t.name]]
        trace = network.trace_exact(np.array([point], dtype=object))
        for tensor in (t for t in bound.claim.tensors if t.network == index):
            match tensor.part:
                case Part.INPUT:
                    found[tensor.name] = inputs[tensor.name]
                case Part.HIDDEN:
                    found[tensor.name] = trace[str(tensor.node)].fractions()[0].tolist()
                case Part.OUTPUT:
                    values = trace[network.output].fractions()[0].tolist()
                    found[tensor.name] = values[first : first + tensor.size]
                    first += tensor.size
    return found


def _errors(files: Files, question: Question) -> Array:
    """Return ``(rows,)`` by how much float evaluation may take each row from its real value."""
    claim = question.claim
    regions = [one.region for one in question.alternatives]
    lower = np.min([region.lower for region in regions], axis=0)
    upper = np.max([region.upper for region in regions], axis=0)
    error = np.zeros(claim.size)
    for source in question.sources:
        path = files.paths[source.declared[0]]
        for network in source.declared:
            tensors = [(t, _names(files, t)) for t in claim.tensors if t.network == network]
            computed = [(t, names) for t, names in tensors if t.part is not Part.INPUT]
            wanted = [name for _, names in computed for name in names]
            box = lower[source.inputs], upper[source.inputs]
            found = dict(zip(wanted, file_errors(path, *box, wanted), strict=True))
            for tensor, names in computed:
                whole = np.concatenate([found[name] for name in names])
                error[tensor.first : tensor.first + tensor.size] = whole
    return row_errors(question, error)


def _names(files: Files, tensor: Tensor) -> list[str]:
    """Return the names in the file of what a tensor stands for; all outputs in version 1."""
    place = [t.name for t in files.claim.tensors].index(tensor.name)
    info = files.tensors[place]
    if info is not None:
        return [info.name]
    return [output.name for output in files.signatures[tensor.network].outputs]
