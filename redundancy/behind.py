"""Merging behind a cut: what is linear behind some layer is multiplied out, skips and all.

A cut is the input or a layer of activations that every path to the output passes. In front of it
nothing changes. Behind it each value is an affine function of what is at hand: the live values of
the cut, and the active ReLUs since. So only ReLUs are left there, each of which reads the values at
hand that matter to it, and so does the output. A convolution's weights are shared and a product of
them is not, so this form may take fewer multiply-adds and more parameters.

Coefficients are products of weights, taken in float64 with bounds on their errors and then rounded
to the network's element type. Both errors are stated as a `Shift`: the network with coefficients
free of them equals the one given.

Source: Lahav and Katz, FMCAD 2021, section 5, for the merge of two layers; Higham 2002, theorem
3.1, for the errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.network import (
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
from ..engine.operators import Dense
from ..engine.rounding import LARGEST, SLACK, UNDERFLOW, UNIT, gamma
from .cuts import front
from .draft import product_above, sum_above, times_above
from .effect import Shift

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ONE: Final = ""
"""Stands among the names of what is at hand for the number 1; no layer is read by that name."""


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A network whose layers behind a cut are multiplied out.

    Attributes:
        network: it.
        shifts: of its dense layers.
        constant: for each layer of activations behind the cut how many of its neurons moved into
            biases.
        unread: the same, of neurons that nothing read.
    """

    network: Network
    shifts: Mapping[str, Shift]
    constant: Mapping[str, int]
    unread: Mapping[str, int]


def merge(
    network: Network, shifts: Mapping[str, Shift], cut: str, alive: Mapping[str, Mask]
) -> Merged | None:
    """Return a network with what is linear behind a cut multiplied out.

    Args:
        network: to be merged.
        shifts: how far its dense layers are from those they stand for.
        cut: one of its `cuts`, not the output.
        alive: its `live` values; those that a shift alone reads are among them.

    Returns:
        None where a number passes the range of float64 or of the element type.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        try:
            return _Merge(network, shifts, cut, alive).run()
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Affine functions of the values at hand; those that are not named count with 0.

    Attributes:
        near: for names of what is at hand coefficients ``(size, width)``.
        far: at least how far each is from the true one; 0 and a coefficient of 0 where it is 0 by
            structure.
    """

    near: dict[str, Array]
    far: dict[str, Array]

    def __post_init__(self) -> None:
        for name, near in self.near.items():
            # beyond that, UNDERFLOW does not cover what underflows; and NaN fails this too
            if near.size and not max(np.abs(near).max(), self.far[name].max()) <= LARGEST:
                raise OverflowError

    def rows(self, take: Index) -> _Lines:
        """Return some of the functions."""
        return _Lines(*({name: part[take] for name, part in of.items()} for of in self.both))

    @property
    def both(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Coefficients and errors."""
        return self.near, self.far

    def used(self, name: str) -> Mask:
        """Return which coefficients ``(size, width)`` may differ from 0."""
        return np.asarray((self.near[name] != 0) | (self.far[name] > 0), dtype=np.bool_)

    @property
    def constant(self) -> Mask:
        """Return which functions ``(size,)`` are constant by structure."""
        moving = [self.used(name).any(axis=1) for name in self.near if name != _ONE]
        still = np.ones(len(self.near[_ONE]), np.bool_)
        for one in moving:
            still &= ~one
        return still


class _Merge:
    def __init__(
        self, network: Network, shifts: Mapping[str, Shift], cut: str, alive: Mapping[str, Mask]
    ) -> None:
        self.network, self.given, self.cut, self.alive = network, shifts, cut, alive
        self.before = front(network, cut)
        self.nodes = [node for node in network.nodes if node.name in self.before]
        self.taken = set(network.by_name)
        self.free = self.taken - self.before - {network.output}
        self.some: dict[tuple[str, bytes], str] = {}
        self.shifts = {name: shift for name, shift in shifts.items() if name in self.before}
        self.places = {cut: np.flatnonzero(alive[cut])}
        self.constant: dict[str, int] = {}
        self.unread: dict[str, int] = {}

    def run(self) -> Merged:
        network, size = self.network, self.network.by_name[self.cut].size
        held = {self.cut: _unit(size, self.cut, self.places[self.cut], None)}
        left = {name: len(network.readers[name]) for name in network.by_name}
        for node in network.nodes:
            if node.name in self.before:
                continue
            held[node.name] = self._lines(node, [held[name] for name in node.sources])
            for name in dict.fromkeys(node.sources):
                left[name] -= 1
                if not left[name]:
                    del held[name]
        self._emit(network.output, held[network.output])
        after = Network(tuple(self.nodes), network.output, network.origin, network.normalisation)
        return Merged(after, self.shifts, self.constant, self.unread)

    def _lines(self, node: Node, reads: list[_Lines]) -> _Lines:
        match node.layer:
            case Affine() as layer:
                return _pushed(reads[0], layer, self.given.get(node.name))
            case Piecewise() as layer:
                return self._activated(node, layer, reads[0])
            case Quantize():
                raise rounding_refused("simplification", node.name, self.network.origin.path)
            case Sum():
                return _sum(reads)
            case Concat(sizes=sizes):
                return _stacked(reads, sizes)
            case Select(indices=indices):
                return reads[0].rows(indices)
            case Input():
                raise AssertionError("the input is in front of every cut")
            case _ as never:
                assert_never(never)

    def _activated(self, node: Node, layer: Piecewise, z: _Lines) -> _Lines:
        """Return the activations; its ReLUs that are no constants are at hand from now on."""
        relu, alive = layer.state == State.RELU, self.alive[node.name]
        constant = z.constant
        active = np.flatnonzero(relu & alive & ~constant)
        line = layer.state == State.LINEAR
        steep = np.where(line, layer.slope, (layer.state != State.ZERO).astype(np.float64))
        steep = np.where(relu & ~constant, 0.0, steep)[:, None]
        out = _scaled(z, np.where(alive[:, None], steep, 0.0))
        out.near[_ONE], out.far[_ONE] = _added(
            out.near[_ONE], out.far[_ONE], np.where(alive, layer.intercept, 0.0)[:, None]
        )
        # the ReLU of a constant is off by no more than the constant
        out.near[_ONE][relu] = np.maximum(out.near[_ONE][relu], 0.0)
        if active.size:
            name, source = self._own(node.name), self._own(node.sources[0])
            self._emit(source, z.rows(active))
            self.nodes.append(Node(name, Piecewise.relu(int(active.size)), (source,)))
            self.places[name] = np.arange(active.size)
            own = _unit(node.size, name, self.places[name], active)
            out.near[name], out.far[name] = own.near[name], own.far[name]
        still = (layer.state == State.ZERO) | (relu & constant) | (line & (layer.slope == 0))
        self.constant[node.name] = int((still & alive).sum() + (layer.state == State.ZERO).sum())
        self.unread[node.name] = int((~alive & (layer.state != State.ZERO)).sum())
        return out

    def _emit(self, name: str, lines: _Lines) -> None:
        """Add a dense layer that computes affine functions of the values at hand."""
        parts: list[tuple[str, Index]] = []
        for source in lines.near:
            columns = np.flatnonzero(lines.used(source).any(axis=0))
            if source != _ONE and columns.size:
                parts.append((source, columns))
        size = len(lines.near[_ONE])
        reads = [self._at_hand(source, self.places[source][columns]) for source, columns in parts]
        near, far = (
            np.concatenate([np.zeros((size, 0)), *(of[s][:, c] for s, c in parts)], axis=1)
            for of in lines.both
        )
        if not parts:  # a constant, which still reads something
            reads = [self.network.input.name]
            near = far = np.zeros((size, self.network.size_in))
        source = reads[0]
        if len(reads) > 1:
            sizes = tuple(int(columns.size) for _, columns in parts)
            source = self._name(f"{name}/read")
            self.nodes.append(Node(source, Concat(sizes), tuple(reads)))
        weight, lost = self._stored(near, far)
        bias, off = self._stored(lines.near[_ONE][:, 0], lines.far[_ONE][:, 0])
        self.nodes.append(Node(name, Affine(Dense(weight), bias), (source,)))
        if lost.any() or off.any():
            self.shifts[name] = Shift(lost, off)

    def _at_hand(self, name: str, places: Index) -> str:
        """Return the name of a node that holds some values of a node."""
        size = next(node.size for node in self.nodes if node.name == name)
        if places.size == size:
            return name
        key = name, places.tobytes()
        if key not in self.some:
            self.some[key] = self._name(f"{name}/some")
            self.nodes.append(Node(self.some[key], Select(places, size), (name,)))
        return self.some[key]

    def _stored(self, near: Array, far: Array) -> tuple[Array, Array]:
        """Return numbers of the element type, and how far they are from those they stand for."""
        stored = near.astype(self.network.origin.dtype).astype(np.float64)
        if not np.isfinite(stored).all():
            raise OverflowError
        return stored, sum_above(np.abs(stored - near), far)

    def _own(self, name: str) -> str:
        """Return the name of a layer that was behind the cut, for the one that stands for it."""
        if name in self.free:
            self.free.remove(name)
            return name
        return self._name(name)

    def _name(self, wanted: str) -> str:
        """Return a name that no node has or had."""
        while wanted in self.taken:
            wanted += "'"
        self.taken.add(wanted)
        return wanted


def _unit(size: int, name: str, places: Index, rows: Index | None) -> _Lines:
    """Return values that are at hand under a name, in their places or in rows; 0 elsewhere."""
    near = np.zeros((size, places.size))
    near[places if rows is None else rows, np.arange(places.size)] = 1.0
    parts = {name: near, _ONE: np.zeros((size, 1))}
    return _Lines(parts, {key: np.zeros_like(part) for key, part in parts.items()})


def _pushed(reads: _Lines, layer: Affine, shift: Shift | None) -> _Lines:
    """Return an affine layer of functions.

    With ``W = V + D`` and ``M = N + E`` (stored, true, and at most as far apart as stated),
    ``W M - V N`` is at most ``|W| E + D (|M| + E)``, and the sums in ``W M`` lose what they lose:
    nothing where each is one weight and zeros.
    """
    operator = layer.operator
    steep = np.abs(operator.weight)
    if steep.size and not steep.max() <= LARGEST:
        raise OverflowError
    some, lose = (steep > 0).astype(np.float64), gamma(operator.terms + 1)
    near: dict[str, Array] = {}
    far: dict[str, Array] = {}
    for name, part in reads.near.items():
        size, off = np.abs(part), reads.far[name]
        terms = operator.push(reads.used(name).T.astype(np.float64), some).T
        lost = operator.push((off + lose * size).T, steep).T * SLACK + UNDERFLOW
        plain = np.isin(size, (0.0, 1.0)).all() and not off.any()
        near[name] = np.where(terms > 0, operator.push(part.T).T, 0.0)
        far[name] = np.where(terms > (1 if plain else 0), lost, 0.0)
        if shift is not None:
            far[name] = sum_above(far[name], product_above(shift.weight, sum_above(size, off)))
    near[_ONE], far[_ONE] = _added(near[_ONE], far[_ONE], layer.bias[:, None])
    if shift is not None:
        far[_ONE] = sum_above(far[_ONE], shift.bias[:, None])
    return _Lines(near, far)


def _added(near: Array, far: Array, more: Array) -> tuple[Array, Array]:
    """Return numbers with exact ones added; where either is 0, nothing is lost."""
    rounds = (near != 0) & (more != 0)
    lost = np.where(rounds, UNIT * (np.abs(near) + np.abs(more)), 0.0)
    return near + more, sum_above(far, lost)


def _scaled(lines: _Lines, steep: Array) -> _Lines:
    """Return functions times exact factors ``(size, 1)``."""
    size = np.abs(steep)
    if not size.max(initial=0.0) <= LARGEST:
        raise OverflowError
    plain = (size == 0) | (size == 1)
    near = {name: part * steep for name, part in lines.near.items()}
    far = {}
    for name, part in lines.near.items():
        lost = np.where(plain, 0.0, UNIT * times_above(np.abs(part), size))
        far[name] = sum_above(times_above(lines.far[name], size), lost)
        far[name] = np.where(size == 1, lines.far[name], far[name])
    return _Lines(near, far)


def _sum(reads: list[_Lines]) -> _Lines:
    near: dict[str, Array] = {}
    far: dict[str, Array] = {}
    for name in _names(reads):
        parts = [read for read in reads if name in read.near]
        near[name] = np.sum([read.near[name] for read in parts], axis=0)
        size = np.sum([np.abs(read.near[name]) for read in parts], axis=0)
        lost = gamma(len(parts)) * size if len(parts) > 1 else np.zeros_like(size)
        far[name] = sum_above(lost, *(read.far[name] for read in parts))
    return _Lines(near, far)


def _stacked(reads: list[_Lines], sizes: tuple[int, ...]) -> _Lines:
    near: dict[str, Array] = {}
    far: dict[str, Array] = {}
    for name in _names(reads):
        width = next(read.near[name].shape[1] for read in reads if name in read.near)
        for out, at in ((near, 0), (far, 1)):
            parts = (
                read.both[at].get(name, np.zeros((size, width)))
                for read, size in zip(reads, sizes, strict=True)
            )
            out[name] = np.concatenate(list(parts))
    return _Lines(near, far)


def _names(reads: list[_Lines]) -> Iterator[str]:
    """Yield the names of what is at hand, each once, in order."""
    yield from dict.fromkeys(name for read in reads for name in read.near)
