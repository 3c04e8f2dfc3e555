"""Products and relaxations of small blocks, eight numbers at a time.

A block holds the coefficients of up to `ROWS` rows: ``(neurons, LANES * lanes)``, a neuron after
the other, the rows side by side. Products keep eight neurons by three vectors of rows in
registers, and a block stays in the first cache from one layer to the next; library products are
made for large matrices and reach half of that on blocks of this size. The vectors are written out
because compilers leave short loops of unknown length half scalar.

Multiplications and additions may be fused or not, so results may differ in their last places
between machines; bounds charge every rounding either way.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, disallow-untyped-decorators=False
# mypy: disable-error-code="call-arg"

from __future__ import annotations

from functools import partial

from numba import types
from numba.core import cgutils

from . import lanes_plain
from .compiled import njit
from .packed import LOWER, UPPER
from .vectors import LANES, LINE, Code, emitted, word

MOST = 3
"""Vectors of rows a block: with eight neurons they fill the registers of current processors."""

ROWS = LANES * MOST
"""Rows a block."""


def for_each_width(code, lanes, emit):
    """Emit code for each number of vectors a block may have, chosen when it runs."""
    for width in range(1, MOST + 1):
        chosen = code.builder.icmp_signed("==", lanes, word(width))
        with code.builder.if_then(chosen):
            emit(width)


def _tile(code, width, tall, first, old, forward):
    """Emit ``out[i] (+)= sum_j m[i, j] block[j]`` for some rows i; m is turned unless `forward`."""
    matrix, pitch, block, columns, out = code.values[1:6]
    builder, step = code.builder, LANES * width
    ends = [
        [code.at(out, (first, step), a * step + v * LANES) for v in range(width)]
        for a in range(tall)
    ]
    sums = [
        [code.room(builder.select(old, code.load(end), code.zero)) for end in row] for row in ends
    ]
    with cgutils.for_range(builder, columns) as loop:
        j = loop.index
        vectors = [code.load(code.at(block, (j, step), v * LANES)) for v in range(width)]
        corner = (
            code.at(matrix, (first, pitch), j) if forward else code.at(matrix, (j, pitch), first)
        )
        for a in range(tall):
            weight = code.spread(code.at(corner, (pitch, a) if forward else a))
            for v in range(width):
                place = sums[a][v]
                builder.store(code.add_product(weight, vectors[v], builder.load(place)), place)
    for a in range(tall):
        for v in range(width):
            code.store(builder.load(sums[a][v]), ends[a][v])


def _product(forward, context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    (
        lanes,
        matrix,
        matrix_at,
        pitch,
        block,
        block_at,
        columns,
        out,
        out_at,
        into,
        more,
    ) = code.values
    matrix, block = code.at(matrix, matrix_at), code.at(block, block_at)
    code.values = [lanes, matrix, pitch, block, columns, code.at(out, out_at)]
    old = builder.icmp_signed("!=", more, word(0))

    def emit(width):
        whole = builder.and_(into, word(-8))
        with code.counted(whole, LANES) as first:
            _tile(code, width, 8, first, old, forward)
        for tall in (4, 2, 1):
            bit = builder.and_(into, word(tall))
            with builder.if_then(builder.icmp_signed("!=", bit, word(0))):
                first = builder.and_(into, word(-2 * tall))
                _tile(code, width, tall, first, old, forward)

    for_each_width(code, lanes, emit)
    return context.get_dummy_value()


def _product_signature():
    whole, flat = types.int64, types.float64[::1]
    return types.void(whole, flat, whole, whole, flat, whole, whole, flat, whole, whole, whole)


@emitted(lanes_plain.product)
def _emit_product(
    typing, lanes, matrix, matrix_at, pitch, block, block_at, columns, out, out_at, into, more
):
    return _product_signature(), partial(_product, False)


@emitted(lanes_plain.forward_product)
def _emit_forward(
    typing, lanes, matrix, matrix_at, pitch, block, block_at, columns, out, out_at, into, more
):
    return _product_signature(), partial(_product, True)


def _relax(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    lanes, block, block_at, columns, lines, lines_at, sums = code.values
    block, lines = code.at(block, block_at), code.at(lines, lines_at)

    def emit(width):
        step = LANES * width
        ends = [code.at(sums, v * LANES) for v in range(2 * MOST)]
        rooms = [code.room(code.load(end)) for end in ends]
        with cgutils.for_range(builder, columns) as loop:
            line = code.at(lines, (loop.index, LINE))
            up, down = (
                [code.spread(code.at(line, side + part)) for part in range(3)] for side in (0, 3)
            )
            for v in range(width):
                place = code.at(block, (loop.index, step), v * LANES)
                a = code.load(place)
                above = builder.fcmp_ordered(">", a, code.zero)
                slope, shift, charge = (
                    builder.select(above, one, two) for one, two in zip(up, down, strict=True)
                )
                code.store(builder.fmul(a, slope), place)
                for room, b, c in (
                    (rooms[v], a, shift),
                    (rooms[MOST + v], code.magnitude(a), charge),
                ):
                    builder.store(code.add_product(b, c, builder.load(room)), room)
        for v in range(width):
            for part in (v, MOST + v):
                code.store(builder.load(rooms[part]), ends[part])

    for_each_width(code, lanes, emit)
    return context.get_dummy_value()


@emitted(lanes_plain.relax)
def _emit_relax(typing, lanes, block, block_at, columns, lines, lines_at, sums):
    whole, flat = types.int64, types.float64[::1]
    return types.void(whole, flat, whole, whole, flat, whole, flat), _relax


def _gaps(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    lanes, block, block_at, columns, lines, lines_at, out, out_at = code.values
    block, out = code.at(block, block_at), code.at(out, out_at)
    lines = code.at(lines, lines_at)

    def emit(width):
        with cgutils.for_range(builder, columns) as loop:
            line = code.at(lines, (loop.index, LINE))
            up, down = (code.spread(code.at(line, part)) for part in (6, 7))
            for v in range(width):
                a = code.load(code.at(block, (loop.index, LANES * width), v * LANES))
                above = builder.fcmp_ordered(">", a, code.zero)
                gap = builder.fmul(code.magnitude(a), builder.select(above, up, down))
                code.store(gap, code.at(out, (loop.index, LANES * width), v * LANES))

    for_each_width(code, lanes, emit)
    return context.get_dummy_value()


@emitted(lanes_plain.gaps)
def _emit_gaps(typing, lanes, block, block_at, columns, lines, lines_at, out, out_at):
    whole, flat = types.int64, types.float64[::1]
    return types.void(whole, flat, whole, whole, flat, whole, flat, whole), _gaps


def _show(context, builder, signature, arguments):
    code = Code(context, builder, signature, arguments)
    values, at, bias, doubt, relu = code.values
    bias, doubt = code.filled(bias), code.filled(doubt)
    below, clip = builder.fsub(code.zero, doubt), builder.icmp_signed("!=", relu, word(0))
    seen = []
    for v in range(MOST):
        place = code.at(values, at, v * LANES)
        value = builder.fadd(code.load(place), bias)
        seen.append(
            [builder.fcmp_ordered(">", value, doubt), builder.fcmp_ordered("<", value, below)]
        )
        cut = builder.select(builder.fcmp_ordered("<", value, code.zero), code.zero, value)
        code.store(builder.select(clip, cut, value), place)
    return builder.or_(
        *(
            builder.select(code.some([pair[side] for pair in seen]), word(bit), word(0))
            for side, bit in ((0, UPPER), (1, LOWER))
        )
    )


@emitted(lanes_plain.show)
def _emit_show(typing, values, at, bias, doubt, relu):
    whole, one = types.int64, types.float64
    return whole(types.float64[::1], whole, one, one, whole), _show


@njit(cache=True, nogil=True, inline="always")
def product(lanes, matrix, matrix_at, pitch, block, block_at, columns, out, out_at, into, more):
    """Multiply a block by a transposed matrix: ``out[i] (+)= sum_j matrix[j, i] block[j]``.

    Args:
        lanes: vectors of rows, 1 to MOST.
        matrix: flat float64; from `matrix_at` on, `(columns, pitch)`, of which `into` count.
        matrix_at: where the matrix begins.
        pitch: numbers from one row of the matrix to the next.
        block: flat float64; from `block_at` on, `(columns, LANES * lanes)`.
        block_at: where the block begins.
        columns: neurons of the block.
        out: flat float64; from `out_at` on, `(into, LANES * lanes)`, another part than the block's.
        out_at: where the product is put.
        into: neurons of the product.
        more: 1 to add to what is there, 0 to begin anew.
    """
    _emit_product(
        lanes, matrix, matrix_at, pitch, block, block_at, columns, out, out_at, into, more
    )


@njit(cache=True, nogil=True, inline="always")
def forward_product(
    lanes, matrix, matrix_at, pitch, block, block_at, columns, out, out_at, into, more
):
    """Multiply a block by a matrix: ``out[i] (+)= sum_j matrix[i, j] block[j]``.

    Arguments as those of `product`, but the matrix is `(into, pitch)`, of which `columns` count.
    """
    _emit_forward(
        lanes, matrix, matrix_at, pitch, block, block_at, columns, out, out_at, into, more
    )


@njit(cache=True, nogil=True, inline="always")
def relax(lanes, block, block_at, columns, lines, lines_at, sums):
    """Replace coefficients of activations by those of pre-activations, in place.

    A coefficient a > 0 becomes a times the slope of the neuron's upper line, adds a times its shift
    to the row's constant, and |a| times its charge to the row's error; any other the same with the
    lower line.

    Args:
        lanes: vectors of rows, 1 to MOST.
        block: flat float64; from `block_at` on, `(columns, LANES * lanes)`.
        block_at: where the block begins.
        columns: neurons.
        lines: flat float64; from `lines_at` on, `(columns, LINE)`: slope, shift and charge of the
            upper line, then of the lower line; what follows is not read.
        lines_at: where the lines begin.
        sums: `(2 * ROWS,)` the rows' constants, from ROWS on their errors; added to.
    """
    _emit_relax(lanes, block, block_at, columns, lines, lines_at, sums)


@njit(cache=True, nogil=True, inline="always")
def gaps(lanes, block, block_at, columns, lines, lines_at, out, out_at):
    """Fill a block of `out` with how far each line may be away from its activation, per row.

    Arguments as those of `relax`; |a| is multiplied by the seventh number of a neuron's lines where
    a > 0, else by the eighth.
    """
    _emit_gaps(lanes, block, block_at, columns, lines, lines_at, out, out_at)


@njit(cache=True, nogil=True, inline="always")
def show(values, at, bias, doubt, relu):
    """Add a bias to `ROWS` values of a neuron, in place, and return bits of the signs they show.

    Args:
        values: flat float64.
        at: where the neuron's values begin.
        bias: what is added.
        doubt: a value shows a sign where it is farther from zero; none where it is NaN.
        relu: 1 to replace values below zero by zero afterwards.

    Returns:
        UPPER if a value is above `doubt`, LOWER if one is below its negative.
    """
    return _emit_show(values, at, bias, doubt, relu)
