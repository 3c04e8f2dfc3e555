"""Bounds of every node of a network over boxes, computed on a torch device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from ..network import Network
from ..stages import stages
from .batched import Pass, bound_batch
from .device import Placed, place
from .interval import Interval, interval

Array = NDArray[np.float64]


def bounds_on(
    network: Network, lower: Array, upper: Array, device: str, steps: int | None = 0
) -> dict[str, Interval]:
    """Return bounds of every node's value, those of pre-activations and outputs from a device.

    Args:
        network: the network; its layers become matrices.
        lower: ``(boxes, inputs)`` float64, closed, finite.
        upper: the same.
        device: as torch names it.
        steps: gradient steps on the lower slopes of each row; 0 keeps the fixed slopes; None for
            interval bounds alone.

    Returns:
        Bounds by node name, ``(boxes, size)`` each, rounded outward; see `linear.linear`.

    Raises:
        InputError: no such device, or too little memory on it.
        UnsupportedError: matrices that are too large to be kept dense.
    """
    staged = stages(network, grids=True)
    net = place(staged, device)
    ends: list[tuple[Array, Array]] = []
    with torch.inference_mode():
        size = net.together(8 * sum(2 * layer.size for layer in net.layers) * net.widest)
        for start in range(0, len(lower), size):
            some = slice(start, start + size)
            box = net.tensor(lower[some]), net.tensor(upper[some])
            try:
                found = _enclosed(net, *box) if steps is None else _bounded(net, *box, steps)
            except torch.cuda.OutOfMemoryError as error:
                raise InputError(
                    f"device {device}: too little memory for the rows of {network.origin.path}; "
                    "take --method interval, or --device cpu"
                ) from error
            ends.append((found[0].cpu().numpy(), found[1].cpu().numpy()))
    low, high = (np.concatenate([pair[side] for pair in ends]) for side in (0, 1))
    known: dict[str, Interval] = {}
    for k, stage in enumerate(staged.stages[1:], 1):
        least, most = low[:, net.flat(k)], high[:, net.flat(k)]
        if stage.name in known:
            least = np.maximum(least, known[stage.name][0])
            most = np.minimum(most, known[stage.name][1])
        known[stage.name] = least, most
    return interval(network, lower, upper, known)


def _bounded(
    net: Placed, lower: torch.Tensor, upper: torch.Tensor, steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    found = bound_batch(net, lower, upper, steps=steps)
    return found.low, found.high


def _enclosed(
    net: Placed, lower: torch.Tensor, upper: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    done, last = Pass.over(net, lower, upper), len(net.layers) - 1
    for k in range(1, last + 1):
        done.enclose(k, None)
        if k < last:
            done.relax(k)
    return done.flat(last)
