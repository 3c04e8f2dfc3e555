"""How far two networks are apart, by algebra: both are written over the same ReLUs and compared.

Every value is an affine form of the inputs and of ReLUs that came before, with exact coefficients.
A ReLU whose pre-activation is a positive multiple of an earlier one's is that multiple of it, one
whose pre-activation is a negative multiple is the other side of it, a constant one is a constant.
So networks that fold into each other by exact steps get the same forms. Where a folded weight was
rounded, a match says which ReLU it stands for; the difference of both pre-activations then bounds
that of both ReLUs, for no ReLU widens a difference, and is carried along as a radius.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from .bound import Bounds
from .model import Affine, Concat, FormatError, Input, Select, Sum
from .system import Activation, System

Array = NDArray[np.float64]
Place = tuple[int, int]
"""Node and neuron."""

MOST = 30_000_000
"""Products of coefficients that are worth the time."""


class AlgebraError(ValueError):
    """Two networks that cannot be compared so, in one line."""


@dataclass(frozen=True, slots=True)
class Affinity:
    """``(constant + sum parts) / denominator``, up to a radius; whole numbers are quick to add.

    Attributes:
        parts: whole coefficients by element, an input or a ReLU; none is 0.
        constant: whole.
        denominator: above 0.
        radius: the value is no farther from that anywhere in the box.
    """

    parts: Mapping[int, int]
    constant: int
    denominator: int = 1
    radius: Fraction = Fraction(0)

    @classmethod
    def multiple(cls, element: int, factor: Fraction, radius: Fraction = Fraction(0)) -> Affinity:
        """Return a multiple of an element, by a factor that is not 0."""
        return cls({element: factor.numerator}, 0, factor.denominator, radius)


@dataclass(frozen=True, slots=True)
class Alike:
    """What a neuron is matched with: see `form.Match`.

    Attributes:
        place: of the other.
        scale: above 0.
    """

    place: Place
    scale: Fraction


@dataclass(slots=True)
class _Elements:
    """Inputs and ReLUs that are no multiples of each other.

    Attributes:
        most: bound on the magnitude of each in the box.
        known: elements by their pre-activation's coprime coefficients, and what these are to be
            multiplied by.
    """

    most: list[Fraction] = field(default_factory=list)
    known: dict[tuple[object, ...], tuple[int, Fraction]] = field(default_factory=dict)


def distance(
    system: System,
    lower: Array,
    upper: Array,
    matches: Mapping[Place, Alike],
    watch: Callable[[], None] = lambda: None,
) -> Fraction:
    """Return a bound on how far any output of subject 1 is from that of subject 0 in a box.

    Args:
        system: both networks.
        lower: ``(inputs,)`` of the box.
        upper: the same.
        matches: for ReLUs of subject 1.
        watch: called now and then; what it raises ends the work.

    Raises:
        AlgebraError: a ReLU of subject 1 is neither exactly one of subject 0 nor matched, or there
            is too much to compute.
        FormatError: a match speaks of no ReLU.
    """
    return _Walk(system, lower, upper, matches, watch).run()


class _Walk:
    def __init__(
        self,
        system: System,
        lower: Array,
        upper: Array,
        matches: Mapping[Place, Alike],
        watch: Callable[[], None],
    ) -> None:
        self.system, self.matches, self.watch = system, matches, watch
        self.bounds = Bounds(system, lower[None], upper[None])
        self.values: list[list[Affinity]] = []
        self.elements = _Elements()
        self.relus: dict[Place, tuple[int, Fraction, Affinity]] = {}
        self.work = 0

    def run(self) -> Fraction:
        """Return the distance."""
        first, second = (self.system.places[at][None] for at in (0, 1))
        if self.system.sizes[first] != self.system.sizes[second]:
            raise FormatError("the networks have different numbers of outputs")
        for node in range(len(self.system.nodes)):
            self.values.append(self._node(node))
        apart = Fraction(0)
        for one, two in zip(self.values[first], self.values[second], strict=True):
            apart = max(apart, self._size(_less(one, two)))
        return apart

    def _node(self, node: int) -> list[Affinity]:
        layer = self.system.nodes[node]
        match layer:
            case Input(size=size):
                return [self._element(0, index) for index in range(size)]
            case Affine(source=source, weight=weight, bias=bias):
                return self._affine(self.values[source], weight, bias)
            case Activation(source=source):
                return [
                    self._neuron(node, at, value, layer)
                    for at, value in enumerate(self.values[source])
                ]
            case Sum(sources=several):
                columns = zip(*(self.values[one] for one in several), strict=True)
                return [_total([(Fraction(1), one) for one in column]) for column in columns]
            case Concat(sources=several):
                return [value for one in several for value in self.values[one]]
            case Select(source=source, indices=indices):
                return [self.values[source][index] for index in indices.tolist()]
            case _:
                assert_never(layer)

    def _affine(self, values: list[Affinity], weight: Array, bias: Array) -> list[Affinity]:
        out = []
        for row, constant in zip(weight, bias.tolist(), strict=True):
            used = np.flatnonzero(row).tolist()
            self.work += sum(len(values[at].parts) + 1 for at in used)
            if self.work > MOST:
                raise AlgebraError("the networks are too large to be compared by algebra")
            parts = [(Fraction(float(row[at])), values[at]) for at in used]
            self.watch()
            out.append(_total(parts, Fraction(constant)))
        return out

    def _neuron(self, node: int, neuron: int, value: Affinity, layer: Activation) -> Affinity:
        if not layer.relu[neuron]:
            slope, shift = (
                Fraction(float(side[neuron])) for side in (layer.slope, layer.intercept)
            )
            return _total([(slope, value)], shift)
        if not value.parts:
            return Affinity({}, max(value.constant, 0), value.denominator, value.radius)
        alike = self.matches.get((node, neuron))
        if alike is not None:
            return self._matched(value, alike)
        if value.radius:
            raise AlgebraError(
                f"neuron {neuron} of a layer reads rounded weights and is matched with no other"
            )
        return self._exact(node, neuron, value)

    def _matched(self, value: Affinity, alike: Alike) -> Affinity:
        """Return a ReLU as a multiple of another one, as far away as their pre-activations."""
        found = self.relus.get(alike.place)
        if found is None or alike.scale <= 0:
            raise FormatError("a neuron is matched with what is no ReLU, or not by a scale above 0")
        element, ratio, before = found
        far = self._size(_less(value, _total([(alike.scale, before)])))
        return Affinity.multiple(element, ratio * alike.scale, far)

    def _exact(self, node: int, neuron: int, value: Affinity) -> Affinity:
        """Return a ReLU as what it is of an earlier one, or as a new element."""
        known, scale = self.elements.known, _scale(value)
        found = known.get(_key(value, 1))
        if found is not None:
            element, ratio = found[0], scale / found[1]
            self.relus[node, neuron] = element, ratio, value
            return Affinity.multiple(element, ratio)
        found = known.get(_key(value, -1))
        if found is not None:  # relu(-z) = relu(z) - z
            whole = Affinity.multiple(found[0], scale / found[1])
            return _total([(Fraction(1), whole), (Fraction(1), value)])
        out = self._element(node, neuron)
        known[_key(value, 1)] = len(self.elements.most) - 1, scale
        self.relus[node, neuron] = len(self.elements.most) - 1, Fraction(1), value
        return out

    def _element(self, node: int, index: int) -> Affinity:
        most = float(self.bounds.most[node][0, index])
        if not np.isfinite(most):
            raise AlgebraError("the values of a layer have no bound")
        self.elements.most.append(Fraction(most))
        return Affinity.multiple(len(self.elements.most) - 1, Fraction(1))

    def _size(self, value: Affinity) -> Fraction:
        """Return a bound on a value's magnitude in the box, by the elements' magnitudes."""
        whole = Fraction(abs(value.constant))
        for element, part in value.parts.items():
            whole += abs(part) * self.elements.most[element]
        return whole / value.denominator + value.radius


def _total(parts: list[tuple[Fraction, Affinity]], constant: Fraction = Fraction(0)) -> Affinity:
    """Return a sum of multiples."""
    common = lcm(
        constant.denominator, *(factor.denominator * value.denominator for factor, value in parts)
    )
    whole = constant.numerator * (common // constant.denominator)
    out: dict[int, int] = {}
    radius = Fraction(0)
    for factor, value in parts:
        times = factor.numerator * (common // (factor.denominator * value.denominator))
        whole += times * value.constant
        if value.radius:
            radius += abs(factor) * value.radius
        for element, part in value.parts.items():
            out[element] = out.get(element, 0) + times * part
    return Affinity({at: part for at, part in out.items() if part}, whole, common, radius)


def _less(one: Affinity, two: Affinity) -> Affinity:
    return _total([(Fraction(1), one), (Fraction(-1), two)])


def _scale(value: Affinity) -> Fraction:
    """Return what a value's coprime coefficients are to be multiplied by; above 0."""
    return Fraction(gcd(value.constant, *value.parts.values()), value.denominator)


def _key(value: Affinity, sign: int) -> tuple[object, ...]:
    """Return the coprime coefficients of a value or of its negative."""
    by = sign * gcd(value.constant, *value.parts.values())
    parts = tuple((at, part // by) for at, part in sorted(value.parts.items()))
    return (value.constant // by, *parts)
