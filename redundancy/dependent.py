"""Neurons that depend on others: equal up to a factor, opposite, or spanned by others.

Rows are compared with their biases, exactly. With ``z_j = c z_i`` and c > 0, relu(z_j) is
c relu(z_i), and so for every function that adds nothing. With ``z_j = -c z_i``,
``relu(z_j) = z_j + c relu(z_i)``: a ReLU becomes a linear unit.

Source: Serra, Kumar, Ramalingam, Lossless compression of deep neural networks, CPAIOR 2020.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..engine.exact import Exact
from ..engine.network import Affine, Piecewise, State
from ..engine.rounding import UNDERFLOW
from .block import Block, alike, homogeneous
from .draft import Draft

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Family = dict[int, Fraction]
"""Neurons with rows that are multiples of one another: the pivot of each, an entry of its row."""


def join_equal(draft: Draft, source: str) -> int:
    """Let one neuron on a dense layer stand for its positive multiples; return how many left.

    A neuron stays where the sum of the columns is no number of the element type, unless the draft
    allows rounding.
    """
    block = draft.block(source)
    if block is None:
        return 0
    gone: list[int] = []
    does, scales = alike(draft.nodes, block), homogeneous(draft.nodes, block)
    for family in families(draft, block):
        while family:
            # The smallest first: its multiples are whole more often than its fractions.
            first = min(family, key=lambda place: abs(family[place]))
            pivot = family.pop(first)
            some = {
                place: other / pivot
                for place, other in family.items()
                if does[place] == does[first]
                and (other == pivot or (scales[first] and other / pivot > 0))
            }
            left = _join(draft, block, first, some)
            gone += left
            family = {place: other for place, other in family.items() if place not in left}
    if gone:
        draft.keep(block, np.setdiff1d(np.arange(block.size), gone))
    return len(gone)


def turn_opposites(draft: Draft, source: str) -> int:
    """Turn every ReLU whose row is a negative multiple of another's into a linear unit.

    The units are LINEAR with slope 1, for they may well be negative where IDENTITY was proved.
    Returns how many there are.
    """
    block = draft.block(source)
    if block is None or not is_plain(draft, block):
        return 0
    relu = draft.layer(block.tail).state == State.RELU
    turned: list[int] = []
    for family in families(draft, block):
        open_ = {place: pivot for place, pivot in family.items() if relu[place]}
        while open_:
            first = min(open_, key=lambda place: abs(open_[place]))
            pivot = open_.pop(first)
            for place in [p for p, other in open_.items() if other / pivot < 0]:
                factor = Exact.of(np.array([[-open_[place] / pivot]], dtype=object))
                if draft.gather(block, np.array([first]), np.array([place]), factor):
                    turned.append(place)
                    del open_[place]
    if turned:
        become_units(draft, block.tail, np.array(turned))
    return len(turned)


def become_units(draft: Draft, name: str, places: Index) -> None:
    """Make some neurons of a layer LINEAR with slope 1."""
    layer = draft.layer(name)
    state, slope, intercept = layer.state.copy(), layer.slope.copy(), layer.intercept.copy()
    state[places], slope[places], intercept[places] = State.LINEAR, 1.0, 0.0
    node = draft.nodes[name]
    draft.nodes[name] = type(node)(
        node.name, Piecewise(state, slope, intercept), node.sources, node.shape
    )


def is_plain(draft: Draft, block: Block) -> bool:
    """Return whether a block's body is one layer of activations."""
    one = draft.nodes[block.tail]
    return block.body == (block.tail,) and isinstance(one.layer, Piecewise)


def families(draft: Draft, block: Block) -> list[Family]:
    """Return the neurons whose rows, biases included, are multiples of one another, exactly.

    Rows of zeros belong to none; nor do rows that were rounded, for theirs are not the true ones.
    """
    rows = _rows(draft.affine(block.source))
    use = rows[:, :-1].any(axis=1) & ~draft.shifted_rows(block.source)
    found: dict[bytes, list[tuple[int, Fraction]]] = {}
    at = np.abs(rows).argmax(axis=1)
    for place in np.flatnonzero(use):
        # Multiples have their largest entry in one place, and quotients that round alike.
        pivot = rows[place, at[place]]
        key = (rows[place] / pivot + 0.0).tobytes()
        found.setdefault(key, []).append((int(place), Fraction(float(pivot))))
    groups = [dict(group) for group in found.values() if len(group) > 1]
    return [true for group in groups for true in _confirmed(rows, group)]


def _confirmed(rows: Array, group: Family) -> list[Family]:
    """Return a group split into families that hold in rationals."""
    exact = {p: [Fraction(v) / pivot for v in rows[p].tolist()] for p, pivot in group.items()}
    split: list[Family] = []
    for place, pivot in group.items():
        home = next((f for f in split if exact[next(iter(f))] == exact[place]), None)
        if home is None:
            split.append({place: pivot})
        else:
            home[place] = pivot
    return [family for family in split if len(family) > 1]


def _join(draft: Draft, block: Block, first: int, some: Family) -> list[int]:
    """Add the columns of some neurons to those of the first; return the neurons it stands for."""
    into, of = np.array([first]), np.array(list(some), dtype=np.int64)
    if not some:
        return []
    factors = np.array([[factor] for factor in some.values()], dtype=object)
    if draft.gather(block, into, of, Exact.of(factors)):
        return list(some)
    done = []
    for place, factor in some.items():
        one = Exact.of(np.array([[factor]], dtype=object))
        if len(some) > 1 and draft.gather(block, into, np.array([place]), one):
            done.append(place)
    return done


def independent(layer: Affine, rows: Index) -> Index:
    """Return a largest choice of the rows, biases included, that looks linearly independent.

    A choice made in float64, to be confirmed by `combination`.
    """
    weight = _rows(layer)[rows]
    chosen: list[int] = []
    left = weight / np.maximum(np.abs(weight).max(axis=1, keepdims=True), UNDERFLOW)
    for place in range(len(rows)):
        if np.abs(left[place]).max() > 1e-9:
            unit = left[place] / np.linalg.norm(left[place])
            left = left - np.outer(left @ unit, unit)
            chosen.append(place)
    return rows[np.array(chosen, dtype=np.int64)]


def combination(layer: Affine, basis: Index, rest: Index) -> Exact | None:
    """Return ``C`` with rows[rest] = C rows[basis] exactly, biases included, or None.

    ``C`` is guessed by least squares, rounded to multiples of 2**-10, and checked in rationals: it
    finds equal rows and simple multiples and sums of rows, which are what training leaves behind.
    """
    weight = _rows(layer)
    guess = np.linalg.lstsq(weight[basis].T, weight[rest].T, rcond=None)[0].T
    parts = Exact.of(np.round(guess * 1024) / 1024)
    whole = Exact.of(weight)
    left = whole.numerators[rest] * parts.denominator
    right = parts.numerators @ whole.numerators[basis]
    return parts if bool((left == right).all()) else None


def _rows(layer: Affine) -> Array:
    return np.concatenate([layer.operator.matrix(), layer.bias[:, None]], axis=1)
