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
    outputs = [positive[:, None]] if negative is None else [positive[:, None], negative[:, None]]
    signs = np.broadcast_to([1.0, -1.0][: len(outputs)], (len(weight), len(outputs)))
    names = np.broadcast_to(columns, weight.shape)
    lower = upper = bias
    if error is not None and error.any():
        lower = np.where(error > 0, np.nextafter(bias - error, -np.inf), bias)
        upper = np.where(error > 0, np.nextafter(bias + error, np.inf), bias)
    return Rows.full(np.hstack([names, *outputs]), np.hstack([0.0 - weight, signs]), lower, upper)
