"""The arrays that bounds with optimised slopes work in, made once for many boxes."""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .climb import LINES, ROOM
from .compiled import njit
from .substitute import room_for
from .upward import sums_for
from .vectors import LANES, LINE

ROWS = 128
"""Rows that climb together, a multiple of `climb.ALIGN`; their blocks of a small network fit the
second level of cache."""

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Integers = NDArray[np.int64]


class Working(NamedTuple):
    """Arrays that hold what is known of one box, and room for its rows.

    Attributes:
        packed, narrow: the matrices on live rows and columns, in binary64 and binary32.
        lines: the lines of live neurons, as `substitute` takes them.
        line: the same in binary32, as `climb.py` takes them.
        bias, size: of live neurons, as `put_line` takes them.
        scale: `(neurons,)` magnitudes as `enclose` gives them.
        live, live_count: neurons that may be live, stage by stage, and their number.
        box: `(2, inputs)` in binary32.
        room, used: as `substitute` takes them.
        rows: `(2, ROWS * neurons)` coefficients in binary64 and a product.
        climbing: `(ROOM, ROWS * neurons)` blocks of rows that climb.
        chosen: `(ROWS * neurons,)` lower slopes, a block `(rows, live neurons)` for each stage.
        start: the rows that climb, where they begin.
        sums, middle: room for intervals.
    """

    packed: Array
    narrow: Single
    lines: Array
    line: Single
    bias: Array
    size: Array
    scale: Array
    live: Integers
    live_count: Integers
    box: Single
    room: Array
    used: NDArray[np.uint8]
    rows: Array
    climbing: Single
    chosen: Single
    start: Single
    sums: Array
    middle: Array


@njit(cache=True, nogil=True)
def working(net):
    """Return the arrays for a `Packed` network."""
    total, reads = net.offset[-1], 0
    sums, middle = sums_for(net)
    for k in range(1, net.sizes.shape[0]):
        here = 0
        for e in range(net.edge_first[k], net.edge_first[k + 1]):
            here += net.sizes[net.edge_source[e]]
        reads = max(reads, here)
    return Working(
        np.zeros(net.weight.shape[0] + LANES),
        np.empty(net.weight.shape[0], np.float32),
        np.zeros(total * LINE),
        np.zeros((LINES, total), np.float32),
        np.zeros(total),
        np.zeros(total),
        np.zeros(total),
        np.zeros(total, np.int64),
        np.zeros(net.sizes.shape[0], np.int64),
        np.zeros((2, net.sizes[0]), np.float32),
        room_for(net),
        np.zeros(net.sizes.shape[0], np.uint8),
        np.empty((2, ROWS * total)),
        np.empty((ROOM, ROWS * total), np.float32),
        np.empty(ROWS * total, np.float32),
        np.empty(ROWS * reads, np.float32),
        sums,
        middle,
    )
