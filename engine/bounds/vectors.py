"""Writes vector code, eight float64 at a time, for loops that compilers leave half scalar."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from contextlib import contextmanager

from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
"""Numbers a vector."""

LINE = 8
"""Numbers a neuron in a table of lines: see `lanes.relax`."""

DOUBLE, WIDE, WORD = ir.DoubleType(), ir.VectorType(ir.DoubleType(), LANES), ir.IntType(64)
WORDS = ir.VectorType(WORD, LANES)


def word(number):
    """Return a whole number as a constant."""
    return ir.Constant(WORD, number)


def words(numbers):
    """Return eight whole numbers as a constant."""
    return ir.Constant(WORDS, list(numbers))


def emitted(plain):
    """Return a decorator for what emits code; where nothing is compiled the plain function stands.

    Args:
        plain: does the same by arrays.
    """
    return (lambda emit: plain) if config.DISABLE_JIT else intrinsic  # type: ignore[attr-defined]


class Code:
    """Emits vector code at a place of a function."""

    def __init__(self, context, builder, signature, arguments):
        self.builder, self.module = builder, builder.module
        self.values = [
            context.make_array(kind)(context, builder, value).data
            if isinstance(kind, types.Array)
            else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        self.zero = ir.Constant(WIDE, [0.0] * LANES)

    def at(self, pointer, *terms):
        """Return a pointer moved by the sum of products of numbers."""
        builder, place = self.builder, None
        for term in terms:
            factors = term if isinstance(term, tuple) else (term,)
            product = None
            for factor in factors:
                one = word(factor) if isinstance(factor, int) else factor
                product = one if product is None else builder.mul(product, one)
            place = product if place is None else builder.add(place, product)
        return builder.gep(pointer, [place])

    def load(self, pointer):
        """Return the eight numbers at a place."""
        builder = self.builder
        return builder.load(builder.bitcast(pointer, WIDE.as_pointer()), align=8)

    def store(self, value, pointer):
        """Put eight numbers at a place."""
        builder = self.builder
        builder.store(value, builder.bitcast(pointer, WIDE.as_pointer()), align=8)

    def spread(self, pointer):
        """Return the number at a place eight times."""
        return self.filled(self.builder.load(pointer))

    def filled(self, number):
        """Return a number, or a whole number, eight times."""
        undefined = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
        one = self.builder.insert_element(undefined, number, word(0))
        return self.shuffle(one, undefined, [0] * LANES)

    def gather(self, pointer, places, stop, start):
        """Return the numbers at the places listed from `start` on; 0 where that is not below stop.

        Args:
            pointer: what the places are counted from.
            places: pointer to whole numbers.
            stop: how many of them count.
            start: the first; what does not count is not read.
        """
        builder, size = self.builder, ir.Constant(ir.IntType(32), 8)
        begin, end = self.filled(start), self.filled(stop)
        inside = builder.icmp_signed("<", builder.add(begin, words(range(LANES))), end)
        listed = builder.bitcast(self.at(places, start), WORDS.as_pointer())
        index = self._call_typed(
            f"llvm.masked.load.v{LANES}i64.p0", WORDS, listed, size, inside, words([0] * LANES)
        )
        near, eights = self.filled(builder.ptrtoint(pointer, WORD)), words([3] * LANES)
        address = builder.add(near, builder.shl(index, eights))
        pointers = builder.inttoptr(address, ir.VectorType(DOUBLE.as_pointer(), LANES))
        return self._call_typed(
            f"llvm.masked.gather.v{LANES}f64.v{LANES}p0", WIDE, pointers, size, inside, self.zero
        )

    def add_product(self, a, b, c):
        """Return a b + c, fused where the processor can."""
        return self._call("llvm.fmuladd", a, b, c)

    def magnitude(self, a):
        """Return |a|."""
        return self._call("llvm.fabs", a)

    def total(self, a):
        """Return the sum of the eight numbers, added in any order."""
        number = ir.FunctionType(DOUBLE, [DOUBLE, WIDE])
        name = f"llvm.vector.reduce.fadd.v{LANES}f64"
        function = cgutils.get_or_insert_function(self.module, number, name)
        start = ir.Constant(DOUBLE, 0.0)
        return self.builder.call(function, [start, a], fastmath=("reassoc", "nsz"))

    def some(self, masks):
        """Return whether a comparison holds anywhere."""
        builder, mask = self.builder, masks[0]
        for other in masks[1:]:
            mask = builder.or_(mask, other)
        bits = ir.IntType(LANES)
        return builder.icmp_unsigned("!=", builder.bitcast(mask, bits), ir.Constant(bits, 0))

    def shuffle(self, a, b, places):
        """Return eight of the numbers of two vectors."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), places)
        return self.builder.shuffle_vector(a, b, mask)

    def turned(self, rows):
        """Return the columns of eight vectors."""
        for width in (1, 2, 4):
            pairs = [i for i in range(LANES) if not i & width]
            low = [i + (LANES - width) * bool(i & width) for i in range(LANES)]
            high = [i + width + (LANES - width) * bool(i & width) for i in range(LANES)]
            new = list(rows)
            for i in pairs:
                new[i] = self.shuffle(rows[i], rows[i + width], low)
                new[i + width] = self.shuffle(rows[i], rows[i + width], high)
            rows = new
        return rows

    def _call(self, name, *values):
        return self._call_typed(f"{name}.v{LANES}f64", WIDE, *values)

    def _call_typed(self, name, kind, *values):
        function = ir.FunctionType(kind, [value.type for value in values])
        found = cgutils.get_or_insert_function(self.module, function, name)
        return self.builder.call(found, values)

    def room(self, start):
        """Return a vector variable; those that stay within a loop become registers."""
        place = cgutils.alloca_once(self.builder, WIDE)
        self.builder.store(start, place)
        return place

    def counted(self, stop, step):
        """Return a loop over 0, step, and so on below stop; its index is what is bound."""
        return _counted(self.builder, stop, step)


@contextmanager
def _counted(builder, stop, step):
    with cgutils.for_range_slice(builder, word(0), stop, word(step), WORD) as (index, _):
        yield index
