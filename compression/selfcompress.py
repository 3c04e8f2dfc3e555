"""Self-compression: a network learns how many bits each channel needs, and loses those with none.

The loss is ``L0 + gamma Q + lambda L_safety``; Q is the size of equation 5. After each epoch hidden
channels that are 0 everywhere are removed for good. With a safety set whose accuracy is watched
they stay to the end instead, so that they can be restored.

Source: S. Csefalvay, J. Imber 2023, Self-Compressing Neural Networks.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..engine.errors import InputError
from ..engine.network import Network
from .data import Dataset, Split, fits
from .selfcompress_chain import links_of
from .selfcompress_file import pack
from .selfcompress_form import frame_of
from .selfcompress_module import Layer, Stack
from .selfcompress_plan import Guard, Look, Plan, SelfCompressed, Show, accuracy
from .selfcompress_removal import remove_silent, restore_half
from .selfcompress_state import Standing, load_state, save_state

ROWS = 2048
"""Rows that are evaluated at a time."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a training is run; nothing of it changes the result of one that is completed.

    Attributes:
        checkpoint: file that is written after each epoch; None for none.
        resume: go on from the checkpoint where there is one.
        seconds: wall time after which no further epoch is begun.
        device: of the computation, as torch names it; a CUDA device gives other last digits.
        show: is told of progress.
    """

    checkpoint: Path | None = None
    resume: bool = False
    seconds: float = math.inf
    device: str = "cpu"
    show: Show | None = None


def selfcompress(
    start: Network,
    data: Split,
    plan: Plan | None = None,
    guard: Guard | None = None,
    course: Course | None = None,
) -> SelfCompressed:
    """Return a network trained to be small, from one to begin with.

    Deterministic on a CPU: the same arguments give the same bytes, also where the training was
    broken off and resumed. Rows of the safety set are left out where validation is measured.

    Args:
        start: a chain of dense layers, convolutions and ReLUs.
        data: to train on; its test part is not read.
        plan: how to train; as `Plan` has it when None.
        guard: the safety set; None for none.
        course: how to run; as `Course` has it when None.

    Raises:
        UnsupportedError: a network that is no such chain.
        InputError: data that do not fit it, or a checkpoint of another training.
    """
    plan, course = plan or Plan(), course or Course()
    fits(data.train, start)
    if not len(data.train):
        raise InputError(f"{data.train.name}: there is no row to train on")
    if data.train.labels is None and data.train.targets is None:
        raise InputError(f"{data.train.name}: has neither labels nor targets: nothing to learn")
    if guard is not None and guard.images.features != start.size_in:
        raise InputError(
            f"{guard.images.name}: a row has {guard.images.features} features, the network takes "
            f"{start.size_in} inputs: draw the safety set from the data that it is trained on"
        )
    with _single_thread():
        return _Training(start, data, plan, guard, course).run()


@contextmanager
def _single_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Rows:
    """A data set on a device."""

    def __init__(self, data: Dataset, device: str) -> None:
        self.inputs = torch.tensor(data.inputs).to(device)
        self.labels = None if data.labels is None else torch.tensor(data.labels).to(device)
        self.targets = None
        if data.labels is None and data.targets is not None:
            self.targets = torch.tensor(data.targets, dtype=torch.float32).to(device)

    def __len__(self) -> int:
        return len(self.inputs)

    def loss(self, stack: Stack, pick: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of some rows, and the outputs."""
        outputs = stack(self.inputs[pick])
        if self.labels is not None:
            return functional.cross_entropy(outputs, self.labels[pick]), outputs
        assert self.targets is not None
        return functional.mse_loss(outputs, self.targets[pick]), outputs

    def score(self, stack: Stack) -> float | None:
        """Return the accuracy, the mean squared error without labels, or None without rows."""
        if not len(self):
            return None
        with torch.no_grad():
            parts = [stack(self.inputs[at : at + ROWS]) for at in range(0, len(self), ROWS)]
            outputs = torch.cat(parts)
            if self.labels is not None:
                return accuracy(outputs.cpu().numpy(), self.labels.cpu().numpy())
            assert self.targets is not None
            return float(functional.mse_loss(outputs, self.targets))


class _Training:
    """One training."""

    def __init__(
        self, start: Network, data: Split, plan: Plan, guard: Guard | None, course: Course
    ) -> None:
        self.plan, self.guard, self.course = plan, guard, course
        self.key = _key(start, data, plan, guard)
        links, shape = links_of(start), start.input.shape
        self.stack = Stack(links, shape, plan.bits, start.normalisation).to(course.device)
        self.adam = torch.optim.Adam(self._groups())
        self.train = _Rows(data.train, course.device)
        self.validation = _Rows(_without(data.validation, guard), course.device)
        self.safety = None if guard is None else _Rows(guard.images, course.device)

    def _groups(self) -> list[dict[str, object]]:
        layers, plan = self.stack.every(), self.plan
        values = [one for layer in layers for one in (layer.weight, layer.bias)]
        depths = [one for layer in layers for one in (layer.bits, layer.exponent)]
        return [
            {"params": values, "lr": plan.rate, "eps": plan.eps},
            {"params": depths, "lr": plan.bits_rate, "eps": plan.bits_eps},
        ]

    def run(self) -> SelfCompressed:
        """Train to the end, or to the end of the time."""
        until = time.monotonic() + self.course.seconds
        first = self._look(0)
        at = Standing().after(first, best=first.safety)
        path = self.course.checkpoint
        if path is not None and self.course.resume and path.exists():
            at = load_state(path, self.key, self.stack, self.adam)
        while at.epoch < self.plan.epochs and time.monotonic() < until:
            at = self._epoch(at)
            if path is not None:
                save_state(path, self.key, at, self.stack, self.adam)
        coded = self.stack.coded().without_dead()
        return SelfCompressed(coded, at.curve, at.epoch == self.plan.epochs)

    @property
    def removing(self) -> bool:
        """Whether channels are removed during the training: not where they may be restored."""
        return self.guard is None or self.guard.threshold is None

    def _epoch(self, at: Standing) -> Standing:
        rng = np.random.default_rng([self.plan.seed, at.epoch])
        order = torch.from_numpy(rng.permutation(len(self.train))).to(self.course.device)
        batches = torch.split(order, self.plan.batch)
        held, losses, right = at.held, 0.0, 0
        for number, pick in enumerate(batches):
            loss, outputs = self._step(pick, rng, held, at.grace)
            losses += loss * len(pick)
            if self.train.labels is not None:
                right += int((outputs.argmax(1) == self.train.labels[pick]).sum())
            held = held or self._small_enough()
            self._tell(at.epoch, number + 1, len(batches))
        removed = remove_silent(self.stack, self.adam) if self.removing and not held else 0
        look = replace(
            self._look(at.epoch + 1),
            loss=losses / len(self.train),
            train=None if self.train.labels is None else right / len(self.train),
            removed=removed,
            held=held,
        )
        best = look.safety if at.best is None else max(at.best, look.safety or 0.0)
        restored = self._restored(at, best, look.safety)
        if not restored:
            return at.after(look, best=best, held=held, grace=False)
        look = replace(look, restored=restored, held=False)
        return at.after(look, best=best, held=False, grace=True, restores=at.restores + 1)

    def _step(
        self, pick: torch.Tensor, rng: np.random.Generator, held: bool, grace: bool
    ) -> tuple[float, torch.Tensor]:
        task, outputs = self.train.loss(self.stack, pick)
        loss = task
        if self.plan.gamma and not held and not grace:
            loss = loss + self.plan.gamma * self.stack.size()
        if self.guard is not None and self.guard.weight:
            assert self.safety is not None
            some = rng.integers(0, len(self.safety), self.plan.batch)
            at = torch.from_numpy(some).to(self.course.device)
            loss = loss + self.guard.weight * self.safety.loss(self.stack, at)[0]
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        silent = self.stack.silent()
        if held:
            for layer in self.stack.every():
                layer.bits.grad = layer.exponent.grad = None
        self.adam.step()
        self.stack.hold()
        if held:
            self.stack.silence(silent)
        else:
            self.stack.shrink_biases(self.plan.shrink * self.plan.rate)
        return float(task.detach()), outputs.detach()

    def _small_enough(self) -> bool:
        """Return whether the packed file is as small as it is to be."""
        most = self.plan.most_bytes
        if most is None:
            return False
        layers = self.stack.every()
        pairs = zip([None, *layers[:-1]], layers, strict=True)
        bits = sum(_least_bits(before, layer) for before, layer in pairs)
        return bits <= 8 * most and len(pack(self.stack.coded())) <= most

    def _look(self, epoch: int) -> Look:
        coded = self.stack.coded().without_dead()
        with torch.no_grad():
            size = float(self.stack.size())
        return Look(
            epoch,
            None,
            size,
            coded.weight_bits,
            len(pack(coded)),
            coded.channels,
            validation=self.validation.score(self.stack),
            safety=None if self.safety is None else self.safety.score(self.stack),
        )

    def _restored(self, at: Standing, best: float | None, now: float | None) -> int:
        """Give half of the channels without bits some again where safety has fallen too far."""
        guard = self.guard
        if guard is None or guard.threshold is None or at.restores >= guard.restores:
            return 0
        assert best is not None
        assert now is not None
        if best - now <= guard.threshold:
            return 0
        return restore_half(self.stack, self.adam, guard.bits)

    def _tell(self, epoch: int, done: int, batches: int) -> None:
        if self.course.show is not None:
            step = f"epoch {epoch + 1} of {self.plan.epochs}"
            self.course.show(step, epoch * batches + done, self.plan.epochs * batches)


def _least_bits(before: Layer | None, layer: Layer) -> int:
    """Return bits that a layer's weights need, counting input channels that have bits."""
    inputs = layer.link.channels_in if before is None else int(before.live.sum())
    return int(torch.ceil(layer.bits.detach()).sum()) * inputs * layer.link.taps


def _without(data: Dataset, guard: Guard | None) -> Dataset:
    """Return the rows that are not of the safety set, which is trained on."""
    if guard is None:
        return data
    return data.subset(np.flatnonzero(~np.isin(data.rows, guard.images.rows)))


def _key(start: Network, data: Split, plan: Plan, guard: Guard | None) -> str:
    """Return a digest of all that decides what a training gives."""
    state = hashlib.sha256(repr(plan).encode())
    for link in links_of(start):
        state.update(repr((frame_of(link), link.operator.weight.shape)).encode())
        state.update(_bytes(link.operator.weight) + _bytes(link.bias))
    for part in (data.train, data.validation):
        state.update(part.digest.encode())
    if guard is not None:
        settings = (guard.weight, guard.threshold, guard.restores, guard.bits)
        state.update(repr(settings).encode() + guard.images.digest.encode())
    return state.hexdigest()


def _bytes(array: NDArray[np.float64]) -> bytes:
    return np.ascontiguousarray(array, dtype="<f8").tobytes()
