"""Networks, regions and questions that are drawn, for measuring what ways of working cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.agreement import within
from ..engine.bounds.interval import interval
from ..engine.bounds.linear import linear
from ..engine.claim import Atom, Claim, Declared, Part, Polynomial, Tensor
from ..engine.cost import Figures
from ..engine.network import Network, Piecewise
from ..engine.question import Question, ask
from ..engine.region import Region

Array = NDArray[np.float64]

MIDDLE: Final = {"inputs": 5, "width": 24, "depth": 3, "unstable": 0.4, "tight": 4.0}
"""What stays as it is while one figure is varied."""

SWEEPS: Final[dict[str, tuple[float, ...]]] = {
    "inputs": (1, 2, 3, 5, 8, 12, 16, 24, 40, 64),
    "width": (6, 12, 24, 48, 96, 192),
    "depth": (1, 2, 3, 5, 8),
    "unstable": (0.05, 0.15, 0.3, 0.5, 0.7),
    "tight": (1.2, 1.6, 2.5, 5.0, 10.0, 20.0),
}
"""The values that each is given alone."""

POINTS: Final = 2048
"""Samples, the best of which are pushed on to find about the least value of the output."""

PUSHED: Final = 64
"""Those that are pushed on."""

STEPS: Final = 60
"""Steps of pushing; each moves every input by a part of its width that shrinks to a hundredth."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is to be drawn.

    Attributes:
        inputs, width, depth: of the network; width neurons in each of depth hidden layers.
        unstable: share of the neurons that linear bounds leave unstable on the region.
        tight: see `Figures.tight`.
        seed: of the weights and the region.
        axis: the figure that is varied alone; empty where all are drawn together.
    """

    inputs: int
    width: int
    depth: int
    unstable: float
    tight: float
    seed: int
    axis: str = ""


def shapes(joint: int, seed: int) -> Iterator[Shape]:
    """Yield the shapes of the sweeps, then some drawn in all figures together."""
    for axis, values in SWEEPS.items():
        for value in values:
            one = {**MIDDLE, axis: value}
            yield Shape(
                inputs=int(one["inputs"]),
                width=int(one["width"]),
                depth=int(one["depth"]),
                unstable=one["unstable"],
                tight=one["tight"],
                seed=seed,
                axis=axis,
            )
    rng = np.random.default_rng(seed)
    for _ in range(joint):
        inputs, width, depth = (
            round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))
            for low, high in ((1, 64), (6, 192), (1, 6))
        )
        yield Shape(
            inputs,
            width,
            depth,
            unstable=float(rng.uniform(0.05, 0.7)),
            tight=float(np.exp(rng.uniform(np.log(1.1), np.log(20.0)))),
            seed=int(rng.integers(2**31)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A network, a box, and a question that bounds alone do not settle.

    Attributes:
        shape: what was asked for.
        network: a chain with one output.
        other: the same with weights that differ by up to a thousandth.
        region: box around a drawn point.
        question: does the output come down to a limit below all sampled values?
        figures: of these.
    """

    shape: Shape
    network: Network
    other: Network
    region: Region
    question: Question
    figures: Figures

    def pair(self, epsilon: float) -> Question:
        """Return whether both networks are within a distance of each other."""
        claim = within(self.network, self.other, self.region, Fraction(epsilon))
        return ask(claim, [self.network, self.other])


def drawn(shape: Shape) -> Drawn:
    """Return what a shape describes; the same shape, the same bytes."""
    rng = np.random.default_rng(shape.seed)
    sizes = [shape.inputs, *[shape.width] * shape.depth, 1]
    weights = [
        rng.normal(size=(out, into)) * np.sqrt(2.0 / into)
        for into, out in itertools.pairwise(sizes)
    ]
    biases = [0.3 * rng.normal(size=out) for out in sizes[1:]]
    network = Network.dense(weights, biases)
    near = [w * (1.0 + 1e-3 * rng.uniform(-1.0, 1.0, w.shape)) for w in weights]
    centre = rng.normal(size=shape.inputs)
    region, unstable, low = _sized(network, centre, shape.unstable)
    points = rng.uniform(region.lower, region.upper, (POINTS, shape.inputs))
    least = _least(weights, biases, region, points)
    limit = least - (least - low) / shape.tight
    return Drawn(
        shape,
        network,
        Network.dense(near, biases),
        region,
        ask(_below(network, region, limit), [network]),
        Figures(shape.inputs, network.neurons, network.multiply_adds, unstable, shape.tight),
    )


def _least(weights: list[Array], biases: list[Array], region: Region, points: Array) -> float:
    """Return about the least output, by gradient steps from the best of some points."""
    best, width = np.inf, region.upper - region.lower
    for step in range(STEPS + 1):
        masks, value = [], points
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            value = value @ weight.T + bias
            masks.append(value > 0.0)
            value = np.maximum(value, 0.0)
        output = (value @ weights[-1].T + biases[-1])[:, 0]
        best = min(best, float(output.min()))
        slope = np.repeat(weights[-1], len(points), axis=0)
        for weight, mask in zip(reversed(weights[:-1]), reversed(masks), strict=True):
            slope = (slope * mask) @ weight
        if step == 0:
            order = np.argsort(output, kind="stable")[:PUSHED]
            points, slope = points[order], slope[order]
        pace = 0.3 * 0.01 ** (step / STEPS)
        points = np.clip(points - pace * width * np.sign(slope), region.lower, region.upper)
    return best


def unstable_of(network: Network, region: Region) -> tuple[int, float]:
    """Return how many ReLUs linear bounds leave open, and the least output by them."""
    box = region.lower[None], region.upper[None]
    bounds = linear(network, *box, known=interval(network, *box))
    count = 0
    for node in network.nodes:
        if isinstance(node.layer, Piecewise):
            low, high = bounds[node.sources[0]]
            count += int(((low < 0.0) & (high > 0.0)).sum())
    return count, float(bounds[network.output][0][0, 0])


def _sized(network: Network, centre: Array, share: float) -> tuple[Region, int, float]:
    """Return the box around a centre on which about a share of the neurons is unstable."""
    small, large = 1e-4, 8.0
    for _ in range(14):
        radius = float(np.sqrt(small * large))
        region = Region.box((centre - radius).tolist(), (centre + radius).tolist())
        unstable, low = unstable_of(network, region)
        if unstable < share * network.neurons:
            small = radius
        else:
            large = radius
    return region, max(1, unstable), low


def _below(network: Network, region: Region, limit: float) -> Claim:
    """Return the claim whose counterexample is an output of at most a limit."""
    atoms = []
    for index in range(region.size):
        x = Polynomial.variable(index)
        atoms.append(Atom(x.plus(Polynomial.constant(region.exact_upper[index]), -1)))
        atoms.append(Atom(Polynomial.constant(region.exact_lower[index]).plus(x, -1)))
    output = Polynomial.variable(region.size).plus(Polynomial.constant(Fraction(limit)), -1)
    tensors = (
        Tensor("X", 0, Part.INPUT, "real", (region.size,), 0),
        Tensor("Y", 0, Part.OUTPUT, "real", (1,), region.size),
    )
    return Claim((Declared("f"),), tensors, ((*atoms, Atom(output)),), "the output is small")
