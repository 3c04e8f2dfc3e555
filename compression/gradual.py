"""Pruning while training: the share of zeros grows along a cubic schedule.

Source: Zhu and Gupta 2017, To prune, or not to prune.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Affine, Network
from ..engine.operators import frozen
from ..engine.region import Region
from .form import Compressed
from .method import Scope
from .plain import narrow, plain, weighted, with_weight
from .prune import masks

if TYPE_CHECKING:
    import torch
    from torch import nn

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The share of weights that are zero, step by step of a training.

    ``s(t) = s_f + (s_i - s_f) (1 - (t - t0) / (n dt))^3`` at t = t0, t0 + dt, ..., t0 + n dt, where
    masks are made anew; `initial` before, `final` from t0 + n dt on, with the last masks.

    Attributes:
        final: s_f, in [0, 1).
        initial: s_i, in [0, final].
        start: t0, at least 0.
        every: dt, at least 1.
        times: n, at least 1.

    Raises:
        InputError: a number outside its range.
    """

    final: float
    initial: float = 0.0
    start: int = 0
    every: int = 100
    times: int = 10

    def __post_init__(self) -> None:
        if not 0.0 <= self.initial <= self.final < 1.0:
            raise InputError(
                f"shares from {self.initial:g} to {self.final:g}: give numbers from 0 to below 1, "
                "the first no larger"
            )
        if self.start < 0 or self.every < 1 or self.times < 1:
            raise InputError(
                f"a schedule from step {self.start}, {self.times} times every {self.every}: start "
                "at 0 or later, with at least 1 of each"
            )

    @property
    def end(self) -> int:
        """The step from which the share is the final one."""
        return self.start + self.times * self.every

    def share(self, step: int) -> float:
        """Return the share of zeros at a step, from 0."""
        if step < self.start:
            return self.initial
        if step >= self.end:
            return self.final
        left = 1.0 - (step - self.start) / (self.times * self.every)
        return self.final + (self.initial - self.final) * left**3

    def renews(self, step: int) -> bool:
        """Return whether masks are made anew before a step."""
        passed = step - self.start
        return 0 <= passed <= self.times * self.every and passed % self.every == 0


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a network is trained on.

    Attributes:
        inputs: ``(points, inputs)`` float64, network units.
        targets: ``(points, outputs)`` float64, for the mean square of the error; or None.
        labels: ``(points,)`` int64, the output that is to be the largest, for cross entropy; or
            None.

    Raises:
        InputError: no point, both or neither of targets and labels, or not one for each point.
        NetworkError: NaN or infinite numbers.
    """

    inputs: Array
    targets: Array | None = None
    labels: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", frozen(self.inputs, "inputs", 2))
        if (self.targets is None) == (self.labels is None):
            raise InputError("a training needs targets or labels: give one of them")
        if self.targets is not None:
            object.__setattr__(self, "targets", frozen(self.targets, "targets", 2))
        else:
            labels = np.array(self.labels, dtype=np.int64)
            labels.setflags(write=False)
            object.__setattr__(self, "labels", labels)
        count = len(self.targets if self.targets is not None else labels)
        if count != len(self.inputs) or not count:
            raise InputError(f"{len(self.inputs)} inputs and {count} answers: give one for each")


@dataclass(frozen=True, slots=True)
class Descent:
    """How a network is trained.

    Attributes:
        steps: of the optimiser (Adam).
        batch: points of a step.
        rate: of learning.
        seed: of the order of points.
    """

    steps: int = 2000
    batch: int = 128
    rate: float = 1e-3
    seed: int = 0


def distilled(network: Network, region: Region, count: int = 20_000, seed: int = 0) -> Lesson:
    """Return random points of a region and what the network gives there.

    Args:
        network: the original.
        region: closed box in network units.
        count: number of points.
        seed: of the points.

    Raises:
        RegionError: another number of inputs.
    """
    lower, upper = region.fit(network).lower, region.upper
    rng = np.random.default_rng(seed)
    inputs = lower + rng.random((count, region.size)) * (upper - lower)
    return Lesson(inputs, network.evaluate(inputs))


def gradual(
    network: Network,
    schedule: Schedule,
    lesson: Lesson,
    training: Descent | None = None,
    scope: Scope = Scope.GLOBAL,
) -> Compressed:
    """Return the network pruned by magnitude while it is trained, in float32 on one thread.

    After each step of the optimiser the weights that the masks cut are zero again.

    Args:
        network: any network with weights; trained on from there.
        schedule: the share of zeros.
        lesson: what to train on; `distilled` where there are no data.
        training: how; its steps go on to the end of the schedule at least.
        scope: what weights are compared with.

    Raises:
        InputError: a network without weights; data of another size; labels out of range; a
            training that diverges.
    """
    import torch

    from ..engine.formats.torch_write import write_torch

    training, network = training or Descent(), narrow(network)
    _check(network, lesson)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            module = write_torch(network, torch.float32)
            _train(network, module, schedule, lesson, training, scope)
    finally:
        torch.set_num_threads(threads)
    layers = {}
    for name, part in _parts(network, module).items():
        layer = network.by_name[name].layer
        assert isinstance(layer, Affine)
        weight, bias = (_array(part, what) for what in ("weight", "bias"))
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise InputError("the training diverged: take a smaller rate")
        layers[name] = Affine(with_weight(layer.operator, weight), bias)
    return plain(network.with_layers(layers))


def _check(network: Network, lesson: Lesson) -> None:
    if lesson.inputs.shape[1] != network.size_in:
        raise InputError(
            f"the data have {lesson.inputs.shape[1]} inputs, {network.origin.path} has "
            f"{network.size_in}"
        )
    if lesson.targets is not None and lesson.targets.shape[1] != network.size_out:
        raise InputError(
            f"the data have {lesson.targets.shape[1]} targets, {network.origin.path} has "
            f"{network.size_out} outputs"
        )
    labels = lesson.labels
    if labels is not None and not 0 <= labels.min() <= labels.max() < network.size_out:
        raise InputError(
            f"labels from {labels.min()} to {labels.max()}: {network.origin.path} has outputs 0 to "
            f"{network.size_out - 1}"
        )


def _parts(network: Network, module: nn.Module) -> dict[str, nn.Module]:
    """Return the modules of the layers that are pruned, by the names of their nodes."""
    wanted = {node.name for node, _ in weighted(network)}
    layers = getattr(module, "layers")  # noqa: B009  # torch types attributes as tensors
    pairs = zip(network.nodes[1:], layers, strict=True)
    return {node.name: part for node, part in pairs if node.name in wanted}


def _array(part: nn.Module, what: str) -> Array:
    tensor: torch.Tensor = getattr(part, what)
    return tensor.detach().numpy().astype(np.float64)


def _train(
    network: Network,
    module: nn.Module,
    schedule: Schedule,
    lesson: Lesson,
    training: Descent,
    scope: Scope,
) -> None:
    import torch
    from torch.nn import functional

    parts = _parts(network, module)
    inputs = torch.tensor(lesson.inputs, dtype=torch.float32)
    inputs = inputs.reshape(-1, *network.input.shape)
    answers = (
        torch.tensor(lesson.targets, dtype=torch.float32)
        if lesson.targets is not None
        else torch.tensor(lesson.labels)
    )
    trained = [tensor for part in parts.values() for tensor in part.parameters()]
    optimiser = torch.optim.Adam(trained, lr=training.rate)
    rng = np.random.default_rng(training.seed)
    kept: dict[str, torch.Tensor] = {}
    for step in range(max(training.steps, schedule.end + 1)):
        if schedule.renews(step) or step == 0:
            scores = {name: np.abs(_array(part, "weight")) for name, part in parts.items()}
            found = masks(scores, schedule.share(step), scope)
            kept = {name: torch.tensor(mask) for name, mask in found.items()}
            _cut(parts, kept)
        chosen = torch.tensor(rng.integers(0, len(inputs), training.batch))
        outputs = module(inputs[chosen]).flatten(1)
        if lesson.labels is None:
            loss = functional.mse_loss(outputs, answers[chosen])
        else:
            loss = functional.cross_entropy(outputs, answers[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        _tie(network, parts)
        optimiser.step()
        _cut(parts, kept)


def _tie(network: Network, parts: dict[str, nn.Module]) -> None:
    """Give the biases of a convolution's channel one gradient: they are one number there."""
    for name, part in parts.items():
        bias: torch.Tensor = getattr(part, "bias")  # noqa: B009
        layer = network.by_name[name].layer
        assert isinstance(layer, Affine)
        channels = len(layer.operator.weight)
        if bias.grad is not None and bias.numel() > channels:
            each = bias.grad.reshape(channels, -1)
            each.copy_(each.sum(dim=1, keepdim=True).expand_as(each))


def _cut(parts: dict[str, nn.Module], kept: dict[str, torch.Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, mask in kept.items():
            weight: torch.Tensor = getattr(parts[name], "weight")  # noqa: B009
            weight.copy_(torch.where(mask, weight, 0.0))
