"""A claim asked of networks, as one network whose outputs are the claim's rows.

Every linear form of the claim becomes one output ``z`` of a merged network over all inputs; an atom
holds where its row's z is at most a limit. Inputs that the claim ties to each other in every case
(``X[0] == X2[0]``) are one input of the merged network. Everything after this, bounds, search and
integer programs, sees rows of one network and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .claim import Atom, Case, Claim, Part
from .errors import InputError, RegionError, UnsupportedError
from .network import Layer, Network, Piecewise
from .region import Region
from .rounding import LARGEST
from .sources import Merged, Source, Ties, near

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One case of a claim over a box.

    Attributes:
        region: the closed box that the case's own limits leave of the inputs.
        atoms: row and strictness of each inequality; all of them must hold.
        open_sides: inputs (and whether the upper side) whose limit the case itself excludes; the
            box keeps it, a witness must not lie on it.
    """

    region: Region
    atoms: tuple[tuple[int, bool], ...]
    open_sides: tuple[tuple[int, bool], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked, in the engine's terms.

    Attributes:
        network: the merged network; its outputs are the rows ``z``.
        limits: a row's atom holds where ``z <= limit`` (``<`` if strict); near zero, for all of the
            limit that is a float stands in the network's bias.
        alternatives: a counterexample satisfies one of them; none where the claim's formula
            cannot hold.
        sources: the networks that were merged.
        weights: for each source its rows' coefficients ``(rows, outputs)``, exact.
        direct: ``(rows, inputs)`` coefficients of the inputs, exact.
        bias: ``(rows,)``.
        plain: whether `weights`, `direct` and `bias` say all: no hidden tensors, and no coefficient
            of more than 53 bits.
        claim: what was asked.
        columns: for each variable of an input tensor the input it is: ``{variable: input}``.
        forms: of each row the coefficients of the claim's variables; equated inputs are one.
    """

    network: Network
    limits: tuple[Fraction, ...]
    alternatives: tuple[Alternative, ...]
    sources: tuple[Source, ...]
    weights: tuple[Array, ...]
    direct: Array
    bias: Array
    plain: bool
    claim: Claim
    columns: Mapping[int, int]
    forms: tuple[Mapping[int, Fraction], ...]

    @property
    def size(self) -> int:
        """Number of inputs."""
        return self.network.size_in

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.limits)

    @property
    def vacuous(self) -> bool:
        """Whether no input satisfies what the claim says of inputs alone."""
        return not self.alternatives

    def holds(self, alternative: Alternative, point: Sequence[Fraction], rows: Any) -> bool:
        """Return whether an alternative holds at a point with these exact values of its rows."""
        region = alternative.region
        if not region.contains(point):
            return False
        for index, upper in alternative.open_sides:
            side = region.exact_upper if upper else region.exact_lower
            if point[index] == side[index]:
                return False
        return all(
            rows[row] < self.limits[row] or (rows[row] == self.limits[row] and not strict)
            for row, strict in alternative.atoms
        )

    def row(self, row: int, values: Sequence[Fraction]) -> Fraction:
        """Return what a row is at values of all variables of the claim."""
        total = sum((c * values[v] for v, c in self.forms[row].items()), Fraction(0))
        return total + Fraction(float(self.bias[row]))

    def values(self, point: Sequence[Fraction]) -> list[Fraction]:
        """Return the exact values of all variables of the claim at a point ``(inputs,)``."""
        out: list[Fraction] = []
        traces = {}
        for source in self.sources:
            place = np.array([point[at] for at in source.inputs], dtype=object)
            trace = source.network.trace_exact(place[None])
            for declared in source.declared:
                traces[declared] = (source.network, trace)
        outputs: dict[tuple[int, Part], int] = {}
        for tensor in self.claim.tensors:
            if tensor.part is Part.INPUT:
                out.extend(point[self.columns[tensor.first + at]] for at in range(tensor.size))
                continue
            network, trace = traces[tensor.network]
            name = network.output if tensor.part is Part.OUTPUT else str(tensor.node)
            first = outputs.get((tensor.network, tensor.part), 0) if name == network.output else 0
            if tensor.part is Part.OUTPUT:
                outputs[tensor.network, tensor.part] = first + tensor.size
            out.extend(trace[name].fractions()[0, first : first + tensor.size].tolist())
        return out

    def of(self, networks: Sequence[Network]) -> Question:
        """Return the same question of networks that differ from its own in activations alone.

        Args:
            networks: one for each of its sources, whose layers of weights are the sources' own.
        """
        layers: dict[str, Layer] = {}
        for at, (source, network) in enumerate(zip(self.sources, networks, strict=True)):
            for node in source.network.nodes:
                layer = network.by_name[node.name].layer
                if layer is not node.layer:
                    assert isinstance(layer, Piecewise)
                    layers[f"{at}:{node.name}"] = layer
        sources = tuple(
            replace(source, network=network)
            for source, network in zip(self.sources, networks, strict=True)
        )
        return replace(self, network=self.network.with_layers(layers), sources=sources)


def ask(claim: Claim, networks: Sequence[Network]) -> Question:
    """Return the question that a claim asks of networks.

    Args:
        claim: all atoms linear.
        networks: one for each declared network, copies (`equal-to`) given the network that they are
            a copy of; flat inputs and outputs in the order of their declared tensors.

    Raises:
        UnsupportedError: products of variables; a hidden tensor that the network does not have.
        InputError: another number of networks, inputs or outputs than declared.
        RegionError: an input without a limit.
    """
    return _Asked(claim, networks).question()


@dataclass(slots=True, eq=False)
class _Limits:
    """Limits of the inputs, as a case states them.

    Attributes:
        lower, upper: None where there is none so far.
        open: of limits (input, whether the upper side) whether they are strict.
    """

    lower: list[Fraction | None]
    upper: list[Fraction | None]
    open: dict[tuple[int, bool], bool]

    @classmethod
    def none(cls, size: int) -> _Limits:
        return cls([None] * size, [None] * size, {})

    def copy(self) -> _Limits:
        return _Limits(self.lower.copy(), self.upper.copy(), self.open.copy())

    def cut(self, index: int, limit: Fraction, *, above: bool, strict: bool) -> None:
        """Take another limit of an input over."""
        side = self.upper if above else self.lower
        old = side[index]
        if old is None or (limit < old if above else limit > old):
            side[index], self.open[index, above] = limit, strict
        elif limit == old:
            self.open[index, above] = self.open.get((index, above), False) or strict


def _meet(low: Sequence[Fraction], high: Sequence[Fraction]) -> bool:
    return all(one <= two for one, two in zip(low, high, strict=True))


class _Asked:
    def __init__(self, claim: Claim, networks: Sequence[Network]) -> None:
        self.claim, self.networks = claim, networks
        _check(claim, networks)
        self.tied = Ties(claim)
        self.columns = self.tied.columns
        self.size = self.tied.size
        self.sources = self._sources()
        self.shared, self.limits = self._common()
        self.regions: list[Region | None] = []
        self.rows: dict[tuple[tuple[int, Fraction], ...], dict[Fraction, int]] = {}
        self.forms: list[tuple[Mapping[int, Fraction], Fraction]] = []

    def question(self) -> Question:
        alternatives = [found for case in self.claim.cases if (found := self._alternative(case))]
        if not self.forms:  # a claim about inputs alone; its row is never read
            self.forms.append(({}, Fraction(0)))
        merged = Merged(self.claim, self.sources, self.columns, self.size)
        nodes, weights, direct, bias, plain = merged.build([form for form, _ in self.forms])
        limits = []
        for row, (_, offset) in enumerate(self.forms):
            limits.append(-offset)
            nearest = near(self.claim, -offset)
            bias[row] = -nearest
            limits[row] -= Fraction(nearest)
        network = merged.finish(nodes, bias)
        return Question(
            network=network,
            limits=tuple(limits),
            alternatives=tuple(alternatives),
            sources=self.sources,
            weights=weights,
            direct=direct,
            bias=bias,
            plain=plain,
            claim=self.claim,
            columns=self.columns,
            forms=tuple(self.tied.named_by_variable(form) for form, _ in self.forms),
        )

    def _sources(self) -> tuple[Source, ...]:
        found: list[Source] = []
        for index, network in enumerate(self.networks):
            tensors = self.claim.of(index, Part.INPUT)
            variables = [tensor.first + at for tensor in tensors for at in range(tensor.size)]
            inputs = np.array([self.columns[v] for v in variables], dtype=np.int64)
            for place, other in enumerate(found):
                if other.network is network and np.array_equal(other.inputs, inputs):
                    found[place] = Source(network, inputs, (*other.declared, index))
                    break
            else:
                found.append(Source(network, inputs, (index,)))
        return tuple(found)

    def _alternative(self, case: Case) -> Alternative | None:
        """Return a case's box and rows; None where its limits leave no input."""
        start = len(self.shared)
        if len(case) < start or any(a is not b for a, b in zip(case, self.shared, strict=False)):
            start = 0
        limits = self.limits if start else _Limits.none(self.size)
        rest: list[tuple[dict[int, Fraction], Fraction, bool]] = []
        for atom in case[start:]:
            slopes = self.tied.replaced(atom)
            offset = atom.form.offset
            if not slopes:
                if offset > 0 or (offset == 0 and atom.strict):
                    return None
                continue
            ((index, slope), *more) = slopes.items()
            if more or index >= self.size:
                rest.append((slopes, offset, atom.strict))
                continue
            if limits is self.limits:
                limits = limits.copy()
            limits.cut(index, -offset / slope, above=slope > 0, strict=atom.strict)
        region = self._region(limits)
        if region is None:
            return None
        found = [(self._row(form, offset), strict) for form, offset, strict in rest]
        atoms = tuple(dict.fromkeys(found))
        sides = tuple(key for key, strict in limits.open.items() if strict)
        return Alternative(region, atoms, sides)

    def _common(self) -> tuple[tuple[Atom, ...], _Limits]:
        """Return the limits of single inputs that all cases begin with, atom by atom the same."""
        limits = _Limits.none(self.size)
        cases = self.claim.cases
        shared: list[Atom] = []
        for place, atom in enumerate(cases[0] if len(cases) > 1 else ()):
            slopes = self.tied.replaced(atom)
            if slopes and (len(slopes) > 1 or next(iter(slopes)) >= self.size):
                break
            if any(len(case) <= place or case[place] is not atom for case in cases):
                break
            offset = atom.form.offset
            if not slopes and (offset > 0 or (offset == 0 and atom.strict)):
                break
            shared.append(atom)
            for index, slope in slopes.items():
                limits.cut(index, -offset / slope, above=slope > 0, strict=atom.strict)
        return tuple(shared), limits

    def _region(self, limits: _Limits) -> Region | None:
        """Return the box of limits, the same object for the same limits; None where it is empty."""
        if limits is self.limits and self.regions:
            return self.regions[0]
        low, high = self._limited(limits.lower, "lower"), self._limited(limits.upper, "upper")
        region: Region | None = Region(low, high, self.claim.name) if _meet(low, high) else None
        for index, upper in limits.open:
            shut = limits.open[index, upper] and low[index] == high[index]
            region = None if shut else region
        if limits is self.limits:
            self.regions.append(region)
        return region

    def _limited(self, side: list[Fraction | None], word: str) -> tuple[Fraction, ...]:
        for index, value in enumerate(side):
            if value is None:
                raise RegionError(
                    f"{self.claim.name}: input {self.tied.named(index)} has no {word} limit in "
                    f"some case: a region is bounded; assert a {word} limit for it"
                )
            if abs(value) > LARGEST:
                raise RegionError(
                    f"{self.claim.name}: the {word} limit of input {self.tied.named(index)} is "
                    f"beyond {LARGEST:.3g}: write a smaller one"
                )
        return tuple(value for value in side if value is not None)

    def _row(self, slopes: Mapping[int, Fraction], offset: Fraction) -> int:
        """Return the row of a form; its coefficients are made coprime integers."""
        over = lcm(*(value.denominator for value in slopes.values()))
        whole = gcd(*(int(value * over) for value in slopes.values()))
        scale = Fraction(over, whole)
        form = {index: value * scale for index, value in sorted(slopes.items())}
        limits = self.rows.setdefault(tuple(form.items()), {})
        if offset * scale not in limits:
            limits[offset * scale] = len(self.forms)
            self.forms.append((form, offset * scale))
        return limits[offset * scale]


def _check(claim: Claim, networks: Sequence[Network]) -> None:
    if len(networks) != len(claim.networks):
        raise InputError(
            f"{claim.name} speaks of {len(claim.networks)} networks and {len(networks)} are given: "
            "name one file for each"
        )
    for index, network in enumerate(networks):
        for part, size in ((Part.INPUT, network.size_in), (Part.OUTPUT, network.size_out)):
            stated = sum(tensor.size for tensor in claim.of(index, part))
            if stated != size and (part is Part.INPUT or stated):
                raise InputError(
                    f"{claim.name}: network {claim.networks[index].name} is declared with {stated} "
                    f"{part.value}s, the file {network.origin.path} has {size}: name the file that "
                    "belongs to it"
                )
    for case in claim.cases:
        for atom in case:
            if atom.form.degree > 1:
                raise UnsupportedError(
                    f"{claim.name}: an inequality multiplies variables, which is not linear"
                )
