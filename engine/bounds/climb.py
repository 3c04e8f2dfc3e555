"""The innermost loops of optimised slopes: gradient steps on the lower slopes of rows, in binary32.

Each row has lower slopes of its own. Backwards, its coefficients say which line it takes at every
neuron and what it is bounded by; forwards, along these lines, come the values at the point where
the relaxation attains this bound. The bound's derivative with respect to a slope is the negative
part of the coefficient times the value there, and a step of Adam is taken while it is at hand.

Nothing found here is trusted: `slopes.py` bounds the rows again in binary64 with what is chosen.
Binary32 halves the time of every product. Blocks are `(live neurons, rows)`: along a neuron its
lines are the same numbers, and only neurons whose slope is free carry a state. Short loops over few
arrays at a time are what compilers turn into vector instructions.

Source: Xu et al. 2021 (optimised slopes); Kingma and Ba 2015 (Adam), with a rate that falls.
"""

# mypy: allow-untyped-defs, disallow-untyped-decorators=False

import numpy as np

from .compiled import njit

# Rows of the lines in binary32, one column a live neuron.
STEEP, HEIGHT = 0, 1  # slope of the upper line; its shift with the bias on it
DOWN, DEPTH = 2, 3  # the same of the lower line, where its slope is not free
OFFSET = 4  # the bias
FREE = 5  # above 0 where the lower slope is free in [0, 1]
LINES = 6  # number of rows

# Rows of the room; in each a block `(live neurons, rows)` for every stage.
COEFFICIENT, VALUE = 0, 1
SLOPE, FIRST, SECOND, CHOSEN = 2, 3, 4, 5  # the state that goes with a row from step to step
SPARE = 6
ROOM = 7  # number of rows

ALIGN = 16
"""Rows are counted in multiples of it, the rest is zero: a whole number of vector registers."""

FADE_FIRST, FADE_SECOND = 0.6, 0.99
"""What the moments keep from step to step: few steps leave no time for longer memories."""

ZERO, ONE = np.float32(0.0), np.float32(1.0)
KEEP_FIRST, KEEP_SECOND = np.float32(FADE_FIRST), np.float32(FADE_SECOND)
TINY = np.float32(1e-30)
"""Added to a divisor that may be zero, where what is divided is zero, too."""


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def _relax(work, slope, line, begin, relaxed, bounds):
    """Turn coefficients of a stage's activations into those of its pre-activations.

    Args:
        work: `(live neurons, rows)` coefficients.
        slope: the rows' lower slopes, the same shape.
        line: the lines.
        begin: the stage's first column there.
        relaxed: filled with the new coefficients.
        bounds: `(rows,)`, to which the constants are added.
    """
    for j in range(work.shape[0]):
        steep, height = line[STEEP, begin + j], line[HEIGHT, begin + j]
        down, depth = line[DOWN, begin + j], line[DEPTH, begin + j]
        if line[FREE, begin + j] > ZERO:
            offset = line[OFFSET, begin + j]
            for r in range(work.shape[1]):
                a = work[j, r]
                plus = a if a > ZERO else ZERO
                below = (a - plus) * slope[j, r]
                relaxed[j, r] = plus * steep + below
                bounds[r] += plus * height + below * offset
        else:
            for r in range(work.shape[1]):
                a = work[j, r]
                plus = a if a > ZERO else ZERO
                relaxed[j, r] = plus * steep + (a - plus) * down
                bounds[r] += plus * height + (a - plus) * depth


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def _reach(work, box, point, bounds):
    """Add the largest values over the box to the bounds; fill in where they are attained."""
    for i in range(work.shape[0]):
        low, high = box[0, i], box[1, i]
        for r in range(work.shape[1]):
            end = high if work[i, r] >= ZERO else low
            point[i, r] = end
            bounds[r] += work[i, r] * end


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
def _move(value, work, slope, first, second, line, begin, rate, fading):
    """Turn a stage's values before into those after the chosen lines; take a step on the slopes.

    Args:
        value: on entry the pre-activations `(live neurons, rows)` without bias.
        work: coefficients.
        slope: lower slopes.
        first: their first moments.
        second: their second moments.
        line: the lines.
        begin: the stage's first column there.
        rate: the step's length, divided by what the first moment has of its weights.
        fading: one over what the second moment has of its weights.
    """
    for j in range(value.shape[0]):
        steep, height = line[STEEP, begin + j], line[HEIGHT, begin + j]
        down, depth = line[DOWN, begin + j], line[DEPTH, begin + j]
        if line[FREE, begin + j] > ZERO:
            offset = line[OFFSET, begin + j]
            for r in range(value.shape[1]):
                push = (value[j, r] + offset) * (work[j, r] if work[j, r] < ZERO else ZERO)
                first[j, r] = KEEP_FIRST * first[j, r] + (ONE - KEEP_FIRST) * push
                second[j, r] = KEEP_SECOND * second[j, r] + (ONE - KEEP_SECOND) * push * push
            for r in range(value.shape[1]):
                z = value[j, r]
                below = slope[j, r] * (z + offset)
                value[j, r] = steep * z + height if work[j, r] >= ZERO else below
            for r in range(value.shape[1]):
                new = slope[j, r] - rate * first[j, r] / (np.sqrt(second[j, r] * fading) + TINY)
                new = new if new > ZERO else ZERO
                slope[j, r] = new if new < ONE else ONE
        else:
            for r in range(value.shape[1]):
                z = value[j, r]
                value[j, r] = steep * z + height if work[j, r] >= ZERO else down * z + depth


@njit(cache=True, nogil=True, inline="always")
def _block(flat, first, neurons, width):
    """Return the block of a stage, `(live neurons, rows)`."""
    return flat[first : first + neurons * width].reshape(neurons, width)


@njit(cache=True, nogil=True)
def back(net, k, constant, work, used, bounds):
    """Bound rows from above, with their slopes; keep their coefficients.

    Args:
        net: `Packed`.
        k: the stage whose rows they are.
        constant: `(rows,)` their constants; a multiple of `ALIGN`.
        work: `Working`; `start` holds for each edge of stage k in turn the rows
            ``(live neurons, rows)``.
        used: `(stages,)` filled with the stages on the way.
        bounds: `(rows,)` filled with the bounds, not rounded outward.
    """
    room, start, width = work.climbing, work.start, constant.shape[0]
    live_count, packed = work.live_count, work.narrow
    most = room.shape[1] // net.offset[-1]
    row, value, slope, spare = room[COEFFICIENT], room[VALUE], room[SLOPE], room[SPARE]
    used[:] = False
    taken = 0
    for e in range(net.edge_first[k], net.edge_first[k + 1]):
        source = net.edge_source[e]
        cells, first = live_count[source] * width, most * net.offset[source]
        if used[source]:
            row[first : first + cells] += start[taken : taken + cells]
        else:
            row[first : first + cells] = start[taken : taken + cells]
        taken += cells
        used[source] = True
    bounds[:] = constant
    for s in range(k - 1, 0, -1):
        columns, begin, first = live_count[s], net.offset[s], most * net.offset[s]
        if not used[s] or columns == 0:
            continue
        relaxed = _block(spare, 0, columns, width)
        _relax(
            _block(row, first, columns, width),
            _block(slope, first, columns, width),
            work.line,
            begin,
            relaxed,
            bounds,
        )
        for e in range(net.edge_first[s], net.edge_first[s + 1]):
            source, cut = net.edge_source[e], net.edge_start[e]
            into, to = live_count[source], most * net.offset[source]
            if into == 0:
                continue
            matrix = packed[cut : cut + columns * into].reshape(columns, into).T
            if used[source]:
                product = np.dot(matrix, relaxed)
                row[to : to + into * width] += product.ravel()
            else:
                np.dot(matrix, relaxed, _block(row, to, into, width))
                used[source] = True
    if used[0]:
        inputs = net.sizes[0]
        _reach(_block(row, 0, inputs, width), work.box, _block(value, 0, inputs, width), bounds)


@njit(cache=True, nogil=True)
def forth(net, k, width, work, used, rate, fading):
    """Follow rows forwards along the lines they chose, and take a step on their slopes.

    Args:
        net: `Packed`.
        k: the stage whose rows they are.
        width: how many rows there are.
        work: `Working`, as `back` left it.
        used: the stages on the way.
        rate: the step's length, divided by what the first moment has of its weights.
        fading: one over what the second moment has of its weights.
    """
    room, live_count, packed = work.climbing, work.live_count, work.narrow
    most = room.shape[1] // net.offset[-1]
    row, value, slope = room[COEFFICIENT], room[VALUE], room[SLOPE]
    first_moment, second_moment = room[FIRST], room[SECOND]
    for s in range(1, k):
        columns, begin, first = live_count[s], net.offset[s], most * net.offset[s]
        if not used[s] or columns == 0:
            continue
        block = _block(value, first, columns, width)
        fresh = True
        for e in range(net.edge_first[s], net.edge_first[s + 1]):
            source, cut = net.edge_source[e], net.edge_start[e]
            into, there = live_count[source], most * net.offset[source]
            if into == 0:
                continue
            matrix = packed[cut : cut + columns * into].reshape(columns, into)
            reads = _block(value, there, into, width)
            if fresh:
                np.dot(matrix, reads, block)
                fresh = False
            else:
                block += np.dot(matrix, reads)
        if fresh:
            block[:] = ZERO
        _move(
            block,
            _block(row, first, columns, width),
            _block(slope, first, columns, width),
            _block(first_moment, first, columns, width),
            _block(second_moment, first, columns, width),
            work.line,
            begin,
            rate,
            fading,
        )
