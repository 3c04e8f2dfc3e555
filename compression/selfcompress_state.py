"""Checkpoints of self-compression: all that the next epoch depends on, in one file."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ..engine.errors import FormatError, InputError
from ..engine.formats.files import read_bytes, replace_with
from .selfcompress_module import Stack
from .selfcompress_plan import Look
from .selfcompress_removal import cut

FORMAT: Final = "secateur self-compression 1"
MOMENTS: Final = ("exp_avg", "exp_avg_sq", "step")
NAMES: Final = ("weight", "bias", "bits", "exponent")


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a training has come, its numbers apart.

    Attributes:
        epoch: epochs done.
        curve: looks so far.
        best: best accuracy on the safety set so far; None before the first.
        restores: how often channels were restored.
        held: whether bits are held.
        grace: whether the next epoch goes without the size loss.
    """

    epoch: int = 0
    curve: tuple[Look, ...] = ()
    best: float | None = None
    restores: int = 0
    held: bool = False
    grace: bool = False

    def after(self, look: Look, **changed: Any) -> Standing:
        """Return the standing after another epoch."""
        return replace(self, epoch=look.epoch, curve=(*self.curve, look), **changed)


def save_state(
    path: Path, key: str, standing: Standing, stack: Stack, adam: torch.optim.Optimizer
) -> None:
    """Write a checkpoint in one step.

    Args:
        path: where.
        key: of what is trained, on what and how; is asked for again.
        standing: how far it has come.
        stack: its numbers.
        adam: its moments.

    Raises:
        FileError: it cannot be written.
    """
    arrays = dict[str, NDArray[Any]]()
    for at, layer in enumerate(stack.every()):
        for name in NAMES:
            parameter = getattr(layer, name)
            arrays[f"{at}.{name}"] = parameter.detach().cpu().numpy()
            for moment, value in adam.state.get(parameter, {}).items():
                arrays[f"{at}.{name}.{moment}"] = value.cpu().numpy()
    said = asdict(standing) | {"curve": [look.record() for look in standing.curve]}
    text = json.dumps({"format": FORMAT, "key": key, "layers": len(stack.layers), **said})
    arrays["head"] = np.frombuffer(text.encode(), dtype=np.uint8)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    replace_with(path, out.getvalue())


def load_state(path: Path, key: str, stack: Stack, adam: torch.optim.Optimizer) -> Standing:
    """Put a checkpoint's numbers into a training, and return how far it had come.

    Args:
        path: of the checkpoint.
        key: as `save_state` was given it.
        stack: as it was before the first epoch; is changed in place.
        adam: of its parameters; is changed in place.

    Raises:
        FileError: it cannot be read.
        FormatError: it is no checkpoint.
        InputError: it is of another network, other data or another plan.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(arrays.pop("head").tobytes())
        told, held_key, layers = head.pop("format"), head.pop("key"), head.pop("layers")
        if told != FORMAT or layers != len(stack.layers):
            raise ValueError(f"it is {told!r}")
        curve = tuple(Look.of(look) for look in head.pop("curve"))
        standing = Standing(**head, curve=curve)
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise FormatError(f"{path}: this is no checkpoint of selfcompress: {error}") from None
    if held_key != key:
        raise InputError(
            f"{path}: this checkpoint is of another network, other data or other options: give "
            "those that it was made with, or name a new file"
        )
    try:
        _restore(arrays, stack, adam)
    except (KeyError, RuntimeError, ValueError) as error:
        raise FormatError(f"{path}: this checkpoint makes no sense: {error}") from None
    return standing


def _restore(arrays: dict[str, NDArray[Any]], stack: Stack, adam: torch.optim.Optimizer) -> None:
    before: int | None = None
    for at, layer in enumerate(stack.every()):
        rows = np.arange(len(arrays[f"{at}.bits"]))
        columns = np.arange(layer.link.channels_in if before is None else before)
        cut(layer, adam, rows, columns)
        before = len(rows)
        for name in NAMES:
            parameter: torch.nn.Parameter = getattr(layer, name)
            held = torch.from_numpy(arrays[f"{at}.{name}"].copy())
            if held.shape != parameter.shape:
                raise ValueError(f"layer {at} has a {name} of shape {tuple(held.shape)}")
            parameter.data = held.to(parameter.device)
            if f"{at}.{name}.step" in arrays:
                adam.state[parameter] = {
                    moment: torch.from_numpy(arrays[f"{at}.{name}.{moment}"].copy()).to(
                        "cpu" if moment == "step" else parameter.device
                    )
                    for moment in MOMENTS
                }
