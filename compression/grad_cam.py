"""Grad-CAM: where in a network's last convolution the evidence for a class lies.

Source: R. Selvaraju et al. 2017, Grad-CAM: visual explanations from deep networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..engine.errors import InputError
from ..engine.network import Network
from ..engine.operators import Convolution
from .selfcompress_chain import Link, links_of
from .selfcompress_module import applied

Singles = NDArray[np.float32]

ROWS = 512
"""Rows that are evaluated at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a network makes of some inputs.

    Attributes:
        outputs: ``(rows, outputs)`` float32.
        embedding: ``(rows, values)`` float32, the activations of the looked-at layer.
        maps: ``(rows, height, width)`` float32, at least 0: the Grad-CAM map of each row's class,
            ``relu(sum_k a_k A_k)`` with ``a_k`` the mean over positions of ``dy/dA_k``. 1 by 1
            where the layer is dense.
    """

    outputs: Singles
    embedding: Singles
    maps: Singles

    @property
    def heat(self) -> NDArray[np.float64]:
        """``(rows,)`` float64: the mean of each map, in the units of the outputs."""
        flat = self.maps.reshape(len(self.maps), -1)
        return np.asarray(flat.mean(axis=1, dtype=np.float64))


def looked_at(links: Sequence[Link]) -> int:
    """Return the place of the last convolution, or of the last hidden layer without any.

    Raises:
        InputError: there is no hidden layer.
    """
    found = [at for at, link in enumerate(links) if isinstance(link.operator, Convolution)]
    if len(links) < 2:
        raise InputError("a network of one layer has no hidden layer to look at: give a deeper one")
    return min(found[-1], len(links) - 2) if found else len(links) - 2


def seen(network: Network, inputs: Singles, classes: NDArray[np.int64]) -> Seen:
    """Return what a network makes of inputs, with a Grad-CAM map for a class of each.

    Args:
        network: a chain of dense layers, convolutions and ReLUs.
        inputs: ``(rows, inputs)``.
        classes: ``(rows,)``, the output whose evidence is looked for.

    Raises:
        UnsupportedError: a network that is no such chain.
        InputError: a network without a hidden layer.
    """
    links = links_of(network)
    place = looked_at(links)
    numbers = [
        (
            torch.tensor(link.operator.weight, dtype=torch.float32),
            torch.tensor(link.bias, dtype=torch.float32),
        )
        for link in links
    ]
    outputs, embedding, maps = list[Singles](), list[Singles](), list[Singles]()
    for start in range(0, len(inputs), ROWS):
        part = slice(start, start + ROWS)
        values = torch.tensor(inputs[part], dtype=torch.float32)
        for link, (weight, bias) in zip(links[: place + 1], numbers, strict=False):
            values = applied(link, weight, bias, values)
        found = values.detach().requires_grad_(True)
        values = found
        for link, (weight, bias) in zip(links[place + 1 :], numbers[place + 1 :], strict=True):
            values = applied(link, weight, bias, values)
        chosen = values.gather(1, torch.tensor(classes[part])[:, None])
        (slope,) = torch.autograd.grad(chosen.sum(), found)
        outputs.append(values.detach().numpy())
        embedding.append(found.detach().numpy())
        maps.append(_map(links[place], found.detach(), slope))
    return Seen(*(_joined(part) for part in (outputs, embedding, maps)))


def _map(link: Link, values: torch.Tensor, slope: torch.Tensor) -> Singles:
    shape = link.operator.shape_out if isinstance(link.operator, Convolution) else (-1, 1, 1)
    activations, slopes = (one.reshape(len(values), *shape) for one in (values, slope))
    share = slopes.mean(dim=(2, 3), keepdim=True)
    heat: Singles = torch.relu((share * activations).sum(dim=1)).numpy()
    return heat


def _joined(parts: Sequence[Singles]) -> Singles:
    if not parts:
        raise InputError("there are no rows to look at: give at least one")
    return np.concatenate(parts)
