"""Channels without bits: removed for good, or given some again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..engine.operators import Dense
from .selfcompress_chain import Kept, Link
from .selfcompress_form import alive
from .selfcompress_module import Layer, Stack, covering


def silent_channels(stack: Stack) -> Iterator[tuple[int, Kept]]:
    """Yield hidden layers with channels to remove, and the channels of them that stay."""
    for at, layer in enumerate(stack.every()[:-1]):
        bits, bias = (value.detach().cpu().numpy() for value in (layer.bits, layer.bias))
        kept = alive(bits, bias, layer.link.relu)
        if len(kept) < layer.link.channels:
            yield at, kept


def remove_silent(stack: Stack, optimiser: torch.optim.Optimizer) -> int:
    """Remove the hidden channels that are 0 everywhere, for good; return how many.

    With a channel go the next layer's inputs from it and the optimiser's moments of all of them.
    The network's function stays: each of its sums loses terms that are exactly 0. A layer keeps at
    least one channel.

    Args:
        stack: is cut in place.
        optimiser: of its parameters; its moments are cut in place.
    """
    gone, layers = 0, stack.every()
    for at, kept in silent_channels(stack):
        one, after = layers[at], layers[at + 1]
        gone += one.link.channels - len(kept)
        cut(one, optimiser, kept, np.arange(one.link.channels_in))
        cut(after, optimiser, np.arange(after.link.channels), kept)
    return gone


def cut(layer: Layer, optimiser: torch.optim.Optimizer, rows: Kept, columns: Kept) -> None:
    """Cut a layer, and the optimiser's moments of it, down to some of its channels.

    The parameters are new objects, which take the old ones' places in the optimiser.

    Args:
        layer: is cut in place.
        optimiser: of its parameters.
        rows: output channels that stay.
        columns: input channels that stay.
    """
    at = torch.from_numpy((columns[:, None] * layer.link.run + np.arange(layer.link.run)).ravel())
    kept = torch.from_numpy(rows)
    layer.link = layer.link.cut(rows, columns)
    for name in ("weight", "bias", "bits", "exponent"):
        old: nn.Parameter = getattr(layer, name)
        place = at if name == "weight" else None
        new = nn.Parameter(_taken(old.detach(), kept, place))
        setattr(layer, name, new)
        for group in optimiser.param_groups:
            group["params"] = [new if one is old else one for one in group["params"]]
        moments = optimiser.state.pop(old, {})
        if moments:
            optimiser.state[new] = {
                key: _taken(moment, kept, place) if moment.dim() else moment
                for key, moment in moments.items()
            }


def _taken(values: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor | None) -> torch.Tensor:
    out = values[rows.to(values.device)]
    return out.clone() if columns is None else out[:, columns.to(values.device)].clone()


def restore_half(stack: Stack, adam: torch.optim.Optimizer, bits: float) -> int:
    """Give half of the hidden channels without bits some again, rounded up; return how many.

    They are those with the largest products of the norms of their own weights and of the weights
    that read them; their exponents fit their weights. The moments of all bits and exponents begin
    anew: what the size loss has gathered there would go on taking bits.

    Args:
        stack: is changed in place.
        adam: of its parameters; is changed in place.
        bits: of a restored channel.
    """
    found = list[tuple[float, int, int]]()
    layers = stack.every()
    for at, (layer, after) in enumerate(pairwise(layers)):
        own = layer.weight.detach().flatten(1).norm(dim=1)
        read = _read_norm(after)
        for channel in torch.nonzero(~layer.live).flatten().tolist():
            found.append((-float(own[channel] * read[channel]), at, channel))
    chosen = sorted(found)[: (len(found) + 1) // 2]
    with torch.no_grad():
        for _, at, channel in chosen:
            layer = layers[at]
            layer.bits[channel] = bits
            row = layer.weight[channel : channel + 1]
            layer.exponent[channel] = covering(row, layer.bits[channel : channel + 1])[0]
    for layer in layers if chosen else ():
        for parameter in (layer.bits, layer.exponent):
            adam.state.pop(parameter, None)
    return len(chosen)


def _read_norm(layer: Layer) -> torch.Tensor:
    """Return the norm of the weights that read each input channel, ``(channels_in,)``."""
    weight = layer.weight.detach()
    each = weight.reshape(len(weight), layer.link.channels_in, -1)
    norm: torch.Tensor = each.transpose(0, 1).flatten(1).norm(dim=1)
    return norm


def in_order(links: Sequence[Link], inputs: torch.Tensor) -> torch.Tensor:
    """Return a chain's outputs with every sum taken term by term, in the order of the inputs.

    Products of matrices take sums in an order that depends on their sizes, so a network and its cut
    may differ in the last digits of float32 there though they are the same function. Here a term
    that is 0 changes nothing, and both give the same bits.

    Args:
        links: of the chain.
        inputs: ``(batch, inputs)`` float32.
    """
    values = inputs
    for link in links:
        weight = torch.tensor(link.operator.weight, dtype=inputs.dtype)
        bias = torch.tensor(link.bias, dtype=inputs.dtype)
        values = _summed(link, weight, bias, values)
    return values


def _summed(
    link: Link, weight: torch.Tensor, bias: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    operator = link.operator
    if isinstance(operator, Dense):
        out = bias.expand(len(values), -1)
        for at in range(weight.shape[1]):
            out = out + values[:, at : at + 1] * weight[:, at]
    else:
        top, left, bottom, right = operator.padding
        pictures = values.reshape(-1, *operator.shape_in)
        padded = functional.pad(pictures, (left, right, top, bottom))
        _, tall, wide = operator.shape_out
        out = bias[:, None, None].expand(len(values), -1, tall, wide)
        for channel, row, column in np.ndindex(*operator.weight.shape[1:]):
            first, start = row * operator.dilations[0], column * operator.dilations[1]
            down, across = operator.strides
            seen = padded[
                :,
                channel : channel + 1,
                first : first + (tall - 1) * down + 1 : down,
                start : start + (wide - 1) * across + 1 : across,
            ]
            out = out + seen * weight[:, channel, row, column, None, None]
        out = out.flatten(1)
    return functional.relu(out) if link.relu else out
