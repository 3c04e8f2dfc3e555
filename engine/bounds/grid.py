"""Bounds and lines of `Quantize`: what a grid makes of values between two bounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..network import Quantize
from ..rounding import INSIDE, down, up

Array = NDArray[np.float64]


def rounded(grid: Quantize, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the bounds of values on a grid from those before it, ``(..., size)``.

    Rounding is monotone, so its ends are the ends' own values. A quotient by a scale that is no
    power of two is moved outward first: one beside a tie may have come from the other side.
    """
    exact = np.frexp(grid.scale)[0] == 0.5
    with np.errstate(over="ignore", invalid="ignore"):
        least, most = low / grid.scale, high / grid.scale
        least, most = np.where(exact, least, down(least)), np.where(exact, most, up(most))
        least, most = (np.clip(np.rint(end), grid.low, grid.high) for end in (least, most))
    return grid.scale * least + 0.0, grid.scale * most + 0.0


def band(grid: Quantize, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Return two parallel lines that enclose a grid between bounds, ``(..., size)``.

    Where no value is cut off they are half a step beside the values; where some are, or where it is
    narrower, they are constants. All numbers are exact.

    Returns:
        slope (0 or 1), lower shift, upper shift.
    """
    least, most = rounded(grid, low, high)
    within = (low >= (grid.low - INSIDE) * grid.scale) & (high <= (grid.high + INSIDE) * grid.scale)
    slanted = within & (most - least > grid.scale)
    half = 0.5 * grid.scale
    return (
        slanted.astype(np.float64),
        np.where(slanted, -half, least),
        np.where(slanted, half, most),
    )
