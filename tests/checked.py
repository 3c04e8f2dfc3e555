"""Networks as the proof checker sees them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from secateur.engine.network import (
    Affine,
    Concat,
    Input,
    Network,
    Piecewise,
    Select,
    State,
    Sum,
)
from secateur.engine.proofs import model as checker
from secateur.engine.proofs.evidence import EMPTY
from secateur.engine.proofs.form import Claim, Lemma, Line, Subject, Twins
from secateur.engine.proofs.model import Model


def model_of(network: Network) -> tuple[Model, tuple[Line, ...]]:
    """Return a network as a model, and the lines that some of its neurons are instead of ReLUs."""
    place: dict[str, int] = {}
    nodes: list[checker.Node] = []
    lines: list[Line] = []
    for node in network.nodes:
        read = [place[name] for name in node.sources]
        match node.layer:
            case Input():
                made: checker.Node = checker.Input(node.size)
            case Affine(operator=operator, bias=bias):
                made = checker.Affine(read[0], operator.matrix(), bias)
            case Piecewise() as layer:
                made = checker.Relu(read[0])
                lines += _lines(node.name, layer)
            case Sum():
                made = checker.Sum(tuple(read))
            case Concat():
                made = checker.Concat(tuple(read))
            case Select(indices=indices):
                made = checker.Select(read[0], indices)
        place[node.name] = len(nodes)
        nodes.append(made)
    sizes = tuple(node.size for node in network.nodes)
    names = tuple(node.name for node in network.nodes)
    return Model(tuple(nodes), sizes, place[network.output], names), tuple(lines)


def _lines(name: str, layer: Piecewise) -> list[Line]:
    out = []
    for at, state in enumerate(layer.state.tolist()):
        match State(state):
            case State.ZERO:
                out.append(Line(name, at, 0.0, 0.0))
            case State.IDENTITY:
                out.append(Line(name, at, 1.0, 0.0))
            case State.LINEAR:
                out.append(Line(name, at, float(layer.slope[at]), float(layer.intercept[at])))
            case State.RELU:
                pass
    return out


def lemma_of(
    networks: Sequence[Network],
    lower: Sequence[float],
    upper: Sequence[float],
    claim: Claim,
    orders: Sequence[tuple[int, ...] | None] = (),
) -> tuple[Lemma, list[Model]]:
    """Return a lemma without evidence, and its models.

    Args:
        networks: of one size of inputs.
        lower, upper: ``(inputs,)``.
        claim: what is said.
        orders: of the twins, layer by layer; none for no twins.
    """
    found = [model_of(network) for network in networks]
    inputs = tuple(range(len(lower)))
    subjects = tuple(Subject(at, inputs, lines) for at, (_, lines) in enumerate(found))
    twins: tuple[Twins, ...] = ()
    if orders:
        layers = [[node.name for node in network.piecewise] for network in networks]
        twins = tuple(
            Twins((0, one), (1, two), order)
            for one, two, order in zip(*layers, orders, strict=True)
        )
    low, high = (tuple(Fraction(float(value)) for value in side) for side in (lower, upper))
    return Lemma(subjects, low, high, claim, twins, (), EMPTY), [model for model, _ in found]
