"""The staged form of a network: matrices from activations to pre-activations, and nothing else.

Stage 0 is the input. Stage k > 0 has the pre-activation ``z_k = b_k + sum_e W_e a_source(e)`` over
its edges e, all from earlier stages, and the activation ``a_k = act_k(z_k)`` neuron by neuron,
rounded to a grid where the stage has one.
Every number stands in the network as it is here: where merging two affine layers, two biases or two
matrices would round, the staged form keeps a stage of identities between them. So a bound proved of
the stages is a bound proved of the network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from .network import (
    Affine,
    Concat,
    Input,
    Network,
    Node,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
    rounding_refused,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """A matrix from an earlier stage's activations.

    Attributes:
        source: index of the stage it reads.
        weight: ``(size of this stage, size of the source)`` float64.
    """

    source: int
    weight: Array


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A layer of pre-activations and their activations.

    Attributes:
        name: of the node whose values the pre-activations are.
        activation: name of the `Piecewise` node; empty for a stage of identities.
        edges: what is summed; empty for stage 0.
        bias: ``(size,)``.
        layer: the activation functions, one a neuron.
        grid: to which the activations are rounded; None where they are not.
    """

    name: str
    activation: str
    edges: tuple[Edge, ...]
    bias: Array
    layer: Piecewise
    grid: Quantize | None = None

    @property
    def size(self) -> int:
        """Number of neurons."""
        return int(self.bias.size)

    def acts_as(self, other: Stage) -> bool:
        """Return whether another stage of the same size has the same activation functions."""
        if self.grid is None or other.grid is None:
            return self.grid is other.grid and self.layer.same(other.layer)
        return self.grid.same(other.grid) and self.layer.same(other.layer)


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """A network in staged form.

    Attributes:
        stages: stage 0 is the input.
        of: for each `Piecewise` node the stage that computes it.
    """

    stages: tuple[Stage, ...]
    of: dict[str, int]

    @property
    def output(self) -> int:
        """Index of the stage whose pre-activations are the network's outputs: the last one."""
        return len(self.stages) - 1


@dataclass(frozen=True, slots=True)
class _Expression:
    """``bias + sum_e W_e a_e``; plain when its matrices only pick entries, without bias."""

    edges: tuple[Edge, ...]
    bias: Array
    plain: bool


def stages(network: Network, *, grids: bool = False) -> Stages:
    """Return the staged form.

    Convolutions become matrices, so this is for networks whose layers have up to some thousands
    of neurons.

    Args:
        network: any legal network.
        grids: whether the caller knows that activations may be rounded.

    Raises:
        UnsupportedError: a network that rounds its activations, for a caller that knows of none.
    """
    if network.rounded and not grids:
        path = network.origin.path
        raise rounding_refused("a search for neurons to remove", network.rounded[0], path)
    return _Builder(network).build()


class _Builder:
    def __init__(self, network: Network) -> None:
        self.network = network
        size = network.size_in
        self.stages = [Stage(network.input.name, "", (), np.zeros(size), _identities(size))]
        self.of: dict[str, int] = {}
        self.values: dict[str, _Expression] = {network.input.name: _pick(0, np.eye(size))}

    def build(self) -> Stages:
        for node in self.network.nodes:
            reads = [self.values[name] for name in node.sources]
            match node.layer:
                case Input():
                    continue
                case Affine(operator=operator, bias=bias):
                    self.values[node.name] = self._affine(node.sources[0], operator.matrix(), bias)
                case Piecewise() as layer:
                    stage = self._cut(node.sources[0], node.name, layer)
                    self.of[node.name] = stage
                    self.values[node.name] = _pick(stage, np.eye(node.size))
                case Quantize() as grid:
                    stage = self._round(node, grid)
                    self.values[node.name] = _pick(stage, np.eye(node.size))
                case Sum():
                    self.values[node.name] = self._sum(node.sources)
                case Concat(sizes=sizes):
                    self.values[node.name] = _concat(reads, sizes)
                case Select(indices=indices):
                    edges = [Edge(e.source, e.weight[indices]) for e in reads[0].edges]
                    self.values[node.name] = replace(
                        reads[0], edges=tuple(edges), bias=reads[0].bias[indices]
                    )
                case _ as never:
                    assert_never(never)
        output = self.network.output
        self._cut(output, "", _identities(self.network.size_out))
        return Stages(tuple(self.stages), self.of)

    def _cut(self, name: str, activation: str, layer: Piecewise) -> int:
        value = self.values[name]
        self.stages.append(Stage(name, activation, value.edges, value.bias, layer))
        return len(self.stages) - 1

    def _round(self, node: Node, grid: Quantize) -> int:
        """Return the stage that rounds: that of the activations, where nothing else reads them."""
        source = node.sources[0]
        at = self.of.get(source)
        if at is None or self.network.readers[source] != (node.name,):
            at = self._cut(source, "", _identities(node.size))
        self.stages[at] = replace(self.stages[at], grid=grid)
        return at

    def _plain(self, name: str) -> _Expression:
        """Return a node's value as plain picks, cutting a stage of identities where it is none."""
        if not self.values[name].plain:
            size = self.values[name].bias.size
            stage = self._cut(name, "", _identities(size))
            self.values[name] = _pick(stage, np.eye(size))
        return self.values[name]

    def _affine(self, source: str, matrix: Array, bias: Array) -> _Expression:
        edges = []
        for edge in self._plain(source).edges:
            product = matrix @ edge.weight
            if (np.count_nonzero(edge.weight, axis=0) > 1).any():  # a column picked twice: W sums
                wide = _pick(
                    self._cut(source, "", _identities(matrix.shape[1])), np.eye(matrix.shape[1])
                )
                self.values[source] = wide
                return _Expression((Edge(wide.edges[0].source, matrix),), bias, plain=False)
            edges.append(Edge(edge.source, product))
        return _Expression(tuple(edges), bias, plain=False)

    def _sum(self, sources: tuple[str, ...]) -> _Expression:
        reads = [self.values[name] for name in sources]
        if sum(bool(read.bias.any()) for read in reads) > 1:  # adding two biases would round
            reads = [self._plain(name) for name in sources]
        edges = tuple(edge for read in reads for edge in read.edges)
        bias = next((read.bias for read in reads if read.bias.any()), reads[0].bias)
        return _Expression(edges, bias, plain=False)


def _identities(size: int) -> Piecewise:
    return Piecewise(np.full(size, State.IDENTITY, np.int8), np.zeros(size), np.zeros(size))


def _pick(stage: int, matrix: Array) -> _Expression:
    return _Expression((Edge(stage, matrix),), np.zeros(len(matrix)), plain=True)


def _concat(reads: list[_Expression], sizes: tuple[int, ...]) -> _Expression:
    edges, start = [], 0
    for read, size in zip(reads, sizes, strict=True):
        for edge in read.edges:
            weight = np.zeros((sum(sizes), edge.weight.shape[1]))
            weight[start : start + size] = edge.weight
            edges.append(Edge(edge.source, weight))
        start += size
    return _Expression(
        tuple(edges),
        np.concatenate([read.bias for read in reads]),
        all(read.plain for read in reads),
    )
