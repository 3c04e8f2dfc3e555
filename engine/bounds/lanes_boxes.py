"""Relaxations of rows on eight boxes side by side: each box has lines of its own; see `lanes.py`.

A block holds the coefficients of up to `MOST` rows on all boxes: ``(neurons, rows, LANES)``, a
neuron after the other. Products are those of `lanes.py`, for all boxes have the same matrices.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, disallow-untyped-decorators=False
# mypy: disable-error-code="call-arg"

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from . import lanes_plain
from .compiled import njit
from .lanes import MOST, for_each_width
from .vectors import LANES, LINE, WIDE, Code, emitted, word


def _relax_boxes(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    rows, block, block_at, columns, lines, lines_at, exact, exact_at, sums = code.values
    block, lines, exact = (
        code.at(block, block_at),
        code.at(lines, lines_at),
        code.at(exact, exact_at),
    )

    def add(rooms, v, a, shift, charge):
        for room, b, c in ((rooms[v], a, shift), (rooms[MOST + v], code.magnitude(a), charge)):
            builder.store(code.add_product(b, c, builder.load(room)), room)

    def emit(width):
        ends = [code.at(sums, v * LANES) for v in range(2 * MOST)]
        rooms = [code.room(code.load(end)) for end in ends]
        with cgutils.for_range(builder, columns) as loop:
            line = code.at(lines, (loop.index, LINE * LANES))
            places = [code.at(block, (loop.index, LANES * width), v * LANES) for v in range(width)]
            same = builder.load(code.at(exact, loop.index))
            with builder.if_else(builder.icmp_unsigned("!=", same, same.type(0))) as (yes, no):
                with yes:  # the identity on every box
                    shift, charge = (code.load(code.at(line, part * LANES)) for part in (1, 2))
                    for v in range(width):
                        add(rooms, v, code.load(places[v]), shift, charge)
                with no:
                    up, down = (
                        [code.load(code.at(line, (side + part) * LANES)) for part in range(3)]
                        for side in (0, 3)
                    )
                    for v in range(width):
                        a = code.load(places[v])
                        above = builder.fcmp_ordered(">", a, code.zero)
                        slope, shift, charge = (
                            builder.select(above, one, two)
                            for one, two in zip(up, down, strict=True)
                        )
                        code.store(builder.fmul(a, slope), places[v])
                        add(rooms, v, a, shift, charge)
        for v in range(width):
            for part in (v, MOST + v):
                code.store(builder.load(rooms[part]), ends[part])

    for_each_width(code, rows, emit)
    return context.get_dummy_value()


@emitted(lanes_plain.relax_boxes)
def _emit_relax(typing, rows, block, block_at, columns, lines, lines_at, exact, exact_at, sums):
    whole, flat, bits = types.int64, types.float64[::1], types.uint8[::1]
    signature = types.void(whole, flat, whole, whole, flat, whole, bits, whole, flat)
    return signature, _relax_boxes


def _put_boxes(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    out, at, value, more = code.values
    place, old = code.at(out, at), builder.icmp_signed("!=", more, word(0))
    start = builder.select(old, code.load(place), code.zero)
    code.store(builder.fadd(code.filled(value), start), place)
    return context.get_dummy_value()


@emitted(lanes_plain.put_boxes)
def _emit_put(typing, out, at, value, more):
    whole, one = types.int64, types.float64
    return types.void(types.float64[::1], whole, one, whole), _put_boxes


def _share_boxes(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    slopes, at, width, inputs, least, share, to = code.values
    slopes, share = code.at(slopes, at), code.at(share, to)
    whole = code.room(code.filled(least))
    with cgutils.for_range(builder, inputs) as loop:
        place = (loop.index, LANES)
        slope = code.magnitude(code.load(code.at(slopes, place)))
        part = builder.fmul(slope, code.load(code.at(width, place)))
        code.store(part, code.at(share, place))
        builder.store(builder.fadd(part, builder.load(whole)), whole)
    one = builder.fdiv(ir.Constant(WIDE, [1.0] * LANES), builder.load(whole))
    with cgutils.for_range(builder, inputs) as loop:
        place = code.at(share, (loop.index, LANES))
        code.store(builder.fmul(code.load(place), one), place)
    return context.get_dummy_value()


@emitted(lanes_plain.share_boxes)
def _emit_share(typing, slopes, at, width, inputs, least, share, to):
    whole, flat = types.int64, types.float64[::1]
    return types.void(flat, whole, flat, whole, types.float64, flat, whole), _share_boxes


def _blame_boxes(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    rows, block, block_at, columns, lines, lines_at, share, share_at, inputs, out, out_at = (
        code.values
    )
    block, lines = code.at(block, block_at), code.at(lines, lines_at)
    share, out = code.at(share, share_at), code.at(out, out_at)

    def emit(width):
        with cgutils.for_range(builder, columns) as loop:
            line = code.at(lines, (loop.index, LINE * LANES))
            up, down = (code.load(code.at(line, part * LANES)) for part in (6, 7))
            gaps = []
            for v in range(width):
                a = code.load(code.at(block, (loop.index, LANES * width), v * LANES))
                above = builder.fcmp_ordered(">", a, code.zero)
                gaps.append(builder.fmul(code.magnitude(a), builder.select(above, up, down)))
            with cgutils.for_range(builder, inputs) as over:
                part = code.load(code.at(share, (loop.index, inputs, LANES), (over.index, LANES)))
                for v in range(width):
                    place = code.at(out, (over.index, LANES * width), v * LANES)
                    code.store(code.add_product(gaps[v], part, code.load(place)), place)

    for_each_width(code, rows, emit)
    return context.get_dummy_value()


@emitted(lanes_plain.blame_boxes)
def _emit_blame(
    typing, rows, block, block_at, columns, lines, lines_at, share, share_at, inputs, out, out_at
):
    whole, flat = types.int64, types.float64[::1]
    signature = types.void(whole, flat, whole, whole, flat, whole, flat, whole, whole, flat, whole)
    return signature, _blame_boxes


@njit(cache=True, nogil=True, inline="always")
def relax_boxes(rows, block, block_at, columns, lines, lines_at, exact, exact_at, sums):
    """Replace coefficients of activations by those of pre-activations, in place.

    Args:
        rows: 1 to MOST.
        block: flat float64; from `block_at` on, `(columns, rows, LANES)`.
        block_at: where the block begins.
        columns: neurons.
        lines: flat float64; from `lines_at` on, `(columns, LINE, LANES)`: as `lanes.relax` takes
            them, for each box.
        lines_at: where the lines begin.
        exact: uint8; from `exact_at` on, 1 for neurons whose lines are the identity on every box.
        exact_at: where that begins.
        sums: `(2 * ROWS,)` the constants `(rows, LANES)`, from ROWS on the errors; added to.
    """
    _emit_relax(rows, block, block_at, columns, lines, lines_at, exact, exact_at, sums)


@njit(cache=True, nogil=True, inline="always")
def put_boxes(out, at, value, more):
    """Put a number in the place of every box: ``out[at : at + LANES] (+)= value``."""
    _emit_put(out, at, value, more)


@njit(cache=True, nogil=True, inline="always")
def share_boxes(slopes, at, width, inputs, least, share, to):
    """Fill in the inputs' parts of |slope| times width, of 1 on every box.

    Args:
        slopes: flat float64; from `at` on, `(inputs, LANES)`.
        at: where they begin.
        width: flat `(inputs, LANES)`.
        inputs: their number.
        least: added to what is divided by.
        share: flat float64; from `to` on, `(inputs, LANES)`, filled.
        to: where that begins.
    """
    _emit_share(slopes, at, width, inputs, least, share, to)


@njit(cache=True, nogil=True, inline="always")
def blame_boxes(
    rows, block, block_at, columns, lines, lines_at, share, share_at, inputs, out, out_at
):
    """Add up how far lines may be away from their activations, by the inputs to be blamed.

    Args:
        rows: as `relax_boxes` takes it, and so the next five.
        block: the coefficients.
        block_at: where they begin.
        columns: neurons.
        lines: what lines can be away is the seventh of a neuron's where a > 0, else the eighth.
        lines_at: where the lines begin.
        share: flat float64; from `share_at` on, `(columns, inputs, LANES)`: of each neuron's
            looseness, in parts of 1.
        share_at: where that begins.
        inputs: their number.
        out: flat float64; from `out_at` on, `(inputs, rows, LANES)`; added to.
        out_at: where that begins.
    """
    _emit_blame(
        rows, block, block_at, columns, lines, lines_at, share, share_at, inputs, out, out_at
    )
