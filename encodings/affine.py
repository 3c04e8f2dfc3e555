"""Rows of an affine map."""

import numpy as np

from .program import Array, Index, Rows


def affine(
    weight: Array,
    columns: Index,
    bias: Array,
    positive: Index,
    negative: Index | None = None,
    error: Array | None = None,
) -> Rows:
    """Return the rows that tie outputs to ``W x + b``.

    Args:
        weight: ``W``, ``(outputs, inputs)`` float64; zeros cost nothing.
        columns: ``(inputs,)``, the columns of x, each once.
        bias: ``b``, ``(outputs,)``.
        positive: ``(outputs,)``, columns p; none of them in `columns`.
        negative: ``(outputs,)``, columns n, where an output is the difference p - n.
        error: ``(outputs,)``, at least 0: by how much the true map may differ from ``W x + b``.

    Requires:
        Finite numbers.
    Rows:
        ``b - error <= p - n - W x <= b + error``, one a row; without `negative` the term n is
        absent.
    Exact or relaxes:
        Exact where `error` is absent or 0; else each row is a band of width 2 error, its ends
        rounded outward.
    Source:
        The definition of an affine layer.
    """
    count, width = weight.shape
    ties = [positive] if negative is None else [positive, negative]
    names = np.empty((count, width + len(ties)), np.int32)
    values = np.empty(names.shape)
    names[:, :width] = columns
    np.negative(weight, out=values[:, :width])
    for place, (tie, sign) in enumerate(zip(ties, (1.0, -1.0), strict=False), start=width):
        names[:, place], values[:, place] = tie, sign
    lower = upper = bias
    if error is not None and error.any():
        lower = np.where(error > 0, np.nextafter(bias - error, -np.inf), bias)
        upper = np.where(error > 0, np.nextafter(bias + error, np.inf), bias)
    return Rows.full(names, values, lower, upper)
