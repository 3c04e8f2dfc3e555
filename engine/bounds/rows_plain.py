"""What `rows.py` computes, by arrays: for questions that a few boxes settle.

Loading compiled loops takes longer than bounding tens of boxes without them. Boxes stand side by
side: a row is substituted for all of them where it is open on one. What is rounded is charged as
there; see `kernels.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..network import State
from ..rounding import LARGEST, SLACK, UNDERFLOW, UNIT
from .packed import GUIDED, LOWER, UPPER, Packed

Array = NDArray[np.float64]
Flags = NDArray[np.uint8]
Places = NDArray[np.int64]

WORK: Final = 4e8
"""Multiplications after which compiled loops would have been loaded: some tenths of a second."""

MOST: Final = 128
"""Boxes that are bounded by arrays, at most, however small the network."""

HELD: Final = 2**20
"""Coefficients of rows that are held at once, for all boxes."""


def few(net: Packed) -> int:
    """Return on how many boxes arrays are no slower than loading compiled loops; 0 where never."""
    if net.step.any():  # lines of activations that are rounded are compiled alone
        return 0
    stages = range(1, len(net.sizes))
    weights = np.array([sum(matrix.size for _, matrix in _edges(net, k)) for k in stages])
    work = int((2 * net.sizes[1:] * np.cumsum(weights)).sum())
    return min(MOST, int(WORK / max(work, 1)))


def bound_rows(
    net: Packed,
    box_low: Array,
    box_high: Array,
    stable: Flags,
    wanted: Flags,
    cut: Array,
    low: Array,
    base: Array,
    slopes: Array,
    parts: Array,
) -> None:
    """Bound the outputs of a staged network without grids from below on every box.

    Arguments are those of `rows.bound_rows`.
    """
    size = int(net.sizes.max())
    some = max(1, HELD // (2 * size * size))
    for first in range(0, len(box_low), some):
        part = slice(first, first + some)
        with np.errstate(all="ignore"):  # numbers too large are looked for
            _bound(
                _Pass(net, box_low[part], box_high[part], stable[part, 0]),
                wanted[part],
                cut,
                (low[part], base[part], slopes[part], parts[part]),
            )


def _edges(net: Packed, k: int) -> Iterator[tuple[int, Array]]:
    """Yield the sources of a stage and the matrices from them."""
    for edge in range(int(net.edge_first[k]), int(net.edge_first[k + 1])):
        source, start = int(net.edge_source[edge]), int(net.edge_start[edge])
        shape = int(net.sizes[k]), int(net.sizes[source])
        yield source, net.weight[start : start + shape[0] * shape[1]].reshape(shape)


def _bound(at: _Pass, wanted: Flags, cut: Array, out: tuple[Array, Array, Array, Array]) -> None:
    """Go up stage by stage and fill the planes of the last one."""
    low, base, slopes, parts = out
    last = len(at.net.sizes) - 1
    for k in range(1, last):
        at.enclose(k)
        asked = at.unstable(k)
        rows = np.flatnonzero(asked.any(axis=0))
        if rows.size:
            at.tighten(k, rows, asked[:, rows])
        at.activate(k)
    at.enclose(last)
    here = at.place(last)
    asked = (wanted > 0) & (at.low[:, here] < cut) & at.sound[:, None]
    low[:], base[:] = np.where(at.sound[:, None], at.low[:, here], -np.inf), -np.inf
    rows = np.flatnonzero(asked.any(axis=0))
    if not rows.size:
        return
    found = at.substitute(last, rows, np.full(rows.size, -1.0), guide=at.guide)
    kept = asked[:, rows] & (found.bound < np.inf)  # NaN, too: numbers too large
    base[:, rows] = np.where(kept, -found.bound, -np.inf)
    low[:, rows] = np.maximum(low[:, rows], base[:, rows])
    slopes[:, rows] = np.where(kept[..., None], -found.plane, 0.0)
    parts[:, rows] = np.where(kept[..., None], found.blame, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows that were substituted: ``(boxes, rows)`` bounds, ``(boxes, rows, inputs)`` the rest."""

    bound: Array
    plane: Array
    blame: Array


class _Pass:
    """One pass upwards over boxes side by side.

    Attributes:
        net: the network.
        low, high: ``(boxes, neurons)`` bounds of pre-activations.
        sound: ``(boxes,)`` whether all numbers were small enough so far.
        guide: whether looseness is followed back to the inputs.
    """

    def __init__(self, net: Packed, box_low: Array, box_high: Array, stable: Flags) -> None:
        self.net, self._stable = net, stable
        self._box, self._width = (box_low, box_high), box_high - box_low
        boxes, inputs = box_low.shape
        total = int(net.offset[-1])
        self.low = np.where(stable & LOWER, 0.0, -np.inf)
        self.high = np.where(stable & UPPER, 0.0, np.inf)
        self.sound = np.ones(boxes, np.bool_)
        self.guide = inputs <= GUIDED
        self._scale = np.zeros((boxes, total))
        self._post = np.zeros((2, boxes, total))
        self._post[:, :, :inputs] = self._box
        # Of the upper and the lower line: slope and gap; constant and charge of a coefficient 1.
        self._slope, self._gap = np.zeros((2, 2, boxes, total))
        self._line = np.zeros((2, boxes, total, 2))
        self._share = np.zeros((boxes, total, inputs)) if self.guide else np.zeros((0, 0, 0))

    def place(self, k: int) -> slice:
        """Return where the neurons of a stage are."""
        return slice(int(self.net.offset[k]), int(self.net.offset[k + 1]))

    def enclose(self, k: int) -> None:
        """Bound the pre-activations of a stage by intervals, intersected with what is known."""
        here = self.place(k)
        bias = self.net.bias[here]
        centre, radius, total, terms = bias, np.zeros(bias.size), np.abs(bias), 4.0
        for source, matrix in _edges(self.net, k):
            low, high = self._post[:, :, self.place(source)]
            middle, size = 0.5 * (low + high), np.abs(matrix).T
            most = np.maximum(np.abs(low), np.abs(high))
            apart = np.maximum(high - middle, middle - low) * (1.0 + 4.0 * UNIT)
            centre = centre + middle @ matrix.T
            radius = radius + apart @ size
            total = total + np.where(most < LARGEST, most, np.inf) @ size
            terms += matrix.shape[1] + 2.0
        reach = (radius + terms * UNIT / (1.0 - terms * UNIT) * SLACK * total) * SLACK + UNDERFLOW
        reach = reach + np.abs(centre) * (4.0 * UNIT)  # what rounding the ends can take away
        self._scale[:, here] = total * SLACK + UNDERFLOW
        self.sound &= (self._scale[:, here] < LARGEST).all(axis=1)  # NaN is too large, too
        self.low[:, here] = np.maximum(self.low[:, here], centre - reach)
        self.high[:, here] = np.minimum(self.high[:, here], centre + reach)

    def unstable(self, k: int) -> NDArray[np.bool_]:
        """Return which ReLUs of a stage ``(boxes, size)`` may have either phase."""
        here = self.place(k)
        relu = self.net.state[here] == State.RELU
        open_ = relu & (self.low[:, here] < 0.0) & (self.high[:, here] > 0.0)
        return np.asarray(open_ & self.sound[:, None])

    def tighten(self, k: int, rows: Places, asked: NDArray[np.bool_]) -> None:
        """Bound some pre-activations of a stage from both sides, on the boxes that ask for it."""
        count, where = rows.size, rows + int(self.net.offset[k])
        found = self.substitute(
            k, np.concatenate([rows, rows]), np.repeat([1.0, -1.0], count), guide=False
        )
        high, low = found.bound[:, :count], -found.bound[:, count:]
        old_low, old_high = self.low[:, where], self.high[:, where]
        self.high[:, where] = np.where(asked & (high < old_high), high, old_high)  # never NaN
        self.low[:, where] = np.where(asked & (low > old_low), low, old_low)
        if self.guide:
            share = np.abs(found.plane[:, count:]) * self._width[:, None]
            whole = UNDERFLOW + share.sum(axis=-1, keepdims=True)
            self._share[:, where] = share / whole

    def activate(self, k: int) -> None:
        """Note the signs that are known of a stage, its activations' bounds and their lines."""
        here = self.place(k)
        low, high = self.low[:, here], self.high[:, here]
        signs = (high <= 0.0) * UPPER + (low >= 0.0) * LOWER
        self._stable[:, here] |= np.where(self.sound[:, None], signs, 0).astype(np.uint8)
        state, bias = self.net.state[here], self.net.bias[here]
        slope, shift = self.net.slope[here], self.net.intercept[here]
        relu, linear = state == State.RELU, state == State.LINEAR
        free = relu & (low < 0.0) & (high > 0.0)
        on = (state == State.IDENTITY) | (relu & (low >= 0.0))
        ends = slope * low, slope * high
        spare = (np.abs(ends[0]) + np.abs(ends[1]) + np.abs(shift)) * (4.0 * UNIT) + UNDERFLOW
        exact = np.where(on, 1.0, np.where(linear, slope, 0.0))
        self._post[0, :, here] = np.where(
            on, low, np.where(linear, np.minimum(*ends) + shift - spare, 0.0)
        )
        self._post[1, :, here] = np.where(
            on | free, high, np.where(linear, np.maximum(*ends) + shift + spare, 0.0)
        )
        steep = high / np.where(free, high - low, 1.0)
        height = np.maximum(-steep * low, (1.0 - steep) * high) * (1.0 + 8.0 * UNIT) + UNDERFLOW
        size = 2.0 * self._scale[:, here] + np.maximum(-low, high)
        offset = np.where(linear, shift, 0.0)
        gaps = height, np.minimum(-low, high)
        falls = np.where(high > -low, 1.0, 0.0)
        for side, line, rise in ((0, steep, height), (1, falls, 0.0)):
            one, two = np.where(free, line, exact), np.where(free, rise, offset)
            self._slope[side, :, here] = one
            self._line[side, :, here, 0] = two + one * bias
            self._line[side, :, here, 1] = np.abs(two) + np.abs(one) * size + UNDERFLOW
            self._gap[side, :, here] = np.where(free, gaps[side], 0.0)

    def substitute(self, k: int, rows: Places, signs: Array, *, guide: bool) -> _Rows:
        """Bound ``sign * z`` from above for rows of stage k by substituting backwards.

        Args:
            k: the stage.
            rows: ``(rows,)`` neurons of the stage.
            signs: ``(rows,)`` +1 or -1.
            guide: whether to fill the rows' `blame`; else it is what the planes say.
        """
        net, (box_low, box_high) = self.net, self._box
        where, shape = rows + int(net.offset[k]), (*box_low.shape[:1], rows.size)
        sums = np.zeros((*shape, 2))  # constant and error
        sums[..., 0], sums[..., 1] = signs * net.bias[where], self._scale[:, where]
        blame = np.zeros((*shape, box_low.shape[1]))
        back: dict[int, Any] = {}
        for source, matrix in _edges(net, k):
            back[source] = back.get(source, 0.0) + (signs[:, None] * matrix[rows])[None]
        for s in range(k - 1, 0, -1):
            if s not in back:
                continue
            here, least = self.place(s), np.minimum(back[s], 0.0)
            most = np.maximum(back.pop(s), 0.0)
            sums += most @ self._line[0, :, here]
            sums -= least @ (self._line[1, :, here] * (-1.0, 1.0))
            if guide:
                gaps = most * self._gap[0, :, None, here]
                gaps = gaps - least * self._gap[1, :, None, here]
                blame += gaps @ self._share[:, here]
            passed = most * self._slope[0, :, None, here] + least * self._slope[1, :, None, here]
            for source, matrix in _edges(net, s):
                back[source] = back.get(source, 0.0) + passed @ matrix
        plane = np.broadcast_to(back.get(0, 0.0), blame.shape)
        constant, error = sums[..., 0], sums[..., 1] + np.abs(sums[..., 0])
        charge = 2.0 * np.maximum(np.abs(box_low), np.abs(box_high)) + UNDERFLOW
        error = error + (np.abs(plane) @ charge[..., None])[..., 0]
        constant = constant + (np.maximum(plane, 0.0) @ box_high[..., None])[..., 0]
        constant = constant + (np.minimum(plane, 0.0) @ box_low[..., None])[..., 0]
        rate = net.operations * UNIT / (1.0 - net.operations * UNIT) * SLACK
        # The last term is what rounding the sum can take away.
        spare = (rate * error * SLACK + UNDERFLOW) + np.abs(constant) * (4.0 * UNIT)
        return _Rows(constant + spare, plane, blame + np.abs(plane) * self._width[:, None])
