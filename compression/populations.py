"""Populations of networks: many of one kind, each trained from its own seed, then compressed.

Pruned networks are pruned while they are trained, along the cubic schedule; quantized ones are
trained as the originals are and quantized afterwards. No two networks, of one population or of two,
share their first weights or the order of their data, so populations are independent samples.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Affine, Network, Origin
from .compress import compress
from .data.dataset import Dataset
from .form import Compressed
from .gradual import Descent, Lesson, Schedule, gradual
from .method import Float16, Int8, Int8Weights, Method, Scope, SeenRanges
from .plain import weighted, with_weight

Array = NDArray[np.float64]

CALIBRATION: Final = 1000
"""Training rows from which the ranges of int8 activations are taken, at most."""

RENEWALS: Final = 20
"""How often masks are made anew along the schedule, at most."""


class Storage(StrEnum):
    """How quantized networks are stored and computed with."""

    FLOAT16 = "float16"
    INT8_WEIGHTS = "int8-weights"
    INT8 = "int8"


@dataclass(frozen=True, slots=True)
class Pruned:
    """Networks that lose a share of their weights while they are trained.

    Attributes:
        share: in [0, 1). Nothing is lost at 0: such a population differs from the original one in
            its seeds alone, and stands beside the others as their control.

    Raises:
        InputError: another share.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise InputError(f"sparsity {self.share:g}: give a number from 0 to below 1")

    @property
    def name(self) -> str:
        """What to call it."""
        return f"pruned-{self.share:g}"


@dataclass(frozen=True, slots=True)
class Quantized:
    """Networks that are quantized after training.

    Attributes:
        how: they are stored.
    """

    how: Storage

    @property
    def name(self) -> str:
        """What to call it."""
        return str(self.how.value)


@dataclass(frozen=True, slots=True)
class Original:
    """Networks that are not compressed."""

    @property
    def name(self) -> str:
        """What to call it."""
        return "original"


Level = Original | Pruned | Quantized


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What populations are made of.

    Attributes:
        shape: the network whose layers all have; its numbers are drawn anew for each.
        levels: the compressed populations, all different.
        models: networks of a population; two or more.
        epochs: passes over the training rows.
        batch: rows of a step.
        rate: of learning (Adam).
        scope: whether weights compete with those of all layers or of their own.
        seed: of all of them.

    Raises:
        InputError: a number outside its range, two levels of one name, or none.
    """

    shape: Network
    levels: tuple[Level, ...]
    models: int = 30
    epochs: int = 10
    batch: int = 128
    rate: float = 1e-3
    scope: Scope = Scope.GLOBAL
    seed: int = 0

    def __post_init__(self) -> None:
        names = [level.name for level in self.levels]
        if not names:
            raise InputError("nothing is compressed: give a sparsity or a quantization")
        for name in names:
            if names.count(name) > 1 or name == Original().name:
                raise InputError(f"{name} is asked for twice: name each population once")
        if self.models < 2:
            raise InputError(f"{self.models} models: a population has two or more")
        if self.epochs < 1 or self.batch < 1:
            raise InputError(
                f"{self.epochs} epochs of batches of {self.batch}: give 1 or more of each"
            )
        if not (self.rate > 0 and math.isfinite(self.rate)):
            raise InputError(f"rate {self.rate:g}: give a number above 0")

    @property
    def every(self) -> tuple[Level, ...]:
        """All populations, the original one first."""
        return (Original(), *self.levels)


def dense(hidden: Sequence[int], data: Dataset) -> Network:
    """Return a chain of dense layers from a data set's features to its classes, all numbers 0.

    Args:
        hidden: neurons of each hidden layer.
        data: with labels.

    Raises:
        InputError: no hidden layer or an empty one; data without labels.
    """
    if not hidden or min(hidden) < 1:
        raise InputError("give the sizes of hidden layers as numbers of 1 or more: 64,32")
    if data.labels is None:
        raise InputError(f"{data.name}: has no labels to train on: give data with classes")
    sizes = [data.features, *hidden, data.classes]
    weights = [np.zeros((rows, size)) for size, rows in itertools.pairwise(sizes)]
    for weight in weights:
        weight[0, 0], weight[-1, -1] = 1.0, 2.0  # weights, not the form of a layer
    origin = Origin(f"dense networks {'-'.join(map(str, sizes))}")
    return Network.dense(weights, [np.zeros(len(weight)) for weight in weights], origin)


def member_seed(plan: Plan, level: Level, member: int) -> int:
    """Return the seed of one network: a number of its own for each, whatever else is planned."""
    words = [plan.seed, zlib.crc32(level.name.encode()), member]
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def trained(plan: Plan, level: Level, member: int, data: Dataset) -> Compressed:
    """Return one network of a population.

    Args:
        plan: what all are made of.
        level: its population.
        member: its number there, from 0.
        data: the training rows, with labels.

    Raises:
        InputError: data of another size, without labels or without a row; a training that diverges.
    """
    if data.labels is None or not len(data):
        raise InputError(f"{data.name}: give training rows with labels")
    seed = member_seed(plan, level, member)
    lesson = Lesson(data.inputs.astype(np.float64), labels=data.labels)
    steps = max(1, plan.epochs * math.ceil(len(data) / plan.batch))
    share = level.share if isinstance(level, Pruned) else 0.0
    training = Descent(steps, min(plan.batch, len(data)), plan.rate, seed)
    fresh = drawn(plan.shape, seed)
    made = gradual(fresh, schedule(share, steps), lesson, training, plan.scope)
    match level:
        case Original() | Pruned():
            return made
        case Quantized(how=how):
            return compress(made.network, _method(how, lesson), seed=seed)
        case _ as never:
            assert_never(never)


def schedule(share: float, steps: int) -> Schedule:
    """Return the cubic schedule of a training: from a fifth of its steps to four fifths.

    The last fifth is trained with the final masks.
    """
    start = steps // 5
    room = max(1, (4 * steps) // 5 - start)
    times = min(RENEWALS, room)
    return Schedule(share, 0.0, start, room // times, times)


def drawn(shape: Network, seed: int) -> Network:
    """Return a network with the layers of another one and first weights of its own.

    Weights are normal with variance 2 / inputs of a neuron, biases 0.

    Source: K. He, X. Zhang, S. Ren, J. Sun, Delving deep into rectifiers, 2015.
    """
    rng = np.random.default_rng(seed)
    layers = {}
    for node, layer in weighted(shape):
        weight = layer.operator.weight
        deviation = math.sqrt(2.0 / max(1, weight[0].size))
        values = (rng.normal(size=weight.shape) * deviation).astype(np.float32).astype(np.float64)
        layers[node.name] = Affine(with_weight(layer.operator, values), np.zeros(layer.bias.size))
    origin = Origin(shape.origin.path, "built", "", "float32")
    return replace(shape.with_layers(layers), origin=origin)


def _method(how: Storage, lesson: Lesson) -> Method:
    match how:
        case Storage.FLOAT16:
            return Float16()
        case Storage.INT8_WEIGHTS:
            return Int8Weights()
        case Storage.INT8:
            return Int8(SeenRanges(lesson.inputs[:CALIBRATION]))
        case _ as never:
            assert_never(never)
