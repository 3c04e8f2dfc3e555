"""Whether a lemma is true, by phase enumeration in rationals; shares no code with its checker.

For small networks only: every combination of phases that has a point of the box is looked at, and
on each the claim fails where a linear program has a solution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from oracle import HalfSpace, Line, greatest

from secateur.engine.proofs.form import (
    Claim,
    Lemma,
    Limits,
    Query,
    Row,
    SameBest,
    Subject,
    Value,
    Within,
)
from secateur.engine.proofs.form import Line as Replaced
from secateur.engine.proofs.model import Affine, Concat, Input, Model, Relu, Select, Sum

Known = dict[tuple[int, str | None], list[Line]]
Failing = list[tuple[Line, bool]]
"""Affine functions that all have to be at most 0, or below 0 where marked, for a claim to fail."""


Piece = tuple[tuple[HalfSpace, ...], Known]
"""Walls around a part of the box, and what all layers are there."""


def true(lemma: Lemma, models: Sequence[Model], found: Sequence[Piece] | None = None) -> bool:
    """Return whether a lemma's claim holds everywhere in its box.

    Args:
        lemma: any, whatever its evidence.
        models: of its files.
        found: its `pieces`, where they are known already.
    """
    inputs = _inputs(lemma)
    zero = inputs[0].times(Fraction(0))
    box = list(lemma.lower), list(lemma.upper)
    for walls, known in pieces(lemma, models) if found is None else found:
        for failing in _failing(lemma.claim, known, inputs, zero):
            if _possible(failing, walls, *box):
                return False
    return True


def pieces(lemma: Lemma, models: Sequence[Model]) -> Iterator[Piece]:
    """Yield parts of a lemma's box on which its networks are affine, whatever its claim is."""
    box = list(lemma.lower), list(lemma.upper)
    yield from _cells(list(enumerate(lemma.subjects)), models, _inputs(lemma), (), {}, box)


def _inputs(lemma: Lemma) -> list[Line]:
    size = len(lemma.lower)
    return [
        Line(tuple(Fraction(int(at == other)) for other in range(size)), Fraction(0))
        for at in range(size)
    ]


def _cells(
    subjects: list[tuple[int, Subject]],
    models: Sequence[Model],
    inputs: list[Line],
    walls: tuple[HalfSpace, ...],
    known: Known,
    box: tuple[list[Fraction], list[Fraction]],
) -> Iterator[tuple[tuple[HalfSpace, ...], Known]]:
    if not subjects:
        yield walls, known
        return
    (at, subject), *rest = subjects
    model = models[subject.file]
    for more, values in _nodes(model, subject, inputs, walls, [], box):
        found: Known = {(at, name): part for name, part in zip(model.names, values, strict=True)}
        found[at, None] = values[model.output]
        yield from _cells(rest, models, inputs, more, {**known, **found}, box)


def _nodes(
    model: Model,
    subject: Subject,
    inputs: list[Line],
    walls: tuple[HalfSpace, ...],
    done: list[list[Line]],
    box: tuple[list[Fraction], list[Fraction]],
) -> Iterator[tuple[tuple[HalfSpace, ...], list[list[Line]]]]:
    if len(done) == len(model.nodes):
        yield walls, done
        return
    node = model.nodes[len(done)]
    match node:
        case Input():
            made = [inputs[index] for index in subject.inputs]
        case Affine(source=source, weight=weight, bias=bias):
            made = []
            for row, shift in zip(weight.tolist(), bias.tolist(), strict=True):
                total = Line((Fraction(0),) * len(inputs), Fraction(shift))
                for factor, line in zip(row, done[source], strict=True):
                    total = total + line.times(Fraction(factor))
                made.append(total)
        case Sum(sources=sources):
            made = done[sources[0]]
            for one in sources[1:]:
                made = [a + b for a, b in zip(made, done[one], strict=True)]
        case Concat(sources=sources):
            made = [line for one in sources for line in done[one]]
        case Select(source=source, indices=indices):
            made = [done[source][index] for index in indices.tolist()]
        case Relu(source=source):
            name = model.names[len(done)]
            lines = {line.neuron: line for line in subject.lines if line.node == name}
            for more, values in _phases(done[source], lines, walls, [], box):
                yield from _nodes(model, subject, inputs, more, [*done, values], box)
            return
    yield from _nodes(model, subject, inputs, walls, [*done, made], box)


def _phases(
    before: list[Line],
    lines: dict[int, Replaced],
    walls: tuple[HalfSpace, ...],
    done: list[Line],
    box: tuple[list[Fraction], list[Fraction]],
) -> Iterator[tuple[tuple[HalfSpace, ...], list[Line]]]:
    if len(done) == len(before):
        yield walls, done
        return
    value = before[len(done)]
    replaced = lines.get(len(done))
    if replaced is not None:
        moved = value.times(Fraction(replaced.slope))
        shift = Fraction(replaced.intercept)
        ways = [(walls, Line(moved.slope, moved.constant + shift))]
    else:
        slope = list(value.slope)
        most = greatest(slope, walls, *box)
        least = greatest([-part for part in slope], walls, *box)
        assert most is not None
        assert least is not None
        ways = []
        if most[0] + value.constant > 0:
            ways.append(((*walls, ([-part for part in slope], value.constant)), value))
        if value.constant - least[0] < 0 or not ways:
            ways.append(((*walls, (slope, -value.constant)), value.times(Fraction(0))))
    for more, after in ways:
        yield from _phases(before, lines, more, [*done, after], box)


def _failing(claim: Claim, known: Known, inputs: list[Line], zero: Line) -> Iterator[Failing]:
    """Yield the ways in which a claim fails, from what its sentence says."""
    less = Fraction(-1)

    def constant(number: Fraction) -> Line:
        return Line(zero.slope, number)

    def value(name: Value) -> Line:
        return known[name.subject, name.node][name.index]

    def row(one: Row) -> Line:
        total = constant(one.constant)
        for index, factor in one.inputs.items():
            total = total + inputs[index].times(factor)
        for name, factor in one.values.items():
            total = total + value(name).times(factor)
        return total

    match claim:
        case Query(negation=negated):
            for case in negated.cases:
                yield [(row(negated.rows[atom.row]), atom.strict) for atom in case]
        case Within(tolerance=tolerance, outputs=outputs):
            for at in outputs:
                apart = known[0, None][at] + known[1, None][at].times(less)
                for sign in (1, -1):  # tolerance < sign (f - g)
                    yield [(constant(tolerance) + apart.times(Fraction(-sign)), True)]
        case SameBest(sign=sign, band=band, outputs=count, room=room):
            one = [line.times(Fraction(sign)) for line in known[0, None]]
            two = [line.times(Fraction(sign)) for line in known[1, None]]
            assert len(one) == len(two) == count
            for best in range(count):
                rest = [at for at in range(count) if at != best]
                lead = [(constant(band) + one[at] + one[best].times(less), True) for at in rest]
                for at in rest:  # two[best] < two[at] + room
                    behind = two[best] + two[at].times(less) + constant(-room)
                    yield [*lead, (behind, True)]
        case Limits(limits=limits):
            for name, least, most in limits:
                if least is not None:
                    yield [(value(name) + constant(-least), True)]
                if most is not None:
                    yield [(value(name).times(less) + constant(most), True)]


def _possible(
    failing: Failing, walls: Sequence[HalfSpace], lower: list[Fraction], upper: list[Fraction]
) -> bool:
    """Return whether all functions are at most 0, or below it where marked, at one point."""
    free = [([*slope, Fraction(0)], side) for slope, side in walls]
    for line, strict in failing:
        free.append(([*line.slope, Fraction(int(strict))], -line.constant))
    goal = [Fraction(0)] * len(lower) + [Fraction(1)]
    found = greatest(goal, free, [*lower, Fraction(0)], [*upper, Fraction(1)])
    return found is not None and found[0] > 0
