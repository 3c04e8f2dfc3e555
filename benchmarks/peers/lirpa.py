"""auto_LiRPA (Xu et al. 2020, 2021), the bounds behind alpha,beta-CROWN, asked as a process.

The newest release on the package index, 0.3, asks for a torch that has no build for this Python;
NeuralSAT's wheel ships 0.6.0 with its own alterations, and that copy is what runs here, on torch's
default float32 and without directed rounding, as it is shipped. Boxes are rounded to float32.

`CROWN` is one call for the output, which bounds every layer backwards with the default (adaptive)
slopes. `CROWN-Optimized` goes layer by layer: a plain pass finds the unstable neurons, and these
alone are bounded again, both sides, with the slopes of each bound optimised by Adam: one call for
the output would leave every other layer as plain CROWN bounds it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...engine.errors import InputError, SolverError
from ...engine.network import Network, State
from ...engine.stages import stages
from .neuralsat import NEURALSAT
from .process import finish
from .solver import THREADS

Array = NDArray[np.float64]

DRIVER = Path(__file__).parent / "lirpa_driver.py"

LIMIT = 3600.0
"""Seconds after which a process is stopped."""


class Method(Enum):
    """How auto_LiRPA bounds, by its own names."""

    CROWN = "CROWN"
    OPTIMIZED = "CROWN-Optimized"


@dataclass(frozen=True, slots=True, eq=False)
class LirpaRun:
    """What auto_LiRPA found, and how long it took.

    Attributes:
        lower, upper: ``(boxes, neurons)`` float64, the pre-activations of every hidden layer and
            then the outputs, layer after layer; from float32, not rounded outward.
        seconds: wall time of the bounds of all boxes, without imports, building of the model and
            one batch to warm up; the median of the repeats.
        cpu_seconds: the processor time of the same, its median.
        version: of auto_LiRPA and torch.
    """

    lower: Array
    upper: Array
    seconds: float
    cpu_seconds: float
    version: str


def chain(network: Network) -> list[tuple[Array, Array]]:
    """Return weight ``(out, in)`` and bias ``(out,)`` of each layer of a chain of ReLU layers.

    Raises:
        InputError: a skip connection, another activation than ReLU, or one at the output.
    """
    found = stages(network).stages
    for k, stage in enumerate(found[1:], 1):
        wanted = State.RELU if k + 1 < len(found) else State.IDENTITY
        single = [edge.source for edge in stage.edges] == [k - 1]
        if not single or stage.grid is not None or (stage.layer.state != wanted).any():
            raise InputError(
                f"layer {stage.name} is not an affine layer of a chain of ReLUs: auto_LiRPA is "
                "asked about such chains alone"
            )
    return [(stage.edges[0].weight, stage.bias) for stage in found[1:]]


def bounds(
    network: Network,
    lower: Array,
    upper: Array,
    *,
    method: Method = Method.CROWN,
    steps: int = 20,
    threads: int = 1,
    batch: int = 1,
    repeats: int = 1,
    warm: bool = True,
    options: Mapping[str, float] | None = None,
) -> LirpaRun:
    """Return auto_LiRPA's bounds of all pre-activations and outputs over boxes.

    Args:
        network: a chain of affine layers with ReLUs between them.
        lower: ``(boxes, inputs)`` float64, network units, closed.
        upper: ``(boxes, inputs)``.
        method: how.
        steps: its option `iteration`, at `CROWN-Optimized`.
        threads: of torch.
        batch: boxes bounded together.
        repeats: of the measurement; the bounds are those of the last.
        warm: whether the first batch is bounded once before.
        options: further entries of its `optimize_bound_args`, such as `lr_alpha`.

    Raises:
        InputError: a network that is no such chain.
        SolverError: it cannot be installed, or fails.
    """
    told = {
        "method": method.value,
        "threads": threads,
        "batch": batch,
        "repeats": repeats,
        "warm": warm,
        "options": {"iteration": steps, **(options or {})},
    }
    arrays = {"lower": lower, "upper": upper}
    for k, (weight, bias) in enumerate(chain(network)):
        arrays |= {f"weight{k}": weight, f"bias{k}": bias}
    with tempfile.TemporaryDirectory(prefix="secateur-peer-") as folder:
        asked, found = Path(folder) / "asked.npz", Path(folder) / "found.npz"
        np.savez(asked, told=np.array(json.dumps(told)), allow_pickle=False, **arrays)
        _run([str(_python()), str(DRIVER), str(asked), str(found)], Path(folder), threads)
        with np.load(found) as file:
            own, torch = file["version"]
            return LirpaRun(
                file["lower"],
                file["upper"],
                float(np.median(file["seconds"])),
                float(np.median(file["cpu_seconds"])),
                f"auto_LiRPA {own} of {NEURALSAT.name} {NEURALSAT.version}, torch {torch}, float32",
            )


def _python() -> Path:
    """Return the interpreter of the environment, installed where it was not."""
    NEURALSAT.make()
    return NEURALSAT.environment.python if NEURALSAT.environment else Path(sys.executable)


def _run(command: list[str], scratch: Path, threads: int) -> None:
    end = finish(command, LIMIT, scratch, dict.fromkeys(THREADS, str(threads)))
    if end.stopped or end.code:
        why = f"took more than {LIMIT:g} s" if end.stopped else f"failed: {end.last_words}"
        raise SolverError(f"auto_LiRPA {why}")
