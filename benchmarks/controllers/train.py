"""Fits a ReLU network to a score table: seeded, single-threaded, the same bytes each time.

The loss is the asymmetric squared error of the collision-avoidance literature: missing a score is
one thing, missing it in the direction that makes a wrong advisory win is worse. The score of the
table's best advisory is weighted where the network falls short of it, the others where the
network overshoots them.

Source: Julian, Kochenderfer and Owen, "Deep neural network compression for aircraft collision
avoidance systems" (JGCD 2019); written anew.
"""

import math
from itertools import pairwise

import numpy as np
import torch

from .problem import Schedule
from .table import Singles, Table


def asymmetric_loss(scores: torch.Tensor, wanted: torch.Tensor, weight: float) -> torch.Tensor:
    """Return the mean weighted squared error of scores of which the largest wins.

    Args:
        scores: what the network says, shape (rows, advisories).
        wanted: what the table says, same shape.
        weight: as in `Schedule`.

    Returns:
        A scalar tensor.
    """
    error = scores - wanted
    best = torch.zeros_like(wanted).scatter_(1, wanted.argmax(dim=1, keepdim=True), 1.0)
    others = wanted.shape[1] - 1
    factor = 1.0 + (weight - 1.0) * (
        best * others * (error < 0.0).float() + (1.0 - best) * (error > 0.0).float()
    )
    return (factor * error * error).mean()


def forward(layers: list[torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
    """Return the outputs, shape (rows, outputs), of alternating weights and biases."""
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        inputs = torch.relu(torch.addmm(bias, inputs, weight.T))
    return torch.addmm(layers[-1], inputs, layers[-2].T)


def drawn(sizes: list[int], generator: torch.Generator) -> list[torch.Tensor]:
    """Return weights drawn as He et al. (2015) propose and zero biases, alternating."""
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        scale = math.sqrt(2.0 / fan_in)
        layers.append(torch.randn(fan_out, fan_in, generator=generator) * scale)
        layers.append(torch.zeros(fan_out))
    return [layer.requires_grad_() for layer in layers]


def train(
    table: Table, widths: tuple[int, ...], seed: int, schedule: Schedule
) -> tuple[list[Singles], list[Singles]]:
    """Return the weights and biases of a ReLU network fitted to a table.

    Args:
        table: the scores to fit, at all its nodes.
        widths: neurons of each hidden layer.
        seed: of the first weights and of the order of the rows.
        schedule: how long and how hard to train.

    Returns:
        Weights of shape (outputs, inputs) and biases of shape (outputs,) per layer, float32; layer
        k computes `weight @ x + bias` on normalised inputs, all but the last followed by ReLU.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _fit(table, widths, torch.Generator().manual_seed(seed), schedule)
    finally:
        torch.set_num_threads(threads)


def _fit(
    table: Table, widths: tuple[int, ...], generator: torch.Generator, schedule: Schedule
) -> tuple[list[Singles], list[Singles]]:
    """Do the work of `train` with the one thread that it set."""
    points, targets = table.rows()
    inputs = torch.from_numpy(points)
    # The loss is written for "the largest wins"; costs are fitted with their sign turned.
    wanted = torch.from_numpy(targets) * table.winner.sign
    layers = drawn([inputs.shape[1], *widths, wanted.shape[1]], generator)
    optimiser = torch.optim.Adam(layers)
    steps = schedule.epochs * math.ceil(inputs.shape[0] / schedule.batch)
    step = 0
    for _ in range(schedule.epochs):
        order = torch.randperm(inputs.shape[0], generator=generator)
        for rows in torch.split(order, schedule.batch):
            optimiser.param_groups[0]["lr"] = schedule.rate_at(step / steps)
            optimiser.zero_grad(set_to_none=True)
            loss = asymmetric_loss(forward(layers, inputs[rows]), wanted[rows], schedule.weight)
            torch.autograd.backward(loss)
            optimiser.step()
            step += 1
    arrays = [layer.detach().numpy().copy() for layer in layers]
    arrays[-2:] = [array * np.float32(table.winner.sign) for array in arrays[-2:]]
    return arrays[0::2], arrays[1::2]
