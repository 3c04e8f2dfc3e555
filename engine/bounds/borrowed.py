"""Arrays that compiled loops read without counting who holds them.

Whenever a compiled loop takes an array out of a tuple, or a part of an array, it counts one more
holder by an atomic addition, and one less when it is done: in loops over short rows a fifth of the
time. An array without an owner is not counted.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from .vectors import emitted

_OWNERS = ("meminfo", "parent")


def _same(members):
    """Return the tuple as it is."""
    return members


def _borrow(context, builder, signature, arguments):
    (kind,), (value,) = signature.args, arguments
    for place, member in enumerate(kind.types):
        if isinstance(member, types.Array):
            array = cgutils.create_struct_proxy(member)(
                context, builder, builder.extract_value(value, place)
            )
            for name in _OWNERS:
                setattr(array, name, ir.Constant(getattr(array, name).type, None))
            value = builder.insert_value(value, array._getvalue(), place)
    return value


@emitted(_same)
def borrowed(typing, members):
    """Return a tuple of arrays and numbers whose arrays have no owner.

    Only for what the caller of the compiled function holds: arguments, not what it made itself,
    which would be freed while it is in use.
    """
    return members(members), _borrow
