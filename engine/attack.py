"""Falsification: points of a region that push a pre-activation up or down.

All points returned lie on the number lattice of the network's own element type and inside the
region, so they can be handed to the file's runtime as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from .network import Affine, Concat, Input, Network, Piecewise, Quantize, Select, State, Sum
from .region import Lattice

Array = NDArray[np.float64]


def sample(lower: Array, upper: Array, count: int, rng: np.random.Generator) -> Array:
    """Return points of a box: its centre, some corners, faces and interior.

    Args:
        lower: ``(inputs,)``, closed.
        upper: ``(inputs,)``, closed.
        count: number of points, at least 1.
        rng: source of randomness.

    Returns:
        ``(count, inputs)`` float64.
    """
    size = lower.size
    share = rng.random((count, size))
    snap = rng.random((count, size)) < np.linspace(0.0, 1.0, count)[:, None] ** 3
    share = np.where(snap, np.round(share), share)
    share[0] = 0.5
    return np.clip(lower + share * (upper - lower), lower, upper)


_CORNERS = 5
"""Steps of an ascent to the corner that the gradient points at; most pre-activations are largest in
a corner that one or two of them find."""


def gradient(network: Network, values: dict[str, Array], node: str, seeds: Array) -> Array:
    """Return the gradient at the input of ``seeds . value of node``, point by point.

    Args:
        network: the network.
        values: its trace at ``(points, inputs)``.
        node: name of the node whose value is asked about.
        seeds: ``(points, size of node)``.

    Returns:
        ``(points, inputs)``; at a kink, one of the one-sided gradients.
    """
    back: dict[str, Array] = {node: seeds}
    for at in reversed(network.nodes):
        rows = back.pop(at.name, None)
        if rows is None:
            continue
        parts: list[Array]
        match at.layer:
            case Input():
                return rows
            case Affine(operator=operator):
                parts = [operator.pull(rows)]
            case Piecewise() as layer:
                parts = [rows * _slope(layer, values[at.sources[0]])]
            case Quantize(scale=scale, low=least, high=most):
                # The slope is 0 almost everywhere; what the rounding follows has slope 1.
                z = values[at.sources[0]]
                parts = [rows * ((z >= scale * least) & (z <= scale * most))]
            case Sum():
                parts = [rows] * len(at.sources)
            case Concat(sizes=sizes):
                parts = np.split(rows, np.cumsum(sizes)[:-1], axis=-1)
            case Select(indices=indices, size_in=size_in):
                part = np.zeros((*rows.shape[:-1], size_in))
                np.add.at(part, np.s_[..., indices], rows)  # type: ignore[arg-type]
                parts = [part]
            case _ as never:
                assert_never(never)
        for source, part in zip(at.sources, parts, strict=True):
            back[source] = back[source] + part if source in back else part
    return np.zeros((len(seeds), network.size_in))


def _slope(layer: Piecewise, z: Array) -> Array:
    slope = np.where(layer.state == State.RELU, (z > 0).astype(np.float64), layer.slope)
    return np.where(layer.state == State.IDENTITY, 1.0, slope)


def ascend(
    network: Network,
    node: str,
    indices: NDArray[np.int64],
    signs: Array,
    points: Array,
    lattice: Lattice,
    steps: int,
    *,
    enough: Array | None = None,
    late: Callable[[], bool] | None = None,
) -> tuple[Array, Array]:
    """Climb ``sign * value`` of one neuron for each point, by projected gradient steps.

    A few steps go to the corner of the box that the gradient points at, as long as that is higher;
    short ones follow. A point rests where no step moves it, and as soon as any point of its neuron
    and sign is high enough.

    Args:
        network: the network.
        node: name of the node the neurons belong to.
        indices: ``(points,)`` which neuron each point is for.
        signs: ``(points,)`` +1 to climb, -1 to descend.
        points: ``(points, inputs)`` where to start.
        lattice: the points that may be visited.
        steps: number of gradient steps.
        enough: ``(points,)`` height above which there is no need to climb; None: there is none.
        late: is asked before each step whether the time is spent; None: there is no limit.

    Returns:
        The best points ``(points, inputs)`` and ``sign * value`` there ``(points,)``.
    """
    climb = _Climb(network, node, indices, signs, lattice, points, enough)
    for far, count in ((True, _CORNERS), (False, steps)):
        climb.start()
        for _ in range(count):
            if not climb.left.size or (late is not None and late()):
                break
            climb.step(far)
    return climb.best, climb.height


class _Climb:
    """The state of an ascent.

    Attributes:
        best, height: ``(points, inputs)`` and ``(points,)`` the highest so far.
        left: which points still climb; values, seeds: of these alone.
    """

    def __init__(
        self,
        network: Network,
        node: str,
        indices: NDArray[np.int64],
        signs: Array,
        lattice: Lattice,
        points: Array,
        enough: Array | None,
    ) -> None:
        self.network, self.node, self.lattice = network, node, lattice
        self.indices, self.signs = indices, signs
        self.enough = np.full(len(points), np.inf) if enough is None else enough
        self.width = lattice.upper - lattice.lower
        self.stride = np.full(len(points), 0.1)
        goals = np.stack([indices, (signs > 0).astype(np.int64)], axis=1)
        self.goal = np.unique(goals, axis=0, return_inverse=True)[1].reshape(-1)
        self.kept = {at.sources[0] for at in network.piecewise} | {node}
        self.best = lattice.snap(points)
        self.left: NDArray[np.int64] = np.arange(len(points))
        self.height = self._heights(self._trace(self.best), self.left)

    def start(self) -> None:
        """Let all points climb whose neuron is not high enough."""
        self.left = np.arange(len(self.best))
        self.left = self.left[self._short()]
        self.values = self._trace(self.best[self.left])
        self.seeds = np.zeros((self.left.size, self.network.by_name[self.node].size))
        self.seeds[np.arange(self.left.size), self.indices[self.left]] = self.signs[self.left]

    def step(self, far: bool) -> None:
        """Move the points that still climb, to a corner if far; those that cannot gain rest."""
        slope = gradient(self.network, self.values, self.node, self.seeds) * self.width
        if far:
            move = 2.0 * np.sign(slope)  # beyond the box, from wherever the point is
        else:
            largest = np.abs(slope).max(axis=1, keepdims=True)
            share = np.divide(slope, largest, out=np.zeros_like(slope), where=largest > 0)
            move = self.stride[self.left][:, None] * share
        there = self.lattice.snap(self.best[self.left] + move * self.width)
        moved = np.asarray((there != self.best[self.left]).any(axis=1))
        self._rest(moved)
        if not self.left.size:
            return
        there, left = there[moved], self.left
        trial = self._trace(there)
        level = self._heights(trial, left)
        won = level > self.height[left]
        self.best[left[won]], self.height[left[won]] = there[won], level[won]
        for name, value in self.values.items():
            value[won] = trial[name][won]
        if not far:
            stride = self.stride[left]
            self.stride[left] = np.where(won, np.minimum(stride * 1.4, 0.5), stride * 0.5)
        self._rest(self._short() & (won | (not far)))

    def _trace(self, points: Array) -> dict[str, Array]:
        trace = self.network.trace(points, self.node)
        return {name: value for name, value in trace.items() if name in self.kept}

    def _heights(self, values: dict[str, Array], which: NDArray[np.int64]) -> Array:
        z = values[self.node][np.arange(which.size), self.indices[which]]
        return np.asarray(self.signs[which] * z)

    def _short(self) -> NDArray[np.bool_]:
        """Return which of the climbing points have a neuron that is not high enough anywhere."""
        done = np.zeros(self.goal.max(initial=-1) + 1, dtype=np.bool_)
        done[self.goal[self.height > self.enough]] = True
        return np.asarray(~done[self.goal[self.left]])

    def _rest(self, keep: NDArray[np.bool_]) -> None:
        """Let some of the climbing points go on, and no others."""
        if keep.all():
            return
        self.left = self.left[keep]
        self.values = {name: value[keep] for name, value in self.values.items()}
        self.seeds = self.seeds[keep]
