"""A staged network on a torch device, and whether the device's arithmetic is what bounds rest on.

The model of arithmetic of `engine/rounding.py` allows any order of sums, with or without fused
multiply-add, so products of matrices on an accelerator are charged as those of a processor. It does
not allow products in a narrower type (TF32), in fixed point that emulates float64, or results that
are flushed to zero; `place` multiplies a few matrices whose entries are far apart and refuses a
device that errs by more than the model grants.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError, UnsupportedError
from ..network import State
from ..rounding import gamma
from ..stages import Stage, Stages

Array = NDArray[np.float64]

ENTRIES: Final = 50_000_000
"""Entries of all matrices of a staged network, at most: 400 MB of float64."""

MEMORY_SHARE: Final = 0.5
"""Part of a device's free memory that one batch may fill; the rest is for what outlives it."""

CACHE: Final = 2.0**24
"""Bytes of a batch's work arrays on a processor, if every row is open: large enough that the calls
themselves cost little, small enough that what is open stays in its caches."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The grids that a stage's activations are rounded to.

    Attributes:
        step, least, most: ``(size,)`` as in `Quantize`.
        exact: ``(size,)`` bool, whether the step is a power of two: quotients by it are exact.
    """

    step: Tensor
    least: Tensor
    most: Tensor
    exact: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A stage on a device.

    Attributes:
        sources: the stage each edge reads.
        weights: ``(size, size of the source)`` float64 for each edge.
        sizes: their magnitudes.
        bias: ``(size,)``.
        relu, zero, identity, linear: ``(size,)`` bool, which neurons are what.
        slope, intercept: ``(size,)`` of those that are LINEAR.
        grid: to which the activations are rounded, if to any.
    """

    sources: tuple[int, ...]
    weights: tuple[Tensor, ...]
    sizes: tuple[Tensor, ...]
    bias: Tensor
    relu: Tensor
    zero: Tensor
    identity: Tensor
    linear: Tensor
    slope: Tensor
    intercept: Tensor
    grid: Grid | None

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.bias)

    @property
    def terms(self) -> int:
        """Number of roundings of one pre-activation, at most."""
        return 4 + sum(weight.shape[1] + 2 for weight in self.weights)


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A staged network on a device; stage 0 is the input.

    Attributes:
        layers: its stages.
        offset: the first neuron of each stage in flat vectors over all; one more at the end.
        operations: a bound on the number of roundings on the way of one row to the input.
        device: where it is.
    """

    layers: tuple[Layer, ...]
    offset: tuple[int, ...]
    operations: int
    device: torch.device

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.offset[1]

    @property
    def total(self) -> int:
        """Number of neurons of all stages, the inputs among them."""
        return self.offset[-1]

    @property
    def widest(self) -> int:
        """Number of neurons of the largest stage."""
        return max(layer.size for layer in self.layers)

    def together(self, held: int = 0) -> int:
        """Return how many boxes may be bounded in one batch.

        On a processor as many as stay in its caches, on an accelerator as many as its free memory
        holds.

        Args:
            held: float64 numbers a box that the caller keeps beside the work arrays.
        """
        rows = 2 * self.widest
        return min(2**18, self.fitting(6 * rows * self.widest + 24 * self.total + held))

    def fitting(self, numbers: int) -> int:
        """Return how many work arrays of so many float64 numbers a batch may hold."""
        room = CACHE if self.device.type == "cpu" else MEMORY_SHARE * free_bytes(self.device)
        return max(1, int(room / (8 * numbers)))

    def flat(self, stage: int) -> slice:
        """Return where a stage's neurons are in flat vectors."""
        return slice(self.offset[stage], self.offset[stage + 1])

    def tensor(self, values: NDArray[np.generic]) -> Tensor:
        """Return a copy of an array on the device."""
        return torch.from_numpy(np.array(values)).to(self.device)


def named(device: str) -> torch.device:
    """Return the device of a name, such as cpu, cuda or cuda:1.

    Raises:
        InputError: no such device can be computed on here.
    """
    try:
        place = torch.device(device)
        torch.ones(1, dtype=torch.float64, device=place).add(1.0).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise InputError(
            f"device {device}: torch {torch.__version__} cannot compute in float64 on it "
            f"({str(error).splitlines()[0]}); take cpu, or install a torch for the device"
        ) from error
    return place


def described(device: torch.device) -> str:
    """Return what a device is, for people: the model of an accelerator."""
    if device.type == "cuda":
        return f"{device.type} ({torch.cuda.get_device_name(device)})"
    return device.type


def free_bytes(device: torch.device) -> float:
    """Return how much memory is free on an accelerator, that which torch holds unused counted."""
    if device.type != "cuda":
        return 2.0**32
    free, _ = torch.cuda.mem_get_info(device)
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(free + idle)


def place(staged: Stages, device: str | torch.device = "cpu") -> Placed:
    """Return a staged network on a device.

    Args:
        staged: the network.
        device: a name such as cpu or cuda.

    Raises:
        InputError: no such device; one whose float64 is narrower than IEEE 754's.
        UnsupportedError: matrices that are too large to be kept dense.
    """
    where = named(device) if isinstance(device, str) else device
    steps = staged.stages
    entries = sum(edge.weight.size for stage in steps for edge in stage.edges)
    if entries > ENTRIES:
        raise UnsupportedError(
            f"the layers as matrices have {entries:,} entries, at most {ENTRIES:,} are bounded in "
            "batches on a device: take --device cpu"
        )
    _trusted(where)
    sizes = [stage.size for stage in steps]
    reads = sum(sizes[edge.source] for stage in steps for edge in stage.edges)
    return Placed(
        tuple(_layer(stage, where) for stage in steps),
        tuple(int(end) for end in np.concatenate([[0], np.cumsum(sizes)])),
        8 * sum(sizes) + 4 * reads + 64,
        where,
    )


def _layer(stage: Stage, device: torch.device) -> Layer:
    def on(values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.array(values)).to(device)

    state = stage.layer.state
    weights = tuple(on(edge.weight) for edge in stage.edges)
    grid = None
    if stage.grid is not None:
        exact = np.frexp(stage.grid.scale)[0] == 0.5
        ends = on(stage.grid.low), on(stage.grid.high)
        grid = Grid(on(stage.grid.scale), *ends, on(exact))
    return Layer(
        sources=tuple(edge.source for edge in stage.edges),
        weights=weights,
        sizes=tuple(weight.abs() for weight in weights),
        bias=on(stage.bias),
        relu=on(state == State.RELU),
        zero=on(state == State.ZERO),
        identity=on(state == State.IDENTITY),
        linear=on(state == State.LINEAR),
        slope=on(stage.layer.slope),
        intercept=on(stage.layer.intercept),
        grid=grid,
    )


@cache
def _trusted(device: torch.device) -> None:
    """Probe a device once a process; raises as `probe` does."""
    probe(device)


def probe(device: torch.device) -> None:
    """Refuse a device whose products of matrices err by more than `gamma` grants.

    Raises:
        InputError: a product is farther from the exact one than any order of float64 sums may be,
            or a subnormal number is flushed to zero.
    """
    rng = np.random.default_rng(0)
    rows, inner, columns = 1024, 64, 64  # about those of a batch of boxes
    left = rng.normal(size=(rows, inner)) * 2.0 ** rng.integers(-200, 200, (rows, inner))
    right = rng.normal(size=(inner, columns)) * 2.0 ** rng.integers(-100, 100, (inner, columns))
    left[:, 1], right[1] = -left[:, 0], right[0]  # the largest terms of many sums cancel
    a, b = (torch.from_numpy(part).to(device) for part in (left, right))
    both = ((a @ b).cpu().numpy(), torch.bmm(a[None], b[None])[0].cpu().numpy())
    sizes = np.abs(left) @ np.abs(right)
    for r in range(0, rows, 170):
        for c in range(0, columns, 11):
            pairs = zip(left[r], right[:, c], strict=True)
            exact = sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction(0))
            room = Fraction(float(gamma(inner) * sizes[r, c] * (1.0 + 1e-9)))
            got = [float(some[r, c]) for some in both]
            if not all(np.isfinite(v) and abs(Fraction(v) - exact) <= room for v in got):
                raise InputError(
                    f"device {device}: its float64 products are narrower than IEEE 754's, so no "
                    "bound can rest on them; turn TF32 and emulation of float64 off, or take cpu"
                )
    # Bits are compared: where subnormal numbers count as zero, so they do in a comparison.
    tiny = torch.full((1,), 16, dtype=torch.int64, device=device).view(torch.float64)
    if int((tiny * 0.5).view(torch.int64)[0]) != 8:
        raise InputError(
            f"device {device}: it flushes subnormal numbers to zero, so no bound can rest on it; "
            "turn that off (torch.set_flush_denormal), or take cpu"
        )
