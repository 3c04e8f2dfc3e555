"""Room for the rounding of float evaluation: how far the rows of a question may stray."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..engine.question import Question
from ..engine.rounding import float_above

Array = NDArray[np.float64]

MOST_CUT: Final = 60
"""Inputs up to which a region is cut into boxes for smaller errors; to halve some of many inputs
gains nothing."""


def file_errors(path: str | Path, lower: Array, upper: Array, names: Sequence[str]) -> list[Array]:
    """Return how far float evaluation of a file takes tensors from their real values.

    Args:
        path: of an ONNX file.
        lower: ``(inputs,)`` closed limits of all its inputs.
        upper: the same.
        names: of tensors of the file.

    Returns:
        For each name ``(size,)`` float64, proved for every input of the box; infinite where nothing
        can be said.
    """
    wanted = list(dict.fromkeys(names))
    if lower.size <= MOST_CUT:
        from ..engine.general.float_error import float_error

        found = float_error(path, lower, upper, wanted)
        return [found[name] for name in names]
    from ..engine.general.graph import Graph

    graph = Graph.read(path)
    values = graph.enclose(lower[None], upper[None], wanted, tied=graph.small)
    return [values[name].error.ravel() for name in names]


def row_errors(question: Question, error: Array) -> Array:
    """Return how far float evaluation may take each row of a question from its real value.

    Args:
        question: what is asked.
        error: ``(variables of its claim,)`` the same of each variable, 0 for inputs.

    Returns:
        ``(rows,)`` float64, rounded up; infinite where nothing can be said.
    """
    return np.array([_row_error(form, error) for form in question.forms])


def _row_error(form: Mapping[int, Fraction], error: Array) -> float:
    total = Fraction(0)
    for variable, slope in form.items():
        if not math.isfinite(error[variable]):
            return math.inf
        total += abs(slope) * Fraction(float(error[variable]))
    return float_above(total)
