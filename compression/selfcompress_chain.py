"""Networks as chains of channels: what self-compression reads, cuts and gives back.

A chain is dense layers and convolutions one after the other, each with a ReLU behind it or none.
In it a channel can be taken out: a row of one layer and the columns of the next that read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError, UnsupportedError
from ..engine.network import (
    Affine,
    Input,
    Network,
    Node,
    Normalisation,
    Origin,
    Piecewise,
    State,
)
from ..engine.operators import Convolution, Dense, Shape, frozen

Array = NDArray[np.float64]
Kept = NDArray[np.int64]

KERNEL = 3
"""Height and width of the kernels of a fresh convolution; its stride is 2, its padding 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """One layer of a chain.

    Attributes:
        operator: its weights; a convolution has one group.
        bias: ``(channels,)`` float64, one for each output channel.
        relu: whether a ReLU follows.
        run: inputs in a row of a dense layer that are one channel of the layer before; 1 for a
            convolution.
    """

    operator: Dense | Convolution
    bias: Array
    relu: bool
    run: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", frozen(self.bias, "bias", 1))

    @property
    def channels(self) -> int:
        """Output channels."""
        return len(self.operator.weight)

    @property
    def channels_in(self) -> int:
        """Input channels."""
        return int(self.operator.weight.shape[1]) // self.run

    @property
    def taps(self) -> int:
        """Weights between one input channel and one output channel: HW of equation 5."""
        return self.run * int(np.prod(self.operator.weight.shape[2:], dtype=np.int64))

    @property
    def positions(self) -> int:
        """Values of one output channel."""
        return self.operator.size_out // self.channels

    def cut(self, rows: Kept, columns: Kept) -> Link:
        """Return the link with some of its output and input channels alone, in their order."""
        at = (columns[:, None] * self.run + np.arange(self.run)).ravel()
        weight = self.operator.weight[rows][:, at]
        return replace(self, operator=with_weight(self.operator, weight), bias=self.bias[rows])


def with_weight(operator: Dense | Convolution, weight: Array) -> Dense | Convolution:
    """Return an operator with other weights, of as many input channels as they have."""
    if isinstance(operator, Dense):
        return Dense(weight)
    _, height, width = operator.shape_in
    return replace(operator, weight=weight, shape_in=(weight.shape[1], height, width))


def links_of(network: Network) -> tuple[Link, ...]:
    """Return a network's layers as a chain.

    Raises:
        UnsupportedError: it is no such chain, or a bias differs within a channel; names the layer.
    """
    links = list[Link]()
    for before, node in zip(network.nodes, network.nodes[1:], strict=False):
        if node.sources != (before.name,):
            raise _refusal(network, node, "reads more than the layer before it")
        match node.layer:
            case Affine():
                links.append(_link(network, node, node.layer, links))
            case Piecewise(state=state) if (state == State.RELU).all() and links:
                links[-1] = replace(links[-1], relu=True)
            case _:
                raise _refusal(network, node, "is no affine layer and no ReLU behind one")
    if not links:
        raise UnsupportedError(f"{network.origin.path}: has no affine layer: there are no weights")
    return tuple(links)


def _link(network: Network, node: Node, layer: Affine, links: Sequence[Link]) -> Link:
    operator = layer.operator
    last = links[-1].operator if links else None
    if not isinstance(operator, Dense | Convolution):
        raise _refusal(network, node, "scales its inputs one by one")
    if isinstance(operator, Dense):
        run = links[-1].positions if isinstance(last, Convolution) else 1
        return Link(operator, layer.bias, False, run)
    if operator.groups != 1:
        raise _refusal(network, node, f"is a convolution of {operator.groups} groups")
    if isinstance(last, Dense):
        raise _refusal(network, node, "is a convolution that reads a dense layer")
    if isinstance(last, Convolution) and last.shape_out != operator.shape_in:
        raise _refusal(network, node, "reads a convolution's values in another shape")
    biases = layer.bias.reshape(len(operator.weight), -1)
    if not (biases == biases[:, :1]).all():
        raise _refusal(network, node, "has a bias that differs within a channel")
    return Link(operator, biases[:, 0], False)


def _refusal(network: Network, node: Node, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"{network.origin.path}: layer {node.name} {why}: self-compression takes dense layers and "
        "convolutions one after the other, each with a ReLU or none"
    )


def network_of(
    links: Sequence[Link],
    shape: Shape,
    name: str = "built",
    normalisation: Normalisation | None = None,
) -> Network:
    """Return the network of a chain, computed in float32.

    Args:
        links: at least one.
        shape: of the input tensor.
        name: of the network.
        normalisation: relation to raw units.
    """
    nodes = [Node("input", Input(shape))]
    for index, link in enumerate(links, start=1):
        bias = np.repeat(link.bias, link.positions)
        layer = Affine(link.operator, bias)
        space = link.operator.shape_out if isinstance(link.operator, Convolution) else ()
        nodes.append(Node(f"affine{index}", layer, (nodes[-1].name,), space))
        if link.relu:
            relu = Piecewise.relu(layer.size)
            nodes.append(Node(f"relu{index}", relu, (nodes[-1].name,), space))
    return Network(tuple(nodes), nodes[-1].name, Origin(name), normalisation)


def fresh(
    shape: Shape,
    classes: int,
    channels: Sequence[int],
    hidden: Sequence[int],
    rng: np.random.Generator,
) -> Network:
    """Return a network with random weights: convolutions, then dense layers, ReLUs between.

    Weights are uniform within sqrt(6 / terms), biases 0 (He et al. 2015).

    Args:
        shape: of an input; ``(channels, height, width)`` where there are convolutions.
        classes: outputs.
        channels: of convolutions with kernels of 3 by 3, stride 2 and padding 1.
        hidden: sizes of the dense layers before the last.
        rng: source of randomness.

    Raises:
        InputError: a size below 1; convolutions of inputs that are no pictures.
    """
    if any(size < 1 for size in (*channels, *hidden, classes)):
        raise InputError(f"layers of {[*channels, *hidden, classes]}: give sizes of 1 or more")
    if channels and len(shape) != 3:
        raise InputError(
            f"convolutions of inputs of shape {shape}: they take (channels, height, width); name "
            "dense layers alone"
        )
    return network_of(tuple(_fresh(shape, classes, channels, hidden, rng)), shape, "fresh")


def _fresh(
    shape: Shape,
    classes: int,
    channels: Sequence[int],
    hidden: Sequence[int],
    rng: np.random.Generator,
) -> Iterator[Link]:
    run = 1
    for size in channels:
        weight = _drawn((size, shape[0], KERNEL, KERNEL), rng)
        operator = Convolution(weight, (shape[0], shape[1], shape[2]), (2, 2), (1, 1, 1, 1))
        shape, run = operator.shape_out, int(np.prod(operator.shape_out[1:]))
        yield Link(operator, np.zeros(size), True)
    inputs = int(np.prod(shape))
    for size in hidden:
        yield Link(Dense(_drawn((size, inputs), rng)), np.zeros(size), True, run)
        inputs, run = size, 1
    yield Link(Dense(_drawn((classes, inputs), rng)), np.zeros(classes), False, run)


def _drawn(shape: Shape, rng: np.random.Generator) -> Array:
    most = np.sqrt(6.0 / np.prod(shape[1:]))
    return rng.uniform(-most, most, shape).astype(np.float32).astype(np.float64)
