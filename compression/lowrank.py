"""Low rank: a layer's weights as the product of two smaller ones, by truncated SVD."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Affine, Network, Node
from ..engine.operators import Convolution, Dense
from .form import Compressed
from .method import LowRank
from .plain import narrow, plain, weighted

Array = NDArray[np.float64]


def low_rank(network: Network, method: LowRank) -> Compressed:
    """Return the network with layers of low rank, each written as two affine layers.

    A layer ``W x + b`` becomes ``U (V x) + b``, with U and V of float32 numbers and the nearest
    product of its rank before they are rounded; the singular values are shared out evenly. What
    the network computes is the product of the two rounded factors, exactly. Layers that would not
    be smaller stay, and so do convolutions with groups.

    Args:
        network: any network with weights.
        method: the rank.

    Raises:
        InputError: a rank above that of every layer; no layer becomes smaller.
    """
    network = narrow(network)
    layers = [
        (node, layer)
        for node, layer in weighted(network)
        if not (isinstance(layer.operator, Convolution) and layer.operator.groups > 1)
    ]
    full = max((min(_matrix(layer).shape) for _, layer in layers), default=0)
    if method.rank is not None and method.rank > full:
        raise InputError(
            f"rank {method.rank}: no layer of {network.origin.path} has more than {full}; give a "
            "smaller one"
        )
    parts: dict[str, tuple[Node, Node]] = {}
    taken = set(network.by_name)
    for node, layer in layers:
        rows, columns = _matrix(layer).shape
        rank = method.rank
        if method.share is not None:
            rank = int(method.share * rows * columns / (rows + columns))
        if rank and rank < min(rows, columns) and rank * (rows + columns) < rows * columns:
            parts[node.name] = _split(node, layer, rank, taken)
    if not parts:
        raise InputError(
            f"no layer of {network.origin.path} is smaller as two of that rank; ask for less, or "
            "take another method"
        )
    nodes = [part for node in network.nodes for part in parts.get(node.name, (node,))]
    return plain(Network(tuple(nodes), network.output, network.origin, network.normalisation))


def _matrix(layer: Affine) -> Array:
    """Return the weights as a matrix, a row for each output channel."""
    weight = layer.operator.weight
    return weight.reshape(len(weight), -1)


def _split(node: Node, layer: Affine, rank: int, taken: set[str]) -> tuple[Node, Node]:
    left, values, right = np.linalg.svd(_matrix(layer), full_matrices=False)
    root = np.sqrt(values[:rank])
    # Only the product's sign is given: a fixed one gives the same bytes anywhere.
    peaks = left[np.abs(left).argmax(axis=0), np.arange(values.size)][:rank]
    root = np.where(peaks < 0.0, -root, root)
    high, low = _float32(left[:, :rank] * root), _float32(right[:rank] * root[:, None])
    name = _fresh(f"{node.name}/factor", taken)
    operator = layer.operator
    if not isinstance(operator, Convolution):
        first = Node(name, Affine(Dense(low), np.zeros(rank)), node.sources)
        return first, Node(node.name, Affine(Dense(high), layer.bias), (name,), node.shape)
    narrow_one = Convolution(
        low.reshape(rank, *operator.weight.shape[1:]),
        operator.shape_in,
        operator.strides,
        operator.padding,
        operator.dilations,
    )
    inner = Affine(narrow_one, np.zeros(narrow_one.size_out))
    wide = Convolution(high.reshape(-1, rank, 1, 1), narrow_one.shape_out)
    first = Node(name, inner, node.sources, narrow_one.shape_out)
    return first, Node(node.name, Affine(wide, layer.bias), (name,), node.shape)


def _float32(values: Array) -> Array:
    return values.astype(np.float32).astype(np.float64)


def _fresh(base: str, taken: set[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}{number}"
    taken.add(name)
    return name
