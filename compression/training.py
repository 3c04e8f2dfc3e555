"""Retraining within the forms of a compressed network: what it becomes ships as what it was.

Each number has a float shadow that the optimiser moves; the network computes with the number of its
form that is nearest to the shadow, and the gradient passes the rounding unchanged (straight
through). What is given back are the numbers that were computed with.

Source: Y. Bengio, N. Leonard, A. Courville 2013, estimating gradients through stochastic neurons.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, assert_never, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call
from torch.nn import functional

from ..engine.errors import InputError
from ..engine.formats.torch_write import write_torch
from ..engine.network import Affine
from ..engine.operators import Convolution
from .form import Compressed, Fixed, Free, Grid, Half, Masked, Values, nearest
from .replaced import with_numbers
from .schooling import Training
from .targets import Lessons

Array = NDArray[np.float64]

DTYPES = {"float32": torch.float32, "float64": torch.float64}

LOOKS = 8
"""How often during a training its network is measured on the points; the best one is kept."""


class _Nearest(torch.autograd.Function):
    """The numbers of a form that are nearest; the gradient passes, but where numbers are cut."""

    @staticmethod
    def forward(ctx: Any, shadow: torch.Tensor, form: Values) -> torch.Tensor:
        ctx.form = form
        held = nearest(form, shadow.detach().numpy().astype(np.float64))
        return torch.from_numpy(held).to(shadow.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        (grad,) = grads
        if isinstance(ctx.form, Masked):
            grad = grad * torch.from_numpy(ctx.form.kept.copy())
        return grad, None


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """An array of numbers that may move.

    Attributes:
        key: of the module's parameter.
        node: of the affine layer.
        bias: whether it is the layer's bias.
        form: of its numbers.
        shadow: the numbers as the optimiser has them.
        rate: the length of a step, as a share of the training's rate.
        least, most: limits of the shadow.
    """

    key: str
    node: str
    bias: bool
    form: Values
    shadow: torch.Tensor
    rate: float
    least: torch.Tensor
    most: torch.Tensor


class Trainee:
    """A compressed network whose numbers move within their forms."""

    def __init__(self, compressed: Compressed, dtype: torch.dtype = torch.float32) -> None:
        self._compressed = compressed
        self._module = write_torch(compressed.network, dtype)
        for parameter in self._module.parameters():
            parameter.requires_grad_(False)
        self._dtype = dtype
        self._slots = [slot for slot in self._made() if not isinstance(slot.form, Fixed)]

    @property
    def slots(self) -> list[_Slot]:
        """The arrays that may move."""
        return self._slots

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs ``(batch, outputs)`` at inputs ``(batch, inputs)``."""
        held = {slot.key: _held(slot) for slot in self._slots}
        shaped = inputs.reshape(-1, *self._compressed.network.input.shape)
        return cast(torch.Tensor, functional_call(self._module, held, (shaped,))).flatten(1)

    def hold(self) -> None:
        """Move the shadows back to where their forms reach."""
        with torch.no_grad():
            for slot in self._slots:
                slot.shadow.clamp_(slot.least, slot.most)

    def trained(self) -> Compressed:
        """Return the network that is computed with, within its forms."""
        found = {
            (slot.node, slot.bias): _held(slot).detach().numpy().astype(np.float64)
            for slot in self._slots
        }
        return with_numbers(self._compressed, found)

    def _made(self) -> Iterator[_Slot]:
        for place, node in enumerate(self._compressed.network.nodes[1:]):
            if not isinstance(node.layer, Affine):
                continue
            form = self._compressed.forms[node.name]
            weight, bias = node.layer.operator.weight, node.layer.bias
            size = float(np.sqrt(np.mean(weight[weight != 0.0] ** 2))) if weight.any() else 1.0
            for name, kind, values in (("weight", form.weight, weight), ("bias", form.bias, bias)):
                shadow = torch.tensor(values, dtype=self._dtype, requires_grad=True)
                least, most = (torch.from_numpy(end).to(self._dtype) for end in _ends(kind, values))
                if name == "bias" and isinstance(node.layer.operator, Convolution):
                    _tie(shadow, values, len(weight))
                key = f"layers.{place}.{name}"
                yield _Slot(key, node.name, name == "bias", kind, shadow, size, least, most)


def _tie(shadow: torch.Tensor, values: Array, channels: int) -> None:
    """Let the biases of a convolution's channel move as one, where they are one to begin with."""
    parts = values.reshape(channels, -1)

    def joined(grad: torch.Tensor) -> torch.Tensor:
        mean = grad.reshape(parts.shape).mean(1, keepdim=True)
        return mean.expand(parts.shape).flatten()

    if (parts == parts[:, :1]).all():
        shadow.register_hook(joined)  # type: ignore[no-untyped-call]


def _held(slot: _Slot) -> torch.Tensor:
    return cast(torch.Tensor, _Nearest.apply(slot.shadow, slot.form))  # type: ignore[no-untyped-call]


def _ends(form: Values, values: Array) -> tuple[Array, Array]:
    """Return the limits of a form's numbers, for an array of them."""
    match form:
        case Half():
            most = np.full(values.shape, 65504.0)
            return -most, most
        case Grid(low=low, high=high):
            scale = np.broadcast_to(form.over(values.shape), values.shape)
            return low * scale, high * scale
        case Free() | Masked() | Fixed():
            most = np.full(values.shape, float(np.finfo(np.float32).max))
            return -most, most
        case _ as never:
            assert_never(never)


def retrain(
    compressed: Compressed,
    lessons: Lessons,
    training: Training,
    rng: np.random.Generator,
    deadline: float = math.inf,
) -> Compressed:
    """Return a network retrained within its forms; the best of it on the points that was met.

    Runs in a single thread: the same generator gives the same bytes.

    Args:
        compressed: to begin with; is given back where nothing betters it on the points.
        lessons: what to learn.
        training: how.
        rng: source of randomness.
        deadline: on `time.monotonic`; a training that meets it ends early.
    """
    with _single_thread():
        return _Run(compressed, lessons, training).best(rng, deadline)


@contextmanager
def _single_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """One training."""

    def __init__(self, compressed: Compressed, lessons: Lessons, training: Training) -> None:
        self.training, self.lessons = training, lessons
        dtype = DTYPES[training.dtype]
        self.trainee = Trainee(compressed, dtype)
        self.points = torch.tensor(lessons.points, dtype=dtype)
        self.targets = torch.tensor(lessons.targets, dtype=dtype)
        self.samples, self.labels, self.values = _sampled(lessons, dtype)
        self.start = compressed

    def best(self, rng: np.random.Generator, deadline: float) -> Compressed:
        training = self.training
        if not self.trainee.slots or not len(self.points) or not training.steps:
            return self.start
        groups = [
            {"params": [slot.shadow], "lr": slot.rate * training.rate}
            for slot in self.trainee.slots
        ]
        adam = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12)
        best, least = self.start, self.measure()
        every = max(1, training.steps // LOOKS)
        for step in range(training.steps):
            fall = 0.5 * (1.0 + np.cos(np.pi * step / training.steps))
            for group, slot in zip(adam.param_groups, self.trainee.slots, strict=True):
                group["lr"] = slot.rate * training.rate * fall
            adam.zero_grad()
            loss = self.loss(rng)
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            self.trainee.hold()
            late = time.monotonic() > deadline
            if (step + 1) % every == 0 or step + 1 == training.steps or late:
                found = self.measure()
                if found < least:
                    best, least = self.trainee.trained(), found
            if late:
                break
        return best

    def loss(self, rng: np.random.Generator) -> torch.Tensor:
        """Return the loss of a batch."""
        batch, hard = self.training.batch, self.lessons.hard
        count = len(self.points)
        tough = 0 if not hard else batch if hard == count else batch // 2
        drawn = rng.integers(0, hard or 1, tough), rng.integers(hard, count + 1, batch - tough)
        pick = torch.from_numpy(np.minimum(np.concatenate(drawn), count - 1))
        apart = self.trainee(self.points[pick]) - self.targets[pick]
        loss = _mean(apart, self.training.power)
        if self.samples is None or not self.training.samples:
            return loss
        pick = torch.from_numpy(rng.integers(0, len(self.samples), batch))
        return loss + self.training.samples * self.taught(pick)

    def taught(self, pick: torch.Tensor) -> torch.Tensor:
        """Return the loss on samples, in the units of the distance at points.

        A class is taught by cross entropy of the outputs as they are, values as at points.
        """
        assert self.samples is not None
        outputs = self.trainee(self.samples[pick])
        if self.labels is not None:
            return functional.cross_entropy(outputs, self.labels[pick])
        assert self.values is not None
        return _mean(outputs - self.values[pick], 2)

    def measure(self) -> float:
        """Return what is to be small: the largest distance on the points, and the samples' loss."""
        with torch.no_grad():
            far = 0.0
            for start in range(0, len(self.points), 4096):
                some = slice(start, start + 4096)
                apart = self.trainee(self.points[some]) - self.targets[some]
                far = max(far, float(apart.abs().max()))
            if self.samples is None or not self.training.samples:
                return far
            few = torch.arange(min(len(self.samples), 4096))
            return far + self.training.samples * float(self.taught(few))


def _mean(apart: torch.Tensor, power: int) -> torch.Tensor:
    """Return the mean of distances with a power: ``mean(|e|^p)^(1/p)``."""
    size = apart.abs()
    most = size.max().detach().clamp_min(1e-30)  # powers of shares of it do not underflow at once
    return most * ((size / most) ** power).mean().clamp_min(1e-30) ** (1.0 / power)


def _sampled(
    lessons: Lessons, dtype: torch.dtype
) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
    samples = lessons.samples
    if samples is None or not len(samples.inputs):
        return None, None, None
    inputs = torch.tensor(samples.inputs, dtype=dtype)
    if samples.labels is not None:
        return inputs, torch.tensor(samples.labels, dtype=torch.int64), None
    if samples.targets is None:
        raise InputError("a data set without labels and targets teaches nothing: give one of them")
    return inputs, None, torch.tensor(samples.targets, dtype=dtype)
