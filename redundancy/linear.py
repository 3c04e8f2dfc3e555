"""Linear neurons: the form in which a block's linear neurons cost the fewest multiply-adds.

A unit is a neuron of slope 1: IDENTITY where it was so in the network given, and LINEAR where it
was made here, so that nobody takes it for one that was proved to be non-negative.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.exact import Exact, total
from ..engine.network import Piecewise, State
from ..engine.rounding import float_above
from .aside import scaled_row, split_off
from .block import Block, Reading
from .dependent import combination, independent, is_plain, turn_opposites
from .draft import Draft, Part, more, product_above, stored, sum_above, times_above
from .effect import Shift

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Form(Enum):
    """What became of a layer's linear neurons."""

    NONE = "none"
    UNITS = "linear units"
    SKIP = "skip edge"
    FACTOR = "factor"
    MERGED = "merged"
    BEHIND = "merged behind a cut"
    KEPT = "not foldable"


def choose_form(draft: Draft, source: str) -> tuple[Form, int]:
    """Give the linear neurons on a dense layer their cheapest form.

    ReLUs that are opposite to others count as linear where that takes fewer multiply-adds.

    Returns:
        The form, and how many opposite ReLUs went into it.
    """
    turned = draft.copy()
    opposites = turn_opposites(turned, source)
    form = _form(draft, source)
    if opposites:
        other = _form(turned, source)
        if turned.multiply_adds < draft.multiply_adds:
            draft.become(turned)
            return other, opposites
    return form, 0


def _form(draft: Draft, source: str) -> Form:
    block = draft.block(source)
    if block is None:
        return Form.KEPT
    if not is_plain(draft, block):
        return _aside(draft, block)
    _straighten(draft, block)
    linear, active = _split(draft, block)
    if not linear.size:
        return Form.NONE
    layer = draft.affine(source)
    fan_in = layer.operator.size_in
    fan_out = sum(draft.nodes[reading.reader].size for reading in block.readings)
    units = _is_unit(draft.layer(block.tail))
    if units[linear].all() and not draft.shifted_rows(source)[linear].any():
        basis = independent(layer, linear)
        least = min(fan_in * fan_out, linear.size * (fan_in + fan_out))
        if 0 < basis.size * (fan_in + fan_out) < least and _span(draft, block, linear, basis):
            _bypass(draft, source)
            return Form.FACTOR
    if fan_in * fan_out < linear.size * (fan_in + fan_out) and not (draft.chain and active.size):
        found = {r.reader: _product(draft, block, r, linear) for r in block.readings}
        parts = {name: part for name, part in found.items() if part is not None}
        if len(parts) == len(found):
            draft.divert(block, active, draft.nodes[source].sources[0], parts)
            return Form.SKIP if active.size else Form.MERGED
    _bypass(draft, source)
    return Form.UNITS


def _bypass(draft: Draft, source: str) -> None:
    """Take out a layer of activations that are all units."""
    block = draft.block(source)
    if block is not None and not draft.chain and _is_unit(draft.layer(block.tail)).all():
        parts = {reading.reader: draft.read(block, reading) for reading in block.readings}
        draft.divert(block, np.zeros(0, np.int64), source, parts)


def _split(draft: Draft, block: Block) -> tuple[Index, Index]:
    state = draft.layer(block.tail).state
    linear = (state == State.IDENTITY) | (state == State.LINEAR)
    return np.flatnonzero(linear), np.flatnonzero(~linear)


def _is_unit(layer: Piecewise) -> NDArray[np.bool_]:
    line = (layer.state == State.LINEAR) & (layer.slope == 1) & (layer.intercept == 0)
    return np.asarray((layer.state == State.IDENTITY) | line, dtype=np.bool_)


def _straighten(draft: Draft, block: Block) -> None:
    """Move the slopes and intercepts of LINEAR neurons into their rows.

    That is done where the new row is stored exactly; or, if the draft allows rounding, where the
    element type does not hold the slope and the intercept, so that a file could not.
    """
    layer = draft.layer(block.tail)
    places = np.flatnonzero((layer.state == State.LINEAR) & ~_is_unit(layer))
    if not places.size:
        return
    affine, old = draft.affine(block.source), draft.shift(block.source)
    weight, bias = affine.operator.weight.copy(), affine.bias.copy()
    loose, off = old.weight.copy(), old.bias.copy()
    slope, intercept = layer.slope.copy(), layer.intercept.copy()
    for place in places:
        line = Fraction(float(slope[place])), Fraction(float(intercept[place]))
        row, lost = scaled_row(draft, block.source, int(place), *line)
        fits = draft.fits(np.array([slope[place], intercept[place]])).all()
        if lost.any() and (fits or not draft.allowed(lost)):
            continue
        weight[place], bias[place] = row[:-1], row[-1]
        loose[place], off[place] = lost[:-1], lost[-1]
        slope[place], intercept[place] = 1.0, 0.0
    draft.change(block.source, Part(weight, bias, Shift(loose, off)))
    lines = Piecewise(layer.state, slope, intercept)
    draft.nodes[block.tail] = replace(draft.nodes[block.tail], layer=lines)


def _aside(draft: Draft, block: Block) -> Form:
    """Take the simple neurons out of a body of several layers, if that takes fewer multiply-adds.

    They become a block of their own, and then what is cheapest for it.
    """
    lines, tried = draft.lines(block), draft.copy()
    otherwise = Form.KEPT if lines.linear.any() else Form.NONE
    branch = split_off(tried, block, lines)
    whole = block.source not in tried.nodes
    if branch is None or (draft.chain and not whole):
        return otherwise
    form = _form(tried, branch)
    if tried.multiply_adds >= draft.multiply_adds:
        return otherwise
    draft.become(tried)
    return form if whole or form != Form.MERGED else Form.SKIP


def _span(draft: Draft, block: Block, linear: Index, basis: Index) -> bool:
    """Let the units of a basis stand for all linear units, if that is stored exactly."""
    rest = np.setdiff1d(linear, basis)
    factors = combination(draft.affine(block.source), basis, rest)
    if factors is None or not draft.gather(block, basis, rest, factors):
        return False
    draft.keep(block, np.setdiff1d(np.arange(block.size), rest))
    return True


def _product(draft: Draft, block: Block, reading: Reading, linear: Index) -> Part | None:
    """Return the product through the linear neurons, or None where it may not be stored.

    With ``W1 = V1 + E1`` and ``W2 = V2 + E2`` (stored, true, and at most the shifts apart),
    ``W2 D W1 - V2 D V1`` is at most ``|W2| |D| E1 + E2 |D| (|W1| + E1)``; biases likewise.
    """
    layer, first, loose = (
        draft.layer(block.tail), draft.affine(block.source), draft.shift(block.source),
    )  # fmt: skip
    columns, slack = draft.columns(reading, block.size)
    identity = layer.state[linear] == State.IDENTITY
    steep = np.where(identity, 1.0, layer.slope[linear])
    slope, shift = Exact.of(steep), Exact.of(layer.intercept[linear])
    weight, bias = Exact.of(first.operator.weight[linear]), Exact.of(first.bias[linear])
    out = Exact.of(columns[:, linear])
    scale = slope.denominator * weight.denominator
    rows = Exact(slope.numerators[:, None] * weight.numerators, scale)
    offset = Exact(slope.numerators * bias.numerators, slope.denominator * bias.denominator)
    offset = total([offset, shift])
    some = Exact(out.numerators[:1] @ rows.numerators, out.denominator * rows.denominator)
    if not draft.rounding and stored(some, draft.dtype)[1].any():  # the usual case, found early
        return None
    exact = Exact(out.numerators @ rows.numerators, out.denominator * rows.denominator)
    beside = Exact(out.numerators @ offset.numerators, out.denominator * offset.denominator)
    near, lost = stored(exact, draft.dtype)
    old = draft.read(block, reading)
    near_bias, lost_bias = more(old.bias, beside, draft.dtype)
    size = np.abs(steep)
    gain = times_above(np.abs(columns[:, linear]), size)
    e1 = np.column_stack([loose.weight[linear], loose.bias[linear]])
    e2 = slack[:, linear]
    high = np.array([float_above(abs(v)) for v in offset.fractions()])
    wide = times_above(np.abs(first.operator.weight[linear]), size[:, None])
    reach = sum_above(np.column_stack([wide, high]), times_above(e1, size[:, None]))
    carried = sum_above(product_above(gain, e1), product_above(e2, reach))
    off = sum_above(lost, carried[:, :-1])
    off_bias = sum_above(lost_bias, carried[:, -1], old.shift.bias)
    if not draft.allowed(off, off_bias):
        return None
    return Part(near, near_bias, Shift(off, off_bias))
