"""From a question that the engine answered to lemmas that a checker can judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..claim import Part
from ..errors import UnsupportedError
from ..formats.files import read_bytes
from ..network import Network
from ..question import Alternative, Question
from .evidence import EMPTY, Form
from .form import Atom, Case, File, Lemma, Negation, Query, Row, Subject, Twins, Value
from .model import FormatError, Model, Relu
from .read import digest, read_model


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Networks' files as the checker reads them.

    Attributes:
        files: each once.
        models: of them.
    """

    files: tuple[File, ...]
    models: tuple[Model, ...]


def read_files(networks: Sequence[Network]) -> Read:
    """Return the files of networks as the checker reads them, each network's in its place.

    Raises:
        UnsupportedError: a network has no file, its file has changed, or the checker cannot read
            it.
    """
    files, models = [], []
    for network in networks:
        path = network.origin.path
        if not network.origin.digest:
            raise UnsupportedError(f"{path} is no file, so no proof can speak of it: save it first")
        data = read_bytes(Path(path))
        if digest(data) != network.origin.digest:
            raise UnsupportedError(f"{path} has changed since it was read: run again")
        try:
            models.append(read_model(data, path))
        except FormatError as error:
            raise UnsupportedError(f"the checker cannot read {path}: {error}") from error
        files.append(File(path, digest(data), len(data)))
    return Read(tuple(files), tuple(models))


def lemmas_of(question: Question, read: Read) -> list[Lemma]:
    """Return what a question asks, as lemmas without evidence: one for each box of inputs.

    Args:
        question: what was asked.
        read: the files of its sources, in order.

    Raises:
        UnsupportedError: it speaks of hidden values that have no name in their file.
    """
    subjects = tuple(
        Subject(at, tuple(source.inputs.tolist())) for at, source in enumerate(question.sources)
    )
    rows = tuple(_row(question, index) for index in range(question.rows))
    twins = all_twins(subjects, read.models)
    boxes: dict[tuple[tuple[Fraction, ...], tuple[Fraction, ...]], list[Alternative]] = {}
    for one in question.alternatives:
        corners = tuple(one.region.exact_lower), tuple(one.region.exact_upper)
        boxes.setdefault(corners, []).append(one)
    out = []
    for (lower, upper), several in boxes.items():
        cases: list[Case] = [
            tuple(Atom(row, strict) for row, strict in one.atoms) for one in several
        ]
        forms = tuple(
            Form(index, weights)
            for index, case in enumerate(cases)
            for weights in _sums(rows, case)
        )
        claim = Query(Negation(rows, tuple(cases)))
        out.append(Lemma(subjects, lower, upper, claim, twins, forms, EMPTY))
    return out


def all_twins(subjects: Sequence[Subject], models: Sequence[Model]) -> tuple[Twins, ...]:
    """Return the layers of the first two subjects that stand in the same place and are as large."""
    if len(subjects) != 2:
        return ()
    layers = []
    for subject in subjects:
        model = models[subject.file]
        layers.append(
            [
                (model.names[at], model.sizes[at])
                for at, node in enumerate(model.nodes)
                if isinstance(node, Relu)
            ]
        )
    if [size for _, size in layers[0]] != [size for _, size in layers[1]]:
        return ()
    return tuple(Twins((0, one), (1, two)) for (one, _), (two, _) in zip(*layers, strict=True))


def _row(question: Question, index: int) -> Row:
    """Return a row less its limit."""
    inputs: dict[int, Fraction] = {}
    values: dict[Value, Fraction] = {}
    of = {
        declared: at for at, source in enumerate(question.sources) for declared in source.declared
    }
    place: dict[int, Value | int] = {}
    outputs: dict[int, int] = {}
    for tensor in question.claim.tensors:
        first = outputs.get(tensor.network, 0) if tensor.part is Part.OUTPUT else 0
        for at in range(tensor.size):
            variable = tensor.first + at
            if tensor.part is Part.INPUT:
                place[variable] = question.columns[variable]
            elif tensor.part is Part.OUTPUT:
                place[variable] = Value(of[tensor.network], None, first + at)
            else:
                place[variable] = Value(of[tensor.network], tensor.node, at)
        if tensor.part is Part.OUTPUT:
            outputs[tensor.network] = first + tensor.size
    for variable, factor in question.forms[index].items():
        found = place[variable]
        if isinstance(found, Value):
            values[found] = values.get(found, Fraction(0)) + factor
        else:
            inputs[found] = inputs.get(found, Fraction(0)) + factor
    constant = Fraction(float(np.float64(question.bias[index]))) - question.limits[index]
    return Row(inputs, values, constant)


def _sums(rows: Sequence[Row], case: Case) -> list[tuple[int, ...]]:
    """Return weights of two atoms each of which one speaks of the first network, one of the second.

    Where one output of f leads another, and in g the other leads it, the differences of both count.
    """
    of = [frozenset(value.subject for value in rows[atom.row].values) for atom in case]
    return [
        tuple(int(at in (one, two)) for at in range(len(case)))
        for one in range(len(case))
        for two in range(one + 1, len(case))
        if len(of[one]) == len(of[two]) == 1 and of[one] != of[two]
    ]
