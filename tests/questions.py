"""Small questions and the truth about them, for the engine's tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from oracle import cells, fractions, greatest
from strategies import dense_networks, graph_networks, networks_with_boxes

from secateur.engine.claim import Atom, Case, Claim, Declared, Part, Polynomial, Tensor
from secateur.engine.network import Network
from secateur.engine.question import Question, ask

Form = tuple[Sequence[Fraction | int | float], Fraction | int | float, bool]
"""Coefficients of the outputs, a constant, strictness: the form is at most (below) 0."""


Box = tuple[Any, Any]
"""Corners of a box."""


def question_of(
    network: Network,
    box: Box,
    cases: Sequence[Sequence[Form]],
    boxes: Sequence[Box] | None = None,
) -> Question:
    """Return the question whether the outputs meet all forms of some case in a box.

    Args:
        network: one network.
        box: the corners of the box of every case.
        cases: forms of each.
        boxes: other corners, one pair for each case.
    """
    inputs, outputs = network.size_in, network.size_out
    tensors = (
        Tensor("X", 0, Part.INPUT, "real", (inputs,), 0),
        Tensor("Y", 0, Part.OUTPUT, "real", (outputs,), inputs),
    )
    made: list[Case] = []
    for forms, (lower, upper) in zip(cases, boxes or [box] * len(cases), strict=True):
        atoms = []
        for index, (low, high) in enumerate(zip(lower, upper, strict=True)):
            atoms.append(Atom(Polynomial({(index,): Fraction(-1), (): Fraction(low)})))
            atoms.append(Atom(Polynomial({(index,): Fraction(1), (): -Fraction(high)})))
        for slopes, constant, strict in forms:
            terms: dict[tuple[int, ...], Fraction] = {
                (inputs + at,): Fraction(value) for at, value in enumerate(slopes)
            }
            atoms.append(Atom(Polynomial({**terms, (): Fraction(constant)}), strict))
        made.append(tuple(atoms))
    return ask(Claim((Declared("N"),), tensors, tuple(made), "test"), [network])


def met(question: Question) -> bool:
    """Return in exact arithmetic whether some input meets an alternative; no open sides."""
    network = question.network
    for case in question.alternatives:
        region = case.region
        low, high = list(region.exact_lower), list(region.exact_upper)
        for cell in cells(network, region.lower, region.upper):
            lines = cell.values[network.output]
            walls = [([*slope, Fraction(0)], side) for slope, side in cell.walls]
            strict = False
            for row, under in case.atoms:
                slope, side = list(lines[row].slope), question.limits[row] - lines[row].constant
                walls.append(([*slope, Fraction(int(under))], side))
                strict |= under
            goal = [*[Fraction(0)] * len(low), Fraction(1)]
            found = greatest(goal, walls, [*low, Fraction(-1)], [*high, Fraction(1)])
            if found is not None and (found[0] > 0 or not strict):
                return True
    return False


def worst(question: Question, point: Sequence[Fraction]) -> bool:
    """Return whether a point meets an alternative, in exact arithmetic."""
    network = question.network
    rows = network.trace_exact(np.array(point, dtype=object)[None])[network.output]
    values = rows.fractions()[0].tolist()
    return any(question.holds(case, point, values) for case in question.alternatives)


eighth = st.integers(-16, 16).map(lambda n: Fraction(n, 8))


@st.composite
def questions(draw: st.DrawFn, width: int = 4, relus: int = 6) -> Question:
    """Draw a question; many are close to their threshold or exactly on it."""
    kind = st.one_of(dense_networks(depth=2, width=width), graph_networks(relus=relus, nodes=4))
    network, (lower, upper) = draw(networks_with_boxes(kind))
    share = Fraction(draw(st.integers(0, 8)), 8)
    low, high = fractions(lower), fractions(upper)
    place = [a + share * (b - a) for a, b in zip(low, high, strict=True)]
    there = network.evaluate(np.array(place, dtype=object), exact=True).tolist()
    cases = []
    for _ in range(draw(st.integers(1, 2))):
        forms = []
        for _ in range(draw(st.integers(1, 3))):
            slopes = [draw(eighth) for _ in range(network.size_out)]
            here = sum((a * b for a, b in zip(slopes, there, strict=True)), Fraction(0))
            # A shift of 0 makes the point a tie; larger ones leave room or ask for more.
            shift = draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(2), Fraction(-1)]))
            forms.append((slopes, shift - here, draw(st.booleans())))
        cases.append(forms)
    return question_of(network, (low, high), cases)
