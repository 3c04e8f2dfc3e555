"""Float networks to begin with: trained briefly where none is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from ..engine.errors import InputError
from ..engine.network import Network
from .data import Dataset
from .selfcompress_chain import fresh, links_of, network_of, with_weight
from .selfcompress_module import applied
from .selfcompress_plan import Plan, Show


def trained(
    data: Dataset,
    channels: Sequence[int],
    hidden: Sequence[int],
    plan: Plan,
    show: Show | None = None,
) -> Network:
    """Return a fresh float32 network trained on a data set; the same arguments, the same bytes.

    Args:
        data: rows with labels, or with targets.
        channels: of its convolutions, in order; see `fresh`.
        hidden: sizes of its dense hidden layers.
        plan: its epochs, batch, rate, eps and seed are read.
        show: is told of progress.

    Raises:
        InputError: sizes below 1, or data without labels and targets.
    """
    outputs = data.classes if data.targets is None else data.targets.shape[1]
    if not outputs or not len(data):
        raise InputError(f"{data.name}: has no rows with labels or targets: nothing to learn")
    network = fresh(
        data.shape, outputs, channels, hidden, np.random.default_rng([plan.seed, 1 << 16])
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _train(network, data, plan, show)
    finally:
        torch.set_num_threads(threads)


def _train(network: Network, data: Dataset, plan: Plan, show: Show | None) -> Network:
    links = links_of(network)
    numbers = [
        torch.tensor(part, dtype=torch.float32, requires_grad=True)
        for link in links
        for part in (link.operator.weight, link.bias)
    ]
    adam = torch.optim.Adam(numbers, lr=plan.rate, eps=plan.eps)
    inputs = torch.tensor(data.inputs)
    labels = None if data.labels is None else torch.tensor(data.labels)
    targets = None if data.targets is None else torch.tensor(data.targets, dtype=torch.float32)
    for epoch in range(plan.epochs):
        order = np.random.default_rng([plan.seed, epoch, 1]).permutation(len(data))
        for at in range(0, len(order), plan.batch):
            pick = torch.from_numpy(order[at : at + plan.batch])
            values = inputs[pick]
            for place, link in enumerate(links):
                values = applied(link, numbers[2 * place], numbers[2 * place + 1], values)
            if labels is not None:
                loss = functional.cross_entropy(values, labels[pick])
            else:
                assert targets is not None
                loss = functional.mse_loss(values, targets[pick])
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
        if show is not None:
            show("epochs before compression", epoch + 1, plan.epochs)
    held = [part.detach().numpy().astype(np.float64) for part in numbers]
    made = [
        replace(link, operator=with_weight(link.operator, held[2 * at]), bias=held[2 * at + 1])
        for at, link in enumerate(links)
    ]
    return network_of(made, data.shape, "the float network")
