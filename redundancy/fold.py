"""Fold: neurons that became linear leave the weights, and the network is really smaller.

Constant neurons, ZERO ones among them, move into biases, and neurons that nothing reads vanish. A
neuron whose row is a positive multiple of another's leaves too. IDENTITY and LINEAR neurons S of a
layer ``W1`` read by ``W2`` stay in place as |S| linear units, become a skip edge
``W2[:,S] diag(a) W1[S,:]``, merge the two layers when nothing active is left, or, where their rows
depend on each other, become r < |S| units that span them: whichever takes the fewest multiply-adds.
Of two ReLUs with opposite rows one becomes a linear unit where that makes a smaller network.
Or all that is linear behind a cut is multiplied out at once (`behind.py`), where that is smaller.

Removing and keeping leave every weight bit for bit, so they are equal by construction; a product or
a sum of weights is taken only where it is a number of the network's element type in exact
arithmetic, or where the caller's tolerance covers its rounding, which is then bounded.

Source: Lahav and Katz, FMCAD 2021, section 5; Serra, Kumar, Ramalingam, CPAIOR 2020.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import NetworkError
from ..engine.network import Affine, Network, Node, Piecewise, State
from ..engine.region import Region
from .behind import merge
from .block import is_dense
from .cuts import Cost, cuts, estimate, front, live
from .dead import drop_constant, drop_unread
from .dependent import is_plain, join_equal
from .draft import Draft
from .effect import Shift, distance
from .linear import Form, choose_form
from .relus import activations, as_relus

__all__ = ["Cost", "Fold", "Form", "Step", "as_relus", "fold"]

Mask = NDArray[np.bool_]
Masks = Mapping[str, Mask]

MERGES: Final = 4
"""Merges behind a cut that are made and measured, the most promising ones; no unit."""


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one layer.

    The last four count the neurons of the layer's block: where an activation function is lowered
    to several layers, each of them reports the same.

    Attributes:
        layer: name of the `Piecewise` node.
        zero, linear, active: neurons by state, in the network before.
        form: of the linear ones; KEPT for a layer whose neurons cannot leave its weights.
        constant: neurons that moved into biases, those in state ZERO included.
        unread: neurons that nothing read.
        equal: neurons for which another one stands.
        opposite: ReLUs that became linear because another one is opposite.
    """

    layer: str
    zero: int
    linear: int
    active: int
    form: str
    constant: int = 0
    unread: int = 0
    equal: int = 0
    opposite: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A network and its folded form.

    Attributes:
        before: with linearised neurons still in place.
        after: without them.
        steps: one a layer.
        distance: no output of `after` is farther than this from that of `before` on the region;
            0.0 when they are equal, in network output units.
        nonnegative: for each `Piecewise` node of `after` ``(size,)`` whether each neuron is one of
            those that were said to be non-negative on the region.
        nonpositive: the same, of those that were said to be at most 0. `distance` holds as well
            where ZERO ones among them compute a ReLU.
    """

    before: Network
    after: Network
    steps: tuple[Step, ...]
    distance: float
    nonnegative: Masks
    nonpositive: Masks

    @property
    def exact(self) -> bool:
        """Whether both networks compute the same function in real arithmetic."""
        return self.distance == 0.0

    @property
    def storable(self) -> bool:
        """Whether every slope of `after` is a number of the element type, as in a file."""
        return _slopes_fit(self.after)


def fold(
    network: Network,
    region: Region,
    tolerance: float = 0.0,
    nonnegative: Masks | None = None,
    *,
    nonpositive: Masks | None = None,
    chain: bool = False,
    cost: Cost = Cost.MULTIPLY_ADDS,
) -> Fold:
    """Return the network with its linearised neurons folded away.

    Args:
        network: any network; neurons are folded where their layer, or the layers that their
            activation function is lowered to, stands between dense layers, or behind a cut.
        region: on which a rounded number's effect is bounded.
        tolerance: how far outputs may move through rounding, network output units; 0 for exact
            forms alone.
        nonnegative: for `Piecewise` nodes by name ``(size,)`` which neurons are proved to have a
            pre-activation of at least 0 everywhere on the region; see `as_relus`.
        nonpositive: the same, of at most 0.
        chain: make no edge that passes a layer by, and leave an activation after each layer, for
            formats that hold nothing else.
        cost: what is to be small among the forms that a merge behind a cut is chosen from.

    Raises:
        NetworkError: a mask names no layer of activations, or has another size.
    """
    signs = _Signs(
        _checked(network, nonnegative or {}, "non-negative"),
        _checked(network, nonpositive or {}, "non-positive"),
    )
    ways = _ways(network, rounding=False, chain=chain)
    exact = best = _result(network, region, ways[0], signs)
    if tolerance > 0.0:
        ways += _ways(network, rounding=True, chain=chain)
        rounded = _result(network, region, ways[-1], signs)
        if rounded.distance <= tolerance and _order(rounded, cost) < _order(exact, cost):
            best = rounded
    for way in _merged(network, ways, best.after, cost, exact=tolerance == 0.0):
        merged = _result(network, region, way, signs)
        within = merged.distance <= tolerance and (not chain or _is_chain(merged.after))
        if within and _order(merged, cost) < _order(best, cost):
            best = merged
    return best


def _order(found: Fold, cost: Cost) -> tuple[bool, tuple[int, int], float]:
    """Return what of a fold is to be small; what a file can hold comes before what is smaller."""
    return not found.storable, cost.of(found.after), found.distance


def _checked(network: Network, masks: Masks, sign: str) -> Masks:
    for name, mask in masks.items():
        node = network.by_name.get(name)
        if node is None or not isinstance(node.layer, Piecewise) or mask.shape != (node.size,):
            what = "no layer of activations" if node is None else f"{node.size} values"
            raise NetworkError(
                f"the neurons proved {sign}: {name!r} is {what}, {mask.shape} are given"
            )
    return dict(masks)


@dataclass(frozen=True, slots=True)
class _Signs:
    """Which neurons of the network given are proved to be of one sign."""

    nonnegative: Masks
    nonpositive: Masks


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """A network that stands for the one given, and how it came about.

    Attributes:
        after: the network.
        shifts: how far its dense layers are from those they stand for.
        kept: for layers of activations that are left, which of the given neurons they hold.
        forms, counts: what became of each given layer of activations.
    """

    after: Network
    shifts: Mapping[str, Shift]
    kept: Mapping[str, NDArray[np.int64]]
    forms: Mapping[str, Form]
    counts: Mapping[str, Counter[str]]

    @classmethod
    def of(
        cls, draft: Draft, forms: Mapping[str, Form], counts: Mapping[str, Counter[str]]
    ) -> _Way:
        """Return what a draft is now, which may change again."""
        draft = draft.copy()
        after = draft.finish()
        counts = {name: Counter(count) for name, count in counts.items()}
        return cls(after, draft.shifts, draft.kept, dict(forms), counts)


def _ways(network: Network, *, rounding: bool, chain: bool) -> list[_Way]:
    """Return the network with its forms, and, if none may round, without what drops exactly alone.

    The first is preferred where both give the same.
    """
    draft = Draft(network, rounding=rounding, chain=chain)
    sources = [node.name for node in network.nodes if is_dense(node)]
    counts: dict[str, Counter[str]] = {node.name: Counter() for node in network.piecewise}
    forms = {node.name: Form.NONE for node in network.piecewise}

    def sweep(what: str, drop: Callable[[Draft, str], int], names: list[str]) -> None:
        for source in names:
            block = draft.block(source)
            dropped = drop(draft, source)
            for name in block.body if block is not None else ():
                if name in counts:
                    counts[name][what] += dropped

    sweep("constant", drop_constant, sources)
    sweep("unread", drop_unread, sources[::-1])
    sweep("equal", join_equal, sources)
    ways = [] if rounding else [_Way.of(draft, _in_place(draft, sources), counts)]
    for source in sources:
        block = draft.block(source)
        if block is not None:
            form, opposite = choose_form(draft, source)
            for name in block.body:
                if name in forms:
                    forms[name] = form
                    counts[name]["opposite"] += opposite
    sweep("constant", drop_constant, sources)
    sweep("unread", drop_unread, sources[::-1])
    return [_Way.of(draft, forms, counts), *ways]


def _in_place(draft: Draft, sources: list[str]) -> dict[str, Form]:
    """Return the forms of layers whose linear neurons could leave the weights and did not."""
    forms = {node.name: Form.NONE for node in draft.network.piecewise}
    for source in sources:
        block = draft.block(source)
        if block is not None and is_plain(draft, block) and _linear(draft.nodes[block.tail]):
            forms[block.tail] = Form.UNITS
    return forms


def _linear(node: Node) -> bool:
    """Return whether a layer of activations has linear neurons."""
    return bool(np.isin(activations(node).state, (State.IDENTITY, State.LINEAR)).any())


def _merged(
    network: Network, ways: list[_Way], best: Network, cost: Cost, *, exact: bool
) -> Iterator[_Way]:
    """Yield the most promising networks that are merged behind a cut.

    Args:
        network: the one given.
        ways: what to merge.
        best: the smallest network so far; beside what is smaller, what is not much larger is tried
            where there are convolutions, as an estimate does not see the zeros between far pixels.
        cost: what counts.
        exact: whether nothing may be rounded.
    """
    dense = all(is_dense(node) for node in best.nodes if isinstance(node.layer, Affine))
    if exact and dense:
        return  # what can leave dense layers has left
    limit = cost.of(best)[0] * (1 if dense else 2)
    found = []
    for number, way in enumerate(ways):
        alive = live(way.after, way.shifts)
        for cut in cuts(way.after):
            at_most = estimate(way.after, cut, alive, cost, exact=exact)
            if at_most is not None and at_most[0] <= limit:
                found.append((at_most, number, cut, alive))
    for _, number, cut, alive in sorted(found, key=lambda one: one[:2])[:MERGES]:
        merged = _behind(network, ways[number], cut, alive)
        if merged is not None:
            yield merged


def _behind(network: Network, way: _Way, cut: str, alive: Masks) -> _Way | None:
    """Return a network with its layers behind a cut merged, if that has finite numbers."""
    merged = merge(way.after, way.shifts, cut, alive)
    if merged is None:
        return None
    before, given = front(way.after, cut), _ancestors(network, cut)
    forms, counts = dict(way.forms), {name: Counter(count) for name, count in way.counts.items()}
    for name in counts.keys() - before:
        node = way.after.by_name.get(name)
        if node is None and name in given:  # it left the network in front of the cut
            continue
        if forms[name] is not Form.NONE or (node is not None and _linear(node)):
            forms[name] = Form.BEHIND
        counts[name]["constant"] += merged.constant.get(name, 0)
        counts[name]["unread"] += merged.unread.get(name, 0)
    kept = {name: places for name, places in way.kept.items() if name in before}
    return _Way(merged.network, merged.shifts, kept, forms, counts)


def _ancestors(network: Network, name: str) -> set[str]:
    """Return what a node depends on; of a node that is not there, everything."""
    if name not in network.by_name:
        return set(network.by_name)
    found = {name}
    for node in reversed(network.nodes):
        if node.name in found:
            found.update(node.sources)
    return found


def _result(network: Network, region: Region, way: _Way, signs: _Signs) -> Fold:
    forms, after = dict(way.forms), way.after
    for node in after.piecewise:  # linear neurons that no form could take
        if node.name in way.kept and forms.get(node.name) is Form.NONE:
            forms[node.name] = Form.KEPT if _linear(node) else Form.NONE
    steps = tuple(
        _step(node, forms[node.name], way.counts[node.name]) for node in network.piecewise
    )
    positive, negative = (
        {node.name: _mask(way.kept, node, masks) for node in after.piecewise}
        for masks in (signs.nonnegative, signs.nonpositive)
    )
    with np.errstate(over="ignore", invalid="ignore"):  # infinite bounds give no finite distance
        stored = [after]
        relus = as_relus(after, network, {}, negative)
        if any(relus.by_name[node.name].layer is not node.layer for node in after.piecewise):
            stored.append(relus)
        apart = [distance(one, way.shifts, region) for one in stored]
    far = max(apart) if all(map(isfinite, apart)) else inf  # NaN must not get lost in a maximum
    return Fold(network, after, steps, far, positive, negative)


def _mask(kept: Mapping[str, NDArray[np.int64]], node: Node, proved: Masks) -> Mask:
    if node.name in kept and node.name in proved:
        return np.asarray(proved[node.name][kept[node.name]], dtype=np.bool_)
    return np.zeros(node.size, dtype=np.bool_)


def _is_chain(network: Network) -> bool:
    """Return whether dense layers and activations alternate, each reading the one before it."""
    nodes = network.nodes
    turns = [isinstance(node.layer, Piecewise) for node in nodes[1:]]
    return (
        all(len(node.sources) == 1 for node in nodes[1:])
        and all(turn or is_dense(node) for turn, node in zip(turns, nodes[1:], strict=True))
        and turns == [at % 2 == 1 for at in range(len(turns))]
    )


def _step(node: Node, form: Form, counts: Counter[str]) -> Step:
    state = activations(node).state
    zero, active = int((state == State.ZERO).sum()), int((state == State.RELU).sum())
    return Step(node.name, zero, state.size - zero - active, active, form.value, **counts)


def _slopes_fit(network: Network) -> bool:
    for node in network.piecewise:
        layer = activations(node)
        for values in (layer.slope, layer.intercept):
            with np.errstate(over="ignore", under="ignore"):
                if (values.astype(network.origin.dtype).astype(np.float64) != values).any():
                    return False
    return True
