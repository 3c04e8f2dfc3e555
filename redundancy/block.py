"""Blocks: the places where neurons can leave a network's weights.

A block is a dense layer, the activations on it neuron by neuron, and the dense layers that read
them. ReLUs make a body of one layer; leaky ReLU, clip and abs are lowered to bodies of several
layers, in which scales and sums still keep the neurons apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.network import Affine, Concat, Node, Piecewise, State, Sum
from ..engine.operators import Dense, Diagonal

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a dense layer reads a block.

    Attributes:
        reader: the dense layer.
        through: the `Concat` between the block and it, if there is one.
        start: the reader's column of the block's first neuron.
    """

    reader: str
    through: str | None
    start: int


@dataclass(frozen=True, slots=True)
class Block:
    """Neurons that stand between dense layers, each one apart.

    Attributes:
        source: the dense layer whose rows are the neurons' pre-activations.
        body: the layers on it that keep the neurons apart, in order.
        tail: the last of them, the only one that is read from outside.
        readings: by dense layers alone.
        size: number of neurons.
    """

    source: str
    body: tuple[str, ...]
    tail: str
    readings: tuple[Reading, ...]
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Each neuron's activation ``slope z + shift + gain relu(inner z + offset)`` of its z.

    Attributes:
        kinks: ``(neurons,)`` how many ReLUs the activation holds: with 0 gain counts as 0, with
            more than 1 no number here has a meaning. A row of zeros has one z, and no kink there.
        slope, shift, gain, inner, offset: ``(neurons,)`` Fractions.
    """

    kinks: NDArray[np.int64]
    slope: NDArray[np.object_]
    shift: NDArray[np.object_]
    gain: NDArray[np.object_]
    inner: NDArray[np.object_]
    offset: NDArray[np.object_]

    @property
    def linear(self) -> NDArray[np.bool_]:
        """Whether each neuron is ``slope z + shift``."""
        return np.asarray(self.kinks == 0, dtype=np.bool_)

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Whether each neuron is constant; its value is then its shift."""
        return np.asarray(self.linear & (self.slope == 0), dtype=np.bool_)

    @property
    def single(self) -> NDArray[np.bool_]:
        """Whether each neuron is one ReLU: ``relu(gain inner z + gain offset) + shift``."""
        one = (self.kinks == 1) & (self.slope == 0) & (self.gain > 0)
        return np.asarray(one, dtype=np.bool_)


def is_dense(node: Node) -> bool:
    """Return whether a node is a dense layer."""
    return isinstance(node.layer, Affine) and isinstance(node.layer.operator, Dense)


def find_block(nodes: Mapping[str, Node], output: str, source: str) -> Block | None:
    """Return the block on a dense layer, or None where its neurons cannot leave the weights.

    Args:
        nodes: of the network, by name.
        output: the network's output, which stays as it is.
        source: name of the dense layer.
    """
    readers = readers_of(nodes)
    inside, body, pending = {source}, list[str](), list(readers[source])
    while pending:
        node = nodes[pending.pop(0)]
        if node.name not in inside and _apart(node) and inside.issuperset(node.sources):
            inside.add(node.name)
            body.append(node.name)
            pending += readers[node.name]
    left = [name for name in inside if name == output or not inside.issuperset(readers[name])]
    if len(left) != 1 or left[0] in (source, output):
        return None
    tail = left[0]
    found: list[Reading] = []
    for name in readers[tail]:
        node = nodes[name]
        if is_dense(node):
            found.append(Reading(name, None, 0))
        elif isinstance(node.layer, Concat) and name != output and node.sources.count(tail) == 1:
            if not all(is_dense(nodes[reader]) for reader in readers[name]):
                return None
            start = sum(node.layer.sizes[: node.sources.index(tail)])
            found += [Reading(reader, name, start) for reader in readers[name]]
        else:
            return None
    return Block(source, tuple(body), tail, tuple(found), nodes[source].size)


def readers_of(nodes: Mapping[str, Node]) -> dict[str, list[str]]:
    """Return the names of the nodes that read each node, each reader once."""
    readers: dict[str, list[str]] = {name: [] for name in nodes}
    for node in nodes.values():
        for source in dict.fromkeys(node.sources):
            readers[source].append(node.name)
    return readers


def _apart(node: Node) -> bool:
    match node.layer:
        case Piecewise() | Sum() | Affine(operator=Diagonal()):
            return True
        case _:
            return False


def lines(nodes: Mapping[str, Node], block: Block, still: NDArray[np.bool_]) -> Lines:
    """Return what the neurons of a block make of their pre-activations.

    Args:
        nodes: of the network, by name.
        block: one of its blocks.
        still: ``(neurons,)`` whose rows are all zero: those are as constant as their biases.
    """
    source = nodes[block.source].layer
    assert isinstance(source, Affine)
    bias = _fractions(np.where(still, source.bias, 0.0))
    slope, none = _fractions(np.where(still, 0.0, 1.0)), _fractions(np.zeros(block.size))
    first = Lines(np.zeros(block.size, np.int64), slope, bias, none, none, none)
    made = {block.source: first}
    for name in block.body:
        read = [made[each] for each in nodes[name].sources]
        made[name] = _after(nodes[name], read)
    return made[block.tail]


def _after(node: Node, read: list[Lines]) -> Lines:
    match node.layer:
        case Affine(operator=operator, bias=bias):
            return _scaled(read[0], operator.weight, bias)
        case Piecewise(state=state, slope=slope, intercept=intercept):
            factor = np.where(state == State.ZERO, 0.0, 1.0)
            line = _scaled(read[0], np.where(state == State.LINEAR, slope, factor), intercept)
            return _bent(line, state == State.RELU)
        case _:
            out = read[0]
            for more in read[1:]:
                out = _sum(out, more)
            return out


def _scaled(of: Lines, factor: Array, bias: Array) -> Lines:
    by, add = _fractions(factor), _fractions(bias)
    kinks = np.where(factor == 0, 0, of.kinks)
    return Lines(kinks, of.slope * by, of.shift * by + add, of.gain * by, of.inner, of.offset)


def _bent(of: Lines, relu: NDArray[np.bool_]) -> Lines:
    """Return the lines behind the ReLUs that are asked for; a constant stays one."""
    known, new = relu & of.constant, relu & ~of.constant
    slope, shift, gain, inner, offset = (
        values.copy() for values in (of.slope, of.shift, of.gain, of.inner, of.offset)
    )
    shift[known & (of.shift < 0)] = Fraction(0)
    inner[new], offset[new], gain[new] = of.slope[new], of.shift[new], Fraction(1)
    slope[new] = shift[new] = Fraction(0)
    return Lines(np.where(new, of.kinks + 1, of.kinks), slope, shift, gain, inner, offset)


def _sum(one: Lines, two: Lines) -> Lines:
    slope, shift = one.slope + two.slope, one.shift + two.shift
    first = one.kinks > 0
    gain, inner, offset = (
        np.where(first, a, b)
        for a, b in ((one.gain, two.gain), (one.inner, two.inner), (one.offset, two.offset))
    )
    return Lines(one.kinks + two.kinks, slope, shift, gain, inner, offset)


def _fractions(values: Array) -> NDArray[np.object_]:
    out = np.empty(values.size, dtype=object)
    out[:] = [Fraction(value) for value in values.tolist()]
    return out


def alike(nodes: Mapping[str, Node], block: Block) -> list[tuple[object, ...]]:
    """Return for each neuron what its body does: equal where two neurons' bodies are the same."""
    parts: list[list[object]] = [[None] * block.size]  # sums alone do the same to every neuron
    for name in block.body:
        match nodes[name].layer:
            case Affine(operator=operator, bias=bias):
                parts += [operator.weight.tolist(), bias.tolist()]
            case Piecewise(state=state, slope=slope, intercept=intercept):
                parts += [state.tolist(), slope.tolist(), intercept.tolist()]
            case _:
                pass
    return list(zip(*parts, strict=True))


def homogeneous(nodes: Mapping[str, Node], block: Block) -> NDArray[np.bool_]:
    """Return for which neurons f(c z) = c f(z) for every c > 0: nothing is added in the body."""
    out = np.ones(block.size, dtype=np.bool_)
    for name in block.body:
        match nodes[name].layer:
            case Affine(bias=bias):
                out &= bias == 0
            case Piecewise(intercept=intercept):
                out &= intercept == 0
            case _:
                pass
    return out
