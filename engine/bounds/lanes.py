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

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiled import njit

LANES = 8
"""Numbers a vector."""

MOST = 3
"""Vectors of rows a block: with eight neurons they fill the registers of current processors."""

ROWS = LANES * MOST
"""Rows a block."""

LINE = 8
"""Numbers a neuron in a table of lines: see `relax`."""

_DOUBLE, _WIDE = ir.DoubleType(), ir.VectorType(ir.DoubleType(), LANES)
_WORD = ir.IntType(64)
_EIGHT = ir.Constant(_WORD, 8)


class _Code:
    """Emits vector code at a place of a function."""

    def __init__(self, context, builder, signature, arguments):
        self.builder, self.module = builder, builder.module
        self.values = [
            context.make_array(kind)(context, builder, value).data
            if isinstance(kind, types.Array)
            else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        self.zero = ir.Constant(_WIDE, [0.0] * LANES)

    def at(self, pointer, *terms):
        """Return a pointer moved by the sum of products of numbers."""
        builder, place = self.builder, None
        for term in terms:
            factors = term if isinstance(term, tuple) else (term,)
            product = None
            for factor in factors:
                word = ir.Constant(_WORD, factor) if isinstance(factor, int) else factor
                product = word if product is None else builder.mul(product, word)
            place = product if place is None else builder.add(place, product)
        return builder.gep(pointer, [place])

    def load(self, pointer):
        """Return the eight numbers at a place."""
        builder = self.builder
        return builder.load(builder.bitcast(pointer, _WIDE.as_pointer()), align=8)

    def store(self, value, pointer):
        """Put eight numbers at a place."""
        builder = self.builder
        builder.store(value, builder.bitcast(pointer, _WIDE.as_pointer()), align=8)

    def spread(self, pointer):
        """Return the number at a place eight times."""
        builder, undefined = self.builder, ir.Constant(_WIDE, ir.Undefined)
        one = builder.insert_element(undefined, builder.load(pointer), ir.Constant(_WORD, 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, undefined, mask)

    def add_product(self, a, b, c):
        """Return a b + c, fused where the processor can."""
        return self._call("llvm.fmuladd", a, b, c)

    def magnitude(self, a):
        """Return |a|."""
        return self._call("llvm.fabs", a)

    def _call(self, name, *values):
        kind = ir.FunctionType(_WIDE, [_WIDE] * len(values))
        function = cgutils.get_or_insert_function(self.module, kind, f"{name}.v{LANES}f64")
        return self.builder.call(function, values)

    def room(self, start):
        """Return a vector variable; those that stay within a loop become registers."""
        place = cgutils.alloca_once(self.builder, _WIDE)
        self.builder.store(start, place)
        return place


def _for_each_width(code, lanes, emit):
    """Emit code for each number of vectors a block may have, chosen when it runs."""
    for width in range(1, MOST + 1):
        chosen = code.builder.icmp_signed("==", lanes, ir.Constant(_WORD, width))
        with code.builder.if_then(chosen):
            emit(width)


def _tile(code, width, tall, first, old):
    """Emit ``out[first : first + tall] (+)= matrix[:, first : first + tall].T block``."""
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
        row = code.at(matrix, (j, pitch), first)
        for a in range(tall):
            weight = code.spread(code.at(row, a))
            for v in range(width):
                place = sums[a][v]
                builder.store(code.add_product(weight, vectors[v], builder.load(place)), place)
    for a in range(tall):
        for v in range(width):
            code.store(builder.load(sums[a][v]), ends[a][v])


def _product(context, builder, signature, arguments):
    code = _Code(context, builder, signature, arguments)
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
    old = builder.icmp_signed("!=", more, ir.Constant(_WORD, 0))

    def emit(width):
        whole = builder.and_(into, ir.Constant(_WORD, -8))
        with cgutils.for_range_slice(
            builder, ir.Constant(_WORD, 0), whole, _EIGHT, intp=_WORD, inc=True
        ) as (first, _):
            _tile(code, width, 8, first, old)
        for tall in (4, 2, 1):
            bit = builder.and_(into, ir.Constant(_WORD, tall))
            with builder.if_then(builder.icmp_signed("!=", bit, ir.Constant(_WORD, 0))):
                first = builder.and_(into, ir.Constant(_WORD, -2 * tall))
                _tile(code, width, tall, first, old)

    _for_each_width(code, lanes, emit)
    return context.get_dummy_value()


@intrinsic
def _emit_product(
    typing,
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
):
    whole, flat = types.int64, types.float64[::1]
    signature = types.void(whole, flat, whole, whole, flat, whole, whole, flat, whole, whole, whole)
    return signature, _product


def _relax(context, builder, signature, arguments):
    code = _Code(context, builder, signature, arguments)
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

    _for_each_width(code, lanes, emit)
    return context.get_dummy_value()


@intrinsic
def _emit_relax(typing, lanes, block, block_at, columns, lines, lines_at, sums):
    whole, flat = types.int64, types.float64[::1]
    return types.void(whole, flat, whole, whole, flat, whole, flat), _relax


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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
