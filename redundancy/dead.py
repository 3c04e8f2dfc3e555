"""Dead neurons: those that nothing reads, and those that are constant, leave the weights.

Requires: a block (`block.py`). A constant neuron of value v moves ``W[:, i] v`` into its readers'
biases; a neuron whose columns are all zero moves nothing.

Source: Serra, Kumar, Ramalingam, Lossless compression of deep neural networks, CPAIOR 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..engine.exact import Exact
from ..engine.network import State
from ..engine.rounding import float_above
from .block import Block, Reading
from .dependent import is_plain
from .draft import Draft, Part, more, product_above, sum_above
from .effect import Shift

Index = NDArray[np.int64]


def drop_constant(draft: Draft, source: str) -> int:
    """Move the constant neurons on a dense layer into biases; return how many left.

    Where the new biases are no numbers of the element type, a neuron stays, unless the draft
    allows rounding.
    """
    block = draft.block(source)
    if block is None:
        return 0
    constant, values = _constants(draft, block)
    if not constant.size:
        return 0
    if not values.numerators.any():  # they move nothing
        return _drop(draft, block, constant)
    gone = constant
    if not _into_biases(draft, block, constant, values):
        nothing = values.numerators == 0
        gone = constant[nothing]
        for place in np.flatnonzero(~nothing):
            one = Exact(values.numerators[place : place + 1], values.denominator)
            if _into_biases(draft, block, constant[place : place + 1], one):
                gone = np.append(gone, constant[place])
    return _drop(draft, block, gone)


def _constants(draft: Draft, block: Block) -> tuple[Index, Exact]:
    """Return which neurons of a block are constant, and their values."""
    if is_plain(draft, block):
        layer = draft.layer(block.tail)
        zero = layer.state == State.ZERO
        steep = (layer.state != State.LINEAR) | (layer.slope != 0)
        if (steep & (zero | draft.moving(block.source))).all():  # ZERO is all that is constant
            places = np.flatnonzero(zero)
            return places, Exact(np.zeros(places.size, dtype=object), 1)
    lines = draft.lines(block)
    constant = np.flatnonzero(lines.constant)
    return constant, Exact.of(lines.shift[constant])


def drop_unread(draft: Draft, source: str) -> int:
    """Drop the neurons on a dense layer that every reader multiplies by zero; return how many."""
    block = draft.block(source)
    if block is None:
        return 0
    read = np.zeros(block.size, dtype=np.bool_)
    for reading in block.readings:
        weight, shift = draft.columns(reading, block.size)
        read |= weight.any(axis=0) | shift.any(axis=0)
    return _drop(draft, block, np.flatnonzero(~read))


def _drop(draft: Draft, block: Block, gone: Index) -> int:
    kept = np.setdiff1d(np.arange(block.size), gone)
    if not kept.size:
        draft.vanish(block)
    elif gone.size:
        draft.keep(block, kept)
    return int(gone.size)


def _into_biases(draft: Draft, block: Block, places: Index, values: Exact) -> bool:
    """Add constant neurons' shares to the readers' biases and zero their columns, if allowed."""
    found: list[tuple[Reading, Part]] = []
    far = np.array([float_above(abs(value)) for value in values.fractions()])
    for reading in block.readings:
        columns, loose = draft.columns(reading, block.size)
        layer, old = draft.affine(reading.reader), draft.shift(reading.reader)
        weight = Exact.of(columns[:, places])
        share = weight.numerators @ values.numerators
        share = Exact(share, weight.denominator * values.denominator)
        bias, lost = more(layer.bias, share, draft.dtype)
        if not draft.allowed(lost):
            return False
        carried = product_above(loose[:, places], far[:, None])[:, 0]
        numbers = layer.operator.weight.copy()
        numbers[:, places + reading.start] = 0.0
        less = old.weight.copy()
        less[:, places + reading.start] = 0.0
        shift = Shift(less, sum_above(lost, old.bias, carried))
        found.append((reading, Part(numbers, bias, shift)))
    for reading, part in found:
        draft.change(reading.reader, part)
    return True
