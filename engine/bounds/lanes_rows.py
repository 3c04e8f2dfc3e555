"""Rows put into blocks, and gathered from matrices, eight numbers at a time; see `lanes.py`."""

# mypy: allow-untyped-defs, allow-untyped-calls, disallow-untyped-decorators=False
# mypy: disable-error-code="call-arg"

from __future__ import annotations

from numba import types
from numba.core import cgutils

from . import lanes_plain
from .compiled import njit
from .vectors import LANES, Code, emitted, word


def _put_rows(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    lanes, matrix, start, rows, first, last, columns, signs, out, out_at, more = code.values
    out, step = code.at(out, out_at), builder.mul(lanes, word(LANES))
    matrix, last = code.at(matrix, start), builder.sub(last, word(1))
    old = builder.icmp_signed("!=", more, word(0))
    with cgutils.for_range(builder, lanes) as vectors:
        side = builder.mul(vectors.index, word(LANES))
        sign = code.load(code.at(signs, side))
        begins = []
        for r in range(LANES):  # what is behind the last row has the sign 0
            place = builder.add(builder.add(first, side), word(r))
            inside = builder.icmp_signed("<", place, last)
            row = builder.load(code.at(rows, builder.select(inside, place, last)))
            begins.append(code.at(matrix, (row, columns)))
        with code.counted(columns, LANES) as j:
            turned = code.turned([code.load(code.at(row, j)) for row in begins])
            for i, column in enumerate(turned):
                place = code.at(out, (builder.add(j, word(i)), step), side)
                start = builder.select(old, code.load(place), code.zero)
                code.store(code.add_product(column, sign, start), place)
    return context.get_dummy_value()


@emitted(lanes_plain.put_rows)
def _emit_put_rows(
    typing, lanes, matrix, start, rows, first, last, columns, signs, out, out_at, more
):
    whole, flat, words = types.int64, types.float64[::1], types.int64[::1]
    signature = types.void(whole, flat, whole, words, whole, whole, whole, flat, flat, whole, whole)
    return signature, _put_rows


def _gather_row(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    weight, weight_at, live, live_at, columns, out, out_at, middle, pitch, sums, at, height = (
        code.values
    )
    weight, live, out = code.at(weight, weight_at), code.at(live, live_at), code.at(out, out_at)
    sizes = [code.room(code.zero) for _ in range(3)]
    with code.counted(columns, LANES) as j:
        row = code.gather(weight, live, columns, j)
        code.store(row, code.at(out, j))
        for part, room in enumerate(sizes):
            factor = row if part == 0 else code.magnitude(row)
            values = code.load(code.at(middle, (pitch, part), j))
            builder.store(code.add_product(factor, values, builder.load(room)), room)
    for part, room in enumerate(sizes):
        place = code.at(sums, (height, part), at)
        more = code.total(builder.load(room))
        builder.store(builder.fadd(builder.load(place), more), place)
    return context.get_dummy_value()


@emitted(lanes_plain.gather_row)
def _emit_gather_row(
    typing,
    weight,
    weight_at,
    live,
    live_at,
    columns,
    out,
    out_at,
    middle,
    pitch,
    sums,
    at,
    height,
):
    whole, flat, words = types.int64, types.float64[::1], types.int64[::1]
    signature = types.void(
        flat, whole, words, whole, whole, flat, whole, flat, whole, flat, whole, whole
    )
    return signature, _gather_row


@njit(cache=True, nogil=True, inline="always")
def put_rows(lanes, matrix, start, rows, first, last, columns, signs, out, out_at, more):
    """Put signed rows of a matrix side by side: ``out[j, r] (+)= signs[r] matrix[rows[r], j]``.

    Whole vectors are read and written: up to LANES - 1 numbers behind each row, and as many rows of
    the block behind its columns, which hold nothing of meaning then.

    Args:
        lanes: vectors of rows, 1 to MOST.
        matrix: flat float64; from `start` on, `(any, columns)`.
        start: where the matrix begins.
        rows: int64, which rows.
        first: the first of them that counts.
        last: the end of those that count, above `first`; vectors that are longer repeat the last.
        columns: numbers a row.
        signs: `(LANES * lanes,)` float64, +1 or -1; 0 for a row that does not count.
        out: flat float64; from `out_at` on, `(columns, LANES * lanes)`.
        out_at: where the block begins.
        more: 1 to add to what is there, 0 to begin anew.
    """
    _emit_put_rows(lanes, matrix, start, rows, first, last, columns, signs, out, out_at, more)


@njit(cache=True, nogil=True, inline="always")
def gather_row(
    weight, weight_at, live, live_at, columns, out, out_at, middle, pitch, sums, at, height
):
    """Copy a row's live columns, and sum them times three vectors, two of them by magnitude.

    Whole vectors are written: up to LANES - 1 numbers behind the row.

    Args:
        weight: flat float64.
        weight_at: where the row begins.
        live: flat int64, the live columns from `live_at` on.
        live_at: where they begin.
        columns: their number.
        out: flat float64, filled from `out_at` on.
        out_at: where the row is put.
        middle: flat `(3, pitch)`: what the row is multiplied by, what its magnitudes are
            multiplied by, twice; 0 from `columns` to the next multiple of LANES.
        pitch: a multiple of LANES.
        sums: flat `(3, height)`, added to at `at`.
        at: where.
        height: numbers a part of `sums`.
    """
    _emit_gather_row(
        weight, weight_at, live, live_at, columns, out, out_at, middle, pitch, sums, at, height
    )
