"""Whether two layers are equal bit for bit."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from .network import Affine, Concat, Input, Layer, Piecewise, Quantize, Select
from .network import Sum as Total
from .operators import Convolution, Dense, Diagonal, Operator


def equal(one: Layer, other: Layer) -> bool:
    """Return whether two layers are equal bit for bit."""
    match one:
        case Input():
            return False
        case Affine():
            return (
                isinstance(other, Affine)
                and _same(one.operator, other.operator)
                and np.array_equal(one.bias, other.bias)
            )
        case Piecewise():
            return isinstance(other, Piecewise) and one.same(other)
        case Quantize():
            return isinstance(other, Quantize) and one.same(other)
        case Select():
            return (
                isinstance(other, Select)
                and one.size_in == other.size_in
                and np.array_equal(one.indices, other.indices)
            )
        case Total() | Concat():
            return one == other
        case _ as never:
            assert_never(never)


def _same(one: Operator, other: Operator) -> bool:
    """Return whether two operators are equal bit for bit."""
    if type(one) is not type(other) or not np.array_equal(one.weight, other.weight):
        return False
    match one:
        case Dense() | Diagonal():
            return True
        case Convolution():
            names = ("shape_in", "strides", "padding", "dilations", "groups")
            return all(getattr(one, name) == getattr(other, name) for name in names)
        case _ as never:
            assert_never(never)
