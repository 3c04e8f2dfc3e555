"""What compression forgets, layer by layer: divergences beside the damage that they should predict.

Each layer of a trained network is compressed alone, by every method and share; its weights'
divergence is set beside what the network loses by it on data, and beside the certified discrepancy
where the engine can bound the network.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..engine.errors import InputError
from .covariance import Covariance, from_fisher, from_samples
from .divergence import (
    Estimate,
    Projection,
    ap2,
    distance_limit,
    gaussian,
    same_covariance,
    student,
)
from .latent_certify import Certified, Judge
from .latent_cut import Cut, Method, check_share, cut
from .latent_samples import Layer, Samples, fisher, layers_of, replaced, weights_of
from .latent_train import Lesson, Performance, Told, performance, silent

Array = NDArray[np.float64]


class Spread(StrEnum):
    """Where the covariance of a layer's weights comes from."""

    DIAGONAL = "diagonal"
    """The variances over samples of the weights."""
    LOWRANK = "lowrank"
    """Those, and the strongest directions over the samples."""
    FISHER = "fisher"
    """The inverse of the empirical Fisher information's diagonal."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is compressed and compared.

    Attributes:
        methods: of compression, at least one.
        shares: of the weights that go, each in (0, 1), at least one.
        spreads: covariances to take.
        rank: directions of `Spread.LOWRANK`.
        freedom: degrees of freedom of the Student distributions.
        general: whether the compressed weights get a covariance of their own, too, from their
            own Fisher information; needs `Spread.FISHER`.
        examples: rows that Fisher information is estimated from.
        seed: of all draws.

    Raises:
        InputError: an empty list, a share out of range, general without fisher.
    """

    methods: tuple[Method, ...] = tuple(Method)
    shares: tuple[float, ...] = (0.3, 0.6, 0.9)
    spreads: tuple[Spread, ...] = (Spread.DIAGONAL,)
    rank: int = 4
    freedom: float = 4.0
    general: bool = False
    examples: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("methods", "shares", "spreads"):
            given = getattr(self, name)
            if not given or len(set(given)) != len(given):
                raise InputError(f"{name}: give at least one, each once")
        for share in self.shares:
            check_share(share)
        if self.general and Spread.FISHER not in self.spreads:
            raise InputError("the general divergence takes Fisher information: add fisher")
        if self.examples < 1 or self.rank < 1 or not self.freedom > 0:
            raise InputError("examples, rank and degrees of freedom: give numbers above 0")


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What a study stands on, of every layer.

    Attributes:
        covariances: for each kind, of each layer.
        directions: of each layer's inputs, where they are known.
    """

    covariances: Mapping[Spread, Mapping[Layer, Covariance]]
    directions: Mapping[Layer, Array]


@dataclass(frozen=True, slots=True)
class Divergence:
    """AP3 of a layer under one kind of covariance, nats.

    Attributes:
        gaussian: of normal distributions of equal covariance.
        student: of Student distributions of equal scale, estimated.
        limit: the largest squared distance of weights that the first leaves possible.
        general: of normal distributions whose covariances differ; None where not asked for.
    """

    gaussian: float
    student: Estimate
    limit: float
    general: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One layer, compressed alone by one method and share.

    Attributes:
        layer: its name.
        method, share: what went.
        stored: numbers left to store, by the numbers there were.
        rank: of the weights with low rank, else None.
        ap2: by projection; that on the inputs only where their directions are known.
        ap3: by kind of covariance.
        loss: mean loss of the compressed network less that of the original, on test rows.
        accuracy: share of right answers of the original less that of the compressed one; None
            without labels.
        certified: how far the outputs can be apart; None where not asked for.
    """

    layer: str
    method: Method
    share: float
    stored: float
    rank: int | None
    ap2: Mapping[Projection, float]
    ap3: Mapping[Spread, Divergence]
    loss: float
    accuracy: float | None
    certified: Certified | None = None


def basis_of(
    module: nn.Module,
    settings: Settings,
    samples: Samples | None,
    lesson: Lesson,
    directions: Mapping[Layer, Array],
    told: Told = silent,
) -> Basis:
    """Return the covariances of every layer of a module.

    Args:
        module: trained.
        settings: which covariances.
        samples: of its weights; None where only Fisher information is asked for.
        lesson: rows that it was trained on.
        directions: of each layer's inputs, where they are known.
        told: of the progress.

    Raises:
        InputError: samples that are missing, or that are all equal in a layer.
    """
    layers = layers_of(module)
    found: dict[Spread, dict[Layer, Covariance]] = {}
    for spread in settings.spreads:
        if spread is Spread.FISHER:
            rows = lesson.drawn(settings.examples, settings.seed)
            information = fisher(module, rows, layers, told)
        elif samples is None:
            raise InputError(f"covariance {spread}: needs samples of the weights")
        rank = settings.rank if spread is Spread.LOWRANK else 0
        found[spread] = {}
        for layer in layers:
            try:
                if spread is Spread.FISHER:
                    one = from_fisher(information[layer], len(lesson))
                else:
                    assert samples is not None
                    one = from_samples(samples.of(layer), rank)
            except InputError as error:
                raise InputError(f"layer {layer.name}: {error}") from error
            found[spread][layer] = one
    return Basis(found, directions)


def compressed(
    module: nn.Module, layer: Layer, method: Method, share: float, seed: int
) -> tuple[Array, Cut]:
    """Return a layer's weights, and compressed; the draw depends on the seed, layer and share.

    Raises:
        InputError: a share out of range.
    """
    weights = weights_of(module, layer)
    rng = np.random.default_rng([seed, zlib.crc32(layer.name.encode()), round(share * 10**6)])
    return weights, cut(weights, method, share, rng)


def divergences(
    weights: Array, other: Array, layer: Layer, basis: Basis, settings: Settings
) -> dict[Spread, Divergence]:
    """Return AP3 of a layer, the original's distribution from that of other weights."""
    apart = (weights - other).ravel()
    seed = zlib.crc32(layer.name.encode()) ^ settings.seed
    found = {}
    for spread, covariances in basis.covariances.items():
        covariance = covariances[layer]
        plain = same_covariance(apart, covariance)
        found[spread] = Divergence(
            plain,
            student(apart, covariance, settings.freedom, seed),
            distance_limit(plain, covariance),
        )
    return found


def study(
    module: nn.Module,
    settings: Settings,
    basis: Basis,
    lesson: Lesson,
    test: Lesson,
    judge: Judge | None = None,
    done: Sequence[tuple[str, Method, float]] = (),
    told: Told = silent,
) -> Iterator[Row]:
    """Yield a row for each layer, method and share; each depends on those and the seed alone.

    Args:
        module: trained; as it was again after every row.
        settings: what is compressed and compared.
        basis: as `basis_of` gives it.
        lesson: rows that it was trained on, for Fisher information of compressed weights.
        test: rows to measure the damage with.
        judge: what certifies; None for no certified discrepancy.
        done: layer, method and share of rows that are known already and left out.
        told: of the progress.
    """
    before = performance(module, test)
    layers = layers_of(module)
    plan = [(x, m, s) for x in layers for m in settings.methods for s in settings.shares]
    for at, (layer, method, share) in enumerate(plan):
        told("rows", at, len(plan))
        if (layer.name, method, share) not in done:
            yield _row(module, (layer, method, share), settings, basis, lesson, test, before, judge)
    told("rows", len(plan), len(plan))


def _row(
    module: nn.Module,
    what: tuple[Layer, Method, float],
    settings: Settings,
    basis: Basis,
    lesson: Lesson,
    test: Lesson,
    before: Performance,
    judge: Judge | None,
) -> Row:
    layer, method, share = what
    weights, found = compressed(module, layer, method, share, settings.seed)
    ap3 = divergences(weights, found.weights, layer, basis, settings)
    with replaced(module, {layer: found.weights}):
        after = performance(module, test)
        certified = None if judge is None else judge(module)
        if settings.general:
            rows = lesson.drawn(settings.examples, settings.seed)
            ap3[Spread.FISHER] = _generalised(
                module, layer, (weights - found.weights).ravel(), basis, rows, lesson, ap3
            )
    directions = basis.directions.get(layer)
    kinds = [p for p in Projection if p is not Projection.INPUTS or directions is not None]
    worse = None
    if before.accuracy is not None and after.accuracy is not None:
        worse = before.accuracy - after.accuracy
    return Row(
        layer.name,
        method,
        share,
        found.stored,
        found.rank,
        {kind: ap2(weights, found.weights, kind, directions) for kind in kinds},
        ap3,
        after.loss - before.loss,
        worse,
        certified,
    )


def _generalised(
    module: nn.Module,
    layer: Layer,
    apart: Array,
    basis: Basis,
    rows: Lesson,
    lesson: Lesson,
    ap3: Mapping[Spread, Divergence],
) -> Divergence:
    """Return a divergence with the general one, the compressed weights' covariance their own."""
    plain = ap3[Spread.FISHER]
    information = fisher(module, rows, [layer])[layer]
    if not information.any():  # the network no longer depends on the layer: no second covariance
        return plain
    own = from_fisher(information, len(lesson))
    value = gaussian(apart, basis.covariances[Spread.FISHER][layer], own)
    return Divergence(plain.gaussian, plain.student, plain.limit, value)
