"""Counterexamples replayed: in rationals, and in the runtimes of the networks' own files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .claim import Part
from .question import Alternative, Question
from .region import Lattice
from .sources import Source
from .witness import Witness

Array = NDArray[np.float64]


class Replayer(Protocol):
    """Replays a network's file in its own runtime, in its own element type."""

    def outputs(self, points: Array) -> Array:
        """Return the outputs ``(points, outputs)`` at ``(points, inputs)``."""
        ...

    def hidden(self, points: Array, names: list[str]) -> Mapping[str, Array]:
        """Return named tensors ``(points, size)``."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a replayed point shows.

    Attributes:
        witness: the point.
        real: whether it is a counterexample in rationals.
        computed: whether it is one in the runtimes' own numbers; None where that cannot be asked.
    """

    witness: Witness
    real: bool
    computed: bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Replays:
    """Replays points of a question.

    Attributes:
        question: what is asked.
        replayers: of its sources' files; none, or one each.
    """

    question: Question
    replayers: Sequence[Replayer | None]

    def replay(self, alternative: Alternative, lattice: Lattice, point: Array) -> Found | None:
        """Return what a point shows of an alternative; None if it lies outside of its box.

        Args:
            alternative: one of the question's.
            lattice: of its box.
            point: ``(inputs,)``.
        """
        snapped = lattice.snap(point)
        exact = lattice.exact(snapped).tolist()
        if not alternative.region.contains(exact):
            return None
        return self._found(alternative, exact, None if lattice.pins else snapped)

    def replay_exact(self, alternative: Alternative, point: Sequence[Fraction]) -> Found | None:
        """Return the same for a point of rationals, which the runtimes get if it is of floats."""
        if not alternative.region.contains(point):
            return None
        floats = np.array([float(value) for value in point])
        whole = all(
            Fraction(float(near)) == value for near, value in zip(floats, point, strict=True)
        )
        return self._found(alternative, list(point), floats if whole else None)

    def _found(
        self, alternative: Alternative, exact: list[Fraction], floats: Array | None
    ) -> Found:
        question = self.question
        rows = question.network.evaluate(np.array([exact], dtype=object), exact=True)[0]
        slack = [question.limits[row] - rows[row] for row, _ in alternative.atoms]
        values = None if floats is None else self._floats(floats, exact)
        shown = None if values is None else float(self._margin(alternative, values))
        witness = Witness(tuple(exact), min(slack, default=Fraction(0)), shown)
        computed = None if values is None else question.claim.holds(values)
        return Found(witness, question.holds(alternative, exact, rows), computed)

    def _margin(self, alternative: Alternative, values: list[Fraction]) -> Fraction:
        """Return the margin that the claim's variables have at these values; 0 without atoms."""
        question = self.question
        slack = []
        for row, _ in alternative.atoms:
            slack.append(question.limits[row] - question.row(row, values))
        return min(slack, default=Fraction(0))

    def _floats(self, point: Array, exact: list[Fraction]) -> list[Fraction] | None:
        """Return all variables of the claim as the files' runtimes have them; None without them."""
        question = self.question
        if not self.replayers or any(one is None for one in self.replayers):
            return None
        values: dict[int, Fraction] = {v: exact[c] for v, c in question.columns.items()}
        for source, replayer in zip(question.sources, self.replayers, strict=True):
            assert replayer is not None
            try:
                seen = self._seen(source, replayer, point)
            except ValueError:
                return None
            if not all(math.isfinite(value) for value in seen.values()):
                return None
            values |= {variable: Fraction(value) for variable, value in seen.items()}
        if len(values) < question.claim.size:
            return None
        return [values[index] for index in range(question.claim.size)]

    def _seen(self, source: Source, replayer: Replayer, point: Array) -> dict[int, float]:
        """Return the variables of a source's hidden and output tensors as its runtime has them."""
        inputs = point[source.inputs][None]
        outputs = replayer.outputs(inputs)[0]
        found: dict[int, float] = {}
        for declared in source.declared:
            first = 0
            for tensor in (t for t in self.question.claim.tensors if t.network == declared):
                if tensor.part is Part.INPUT:
                    continue
                if tensor.part is Part.OUTPUT:
                    seen = outputs[first : first + tensor.size]
                    first += tensor.size
                else:
                    name = str(tensor.node)
                    seen = replayer.hidden(inputs, [name])[name][0]
                numbers = range(tensor.first, tensor.first + tensor.size)
                found |= dict(zip(numbers, map(float, seen), strict=False))
        return found
