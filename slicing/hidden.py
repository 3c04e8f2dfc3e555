"""Mid-network slicing: a network cut at a hidden layer, for networks with many inputs.

A network is cut at a layer that everything passes through, into a head up to it and a tail behind
it. The tail's inputs are the layer's values. What they can be over the region is bounded by proof,
that box is sliced along a few neurons (see `hidden_slices.py`), and the tail is simplified for each
slice. An input is routed by evaluating the head.

What holds. Let x be an input of the region whose numbers are of the element type, h(x) the real
values of the layer there, and c(x) those that the head computes, by any evaluation that `drift.py`
speaks of.

- Every h(x) and every c(x) lies in the box that is sliced: it holds the proved bounds of h, widened
  by the proved drift. So routing cannot fail.
- A cell's region is the cell widened by the drift. It holds c(x), where x is routed to the cell,
  and h(x) as well, though that may lie in a neighbouring cell. So where a simplified tail equals
  the tail on the cell's region, it does so at both: at the numbers that it is given, and in real
  arithmetic, where the network with the simplified tail is then the network.
- A tail that is simplified by what is known of the region besides, as `hidden_slices.py` does,
  equals the tail at every h(x) of the cell's region. In real arithmetic the network with that tail
  is the network; computed values are apart from that by rounding, as those of any network are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engine.bounds.linear import linear
from ..engine.errors import InputError
from ..engine.network import Input, Network, Node
from ..engine.region import Region
from ..engine.rounding import down, up
from ..redundancy.head import head, layer_named
from .drift import Kind, drift
from .route import Router
from .slices import LEAF, Slices

Array = NDArray[np.float64]
Index = NDArray[np.int64]

STEPS: Final = 8
"""Steps on the slopes of the layer's bounds unless told."""


@dataclass(frozen=True, eq=False)
class Hidden:
    """A network cut at a hidden layer, and what the layer's values can be over a region.

    Attributes:
        network: the whole network.
        layer: name of the layer.
        region: of the network's inputs.
        head: the network up to the layer, whose values are its outputs.
        tail: the network from the layer's values on.
        real: box of the layer's real values, proved.
        drift: ``(size,)`` how far computed values are from real ones at most, proved.
        whole: box of computed and real values, closed: `real`, widened by the drift.
    """

    network: Network
    layer: str
    region: Region
    head: Network
    tail: Network
    real: Region
    drift: Array
    whole: Region

    def cell(self, slices: Slices, cell: int) -> Region:
        """Return the region on which a cell's tail is simplified: the cell, widened by the drift.

        Args:
            slices: of `whole`.
            cell: a number of a cell.

        Raises:
            RegionError: there is no such cell.
        """
        name = slices.region(cell).name
        lower, upper = self.widened(*slices.boxes(np.array([cell])))
        return Region.box(lower[0], upper[0], name)

    def widened(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Return boxes of the layer's values ``(boxes, size)``, widened by the drift."""
        low = np.maximum(down(lower - self.drift), self.whole.lower)
        high = np.minimum(up(upper + self.drift), self.whole.upper)
        return low, high

    def values(self, points: Any) -> Array:
        """Return the layer's values ``(..., size)`` at points, computed in float64.

        Args:
            points: ``(..., inputs)``, as `Router` takes them.

        Raises:
            RegionError: a point that is not finite, or outside the region.
        """
        Router(self._inputs).route(points)
        return self.head.evaluate(points)

    @cached_property
    def _inputs(self) -> Slices:
        return Slices(self.region, np.array([LEAF]), np.zeros(1))


@dataclass(frozen=True, slots=True, eq=False)
class HiddenRouter:
    """Finds the cells of a network's inputs by the values of its hidden layer.

    Attributes:
        hidden: the network and the layer.
        router: of the cells of its values.
    """

    hidden: Hidden
    router: Router

    def route(self, points: Any) -> Index:
        """Return the cells ``(...,)`` of inputs; the head is evaluated in float64.

        Args:
            points: ``(..., inputs)``, as `Router` takes them.

        Raises:
            RegionError: a point that is not finite, or outside the region.
        """
        return self.router.route(self.hidden.values(points))

    def route_values(self, values: Any) -> Index:
        """Return the cells ``(...,)`` of values of the layer that were computed elsewhere.

        Args:
            values: ``(..., size)`` of the element type that the drift was bounded for, or float64.

        Raises:
            RegionError: values that the layer does not take over the region.
        """
        return self.router.route(values)


def hidden_layer(
    network: Network, region: Region, layer: str, *, kind: Kind = "float64", steps: int = STEPS
) -> Hidden:
    """Return the network cut at a layer, with proved bounds of the layer's values.

    Args:
        network: the network.
        region: box of its inputs.
        layer: name of a layer that everything passes through, of pre-activations or activations,
            or a hidden layer's number, from 1, for its activations.
        kind: element type in which the head is evaluated at the coarsest.
        steps: on the slopes of the bounds; more are tighter and take longer.

    Raises:
        InputError: there is no such layer, or something passes it by; its values have no bounds.
        RegionError: a region of another number of inputs.
    """
    region.fit(network)
    name = layer_named(network, layer)
    front = head(network, name)
    bounds = linear(front, region.lower[None], region.upper[None], steps=steps)
    low, high = (ends[0] for ends in bounds[name])
    far = drift(front, bounds, kind)[0]
    if not (np.isfinite(low).all() and np.isfinite(high).all() and np.isfinite(far).all()):
        raise InputError(
            f"{network.origin.path}: the values of layer {name} over {region.name} have no bounds "
            f"in {kind}: give a smaller region or an earlier layer"
        )
    title = f"values of {name} over {region.name}"
    whole = Region.box(down(low - far), up(high + far), title)
    real = Region.box(low, high, title)
    return Hidden(network, name, region, front, tail(network, name), real, far, whole)


def tail(network: Network, layer: str) -> Network:
    """Return the network from a layer's values on; they are its inputs, in network units.

    Args:
        network: the network.
        layer: one that everything passes through.
    """
    before = {node.name for node in head(network, layer).nodes}
    shape = network.by_name[layer].shape
    nodes = [Node(layer, Input(shape)), *(n for n in network.nodes if n.name not in before)]
    origin = replace(
        network.origin, path=f"{network.origin.path} behind {layer}", format="built", digest=""
    )
    return Network(tuple(nodes), network.output, origin)
