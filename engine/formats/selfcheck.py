"""Comparison of an imported network with the reference evaluator of its file.

It is made on every import, so a reader that misunderstands a file fails there and not in a proof.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from ..errors import MismatchError
from ..network import Array, Network
from ..noise import noise
from ..rounding import IMPORT_POINTS, IMPORT_TOLERANCE

WIDEST: Final = 2.0**20
"""Limits of the normalisation beyond this, in network units, count as none; that keeps float32
evaluation accurate and float16 finite."""

SCALES: Final = (1.0, 4.0, 16.0)
"""Standard deviations of the normal points, in half widths of the box."""


def check_points(network: Network, count: int = IMPORT_POINTS, seed: int = 0) -> Array:
    """Return points on which to compare a network with its file.

    The first is zero; of the others one third lies uniformly in the box of the network's
    normalisation, or in [-1, 1] where it has none, one third are corners of that box, and one
    third are normal around it.

    Args:
        network: the network.
        count: number of points.
        seed: of the random numbers.

    Returns:
        ``(count, inputs)`` float64 in network units; each value is one of the file's element type.
    """
    random = np.random.default_rng(seed)
    lower, upper = _box(network)
    part = max(0, count - 1) // 3
    shape = (part, network.size_in)
    inside = random.uniform(lower, upper, shape)
    corners = np.where(random.integers(0, 2, shape) == 0, lower, upper)
    rest = count - 1 - 2 * part
    scale = np.resize(SCALES, rest)[:, None] * (upper - lower) / 2
    around = (upper + lower) / 2 + scale * random.standard_normal((rest, network.size_in))
    points = np.concatenate([np.zeros((1, network.size_in)), inside, corners, around])
    most = float(np.finfo(network.origin.dtype).max)
    narrow = np.clip(points[:count], -most, most).astype(network.origin.dtype)
    return np.asarray(narrow, dtype=np.float64)


def _box(network: Network) -> tuple[Array, Array]:
    """Return the limits of the inputs that the normalisation states, -1 and 1 where it has none."""
    lower, upper = -np.ones(network.size_in), np.ones(network.size_in)
    if (normal := network.normalisation) is None:
        return lower, upper
    with np.errstate(over="ignore"):
        low, high = normal.to_network(normal.minimum), normal.to_network(normal.maximum)
    stated = (np.abs(low) <= WIDEST) & (np.abs(high) <= WIDEST)
    return np.where(stated, low, lower), np.where(stated, high, upper)


def check_import(
    network: Network,
    reference: Callable[[Array], Array],
    *,
    points: int = IMPORT_POINTS,
    tolerance: float = IMPORT_TOLERANCE,
    seed: int = 0,
) -> float:
    """Return the largest difference between a network and the reference evaluator of its file.

    Args:
        network: as imported.
        reference: gives outputs ``(points, outputs)`` for inputs ``(points, inputs)``, float64.
        points: how many to compare.
        tolerance: largest difference allowed at a point, relative to max(1, largest magnitude of
            the reference output there).
        seed: of the random points.

    Returns:
        The largest difference, relative in the same way. Points at which the reference overflows
        are left out. A difference above the tolerance is one that rounding may have made.

    Raises:
        MismatchError: outputs of another number, a difference above the tolerance that rounding
            cannot explain, or a reference that overflows at more than half of the points.
    """
    inputs = check_points(network, points, seed)
    with np.errstate(over="ignore", invalid="ignore"):
        expected, found = np.asarray(reference(inputs)), network.evaluate(inputs)
    where = network.origin.path
    if expected.shape != found.shape:
        raise MismatchError(
            f"{where}: the import gives {found.shape[-1]} outputs, the reference evaluator "
            f"{expected.shape[-1]}: do not use this import; please report the file"
        )
    usable = np.isfinite(expected).all(axis=1)
    if 2 * usable.sum() < len(inputs):
        raise MismatchError(
            f"{where}: the reference evaluator overflows at {int((~usable).sum())} of "
            f"{len(inputs)} points, so the import cannot be checked: correct the weights"
        )
    scale = np.maximum(1.0, np.abs(expected[usable]).max(axis=1, keepdims=True))
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.abs(found[usable] - expected[usable]) / scale
    errors = np.where(np.isnan(errors), np.inf, errors)
    worst = float(errors.max(initial=0.0))
    if worst > tolerance:  # large numbers that cancel may round to anything
        unit = float(np.finfo(network.origin.dtype).eps)
        with np.errstate(over="ignore", invalid="ignore"):
            allowed = tolerance + noise(network, inputs[usable], unit) / scale
        errors = np.where(np.isfinite(errors) & (errors <= allowed), 0.0, errors)
    if errors.max(initial=0.0) > tolerance:
        row, output = (int(i) for i in np.unravel_index(errors.argmax(), errors.shape))
        point = ", ".join(f"{value:.9g}" for value in inputs[usable][row][:8])
        more = ", ..." if network.size_in > 8 else ""
        raise MismatchError(
            f"{where}: the import disagrees with the reference evaluator: at the point "
            f"[{point}{more}] output {output} is {found[usable][row, output]:.9g} here and "
            f"{expected[usable][row, output]:.9g} there, {errors.max():.2g} apart where "
            f"{tolerance:.2g} "
            "is allowed: do not use this import; please report the file"
        )
    return worst
