"""Every tolerance and every rounding rule, in one place, with unit and reason.

The model of arithmetic is IEEE 754 binary64, round to nearest, any order of summation, with or
without fused multiply-add. A sum of ``n`` products then errs by at most ``gamma(n)`` times the sum
of the products' magnitudes (Higham 2002, theorem 3.1); underflow adds at most ``UNDERFLOW`` as
long as no magnitude passes ``LARGEST``.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, chapter 3.
"""

from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
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

SCALES: Final = (2.0**-300, 2.0**300)
"""Least and greatest step of a grid of activations: multiples, halves and quotients neither
overflow nor vanish."""

INSIDE: Final = 0.25
"""How far beyond the last multiple of a grid, in steps, a value still counts as not cut off: below
the 0.5 at which it is, so that the rounding of the limit itself does not matter."""

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


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """How an element type of a model file rounds.

    Attributes:
        unit: unit roundoff; relative, no unit.
        underflow: absolute error of one operation whose result is too small for the type, also
            where a runtime flushes such results to zero.
        largest: largest finite number.
    """

    unit: float
    underflow: float
    largest: float

    def gamma(self, roundings: int) -> float:
        """Return the relative error bound of that many roundings, infinity if they are too many."""
        product = roundings * self.unit
        return product / (1.0 - product) * SLACK if product < 0.5 else float("inf")


FORMATS: Final = MappingProxyType(
    {
        "float16": FloatFormat(2.0**-11, 2.0**-14, 65504.0),
        "float32": FloatFormat(2.0**-24, 2.0**-126, (2.0 - 2.0**-23) * 2.0**127),
        "float64": FloatFormat(UNIT, 2.0**-1022, float(np.finfo(np.float64).max)),
    }
)
"""Element types of model files, round to nearest."""

LIBM: Final = 8.0 * 2.0**-52
"""Relative error charged for exp, log, tanh, pow, erf and short formulas of them in binary64 by
numpy and the C library. numpy states at most 4 ulp for its vectorised functions and glibc less than
2; the rest covers up to four further operations around one of them."""

TINIEST: Final = 2.0**-1000
"""Absolute error added to the same, for results that underflow."""

FUSED: Final = 4
"""Roundings granted to sums of products beside their own: runtimes multiply constant factors (a
batch normalisation, a scale) into weights beforehand, which takes a sum, a root, a quotient and a
product. No unit."""

RUNTIME_RELATIVE: Final = 32.0
"""Assumption on runtimes: exp, log, pow, erf, tanh, the logistic function and softmax err by at
most this many unit roundoffs of the element type (16 ulp), relative to the result. onnxruntime's
own kernels were measured below a quarter of it."""

RUNTIME_ABSOLUTE: Final = 16.0
"""Assumption on runtimes: bounded functions (erf, tanh, logistic, softmax) and log err by this many
unit roundoffs besides, absolutely; their tails are rational approximations that are cut off. About
1e-6 for float32."""

RUNTIME_ASSUMPTION: Final = (
    "float evaluation rounds each elementary operation to nearest, sums in any order and may "
    "multiply constant factors into weights; exp, log, "
    "pow, erf, tanh, logistic and softmax err by at most 32 unit roundoffs of the result and 16 "
    "of one"
)
"""What an answer about float evaluation states."""

INTEGER_LIMIT: Final = 2.0**53
"""Magnitude up to which binary64 holds integers exactly; beyond it an integer is unknown."""
