"""A claim and its model files, as polynomials over inputs and tensors of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import numpy as np

from ..claim import Atom, Claim, Monomial, Part, Polynomial, Tensor
from ..errors import InputError
from ..rounding import Array
from .forms import Form, Ranges
from .graph import Graph
from .lattice import REAL, Columns, Root
from .member import Member, Place, tied
from .model import Port

MEMORY: Final = 2**24
"""Numbers that enclosures over a batch of boxes may hold."""

Semantics = Literal["declared", "real", "float32"]


@dataclass(slots=True, eq=False)
class Problem:
    """What is to be decided.

    Attributes:
        claim: what is asked.
        members: the declared networks.
        columns: of the inputs.
        places: for each variable of the claim where its value comes from.
        slots: for each variable of the forms, the place that stands for it; the inputs first.
        slot: for each variable of the claim its variable of the forms.
        roots: boxes that cases leave of the inputs.
        root: for each case its box, -1 where it is empty.
        forms: polynomials over slots.
        cases: for each case its forms and whether each is strict.
    """

    claim: Claim
    members: list[Member]
    columns: Columns
    places: list[Place]
    slots: list[Place]
    slot: list[int]
    roots: list[Root] = field(default_factory=list)
    root: list[int] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    cases: list[list[tuple[int, bool]]] = field(default_factory=list)

    @property
    def together(self) -> int:
        """How many boxes are bounded together at most, for the sake of memory and time limits."""
        return max(1, MEMORY // max(1, max(member.entries for member in self.members)))

    def ranges(self, lower: Array, upper: Array) -> Ranges:
        """Return what is known of the forms' variables over boxes ``(boxes, inputs)``."""
        boxes, count = lower.shape
        low, high = np.empty((boxes, len(self.slots))), np.empty((boxes, len(self.slots)))
        error = np.zeros((boxes, len(self.slots)))
        low[:, :count], high[:, :count] = lower, upper
        ties = []
        for number, member in enumerate(self.members):
            own = [i for i in range(count, len(self.slots)) if self.slots[i].member == number]
            names = sorted({self.slots[i].tensor for i in own})
            if not names:
                continue
            box = lower[:, member.columns], upper[:, member.columns]
            if member.graph.small:
                found, forms = member.graph.follow(*box, names)
                tie = tied(member, own, [self.slots[i] for i in own], forms, box)
                ties += [tie] if tie is not None else []
            else:
                found = member.graph.enclose(*box, names)
            for i in own:
                place = self.slots[i]
                value = found[place.tensor]
                low[:, i] = value.low.reshape(boxes, -1)[:, place.index]
                high[:, i] = value.high.reshape(boxes, -1)[:, place.index]
                if place.computed:
                    error[:, i] = value.error.reshape(boxes, -1)[:, place.index]
        return Ranges(low, high, error, tuple(ties))

    def computed(self, point: Array) -> dict[int, Fraction] | None:
        """Return what the runtimes give for the claim's computed variables at a point of the grids.

        None where some of it is no finite number.
        """
        found: dict[int, Fraction] = {}
        for number, member in enumerate(self.members):
            own = [
                i
                for i, place in enumerate(self.places)
                if place.member == number and place.tensor and place.computed
            ]
            if not own:
                continue
            values = member.replay().at(point[member.columns])
            for i in own:
                value = values[self.places[i].tensor][self.places[i].index].item()
                if not np.isfinite(float(value)):
                    return None
                found[i] = Fraction(value)
        return found


def prepare(claim: Claim, files: Mapping[str, Path], semantics: Semantics) -> Problem:
    """Return the problem that a claim states of model files.

    Args:
        claim: what is asked.
        files: by the names of the claim's networks; one that is equal to another needs none.
        semantics: whether tensors are real or computed: as declared, or all one way.

    Raises:
        InputError: a network without file, or a tensor that the file declares otherwise.
        UnsupportedError: an operator or a construct that is not handled.
    """
    graphs: dict[Path, Graph] = {}
    members: list[Member] = []
    places: list[Place | None] = [None] * claim.size
    kinds: list[str] = []
    grids: list[str] = []
    for number in range(len(claim.networks)):
        path = _file(claim, files, number)
        if path not in graphs:
            graphs[path] = Graph.read(path)
        graph = graphs[path]
        first = len(kinds)
        for port, tensor in _matched(claim, number, Part.INPUT, graph, graph.inputs):
            _fits(claim, tensor, port, graph)
            for index in range(tensor.size):
                places[tensor.first + index] = Place(
                    number, "", len(kinds), _exact(tensor, semantics)
                )
                kinds.append(_column(tensor, port, semantics))
                grids.append(port.kind)
        outputs = [graph.ports[name] for name in graph.model.outputs]
        inner = [(graph.ports[name], t) for name, t in _hidden(claim, number, graph)]
        for port, tensor in [*_matched(claim, number, Part.OUTPUT, graph, outputs), *inner]:
            _fits(claim, tensor, port, graph)
            for index in range(tensor.size):
                places[tensor.first + index] = Place(
                    number, port.name, index, _exact(tensor, semantics)
                )
        members.append(Member(graph, slice(first, len(kinds))))
    known = [place for place in places if place is not None]
    assert len(known) == claim.size
    slots, slot, sums = _slots(members, known, len(kinds))
    for number, member in enumerate(members):
        names = {p.tensor for p in known if p.member == number and p.tensor}
        member.tensors = tuple(sorted(names))
    problem = Problem(claim, members, Columns(tuple(kinds), tuple(grids)), known, slots, slot)
    _read_cases(problem, sums)
    return problem


def _exact(tensor: Tensor, semantics: Semantics) -> bool:
    """Return whether a tensor's values are the computed ones."""
    return semantics == "float32" or (semantics == "declared" and tensor.element != REAL)


def _column(tensor: Tensor, port: Port, semantics: Semantics) -> str:
    """Return what kind of number an input is."""
    if semantics == "real" and port.kind.startswith("float"):
        return REAL
    if tensor.element == REAL and semantics == "declared":
        return REAL
    return port.kind


def _file(claim: Claim, files: Mapping[str, Path], number: int) -> Path:
    network = claim.networks[number]
    if network.name in files:
        return Path(files[network.name])
    if network.relation == "equal-to" and network.target is not None:
        return _file(claim, files, network.target)
    raise InputError(
        f"{claim.name}: network {network.name!r} has no model file: give one with "
        f"--network {network.name}=FILE"
    )


def _matched(
    claim: Claim, number: int, part: Part, graph: Graph, ports: Sequence[Port]
) -> list[tuple[Port, Tensor]]:
    """Return the file's inputs or outputs with their declarations, both in order."""
    tensors = claim.of(number, part)
    if len(tensors) != len(ports):
        raise InputError(
            f"{claim.name}: network {claim.networks[number].name!r} declares {len(tensors)} "
            f"{part.value}s, {graph.model.path} has {len(ports)}: declare each of them"
        )
    return list(zip(ports, tensors, strict=True))


def _hidden(claim: Claim, number: int, graph: Graph) -> list[tuple[str, Tensor]]:
    found = []
    for tensor in claim.of(number, Part.HIDDEN):
        name = tensor.node or tensor.name
        if name not in graph.ports:
            raise InputError(
                f"{claim.name}: hidden tensor {tensor.name!r} names {name!r}, which "
                f"{graph.model.path} does not compute: name one of its tensors"
            )
        found.append((name, tensor))
    return found


def _fits(claim: Claim, tensor: Tensor, port: Port, graph: Graph) -> None:
    """Raise InputError where a declaration and the file disagree."""
    where = f"{claim.name}: {tensor.part.value} tensor {tensor.name!r}"
    if tensor.shape != port.shape and not (tensor.size == port.size == 1):
        raise InputError(
            f"{where} is declared with shape {list(tensor.shape)}, in {graph.model.path} "
            f"{port.name!r} has {list(port.shape)}: declare it as in the file"
        )
    kind = "bool" if port.kind == "bool" else port.kind
    if tensor.element not in (kind, REAL):
        raise InputError(
            f"{where} is declared {tensor.element}, in {graph.model.path} {port.name!r} is {kind}: "
            "declare it as in the file, or real"
        )


def _slots(
    members: Sequence[Member], places: Sequence[Place], inputs: int
) -> tuple[list[Place], list[int], list[frozenset[int]]]:
    """Return the forms' variables, the inputs first.

    Entries that are always equal share one, also with the input that they hand on.

    Returns:
        The places that stand for the forms' variables; which of them stands for each of the
        claim's; and sets of them that add up to one in real arithmetic.
    """
    slots: list[Place] = []
    index: dict[tuple[int, int, bool], int] = {}
    for number, member in enumerate(members):
        for port in member.graph.inputs:
            for identity in member.graph.identities.of[port.name].ravel().tolist():
                index[number, identity, False] = index[number, identity, True] = len(slots)
                slots.append(Place(number, "", len(slots), False))
    assert len(slots) == inputs
    chosen: list[int] = []
    for place in places:
        if not place.tensor:
            chosen.append(place.index)
            continue
        numbers = members[place.member].graph.identities.of.get(place.tensor)
        fresh = -1 - len(slots)  # a constant has no number
        identity = fresh if numbers is None else int(numbers.ravel()[place.index])
        chosen.append(index.setdefault((place.member, identity, place.computed), len(slots)))
        if chosen[-1] == len(slots):
            slots.append(place)
    return slots, chosen, _simplices(members, slots, index)


def _simplices(
    members: Sequence[Member], slots: list[Place], index: dict[tuple[int, int, bool], int]
) -> list[frozenset[int]]:
    """Return the sets of slots that add up to one, after adding slots for those not yet read."""
    found = []
    for number, member in enumerate(members):
        identities = member.graph.identities
        for tensor, rows in identities.simplices:
            names = identities.of[tensor].ravel()
            for row in rows.tolist():
                for computed in (False, True):
                    keys = [(number, int(names[at]), computed) for at in row]
                    if sum(key in index for key in keys) < 2:
                        continue
                    for key, at in zip(keys, row, strict=True):
                        if key not in index:
                            index[key] = len(slots)
                            slots.append(Place(number, tensor, at, computed))
                    found.append(frozenset(index[key] for key in keys))
    return found


def _read_cases(problem: Problem, sums: Sequence[frozenset[int]]) -> None:
    """Take the limits of single inputs out of the cases and number their other forms."""
    count = len(problem.columns.kinds)
    numbers: dict[tuple[tuple[Monomial, Fraction], ...], int] = {}
    roots: dict[tuple[tuple[Fraction | None, Fraction | None], ...], int] = {}
    for case in problem.claim.cases:
        limits: list[tuple[Fraction | None, Fraction | None]] = [(None, None)] * count
        atoms: list[tuple[int, bool]] = []
        empty = False
        for atom in case:
            form = _renamed(atom.form, problem.slot)
            if form.degree == 0:
                empty |= not Atom(form, atom.strict).holds([])
                continue
            column = _limit(form, count)
            if column is not None:
                limits[column] = _tightened(limits[column], form, column)
                if not atom.strict:
                    continue
            key = tuple(form.terms.items())
            if key not in numbers:
                numbers[key] = len(problem.forms)
                problem.forms.append(Form(form, sums))
            atoms.append((numbers[key], atom.strict))
        inverted = any(a is not None and b is not None and a > b for a, b in limits)
        if empty or inverted:
            problem.root.append(-1)
        else:
            box = tuple(limits)
            if box not in roots:
                roots[box] = len(problem.roots)
                problem.roots.append(Root.of(limits, problem.columns))
            problem.root.append(roots[box])
        problem.cases.append(atoms)


def _renamed(form: Polynomial, slot: Sequence[int]) -> Polynomial:
    """Return the polynomial over slots."""
    terms: dict[tuple[int, ...], Fraction] = {}
    for key, value in form.terms.items():
        own = tuple(sorted(slot[index] for index in key))
        terms[own] = terms.get(own, Fraction(0)) + value
    return Polynomial(terms)


def _limit(form: Polynomial, inputs: int) -> int | None:
    """Return the input whose limit the form states, if it does nothing else."""
    if form.degree != 1 or len(form.variables) != 1:
        return None
    (index,) = form.variables
    return index if index < inputs else None


def _tightened(
    limits: tuple[Fraction | None, Fraction | None], form: Polynomial, column: int
) -> tuple[Fraction | None, Fraction | None]:
    """Return limits with ``slope x + offset <= 0`` added."""
    slope = form.slopes[column]
    bound = -form.offset / slope
    low, high = limits
    if slope > 0:
        return low, bound if high is None else min(high, bound)
    return bound if low is None else max(low, bound), high
