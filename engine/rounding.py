"""Every tolerance and every rounding rule, in one place, with unit and reason.

The model of arithmetic is IEEE 754 binary64, round to nearest, any order of summation, with or
without fused multiply-add. A sum of ``n`` products then errs by at most ``gamma(n)`` times the sum
of the products' magnitudes (Higham 2002, theorem 3.1); underflow adds at most ``UNDERFLOW`` as
long as no magnitude passes ``LARGEST``.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, chapter 3.
"""

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

UNIT: Final = 2.0**-53
"""Unit roundoff of binary64; relative, no unit."""

SLACK: Final = 1.0 + 2.0**-30
"""Factor on a computed error term: covers the rounding of the error term itself (sums of at most
2**20 non-negative numbers)."""

UNDERFLOW: Final = 2.0**-600
"""Absolute error added per bound for underflow: each of at most 2**40 operations loses at most
2**-1074, scaled by magnitudes up to LARGEST."""

LARGEST: Final = 2.0**400
"""Magnitude of activations up to which UNDERFLOW and the absence of overflow hold; beyond it a
bound is reported as infinite."""

IMPORT_TOLERANCE: Final = 1e-4
"""Largest difference, relative to max(1, largest magnitude of the reference output), between the
IR in float64 and a reference evaluator in float32; float32 evaluation of the networks in use errs
by about 1e-6."""

IMPORT_POINTS: Final = 64
"""Points on which every import is compared with the reference evaluator."""

LP_FEASIBILITY: Final = 1e-9
"""Primal and dual feasibility asked of LP solvers, in program units; bounds are rebuilt from the
duals, so this steers effort and not soundness."""

NEAR_ZERO: Final = 2.0**-30
"""Share of a quantity's own range below which a bound that misses zero may have missed it by
rounding alone; such a bound is taken again in rationals. Steers effort, not soundness."""

MIP_GAP: Final = 1e-9
"""Absolute and relative gap asked of MILP solvers."""


def gamma(terms: int) -> float:
    """Return the relative error bound of a sum of ``terms`` products.

    Args:
        terms: number of summands, at least 0 and below 2**40.
    """
    return terms * UNIT / (1.0 - terms * UNIT) * SLACK


def up(values: Array) -> Array:
    """Return each value moved one step of binary64 towards plus infinity."""
    return np.nextafter(values, np.inf)


def down(values: Array) -> Array:
    """Return each value moved one step of binary64 towards minus infinity."""
    return np.nextafter(values, -np.inf)


def float_above(value: Fraction) -> float:
    """Return the smallest binary64 number that is at least ``value``."""
    nearest = _nearest(value)
    return (
        nearest
        if nearest == np.inf or Fraction(nearest) >= value
        else float(np.nextafter(nearest, np.inf))
    )


def float_below(value: Fraction) -> float:
    """Return the largest binary64 number that is at most ``value``."""
    return -float_above(-value)


def _nearest(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return np.inf if value > 0 else -float(np.finfo(np.float64).max)
