"""Simple neurons of an activation function that is lowered to several layers become plain ones.

A leaky ReLU whose phase is known is a line; a clip whose upper limit is out of reach is one ReLU.
Such neurons leave the body of scales and sums for a plain layer beside it:

    slope z + shift                   a LINEAR neuron, or a unit on the row ``slope (row, bias)``
    shift + gain relu(inner z + off)  a ReLU on the row ``gain inner (row, bias)``, gain > 0, and
                                      ``W shift`` in the readers' biases
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.exact import Exact
from ..engine.network import Affine, Node, Piecewise, State
from ..engine.operators import Dense
from ..engine.rounding import float_above
from .block import Block, Lines
from .draft import Draft, Part, more, product_above, stored, sum_above, times_above
from .effect import Shift

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Neuron:
    """A neuron of a body of several layers as one of a plain layer: its row, bias last."""

    place: int
    row: Array
    lost: Array
    state: State
    line: tuple[float, float]


def split_off(draft: Draft, block: Block, lines: Lines) -> str | None:
    """Split a block's simple neurons off; return the dense layer of their block, if there are any.

    Simple is a neuron that is a line, or one ReLU with its constant in the readers' biases. It is
    split off where its numbers are stored exactly, or may be rounded.
    """
    single = np.flatnonzero(lines.single)
    if not draft.allowed(*_moved(draft, block, single, lines.shift[single])[1].values()):
        single = single[lines.shift[single] == 0]
    some = [_as_line(draft, block, lines, int(place)) for place in np.flatnonzero(lines.linear)]
    some += [_as_relu(draft, block, lines, int(place)) for place in single]
    found = sorted((one for one in some if one is not None), key=lambda one: one.place)
    if not found:
        return None
    places = np.array([one.place for one in found])
    bent = np.array([one.place for one in found if one.state == State.RELU], dtype=np.int64)
    bias, off = _moved(draft, block, bent, lines.shift[bent])
    parts = {}
    for reading in block.readings:
        whole, name = draft.read(block, reading), reading.reader
        lost = sum_above(whole.shift.bias, off[name])
        shift = Shift(whole.shift.weight[:, places], lost)
        parts[name] = Part(whole.weight[:, places], bias[name], shift)
    rows, lost = (np.array([getattr(one, what) for one in found]) for what in ("row", "lost"))
    steep, high = np.array([one.line for one in found]).T
    layer = Piecewise(np.array([one.state for one in found], np.int8), steep, high)
    source, tail = draft.name(f"{block.tail}/rows"), draft.name(f"{block.tail}/units")
    below = draft.nodes[block.source].sources
    draft.nodes[source] = Node(source, Affine(Dense(rows[:, :-1]), rows[:, -1]), below)
    own = Part(rows[:, :-1], rows[:, -1], Shift(lost[:, :-1], lost[:, -1]))
    draft.change(source, own)
    draft.nodes[tail] = Node(tail, layer, (source,))
    draft.divert(block, np.setdiff1d(np.arange(block.size), places), tail, parts)
    return source


def _as_line(draft: Draft, block: Block, lines: Lines, place: int) -> _Neuron | None:
    line = lines.slope[place], lines.shift[place]
    row, lost = _row(draft, block, place)
    if line == (1, 0):
        return _Neuron(place, row, lost, State.LINEAR, (1.0, 0.0))
    near, far = stored(Exact.of(np.array(line, dtype=object)), draft.dtype)
    scaled, off = scaled_row(draft, block.source, place, *line)
    if not off.any() or (far.any() and draft.allowed(off)):
        return _Neuron(place, scaled, off, State.LINEAR, (1.0, 0.0))
    if far.any():
        return None
    return _Neuron(place, row, lost, State.LINEAR, (float(near[0]), float(near[1])))


def _as_relu(draft: Draft, block: Block, lines: Lines, place: int) -> _Neuron | None:
    line = lines.gain[place] * lines.inner[place], lines.gain[place] * lines.offset[place]
    scaled = _row(draft, block, place)
    row, lost = scaled if line == (1, 0) else scaled_row(draft, block.source, place, *line)
    if line != (1, 0) and not draft.allowed(lost):
        return None
    return _Neuron(place, row, lost, State.RELU, (0.0, 0.0))


def _row(draft: Draft, block: Block, place: int) -> tuple[Array, Array]:
    layer, old = draft.affine(block.source), draft.shift(block.source)
    row = np.append(layer.operator.weight[place], layer.bias[place])
    return row, np.append(old.weight[place], old.bias[place])


def _moved(
    draft: Draft, block: Block, places: Index, values: NDArray[np.object_]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the readers' biases with constants of some neurons in them, and what that lost."""
    biases, lost = {}, {}
    far = np.array([float_above(abs(value)) for value in values.tolist()])
    for reading in block.readings:
        old = draft.read(block, reading)
        exact, weight = Exact.of(values), Exact.of(old.weight[:, places])
        share = weight.numerators @ exact.numerators
        share = Exact(share, weight.denominator * exact.denominator)
        near, off = more(old.bias, share, draft.dtype)
        carried = product_above(old.shift.weight[:, places], far[:, None])[:, 0]
        biases[reading.reader], lost[reading.reader] = near, sum_above(off, carried)
    return biases, lost


def scaled_row(
    draft: Draft, source: str, place: int, slope: Fraction, shift: Fraction
) -> tuple[Array, Array]:
    """Return the row and bias of ``slope z + shift`` as stored, and how far they are from it."""
    affine, old = draft.affine(source), draft.shift(source)
    row = Exact.of(np.append(affine.operator.weight[place], affine.bias[place])).fractions() * slope
    row[-1] += shift
    near, lost = stored(Exact.of(row), draft.dtype)
    loose = np.append(old.weight[place], old.bias[place])
    far = np.array([float_above(abs(slope))])
    return near, sum_above(lost, times_above(loose, far))
