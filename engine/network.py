"""The layered graph IR: a network as a frozen DAG of the layers of `layers.py`.

Names of layers are handed on from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, assert_never, overload

import numpy as np
from numpy.typing import NDArray

from .errors import NetworkError, UnsupportedError
from .exact import Exact, affine, concatenate, piecewise, quantize, total
from .layers import (
    Affine,
    Concat,
    Input,
    Layer,
    Node,
    Piecewise,
    Quantize,
    Select,
    State,
    Sum,
    check_sources,
)
from .operators import Dense, frozen

__all__ = [
    "Affine",
    "Concat",
    "Input",
    "Layer",
    "Network",
    "Node",
    "Normalisation",
    "Origin",
    "Piecewise",
    "Quantize",
    "Select",
    "State",
    "Sum",
    "rounding_refused",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Normalisation:
    """How raw units relate to network units, as .nnet files state it.

    network input = (clip(raw, minimum, maximum) - mean) / range;
    raw output = output * range + mean.

    Attributes:
        minimum, maximum, mean, range: ``(inputs,)`` float64, raw units.
        output_mean, output_range: raw units of the outputs.
    """

    minimum: Array
    maximum: Array
    mean: Array
    range: Array
    output_mean: float = 0.0
    output_range: float = 1.0

    def __post_init__(self) -> None:
        for name in ("minimum", "maximum", "mean", "range"):
            object.__setattr__(self, name, frozen(getattr(self, name), name, 1))
        sizes = {self.minimum.size, self.maximum.size, self.mean.size, self.range.size}
        if len(sizes) != 1:
            raise NetworkError("normalisation: minimum, maximum, mean and range differ in size")
        if not (self.range > 0).all() or not self.output_range > 0:
            raise NetworkError("normalisation: every range must be positive")
        if not (self.minimum <= self.maximum).all():
            raise NetworkError("normalisation: a minimum lies above its maximum")

    def to_network(self, raw: Array) -> Array:
        """Return network inputs for raw inputs ``(..., inputs)``, clipped into the stated box."""
        return (np.clip(raw, self.minimum, self.maximum) - self.mean) / self.range

    def to_raw(self, inputs: Array) -> Array:
        """Return raw inputs for network inputs ``(..., inputs)``."""
        return inputs * self.range + self.mean


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a network came from.

    Attributes:
        path: of the file, or a short name.
        format: onnx, nnet, torch or built.
        digest: SHA-256 of the file's bytes, hexadecimal; empty when there is no file.
        dtype: element type the file computes in: float16, float32 or float64.
    """

    path: str = "built"
    format: Literal["onnx", "nnet", "torch", "built"] = "built"
    digest: str = ""
    dtype: Literal["float16", "float32", "float64"] = "float32"


def _in_chain(nodes: Sequence[Node], output: str) -> bool:
    """Return whether the layers are an input and what follows it, one after the other."""
    if not nodes or not isinstance(nodes[0].layer, Input) or nodes[0].sources:
        return False
    return nodes[-1].name == output and all(
        node.sources == (before.name,) and not isinstance(node.layer, Input)
        for before, node in pairwise(nodes)
    )


def _in_generations(nodes: Sequence[Node], output: str) -> list[str]:
    """Return the names of the layers that the output needs, in topological order, the input first.

    Raises:
        NetworkError: the layers form a circle, or there is not one input.
    """
    # A chain needs no graph, and a command that reads one does not wait for this import.
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    for node in nodes:
        graph.add_edges_from((source, node.name) for source in node.sources)
        graph.add_node(node.name)
    if not nx.is_directed_acyclic_graph(graph):
        raise NetworkError("the layers form a circle")
    inputs = [node.name for node in nodes if isinstance(node.layer, Input)]
    if len(inputs) != 1:
        raise NetworkError(f"a network has one input, this one has {len(inputs)}")
    keep = nx.ancestors(graph, output) | {output, inputs[0]}
    order = [n for level in nx.topological_generations(graph) for n in level if n in keep]
    order.remove(inputs[0])
    return [inputs[0], *order]


@dataclass(frozen=True, eq=False)
class Network:
    """A DAG of layers with one input and one output; checked and frozen when built.

    Attributes:
        nodes: in topological order, the input first.
        output: name of the output node.
        origin: where it came from.
        normalisation: relation to raw units, if it has one.
    """

    nodes: tuple[Node, ...]
    output: str
    origin: Origin = field(default_factory=Origin)
    normalisation: Normalisation | None = None

    def __post_init__(self) -> None:
        by_name = {node.name: node for node in self.nodes}
        if len(by_name) != len(self.nodes):
            raise NetworkError("two layers share one name: names must be unique")
        for node in self.nodes:
            for source in node.sources:
                if source not in by_name:
                    raise NetworkError(f"{node.name} reads {source}, which is no layer")
            check_sources(node, [by_name[source] for source in node.sources])
        if self.output not in by_name:
            raise NetworkError(f"the output {self.output} is no layer")
        chain = _in_chain(self.nodes, self.output)
        order = list(by_name) if chain else _in_generations(self.nodes, self.output)
        object.__setattr__(self, "nodes", tuple(by_name[name] for name in order))
        normal = self.normalisation
        if normal is not None and normal.mean.size != self.size_in:
            raise NetworkError(
                f"normalisation states {normal.mean.size} inputs, the network has {self.size_in}"
            )

    @classmethod
    def dense(
        cls,
        weights: Sequence[NDArray[Any]],
        biases: Sequence[NDArray[Any]],
        origin: Origin | None = None,
        normalisation: Normalisation | None = None,
    ) -> Network:
        """Return a chain of dense layers with a ReLU between each two.

        Args:
            weights: ``(out, in)`` each, first layer first.
            biases: ``(out,)`` each.
            origin: where it came from.
            normalisation: relation to raw units.

        Raises:
            NetworkError: sizes that do not follow each other; NaN or infinite entries.
        """
        if not weights or len(weights) != len(biases):
            raise NetworkError(f"{len(weights)} weights and {len(biases)} biases: give one of each")
        nodes = [Node("input", Input((int(np.shape(weights[0])[1]),)))]
        for index, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
            layer = Affine(Dense(weight), np.asarray(bias, dtype=np.float64))
            nodes.append(Node(f"affine{index}", layer, (nodes[-1].name,)))
            if index < len(weights):
                nodes.append(Node(f"relu{index}", Piecewise.relu(layer.size), (nodes[-1].name,)))
        return cls(tuple(nodes), nodes[-1].name, origin or Origin(), normalisation)

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """The nodes by their names."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """For each node the names of the nodes that read it, in order."""
        readers: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for source in dict.fromkeys(node.sources):
                readers[source].append(node.name)
        return {name: tuple(names) for name, names in readers.items()}

    @property
    def input(self) -> Node:
        """The input node."""
        return self.nodes[0]

    @property
    def size_in(self) -> int:
        """Number of inputs."""
        return self.nodes[0].size

    @cached_property
    def size_out(self) -> int:
        """Number of outputs."""
        return self.by_name[self.output].size

    @cached_property
    def piecewise(self) -> tuple[Node, ...]:
        """The nodes with a `Piecewise` layer, in order: the network's hidden layers."""
        return tuple(node for node in self.nodes if isinstance(node.layer, Piecewise))

    @cached_property
    def neurons(self) -> int:
        """Number of neurons in the hidden layers that are not ZERO, IDENTITY or LINEAR."""
        return sum(int((_states(node) == State.RELU).sum()) for node in self.piecewise)

    @cached_property
    def parameters(self) -> int:
        """Number of weights and biases."""
        layers = [node.layer for node in self.nodes if isinstance(node.layer, Affine)]
        return sum(layer.operator.parameters + layer.bias.size for layer in layers)

    @cached_property
    def multiply_adds(self) -> int:
        """Number of multiply-adds of one evaluation."""
        layers = [node.layer for node in self.nodes if isinstance(node.layer, Affine)]
        return sum(layer.operator.multiply_adds for layer in layers)

    @overload
    def evaluate(self, inputs: Any, *, exact: Literal[False] = False) -> Array: ...
    @overload
    def evaluate(self, inputs: Any, *, exact: Literal[True]) -> NDArray[np.object_]: ...
    def evaluate(self, inputs: Any, *, exact: bool = False) -> NDArray[Any]:
        """Return the outputs.

        Args:
            inputs: ``(..., inputs)``; numbers, or Fractions with ``exact``.
            exact: compute in rationals and return Fractions.
        """
        if exact:
            return self.trace_exact(inputs)[self.output].fractions()
        return self.trace(inputs)[self.output]

    def trace(self, inputs: Any, until: str | None = None) -> dict[str, Array]:
        """Return the nodes' activations ``(..., size)`` in float64, in order up to node `until`."""
        values: dict[str, Array] = {}
        for node in self.nodes:
            read = [values[name] for name in node.sources]
            match node.layer:
                case Input():
                    values[node.name] = self._input(np.asarray(inputs, dtype=np.float64))
                case Affine(operator=operator, bias=bias):
                    values[node.name] = operator.push(read[0]) + bias
                case Piecewise() | Quantize() as layer:
                    values[node.name] = layer(read[0])
                case Sum():
                    values[node.name] = sum(read[1:], start=read[0])
                case Concat():
                    values[node.name] = np.concatenate(read, axis=-1)
                case Select(indices=indices):
                    values[node.name] = read[0][..., indices]
                case _ as never:
                    assert_never(never)
            if node.name == until:
                break
        return values

    def trace_exact(self, inputs: Any) -> dict[str, Exact]:
        """Return every node's activations ``(..., size)`` in rationals."""
        values: dict[str, Exact] = {}
        for node in self.nodes:
            read = [values[name] for name in node.sources]
            match node.layer:
                case Input():
                    values[node.name] = Exact.of(self._input(np.asarray(inputs)))
                case Affine(operator=operator, bias=bias):
                    values[node.name] = affine(operator, bias, read[0])
                case Piecewise(state=state, slope=slope, intercept=intercept):
                    values[node.name] = piecewise(state, slope, intercept, read[0])
                case Quantize(scale=scale, low=low, high=high):
                    values[node.name] = quantize(scale, low, high, read[0])
                case Sum():
                    values[node.name] = total(read)
                case Concat():
                    values[node.name] = concatenate(read)
                case Select(indices=indices):
                    values[node.name] = Exact(read[0].numerators[..., indices], read[0].denominator)
                case _ as never:
                    assert_never(never)
        return values

    @cached_property
    def rounded(self) -> tuple[str, ...]:
        """Names of the `Quantize` nodes, in order."""
        return tuple(node.name for node in self.nodes if isinstance(node.layer, Quantize))

    def with_layers(self, layers: Mapping[str, Layer]) -> Network:
        """Return the network with some nodes' layers replaced by others of the same size."""
        nodes = tuple(
            replace(node, layer=layers[node.name]) if node.name in layers else node
            for node in self.nodes
        )
        return Network(nodes, self.output, self.origin, self.normalisation)

    def _input(self, inputs: NDArray[Any]) -> NDArray[Any]:
        if inputs.ndim == 0 or inputs.shape[-1] != self.size_in:
            raise NetworkError(
                f"inputs have shape {inputs.shape}: the last axis must be {self.size_in}"
            )
        return inputs


def rounding_refused(verb: str, node: str, path: str = "the network") -> UnsupportedError:
    """Return the error of what cannot take a network with `Quantize` layers.

    Args:
        verb: what refuses it, as the subject of a sentence.
        node: name of the layer.
        path: of the network's file.
    """
    return UnsupportedError(
        f"{path} rounds its activations (layer {node}): {verb} takes networks that do not; give "
        "the network before its activations were quantized"
    )


def _states(node: Node) -> NDArray[np.int8]:
    assert isinstance(node.layer, Piecewise)
    return node.layer.state
