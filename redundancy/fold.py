"""Fold: neurons that became linear leave the weights, and the network is really smaller.

ZERO neurons vanish. IDENTITY and LINEAR neurons S of a layer ``W1`` read by ``W2`` stay in place as
|S| linear units, become a skip edge ``W2[:,S] diag(a) W1[S,:]``, merge the two layers when nothing
active is left, or, where their rows depend on each other, become r < |S| units that span them:
whichever takes the fewest multiply-adds. Removing and keeping leave every
weight bit for bit, so they are equal by construction; a product of weights is taken only where it
is a number of the network's element type in exact arithmetic, or where the caller's tolerance
covers its rounding, which is then bounded.

Source: Lahav and Katz, FMCAD 2021, section 5; Serra, Kumar, Ramalingam, CPAIOR 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ..engine.exact import Exact, total
from ..engine.network import Affine, Concat, Network, Node, Piecewise, State
from ..engine.operators import Dense
from ..engine.region import Region
from ..engine.rounding import SLACK, UNDERFLOW, float_above
from .effect import Shift, distance

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Form(Enum):
    """What became of a layer's linear neurons."""

    NONE = "none"
    UNITS = "linear units"
    SKIP = "skip edge"
    FACTOR = "factor"
    MERGED = "merged"
    KEPT = "not foldable"


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one layer.

    Attributes:
        layer: name of the `Piecewise` node.
        zero, linear, active: neurons that vanished, that became linear, that stay.
        form: of the linear ones; KEPT for a layer whose neurons cannot leave its weights.
    """

    layer: str
    zero: int
    linear: int
    active: int
    form: str


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A network and its folded form.

    Attributes:
        before: with linearised neurons still in place.
        after: without them.
        steps: one a layer.
        distance: no output of `after` is farther than this from that of `before` on the region;
            0.0 when they are equal, in network output units.
    """

    before: Network
    after: Network
    steps: tuple[Step, ...]
    distance: float

    @property
    def exact(self) -> bool:
        """Whether both networks compute the same function in real arithmetic."""
        return self.distance == 0.0


def fold(network: Network, region: Region, tolerance: float = 0.0) -> Fold:
    """Return the network with its linearised neurons folded away.

    Args:
        network: any network; neurons in state ZERO, IDENTITY and LINEAR are folded where their
            layer is read by dense layers alone.
        region: on which a rounded product's effect is bounded.
        tolerance: how far outputs may move through rounding of products; 0 for exact forms alone.
    """
    exact = _Folder(network, rounding=False).run(region)
    if tolerance > 0.0:
        rounded = _Folder(network, rounding=True).run(region)
        smaller = rounded.after.multiply_adds < exact.after.multiply_adds
        if smaller and rounded.distance <= tolerance:
            return rounded
    return exact


def as_relus(folded: Network, original: Network) -> Network:
    """Return a folded network with its linear units written as ReLUs again.

    A unit that was proved to be non-negative on a region computes there what a ReLU computes. So
    the result equals the folded network on that region, needs no activation but the ReLU, and
    runs at the speed of plain layers.

    Args:
        folded: a folded network whose IDENTITY neurons were proved non-negative.
        original: the network before any neuron was linearised; a layer that had IDENTITY neurons
            from the start is left as it is.
    """
    layers = {}
    for node in folded.piecewise:
        first = original.by_name[node.name].layer
        assert isinstance(node.layer, Piecewise)
        assert isinstance(first, Piecewise)
        if not (first.state == State.IDENTITY).any():
            state = np.where(node.layer.state == State.IDENTITY, State.RELU, node.layer.state)
            layers[node.name] = Piecewise(state, node.layer.slope, node.layer.intercept)
    return folded.with_layers(layers)


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """``W2[:,S] diag(a) W1[S,:]`` and the bias beside it, as stored, and how far from exact."""

    weight: Array
    bias: Array
    shift: Shift | None


class _Folder:
    def __init__(self, network: Network, *, rounding: bool) -> None:
        self.network = network
        self.rounding = rounding
        self.nodes = {node.name: node for node in network.nodes}
        self.order = [node.name for node in network.nodes]
        self.shifts: dict[str, Shift] = {}

    def run(self, region: Region) -> Fold:
        counts = {node.name: self._drop_zeros(node) for node in self.network.piecewise}
        forms = {node.name: self._pass_linear(node) for node in self.network.piecewise}
        steps = tuple(Step(name, *counts[name], forms[name].value) for name in counts)
        nodes = tuple(self.nodes[name] for name in self.order)
        after = Network(nodes, self.network.output, self.network.origin, self.network.normalisation)
        return Fold(self.network, after, steps, distance(after, self.shifts, region))

    def _readers(self, name: str) -> list[Node]:
        return [node for node in self.nodes.values() if name in node.sources]

    def _foldable(self, node: Node) -> bool:
        """Return whether the layer stands between dense layers that nothing else reads."""
        source, readers = self.nodes[node.sources[0]], self._readers(node.name)
        alone = [reader.name for reader in self._readers(source.name)] == [node.name]
        final = self.network.output in (node.name, source.name)
        return bool(readers) and all(map(_is_dense, [source, *readers])) and alone and not final

    def _drop_zeros(self, node: Node) -> tuple[int, int, int]:
        """Remove a layer's ZERO neurons; return how many are zero, linear and active."""
        assert isinstance(node.layer, Piecewise)
        state = node.layer.state
        zero = state == State.ZERO
        counts = (
            int(zero.sum()),
            int((~zero & (state != State.RELU)).sum()),
            int((state == State.RELU).sum()),
        )
        if zero.any() and self._foldable(self.nodes[node.name]):
            kept = np.flatnonzero(~zero)
            self._keep(node, kept if kept.size else np.zeros(1, np.int64))
        return counts

    def _keep(self, node: Node, kept: Index) -> None:
        """Keep some neurons of a layer, every weight as it is."""
        node, source = self.nodes[node.name], self.nodes[node.sources[0]]
        layer, affine = node.layer, source.layer
        assert isinstance(layer, Piecewise)
        assert isinstance(affine, Affine)
        rows = Affine(Dense(affine.operator.weight[kept]), affine.bias[kept])
        self._put(replace(source, layer=rows, shape=()))
        lines = Piecewise(layer.state[kept], layer.slope[kept], layer.intercept[kept])
        self._put(replace(node, layer=lines, shape=()))
        for reader in self._readers(node.name):
            assert isinstance(reader.layer, Affine)
            columns = Dense(reader.layer.operator.weight[:, kept])
            self._put(replace(reader, layer=Affine(columns, reader.layer.bias)))

    def _pass_linear(self, node: Node) -> Form:
        """Choose and make the form of a layer's linear neurons."""
        node = self.nodes[node.name]
        layer, source = node.layer, self.nodes[node.sources[0]]
        assert isinstance(layer, Piecewise)
        linear = np.flatnonzero((layer.state == State.IDENTITY) | (layer.state == State.LINEAR))
        active = np.flatnonzero(layer.state == State.RELU)
        if not linear.size:
            return Form.NONE
        if not self._foldable(node):
            return Form.KEPT
        readers = self._readers(node.name)
        assert isinstance(source.layer, Affine)
        fan_in, fan_out = source.layer.operator.size_in, sum(reader.size for reader in readers)
        if (layer.state[linear] == State.IDENTITY).all():
            basis = independent(source.layer, linear)
            least = min(fan_in * fan_out, linear.size * (fan_in + fan_out))
            if basis.size * (fan_in + fan_out) < least and self._span(node, linear, basis):
                return Form.FACTOR
        if fan_in * fan_out < linear.size * (fan_in + fan_out):
            found = [self._product(source, node, reader, linear) for reader in readers]
            products = [product for product in found if product is not None]
            if len(products) == len(readers):
                self._through(source, node, readers, active, products)
                return Form.SKIP if active.size else Form.MERGED
        if not active.size and (layer.state == State.IDENTITY).all():  # no activation is left
            for reader in readers:
                self._put(replace(reader, sources=(source.name,)))
            self._drop(node.name)
        return Form.UNITS

    def _span(self, node: Node, linear: Index, basis: Index) -> bool:
        """Let the units of a basis stand for all linear units, if that is exact."""
        node, source = self.nodes[node.name], self.nodes[node.sources[0]]
        assert isinstance(source.layer, Affine)
        rest = np.setdiff1d(linear, basis)
        parts = combination(source.layer, basis, rest)
        if parts is None:
            return False
        changed = {}
        for reader in self._readers(node.name):
            assert isinstance(reader.layer, Affine)
            weight = Exact.of(reader.layer.operator.weight)
            more = Exact(
                weight.numerators[:, rest] @ parts.numerators,
                weight.denominator * parts.denominator,
            )
            spanned = total([Exact(weight.numerators[:, basis], weight.denominator), more])
            stored, lost = _stored(spanned, self.network.origin.dtype)
            if lost.any() or source.name in self.shifts:
                return False
            columns = reader.layer.operator.weight.copy()
            columns[:, basis] = stored
            changed[reader.name] = Affine(Dense(columns), reader.layer.bias)
        for name, layer in changed.items():
            self._put(replace(self.nodes[name], layer=layer))
        self._keep(node, np.setdiff1d(np.arange(node.size), rest))
        return True

    def _through(
        self, source: Node, node: Node, readers: list[Node], active: Index, products: list[_Product]
    ) -> None:
        """Let the readers read past the linear neurons, by the products of the weights."""
        behind = source.sources[0]
        fan_in = self.nodes[behind].size
        joined = self._name(f"{node.name}/joined")
        for reader, product in zip(readers, products, strict=True):
            assert isinstance(reader.layer, Affine)
            shift = product.shift
            if active.size:
                direct = reader.layer.operator.weight[:, active]
                weight = np.concatenate([direct, product.weight], axis=1)
                past, reads = Affine(Dense(weight), product.bias), joined
                if shift is not None:
                    untouched = np.zeros_like(direct)
                    shift = Shift(np.concatenate([untouched, shift.weight], axis=1), shift.bias)
            else:
                past, reads = Affine(Dense(product.weight), product.bias), behind
            self._put(replace(reader, layer=past, sources=(reads,)))
            if shift is not None:
                self.shifts[reader.name] = shift
        if not active.size:
            self._drop(node.name)
            self._drop(source.name)
            self.shifts.pop(source.name, None)
            return
        affine, layer = source.layer, node.layer
        assert isinstance(affine, Affine)
        assert isinstance(layer, Piecewise)
        rows = Affine(Dense(affine.operator.weight[active]), affine.bias[active])
        self._put(replace(source, layer=rows, shape=()))
        self._put(replace(node, layer=Piecewise.relu(active.size), shape=()))
        if source.name in self.shifts:
            old = self.shifts[source.name]
            self.shifts[source.name] = Shift(old.weight[active], old.bias[active])
        self._put(
            Node(joined, Concat((int(active.size), fan_in)), (node.name, behind)), after=node.name
        )

    def _product(self, source: Node, node: Node, reader: Node, linear: Index) -> _Product | None:
        """Return the product through the linear neurons, or None where it would not be exact."""
        layer, first, second = node.layer, source.layer, reader.layer
        assert isinstance(layer, Piecewise)
        assert isinstance(first, Affine)
        assert isinstance(second, Affine)
        identity = layer.state[linear] == State.IDENTITY
        slope = Exact.of(np.where(identity, 1.0, layer.slope[linear]))
        shift = Exact.of(np.where(identity, 0.0, layer.intercept[linear]))
        weight, bias = Exact.of(first.operator.weight[linear]), Exact.of(first.bias[linear])
        out = Exact.of(second.operator.weight[:, linear])
        scale = slope.denominator * weight.denominator
        rows = Exact(slope.numerators[:, None] * weight.numerators, scale)
        offset = Exact(slope.numerators * bias.numerators, slope.denominator * bias.denominator)
        offset = total([offset, shift])
        exact = Exact(out.numerators @ rows.numerators, out.denominator * rows.denominator)
        through = Exact(out.numerators @ offset.numerators, out.denominator * offset.denominator)
        beside = total([through, Exact.of(second.bias)])
        stored, lost = _stored(exact, self.network.origin.dtype)
        stored_bias, lost_bias = _stored(beside, self.network.origin.dtype)
        if source.name in self.shifts:  # what the first layer lost passes through the second
            old = self.shifts[source.name]
            gain = np.abs(second.operator.weight[:, linear]) * np.abs(
                np.where(identity, 1.0, layer.slope[linear])
            )
            lost = (lost + gain @ old.weight[linear]) * SLACK + UNDERFLOW
            lost_bias = (lost_bias + gain @ old.bias[linear]) * SLACK + UNDERFLOW
        if not lost.any() and not lost_bias.any():
            return _Product(stored, stored_bias, None)
        return _Product(stored, stored_bias, Shift(lost, lost_bias)) if self.rounding else None

    def _name(self, wanted: str) -> str:
        while wanted in self.nodes:
            wanted += "'"
        return wanted

    def _put(self, node: Node, after: str = "") -> None:
        if node.name not in self.nodes:
            self.order.insert(self.order.index(after) + 1, node.name)
        self.nodes[node.name] = node

    def _drop(self, name: str) -> None:
        del self.nodes[name]
        self.order.remove(name)


def _is_dense(node: Node) -> bool:
    return isinstance(node.layer, Affine) and isinstance(node.layer.operator, Dense)


def _stored(values: Exact, dtype: str) -> tuple[Array, Array]:
    """Return the values rounded to an element type, and bounds on what the rounding lost."""
    exact = values.fractions()
    near = exact.astype(np.float64).astype(dtype).astype(np.float64)
    lost = [
        float_above(abs(e - f))
        for e, f in zip(exact.ravel(), Exact.of(near).fractions().ravel(), strict=True)
    ]
    return near, np.array(lost).reshape(near.shape)


def independent(layer: Affine, rows: Index) -> Index:
    """Return a largest choice of the rows, biases included, that looks linearly independent.

    A choice made in float64, to be confirmed by `combination`.
    """
    weight = np.concatenate([layer.operator.matrix()[rows], layer.bias[rows, None]], axis=1)
    chosen: list[int] = []
    left = weight / np.maximum(np.abs(weight).max(axis=1, keepdims=True), UNDERFLOW)
    for place in range(len(rows)):
        if np.abs(left[place]).max() > 1e-9:
            unit = left[place] / np.linalg.norm(left[place])
            left = left - np.outer(left @ unit, unit)
            chosen.append(place)
    return rows[np.array(chosen, dtype=np.int64)]


def combination(layer: Affine, basis: Index, rest: Index) -> Exact | None:
    """Return ``C`` with rows[rest] = C rows[basis] exactly, biases included, or None.

    ``C`` is guessed by least squares, rounded to multiples of 2**-10, and checked in rationals: it
    finds equal rows and simple multiples and sums of rows, which are what training leaves behind.
    """
    weight = np.concatenate([layer.operator.matrix(), layer.bias[:, None]], axis=1)
    guess = np.linalg.lstsq(weight[basis].T, weight[rest].T, rcond=None)[0].T
    parts = Exact.of(np.round(guess * 1024) / 1024)
    whole = Exact.of(weight)
    left = whole.numerators[rest] * parts.denominator
    right = parts.numerators @ whole.numerators[basis]
    return parts if bool((left == right).all()) else None
