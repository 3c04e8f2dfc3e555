"""Modules of an architecture: fresh from a seed, or from a state dict."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never

import torch
from torch import nn

from ...engine.errors import FileError, FormatError, InputError
from .alexnet import CHANNELS as ALEXNET
from .alexnet import AlexNet
from .names import Architecture, Plan
from .resnet import STEM, ResNet50
from .small import CHANNELS as SMALL
from .small import Small
from .vgg import BLOCKS, Vgg16

State = Mapping[str, torch.Tensor]


def fresh(plan: Plan, side: int, seed: int) -> nn.Module:
    """Return a module with the weights that a seed draws.

    Args:
        plan: of the architecture.
        side: height and width of a picture; the large architectures take 32 alone.
        seed: of the weights; the global state of torch's generator is left as it was.

    Raises:
        InputError: pictures of another side.
    """
    if plan.architecture is not Architecture.SMALL and side != 32:
        raise InputError(
            f"{plan.architecture} takes pictures of 32 by 32, not {side} by {side}: widen them"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _module(plan, side)


def _module(plan: Plan, side: int) -> nn.Module:
    match plan.architecture:
        case Architecture.ALEXNET:
            return AlexNet(plan)
        case Architecture.VGG16:
            return Vgg16(plan)
        case Architecture.RESNET50:
            return ResNet50(plan)
        case Architecture.SMALL:
            return Small(plan, side)
        case _ as never:
            assert_never(never)


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict in a file that ``torch.save`` wrote, without running its code.

    A dict that holds one under ``state_dict`` or ``model`` is opened, and a ``module.`` before all
    names, as parallel training leaves it, is taken off.

    Raises:
        FileError: there is no such file.
        FormatError: it holds no state dict.
    """
    try:
        held: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise FormatError(
            f"{path}: is no state dict that torch.save wrote: save module.state_dict()"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if not isinstance(held, Mapping) or not held:
        raise FormatError(f"{path}: holds no state dict: save module.state_dict()")
    if not all(isinstance(v, torch.Tensor) for v in held.values()):
        raise FormatError(f"{path}: holds no state dict of tensors: save module.state_dict()")
    cut = "module." if all(str(name).startswith("module.") for name in held) else ""
    return {str(name).removeprefix(cut): value for name, value in held.items()}


def plan_of(architecture: Architecture, state: State) -> Plan:
    """Return the plan whose module a state dict fits, read off its shapes.

    Raises:
        FormatError: tensors that every module of the architecture has are missing.
    """
    first = _shape(architecture, state, _FIRST[architecture], 4)
    last = _shape(architecture, state, _LAST[architecture], 2)
    size = {
        Architecture.ALEXNET: ALEXNET[0],
        Architecture.VGG16: BLOCKS[0][0],
        Architecture.RESNET50: STEM,
        Architecture.SMALL: SMALL[0],
    }[architecture]
    free: dict[str, Any] = {}
    if architecture in (Architecture.ALEXNET, Architecture.RESNET50):
        free["stem"] = first[2]
    if architecture is Architecture.VGG16:
        free["batch_norm"] = "features.1.running_mean" in state
    if architecture in (Architecture.ALEXNET, Architecture.VGG16):
        at = (
            "classifier.1.weight" if architecture is Architecture.ALEXNET else "classifier.0.weight"
        )
        published = ALEXNET[-1] if architecture is Architecture.ALEXNET else BLOCKS[-1][-1]
        maps = max(1, round(published * first[0] / size))
        free["pooled"] = max(1, round((_shape(architecture, state, at, 2)[1] / maps) ** 0.5))
    return Plan(architecture, last[0], first[1], first[0] / size, **free)


_FIRST = {
    Architecture.ALEXNET: "features.0.weight",
    Architecture.VGG16: "features.0.weight",
    Architecture.RESNET50: "conv1.weight",
    Architecture.SMALL: "features.0.weight",
}
_LAST = {
    Architecture.ALEXNET: "classifier.6.weight",
    Architecture.VGG16: "classifier.6.weight",
    Architecture.RESNET50: "fc.weight",
    Architecture.SMALL: "classifier.4.weight",
}


def _shape(architecture: Architecture, state: State, name: str, axes: int) -> tuple[int, ...]:
    if name not in state or state[name].ndim != axes:
        raise FormatError(
            f"the state dict has no {name} with {axes} axes, so it is none of {architecture}: name "
            "the architecture it was saved from"
        )
    return tuple(state[name].shape)


def restore(module: nn.Module, state: State, name: str) -> None:
    """Put a state dict's tensors in a module.

    Raises:
        FormatError: a name that is missing or too many, a shape that disagrees, a number that is
            not finite.
    """
    own = module.state_dict()
    for key, held in own.items():
        if key not in state:
            raise FormatError(f"{name}: the state dict lacks {key}: it is of another network")
        if state[key].shape != held.shape:
            raise FormatError(
                f"{name}: {key} has shape {tuple(state[key].shape)}, the network "
                f"{tuple(held.shape)}: it is of another network"
            )
        if not bool(torch.isfinite(state[key].double()).all()):
            raise FormatError(f"{name}: {key} holds a number that is not finite")
    extra = sorted(set(state) - set(own))
    if extra:
        raise FormatError(f"{name}: the network has no {extra[0]}: it is of another network")
    module.load_state_dict(dict(state))
