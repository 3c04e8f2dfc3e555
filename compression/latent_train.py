"""Training of torch modules whose weights are then compared: seeded, checkpointed, resumable.

Everything runs in the order that the seed draws, epoch by epoch, so that a training that was broken
off and resumed gives the same weights, bit for bit, as one that was not.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..engine.errors import FormatError, InputError
from ..engine.formats.files import replace_with
from .data import Dataset

Told = Callable[[str, int, int], None]
"""Is told the step, how much is done and of how much."""


def silent(step: str, done: int, total: int) -> None:
    """Tell nobody."""


class Optimiser(StrEnum):
    """How weights follow the gradient."""

    ADAM = "adam"
    SGD = "sgd"
    """With momentum 0.9."""


@dataclass(frozen=True, slots=True)
class Course:
    """How to train.

    Attributes:
        epochs: times that every row is seen.
        batch: rows in a step; a last batch that is not full is left out.
        rate: of learning.
        optimiser: which.

    Raises:
        InputError: a number out of range.
    """

    epochs: int
    batch: int = 64
    rate: float = 1e-3
    optimiser: Optimiser = Optimiser.ADAM

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.batch < 2:
            raise InputError(
                f"{self.epochs} epochs of batches of {self.batch}: give 0 or more, and 2 or more"
            )
        if not 0 < self.rate < 10:
            raise InputError(f"learning rate {self.rate:g}: give a number above 0 and below 10")


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Rows on one device, as a module takes them.

    Attributes:
        inputs: ``(rows, *shape)`` float32.
        labels: ``(rows,)`` int64, or None.
        targets: ``(rows, outputs)`` float32, or None where there are labels.
    """

    inputs: torch.Tensor
    labels: torch.Tensor | None
    targets: torch.Tensor | None = None

    @classmethod
    def of(cls, data: Dataset, shape: tuple[int, ...], device: str = "cpu") -> Lesson:
        """Return a data set's rows in the shape of a network's input.

        Pictures that are smaller than a network's are set in the middle and their edges repeated;
        grey ones are repeated for each channel.

        Raises:
            InputError: rows that do not fit; neither labels nor targets.
        """
        inputs = torch.from_numpy(np.array(data.inputs)).reshape(-1, *data.shape)
        fitted = _fitted(inputs, shape, data.name)
        if data.labels is not None:
            return cls(fitted.to(device), torch.from_numpy(np.array(data.labels)).to(device))
        if data.targets is None:
            raise InputError(f"{data.name}: has neither labels nor targets: give one of them")
        targets = torch.from_numpy(data.targets.astype(np.float32))
        return cls(fitted.to(device), None, targets.to(device))

    def __len__(self) -> int:
        return len(self.inputs)

    def part(self, rows: torch.Tensor) -> Lesson:
        """Return some rows."""
        return Lesson(
            self.inputs[rows],
            None if self.labels is None else self.labels[rows],
            None if self.targets is None else self.targets[rows],
        )

    def drawn(self, count: int, seed: int) -> Lesson:
        """Return rows drawn without replacement, all where there are no more than that."""
        return self.part(_order(len(self), seed)[:count])


def _fitted(inputs: torch.Tensor, shape: tuple[int, ...], name: str) -> torch.Tensor:
    here = tuple(inputs.shape[1:])
    if here == shape:
        return inputs
    if len(here) == len(shape) == 3 and here[0] in (1, shape[0]):
        more = [wanted - had for wanted, had in zip(shape[1:], here[1:], strict=True)]
        if min(more) >= 0:
            frame = [part for size in reversed(more) for part in (size // 2, size - size // 2)]
            wide = functional.pad(inputs, frame, mode="replicate") if any(frame) else inputs
            return wide.expand(-1, shape[0], -1, -1).contiguous()
    if int(np.prod(here)) == int(np.prod(shape)):
        return inputs.reshape(-1, *shape)
    raise InputError(
        f"{name}: a row has shape {here}, the network takes {shape}: give data that fit, or an "
        "architecture for them"
    )


def _order(rows: int, *seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(list(seed)).permutation(rows))


@dataclass(frozen=True, slots=True)
class Performance:
    """How well a network does on some rows.

    Attributes:
        loss: mean cross-entropy in nats of labels, mean squared error of targets.
        accuracy: share of labels that are the largest score; None of targets.
    """

    loss: float
    accuracy: float | None


def losses(module: nn.Module, lesson: Lesson) -> torch.Tensor:
    """Return ``(rows,)`` the loss of each row, with gradients."""
    scores = module(lesson.inputs)
    if lesson.labels is not None:
        return functional.cross_entropy(scores.flatten(1), lesson.labels, reduction="none")
    assert lesson.targets is not None
    squares: torch.Tensor = (scores.flatten(1) - lesson.targets) ** 2
    return squares.mean(dim=1)


@torch.no_grad()
def performance(module: nn.Module, lesson: Lesson, batch: int = 256) -> Performance:
    """Return how well a module does in evaluation mode, the mean in float64."""
    was = module.training
    module.eval()
    loss, right = 0.0, 0
    for begin in range(0, len(lesson), batch):
        rows = torch.arange(begin, min(begin + batch, len(lesson)))
        part = lesson.part(rows.to(lesson.inputs.device))
        scores = module(part.inputs).flatten(1).double()
        if part.labels is not None:
            loss += float(functional.cross_entropy(scores, part.labels, reduction="sum"))
            right += int((scores.argmax(dim=1) == part.labels).sum())
        else:
            assert part.targets is not None
            loss += float(((scores - part.targets) ** 2).mean(dim=1).sum())
    module.train(was)
    known = lesson.labels is not None
    return Performance(loss / len(lesson), right / len(lesson) if known else None)


def train(
    module: nn.Module,
    lesson: Lesson,
    course: Course,
    seed: int,
    *,
    checkpoint: Path | None = None,
    kept: Mapping[str, torch.Tensor] | None = None,
    after_step: Callable[[int], bool] | None = None,
    after_epoch: Callable[[int], None] | None = None,
    told: Told = silent,
) -> None:
    """Train a module in place and leave it in evaluation mode.

    Args:
        module: of any kind; scores of labels or values of targets.
        lesson: to train on, on the module's device.
        course: how.
        seed: of the order of the rows and of dropout.
        checkpoint: file in which the state is kept after each epoch, and from which a training
            that was broken off goes on; None for none.
        kept: for parameters by name, ``1`` where an entry may be other than 0, in their shapes.
        after_step: is told the number of steps so far; True ends the training.
        after_epoch: is told the number of epochs so far; may change the module.
        told: of the progress.

    Raises:
        InputError: fewer rows than a batch; a loss that is no longer finite.
        FormatError: a checkpoint of another training.
    """
    if len(lesson) < course.batch:
        raise InputError(
            f"{len(lesson)} rows to train on are fewer than a batch of {course.batch}: give more "
            "rows or a smaller batch"
        )
    optimiser = _optimiser(module, course)
    begin = _resumed(module, optimiser, course, seed, checkpoint)
    steps = len(lesson) // course.batch
    module.train()
    for epoch in range(begin, course.epochs):
        order = _order(len(lesson), seed, epoch).to(lesson.inputs.device)
        with torch.random.fork_rng():
            torch.manual_seed(seed * 1_000_003 + epoch)
            for step in range(steps):
                rows = order[step * course.batch : (step + 1) * course.batch]
                _step(module, optimiser, lesson.part(rows), kept or {})
                if after_step is not None and after_step(epoch * steps + step + 1):
                    module.eval()
                    return
        if after_epoch is not None:
            after_epoch(epoch + 1)
            module.train()
        _keep(module, optimiser, course, seed, epoch + 1, checkpoint)
        told("epochs", epoch + 1, course.epochs)
    module.eval()


def _step(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    part: Lesson,
    kept: Mapping[str, torch.Tensor],
) -> None:
    optimiser.zero_grad()
    loss = losses(module, part).mean()
    if not bool(torch.isfinite(loss)):
        raise InputError("the loss is no longer finite: train at a lower learning rate")
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in kept:
                parameter.mul_(kept[name])


def _optimiser(module: nn.Module, course: Course) -> torch.optim.Optimizer:
    match course.optimiser:
        case Optimiser.ADAM:
            return torch.optim.Adam(module.parameters(), course.rate)
        case Optimiser.SGD:
            return torch.optim.SGD(module.parameters(), course.rate, momentum=0.9)
        case _ as never:
            assert_never(never)


def _note(course: Course, seed: int) -> dict[str, Any]:
    note = {name: str(value) for name, value in asdict(course).items() if name != "epochs"}
    return {**note, "seed": str(seed)}


def _keep(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    course: Course,
    seed: int,
    epoch: int,
    path: Path | None,
) -> None:
    if path is None:
        return
    held = io.BytesIO()
    state = {"module": module.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({**state, "epoch": epoch, "course": _note(course, seed)}, held)
    replace_with(path, held.getvalue())


def _resumed(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    course: Course,
    seed: int,
    path: Path | None,
) -> int:
    """Put the state of a checkpoint in place; return how many epochs it has."""
    if path is None or not path.is_file():
        return 0
    device = next(module.parameters()).device
    try:
        held = torch.load(path, map_location=device, weights_only=True)
        epoch, note = int(held["epoch"]), dict(held["course"])
    except (RuntimeError, ValueError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as e:
        raise FormatError(f"{path}: is no checkpoint of a training: take it away") from e
    if note != _note(course, seed) or epoch > course.epochs:
        raise FormatError(f"{path}: is of another training: name another folder")
    try:
        module.load_state_dict(held["module"])
        optimiser.load_state_dict(held["optimiser"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise FormatError(f"{path}: is of another network: name another folder") from error
    return epoch
