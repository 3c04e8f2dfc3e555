"""Certify: a plan and the file that was written become a proof that a checker can judge.

The checker's own bounds have to show again what the search showed: the phases, the joint guarantee,
and the signs of linear units that the file writes as ReLUs. Fold and file are compared by algebra.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import Best
from ..engine.errors import UnsupportedError
from ..engine.network import Affine, Network, Node, Piecewise, State
from ..engine.operators import Dense
from ..engine.proofs.algebra import AlgebraError
from ..engine.proofs.asked import all_twins, read_files
from ..engine.proofs.evidence import EMPTY
from ..engine.proofs.form import (
    Claim,
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
from ..engine.proofs.judge import ProofError, judge
from ..engine.proofs.model import Model, Relu
from ..engine.proofs.negation import best_forms
from ..engine.proofs.record import record, separate
from ..engine.proofs.simplified import distance_of, judge_simplified
from ..engine.verdict import Proved
from . import guarantee as kept
from .plan import Plan

Array = NDArray[np.float64]
Place = tuple[str, int]
"""Layer and neuron."""

_POINTS = 24
"""Points at which layers of two readers, and neurons of two networks, are told apart."""

_NEAR = 1e-6
"""Values that differ by less than that part of their size may be of one neuron; a match that is
wrong proves nothing."""

_SLOPES = {State.ZERO: (0.0, 0.0), State.IDENTITY: (1.0, 0.0)}


@dataclass(frozen=True, slots=True, eq=False)
class Certified:
    """A plan's proof, or why there is none.

    Attributes:
        proof: None where the checker's bounds did not show everything in time.
        reason: why there is none; empty where there is one.
        seconds: wall time.
    """

    proof: Proof | None
    reason: str
    seconds: float


def certify(plan: Plan, written: Network, seconds: float, rng: np.random.Generator) -> Certified:
    """Return the proof that a file may stand for the original's on the plan's region.

    Args:
        plan: what was removed, and the network as it was written.
        written: that network, loaded from its file.
        seconds: wall time to spend.
        rng: draws points.

    Raises:
        UnsupportedError: a network has no file, or one that the checker cannot read.
    """
    began = time.monotonic()
    if plan.aim.until is not None:
        raise UnsupportedError(
            f"layer {plan.aim.until}: there are no proofs of hidden layers' values yet: certify a "
            "plan of the outputs"
        )
    try:
        found = _Making(plan, written, began + seconds, rng).run()
    except ProofError as error:  # what is given back has been checked
        found = str(error)
    spent = time.monotonic() - began
    if isinstance(found, str):
        return Certified(None, found, spent)
    return Certified(found, "", spent)


class _Making:
    def __init__(
        self, plan: Plan, written: Network, until: float, rng: np.random.Generator
    ) -> None:
        self.plan, self.until, self.region = plan, until, plan.phases.region
        read = read_files([plan.original, written])
        self.files, self.models = read.files, read.models
        self.lower = tuple(self.region.exact_lower)
        self.upper = tuple(self.region.exact_upper)
        self.whole = tuple(range(self.region.size))
        part = rng.random((_POINTS, self.region.size))
        self.points = self.region.lower + part * (self.region.upper - self.region.lower)
        self.names = neuron_names(plan.original, self.models[0], self.points)
        self.names_after = neuron_names(plan.network, self.models[1], self.points)
        self.lemmas: list[Lemma] = []

    def run(self) -> Proof | str:
        """Return the proof, or why there is none."""
        phases = tuple(
            Line(*self._named(one.layer, one.neuron), *_SLOPES[one.state])
            for one in self.plan.phases.findings
            if isinstance(one.verdict, Proved)
        )
        removals = tuple(
            Line(
                *self._named(one.layer, one.neuron),
                *_SLOPES.get(one.state, (one.slope, one.intercept)),
            )
            for one in self.plan.removals
        )
        after = self._after()
        claim = self._claim()
        simplified = Simplified(
            claim,
            (),
            None,
            (),
            (*phases, *removals),
            after,
            (),
            Fraction(0),
            self.lower,
            self.upper,
        )
        try:
            simplified = self._compared(simplified)
        except AlgebraError as error:
            return str(error)
        for name, lines, file in (("phases", phases, 0), ("signs", after, 1)):
            indices = self._phases(lines, file)
            if indices is None:
                return f"the checker's bounds did not show all {name}, or not in time"
            if file == 0:
                simplified = replace(simplified, phases=indices)
            else:
                simplified = replace(simplified, signs=indices)
        if removals:
            before = Subject(0, self.whole, phases)
            both = before, Subject(0, self.whole, (*phases, *removals))
            index = self._add(both, self._left(claim, simplified.distance))
            if index is None:
                return "the checker's bounds did not show the joint guarantee, or not in time"
            simplified = replace(simplified, joint=index)
        proof = Proof(self.files, tuple(self.lemmas), simplified)
        try:
            judge_simplified(proof, self.models)
        except ProofError as error:
            return str(error)
        return proof

    def _named(self, layer: str, neuron: int, *, after: bool = False) -> Place:
        """Return a ReLU as the checker reads it; raise UnsupportedError where it does not."""
        found = (self.names_after if after else self.names).get((layer, neuron))
        if found is None:
            raise UnsupportedError(
                f"{self.files[int(after)].name}: the checker reads layer {layer} in another way"
            )
        return found

    def _claim(self) -> Within | SameBest:
        outputs = self.plan.original.size_out
        match self.plan.aim.guarantee:
            case kept.Outputs(tolerance=tolerance):
                allowed = max(tolerance, Fraction(self.plan.fold.distance))
                return Within(allowed, tuple(range(outputs)))
            case kept.SameBest(best=best, band=band):
                return SameBest(1 if best is Best.MAX else -1, band, outputs)

    def _left(self, claim: Within | SameBest, distance: Fraction) -> Within | SameBest:
        """Return what the removals have to keep, so that the claim holds of the file."""
        if isinstance(claim, Within):
            return replace(claim, tolerance=claim.tolerance - distance)
        return replace(claim, room=2 * distance)

    def _after(self) -> tuple[Line, ...]:
        """Return the linear units and zeros that the file writes as ReLUs."""
        network = self.plan.network
        out = []
        for node in self.plan.fold.after.piecewise:
            now = network.by_name[node.name].layer
            assert isinstance(node.layer, Piecewise)
            assert isinstance(now, Piecewise)
            there = (now.state == State.RELU) & (node.layer.state != State.RELU)
            there &= ~self._constant(node)
            for neuron in np.flatnonzero(there).tolist():
                slopes = _SLOPES[State(int(node.layer.state[neuron]))]
                out.append(Line(*self._named(node.name, neuron, after=True), *slopes))
        return tuple(out)

    def _phases(self, lines: Sequence[Line], file: int) -> tuple[int, ...] | None:
        """Record the signs behind lines, layer by layer, those of the layers before made use of."""
        model, done = self.models[file], list[Line]()
        indices = []
        for name in model.names:
            some = [line for line in lines if line.node == name]
            if some:
                subject = Subject(file, self.whole, tuple(done))
                claim = self._limits(some, file)
                asked = Lemma((subject,), self.lower, self.upper, claim, (), (), EMPTY)
                made = separate(asked, self.models, self._left_over())
                if made is None:
                    return None
                for one in made:
                    judge(one, self.models)
                    indices.append(len(self.lemmas))
                    self.lemmas.append(one)
                done += some
        return tuple(indices)

    def _constant(self, node: Node) -> NDArray[np.bool_]:
        """Return which neurons of a layer read nothing: algebra knows what these are."""
        source = self.plan.fold.after.by_name[node.sources[0]].layer
        if isinstance(source, Affine) and isinstance(source.operator, Dense):
            return np.asarray(~source.operator.weight.any(axis=1))
        return np.zeros(node.size, np.bool_)

    def _limits(self, lines: Sequence[Line], file: int) -> Limits:
        model = self.models[file]
        place = {name: at for at, name in enumerate(model.names)}
        limits = []
        for line in lines:
            node = model.nodes[place[line.node]]
            assert isinstance(node, Relu)
            value = Value(0, model.names[node.source], line.neuron)
            up = line.slope == 1.0
            limits.append((value, Fraction(0) if up else None, None if up else Fraction(0)))
        return Limits(tuple(limits))

    def _left_over(self) -> float:
        """Return the seconds that are left."""
        return max(0.1, self.until - time.monotonic())

    def _add(self, subjects: tuple[Subject, ...], claim: Claim) -> int | None:
        """Record a lemma; return its index, None where that fails."""
        twins = all_twins(subjects, self.models)
        forms = tuple(best_forms(claim)) if isinstance(claim, SameBest) else ()
        asked = Lemma(subjects, self.lower, self.upper, claim, twins, forms, EMPTY)
        made, _ = record(asked, self.models, self._left_over())
        if made is None:
            return None
        judge(made, self.models)
        self.lemmas.append(made)
        return len(self.lemmas) - 1

    def _compared(self, simplified: Simplified) -> Simplified:
        """Return it with what algebra gives; with matches where these make the networks nearer.

        Raises:
            AlgebraError: the networks cannot be compared by algebra.
        """
        plain: Fraction | None = None
        try:
            plain = distance_of(simplified, self.models)
            if plain <= Fraction(self.plan.fold.distance):
                return replace(simplified, distance=plain)
        except AlgebraError:
            pass  # a rounded neuron needs a match
        matched = replace(simplified, matches=self._matches(simplified))
        try:
            nearer = distance_of(matched, self.models)
        except AlgebraError:
            if plain is None:
                raise
            return replace(simplified, distance=plain)
        if plain is not None and plain <= nearer:
            return replace(simplified, distance=plain)
        return replace(matched, distance=nearer)

    def _matches(self, simplified: Simplified) -> tuple[Match, ...]:
        """Return which ReLU of the original each ReLU of the file is all but a multiple of."""
        first, second = (
            self._before(),
            _neurons(self.models[1], simplified.lines_after, self.points),
        )
        values = np.stack([z for _, _, z in first]) if first else np.zeros((0, _POINTS))
        norms = np.linalg.norm(values, axis=1)
        out = []
        for node, neuron, z in second:
            size = float(np.linalg.norm(z))
            if not size or not len(first):
                continue
            cosine = values @ z / np.where(norms > 0, norms * size, 1.0)
            best = int(np.argmax(cosine))
            scale = Fraction(size / norms[best]) if norms[best] else Fraction(0)
            if cosine[best] < 1.0 - _NEAR or not scale:
                continue
            if abs(scale - 1) < Fraction(_NEAR):
                scale = Fraction(1)
            out.append(Match(node, neuron, (first[best][0], first[best][1]), scale))
        return tuple(out)

    def _before(self) -> list[tuple[str, int, Array]]:
        """Return the ReLUs that the removals leave, with their pre-activations at points."""
        network = self.plan.linearised
        values, out = network.trace(self.points), []
        for node in network.piecewise:
            assert isinstance(node.layer, Piecewise)
            for neuron in np.flatnonzero(node.layer.state == State.RELU).tolist():
                z = values[node.sources[0]][:, neuron]
                out.append((*self._named(node.name, neuron), z))
        return out


def neuron_names(network: Network, model: Model, points: Array) -> Mapping[Place, Place]:
    """Return for each ReLU of a network its layer and index as the checker reads the file.

    A layer that holds linear units too is read as its ReLUs alone, in their order. Where two layers
    cannot be told apart a wrong one may be found; what is said of it is not proved then.
    """
    values, seen = network.trace(points), model.floats(points)
    names: dict[Place, Place] = {}
    taken: set[int] = set()
    for node in network.piecewise:
        assert isinstance(node.layer, Piecewise)
        relus = np.flatnonzero(node.layer.state == State.RELU)
        wanted = values[node.sources[0]][:, relus]
        for at, layer in enumerate(model.nodes):
            if not isinstance(layer, Relu) or model.sizes[at] != relus.size or at in taken:
                continue
            if np.allclose(seen[layer.source], wanted, rtol=1e-9, atol=1e-9):
                taken.add(at)
                for index, neuron in enumerate(relus.tolist()):
                    names[node.name, neuron] = (model.names[at], index)
                break
    return names


def _neurons(model: Model, lines: Iterable[Line], points: Array) -> list[tuple[str, int, Array]]:
    """Return the ReLUs of a model that are no lines, with their pre-activations at points."""
    values, gone = model.floats(points), {(line.node, line.neuron) for line in lines}
    return [
        (model.names[at], neuron, values[node.source][:, neuron])
        for at, node in enumerate(model.nodes)
        if isinstance(node, Relu)
        for neuron in range(model.sizes[at])
        if (model.names[at], neuron) not in gone
    ]
