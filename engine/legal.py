"""Which graphs are legal: the rules a network must keep, said apart from the code that builds one.

The constructor of `Network` refuses what is plainly wrong; this check looks at a finished network
as a stranger would and lists everything that a later stage relies on. Tests run it after every
transformation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

import numpy as np

from .network import Affine, Concat, Input, Network, Node, Piecewise, Quantize, Select, State, Sum
from .operators import Convolution, Dense, Diagonal


def violations(network: Network) -> list[str]:
    """Return what is not legal about a network, one line each; empty when all is well."""
    order = list(_order(network))
    return order or [line for node in network.nodes for line in _node(network, node)]


def _order(network: Network) -> Iterator[str]:
    seen: set[str] = set()
    for node in network.nodes:
        if node.name in seen:
            yield f"{node.name}: the name is taken twice"
        for source in node.sources:
            if source not in seen:
                yield f"{node.name}: reads {source} before it is computed"
        seen.add(node.name)
    if network.output not in seen:
        yield f"the output {network.output} is no node"
    kinds = [isinstance(node.layer, Input) for node in network.nodes]
    if kinds[:1] != [True] or sum(kinds) != 1:
        yield "the first node, and no other, must be the input"
    needed = {network.output, network.nodes[0].name}
    for node in reversed(network.nodes):
        if node.name in needed:
            needed.update(node.sources)
        else:
            yield f"{node.name}: the output does not depend on it"
    normal = network.normalisation
    if normal is not None and normal.mean.size != network.size_in:
        yield "the normalisation states another number of inputs"


def _node(network: Network, node: Node) -> Iterator[str]:
    sizes = [network.by_name[name].size for name in node.sources]
    wanted: list[int]
    match node.layer:
        case Input():
            wanted = []
        case Affine(operator=operator, bias=bias):
            wanted = [operator.size_in]
            if operator.size_out != bias.size:
                yield f"{node.name}: weight gives {operator.size_out} values, bias has {bias.size}"
            for name, values in (("weight", operator.weight), ("bias", bias)):
                if values.dtype != np.float64 or values.flags.writeable:
                    yield f"{node.name}: {name} must be float64 and read-only"
                if not np.isfinite(values).all():
                    yield f"{node.name}: {name} must be finite"
            match operator:
                case Dense() | Diagonal():
                    pass
                case Convolution():
                    if min(operator.shape_out) < 1:
                        yield f"{node.name}: the convolution gives no values"
                case _ as never:
                    assert_never(never)
        case Piecewise(state=state, slope=slope, intercept=intercept):
            wanted = [state.size]
            if not np.isin(state, list(State)).all():
                yield f"{node.name}: a state is none of State"
            other = state != State.LINEAR
            if slope[other].any() or intercept[other].any():
                yield f"{node.name}: slope and intercept are 0 where the state is not LINEAR"
            if not (np.isfinite(slope).all() and np.isfinite(intercept).all()):
                yield f"{node.name}: slope and intercept must be finite"
            if any(values.flags.writeable for values in (state, slope, intercept)):
                yield f"{node.name}: its arrays must be read-only"
        case Quantize(scale=scale, low=low, high=high):
            wanted = [scale.size]
            if not ((scale > 0) & np.isfinite(scale) & (low <= 0) & (high >= 0)).all():
                yield f"{node.name}: a grid has a positive scale and holds 0"
            if any(values.flags.writeable for values in (scale, low, high)):
                yield f"{node.name}: its arrays must be read-only"
        case Sum(size=size):
            wanted = [size] * max(1, len(sizes))
        case Concat(sizes=parts):
            wanted = list(parts)
        case Select(indices=indices, size_in=size_in):
            wanted = [size_in]
            if indices.size and not 0 <= indices.min() <= indices.max() < size_in:
                yield f"{node.name}: an index lies outside its source"
        case _ as never:
            assert_never(never)
    if sizes != wanted:
        yield f"{node.name}: reads sizes {sizes}, takes {wanted}"
    if node.size < 1:
        yield f"{node.name}: holds no values"
    if int(np.prod(node.shape)) != node.size:
        yield f"{node.name}: shape {node.shape} does not hold {node.size} values"
